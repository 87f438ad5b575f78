#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>

#include "membership_sim.hpp"
#include "scenario.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

constexpr double kE = std::numbers::e;

// --- s1: first detection -----------------------------------------------------------------------------------

/// SWIM, section 3.1: how many protocol periods pass until somebody has chosen the failed member, found it silent to
/// the end of its period, and said so. Every member begins one period in each span of that length, at its own phase,
/// so the paper's count of periods is the number of complete spans between the crash and the first suspicion.
Report first_detection(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(1000);
  const std::uint64_t crashes = request.rounds.value_or(1000);
  Report report = report_of("s1", nodes, request);
  Trace trace;
  trace.print_to(request.trace);
  MembershipSimOptions options{.nodes = nodes, .seed = request.seed};
  options.swim.push_pull_interval = 0s;
  MembershipSim sim(options, trace);
  const double period = to_seconds(options.swim.probe_interval);

  struct Crash {
    Timestamp at = kNever;
    bool detected = false;
    Timestamp started = Timestamp{};
  };
  std::vector<Crash> down(nodes);
  std::vector<std::size_t> found;
  std::vector<double> periods, seconds;
  sim.on_event = [&](std::size_t, const MemberEvent& event) {
    if (event.kind != MemberEvent::Kind::suspected) return;
    const std::size_t i = MembershipSim::index(event.member.name);
    if (down[i].at == kNever || down[i].detected) return;
    down[i].detected = true;
    const double took = to_seconds(sim.now() - down[i].at);
    seconds.push_back(took);
    periods.push_back(std::max(1.0, std::floor(took / period)));
    found.push_back(i);
  };
  sim.start_all();
  sim.run_for(10s);
  Rng rng{mix64(request.seed) ^ 0x7331};
  // Crashes come one a second at random times; whoever was found starts again, so that all but a few are well.
  const std::uint64_t together = nodes < 100 ? 1 : 4;
  std::uint64_t begun = 0;
  for (std::uint64_t i = 0; i < crashes * 60 && periods.size() < crashes; ++i) {
    const Duration before = rng.jitter(1s);
    sim.run_for(before);
    if (begun < crashes && begun - periods.size() < together) {
      std::size_t victim = rng.below(nodes);
      // Who has just come back may still be suspected for its last crash, and nobody begins to suspect it then.
      const auto well = [&](std::size_t member) { return sim.up(member) && sim.now() - down[member].started >= 10s; };
      std::size_t tried = 0;
      while (!well(victim) && ++tried < nodes) victim = (victim + 1) % nodes;
      if (well(victim)) {
        down[victim] = {sim.now(), false, down[victim].started};
        sim.crash(victim);
        ++begun;
      }
    }
    sim.run_for(1s - before);
    for (const std::size_t victim : std::exchange(found, {})) {
      std::size_t seed = rng.below(nodes);
      while (!sim.up(seed)) seed = (seed + 1) % nodes;
      down[victim] = {kNever, false, sim.now()};
      sim.start(victim, seed);
    }
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    if (down[i].at == kNever || down[i].detected) continue;
    report.violations.push_back("the crash of member " + std::to_string(i) + " at " + number(to_seconds(down[i].at - Timestamp{})) + " s, " +
                                number(to_seconds(down[i].at - down[i].started)) + " s after its start, was never detected");
  }
  report.detect_ms_p50 = percentile(seconds, 0.5);
  report.detect_ms_p99 = percentile(seconds, 0.99);
  for (auto* ms : {&report.detect_ms_p50, &report.detect_ms_p99})
    if (*ms) **ms *= 1000;
  const double average = mean(periods).value_or(0);
  double squares = 0;
  for (const double p : periods) squares += (p - average) * (p - average);
  const auto n = static_cast<double>(std::max<std::size_t>(periods.size(), 2));
  report.notes = {{"crashes", n},
                  {"periods, mean", average},
                  {"periods, standard error", std::sqrt(squares / (n - 1) / n)},
                  {"periods, SWIM's formula", kE / (kE - 1)},
                  {"periods, most", percentile(periods, 1.0).value_or(0)},
                  {"seconds, mean", mean(seconds).value_or(0)}};
  report.trace_hash = trace.hash();
  return report;
}

// --- s2: load ----------------------------------------------------------------------------------------------

