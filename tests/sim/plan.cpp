#include "plan.hpp"

#include <algorithm>
#include <set>

#include "cluster_run.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kWindows = 6;
constexpr std::size_t kSamples = 120;  // in all

/// What the processes together hold, sampled all along; one mean per sixth of the run.
class Memory {
 public:
  explicit Memory(Duration span) : window_(std::max<Duration>(span / kWindows, 1ns)) {}
  void sample(Duration since_start, SimCluster& cluster) {
    const auto at = std::min<std::size_t>(kWindows - 1, static_cast<std::size_t>(since_start / window_));
    double bytes = 0;
    std::uint64_t processes = 0;
    for (const std::size_t i : cluster.live()) {
      const auto snapshot = cluster.node(i).snapshot();
      bytes += static_cast<double>(snapshot->tree.store_bytes + snapshot->queue_bytes);
      held_ = std::max(held_, snapshot->tree.held_back);
      missing_ = std::max(missing_, snapshot->tree.missing_messages);
      origins_ = std::max(origins_, snapshot->tree.seen_origins);
      ++processes;
    }
    if (processes == 0) return;
    sums_[at] += bytes / static_cast<double>(processes);
    ++samples_[at];
  }
  [[nodiscard]] double mean(std::size_t window) const {
    return samples_[window] == 0 ? 0 : sums_[window] / static_cast<double>(samples_[window]);
  }
  /// The last window against the second: in the first the stores fill. 1: flat.
  [[nodiscard]] double growth() const { return mean(1) > 0 ? mean(kWindows - 1) / mean(1) : 0; }
  void note(Report& report) const {
    for (std::size_t i = 0; i < kWindows; ++i) {
      report.notes.emplace_back("store bytes/node, part " + std::to_string(i + 1), mean(i));
    }
    report.notes.emplace_back("most held back at a node", static_cast<double>(held_));
    report.notes.emplace_back("most missing at a node", static_cast<double>(missing_));
    report.notes.emplace_back("most origins at a node", static_cast<double>(origins_));
  }

 private:
  Duration window_;
  std::array<double, kWindows> sums_{};
  std::array<std::uint64_t, kWindows> samples_{};
  std::uint64_t held_ = 0, missing_ = 0, origins_ = 0;
};

/// What the result has under that name.
std::optional<double> value_of(const Report& report, std::string_view field) {
  const auto whole = [](const std::optional<std::uint64_t>& value) {
    return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
  };
  if (field == "broadcasts") return whole(report.broadcasts);
  if (field == "reliability") return report.reliability;
  if (field == "rmr") return report.rmr;
  if (field == "duplicates_per_message") return report.duplicates_per_message;
  if (field == "ldh_max") return report.ldh_max;
  if (field == "detect_ms_p99") return report.detect_ms_p99;
  if (field == "false_positives") return whole(report.false_positives);
  if (field == "heal_ms") return report.heal_ms;
  if (field == "bytes_per_node_s") return report.bytes_per_node_s;
  for (const auto& [name, value] : report.notes) {
    if (name == field) return value;
  }
  return std::nullopt;
}

ClusterOptions options_of(const Plan& plan, const Request& request) {
  ClusterOptions options = cluster_options(request, plan.nodes);
  options.path.loss = request.loss.value_or(plan.loss);
  options.path.delay = request.latency_min.value_or(plan.latency_min);
  options.path.jitter = Duration{0};
  options.check_every = 4096;
  if (plan.preset == "wan") options.preset = [](std::string name) { return Config::wan(std::move(name)); };
  options.tune = [plan, rule = request.tree_rule.value_or(plan.tree_rule)](Config& config) {
    config.tree.tree_rule = rule;
    if (plan.sync_window) config.tree.sync_window = *plan.sync_window;
    for (const Publisher& one : plan.publishers) config.topics[one.topic].order = one.order;
  };
  return options;
}

/// One run of a plan. Events are a fault's begin or end, by time and then by the order in which they were made.
class PlanRun {
 public:
  PlanRun(const Plan& plan, const Request& request)
      : plan_(plan), request_(request), lasts_(span(request, to_seconds(plan.lasts))),
        run_(plan.name, request, options_of(plan, request)), cluster_(run_.cluster()), memory_(lasts_) {
    const Duration least = request.latency_min.value_or(plan.latency_min);
    const Duration most = request.latency_max.value_or(plan.latency_max);
    latency_ = [this, least, most] { return least + run_.rng().jitter(most - least + 1ns); };
    for (std::size_t i = 0; i < cluster_.size(); ++i) set_paths(i);
  }

  Report run();

