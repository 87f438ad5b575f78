#include <algorithm>

#include "cluster_run.hpp"

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
      make("stop-continue", "one node stopped for 20 s under traffic", {Flag::seconds}, stop_continue),
  };
}

}  // namespace plumvine::sim
