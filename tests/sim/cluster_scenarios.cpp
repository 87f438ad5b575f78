#include <algorithm>

#include "cluster_run.hpp"
#include "forger.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// Five nodes: form, broadcast, lose one, broadcast again. Short enough to read its trace.
Report demo(const Request& request) {
  ClusterRun run("demo", request, 5);
  SimCluster& c = run.cluster();
  run.start();
  for (std::uint64_t i = 0; i < request.rounds.value_or(3); ++i) {
    c.publish(static_cast<std::size_t>(i % c.size()));
    c.run_for(300ms);
  }
  run.kill(c.size() - 1);
  for (std::size_t i = 0; i + 1 < c.size(); ++i) c.publish(i);
  run.heal_within(30s, c.now(), "not one view again");
  run.rest(30s);
  return run.finish();
}

/// Two halves cannot reach each other for a while; both go on publishing.
Report split_heal(const Request& request) {
  ClusterRun run("split-heal", request, 6);
  SimCluster& c = run.cluster();
  run.start();
  std::vector<std::size_t> left, right;
  for (std::size_t i = 0; i < c.size(); ++i) (i < c.size() / 2 ? left : right).push_back(i);
  for (std::size_t i = 0; i < c.size(); ++i) c.start_traffic(i, 20, 200);
  c.run_for(5s);
  c.partition({left, right});
  c.run_for(std::chrono::nanoseconds{static_cast<std::int64_t>(request.seconds.value_or(60) * 1e9)});
  c.heal();
  const Timestamp healed = c.now();
  // Traffic goes on while it heals, then stops, so that "everything" is something fixed.
  c.run_until([&c] { return c.settled(); }, 30s);
  c.stop_all_traffic();
  run.heal_within(45s, healed, "not healed within 45 s");
  run.rest(30s);
  return run.finish();
}

/// One node is stopped for a while under traffic and catches up by itself.
Report stop_continue(const Request& request) {
  ClusterRun run("stop-continue", request, 5);
  SimCluster& c = run.cluster();
  run.start();
  for (std::size_t i = 0; i < std::min<std::size_t>(3, c.size()); ++i) c.start_traffic(i, 50, 500);
  c.run_for(5s);
  const std::size_t victim = c.size() - 1;
  c.pause(victim);
  c.run_for(std::chrono::nanoseconds{static_cast<std::int64_t>(request.seconds.value_or(20) * 1e9)});
  c.resume(victim);
  const Timestamp resumed = c.now();
  c.run_until([&c] { return c.settled(); }, 20s);
  c.stop_all_traffic();
  run.heal_within(30s, resumed, "the stopped one did not catch up");
  run.rest(30s);
  return run.finish();
}

/// Nodes are killed, stopped, terminated and started again all the time, under traffic.
Report churn(const Request& request) {
  ClusterRun run("churn", request, 8);
  SimCluster& c = run.cluster();
  run.start();
  for (std::size_t i = 0; i < c.size(); ++i) c.start_traffic(i, 1, 200);
  const Timestamp end = c.now() + std::chrono::nanoseconds{static_cast<std::int64_t>(request.seconds.value_or(600) * 1e9)};
  while (c.now() < end) {
    c.run_for(10s + run.rng().jitter(20s));
    const auto victim = static_cast<std::size_t>(run.rng().below(c.size()));
    SimNode& node = c.node(victim);
    if (!node.running()) {
      run.restart(victim);
      c.start_traffic(victim, 1, 200);
    } else if (node.paused()) {
      c.resume(victim);
    } else if (c.live().size() > c.size() / 2) {
      switch (run.rng().below(3)) {
        case 0: run.kill(victim); break;
        case 1: c.pause(victim); break;
        default: c.leave(victim); break;
      }
    }
  }
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (!c.node(i).running()) run.restart(i);
    if (c.node(i).paused()) c.resume(i);
  }
  c.stop_all_traffic();
  run.heal_within(60s, c.now(), "not one view again");
  run.rest(60s);
  return run.finish();
}

/// What came of forgeries at those who run.
struct Refusals {
  std::uint64_t refused = 0, announced = 0, shut_out = 0, delivered = 0;
};

