#include "scenario.hpp"

namespace plumvine::sim {

std::string_view to_string(Flag flag) noexcept {
  switch (flag) {
    case Flag::nodes: return "--nodes";
    case Flag::rounds: return "--rounds";
    case Flag::senders: return "--senders";
    case Flag::loss: return "--loss";
    case Flag::lanes: return "--lanes";
    case Flag::latency: return "--latency-ms";
    case Flag::kill: return "--kill";
    case Flag::crash_per_round: return "--crash-per-round";
    case Flag::seconds: return "--seconds";
    case Flag::tree_rule: return "--tree-rule";
    case Flag::threshold: return "--optimization-threshold";
    case Flag::second_parents: return "--second-parents";
    case Flag::repair: return "--repair";
    case Flag::depth: return "--depth";
    case Flag::starved: return "--starved";
  }
  return "?";
}

Report report_of(std::string_view name, std::uint64_t nodes, const Request& request) {
  Report report;
  report.scenario = name;
  report.nodes = nodes;
  report.seed = request.seed;
  return report;
}

Duration span(const Request& request, double seconds) {
  return Duration{static_cast<std::int64_t>(request.seconds.value_or(seconds) * 1e9)};
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = [] {
    std::vector<Scenario> list = tree_scenarios();
    for (const auto& more : {search_scenarios(), cluster_scenarios(), plan_scenarios(), swim_scenarios(), lifeguard_scenarios(), membership_scenarios()})
      list.insert(list.end(), more.begin(), more.end());
    return list;
  }();
  return all;
}

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

}  // namespace plumvine::sim
