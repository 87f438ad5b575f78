#include <algorithm>
#include <cmath>

#include "scenario.hpp"
#include "tree_sim.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// The parameters of one experiment on trees.
struct Experiment {
  std::uint64_t nodes = 10000;
  std::uint64_t warm = 0;        ///< rounds before anything is counted
  std::uint64_t rounds = 200;
  Senders senders = Senders::one;
  Duration latency_min = 10ms;   ///< a hop of unit latency is 10 ms
  Duration latency_max = 10ms;
  Duration settle = 3s;          ///< from links to the first broadcast
  Duration cycle{0};             ///< from one broadcast to the next, at least
  Duration round_limit = 60s;
  double kill = 0;               ///< share of the nodes, together, as the first round begins
  std::uint64_t crash_per_round = 0;
  std::uint64_t skip = 0;        ///< rounds from then on that are not counted
  bool within_second = false;    ///< `reliability` is what arrived within a second; in the end, as in the paper, without repair
  bool silent = false;           ///< the crashed are hosts: no resets, dials time out
  bool regions = false;          ///< members of 19 regions, each with a broadcast a second at its own phase; loss delays
};

std::vector<std::uint32_t> pick_origins(const TreeSim& sim, Senders senders, std::uint32_t fixed, Rng& rng) {
  const std::vector<std::uint32_t> alive = sim.alive_nodes();
  switch (senders) {
    case Senders::one: return {fixed};
    case Senders::changing: return {alive[static_cast<std::size_t>(rng.below(alive.size()))]};
    case Senders::all: return alive;
  }
  return {};
}

/// `count` live nodes, never `spared`.
std::vector<std::uint32_t> pick_victims(const TreeSim& sim, std::uint64_t count, std::uint32_t spared, Rng& rng) {
  std::vector<std::uint32_t> alive = sim.alive_nodes();
  std::erase(alive, spared);
  rng.shuffle(alive);
  alive.resize(std::min<std::size_t>(alive.size(), count));
  return alive;
}

double ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }

/// Sums up broadcasts and counters.
class Tally {
 public:
  void add(const TreeSim::Broadcast& b) {
    ++broadcasts_;
    within_second_ += b.within_second;
    delivered_ += b.delivered;
    expected_ += b.expected;
    if (b.delivered > 0) {
      rmr_.push_back(static_cast<double>(b.payloads_sent) / static_cast<double>(b.delivered) - 1);
      ldh_.push_back(static_cast<double>(b.largest_hop));
      last_.push_back(ms(b.last_delivery));
    }
    if (b.full()) full_.push_back(ms(b.last_delivery));
  }
  void fill(Report& report, const TreeSim& sim, const Experiment& e, Duration span) const {
    const TreeSim::Counters& c = sim.counters();
    report.broadcasts = broadcasts_;
    report.delivered = delivered_;
    report.expected = expected_;
    const auto share = [this](std::uint64_t part) {
      return expected_ == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(expected_);
    };
    report.reliability = share(e.within_second ? within_second_ : delivered_);
    report.notes.emplace_back("reliability in the end", share(delivered_));
    report.notes.emplace_back("reliability within 1 s", share(within_second_));
    report.rmr = mean(rmr_);
    report.ldh_mean = mean(ldh_);
    report.ldh_max = percentile(ldh_, 1.0);
    report.last_delivery_ms_p50 = percentile(last_, 0.5);
    report.last_delivery_ms_p99 = percentile(last_, 0.99);
    report.full_ms_p50 = percentile(full_, 0.5);
    report.full_ms_p99 = percentile(full_, 0.99);
    report.payload_bytes = c.payload_bytes;
    report.control_bytes = c.control_bytes;
    report.grafts = c.grafts;
    report.prunes = c.prunes;
    if (c.first_deliveries > 0) {
      report.duplicates_per_message = static_cast<double>(c.payloads_received - std::min(c.payloads_received, c.first_deliveries)) /
                                      static_cast<double>(c.first_deliveries);
    }
    if (span.count() > 0) {
      report.bytes_per_node_s =
          static_cast<double>(c.payload_bytes + c.control_bytes) / static_cast<double>(e.nodes) / to_seconds(span);
    }
    const double n = static_cast<double>(std::max<std::uint64_t>(broadcasts_, 1));
    auto note = [&](const char* name, std::uint64_t value) { report.notes.emplace_back(name, static_cast<double>(value) / n); };
    note("payloads/broadcast", c.payloads);
    note("ids announced/broadcast", c.ihave_ids);
    note("control ids/broadcast", c.ihave_ids + c.graft_ids + c.prunes);
    note("grafts/broadcast", c.grafts);
    note("prunes/broadcast", c.prunes);
    note("pulls/broadcast", c.pulls);
    note("beacons/broadcast", c.beacons);
    note("digests/broadcast", c.digests);
    note("progress/broadcast", c.progresses);
    note("frames lost/broadcast", c.frames_lost);
    report.notes.emplace_back("links", static_cast<double>(sim.links()));
    report.notes.emplace_back("rmr first", rmr_.empty() ? 0 : rmr_.front());
    report.notes.emplace_back("rmr last", rmr_.empty() ? 0 : rmr_.back());
    report.notes.emplace_back("steps", static_cast<double>(c.steps));
    report.notes.emplace_back("virtual seconds", to_seconds(span));
  }

