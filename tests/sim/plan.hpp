#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>

#include "scenario.hpp"

namespace plumvine::sim {

/// What happens to some nodes, or to the network between them.
enum class FaultKind : std::uint8_t {
  crash,      ///< SIGKILL; started again after `lasts`
  restart,    ///< those that do not run are started
  stop,       ///< SIGSTOP; SIGCONT after `lasts`
  leave,      ///< SIGTERM
  join,       ///< `count` new nodes
  partition,  ///< these cannot reach the others; whole again after `lasts`
  heal,
  slow,       ///< streams to and from these carry `bytes_per_second`, for `lasts`
  count_,
};
std::string_view to_string(FaultKind kind) noexcept;

struct Fault {
  FaultKind kind = FaultKind::crash;
  Duration at{0};                  ///< after the cluster has formed and traffic has begun
  Duration every{0};               ///< again and again; 0: once
  Duration lasts{0};               ///< 0: for good
  std::vector<std::uint64_t> nodes;  ///< empty: `count` of them, drawn
  std::uint64_t count = 0;         ///< 0: one; of a partition, half of them
  std::uint64_t bytes_per_second = 1000;
};

struct Publisher {
  std::uint64_t nodes = 0;         ///< the first so many; 0: all
  double per_second = 1;
  std::uint64_t burst = 1;         ///< so many at one time, and so much less often
  std::uint64_t bytes = 100;
  std::string topic = "events";
  Order order = Order::none;
};

/// Bounds of what a run may measure; its result names those that do not hold.
struct Check {
  std::string field;               ///< as `plan_fields` has them
  std::optional<double> min, max;
};

/// An experiment with whole nodes as data: who publishes, what goes wrong when, and what has to hold. That nothing is lost, nothing
/// comes twice and order is kept where asked is always checked, and that all is at rest in the end.
struct Plan {
  std::string name;
  std::string summary = {};
  std::uint64_t nodes = 10;
  std::string preset = "lan";      ///< lan or wan
  TreeConfig::Rule tree_rule = TreeConfig::Rule::rooted;
  Duration latency_min = std::chrono::microseconds{200}, latency_max = std::chrono::microseconds{300};
  double loss = 0;                 ///< share
  Duration resend = std::chrono::milliseconds{5};  ///< a stream sends again after a round trip and this; what is behind waits
  Duration lasts = std::chrono::seconds{60};
  Duration settle = std::chrono::seconds{60};     ///< from the end of traffic and faults until all must be at rest, at most
  std::optional<Duration> sync_window;
  std::vector<Publisher> publishers;
  std::vector<Fault> faults;
  std::vector<Check> checks;
};

/// Measured values that checks can name.
std::vector<std::string> plan_fields();
/// "memory" compares the last sixth of a run with the second one; the stores have to be full by then.
bool memory_is_measured(const Plan& plan, Duration lasts);
/// Runs it; the request's flags go before what the plan says.
Report run_plan(const Plan& plan, const Request& request);
/// As a scenario, with the flags that go before it.
Scenario scenario_of(Plan plan);
}  // namespace plumvine::sim
