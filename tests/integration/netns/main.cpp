// Real agents in network namespaces: how long until all know all, and until all know of a SIGKILL. Times are those that the
// agents write in front of their log lines. One line of JSON per run, and a summary.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "network.hpp"
#include "tools/demo_cluster/child.hpp"

namespace netns {
namespace {

constexpr int kSkipped = 77;

struct Options {
  std::string agent;
  std::size_t nodes = 100;
  std::size_t runs = 30;
  std::size_t kills = 1;
  std::string preset = "lan";
  double loss = 0;
  /// For so many seconds two halves do not reach each other, and publish; 0: nothing of the kind.
  double split = 0;
  /// How long a whole cluster is watched before the first kill: a false death would show.
  double rest = 3;
};

/// Milliseconds of the wall clock: the agents write the same clock.
double now_ms() {
  using namespace std::chrono;
  return static_cast<double>(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count()) / 1000;
}

/// `2026-01-31T12:00:00.123Z` in front of a line.
std::optional<double> time_of(const std::string& line) {
  std::tm t{};
  int ms = 0;
  if (std::sscanf(line.c_str(), "%d-%d-%dT%d:%d:%d.%dZ", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &ms) != 7)
    return std::nullopt;
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  return static_cast<double>(::timegm(&t)) * 1000 + ms;
}

/// The name after `mark` in a line; empty if it is not there.
std::string name_after(const std::string& line, std::string_view mark) {
  const std::size_t at = line.find(mark);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + mark.size();
  return line.substr(begin, line.find(' ', begin) - begin);
}

struct Agent {
  demo::Child child;
  std::string rest;                      ///< of a line
  std::set<std::string> known;           ///< members that joined, in its view
  double complete = 0;                   ///< when it knew all
  std::map<std::string, double> deaths;  ///< when it was first told
  std::set<std::string> gone;            ///< dead in its view, now
  std::string printed;                   ///< of a line of its output
  std::set<std::string> messages;        ///< that it printed
  std::size_t suspicions = 0;
  bool killed = false;
};

std::string name(std::size_t i) { return fmt::format("n{}", i); }

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(p / 100 * static_cast<double>(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

class Cluster {
 public:
  Cluster(const Options& options, const Network& network) : options_(options), network_(network), agents_(options.nodes) {}

  bool start() {
    first_start = now_ms();
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      const std::string port = ":7946";
      std::vector<std::string> command{options_.agent, "--name", name(i), "--bind", Network::address(i) + port, "--http", "off",
                                       "--preset", options_.preset, "--log-level", "debug"};
      if (options_.split > 0) command.insert(command.end(), {"--print", "t", "--publish", "t"});
      if (i > 0) command.insert(command.end(), {"--join", Network::address(0) + port});
      std::string error;
      network_.enter(i);
      const bool started = agents_[i].child.start(command, error);
      network_.leave();
      if (!started) return std::fprintf(stderr, "%s\n", error.c_str()), false;
    }
    last_start = now_ms();
    return true;
  }

  /// Reads what the agents write until `done`, at most so many seconds.
  template <class Done>
  bool watch(double seconds, Done done) {
    const double end = now_ms() + seconds * 1000;
    const std::size_t n = agents_.size();
    std::vector<pollfd> ready(2 * n);
    while (!done()) {
      const double left = end - now_ms();
      if (left <= 0) return false;
      for (std::size_t i = 0; i < n; ++i) {
        ready[i] = {agents_[i].child.log, POLLIN, 0};
        ready[n + i] = {agents_[i].child.output, POLLIN, 0};
      }
      ::poll(ready.data(), ready.size(), static_cast<int>(std::min(left, 1000.0)) + 1);
      for (std::size_t i = 0; i < n; ++i) {
        Agent& agent = agents_[i];
        if (ready[i].revents != 0) take(agent.rest, agent.child.read(agent.child.log), [&](const std::string& text) { line(agent, text); });
        if (ready[n + i].revents != 0)
          take(agent.printed, agent.child.read(agent.child.output), [&](const std::string& text) { agent.messages.insert(text); });
      }
    }
    return true;
  }

  [[nodiscard]] bool all_know_all() const {
    return std::all_of(agents_.begin(), agents_.end(), [](const Agent& a) { return a.complete != 0; });
  }
  [[nodiscard]] double complete_at() const {
    double last = 0;
    for (const Agent& agent : agents_) last = std::max(last, agent.complete);
    return last;
  }

  /// Each of them publishes so many lines.
  void publish(const std::vector<std::size_t>& agents, std::size_t lines) {
    for (const std::size_t i : agents)
      for (std::size_t k = 0; k < lines; ++k) {
        const std::string text = fmt::format("{} says {}\n", name(i), k);
        published_ += ::write(agents_[i].child.input, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 1 : 0;
      }
  }
  /// Each member takes all of the other half for dead.
  [[nodiscard]] bool is_split() const {
    return std::all_of(agents_.begin(), agents_.end(), [&](const Agent& a) {
      const auto i = static_cast<std::size_t>(&a - agents_.data());
      return a.gone.size() == (i < half() ? agents_.size() - half() : half());
    });
  }
  [[nodiscard]] bool is_whole() const {
    return std::all_of(agents_.begin(), agents_.end(), [](const Agent& a) { return a.gone.empty(); });
  }
  /// Everybody printed what everybody else published.
  [[nodiscard]] bool all_have_all() const {
    return std::all_of(agents_.begin(), agents_.end(), [&](const Agent& a) {
      const auto i = static_cast<std::size_t>(&a - agents_.data());
      const std::size_t own = i == 0 || i + 1 == agents_.size() ? published_ / 2 : 0;
      return a.messages.size() == published_ - own;
    });
  }
  [[nodiscard]] std::size_t half() const { return agents_.size() / 2; }
  [[nodiscard]] std::size_t size() const { return agents_.size(); }

  void kill(std::size_t i) {
    agents_[i].killed = true;
    agents_[i].child.signal(SIGKILL);
  }
  [[nodiscard]] bool all_know_of_death(std::size_t victim) const {
    return std::all_of(agents_.begin(), agents_.end(), [&](const Agent& a) { return a.killed || a.deaths.contains(name(victim)); });
  }
  /// When each of the living was told.
  [[nodiscard]] std::vector<double> told(std::size_t victim) const {
    std::vector<double> times;
    for (const Agent& agent : agents_)
      if (!agent.killed) times.push_back(agent.deaths.at(name(victim)));
    return times;
  }
  /// Deaths, in anybody's view, of those that live.
  [[nodiscard]] std::size_t false_deaths() const {
    std::size_t count = 0;
    for (const Agent& agent : agents_)
      for (std::size_t i = 0; i < agents_.size(); ++i) count += !agents_[i].killed && agent.deaths.contains(name(i)) ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::size_t suspicions() const {
    std::size_t count = 0;
    for (const Agent& agent : agents_) count += agent.suspicions;
    return count;
  }
  void tell_incomplete() const {
    for (std::size_t i = 0; i < agents_.size(); ++i)
      if (agents_[i].complete == 0)
        std::fprintf(stderr, "%s knows %zu of %zu others\n", name(i).c_str(), agents_[i].known.size(), agents_.size() - 1);
  }

  double first_start = 0;
  double last_start = 0;

 private:
  /// Gives each line that `block` completes; what begins one is kept in `rest`.
  template <class Line>
  static void take(std::string& rest, const std::string& block, Line give) {
    rest += block;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1) give(rest.substr(begin, end - begin));
    rest.erase(0, begin);
  }
  void line(Agent& agent, const std::string& text) {
    const auto when = time_of(text);
    if (!when) return;
    if (const std::string who = name_after(text, "[PV1116] Member "); !who.empty()) {
      agent.known.insert(who);
      agent.gone.erase(who);
      if (agent.complete == 0 && agent.known.size() + 1 == agents_.size()) agent.complete = *when;
    } else if (const std::string dead = name_after(text, "[PV1102] Member "); !dead.empty()) {
      agent.deaths.emplace(dead, *when);
      agent.gone.insert(dead);
    } else if (text.find("[PV1101]") != std::string::npos) {
      ++agent.suspicions;
    }
  }

  const Options& options_;
  const Network& network_;
  std::vector<Agent> agents_;
  std::size_t published_ = 0;
};

struct Results {
  std::vector<double> from_first, from_last, everywhere, views, known_split, whole, delivered;
  std::size_t false_deaths = 0;
};

/// Cuts the cluster into halves, of which each publishes, and heals it.
bool split(const Options& options, const Network& network, Cluster& cluster, std::size_t number, Results& results) {
  constexpr std::size_t kLines = 20;
  const auto late = [number](const char* what) { return std::fprintf(stderr, "run %zu: %s\n", number, what), false; };
  if (!network.cut(cluster.half())) return late("nftables cannot cut the network");
  const double cut = now_ms();
  cluster.publish({0, cluster.size() - 1}, kLines);
  const bool known = cluster.watch(std::max(options.split, 120.0), [&] { return cluster.is_split(); });
  if (!known) return late("the halves do not take each other for dead after 120 s");
  results.known_split.push_back(now_ms() - cut);
  cluster.watch(options.split - (now_ms() - cut) / 1000, [] { return false; });
  if (!network.heal()) return late("nftables cannot heal the network");
  const double healed = now_ms();
  double whole = 0, delivered = 0;
  const bool one = cluster.watch(120, [&] {
    if (whole == 0 && cluster.is_whole()) whole = now_ms() - healed;
    if (delivered == 0 && cluster.all_have_all()) delivered = now_ms() - healed;
    return whole != 0 && delivered != 0;
  });
  if (!one) return late("the halves are not one again, with all messages, 120 s after the cut is healed");
  results.whole.push_back(whole);
  results.delivered.push_back(delivered);
  fmt::print("{{\"run\":{},\"nodes\":{},\"preset\":\"{}\",\"split_s\":{:.1f},\"split_known_ms\":{:.0f},\"whole_ms\":{:.0f},\"delivered_ms\":{:.0f}}}\n",
             number, options.nodes, options.preset, options.split, results.known_split.back(), whole, delivered);
  std::fflush(stdout);
  return true;
}

bool one_run(const Options& options, const Network& network, std::size_t number, Results& results) {
  double load = 0;
  ::getloadavg(&load, 1);
  Cluster cluster(options, network);
  if (!cluster.start()) return false;
  if (!cluster.watch(60, [&] { return cluster.all_know_all(); })) {
    std::fprintf(stderr, "run %zu: not all members know all after 60 s\n", number);
    cluster.tell_incomplete();
    return false;
  }
  const double from_first = cluster.complete_at() - cluster.first_start;
  const double from_last = cluster.complete_at() - cluster.last_start;
  cluster.watch(options.rest, [] { return false; });
  if (options.split > 0) return split(options, network, cluster, number, results);
  std::vector<double> everywhere;
  for (std::size_t k = 0; k < options.kills; ++k) {
    // Another one each time, the seed among them.
    const std::size_t victim = (number * options.kills + k) * 37 % options.nodes;
    const double at = now_ms();
    cluster.kill(victim);
    if (!cluster.watch(120, [&] { return cluster.all_know_of_death(victim); })) {
      std::fprintf(stderr, "run %zu: not all members know of a SIGKILL after 120 s\n", number);
      return false;
    }
    std::vector<double> told = cluster.told(victim);
    for (double& when : told) results.views.push_back(when -= at);
    everywhere.push_back(*std::max_element(told.begin(), told.end()));
  }
  results.from_first.push_back(from_first);
  results.from_last.push_back(from_last);
  results.everywhere.insert(results.everywhere.end(), everywhere.begin(), everywhere.end());
  results.false_deaths += cluster.false_deaths();
  fmt::print("{{\"run\":{},\"nodes\":{},\"preset\":\"{}\",\"loss\":{},\"starting_ms\":{:.0f},\"join_from_first_ms\":{:.0f},"
             "\"join_from_last_ms\":{:.0f},\"kill_known_ms\":[{:.0f}],\"suspicions\":{},\"false_deaths\":{},\"load\":{:.1f}}}\n",
             number, options.nodes, options.preset, options.loss, cluster.last_start - cluster.first_start, from_first, from_last,
             fmt::join(everywhere, ","), cluster.suspicions(), cluster.false_deaths(), load);
  std::fflush(stdout);
  return true;
}

std::string spread(const std::vector<double>& v) {
  return fmt::format("{{\"min\":{:.0f},\"p50\":{:.0f},\"p99\":{:.0f},\"max\":{:.0f}}}", percentile(v, 0), percentile(v, 50),
                     percentile(v, 99), percentile(v, 100));
}

bool parse(int argc, char** argv, Options& options) {
  if (argc < 2) return false;
  options.agent = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--nodes") options.nodes = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--runs") options.runs = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--kills") options.kills = std::strtoul(argv[i + 1], nullptr, 10);
    else if (flag == "--preset") options.preset = argv[i + 1];
    else if (flag == "--loss") options.loss = std::strtod(argv[i + 1], nullptr);
    else if (flag == "--split") options.split = std::strtod(argv[i + 1], nullptr);
    else if (flag == "--rest") options.rest = std::strtod(argv[i + 1], nullptr);
    else return false;
  }
  return argc % 2 == 0 && options.nodes >= 2 && options.nodes <= 1000 && options.runs > 0 && options.kills < options.nodes;
}

int run(const Options& options) {
  Network network;
  if (const std::string refused = network.make(options.nodes, options.loss); !refused.empty()) {
    std::fprintf(stderr, "SKIPPED: %s\n", refused.c_str());
    return kSkipped;
  }
  Results results;
  for (std::size_t number = 1; number <= options.runs; ++number)
    if (!one_run(options, network, number, results)) return 1;
  if (options.split > 0) {
    fmt::print("{{\"runs\":{},\"split_known_ms\":{},\"whole_ms\":{},\"delivered_ms\":{}}}\n", options.runs, spread(results.known_split),
               spread(results.whole), spread(results.delivered));
    return 0;
  }
  const auto within = [&](double ms) {
    return std::count_if(results.from_last.begin(), results.from_last.end(), [ms](double t) { return t <= ms; });
  };
  fmt::print("{{\"runs\":{},\"join_from_first_ms\":{},\"join_from_last_ms\":{},\"joined_within_1s\":{},\"kills\":{},"
             "\"kill_known_everywhere_ms\":{},\"kill_known_by_one_ms\":{},\"false_deaths\":{}}}\n",
             options.runs, spread(results.from_first), spread(results.from_last), within(1000), results.everywhere.size(),
             spread(results.everywhere), spread(results.views), results.false_deaths);
  return results.false_deaths == 0 ? 0 : 1;
}

}  // namespace
}  // namespace netns

int main(int argc, char** argv) {
  netns::Options options;
  if (!netns::parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: netns_cluster AGENT [--nodes N] [--runs R] [--kills K] [--preset P] [--loss PERCENT] [--rest SECONDS]\n"
                         "       [--split SECONDS]\n");
    return 2;
  }
  if (access(options.agent.c_str(), X_OK) != 0) {
    std::fprintf(stderr, "netns_cluster: '%s' is no program that can be run\n", options.agent.c_str());
    return 2;
  }
  return netns::run(options);
}
