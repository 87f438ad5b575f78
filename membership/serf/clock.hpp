#pragma once

#include <algorithm>

#include "messages.hpp"

namespace plumvine::serf {

/// A Lamport clock as Serf keeps it: the next free time, from 1.
///
/// Times near the end of 64 bits are not believed: one hostile message would use the clock up.
class Clock {
 public:
  static constexpr LTime kTimeMax = LTime{1} << 62;

  [[nodiscard]] LTime time() const noexcept { return time_; }
  /// Takes the next time.
  LTime tick() noexcept { return time_++; }
  /// Goes beyond a time seen elsewhere. False, and nothing happens, if that cannot be true.
  bool witness(LTime seen) noexcept {
    if (seen >= kTimeMax) return false;
    time_ = std::max(time_, seen + 1);
    return true;
  }

 private:
  LTime time_ = 1;
};

}  // namespace plumvine::serf