 private:
  /// The paths to and from all nodes before this one. A path has one latency both ways.
  void set_paths(std::size_t node) {
    const double loss = request_.loss.value_or(plan_.loss);
    for (std::size_t other = 0; other < node; ++other) {
      PathQuality quality{.delay = latency_(), .jitter = 0ns, .loss = loss};
      quality.resend = quality.delay * 2 + plan_.resend;
      cluster_.network().set_path(cluster_.node(node).host(), cluster_.node(other).host(), quality);
      cluster_.network().set_path(cluster_.node(other).host(), cluster_.node(node).host(), quality);
    }
  }
  void publish_from(std::size_t node) {
    for (const Publisher& one : plan_.publishers) {
      if (one.nodes == 0 || node < one.nodes) cluster_.start_traffic(node, one.per_second, one.bytes, one.topic, one.burst);
    }
  }
  void begin(const Fault& fault);
  void end(const Fault& fault, const std::vector<std::size_t>& who);
  [[nodiscard]] std::vector<std::size_t> victims(const Fault& fault);
  void start_node(std::size_t node) {
    if (cluster_.node(node).running()) return;
    run_.restart(node);
    publish_from(node);
  }
  void slow_down(const std::vector<std::size_t>& who, std::uint64_t bytes_per_second);
  void check(Report& report) const;

  const Plan& plan_;
  const Request& request_;
  Duration lasts_;
  ClusterRun run_;
  SimCluster& cluster_;
  Memory memory_;
  std::function<Duration()> latency_;
  Timestamp start_;
  std::array<std::uint64_t, static_cast<std::size_t>(FaultKind::count_)> faults_{};
};

/// Those named, or `count` drawn of the nodes that the fault can hit. Never so many that fewer than half run.
std::vector<std::size_t> PlanRun::victims(const Fault& fault) {
  if (!fault.nodes.empty()) return {fault.nodes.begin(), fault.nodes.end()};
  std::vector<std::size_t> out;
  if (fault.kind == FaultKind::restart) {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (!cluster_.node(i).running()) out.push_back(i);
    }
  } else {
    out = cluster_.live();
  }
  run_.rng().shuffle(out);
  const bool half = fault.kind == FaultKind::partition;
  std::size_t most = fault.count != 0 ? fault.count : half ? cluster_.size() / 2 : 1;
  if (fault.kind == FaultKind::crash || fault.kind == FaultKind::stop || fault.kind == FaultKind::leave) {
    most = std::min(most, out.size() - std::min(out.size(), cluster_.size() / 2));
  }
  out.resize(std::min<std::size_t>(out.size(), most));
  return out;
}

void PlanRun::begin(const Fault& fault) {
  std::vector<std::size_t> who = fault.kind == FaultKind::join || fault.kind == FaultKind::heal ? std::vector<std::size_t>{} : victims(fault);
  ++faults_[static_cast<std::size_t>(fault.kind)];
  switch (fault.kind) {
    case FaultKind::crash:
      for (const std::size_t node : who) run_.kill(node);
      break;
    case FaultKind::restart:
      for (const std::size_t node : who) start_node(node);
      break;
    case FaultKind::stop:
      for (const std::size_t node : who) cluster_.pause(node);
      break;
    case FaultKind::leave:
      for (const std::size_t node : who) cluster_.leave(node);
      break;
    case FaultKind::join:
      for (std::uint64_t i = 0; i < std::max<std::uint64_t>(1, fault.count); ++i) {
        const std::size_t node = cluster_.add_node();
        set_paths(node);
        start_node(node);
      }
      break;
    case FaultKind::partition: {
      std::vector<std::size_t> others;
      for (std::size_t i = 0; i < cluster_.size(); ++i) {
        if (std::find(who.begin(), who.end(), i) == who.end()) others.push_back(i);
      }
      cluster_.partition({who, others});
      break;
    }
    case FaultKind::heal: cluster_.heal(); break;
    case FaultKind::slow: slow_down(who, fault.bytes_per_second); break;
    case FaultKind::count_: break;
  }
  if (fault.lasts > Duration{0}) cluster_.time().after(fault.lasts, [this, fault, who] { end(fault, who); });
}

void PlanRun::end(const Fault& fault, const std::vector<std::size_t>& who) {
  switch (fault.kind) {
    case FaultKind::crash:
    case FaultKind::leave:
      for (const std::size_t node : who) start_node(node);
      break;
    case FaultKind::stop:
      for (const std::size_t node : who) {
        if (cluster_.node(node).paused()) cluster_.resume(node);
      }
      break;
    case FaultKind::partition: cluster_.heal(); break;
    case FaultKind::slow: slow_down(who, 0); break;
    default: break;
  }
}

void PlanRun::slow_down(const std::vector<std::size_t>& who, std::uint64_t bytes_per_second) {
  for (const std::size_t node : who) {
    for (std::size_t other = 0; other < cluster_.size(); ++other) {
      if (other != node) cluster_.network().set_bandwidth(cluster_.node(node).host(), cluster_.node(other).host(), bytes_per_second);
    }
  }
}

