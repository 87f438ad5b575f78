// plumvine-demo: five agents on loopback, one file, one kill -9, nothing lost. Called by tools/demo.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>

#include "cluster.hpp"
#include "http.hpp"

namespace demo {
namespace {

constexpr int kNodes = 5;
constexpr std::uint64_t kLineMax = 1ULL << 20;   // the agents' default `max_message_size`
constexpr std::int64_t kJoinTimeoutMs = 60'000;
constexpr std::int64_t kStallTimeoutMs = 60'000;
// memberlist's LAN bounds for five members: at most 1 s + 0.5 s of probing and 24 s of suspicion.
constexpr std::int64_t kDeathTimeoutMs = 40'000;
constexpr int kStopTimeoutMs = 15'000;

volatile std::sig_atomic_t interrupted = 0;
void on_signal(int number) { interrupted = number; }

struct Options {
  std::string programs;
  std::string file;
  bool keep = false;
};

/// One run, step by step. Each step prints what it shows and returns false when the run has failed.
class Demonstration {
 public:
  Demonstration(Options options, const LineFile& file)
      : options_(std::move(options)), file_(file), cluster_(options_.programs, file), terminal_(::isatty(1) == 1) {}

  int run() {
    const bool streamed = start() && meet() && stream();
    if (streamed) {
      await_death();
      show();
      if (options_.keep && interrupted == 0) hold();
    }
    std::printf("\nStopping the cluster.\n");
    std::fflush(stdout);
    cluster_.stop(kStopTimeoutMs);
    if (!streamed) return fail();
    return verdict();
  }

