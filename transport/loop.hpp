#pragma once

#include <cstdint>

#include <plumvine/time.hpp>

namespace plumvine {

/// What a loop calls back; implemented by `Driver`.
class LoopEvents {
 public:
  virtual ~LoopEvents() = default;
  /// The armed deadline has come (never early, possibly late).
  virtual void on_timer() = 0;
  /// Once per loop turn in which `defer` was called, after all other events of the turn.
  virtual void on_deferred() = 0;
};

/// Time, as a seam: libuv in production, virtual time in the simulator.
class Loop {
 public:
  virtual ~Loop() = default;
  /// Monotonic time.
  virtual Timestamp now() = 0;
  /// Wall clock, microseconds since 1970.
  virtual std::int64_t wall_us() = 0;
  /// Calls `on_timer` at `deadline`, replacing an earlier deadline; kNever cancels.
  virtual void arm(Timestamp deadline) = 0;
  /// Asks for `on_deferred` at the end of this loop turn.
  virtual void defer() = 0;
};

}  // namespace plumvine
