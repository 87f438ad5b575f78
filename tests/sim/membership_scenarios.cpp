#include <algorithm>
#include <set>

#include "membership_sim.hpp"
#include "scenario.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

// --- r1: join storm ----------------------------------------------------------------------------------------

/// Rapid, section 7: one seed, and after ten seconds everybody else at once, through it. `heal_ms` is from then
/// until every member has every other alive in its table; sizes are looked at once a second, as Rapid's are.
Report join_storm(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(2000);
  const Duration limit = span(request, 120);
  Report report = report_of("r1", nodes, request);
  report.false_positives = 0;
  Trace trace;
  trace.print_to(request.trace);
  MembershipSim sim({.nodes = nodes, .seed = request.seed}, trace);
  std::vector<std::size_t> alive(nodes, 0);
  std::size_t complete = 0;
  Timestamp done = kNever;
  std::vector<double> own;
  Timestamp storm = kNever;
  sim.on_event = [&](std::size_t observer, const MemberEvent& event) {
    std::size_t& known = alive[observer];
    if (event.kind == MemberEvent::Kind::joined) {
      if (++known != nodes) return;
      own.push_back(to_seconds(sim.now() - storm) * 1000);
      if (++complete == nodes) done = sim.now();
    } else if (event.kind == MemberEvent::Kind::died) {
      ++*report.false_positives;
      if (known-- == nodes) --complete;
    }
  };
  sim.start(0, 0);
  sim.run_for(10s);
  storm = sim.now();
  sim.reset_traffic();
  for (std::size_t i = 1; i < nodes; ++i) sim.start(i, 0);
  std::set<std::size_t> sizes;
  while (done == kNever && sim.now() - storm < limit) {
    sim.run_for(1s);
    sizes.insert(alive.begin(), alive.end());
  }
  if (done == kNever) {
    report.violations.push_back(std::to_string(nodes - complete) + " members do not know everybody after " + number(to_seconds(limit)) + " s");
  } else {
    report.heal_ms = to_seconds(done - storm) * 1000;
  }
  double packets = 0, streams = 0, seed_streams = static_cast<double>(sim.traffic(0).stream_bytes_sent);
  for (std::size_t i = 0; i < nodes; ++i) {
    packets += static_cast<double>(sim.traffic(i).packet_bytes_sent);
    streams += static_cast<double>(sim.traffic(i).stream_bytes_sent);
  }
  report.notes = {{"members complete, p50 ms", percentile(own, 0.5).value_or(0)},
                  {"members complete, p99 ms", percentile(own, 0.99).value_or(0)},
                  {"distinct table sizes", static_cast<double>(sizes.size())},
                  {"packet bytes a member", packets / static_cast<double>(nodes)},
                  {"stream bytes a member", streams / static_cast<double>(nodes)},
                  {"stream bytes of the seed", seed_streams}};
  report.trace_hash = trace.hash();
  return report;
}

// --- r2: one-way faults ------------------------------------------------------------------------------------

struct Fault {
  const char* name;
  double inbound, outbound;
  Duration on, off;  ///< 0 = always on
};

/// What healthy members made of one kind of fault.
struct Removals {
  std::uint64_t healthy = 0;    ///< deaths of healthy members that healthy ones declared or believed
  std::uint64_t at_faulty = 0;  ///< the same in the view of the faulty
  std::uint64_t of_faulty = 0;  ///< deaths of faulty members, over all healthy views
  std::uint64_t returns = 0;
  std::uint64_t out = 0;        ///< faulty members that most healthy ones take for dead at the end
};