Report load(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(1000);
  Report report = report_of("s2", nodes, request);
  Trace trace;
  trace.print_to(request.trace);
  MembershipSimOptions options{.nodes = nodes, .seed = request.seed};
  options.swim.push_pull_interval = 0s;
  MembershipSim sim(options, trace);
  sim.start_all();
  sim.run_for(30s);
  sim.reset_traffic();
  const Duration length = span(request, 120);
  sim.run_for(length);
  const double periods = to_seconds(length) / to_seconds(options.swim.probe_interval);
  double sent = 0, received = 0, other = 0, most = 0, bytes = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto& t = sim.traffic(i);
    sent += static_cast<double>(t.probes_sent);
    received += static_cast<double>(t.probes_received);
    most = std::max(most, static_cast<double>(t.probes_received) / periods);
    other += static_cast<double>(t.packets_sent - t.probes_sent);
    bytes += static_cast<double>(t.packet_bytes_sent + t.stream_bytes_sent);
  }
  const double member_periods = periods * static_cast<double>(nodes);
  report.bytes_per_node_s = bytes / static_cast<double>(nodes) / to_seconds(length);
  report.notes = {{"sent a member and period", sent / member_periods},
                  {"received a member and period", received / member_periods},
                  {"received, busiest member", most},
                  {"other packets a period", other / member_periods}};
  // A period that is cut by the end of the measurement may miss one message of either kind.
  for (const double rate : {sent / member_periods, received / member_periods})
    if (std::abs(rate - 2) > 2 / periods) report.violations.push_back("load is not two messages a member and period: " + number(rate));
  report.trace_hash = trace.hash();
  return report;
}

// --- s3: false positives of one probe ----------------------------------------------------------------------

/// SWIM, section 3.1: with loss alone, a member that lives is found silent in the time T of the first detection
/// qf (1 - qml^2) (1 - qf qml^4)^k e^qf / (e^qf - 1) times. Here all are well, so qf = 1. No stream pings, no local
/// health, and no suspicion ever ends in a death: each probe that fails is one false positive of plain SWIM.
Report false_positives(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(50);
  Report report = report_of("s3", nodes, request);
  const std::vector<double> losses = request.loss ? std::vector<double>{*request.loss} : std::vector<double>{0.01, 0.05, 0.1, 0.2, 0.3};
  const Duration length = span(request, 600);
  Trace trace;
  trace.print_to(request.trace);
  report.false_positives = 0;
  double worst = 0;
  for (const double loss : losses) {
    for (std::uint32_t k = 0; k <= 3; ++k) {
      MembershipSimOptions options{.nodes = nodes, .seed = mix64(request.seed) + k};
      options.loss = loss;
      options.swim.push_pull_interval = 0s;
      options.swim.indirect_checks = k;
      options.swim.awareness_max_multiplier = 1;
      options.swim.suspicion_mult = 100000;
      options.swim.disable_tcp_pings = true;
      MembershipSim sim(options, trace);
      sim.start_all();
      std::uint64_t probes = 0, failed = 0;
      const auto count = [&](std::int64_t sign) {
        for (std::size_t i = 0; i < nodes; ++i) {
          const auto& results = sim.node(i).stats().probes;
          const auto n = [&](ProbeResult r) { return static_cast<std::uint64_t>(sign) * results[r]; };
          failed += n(ProbeResult::failed);
          probes += n(ProbeResult::failed) + n(ProbeResult::ack) + n(ProbeResult::indirect_ack);
        }
      };
      sim.run_for(10s);
      count(-1);
      sim.run_for(length);
      count(1);
      const double q = 1 - loss;
      const double expected = (1 - q * q) * std::pow(1 - q * q * q * q, k);
      const auto n = static_cast<double>(probes);
      const double measured = static_cast<double>(failed) / n;
      // Continuity correction: where few are expected, the last one is not significant.
      const double off = std::max(0.0, std::abs(static_cast<double>(failed) - n * expected) - 0.5) / std::sqrt(n * expected * (1 - expected));
      worst = std::max(worst, off);
      const double scale = kE / (kE - 1);
      const std::string cell = "loss " + number(loss * 100) + " % k " + std::to_string(k);
      report.notes.emplace_back(cell + " measured", measured * scale);
      report.notes.emplace_back(cell + " formula", expected * scale);
      report.notes.emplace_back(cell + " deviations", off);
      *report.false_positives += failed;
      // 99.99 %: about one run in five hundred of all twenty cells goes beyond by chance.
      if (off > 3.9) report.violations.push_back(cell + ": " + number(off) + " standard deviations off SWIM's formula");
    }
  }
  report.notes.emplace_back("worst deviation", worst);
  report.trace_hash = trace.hash();
  return report;
}

