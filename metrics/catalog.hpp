#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/health.hpp>
#include <plumvine/snapshot.hpp>

/// Every exported series, in one table. The exposition and `README.md` of this folder are made from it.
namespace plumvine::metrics {

enum class Type : std::uint8_t { counter, gauge, histogram };
std::string_view to_string(Type type) noexcept;

/// One series of a family at one instant. `bounds` and `counts` are set for histograms only; `counts` are per
/// bucket, the last one above every bound. They point into the snapshot.
struct Sample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;  ///< the sum, for histograms
  std::span<const double> bounds{};
  std::span<const std::uint64_t> counts{};
};

/// What a row is read from. Valid inside one call.
struct Source {
  const Snapshot& snapshot;
  const HealthReport& health;
};

/// One family. Every series of it exists from the start, at 0, with each known label value.
struct Row {
  std::string_view name;
  Type type;
  std::string_view unit;    ///< empty where the number is a plain count
  std::string_view labels;  ///< `reason: a, b` per label, `; ` between them; empty without labels
  std::string_view help;    ///< one line: help texts are not escaped by the serializer
  void (*read)(const Source& source, std::vector<Sample>& out);
};

/// All rows, by prefix and then in the operator guide's order.
std::span<const Row> catalog();

/// `README.md` of this folder, made from the table.
std::string readme();

}  // namespace plumvine::metrics
