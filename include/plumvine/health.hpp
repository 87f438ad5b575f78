#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/snapshot.hpp>

namespace plumvine {

enum class HealthStatus : std::uint8_t { healthy = 0, degraded = 1, unhealthy = 2 };
std::string_view to_string(HealthStatus status) noexcept;

/// A number, or what has none.
using Evidence = std::variant<double, std::string>;

/// One reason why a node is not healthy.
struct HealthReason {
  std::string code;        ///< stable, for example PV2001
  HealthStatus severity = HealthStatus::degraded;
  std::string component;   ///< membership, tree, delivery, cache, security, loop
  std::vector<std::pair<std::string, Evidence>> evidence;
  std::string remedy;
};

struct PeerHealth {
  std::uint64_t eager_count = 0, lazy_count = 0, protected_count = 0, total_peers = 0, target_eager = 0;
  std::uint64_t members_alive = 0, members_suspect = 0, members_dead = 0;
  PartitionState partition = PartitionState::healthy;
};

struct DeliveryHealth {
  std::uint64_t pending_grafts = 0;
  double graft_failure_rate = 0;
  double duplicate_rate = 0;
  std::uint64_t missing_messages = 0;
  double oldest_missing_s = 0;
  std::uint64_t delivered_total = 0;
};

struct CacheHealth {
  std::uint64_t messages = 0, capacity = 0, bytes = 0, bytes_capacity = 0;
  double ttl_s = 0;
  double utilization = 0;
};

struct LoopHealth {
  double busy_ratio = 0;
  double max_stall_ms = 0;
};

struct HealthReport {
  HealthStatus status = HealthStatus::healthy;
  std::string message;
  std::vector<HealthReason> reasons;
  std::string version;
  std::string name;
  double uptime_s = 0;
  PeerHealth peer_health;
  DeliveryHealth delivery_health;
  CacheHealth cache_health;
  LoopHealth loop_health;
};

/// Judges a snapshot. Pure: the same snapshot and thresholds give the same report.
HealthReport assess(const Snapshot& snapshot, const HealthConfig& thresholds);
/// The same report with the reasons of one component only, and the status that follows from them.
HealthReport only_component(HealthReport report, std::string_view component);
/// One of membership, tree, delivery, cache, security, loop.
bool is_component(std::string_view name) noexcept;

}  // namespace plumvine
