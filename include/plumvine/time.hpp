#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace plumvine {

/// A span of time. Nanoseconds, so that every unit of `std::chrono` converts without loss.
using Duration = std::chrono::nanoseconds;

/// An instant on the driver's monotonic clock. It has no `now()`: the core is told the time, it
/// cannot ask. Instants of different processes cannot be compared.
struct Timestamp {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(Timestamp, Timestamp) = default;
  friend constexpr Timestamp operator+(Timestamp t, Duration d) { return {t.ns + d.count()}; }
  friend constexpr Timestamp operator-(Timestamp t, Duration d) { return {t.ns - d.count()}; }
  friend constexpr Duration operator-(Timestamp a, Timestamp b) { return Duration{a.ns - b.ns}; }
};

/// "Nothing is due": later than every deadline.
inline constexpr Timestamp kNever{INT64_MAX};

/// Seconds as a floating-point number, for reports and metrics.
constexpr double to_seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }

}  // namespace plumvine