// --- s4: dissemination -------------------------------------------------------------------------------------

/// Who has heard of which news of a member, as it becomes known.
class News {
 public:
  News(MembershipSim& sim, Rng& rng) : sim_(sim), order_(sim.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    rng.shuffle(order_);
    sim.on_event = [this](std::size_t observer, const MemberEvent& event) {
      if (event.kind != MemberEvent::Kind::updated || event.member.name == MembershipSim::name(observer)) return;
      const auto it = told_.find(event.member.meta.text());
      if (it != told_.end()) it->second.heard.push_back(sim_.now());
    };
  }
  /// A random member has news now, another one each time.
  void begin() {
    const std::size_t who = order_[last_ % order_.size()];
    const std::string text = "news " + std::to_string(++last_);
    told_[text].at = sim_.now();
    sim_.set_meta(who, Bytes::copy_of(text));
  }
  struct Item {
    Timestamp at;
    std::vector<Timestamp> heard;  ///< by whom but its member, in order
  };
  [[nodiscard]] const std::map<std::string, Item, std::less<>>& told() const { return told_; }
  /// Members that had not heard an item after so long, on average.
  [[nodiscard]] double missed(Duration after) const {
    double sum = 0;
    for (const auto& [text, item] : told_) {
      const auto in_time = std::count_if(item.heard.begin(), item.heard.end(), [&](Timestamp t) { return t - item.at <= after; });
      sum += static_cast<double>(sim_.size() - 1) - static_cast<double>(in_time);
    }
    return sum / static_cast<double>(told_.size());
  }

 private:
  MembershipSim& sim_;
  std::vector<std::size_t> order_;
  std::map<std::string, Item, std::less<>> told_;
  std::uint64_t last_ = 0;
};

/// SWIM, section 4.1: news rides on pings and acks, and after lambda log n periods n^-(2 lambda - 2) members have not heard it. First so, with
/// news on probes alone and as long as it takes; then as members gossip, three others every 200 ms, where each sends news
/// retransmit_mult x log10(n + 1) times: how many miss it for each multiplier, and how long it takes until everybody has it.
Report dissemination(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(1000);
  const std::uint64_t rounds = request.rounds.value_or(50);
  Report report = report_of("s4", nodes, request);
  Trace trace;
  trace.print_to(request.trace);
  const auto n = static_cast<double>(nodes);
  const auto run = [&](SwimConfig swim, Duration pause, Duration tail, const auto& read) {
    MembershipSimOptions options{.nodes = nodes, .seed = request.seed};
    options.swim = std::move(swim);
    options.swim.push_pull_interval = 0s;
    MembershipSim sim(options, trace);
    sim.start_all();
    sim.run_for(30s);
    Rng rng{mix64(request.seed) ^ 0x54};
    News news(sim, rng);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      sim.run_for(rng.jitter(pause) + pause / 2);
      news.begin();
    }
    sim.run_for(tail);
    read(news);
  };
  SwimConfig probes;
  probes.gossip_interval = 0s;
  probes.retransmit_mult = 20;  // far more than is looked at
  const Duration period = probes.probe_interval;
  run(probes, 5 * period, period * static_cast<std::int64_t>(4 * std::log(n) + 2), [&](const News& news) {
    for (int lambda = 1; lambda <= 4; ++lambda) {
      const double periods = lambda * std::log(n);
      const double missed = news.missed(Duration{static_cast<std::int64_t>(periods * static_cast<double>(period.count()))});
      const double formula = std::pow(n, 2 - 2 * lambda);
      const std::string cell = "on probes, lambda " + std::to_string(lambda);
      report.notes.emplace_back(cell + " missed", missed);
      report.notes.emplace_back(cell + " formula", formula);
      // From two on, one member in all of the news is more than chance allows.
      if (lambda > 1 && missed > formula + 1 / static_cast<double>(rounds))
        report.violations.push_back(cell + ": " + number(missed) + " members had not heard the news");
    }
  });
  for (std::uint32_t multiplier = 1; multiplier <= 4; ++multiplier) {
    SwimConfig gossip;
    gossip.retransmit_mult = multiplier;
    run(gossip, 4s, 10s, [&](const News& news) {
      std::vector<double> all;
      for (const auto& [text, item] : news.told())
        if (item.heard.size() + 1 >= nodes) all.push_back(to_seconds(item.heard[nodes - 2] - item.at));
      const std::string cell = "gossip, multiplier " + std::to_string(multiplier);
      report.notes.emplace_back(cell + " missed", news.missed(10s));
      report.notes.emplace_back(cell + " everybody, share", static_cast<double>(all.size()) / static_cast<double>(rounds));
      report.notes.emplace_back(cell + " everybody, seconds mean", mean(all).value_or(0));
      if (multiplier < 4) return;
      report.full_ms_p50 = percentile(all, 0.5);
      report.full_ms_p99 = percentile(all, 0.99);
      for (auto* ms : {&report.full_ms_p50, &report.full_ms_p99})
        if (*ms) **ms *= 1000;
    });
  }
  report.trace_hash = trace.hash();
  return report;
}

