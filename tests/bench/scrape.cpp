// What one HTTP request costs the loop of a node that knows many members and holds many links: processor time of the thread that
// runs the loop, from the request to the last byte of its answer. One real node whose loop is turned here; the other members run on a
// thread beside it. One line of JSON a path.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <uv.h>

#include <fmt/format.h>

#include <plumvine/metrics.hpp>
#include <plumvine/plumvine.hpp>
#include <plumvine/uv.hpp>

#include "tests/support/tcp_client.hpp"

namespace {

using namespace plumvine;

struct Options {
  std::size_t members = 1000;
  std::size_t links = 100;
  std::size_t requests = 200;
  std::string preset = "lan";
  bool verbose = false;
};

double seconds_of(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

/// As many links as a node may want.
void widen(Config& config, std::size_t links) {
  const auto half = static_cast<std::uint32_t>(std::min<std::size_t>(links, 64));
  config.tree.eager_fanout = config.tree.lazy_fanout = half;
  config.tree.max_peers = 2 * half;
}

/// Members that do nothing but be there, on a thread of their own.
class Crowd {
 public:
  Crowd(const Options& options, std::string seed) : options_(options), seed_(std::move(seed)), thread_([this] { run(); }) {}
  ~Crowd() {
    ending_ = true;
    thread_.join();
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  void run() {
    uv_loop_t loop;
    uv_loop_init(&loop);
    uv_timer_t pulse;
    uv_timer_init(&loop, &pulse);
    uv_timer_start(&pulse, [](uv_timer_t*) {}, 0, 20);
    std::vector<Node> nodes;
    double next = 0;
    while (!ending_ && !failed_) {
      // A few at a time: a join storm is another measurement.
      if (const double now = seconds_of(CLOCK_MONOTONIC); now >= next && nodes.size() + 1 < options_.members) {
        next = now + 0.1;
        for (int k = 0; k < 10 && nodes.size() + 1 < options_.members; ++k) add(&loop, nodes);
      }
      uv_run(&loop, UV_RUN_ONCE);
    }
    nodes.clear();
    uv_close(reinterpret_cast<uv_handle_t*>(&pulse), nullptr);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
  }
  void add(uv_loop_t* loop, std::vector<Node>& nodes) {
    Config config = *Config::from_preset(options_.preset, fmt::format("member-{}", nodes.size() + 1));
    config.bind = "127.0.0.1:0";
    config.seeds = {seed_};
    // The first ones link to all there are, the node that is asked among them. It dials as many others.
    // Of the rest each has few, since both ends are files of this process.
    config.tree.eager_fanout = config.tree.lazy_fanout = 1;
    if (nodes.size() < options_.links / 2) widen(config, 24);
    auto node = attach(loop, std::move(config), {});
    if (node) return nodes.push_back(std::move(*node));
    std::fprintf(stderr, "%s\n", node.error().message.c_str());
    failed_ = true;
  }

  const Options& options_;
  std::string seed_;
  std::atomic<bool> ending_ = false, failed_ = false;
  std::thread thread_;
};

/// The node that is asked, on a loop that is turned here.
class Asked {
 public:
  explicit Asked(const Options& options) {
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &pulse_);
    uv_timer_start(&pulse_, [](uv_timer_t*) {}, 0, 20);
    Config config = *Config::from_preset(options.preset, "asked");
    config.bind = config.http = "127.0.0.1:0";
    widen(config, options.links);
    metrics::enable(config);
    auto node = attach(&loop_, std::move(config), {});
    if (node) nodes_.push_back(std::move(*node));
    else std::fprintf(stderr, "%s\n", node.error().message.c_str());
  }
  ~Asked() {
    nodes_.clear();
    uv_close(reinterpret_cast<uv_handle_t*>(&pulse_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

  [[nodiscard]] bool started() const { return !nodes_.empty(); }
  [[nodiscard]] const Node& node() const { return nodes_.front(); }
  [[nodiscard]] std::pair<std::size_t, std::size_t> members_and_links() const {
    const auto snapshot = node().snapshot();
    // The machine is busy: a suspicion says nothing here.
    const auto there = std::count_if(snapshot->members.begin(), snapshot->members.end(), [](const MemberInfo& m) {
      return m.member.state == MemberState::alive || m.member.state == MemberState::suspect;
    });
    const auto up = std::count_if(snapshot->links.begin(), snapshot->links.end(), [](const LinkInfo& l) { return l.state == LinkState::up; });
    return {static_cast<std::size_t>(there), static_cast<std::size_t>(up)};
  }
  /// Processor time of the turns until `done`, at most so many seconds by the clock.
  template <class Done>
  double turn(double limit, Done done) {
    const double end = seconds_of(CLOCK_MONOTONIC) + limit;
    double spent = 0;
    while (!done() && seconds_of(CLOCK_MONOTONIC) < end) {
      const double from = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      uv_run(&loop_, UV_RUN_ONCE);
      spent += seconds_of(CLOCK_THREAD_CPUTIME_ID) - from;
    }
    return spent;
  }

 private:
  uv_loop_t loop_{};
  uv_timer_t pulse_{};
  std::vector<Node> nodes_;
};

bool whole(const std::string& answer) {
  const std::size_t head = answer.find("\r\n\r\n");
  const std::size_t length = answer.find("Content-Length: ");
  return head != std::string::npos && length < head && answer.size() >= head + 4 + std::strtoul(answer.c_str() + length + 16, nullptr, 10);
}

/// Milliseconds of each request, sorted; empty if one was not answered with 200.
std::vector<double> ask(Asked& asked, const std::string& path, std::size_t requests, std::size_t& bytes) {
  test::TcpClient client{asked.node().http_address()};
  std::vector<double> spent;
  for (std::size_t i = 0; i < requests; ++i) {
    asked.turn(0.02, [] { return false; });  // what has nothing to do with it
    client.received.clear();
    client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    spent.push_back(1000 * asked.turn(10, [&] { return !client.poll() || whole(client.received); }));
    if (client.status() != 200 || !whole(client.received)) return {};
    bytes = client.received.size();
  }
  std::sort(spent.begin(), spent.end());
  return spent;
}

int measure(const Options& options) {
  Asked asked(options);
  if (!asked.started()) return 1;
  Crowd crowd(options, asked.node().address().to_string());
  std::pair<std::size_t, std::size_t> have{};
  double looked = 0;
  asked.turn(600, [&] {
    if (const double now = seconds_of(CLOCK_MONOTONIC); now - looked > 0.5) {
      looked = now;
      have = asked.members_and_links();
      if (options.verbose) std::fprintf(stderr, "%zu members, %zu links\n", have.first, have.second);
    }
    return crowd.failed() || (have.first >= options.members && have.second >= options.links);
  });
  if (have.first < options.members || have.second < options.links) {
    std::fprintf(stderr, "only %zu members and %zu links after 600 s, or after what is said above\n", have.first, have.second);
    return 1;
  }
  for (const std::string path : {"/livez", "/metrics", "/healthz", "/members", "/peers"}) {
    std::size_t bytes = 0;
    const std::vector<double> ms = ask(asked, path, options.requests, bytes);
    if (ms.empty()) return std::fprintf(stderr, "%s was not answered\n", path.c_str()), 1;
    const auto share = [&](double p) { return ms[static_cast<std::size_t>(p * static_cast<double>(ms.size() - 1))]; };
    have = asked.members_and_links();
    fmt::print("{{\"path\":\"{}\",\"members\":{},\"links\":{},\"requests\":{},\"bytes\":{},\"loop_ms\":{{\"min\":{:.2f},\"p50\":{:.2f},\"p99\":{:.2f},\"max\":{:.2f}}}}}\n",
               path, have.first, have.second, ms.size(), bytes, ms.front(), share(0.5), share(0.99), ms.back());
    std::fflush(stdout);
  }
  return 0;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--members") options.members = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--links") options.links = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--requests") options.requests = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--preset") options.preset = argv[i + 1];
    else if (flag == "--verbose") options.verbose = std::string_view(argv[i + 1]) == "yes";
    else return false;
  }
  return argc % 2 == 1 && options.members > options.links && options.links > 0 && options.requests > 0 && Config::from_preset(options.preset, "n");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: bench_scrape [--members N] [--links N] [--requests N] [--preset P]\n");
    return 2;
  }
  // Both ends of all links are here. Root may have more than others.
  rlimit files{100'000, 100'000};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  return measure(options);
}
