// What members cost at rest: many nodes of the public interface on one loop, over real sockets on loopback, no broadcast.
// Counts what passes their sockets, membership and links together, and the processor time of the process. One line of JSON.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <uv.h>

#include <fmt/format.h>

#include <plumvine/plumvine.hpp>
#include <plumvine/uv.hpp>

namespace {

using namespace plumvine;

struct Options {
  std::size_t nodes = 1000;
  double seconds = 60;
  /// From all knowing all to the measurement: what a join brought is repeated for a while.
  double settle = 60;
  std::string preset = "lan";
};

struct Bytes {
  double udp_sent = 0, udp_received = 0, tcp_sent = 0, tcp_received = 0;
  // What they are made of: events, not bytes.
  double links_up = 0, beacons = 0, prunes = 0, rows = 0, exchanges = 0, syncs = 0;
  [[nodiscard]] double sent() const { return udp_sent + tcp_sent; }
  [[nodiscard]] double received() const { return udp_received + tcp_received; }
};

double seconds_now() { return static_cast<double>(uv_hrtime()) / 1e9; }

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

class Cluster {
 public:
  explicit Cluster(const Options& options) : options_(options), alive_(options.nodes, 1) {
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &timer_);
    nodes_.reserve(options.nodes);
  }
  ~Cluster() {
    nodes_.clear();
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// One more node, which joins by the first.
  bool add() {
    const std::size_t i = nodes_.size();
    Config config = *Config::from_preset(options_.preset, fmt::format("n{}", i));
    config.bind = "127.0.0.1:0";
    if (i > 0) config.seeds = {nodes_[0].address().to_string()};
    auto node = attach(&loop_, std::move(config), {.on_member = [this, i](const MemberEvent& event) { note(i, event); }});
    if (!node) return std::fprintf(stderr, "%s\n", node.error().message.c_str()), false;
    nodes_.push_back(std::move(*node));
    return true;
  }
  /// Turns the loop until `done`, at most so many seconds.
  template <class Done>
  bool run(double seconds, Done done) {
    const double end = seconds_now() + seconds;
    uv_timer_start(&timer_, [](uv_timer_t*) {}, 0, 20);
    while (!done() && seconds_now() < end) uv_run(&loop_, UV_RUN_ONCE);
    uv_timer_stop(&timer_);
    return done();
  }
  [[nodiscard]] bool all_know_all() const {
    return nodes_.size() == options_.nodes && std::all_of(alive_.begin(), alive_.end(), [&](std::size_t n) { return n == options_.nodes; });
  }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  /// Of every twentieth node, of all if there are few: a snapshot of each would be a table of a million rows.
  [[nodiscard]] std::vector<Bytes> bytes() const {
    std::vector<Bytes> all;
    for (std::size_t i = 0; i < nodes_.size(); i += options_.nodes > 100 ? 20 : 1) {
      const auto snapshot = nodes_[i].snapshot();
      const TransportStats& t = snapshot->transport;
      const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
      all.push_back({number(t.udp_sent_bytes), number(t.udp_received_bytes), number(t.tcp_sent_bytes), number(t.tcp_received_bytes),
                     number(snapshot->tree.peers_added), number(snapshot->tree.beacons_sent), number(snapshot->tree.prune_sent),
                     number(snapshot->swim.table_rows_sent),
                     number(snapshot->swim.push_pulls.total() + snapshot->swim.digests.total()), number(snapshot->tree.sync_rounds)});
    }
    return all;
  }
  std::size_t deaths = 0;

 private:
  void note(std::size_t observer, const MemberEvent& event) {
    using Kind = MemberEvent::Kind;
    if (event.member.name == nodes_[observer].name()) return;
    if (event.kind == Kind::joined) ++alive_[observer];
    if (event.kind == Kind::died || event.kind == Kind::left) --alive_[observer];
    if (event.kind == Kind::died) ++deaths;
  }

  const Options& options_;
  uv_loop_t loop_{};
  uv_timer_t timer_{};
  std::vector<std::size_t> alive_;  ///< members alive in each one's view
  std::vector<Node> nodes_;
};

double mean(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum / static_cast<double>(v.size());
}

int measure(const Options& options) {
  Cluster cluster(options);
  const double begin = seconds_now();
  // A few at a time: a join storm is another measurement.
  while (cluster.size() < options.nodes) {
    for (std::size_t k = 0; k < 10 && cluster.size() < options.nodes; ++k)
      if (!cluster.add()) return 1;
    cluster.run(0.1, [] { return false; });
  }
  if (!cluster.run(600, [&] { return cluster.all_know_all(); })) {
    std::fprintf(stderr, "not all members know all after 600 s\n");
    return 1;
  }
  const double joined = seconds_now() - begin;
  cluster.run(options.settle, [] { return false; });
  const std::vector<Bytes> before = cluster.bytes();
  const std::size_t deaths_before = cluster.deaths;
  const double from = seconds_now(), cpu_from = cpu_seconds();
  cluster.run(options.seconds, [] { return false; });
  const double span = seconds_now() - from, cpu = cpu_seconds() - cpu_from;
  const std::vector<Bytes> after = cluster.bytes();
  std::vector<double> sent, received, udp_sent, udp_received;
  for (std::size_t i = 0; i < after.size(); ++i) {
    sent.push_back((after[i].sent() - before[i].sent()) / span);
    received.push_back((after[i].received() - before[i].received()) / span);
    udp_sent.push_back((after[i].udp_sent - before[i].udp_sent) / span);
    udp_received.push_back((after[i].udp_received - before[i].udp_received) / span);
  }
  const std::size_t deaths = cluster.deaths - deaths_before;
  const auto rate = [&](double Bytes::*field) {
    double sum = 0;
    for (std::size_t i = 0; i < after.size(); ++i) sum += after[i].*field - before[i].*field;
    return sum / span / static_cast<double>(after.size());
  };
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  const long peak_kb = usage.ru_maxrss;  // of the whole process
  fmt::print("{{\"nodes\":{},\"preset\":\"{}\",\"joined_s\":{:.1f},\"seconds\":{:.1f},\"sent_bytes_s\":{:.0f},\"sent_udp_bytes_s\":{:.0f},"
             "\"sent_max_bytes_s\":{:.0f},\"received_bytes_s\":{:.0f},\"received_udp_bytes_s\":{:.0f},\"received_max_bytes_s\":{:.0f},"
             "\"cpu_cores\":{:.3f},\"cpu_percent_per_node\":{:.4f},\"links_up_s\":{:.3f},\"beacons_s\":{:.3f},\"prunes_s\":{:.3f},"
             "\"table_rows_s\":{:.3f},\"exchanges_s\":{:.3f},\"syncs_s\":{:.3f},\"rss_kb_per_node\":{},\"deaths\":{}}}\n",
             options.nodes, options.preset, joined, span, mean(sent), mean(udp_sent), *std::max_element(sent.begin(), sent.end()),
             mean(received), mean(udp_received), *std::max_element(received.begin(), received.end()), cpu / span,
             cpu / span / static_cast<double>(options.nodes) * 100, rate(&Bytes::links_up), rate(&Bytes::beacons), rate(&Bytes::prunes),
             rate(&Bytes::rows), rate(&Bytes::exchanges), rate(&Bytes::syncs), peak_kb / static_cast<long>(options.nodes), deaths);
  // Everybody pings and is pinged, by packets and over links.
  const auto flows = [](const std::vector<double>& v) { return std::all_of(v.begin(), v.end(), [](double x) { return x > 0; }); };
  const bool counted = flows(sent) && flows(received) && flows(udp_sent) && flows(udp_received);
  if (!counted) std::fprintf(stderr, "some node counted no bytes\n");
  return counted && deaths == 0 && cluster.all_know_all() ? 0 : 1;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--nodes") options.nodes = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--seconds") options.seconds = std::strtod(argv[i + 1], nullptr);
    else if (flag == "--settle") options.settle = std::strtod(argv[i + 1], nullptr);
    else if (flag == "--preset") options.preset = argv[i + 1];
    else return false;
  }
  return argc % 2 == 1 && options.nodes >= 2 && Config::from_preset(options.preset, "n");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: idle_cost [--nodes N] [--seconds S] [--settle S] [--preset P]\n");
    return 2;
  }
  // A node has a handful of links, and both ends are here.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  return measure(options);
}
