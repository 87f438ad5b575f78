#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include <plumvine/config.hpp>
#include <plumvine/stats.hpp>

namespace plumvine::uv {

/// Watches the process's memory and says which part gains it.
///
/// A part whose bounds are the preset's (or lower) may fill: that is what it is for, and what it gains, with half as much again for the
/// allocator, is no news. What the process gains beyond that within a minute is told, with the part that was given larger bounds and
/// gained most of it; or none, when it is the rest of the process. Bounds: the samples of a minute. Not thread-safe.
class MemoryAudit {
 public:
  static constexpr std::int64_t kWindowMs = 60'000;
  /// Two samples say nothing sooner.
  static constexpr std::int64_t kLeastMs = 10'000;

  explicit MemoryAudit(const Config& config) { configure(config); }
  /// Other bounds.
  void configure(const Config& config);

  /// Notes what is there; for `gained` of later samples. Samples come in order of time.
  void note(std::int64_t at_ms, const MemoryStats& now);
  /// Fills what was gained since the samples of the last minute.
  void judge(std::int64_t at_ms, MemoryStats& now) const;

 private:
  static constexpr std::size_t kParts = CountedReasons<MemoryPart>::kSize;
  struct Sample {
    std::int64_t at_ms;
    std::uint64_t resident;
    CountedReasons<MemoryPart> parts;
  };
  std::array<bool, kParts> raised_{};
  std::deque<Sample> samples_;
};

}  // namespace plumvine::uv
