#pragma once

#include <cstdint>

#include <plumvine/time.hpp>

namespace plumvine::swim {

/// Lifeguard's local health multiplier (section IV-A): how much we distrust our own observations.
/// 0 = well; it rises with failed probes, missing nacks and refutations, and only stretches the probe interval.
class Awareness {
 public:
  explicit Awareness(std::uint32_t multiplier_max) : max_(multiplier_max < 1 ? 1 : multiplier_max) {}

  void apply(std::int64_t delta) {
    const std::int64_t next = static_cast<std::int64_t>(score_) + delta;
    const std::int64_t top = static_cast<std::int64_t>(max_) - 1;
    score_ = static_cast<std::uint32_t>(next < 0 ? 0 : next > top ? top : next);
  }
  void set_max(std::uint32_t multiplier_max) {
    max_ = multiplier_max < 1 ? 1 : multiplier_max;
    apply(0);
  }
  [[nodiscard]] std::uint32_t score() const noexcept { return score_; }
  [[nodiscard]] Duration scale(Duration interval) const { return interval * (score_ + 1); }

 private:
  std::uint32_t max_;
  std::uint32_t score_ = 0;
};

}  // namespace plumvine::swim