Report PlanRun::run() {
  run_.start();
  start_ = cluster_.now();
  for (std::size_t i = 0; i < cluster_.size(); ++i) publish_from(i);
  const Timestamp end_of_faults = start_ + lasts_;
  struct Due {
    Timestamp at;
    std::size_t fault;
  };
  std::vector<Due> due;
  for (std::size_t i = 0; i < plan_.faults.size(); ++i) due.push_back({start_ + plan_.faults[i].at, i});
  const Duration sample_every = std::max<Duration>(lasts_ / kSamples, 1ms);
  Timestamp sample_at = start_ + sample_every;
  while (cluster_.now() < end_of_faults && cluster_.violations().empty()) {
    Timestamp next = std::min(end_of_faults, sample_at);
    for (const Due& one : due) next = std::min(next, one.at);
    cluster_.run_for(next - cluster_.now());
    if (sample_at <= next) {
      memory_.sample(next - start_, cluster_);
      sample_at = next + sample_every;
    }
    for (Due& one : due) {
      if (one.at > next || next >= end_of_faults) continue;
      const Fault& fault = plan_.faults[one.fault];
      begin(fault);
      one.at = fault.every > Duration{0} ? next + fault.every : kNever;
    }
  }
  // Faults that last to the end end with it, so that everything that lives must agree.
  cluster_.heal();
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (cluster_.node(i).paused()) cluster_.resume(i);
    slow_down({i}, 0);
  }
  cluster_.stop_all_traffic();
  run_.heal_within(plan_.settle, cluster_.now(), "not one view, or not everything everywhere, in the end");
  run_.rest(30s);
  Report report = run_.finish();
  memory_.note(report);
  if (memory_is_measured(plan_, lasts_)) report.notes.emplace_back("memory", memory_.growth());
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    if (faults_[i] > 0) report.notes.emplace_back("faults: " + std::string(to_string(static_cast<FaultKind>(i))), static_cast<double>(faults_[i]));
  }
  check(report);
  return report;
}

void PlanRun::check(Report& report) const {
  if (report.delivered != report.expected) {
    report.violations.push_back(std::to_string(*report.expected - *report.delivered) + " deliveries are missing");
  }
  for (const Check& one : plan_.checks) {
    const auto value = value_of(report, one.field);
    if (!value && one.field == "memory" && request_.seconds) continue;  // cut short by a flag
    if (!value) {
      report.violations.push_back("check " + one.field + ": was not measured");
    } else if (one.max && *value > *one.max) {
      report.violations.push_back("check " + one.field + ": " + number(*value) + " is above " + number(*one.max));
    } else if (one.min && *value < *one.min) {
      report.violations.push_back("check " + one.field + ": " + number(*value) + " is below " + number(*one.min));
    }
  }
}

}  // namespace

std::string_view to_string(FaultKind kind) noexcept {
  switch (kind) {
    case FaultKind::crash: return "crash";
    case FaultKind::restart: return "restart";
    case FaultKind::stop: return "stop";
    case FaultKind::leave: return "leave";
    case FaultKind::join: return "join";
    case FaultKind::partition: return "partition";
    case FaultKind::heal: return "heal";
    case FaultKind::slow: return "slow";
    case FaultKind::count_: break;
  }
  return "?";
}

std::vector<std::string> plan_fields() {
  return {"broadcasts", "reliability", "rmr", "duplicates_per_message", "ldh_max", "detect_ms_p99", "false_positives", "heal_ms",
          "bytes_per_node_s", "delivery_ms_p50", "delivery_ms_p99", "delivery_ms_max", "memory"};
}

bool memory_is_measured(const Plan& plan, Duration lasts) {
  return lasts / kWindows >= plan.sync_window.value_or(TreeConfig{}.sync_window);
}

Report run_plan(const Plan& plan, const Request& request) { return PlanRun(plan, request).run(); }

Scenario scenario_of(Plan plan) {
  Scenario scenario;
  scenario.name = plan.name;
  scenario.summary = plan.summary;
  scenario.flags = {Flag::nodes, Flag::loss, Flag::latency, Flag::tree_rule, Flag::seconds};
  scenario.nodes_max = 200;
  for (const Fault& fault : plan.faults) {
    for (const std::uint64_t node : fault.nodes) scenario.nodes_min = std::max(scenario.nodes_min, node + 1);
  }
  scenario.run = [plan = std::move(plan)](const Request& request) { return run_plan(plan, request); };
  return scenario;
}

/// The simulated hour: a hundred publishers, loss, a crash a minute, a partition every ten minutes.
std::vector<Scenario> plan_scenarios() {
  Plan hour;
  hour.name = "hour";
  hour.summary = "an hour: 100 nodes publish 10/s each, half of them in order; 5 % loss, a crash a minute, a partition every ten";
  hour.nodes = 100;
  hour.latency_min = 10ms;
  hour.latency_max = 50ms;
  hour.loss = 0.05;
  hour.lasts = 3600s;
  hour.settle = 120s;
  hour.sync_window = 90s;
  hour.publishers = {{.per_second = 5, .topic = "events"}, {.per_second = 5, .topic = "ordered", .order = Order::fifo}};
  hour.faults = {{.kind = FaultKind::crash, .at = 30s, .every = 60s, .lasts = 20s},
                 {.kind = FaultKind::partition, .at = 60s, .every = 600s, .lasts = 30s}};
  hour.checks = {{"rmr", {}, 0.15}, {"memory", {}, 1.1}};
  return {scenario_of(std::move(hour))};
}

}  // namespace plumvine::sim