Removals live_with(const Fault& fault, std::uint64_t nodes, const std::vector<std::size_t>& faulty, Duration length, std::uint64_t seed,
                   Trace& trace) {
  MembershipSim sim({.nodes = nodes, .seed = seed}, trace);
  std::vector<bool> ill(nodes, false);
  for (const std::size_t i : faulty) ill[i] = true;
  Removals seen;
  std::vector<std::size_t> believed_dead(nodes, 0);  // by how many healthy members
  sim.on_event = [&](std::size_t observer, const MemberEvent& event) {
    const std::size_t subject = MembershipSim::index(event.member.name);
    const bool died = event.kind == MemberEvent::Kind::died;
    if (!died && event.kind != MemberEvent::Kind::joined) return;
    if (!ill[subject]) {
      if (died) ++(ill[observer] ? seen.at_faulty : seen.healthy);
    } else if (!ill[observer] && died) {
      ++believed_dead[subject];
      ++seen.of_faulty;
    } else if (!ill[observer] && believed_dead[subject] > 0) {
      --believed_dead[subject];
      ++seen.returns;
    }
  };
  sim.start_all();
  sim.run_for(90s);
  const Timestamp end = sim.now() + length;
  for (bool on = true; sim.now() < end; on = !on || fault.on == 0s) {
    for (const std::size_t i : faulty) sim.set_loss(i, on ? fault.inbound : 0, on ? fault.outbound : 0);
    sim.run_until(fault.on == 0s ? end : std::min(end, sim.now() + (on ? fault.on : fault.off)));
  }
  for (const std::size_t i : faulty) seen.out += believed_dead[i] > (nodes - faulty.size()) / 2 ? 1 : 0;
  return seen;
}

/// Rapid, section 7: from 90 s on, one per cent of the members loses 80 % of what it receives, or of what it sends, or
/// hears nothing for 20 s and everything for the next 20. No healthy member may be declared dead by a healthy one.
Report one_way_faults(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(1000);
  Report report = report_of("r2", nodes, request);
  report.false_positives = 0;
  Trace trace;
  trace.print_to(request.trace);
  Rng rng{mix64(request.seed) ^ 0x7232};
  std::vector<std::size_t> faulty;
  for (std::size_t i = 0; i < nodes; ++i) faulty.push_back(i);
  rng.shuffle(faulty);
  faulty.resize(std::max<std::size_t>(1, nodes / 100));
  const auto healthy = static_cast<double>(nodes - faulty.size());
  for (const Fault& fault : {Fault{"80 % lost in", 0.8, 0, 0s, 0s}, Fault{"80 % lost out", 0, 0.8, 0s, 0s}, Fault{"flip-flop in", 1, 0, 20s, 20s}}) {
    const Removals seen = live_with(fault, nodes, faulty, span(request, 200), request.seed, trace);
    const std::string name = fault.name;
    report.notes.emplace_back(name + ": healthy removed", static_cast<double>(seen.healthy));
    report.notes.emplace_back(name + ": healthy removed, in the view of the faulty", static_cast<double>(seen.at_faulty));
    report.notes.emplace_back(name + ": faulty", static_cast<double>(faulty.size()));
    report.notes.emplace_back(name + ": faulty out at the end", static_cast<double>(seen.out));
    report.notes.emplace_back(name + ": removals of faulty a view", static_cast<double>(seen.of_faulty) / healthy);
    report.notes.emplace_back(name + ": returns of faulty a view", static_cast<double>(seen.returns) / healthy);
    *report.false_positives += seen.healthy;
    if (seen.healthy > 0)
      report.violations.push_back(name + ": healthy members were declared dead " + std::to_string(seen.healthy) + " times by healthy ones");
  }
  report.trace_hash = trace.hash();
  return report;
}

}  // namespace

std::vector<Scenario> membership_scenarios() {
  Scenario r1;
  r1.name = "r1";
  r1.summary = "join storm: 2,000 members, all through one seed at the same instant";
  r1.flags = {Flag::nodes, Flag::seconds};
  r1.nodes_min = 5;
  r1.nodes_max = 4000;
  r1.run = join_storm;
  Scenario r2;
  r2.name = "r2";
  r2.summary = "one-way faults at 1 % of 1,000 members for 200 s: 80 % loss in, 80 % loss out, deaf every other 20 s";
  r2.flags = {Flag::nodes, Flag::seconds};
  r2.nodes_min = 5;
  r2.nodes_max = 4000;
  r2.run = one_way_faults;
  return {r1, r2};
}

}  // namespace plumvine::sim
