#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "membership_sim.hpp"
#include "scenario.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// A machine with some of Lifeguard's parts. Without all of them it is SWIM as memberlist had it before.
struct Arm {
  const char* name;
  bool probe, suspicion, buddy;
  [[nodiscard]] SwimConfig config(SwimConfig c) const {
    if (!probe) c.awareness_max_multiplier = 1;
    if (!suspicion) c.suspicion_max_timeout_mult = 1;
    c.buddy_system = buddy;
    // Noticing a stall of our own is a part of ours, not of the paper's: only the whole machine has it.
    if (!(probe && suspicion && buddy)) c.stall_threshold = 24h;
    return c;
  }
};
constexpr Arm kSwim{"swim", false, false, false};
constexpr Arm kLifeguard{"lifeguard", true, true, true};
constexpr std::array<Arm, 5> kArms{kSwim, Arm{"swim + probe", true, false, false}, Arm{"swim + suspicion", false, true, false},
                                   Arm{"swim + buddy", false, false, true}, kLifeguard};

/// `count` different members, never `spared`.
std::vector<std::size_t> pick(std::size_t nodes, std::size_t count, std::size_t spared, Rng& rng) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < nodes; ++i)
    if (i != spared) all.push_back(i);
  rng.shuffle(all);
  all.resize(std::min(all.size(), count));
  return all;
}

// --- g1: late readers and loss -----------------------------------------------------------------------------

/// A share of the members reads all it receives 0.5 to 2.5 s late while its timers are on time, on top of loss; half-way
/// a healthy member crashes. A false death is a running member that anybody declared dead, once per incarnation.
Report late_readers(const char* scenario, const Arm& arm, const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(200);
  const std::uint64_t rounds = request.rounds.value_or(1);
  const double share = request.starved.value_or(0.1);
  const double loss = request.loss.value_or(0.05);
  const Duration half = span(request, 120) / 2;
  Report report = report_of(scenario, nodes, request);
  Trace trace;
  trace.print_to(request.trace);
  std::vector<double> detected;
  std::uint64_t deaths = 0, deaths_starved = 0, suspicions = 0, runs = 0, undetected = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    // Both arms (g1, g1-swim) see the same starved members, the same crash and the same seeds.
    const std::uint64_t seed = mix64(request.seed) + round;
    MembershipSimOptions options{.nodes = nodes, .seed = seed, .swim = arm.config({})};
    options.loss = loss;
    MembershipSim sim(options, trace);
    Rng rng{mix64(seed) ^ 0x6731};
    const std::size_t victim = rng.below(nodes);
    const auto starved = static_cast<std::size_t>(std::llround(share * static_cast<double>(nodes)));
    std::vector<bool> slow(nodes, false);
    for (const std::size_t i : pick(nodes, share > 0 ? std::max<std::size_t>(starved, 1) : 0, victim, rng)) {
      slow[i] = true;
      sim.starve(i, Starvation::late);
    }
    std::set<std::pair<std::size_t, std::uint32_t>> dead, suspected;
    Timestamp crashed = kNever;
    std::vector<bool> knows(nodes, false);
    sim.on_event = [&](std::size_t observer, const MemberEvent& event) {
      const std::size_t subject = MembershipSim::index(event.member.name);
      const bool died = event.kind == MemberEvent::Kind::died;
      if (!died && event.kind != MemberEvent::Kind::suspected) return;
      if (sim.up(subject)) {
        (died ? dead : suspected).emplace(subject, static_cast<std::uint32_t>(event.member.incarnation));
      } else if (died && !slow[observer] && !knows[observer]) {
        knows[observer] = true;
        detected.push_back(to_seconds(sim.now() - crashed) * 1000);
      }
    };
    sim.start_all();
    sim.run_for(half);
    crashed = sim.now();
    sim.crash(victim);
    sim.run_for(half);
    deaths += dead.size();
    for (const auto& [subject, incarnation] : dead) deaths_starved += slow[subject] ? 1 : 0;
    suspicions += suspected.size();
    runs += dead.empty() ? 0 : 1;
    for (std::size_t i = 0; i < nodes; ++i) undetected += i == victim || slow[i] || knows[i] ? 0 : 1;
  }
  const auto n = static_cast<double>(rounds);
  report.false_positives = deaths;
  report.detect_ms_p50 = percentile(detected, 0.5);
  report.detect_ms_p99 = percentile(detected, 0.99);
  report.notes.emplace_back("false deaths a run", static_cast<double>(deaths) / n);
  report.notes.emplace_back("of starved members", static_cast<double>(deaths_starved) / n);
  report.notes.emplace_back("runs with one", static_cast<double>(runs));
  report.notes.emplace_back("false suspicions a run", static_cast<double>(suspicions) / n);
  report.notes.emplace_back("never detected", static_cast<double>(undetected));
  report.trace_hash = trace.hash();
  return report;
}

