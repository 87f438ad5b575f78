#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace plumvine::sim {

/// Percentiles of any number of values in a few kilobytes, right within 1 %. From 0.001 to some 1e9; what lies outside counts as the nearest.
class LogHistogram {
 public:
  void add(double value) {
    const double step = std::floor(std::log(std::max(value, kLeast) / kLeast) / kStep);
    const auto bucket = static_cast<std::size_t>(std::min(step, static_cast<double>(kBuckets - 1)));
    ++counts_[bucket];
    ++count_;
    largest_ = std::max(largest_, value);
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] double largest() const noexcept { return largest_; }
  /// The nearest rank; nullopt without values.
  [[nodiscard]] std::optional<double> percentile(double share) const {
    if (count_ == 0) return std::nullopt;
    const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      sum += counts_[i];
      if (sum >= std::max<std::uint64_t>(rank, 1)) return std::min(largest_, kLeast * std::exp(kStep * (static_cast<double>(i) + 0.5)));
    }
    return largest_;
  }

 private:
  static constexpr double kLeast = 0.001;
  static constexpr double kStep = 0.02;
  static constexpr std::size_t kBuckets = 1400;
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kBuckets);
  std::uint64_t count_ = 0;
  double largest_ = 0;
};

}  // namespace plumvine::sim