/// Origins sign, all publish but the last member, which forges if it is `mad`: for half of the time carefully, then anything; it is killed
/// in the end. One of the others starts anew on the way.
Report forged(const Request& request, bool mad, Refusals* refusals) {
  ClusterOptions options = cluster_options(request, 12);
  options.tune = [also = options.tune](Config& config) {
    if (also) also(config);
    config.tree.sign_origins = SignOrigins::require;
  };
  ClusterRun run("forge", request, std::move(options));
  SimCluster& c = run.cluster();
  const std::size_t last = c.size() - 1;
  Timestamp restarted = kNever;
  c.on_delivered = [&c, &restarted, also = c.on_delivered, refusals, last](std::size_t node, const Message& message) {
    if (message.text().starts_with(Forger::kText) || message.topic == Forger::kText) ++refusals->delivered;
    // Delays are those of honest members that are up: who is shut out gets what it gets, who starts takes over what was published before.
    if (node != last && (node != 0 || c.now() < restarted || c.now() > restarted + 5s)) also(node, message);
  };
  Forger forger(c, last, request.seed);
  run.start();
  c.run_for(25s);  // fresh members take over each other's starts until then
  for (std::size_t i = 0; i < last; ++i) c.start_traffic(i, 5, 200);
  const Timestamp begin = c.now();
  const Duration whole = span(request, 60);
  const auto until = [&](Duration since) {
    while (c.now() < begin + since) {
      c.run_for(50ms);
      if (mad) forger.act(c.now() < begin + whole / 2);
    }
  };
  until(whole / 4);
  run.kill(0);
  until(whole / 3);
  restarted = c.now();
  run.restart(0);
  c.start_traffic(0, 5, 200);
  until(whole);
  for (const std::size_t i : c.live()) {
    if (i == last) continue;
    const auto snapshot = c.node(i).snapshot();
    refusals->refused += snapshot->tree.origins_refused.total();
    refusals->announced += snapshot->tree.frames_rejected[FrameReject::unconfirmed] + snapshot->tree.frames_rejected[FrameReject::sequence_jump];
    for (const GraylistInfo& info : snapshot->graylist) refusals->shut_out += info.times;
  }
  run.kill(last);
  c.run_for(5s);
  c.stop_all_traffic();
  run.heal_within(60s, c.now(), "not one view again");
  run.rest(60s);
  // In a short run it may be shut out everywhere before it has played all.
  if (mad && whole >= 60s) {
    for (std::size_t i = 0; i < Forger::kTricks; ++i)
      run.require(forger.played(static_cast<Forger::Trick>(i)) > 0, "trick " + std::to_string(i) + " was never played");
    run.require(refusals->refused > 0, "nothing was refused");
    run.report().notes.emplace_back("frames forged", static_cast<double>(forger.played()));
  }
  run.require(refusals->delivered == 0, "something forged was delivered");
  return run.finish();
}

/// A member gone mad forges, changes, moves and replays signed broadcasts of the others. The same cluster without that is run first, to
/// compare delays: what is honest may not take much longer.
Report forge(const Request& request) {
  Request quiet = request;
  quiet.trace = nullptr;
  Refusals none, refusals;
  const Report calm = forged(quiet, false, &none);
  Report report = forged(request, true, &refusals);
  for (const std::string& violation : calm.violations) report.violations.push_back("without forgeries: " + violation);
  const auto p99 = [](const Report& of) {
    return std::find_if(of.notes.begin(), of.notes.end(), [](const auto& note) { return note.first == "delivery_ms_p99"; })->second;
  };
  constexpr double kSlackMs = 10;
  if (p99(report) > 3 * p99(calm) + kSlackMs) report.violations.push_back("forgeries delay honest broadcasts");
  if (none.refused > 0) report.violations.push_back("honest broadcasts were refused without forgeries");
  for (const auto& [name, value] : calm.notes)
    if (name.starts_with("delivery_ms_")) report.notes.emplace_back("without forgeries " + name, value);
  report.notes.emplace_back("forged delivered", static_cast<double>(refusals.delivered));
  report.notes.emplace_back("frames refused for signatures", static_cast<double>(refusals.refused));
  report.notes.emplace_back("announced and never there", static_cast<double>(refusals.announced));
  report.notes.emplace_back("times shut out by a neighbour", static_cast<double>(refusals.shut_out));
  return report;
}

Scenario make(std::string name, std::string summary, std::set<Flag> flags, std::function<Report(const Request&)> body) {
  Scenario scenario;
  scenario.name = std::move(name);
  scenario.summary = std::move(summary);
  scenario.flags = std::move(flags);
  scenario.flags.insert({Flag::nodes, Flag::loss, Flag::latency, Flag::tree_rule});
  scenario.nodes_min = 2;
  scenario.nodes_max = 200;
  scenario.run = std::move(body);
  return scenario;
}

}  // namespace

std::vector<Scenario> cluster_scenarios() {
  return {
      make("demo", "five nodes broadcast, one is killed, the rest broadcast on (read it with --trace)", {Flag::rounds}, demo),
      make("split-heal", "two halves apart for 60 s under traffic, then whole again", {Flag::seconds}, split_heal),
      make("churn", "kills, stops, leaves and starts for ten minutes under traffic", {Flag::seconds}, churn),
      make("forge", "a member forges, changes and replays signed broadcasts of the others for 60 s", {Flag::seconds}, forge),
      make("stop-continue", "one node stopped for 20 s under traffic", {Flag::seconds}, stop_continue),
  };
}

}  // namespace plumvine::sim
