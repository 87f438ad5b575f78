#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/stats.hpp>

#include "handle.hpp"
#include "transport/loop.hpp"

namespace plumvine::uv {

/// What all `UvLoop`s on one libuv loop share: the end of its turns, and the meter of its health. A turn costs what those cost that have
/// something to do in it, not what there are. In a turn's check phase (after all sockets) they are flushed, in the prepare phase
/// those for whom timers asked. An idle handle exists only while work is pending that the turn in progress will not reach: the loop
/// never spins.
///
/// Loop thread only, but for `of`.
class Turns {
 public:
  static std::shared_ptr<Turns> of(uv_loop_t* loop);
  explicit Turns(uv_loop_t* loop);
  ~Turns();

  /// `loop` is flushed at the end of this turn, or of the next one if this one's is going on.
  void ready(class UvLoop* loop);
  /// The same, and there is a next one.
  void ready_and_wake(class UvLoop* loop);
  void remove(class UvLoop* loop);
  void spent(std::string_view what, std::uint64_t ns);
  void report(LoopStats& stats);

  /// As long as it lives the loop's time counts for `phase`; one inside another takes over. Two readings of the clock: for batches, not
  /// for single messages. Null: nothing is counted.
  class Span {
   public:
    Span(std::shared_ptr<Turns> turns, LoopPhase phase);
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    std::shared_ptr<Turns> turns_;
    LoopPhase before_ = LoopPhase::count_;
  };
  /// So much of the span that is open was of `phase`: for what is timed anyway.
  void carve(LoopPhase phase, std::uint64_t ns) noexcept;

 private:
  LoopPhase change(LoopPhase to) noexcept;
  void end();
  void wake();
  void measure();

  uv_loop_t* loop_;
  Handle<uv_prepare_t> prepare_;
  Handle<uv_check_t> check_;
  Handle<uv_idle_t> idle_;
  bool idling_ = false;
  std::vector<class UvLoop*> ready_, flushing_;

  // Busy time of a turn = its length less the time that libuv waited for events.
  std::uint64_t turn_start_ns_;
  std::uint64_t turn_idle_ns_;
  std::uint64_t window_start_ns_;
  std::uint64_t window_busy_ns_ = 0;
  double busy_ratio_ = 0;
  std::array<std::uint64_t, 6> stall_max_ns_{};  ///< by slots of ten seconds, a ring
  std::array<std::string, 6> stall_in_;          ///< what took most of these turns
  std::uint64_t stall_slot_ = 0;
  struct Part {
    std::string what;
    std::uint64_t ns = 0;
  };
  static constexpr std::size_t kPartsMax = 8;
  std::array<Part, kPartsMax> parts_;            ///< of this turn, so far
  std::size_t parts_count_ = 0;
  SecondsHistogram stalls_{kSecondsBuckets};

  LoopPhase phase_ = LoopPhase::count_;  ///< of the span that is open; `count_`: none is
  std::uint64_t phase_start_ns_ = 0;
  std::uint64_t carved_ns_ = 0;          ///< of it for others
  std::uint64_t turn_phases_ns_ = 0;     ///< what phases had of this turn
  CountedReasons<LoopPhase> phases_;     ///< nanoseconds
};

/// `Loop` on a libuv loop. One timer carries the one deadline, rounded up to libuv's millisecond, so it is never early. Deferred work
/// runs at the end of the turn. Loop thread only. The handles keep the loop alive until this object is destroyed.
class UvLoop final : public Loop {
 public:
  explicit UvLoop(uv_loop_t* loop);
  ~UvLoop() override;

  /// Who is called back; null = nobody. Set before `arm` and `defer`.
  void bind(LoopEvents* events) noexcept { events_ = events; }
  /// Runs at the end of each turn in which something was deferred or `turns` was called, after that work.
  void on_turn(std::function<void()> turn) { turn_ = std::move(turn); }
  void turns() { turns_->ready(this); }
  /// Something that this turn runs took so long: it is to blame if, all its times together, it took most of a long turn. Of a turn
  /// the first `kPartsMax` kinds count.
  void spent(std::string_view what, std::uint64_t ns) { turns_->spent(what, ns); }
  /// As `Turns::Span` and `Turns::carve`.
  [[nodiscard]] const std::shared_ptr<Turns>& meter() const noexcept { return turns_; }
  void carve(LoopPhase phase, std::uint64_t ns) noexcept { turns_->carve(phase, ns); }
  /// Runs `task` in a turn after this one, never inside the call.
  void soon(std::function<void()> task);

  Timestamp now() override;
  std::int64_t wall_us() override;
  void arm(Timestamp deadline) override;
  void defer() override;

  /// Writes what was measured of the libuv loop: busy ratio of the last second, longest stall of the last minute, all stalls.
  void report(LoopStats& stats) { turns_->report(stats); }
  [[nodiscard]] uv_loop_t* raw() const noexcept { return loop_; }

 private:
  friend class Turns;
  void fire();
  void flush();
  void run_tasks();

  uv_loop_t* loop_;
  std::shared_ptr<Turns> turns_;
  LoopEvents* events_ = nullptr;
  std::function<void()> turn_;
  Handle<uv_timer_t> timer_;
  Timestamp deadline_ = kNever;
  bool firing_ = false;
  bool deferred_ = false;
  bool queued_ = false;  ///< in `Turns::ready_`
  std::vector<std::function<void()>> tasks_;
};

}  // namespace plumvine::uv