// --- g2: Lifeguard's interval experiment -------------------------------------------------------------------

struct Positives {
  std::uint64_t all = 0;      ///< a healthy member declared dead, counted at each member that believes it
  std::uint64_t healthy = 0;  ///< of these, at healthy members
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

/// One cluster: `anomalous` members stop for `stop` together, work for `work`, stop again, and so on.
Positives anomalies(const Arm& arm, std::uint64_t nodes, std::size_t anomalous, Duration stop, Duration work, Starvation how, Duration length,
                    std::uint64_t seed, Trace& trace) {
  SwimConfig config;
  config.suspicion_mult = 5;  // the paper's alpha; beta is suspicion_max_timeout_mult = 6
  MembershipSim sim({.nodes = nodes, .seed = seed, .swim = arm.config(config)}, trace);
  Rng rng{mix64(seed) ^ 0x6732};
  std::vector<bool> slow(nodes, false);
  const std::vector<std::size_t> chosen = pick(nodes, anomalous, nodes, rng);
  for (const std::size_t i : chosen) {
    slow[i] = true;
    sim.starve(i, how);
  }
  Positives out;
  sim.on_event = [&](std::size_t observer, const MemberEvent& event) {
    if (event.kind != MemberEvent::Kind::died || slow[MembershipSim::index(event.member.name)]) return;
    ++out.all;
    out.healthy += slow[observer] ? 0 : 1;
  };
  sim.start_all();
  sim.run_for(15s);
  sim.reset_traffic();
  const Timestamp end = sim.now() + length;
  while (sim.now() < end) {
    for (const std::size_t i : chosen) sim.block(i);
    sim.run_until(std::min(end, sim.now() + stop));
    for (const std::size_t i : chosen) sim.unblock(i);
    sim.run_until(std::min(end, sim.now() + work));
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    out.packets += sim.traffic(i).packets_sent;
    out.bytes += sim.traffic(i).packet_bytes_sent + sim.traffic(i).stream_bytes_sent;
  }
  return out;
}

/// Lifeguard, section V: each part alone, and all of them, against SWIM, over numbers of anomalous members and lengths of
/// their anomalies and of the pauses between. Anomalies block sending and receiving, as the paper's do.
Report ablation(const Request& request) {
  const std::uint64_t nodes = request.nodes.value_or(128);
  const std::uint64_t rounds = request.rounds.value_or(1);
  const Duration length = span(request, 120);
  Report report = report_of("g2", nodes, request);
  std::set<std::size_t> counts;
  if (request.starved) {
    counts.insert(std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(*request.starved * static_cast<double>(nodes)))));
  } else {
    // The paper's 1 to 32 of 128.
    for (const std::size_t c : std::initializer_list<std::size_t>{1, 4, 8, 12, 16, 20, 24, 28, 32}) counts.insert(std::max<std::size_t>(1, c * nodes / 128));
  }
  Trace trace;
  trace.print_to(request.trace);
  std::map<std::string, Positives> totals;
  std::map<std::size_t, std::array<std::uint64_t, 2>> by_count;
  Positives frozen_swim, frozen_lifeguard;
  const auto add = [](Positives& to, const Positives& one) {
    to.all += one.all;
    to.healthy += one.healthy;
    to.packets += one.packets;
    to.bytes += one.bytes;
  };
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (const std::size_t count : counts) {
      for (const Duration stop : {2048ms, 8192ms, 16384ms, 32768ms}) {
        for (const Duration work : {4ms, 256ms, 4096ms}) {
          const std::uint64_t seed = mix64(request.seed) + round * 1000 + count;
          const auto run = [&](const Arm& arm, Starvation how) { return anomalies(arm, nodes, count, stop, work, how, length, seed, trace); };
          for (const Arm& arm : kArms) {
            const Positives one = run(arm, Starvation::blocked);
            add(totals[arm.name], one);
            if (arm.name == std::string_view(kSwim.name)) by_count[count][0] += one.all;
            if (arm.name == std::string_view(kLifeguard.name)) by_count[count][1] += one.all;
          }
          add(frozen_swim, run(kSwim, Starvation::frozen));
          add(frozen_lifeguard, run(kLifeguard, Starvation::frozen));
        }
      }
    }
  }
  const Positives& swim = totals[kSwim.name];
  report.false_positives = totals[kLifeguard.name].all;
  const auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  for (const Arm& arm : kArms) {
    const std::string name = arm.name;
    const Positives& p = totals[name];
    report.notes.emplace_back(name + ": FP", static_cast<double>(p.all));
    report.notes.emplace_back(name + ": FP % of swim", percent(p.all, swim.all));
    report.notes.emplace_back(name + ": FP at healthy", static_cast<double>(p.healthy));
    report.notes.emplace_back(name + ": FP at healthy % of swim", percent(p.healthy, swim.healthy));
    report.notes.emplace_back(name + ": packets % of swim", percent(p.packets, swim.packets));
    report.notes.emplace_back(name + ": bytes % of swim", percent(p.bytes, swim.bytes));
  }
  for (const auto& [count, sums] : by_count) {
    report.notes.emplace_back("C=" + std::to_string(count) + " FP swim", static_cast<double>(sums[0]));
    report.notes.emplace_back("C=" + std::to_string(count) + " FP lifeguard", static_cast<double>(sums[1]));
  }
  report.notes.emplace_back("whole process stopped: FP swim", static_cast<double>(frozen_swim.all));
  report.notes.emplace_back("whole process stopped: FP lifeguard", static_cast<double>(frozen_lifeguard.all));
  report.notes.emplace_back("whole process stopped: FP at healthy swim", static_cast<double>(frozen_swim.healthy));
  report.notes.emplace_back("whole process stopped: FP at healthy lifeguard", static_cast<double>(frozen_lifeguard.healthy));
  report.trace_hash = trace.hash();
  return report;
}

}  // namespace

std::vector<Scenario> lifeguard_scenarios() {
  const auto late = [](const char* name, const Arm& arm, std::string summary) {
    Scenario scenario;
    scenario.name = name;
    scenario.summary = std::move(summary);
    scenario.flags = {Flag::nodes, Flag::rounds, Flag::loss, Flag::starved, Flag::seconds};
    scenario.nodes_min = 5;
    scenario.nodes_max = 2000;
    scenario.run = [name, &arm](const Request& request) { return late_readers(name, arm, request); };
    return scenario;
  };
  Scenario g2;
  g2.name = "g2";
  g2.summary = "each of Lifeguard's parts against SWIM: 128 members, 1 to 32 of them blocked again and again, 12 patterns of 120 s";
  g2.flags = {Flag::nodes, Flag::rounds, Flag::starved, Flag::seconds};
  g2.nodes_min = 5;
  g2.nodes_max = 1000;
  g2.run = ablation;
  return {late("g1", kLifeguard, "late readers and loss: 200 members, 10 % read 0.5 to 2.5 s late, 5 % loss, a crash half-way through 120 s"),
          late("g1-swim", kSwim, "g1 with plain SWIM, for comparison"), g2};
}

}  // namespace plumvine::sim
