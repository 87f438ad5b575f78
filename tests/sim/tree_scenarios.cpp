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
  Duration round_limit = 60s;
};

/// Trees grow from more roots where there are many members, so that an origin has one near.
std::uint32_t roots_for(std::uint64_t nodes) { return nodes < 1000 ? 1 : 4; }

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
    delivered_ += b.delivered;
    expected_ += b.expected;
    if (b.delivered > 0) {
      rmr_.push_back(static_cast<double>(b.payloads_sent) / static_cast<double>(b.delivered) - 1);
      ldh_.push_back(static_cast<double>(b.largest_hop));
      last_.push_back(ms(b.last_delivery));
    }
    if (b.full()) full_.push_back(ms(b.last_delivery));
  }
  void fill(Report& report, const TreeSim& sim, std::uint64_t nodes, Duration span) const {
    const TreeSim::Counters& c = sim.counters();
    report.broadcasts = broadcasts_;
    report.delivered = delivered_;
    report.expected = expected_;
    report.reliability = expected_ == 0 ? 1.0 : static_cast<double>(delivered_) / static_cast<double>(expected_);
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
          static_cast<double>(c.payload_bytes + c.control_bytes) / static_cast<double>(nodes) / to_seconds(span);
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
  std::uint64_t broadcasts_ = 0, delivered_ = 0, expected_ = 0;
  std::vector<double> rmr_, ldh_, last_, full_;
};

Report run_experiment(const std::string& name, Experiment e, const Request& request) {
  e.nodes = request.nodes.value_or(e.nodes);
  e.rounds = request.rounds.value_or(e.rounds);
  e.senders = request.senders.value_or(e.senders);
  e.latency_min = request.latency_min.value_or(e.latency_min);
  e.latency_max = request.latency_max.value_or(e.latency_max);

  Trace trace;
  TreeSimOptions options;
  options.nodes = e.nodes;
  options.seed = request.seed;
  options.tree.roots = roots_for(e.nodes);
  options.tree.tree_rule = request.tree_rule.value_or(TreeConfig::Rule::rooted);
  options.latency_min = e.latency_min;
  options.latency_max = e.latency_max;
  options.loss = request.loss.value_or(0);
  options.repair = request.repair.value_or(true);
  trace.print_to(request.trace);
  TreeSim sim(options, trace);
  sim.run_for(e.settle);

  Rng rng{mix64(request.seed) ^ 0x73656e64};  // who sends and who dies does not disturb the draws of the network
  const auto fixed = static_cast<std::uint32_t>(rng.below(e.nodes));
  for (std::uint64_t i = 0; i < e.warm; ++i) sim.round(pick_origins(sim, e.senders, fixed, rng), e.round_limit);
  sim.reset_counters();
  const Timestamp start = sim.now();
  if (request.kill) {
    sim.crash(pick_victims(sim, static_cast<std::uint64_t>(std::llround(*request.kill * static_cast<double>(e.nodes))), fixed, rng));
  }
  Tally tally;
  for (std::uint64_t i = 0; i < e.rounds; ++i) {
    if (request.crash_per_round) sim.crash(pick_victims(sim, *request.crash_per_round, fixed, rng));
    for (const auto& broadcast : sim.round(pick_origins(sim, e.senders, fixed, rng), e.round_limit)) tally.add(broadcast);
  }
  Report report = report_of(name, e.nodes, request);
  tally.fill(report, sim, e.nodes, sim.now() - start);
  report.trace_hash = trace.hash();
  report.violations = sim.violations();
  if (!request.kill && !request.crash_per_round && report.delivered != report.expected) {
    report.violations.push_back(std::to_string(*report.expected - *report.delivered) + " deliveries are missing");
  }
  return report;
}

Scenario make(std::string name, std::string summary, const Experiment& experiment) {
  Scenario scenario;
  scenario.name = name;
  scenario.summary = std::move(summary);
  scenario.flags = {Flag::nodes, Flag::rounds, Flag::senders, Flag::loss, Flag::latency,
                    Flag::kill, Flag::crash_per_round, Flag::tree_rule, Flag::repair};
  scenario.run = [name, experiment](const Request& request) { return run_experiment(name, experiment, request); };
  return scenario;
}

}  // namespace

std::vector<Scenario> tree_scenarios() {
  Experiment p1;
  p1.warm = 50;
  Experiment p2 = p1;
  p2.senders = Senders::changing;
  // The paper counts from the first broadcast on links that are just up.
  Experiment p3;
  p3.rounds = 3;
  p3.settle = 0s;
  Experiment p7;
  p7.nodes = 1000;
  p7.rounds = 30;
  p7.senders = Senders::changing;
  p7.latency_min = 10ms;
  p7.latency_max = 50ms;
  return {
      make("p1", "steady tree, one sender, unit latency: 10,000 nodes, 50 + 200 broadcasts", p1),
      make("p2", "steady tree, changing senders, unit latency: 10,000 nodes, 50 + 200 broadcasts", p2),
      make("p3", "the first three broadcasts on new links: 10,000 nodes, one sender", p3),
      make("p7", "wide area: 10 to 50 ms a link, 1,000 nodes, changing senders, 30 broadcasts", p7),
  };
}

}  // namespace plumvine::sim
