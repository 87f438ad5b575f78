#pragma once

#include <cstdint>
#include <functional>

#include "event_queue.hpp"

namespace plumvine::sim {

/// The one virtual clock of a simulated cluster, and what happens when.
class SimTime {
 public:
  using Action = std::function<void()>;

  [[nodiscard]] Timestamp now() const noexcept { return queue_.now(); }
  void at(Timestamp when, Action action) { queue_.push(when, std::move(action)); }
  void after(Duration delay, Action action) { at(now() + delay, std::move(action)); }

  /// Runs the next event if it is due by `limit`. False: nothing left until then, and it is `limit` now.
  bool step(Timestamp limit) {
    if (queue_.empty() || queue_.next() > limit) {
      queue_.advance(limit);
      return false;
    }
    ++steps_;
    queue_.pop()();
    return true;
  }
  void run_until(Timestamp limit) {
    while (step(limit)) {
    }
  }
  void run_for(Duration span) { run_until(now() + span); }
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
  [[nodiscard]] std::size_t pending() const noexcept { return queue_.size(); }

 private:
  EventQueue<Action> queue_;
  std::uint64_t steps_ = 0;
};

}  // namespace plumvine::sim
