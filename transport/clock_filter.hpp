#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <plumvine/time.hpp>

namespace plumvine {

/// One round trip's measurement.
struct ClockSample {
  Duration rtt{0};
  Duration offset{0};       ///< peer's link clock minus ours
  Duration wall_offset{0};  ///< peer's wall clock minus ours
};

/// Keeps the last eight round trips and trusts the fastest: queueing only ever adds delay, so its offset is the least
/// wrong (the clock filter of NTP, RFC 5905 section 10).
class ClockFilter {
 public:
  void add(ClockSample sample) noexcept {
    samples_[count_++ % samples_.size()] = sample;
  }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] bool full() const noexcept { return count_ >= samples_.size(); }
  /// The newest sample; all zero without any.
  [[nodiscard]] ClockSample last() const noexcept { return count_ == 0 ? ClockSample{} : samples_[(count_ - 1) % samples_.size()]; }
  /// The fastest of the samples kept. All zero without any.
  [[nodiscard]] ClockSample best() const noexcept {
    const std::size_t kept = count_ < samples_.size() ? count_ : samples_.size();
    ClockSample best = kept == 0 ? ClockSample{} : samples_[0];
    for (std::size_t i = 1; i < kept; ++i) {
      if (samples_[i].rtt < best.rtt) best = samples_[i];
    }
    return best;
  }

 private:
  std::array<ClockSample, 8> samples_{};
  std::size_t count_ = 0;
};

}  // namespace plumvine
