#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plumvine::sim {

/// What one run measured. What a scenario does not measure stays empty and is `null` in JSON.
/// RMR, LDH and reliability are Plumtree's (Leitao, Pereira, Rodrigues 2007, section 4.2).
struct Report {
  std::string scenario;
  std::uint64_t nodes = 0;
  std::uint64_t seed = 0;
  std::optional<std::uint64_t> broadcasts;
  std::optional<std::uint64_t> delivered;      ///< at live nodes, without the origin
  std::optional<std::uint64_t> expected;
  std::optional<double> reliability;           ///< delivered / expected
  std::optional<double> rmr;                   ///< payloads sent / (receivers) - 1, mean over broadcasts
  std::optional<double> ldh_mean;              ///< largest hop count of a first delivery, mean over broadcasts
  std::optional<double> ldh_max;
  std::optional<double> last_delivery_ms_p50;  ///< publish until the last delivery there was
  std::optional<double> last_delivery_ms_p99;
  std::optional<std::uint64_t> payload_bytes;  ///< Gossip frames as on the wire
  std::optional<std::uint64_t> control_bytes;  ///< all other frames as on the wire
  std::optional<std::uint64_t> grafts;
  std::optional<std::uint64_t> prunes;
  std::optional<double> detect_ms_p50;         ///< crash until a survivor knows, over crashes and survivors
  std::optional<double> detect_ms_p99;
  std::optional<std::uint64_t> false_positives;
  std::optional<double> heal_ms;               ///< end of the fault until one view and everything delivered
  std::optional<double> bytes_per_node_s;
  std::optional<double> duplicates_per_message;  ///< payloads received again, per first delivery
  std::optional<double> full_ms_p50;           ///< publish until every live node has it
  std::optional<double> full_ms_p99;
  std::uint64_t trace_hash = 0;
  std::optional<double> wall_ms;

  /// Beside the contract's fields, which are always there: control ids per broadcast and the like; an object `notes` in JSON.
  std::vector<std::pair<std::string, double>> notes;
  /// What the checkers found; a run with any has failed.
  std::vector<std::string> violations;

  [[nodiscard]] std::string json() const;
  [[nodiscard]] std::string text() const;
};

/// Shortest decimal that reads back as `value`.
std::string number(double value);
/// The nearest-rank percentile (0 < share <= 1); nullopt without values.
std::optional<double> percentile(std::vector<double> values, double share);
std::optional<double> mean(const std::vector<double>& values);

}  // namespace plumvine::sim