 private:
  std::uint64_t broadcasts_ = 0, delivered_ = 0, within_second_ = 0, expected_ = 0;
  std::vector<double> rmr_, ldh_, last_, full_;
};

TreeSimOptions options_of(const Experiment& e, const Request& request) {
  TreeSimOptions options;
  options.nodes = e.nodes;
  options.seed = request.seed;
  if (e.regions) options.tree = Config::wan("n").tree;
  options.tree.tree_rule = request.tree_rule.value_or(TreeConfig::Rule::rooted);
  if (request.second_parents) options.tree.second_parents = *request.second_parents;
  if (request.threshold) options.tree.optimization_threshold = static_cast<std::uint32_t>(*request.threshold);
  options.latency_min = e.latency_min;
  options.latency_max = e.latency_max;
  options.loss = request.loss.value_or(0);
  options.repair = request.repair.value_or(true);
  options.silent = e.silent;
  options.regions = options.streams = e.regions;
  options.lanes = request.lanes.value_or(false);
  return options;
}

/// The rounds of one experiment, one after the other.
class Rounds {
 public:
  Rounds(const Experiment& e, TreeSim& sim, std::uint64_t seed)
      : e_(e), sim_(sim), rng_(mix64(seed) ^ 0x73656e64), fixed_(static_cast<std::uint32_t>(rng_.below(e.nodes))) {
    for (std::uint64_t i = 0; i < e.nodes; ++i) phases_.push_back(rng_.jitter(1s));
  }
  void crash(std::uint64_t count) { sim_.crash(pick_victims(sim_, count, fixed_, rng_)); }
  std::vector<TreeSim::Broadcast> next(std::uint64_t crashes) {
    if (!e_.regions) {
      crash(crashes);
      const Timestamp next = sim_.now() + e_.cycle;
      auto results = sim_.round(pick_origins(sim_, e_.senders, fixed_, rng_), e_.round_limit);
      sim_.run_for(std::max(Duration{0}, next - sim_.now()));
      return results;
    }
    plan_second(crashes);
    return {};
  }
  /// Where rounds overlap they are only planned by `next`, and run together here.
  std::vector<TreeSim::Broadcast> finish() {
    auto results = sim_.run_plan(plan_, e_.round_limit);
    plan_.clear();
    seconds_ = 0;
    return results;
  }

 private:
  void plan_second(std::uint64_t crashes) {
    const Duration from = seconds_++ * Duration{1s};
    for (const std::uint32_t node : sim_.alive_nodes()) plan_.push_back({from + phases_[node], node, false});
    for (const std::uint32_t node : pick_victims(sim_, crashes, fixed_, rng_)) {
      plan_.push_back({from + rng_.jitter(1s), node, true});
    }
  }

  const Experiment& e_;
  TreeSim& sim_;
  Rng rng_;  // who sends and who dies does not disturb the draws of the network
  std::uint32_t fixed_;
  std::vector<Duration> phases_;
  std::vector<TreeSim::Planned> plan_;
  int seconds_ = 0;
};

