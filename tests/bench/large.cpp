// How long one large payload takes to all members: real processes on loopback, through the public interface, against plain TCP
// copies, one for each level of the tree: alone, and with the copies of all other members at the same time, which is what a machine with
// fewer processors than members can do at best. One line of JSON a run.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <plumvine/plumvine.hpp>

#include "tcp_levels.hpp"

namespace {

using namespace plumvine;

struct Options {
  std::size_t nodes = 16;
  std::size_t mib = 64;
  std::size_t runs = 5;
};

double seconds_now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);  // the same in all processes
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

/// What a member tells the first process of each payload.
struct Arrival {
  double at = 0;
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0;
  std::uint32_t hops = 0;
};

std::uint64_t sum_of(BytesView bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    sum = sum * 31 + word;
  }
  return sum;
}

Config config_of(std::size_t number, std::size_t mib) {
  Config config = Config::local("n" + std::to_string(number));
  config.bind = "127.0.0.1:0";
  config.tree.max_message_size = std::max<std::uint64_t>(mib << 20, config.tree.max_message_size);
  return config;
}

/// A member's process: joins, tells each payload, ends with its parent.
[[noreturn]] void be_member(std::size_t number, const Options& options, const std::string& seed, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Config config = config_of(number, options.mib);
  config.seeds = {seed};
  Handlers handlers;
  handlers.on_message = [out, kept = Bytes{}](const Message& message) mutable {
    Arrival arrival{seconds_now(), message.payload.size(), 0, message.hops};
    // The sum is asked for when everybody has the payload: meanwhile the processors have better to do.
    if (message.topic == "check") arrival.sum = sum_of(kept.view());
    kept = message.topic == "check" ? Bytes{} : message.payload;
    if (::write(out, &arrival, sizeof arrival) != sizeof arrival) ::_exit(1);
  };
  auto node = Node::start(std::move(config), std::move(handlers));
  if (!node) {
    std::fprintf(stderr, "member %zu: %s\n", number, node.error().message.c_str());
    ::_exit(1);
  }
  for (;;) ::pause();
}

bool settled(const Node& node, std::size_t nodes) {
  const auto snapshot = node.snapshot();
  const auto alive = std::ranges::count_if(snapshot->members, [](const MemberInfo& m) { return m.member.state == MemberState::alive; });
  const bool shaped = !snapshot->trees.empty() && std::ranges::all_of(snapshot->trees, [](const TreeInfo& t) { return t.settled; });
  return static_cast<std::size_t>(alive) == nodes && snapshot->synced && shaped;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {}
  ~Bench() {
    for (const pid_t child : children_) ::kill(child, SIGKILL);
    for (const pid_t child : children_) ::waitpid(child, nullptr, 0);
  }
  int run();

 private:
  bool start_members();
  bool run_once(std::size_t number);

  Options options_;
  std::vector<pid_t> children_;
  int pipe_[2] = {-1, -1};
  std::optional<Node> node_;
};

bool Bench::start_members() {
  if (::pipe(pipe_) != 0) return false;
  // Children are forked while this process has one thread. They get the seed's address over a pipe of their own, once it is there.
  std::vector<int> told;
  for (std::size_t i = 1; i < options_.nodes; ++i) {
    int seed[2];
    if (::pipe(seed) != 0) return false;
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child == 0) {
      char address[64] = {};
      ::close(seed[1]);
      if (::read(seed[0], address, sizeof address - 1) <= 0) ::_exit(1);
      be_member(i, options_, address, pipe_[1]);
    }
    ::close(seed[0]);
    told.push_back(seed[1]);
    children_.push_back(child);
  }
  auto node = Node::start(config_of(0, options_.mib), {});
  if (!node) {
    std::fprintf(stderr, "bench_large: %s\n", node.error().message.c_str());
    return false;
  }
  node_.emplace(std::move(*node));
  const std::string address = node_->bind_address().to_string();
  for (const int fd : told) {
    const bool written = ::write(fd, address.data(), address.size()) == static_cast<ssize_t>(address.size());
    ::close(fd);
    if (!written) return false;
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!settled(*node_, options_.nodes)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  return true;
}

bool Bench::run_once(std::size_t number) {
  const std::size_t bytes = options_.mib << 20;
  std::string text(bytes, 'a');
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    const std::uint64_t word = (i + number) * 0x9e3779b97f4a7c15ULL;
    std::memcpy(text.data() + i, &word, 8);
  }
  const Bytes payload = Bytes::copy_of(text);
  const std::uint64_t sum = sum_of(payload.view());
  const double began = seconds_now();
  if (auto id = node_->broadcast("large", payload, {.wait = std::chrono::seconds{10}}); !id) {
    std::fprintf(stderr, "bench_large: %s\n", id.error().message.c_str());
    return false;
  }
  double last = began;
  std::uint32_t levels = 0;
  for (std::size_t i = 1; i < options_.nodes; ++i) {
    Arrival arrival;
    if (::read(pipe_[0], &arrival, sizeof arrival) != sizeof arrival) return false;
    last = std::max(last, arrival.at);
    levels = std::max(levels, arrival.hops);
  }
  const double took = last - began;
  if (auto id = node_->broadcast("check", {}, {.wait = std::chrono::seconds{10}}); !id) {
    std::fprintf(stderr, "bench_large: %s\n", id.error().message.c_str());
    return false;
  }
  for (std::size_t i = 1; i < options_.nodes; ++i) {
    Arrival checked;
    if (::read(pipe_[0], &checked, sizeof checked) != sizeof checked) return false;
    if (checked.sum == sum) continue;
    std::fprintf(stderr, "bench_large: a member got something else\n");
    return false;
  }
  const double line = bench::tcp_levels(1, levels, bytes);
  const double all = bench::tcp_levels((options_.nodes - 2 + levels) / levels, levels, bytes);
  if (line < 0 || all < 0) {
    std::fprintf(stderr, "bench_large: the plain copies did not work\n");
    return false;
  }
  const auto stats = node_->snapshot()->transport;
  fmt::print("{{\"nodes\":{},\"mib\":{},\"seconds\":{:.3f},\"levels\":{},\"line_seconds\":{:.3f},\"all_seconds\":{:.3f},\"ratio\":{:.2f},\"sent_mib\":{}}}\n",
             options_.nodes, options_.mib, took, levels, line, all, took / all, stats.tcp_sent_bytes >> 20);
  std::fflush(stdout);
  return true;
}

int Bench::run() {
  if (!start_members()) {
    std::fprintf(stderr, "bench_large: the members did not meet\n");
    return 1;
  }
  for (std::size_t i = 0; i < options_.runs; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds{1});  // what the join or the last payload brought dies down
    if (!run_once(i)) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    std::size_t* value = flag == "--nodes" ? &options.nodes : flag == "--mib" ? &options.mib : flag == "--runs" ? &options.runs : nullptr;
    if (value == nullptr || i + 1 == argc || (*value = std::strtoul(argv[++i], nullptr, 10)) == 0) {
      std::fprintf(stderr, "usage: bench_large [--nodes N] [--mib M] [--runs R], numbers from 1; not: %s\n", argv[i]);
      return 2;
    }
  }
  if (options.nodes < 2 || options.mib > 512) {
    std::fprintf(stderr, "bench_large: --nodes is from 2, --mib to 512\n");
    return 2;
  }
  return Bench{options}.run();
}
