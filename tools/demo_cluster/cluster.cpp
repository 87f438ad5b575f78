#include "cluster.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>

#include <poll.h>
#include <unistd.h>

namespace demo {
namespace {

constexpr std::size_t kLogLinesKept = 15;

/// The value of ` key=VALUE` in a ready line.
std::string field(const std::string& line, const std::string& key) {
  const std::size_t at = line.find(' ' + key + '=');
  if (at == std::string::npos) return {};
  const std::size_t start = at + key.size() + 2;
  return line.substr(start, line.find(' ', start) - start);
}

}  // namespace

bool Cluster::start_node(const std::string& name, const std::string& seed, std::string& error) {
  auto node = std::make_unique<Node>();
  node->name = name;
  std::vector<std::string> command{programs_ + "/plumvined", "--name", name,          "--bind", "127.0.0.1:0",
                                   "--http",                 "127.0.0.1:0", "--log-level", "info"};
  if (seed.empty()) {
    command.insert(command.end(), {"--publish", "demo"});
  } else {
    command.insert(command.end(), {"--join", seed, "--print", "demo"});
    node->receipt.emplace(file_);
  }
  if (!node->child.start(command, error)) return false;
  if (!seed.empty()) node->child.close_input();
  nodes_.push_back(std::move(node));
  return true;
}

bool Cluster::turn(int wait_ms, std::string& error) {
  struct Source {
    Node* node;
    int* fd;
  };
  std::vector<pollfd> fds;
  std::vector<Source> sources;
  for (auto& node : nodes_) {
    for (int* fd : {&node->child.output, &node->child.log}) {
      if (*fd < 0) continue;
      fds.push_back({*fd, POLLIN, 0});
      sources.push_back({node.get(), fd});
    }
  }
  const bool pumping = input_open_ && publisher().child.input >= 0 &&
                       (input_sent_ < input_allowed_ || input_sent_ == file_.bytes().size());
  if (pumping) fds.push_back({publisher().child.input, POLLOUT, 0});
  ::poll(fds.data(), fds.size(), wait_ms);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (fds[i].revents == 0) continue;
    Node& node = *sources[i].node;
    const bool printed = sources[i].fd == &node.child.output;
    const std::string text = node.child.read(*sources[i].fd);
    if (!printed) {
      take_log(node, text);
    } else if (node.receipt && !node.killed) {
      node.receipt->feed(text);
    }
  }
  if (pumping && fds.back().revents != 0) pump();
  for (auto& node : nodes_) {
    if (node->child.ended() && !node->killed && !node->stopping) {
      error = "node " + node->name + " ended by itself (" + node->child.how() + ")";
      return false;
    }
  }
  return true;
}

void Cluster::pump() {
  Child& child = publisher().child;
  const std::string_view bytes = file_.bytes();
  if (input_sent_ < std::min(input_allowed_, bytes.size())) {
    const std::size_t length = std::min<std::size_t>(input_allowed_ - input_sent_, 65536);
    const ssize_t written = ::write(child.input, bytes.data() + input_sent_, length);
    if (written > 0) input_sent_ += static_cast<std::size_t>(written);
  }
  if (input_sent_ == bytes.size()) child.close_input();
}

void Cluster::take_log(Node& node, const std::string& text) {
  node.log_pending += text;
  std::size_t end = 0;
  while ((end = node.log_pending.find('\n')) != std::string::npos) {
    const std::string line = node.log_pending.substr(0, end);
    node.log_pending.erase(0, end + 1);
    if (node.bind.empty() && line.starts_with("plumvined ready ")) {
      node.bind = field(line, "bind");
      node.http = field(line, "http");
    }
    node.last_log.push_back(line.substr(0, 300));
    if (node.last_log.size() > kLogLinesKept) node.last_log.pop_front();
  }
  // A log line is short; something that never ends its line is not worth keeping.
  if (node.log_pending.size() > 65536) node.log_pending.clear();
}

void Cluster::kill(Node& node) {
  node.killed = true;
  node.child.signal(SIGKILL);
}

void Cluster::stop(int timeout_ms) {
  const std::int64_t deadline = now_ms() + timeout_ms;
  for (auto& node : nodes_) {
    node->stopping = true;
    node->child.signal(SIGTERM);
  }
  const auto done = [](const std::unique_ptr<Node>& node) {
    return node->child.ended() && node->child.output < 0 && node->child.log < 0;
  };
  std::string ignored;
  while (!std::all_of(nodes_.begin(), nodes_.end(), done) && now_ms() < deadline) turn(50, ignored);
  for (auto& node : nodes_) node->child.signal(SIGKILL);
}

std::uint64_t Cluster::slowest_survivor() const {
  std::uint64_t slowest = file_.count();
  for (const auto& node : nodes_) {
    if (node->receipt && !node->killed) slowest = std::min(slowest, node->receipt->received());
  }
  return slowest;
}

std::uint64_t Cluster::received_by_all() const {
  std::uint64_t sum = 0;
  for (const auto& node : nodes_) {
    if (node->receipt && !node->killed) sum += node->receipt->received();
  }
  return sum;
}

std::string Cluster::logs() const {
  std::string text;
  for (const auto& node : nodes_) {
    for (const std::string& line : node->last_log) text += "  " + node->name + " | " + line + '\n';
  }
  return text;
}

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

}  // namespace demo