// --- idle --------------------------------------------------------------------------------------------------

Report idle(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(1000);
  Report report = report_of("idle", nodes, request);
  Trace trace;
  trace.print_to(request.trace);
  MembershipSim sim({.nodes = nodes, .seed = request.seed}, trace);
  sim.start_all();
  // Tables are compared again soon after a join; at rest from then on.
  sim.run_for(request.seconds ? span(request, 0) / 2 : Duration{200s});
  sim.reset_traffic();
  const Duration length = span(request, 720);
  sim.run_for(length);
  const double seconds = to_seconds(length);
  std::vector<double> sent, received;
  double packets = 0, streams = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto& t = sim.traffic(i);
    sent.push_back(static_cast<double>(t.packet_bytes_sent + t.stream_bytes_sent) / seconds);
    received.push_back(static_cast<double>(t.packet_bytes_received + t.stream_bytes_received) / seconds);
    packets += static_cast<double>(t.packet_bytes_sent) / seconds / static_cast<double>(nodes);
    streams += static_cast<double>(t.stream_bytes_sent) / seconds / static_cast<double>(nodes);
  }
  report.bytes_per_node_s = mean(sent);
  report.notes = {{"sent bytes/s, mean", mean(sent).value_or(0)},         {"sent bytes/s, p99", percentile(sent, 0.99).value_or(0)},
                  {"received bytes/s, mean", mean(received).value_or(0)}, {"received bytes/s, p99", percentile(received, 0.99).value_or(0)},
                  {"of sent, packets", packets},                          {"of sent, streams", streams}};
  report.trace_hash = trace.hash();
  return report;
}

Scenario make(std::string name, std::string summary, std::set<Flag> flags, std::uint64_t nodes_max, std::function<Report(const Request&)> run) {
  Scenario scenario;
  scenario.name = std::move(name);
  scenario.summary = std::move(summary);
  scenario.flags = std::move(flags);
  scenario.nodes_min = 5;
  scenario.nodes_max = nodes_max;
  scenario.run = std::move(run);
  return scenario;
}

}  // namespace

std::vector<Scenario> swim_scenarios() {
  return {
      make("s1", "SWIM's first detection in periods: 1,000 members, 1,000 crashes", {Flag::nodes, Flag::rounds}, 4000, first_detection),
      make("s2", "SWIM's load, probes and acks a member and period: 1,000 members, 120 s", {Flag::nodes, Flag::seconds}, 4000, load),
      make("s3", "SWIM's false positives with loss 1 to 30 % and 0 to 3 helpers: 50 members, 600 s each",
           {Flag::nodes, Flag::loss, Flag::seconds}, 1000, false_positives),
      make("s4", "news on probes against SWIM's formula, and by gossip with multipliers 1 to 4: 1,000 members, 50 items each",
           {Flag::nodes, Flag::rounds}, 4000, dissemination),
      make("idle", "what rest costs: 1,000 members, 720 s", {Flag::nodes, Flag::seconds}, 4000, idle),
  };
}

}  // namespace plumvine::sim
