#include <plumvine/detail/rng.hpp>

#include "scenario.hpp"
#include "tree_search.hpp"

namespace plumvine::sim {

namespace {

Report report_search(std::string_view name, std::uint64_t nodes, const Request& request, const SearchResult& found) {
  Report report = report_of(name, nodes, request);
  report.violations = found.violations;
  report.trace_hash = mix64(found.steps ^ mix64(found.runs ^ request.seed));
  report.notes = {{"orders or seeds tried", static_cast<double>(found.runs)}, {"steps", static_cast<double>(found.steps)}};
  return report;
}

TreeConfig config_of(const Request& request) {
  TreeConfig config;
  config.tree_rule = request.tree_rule.value_or(TreeConfig::Rule::rooted);
  return config;
}

Report run_orders(const Request& request) {
  const auto nodes = static_cast<std::uint32_t>(request.nodes.value_or(3));
  const auto depth = static_cast<std::uint32_t>(request.depth.value_or(nodes == 3 ? 7 : 4));
  SearchResult sum;
  for (const bool cold : {false, true}) {
    const SearchResult found = search_orders(nodes, depth, cold, config_of(request));
    sum.runs += found.runs;
    sum.steps += found.steps;
    sum.violations.insert(sum.violations.end(), found.violations.begin(), found.violations.end());
  }
  return report_search("orders", nodes, request, sum);
}

Report run_swarm(const Request& request) {
  SearchResult sum;
  for (std::uint64_t i = 0; i < request.rounds.value_or(50); ++i) {
    const SearchResult found = swarm_run(request.seed + i, config_of(request));
    ++sum.runs;
    sum.steps += found.steps;
    for (const std::string& what : found.violations) sum.violations.push_back("seed " + std::to_string(request.seed + i) + ": " + what);
    if (!sum.violations.empty()) break;
  }
  return report_search("swarm", 0, request, sum);
}

}  // namespace

std::vector<Scenario> search_scenarios() {
  Scenario orders{"orders", "every order of frames, deadlines and faults in a tree of 3 or 4 nodes, to a depth",
                  {Flag::nodes, Flag::depth}, 3, 4, run_orders};
  Scenario swarm{"swarm", "trees of 4 to 24 nodes with faults drawn from the seed; a round is a seed",
                 {Flag::rounds}, 2, 24, run_swarm};
  return {orders, swarm};
}

}  // namespace plumvine::sim