 private:
  bool start() {
    std::printf("\nStarting %d nodes on loopback.\n", kNodes);
    for (int i = 1; i <= kNodes; ++i) {
      const std::string name = "n" + std::to_string(i);
      if (!cluster_.start_node(name, i == 1 ? "" : cluster_.publisher().bind, error_)) return false;
      Node& node = *cluster_.nodes().back();
      if (!wait_until(20'000, [&] { return !node.bind.empty(); }, name + " never said that it is ready")) return false;
      std::printf("  %s  %-16s http://%s/%s\n", name.c_str(), node.bind.c_str(), node.http.c_str(),
                  i == 1 ? "  (publishes)" : "");
      std::fflush(stdout);
    }
    return true;
  }

  bool meet() {
    const std::int64_t began = now_ms();
    const auto all_met = [&] {
      return std::all_of(cluster_.nodes().begin(), cluster_.nodes().end(), [](const auto& node) {
        return http::members_in(node->http, "alive") == kNodes && http::ready(node->http);
      });
    };
    if (!wait_until(kJoinTimeoutMs, all_met, "the nodes did not all find each other")) return false;
    std::printf("Every node sees %d members alive and is ready, after %.1f s.\n", kNodes, seconds_since(began));
    return true;
  }

  /// Feeds the publisher. Two thirds of the file must be enough until the kill, so that it always falls into
  /// the middle of the stream; it comes when every other node has a third.
  bool stream() {
    std::printf("n1 publishes %s lines (%s bytes); n2 to n5 receive them.\n", grouped(file_.count()).c_str(),
                grouped(file_.bytes().size()).c_str());
    const std::int64_t began = now_ms();
    std::int64_t last_progress = began;
    std::int64_t last_shown = began;
    std::uint64_t last_sum = 0;
    cluster_.allow_input(file_.end_of(file_.count() * 2 / 3));
    cluster_.begin_input();
    while (victim_ == nullptr || cluster_.slowest_survivor() < file_.count()) {
      if (!cluster_.turn(100, error_)) return false;
      if (stopped()) return false;
      const std::int64_t now = now_ms();
      if (cluster_.received_by_all() != last_sum) last_progress = now;
      last_sum = cluster_.received_by_all();
      if (victim_ == nullptr && cluster_.slowest_survivor() >= file_.count() / 3) {
        kill_one();
        last_progress = now;
      }
      if (now - last_shown >= (terminal_ ? 200 : 2000)) {
        show_progress(now - began);
        last_shown = now;
      }
      if (now - last_progress > kStallTimeoutMs) {
        error_ = "no line arrived for " + std::to_string(kStallTimeoutMs / 1000) + " s";
        return false;
      }
    }
    show_progress(now_ms() - began);
    if (terminal_) std::printf("\n");
    const double took = std::max(seconds_since(began), 0.001);
    std::printf("Every survivor has every line after %.1f s (%s lines/s, %.1f MB/s at each).\n", took,
                grouped(static_cast<std::uint64_t>(static_cast<double>(file_.count()) / took)).c_str(),
                static_cast<double>(file_.bytes().size()) / took / 1e6);
    return true;
  }

  /// SIGKILL to a node that the publisher sends to directly, so that the tree has to mend.
  void kill_one() {
    std::string name = "n3";
    const auto eager = http::eager_peers(cluster_.publisher().http);
    if (!eager.empty()) name = eager.back();
    for (auto& node : cluster_.nodes()) {
      if (node->name == name && node->receipt) victim_ = node.get();
    }
    if (victim_ == nullptr) victim_ = cluster_.nodes()[2].get();
    cluster_.kill(*victim_);
    killed_at_ = now_ms();
    std::printf("%skill -9 %s, after it has received %s lines.\n", terminal_ ? "\r\033[K" : "", victim_->name.c_str(),
                grouped(victim_->receipt->received()).c_str());
    std::fflush(stdout);
    cluster_.allow_input(file_.bytes().size());
  }

  void show_progress(std::int64_t elapsed_ms) {
    std::string text;
    for (const auto& node : cluster_.nodes()) {
      if (!node->receipt) continue;
      text += "  " + node->name + ' ' +
              (node->killed ? "killed" : grouped(node->receipt->received()));
    }
    const std::uint64_t sent = file_.lines_before(cluster_.input_sent());
    std::printf("%s  %5.1f s  sent %s of %s, received:%s%s", terminal_ ? "\r\033[K" : "",
                static_cast<double>(elapsed_ms) / 1000, grouped(sent).c_str(), grouped(file_.count()).c_str(),
                text.c_str(), terminal_ ? "" : "\n");
    std::fflush(stdout);
  }

  void await_death() {
    std::printf("Waiting until the survivors agree that %s is dead.\n", victim_->name.c_str());
    std::fflush(stdout);
    const auto all_agree = [&] {
      return std::all_of(cluster_.nodes().begin(), cluster_.nodes().end(), [&](const auto& node) {
        return node->killed || http::state_of(node->http, victim_->name) == "dead";
      });
    };
    if (wait_until(kDeathTimeoutMs - (now_ms() - killed_at_), all_agree, "")) {
      std::printf("They do, %.1f s after the kill.\n", seconds_since(killed_at_));
    } else if (interrupted == 0) {
      std::printf("NOTE: they do not, %.1f s after the kill.\n", seconds_since(killed_at_));
    }
    error_.clear();
  }

  void show() {
    for (const std::string command : {"members", "health", "tree"}) {
      if (interrupted != 0) return;
      std::printf("\n$ plumvine --http %s %s\n", cluster_.publisher().http.c_str(), command.c_str());
      std::fflush(stdout);
      run_tool(command);
    }
    std::printf("\nDashboard: http://%s/ (metrics at /metrics)%s\n", cluster_.publisher().http.c_str(),
                options_.keep ? "" : "; it ends with this demonstration, --keep leaves it up");
    std::fflush(stdout);
  }

  void run_tool(const std::string& command) {
    const std::string tool = options_.programs + "/plumvine";
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::execl(tool.c_str(), tool.c_str(), "--http", cluster_.publisher().http.c_str(), command.c_str(), nullptr);
      ::_exit(127);
    }
    int status = 0;
    if (pid > 0) ::waitpid(pid, &status, 0);
  }

  void hold() {
    std::printf("The cluster stays up. Ctrl-C stops it.\n");
    for (auto& node : cluster_.nodes()) {
      if (node->receipt && !node->killed) final_.push_back(*node->receipt);
    }
    std::fflush(stdout);
    while (interrupted == 0) {
      if (!cluster_.turn(1000, error_)) {
        std::printf("%s\n", error_.c_str());
        return;
      }
    }
  }

  int verdict() {
    std::printf("\n");
    bool good = true;
    std::size_t held = 0;
    for (const auto& node : cluster_.nodes()) {
      if (!node->receipt || node->killed) continue;
      // What people publish during --keep is theirs; the file was judged before.
      const Receipt& receipt = options_.keep && held < final_.size() ? final_[held++] : *node->receipt;
      good = good && receipt.perfect();
      std::printf("  %s received %s of %s lines, %s twice, %s wrong%s%s\n", node->name.c_str(),
                  grouped(receipt.received()).c_str(), grouped(file_.count()).c_str(),
                  grouped(receipt.duplicates()).c_str(), grouped(receipt.wrong()).c_str(),
                  receipt.first_problem().empty() ? "" : ": ", receipt.first_problem().c_str());
      if (!node->child.ended_well()) std::printf("    NOTE: it did not stop cleanly: %s\n", node->child.how().c_str());
      if (!receipt.complete()) std::printf("    first missing line: %s\n", grouped(receipt.first_missing()).c_str());
    }
    std::printf("%s\n", good ? "Nothing was lost: every survivor has every line, byte for byte, exactly once."
                             : "FAILED: lines were lost, repeated or changed.");
    return good ? 0 : 1;
  }

  int fail() {
    if (interrupted != 0) {
      std::printf("Interrupted.\n");
      return 128 + interrupted;
    }
    std::printf("\nLast log lines:\n%s", cluster_.logs().c_str());
    for (const auto& node : cluster_.nodes()) {
      if (!node->receipt || node->killed) continue;
      std::printf("  %s has %s lines, first missing: %s\n", node->name.c_str(),
                  grouped(node->receipt->received()).c_str(), grouped(node->receipt->first_missing()).c_str());
    }
    std::printf("FAILED: %s.\n", error_.c_str());
    return 1;
  }

  bool stopped() {
    if (interrupted != 0) error_ = "interrupted";
    return interrupted != 0;
  }

  template <class Condition>
  bool wait_until(std::int64_t timeout_ms, Condition condition, const std::string& otherwise) {
    const std::int64_t deadline = now_ms() + timeout_ms;
    while (!condition()) {
      if (stopped() || !cluster_.turn(50, error_)) return false;
      if (now_ms() >= deadline) {
        error_ = otherwise;
        return false;
      }
    }
    return true;
  }

  static double seconds_since(std::int64_t began) { return static_cast<double>(now_ms() - began) / 1000; }

  Options options_;
  const LineFile& file_;
  Cluster cluster_;
  bool terminal_;
  Node* victim_ = nullptr;
  std::int64_t killed_at_ = 0;
  std::vector<Receipt> final_;
  std::string error_;
};

int refuse(const std::string& text) {
  std::fprintf(stderr, "plumvine-demo: %s\n", text.c_str());
  return 2;
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--keep") {
      options.keep = true;
    } else if (word == "--programs" && i + 1 < argc) {
      options.programs = argv[++i];
    } else if (word == "--" && i + 2 == argc) {
      options.file = argv[++i];
    } else {
      return refuse("unexpected '" + std::string(word) + "' (allowed: --keep, --programs DIR, -- FILE)");
    }
  }
  if (options.programs.empty() || options.file.empty()) return refuse("--programs DIR and -- FILE are needed");

  LineFile file;
  std::string error;
  if (!file.load(options.file, error)) return refuse(error);
  if (const std::uint64_t longest = file.longest(); longest != 0 && file.line(longest).size() > kLineMax) {
    return refuse("line " + grouped(longest) + " of '" + options.file + "' has " +
                  grouped(file.line(longest).size()) + " bytes, a message may have " + grouped(kLineMax));
  }
  std::printf("plumvine demonstration: the %s lines of %s\n", grouped(file.count()).c_str(), options.file.c_str());

  struct sigaction action {};
  action.sa_handler = &on_signal;
  for (int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return Demonstration(std::move(options), file).run();
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) { return demo::run(argc, argv); }
