#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/result.hpp>

namespace plumvine::bench {

/// The runs of one program at one point, as medians with the extremes.
struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};

/// All lines of one peer and variant with the same mode, number of members and size.
struct Point {
  std::string mode;
  std::uint64_t members = 0;
  std::uint64_t size = 0;
  std::string who;                  ///< peer and variant
  bool ours = false;
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;         ///< of these, without a result
  std::string error;                ///< of the first that failed
  Spread deliveries_per_s;
  Spread megabytes_per_s;
  Spread cpu_per_million;           ///< seconds
  double complete = 0;              ///< the least
  std::uint64_t gaps = 0;           ///< the most
  std::uint64_t dups = 0;
  std::optional<Spread> p50_us;
  std::optional<Spread> p99_us;

  [[nodiscard]] bool measured() const noexcept { return runs > failed; }
};

/// Reads JSON lines, of ours and of the peers' harness. Lines of other kinds (without `mode`) are counted and told on `notes`. What is no
/// JSON object, or lacks a field, is an error with file and line. By mode, members, size and name; ours first.
Result<std::vector<Point>> read_points(const std::vector<std::string>& files, std::ostream& notes);

/// A table for each mode and number of members.
std::string markdown(const std::vector<Point>& points);

/// 30.2M, 12k, 0.047: three digits.
std::string short_number(double value);

}  // namespace plumvine::bench
