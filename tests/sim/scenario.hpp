#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>

#include "report.hpp"

namespace plumvine::sim {

/// Flags that a scenario may understand; each overrides one of its defaults.
enum class Flag : std::uint8_t {
  nodes, rounds, senders, loss, lanes, latency, kill, crash_per_round, seconds, tree_rule, threshold, second_parents, repair, depth, starved,
};
/// As written on the command line, for example `--crash-per-round`.
std::string_view to_string(Flag flag) noexcept;

enum class Senders : std::uint8_t { one, changing, all };

/// What the command line asked for. Empty = the scenario's default.
struct Request {
  std::uint64_t seed = 1;
  std::optional<std::uint64_t> nodes, rounds, crash_per_round;
  std::optional<Senders> senders;
  std::optional<double> loss;          ///< share, 0 to below 1
  std::optional<bool> lanes;           ///< payloads go beside the streams
  std::optional<Duration> latency_min, latency_max;
  std::optional<double> kill;          ///< share, 0 to below 1
  std::optional<double> starved;       ///< share of members that get too little of their processor
  std::optional<double> seconds;
  std::optional<TreeConfig::Rule> tree_rule;
  std::optional<std::uint64_t> threshold;  ///< `optimization_threshold`
  std::optional<SecondParents> second_parents;
  std::optional<bool> repair;
  std::optional<std::uint64_t> depth;      ///< steps whose order is varied
  std::ostream* trace = nullptr;       ///< where the readable trace goes
};

/// One named experiment.
struct Scenario {
  std::string name;
  std::string summary;
  std::set<Flag> flags;                ///< those it can honour
  std::uint64_t nodes_min = 2, nodes_max = 10000;
  std::function<Report(const Request&)> run;
};

/// An empty report of this scenario.
Report report_of(std::string_view name, std::uint64_t nodes, const Request& request);
/// How long the scenario runs: `seconds` unless the request says otherwise.
Duration span(const Request& request, double seconds);

/// All there are, in the order of `plumvine-sim list`.
const std::vector<Scenario>& scenarios();
const Scenario* find_scenario(std::string_view name);

std::vector<Scenario> tree_scenarios();
std::vector<Scenario> search_scenarios();      ///< orders swarm: looking for what breaks a tree
std::vector<Scenario> cluster_scenarios();
std::vector<Scenario> plan_scenarios();        ///< hour: whole nodes, by a plan
std::vector<Scenario> swim_scenarios();        ///< s1 s2 s3 s4 idle: what the SWIM paper computes, and what rest costs
std::vector<Scenario> lifeguard_scenarios();   ///< g1 g2: members that are slow, not dead
std::vector<Scenario> membership_scenarios();  ///< r1 r2: join storm, one-way faults

}  // namespace plumvine::sim
