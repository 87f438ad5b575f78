#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace plumvine {

/// A histogram with bounds fixed at compile time. Plain integers, no library types: machines count, the
/// collector translates. `counts()` are per bucket, not cumulative; the last one is above every bound.
template <std::size_t N>
class FixedHistogram {
 public:
  constexpr explicit FixedHistogram(const std::array<double, N>& bounds) : bounds_(&bounds) {}

  void observe(double value, std::uint64_t times = 1) noexcept {
    std::size_t i = 0;
    while (i < N && value > (*bounds_)[i]) ++i;
    counts_[i] += times;
    count_ += times;
    sum_ += value * static_cast<double>(times);
  }
  [[nodiscard]] std::span<const double> bounds() const noexcept { return *bounds_; }
  [[nodiscard]] std::span<const std::uint64_t> counts() const noexcept { return counts_; }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] double sum() const noexcept { return sum_; }

 private:
  const std::array<double, N>* bounds_;
  std::array<std::uint64_t, N + 1> counts_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

/// Seconds, from 0.5 ms to 10 s.
inline constexpr std::array<double, 14> kSecondsBuckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                        0.1,    0.25,  0.5,    1,     2.5,  5,     10};
/// Bytes, powers of four from 64 B to 64 MiB.
inline constexpr std::array<double, 11> kBytesBuckets{64,     256,     1024,    4096,     16384,   65536,
                                                      262144, 1048576, 4194304, 16777216, 67108864};
/// Hops.
inline constexpr std::array<double, 10> kHopsBuckets{1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
/// Ids in one batch.
inline constexpr std::array<double, 8> kBatchBuckets{1, 2, 4, 8, 16, 32, 64, 128};

using SecondsHistogram = FixedHistogram<kSecondsBuckets.size()>;
using BytesHistogram = FixedHistogram<kBytesBuckets.size()>;
using HopsHistogram = FixedHistogram<kHopsBuckets.size()>;
using BatchHistogram = FixedHistogram<kBatchBuckets.size()>;

}  // namespace plumvine
