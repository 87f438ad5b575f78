#include <algorithm>
#include <map>

#include "scenario.hpp"
#include "sim_cluster.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

double ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }

ClusterOptions options_for(const Request& request, std::size_t nodes) {
  ClusterOptions options;
  options.nodes = request.nodes.value_or(nodes);
  options.seed = request.seed;
  options.path.loss = request.loss.value_or(0);
  if (request.latency_min) {
    options.path.delay = *request.latency_min;
    options.path.jitter = *request.latency_max - *request.latency_min + 1us;
  }
  if (request.tree_rule) options.tune = [rule = *request.tree_rule](Config& config) { config.tree.tree_rule = rule; };
  return options;
}

/// A cluster under a scenario, with what is measured on the way.
class Run {
 public:
  Run(std::string name, const Request& request, std::size_t nodes)
      : options_(options_for(request, nodes)), cluster_(options_), rng_(mix64(request.seed) ^ 0x776f726b) {
    report_.scenario = std::move(name);
    report_.nodes = options_.nodes;
    report_.seed = request.seed;
    if (request.trace) cluster_.print_to(request.trace);
    cluster_.on_member = [this](std::size_t, const MemberEvent& event) {
      if (event.kind != MemberEvent::Kind::died) return;
      auto it = killed_.find(event.member.name);
      if (it != killed_.end()) detect_.push_back(ms(cluster_.now() - it->second));
    };
    cluster_.on_delivered = [this](std::size_t, const Message& message) {
      if (message.latency.count() > 0) latency_.push_back(ms(message.latency));
      hops_.push_back(message.hops);
    };
  }
  SimCluster& cluster() { return cluster_; }
  Rng& rng() { return rng_; }
  Report& report() { return report_; }

  void start(Duration limit = 60s) {
    cluster_.start_all();
    require(cluster_.run_until([this] { return cluster_.settled(); }, limit), "the cluster did not form");
    began_ = cluster_.now();
  }
  void kill(std::size_t node) {
    killed_["n" + std::to_string(node)] = cluster_.now();
    cluster_.kill(node);
  }
  void restart(std::size_t node) {
    killed_.erase("n" + std::to_string(node));
    cluster_.start(node);
  }
  /// Waits until there is one view and everything is delivered. The time from `fault_end` until then is `heal_ms`, and
  /// within `limit`.
  void heal_within(Duration limit, Timestamp fault_end, const char* what) {
    const Timestamp from = fault_end;
    const bool healed = cluster_.run_until([this] { return cluster_.settled() && cluster_.all_delivered(); },
                                           fault_end + limit - cluster_.now());
    require(healed, what);
    if (!healed) {
      for (const std::string& problem : cluster_.unrest()) report_.violations.push_back(problem);
    }
    report_.heal_ms = std::max(report_.heal_ms.value_or(0), ms(cluster_.now() - from));
  }
  void rest(Duration limit) {
    require(cluster_.run_until([this] { return cluster_.unrest().empty(); }, limit), "no rest in the end");
    for (const std::string& problem : cluster_.unrest()) report_.violations.push_back(problem);
  }
  void require(bool holds, const char* what) {
    if (!holds) report_.violations.emplace_back(what);
  }
  Report finish() {
    cluster_.check_now();
    std::vector<InstanceId> live;
    std::uint64_t published = 0;
    report_.grafts = report_.prunes = 0;
    for (std::size_t i = 0; i < cluster_.size(); ++i) published += cluster_.deliveries().published_by(cluster_.node(i).instance());
    for (std::size_t i : cluster_.live()) {
      live.push_back(cluster_.node(i).instance());
      const auto snapshot = cluster_.node(i).snapshot();
      *report_.grafts += snapshot->tree.graft_sent;
      *report_.prunes += snapshot->tree.prune_sent;
      duplicates_ += snapshot->tree.duplicate;
      delivered_ += snapshot->tree.delivered;
    }
    const DeliveryLog::Comparison all = cluster_.deliveries().compare(live);
    report_.broadcasts = published;
    report_.expected = all.expected;
    report_.delivered = all.delivered;
    report_.reliability = all.expected == 0 ? 1.0 : static_cast<double>(all.delivered) / static_cast<double>(all.expected);
    report_.detect_ms_p50 = percentile(detect_, 0.5);
    report_.detect_ms_p99 = percentile(detect_, 0.99);
    report_.false_positives = cluster_.false_deaths();
    report_.ldh_max = percentile(hops_, 1.0);
    report_.notes.emplace_back("delivery_ms_p50", percentile(latency_, 0.5).value_or(0));
    report_.notes.emplace_back("delivery_ms_p99", percentile(latency_, 0.99).value_or(0));
    if (delivered_ > 0) report_.duplicates_per_message = static_cast<double>(duplicates_) / static_cast<double>(delivered_);
    const auto& counters = cluster_.network().counters();
    const double seconds = to_seconds(cluster_.now() - Timestamp{});
    report_.bytes_per_node_s = static_cast<double>(counters.stream_bytes + counters.packet_bytes) / static_cast<double>(cluster_.size()) / seconds;
    report_.notes.emplace_back("virtual seconds", seconds);
    report_.notes.emplace_back("link changes", static_cast<double>(cluster_.link_changes()));
    report_.notes.emplace_back("lost reports", static_cast<double>(cluster_.lost_events()));
    report_.notes.emplace_back("steps", static_cast<double>(cluster_.time().steps()));
    report_.trace_hash = cluster_.trace().hash();
    for (const std::string& violation : cluster_.violations()) report_.violations.push_back(violation);
    return report_;
  }

 private:
  ClusterOptions options_;
  SimCluster cluster_;
  Rng rng_;
  Report report_;
  Timestamp began_;
  std::map<std::string, Timestamp> killed_;
  std::vector<double> detect_, latency_, hops_;
  std::uint64_t duplicates_ = 0, delivered_ = 0;
};

/// Five nodes: form, broadcast, lose one, broadcast again. Short enough to read its trace.
Report demo(const Request& request) {
  Run run("demo", request, 5);
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
  Run run("split-heal", request, 6);
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
  Run run("stop-continue", request, 5);
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
  Run run("churn", request, 8);
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