Report run_experiment(const std::string& name, Experiment e, const Request& request) {
  e.nodes = request.nodes.value_or(e.nodes);
  e.rounds = request.rounds.value_or(e.rounds);
  e.senders = request.senders.value_or(e.senders);
  e.latency_min = request.latency_min.value_or(e.latency_min);
  e.latency_max = request.latency_max.value_or(e.latency_max);
  e.within_second = e.within_second && request.repair.value_or(true);
  e.kill = request.kill.value_or(e.kill);
  e.crash_per_round = request.crash_per_round.value_or(e.crash_per_round);

  Trace trace;
  trace.print_to(request.trace);
  TreeSim sim(options_of(e, request), trace);
  sim.run_for(e.settle);
  Rounds rounds(e, sim, request.seed);
  for (std::uint64_t i = 0; i < e.warm; ++i) rounds.next(0);
  rounds.finish();

  sim.reset_counters();
  Timestamp start = sim.now();
  rounds.crash(static_cast<std::uint64_t>(std::llround(e.kill * static_cast<double>(e.nodes))));
  Tally tally;
  for (std::uint64_t i = 0; i < e.skip + e.rounds; ++i) {
    if (e.skip > 0 && i == e.skip) {
      sim.reset_counters();
      start = sim.now();
    }
    for (const auto& broadcast : rounds.next(e.crash_per_round)) {
      if (i >= e.skip) tally.add(broadcast);
    }
  }
  for (const auto& broadcast : rounds.finish()) tally.add(broadcast);
  Report report = report_of(name, e.nodes, request);
  tally.fill(report, sim, e, sim.now() - start);
  report.trace_hash = trace.hash();
  report.violations = sim.violations();
  const bool repaired = request.repair.value_or(true);
  if ((repaired || e.kill + static_cast<double>(e.crash_per_round) == 0) && report.delivered != report.expected) {
    report.violations.push_back(std::to_string(*report.expected - *report.delivered) + " deliveries are missing");
  }
  return report;
}

Scenario make(std::string name, std::string summary, const Experiment& experiment) {
  Scenario scenario;
  scenario.name = name;
  scenario.summary = std::move(summary);
  scenario.flags = {Flag::nodes, Flag::rounds, Flag::loss, Flag::crash_per_round, Flag::tree_rule, Flag::threshold, Flag::second_parents, Flag::repair};
  if (!experiment.regions) scenario.flags.insert({Flag::senders, Flag::latency, Flag::kill});
  if (experiment.regions) scenario.flags.insert(Flag::lanes);
  scenario.run = [name, experiment](const Request& request) { return run_experiment(name, experiment, request); };
  return scenario;
}

}  // namespace

std::vector<Scenario> tree_scenarios() {
  Experiment p1;
  p1.warm = 50;
  p1.cycle = 400ms;
  Experiment p2;
  p2.warm = 50;
  p2.senders = Senders::changing;
  Experiment p3;
  p3.rounds = 3;
  Experiment p4;
  p4.warm = 50;
  p4.rounds = 100;
  p4.senders = Senders::changing;
  p4.crash_per_round = 50;
  Experiment p7;
  p7.nodes = 1000;
  p7.rounds = 30;
  p7.senders = Senders::changing;
  p7.latency_min = 10ms;
  p7.latency_max = 50ms;
  Experiment p5 = p7;
  p5.nodes = 10000;
  p5.warm = 10;
  p5.rounds = 1;
  p5.kill = 0.6;
  p5.within_second = true;
  Experiment silent = p5;
  silent.silent = true;
  silent.round_limit = 120s;
  Experiment p6 = p5;
  p6.skip = 1;
  p6.rounds = 7;
  Experiment p8;
  p8.nodes = 200;
  p8.settle = 60s;  // links that lose packets are known by then
  p8.warm = 2;
  p8.rounds = 5;
  p8.regions = true;
  return {
      make("p1", "steady tree, one sender, unit latency: 10,000 nodes, 50 + 200 broadcasts", p1),
      make("p2", "steady tree, changing senders, unit latency: 10,000 nodes, 50 + 200 broadcasts", p2),
      make("p3", "the first three broadcasts on a settled overlay: 10,000 nodes, one sender", p3),
      make("p4", "50 of 10,000 nodes crash as each of 100 broadcasts begins, changing senders, unit latency", p4),
      make("p5", "60 % of 10,000 processes die at once, 10 to 50 ms a link: the very next broadcast, reliability within 1 s", p5),
      make("p5-silent", "the same with hosts that vanish: no resets, dials time out", silent),
      make("p6", "the seven broadcasts after p5's", p6),
      make("p7", "wide area: 10 to 50 ms a link, 1,000 nodes, changing senders, 30 broadcasts", p7),
      make("p8", "19 regions, 200 nodes with the wan preset, each sends once a second for 5 s; loss delays what is behind it, as in TCP, or only itself", p8),
  };
}

}  // namespace plumvine::sim
