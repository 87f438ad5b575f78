#pragma once

#include <algorithm>
#include <cstdint>

#include <plumvine/detail/ring.hpp>
#include <plumvine/time.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// How far a publisher may be ahead of the members that keep up: enough to keep the tree busy, not so much that queues
/// grow where everybody's messages wait.
///
/// The time from admission to acknowledgement shows how long queues are: what it takes above the least time is waiting. While that
/// is above `kTarget` and a quarter of the least time the window shrinks, by half at most in a round trip, unless less than its least
/// was under way, which is not what they wait behind; below it grows, by `kStep` or a sixteenth, and by twice as much each time after `kPatience` times in a row. That is congestion control by delay (RFC 6817, section 2.4), with members instead of one receiver.
/// The least time is measured with little under way: for `kSettle` at first, until reports from everywhere have come in, and
/// again each `kMemory`, since a queue that always stands would be taken for the way itself (as BBR does, draft-cardwell-iccrg-bbr, section 4.3.4).
/// After the first time the window doubles until something waits (slow start, RFC 5681, section 3.1).
///
/// It begins at the bounds, and does so again after a pause, so that a burst is taken whole, but for what no path has been seen to carry:
/// payloads above `kBurst`, a bound that doubles up to the window as long as nothing waits. On a narrow link more would be older than `lag_grace` when it
/// arrives, and every member be passed. A message counts as `kLeastCost` bytes or more,
/// as each costs time of its own. While nothing is acknowledged for `kStall` (twice the least time where that is more) some member stands
/// still: how long that is waited for is for `lag_grace` to say, so until then the publisher goes on as fast as all took it before, and
/// what it delayed changes nothing. Bounds: the two of the constructor, and the window; one message always fits into an empty one.
/// Not thread-safe; owned by `Mailbox`, and by nodes of the simulator.
class PublishWindow {
 public:
  static constexpr Duration kTarget = std::chrono::milliseconds{3};
  /// The least delay of so long, or of a round trip if that takes longer, counts: what scheduling adds at times is no queue.
  static constexpr Duration kInterval = std::chrono::milliseconds{50};
  static constexpr std::uint64_t kLeastCost = 64;
  static constexpr std::uint64_t kStep = 32 << 10;
  static constexpr unsigned kPatience = 4;
  /// Eight reports of progress on their way (`tree::Pacing`), so that the window never waits for a report's timer, and enough for runs of
  /// small messages on a machine that is busy for longer than the target.
  static constexpr std::uint64_t kFloor = 256 << 10;
  /// In payload bytes.
  static constexpr std::uint64_t kBurst = 2 << 20;
  /// After so long without anything under way the window is as large as it may be.
  static constexpr Duration kPause = std::chrono::seconds{1};
  static constexpr Duration kStall = std::chrono::milliseconds{200};
  /// The least time is measured again after it.
  static constexpr Duration kMemory = std::chrono::seconds{30};
  /// At first, for so long; what was published in the first half of it may be acknowledged by some alone.
  static constexpr Duration kSettle = std::chrono::seconds{1};

  PublishWindow(std::uint64_t bytes_max, std::uint64_t messages_max)
      : bytes_max_(bytes_max), messages_max_(messages_max), window_(most()), burst_(std::min(kBurst, bytes_max)) {}

  /// What is not metered is bounded by the bounds of the constructor alone.
  [[nodiscard]] bool has_room(std::uint64_t bytes, Timestamp now, bool metered = true) const;
  /// No more than half of each bound is used.
  [[nodiscard]] bool half_free(Timestamp now) const;
  /// A broadcast waits for room: the window is what limits the publisher.
  void refused() { limited_ = true; }
  /// `sequence` is the last one that it takes. Delays of what is not metered do not change the window.
  void published(Sequence sequence, std::uint64_t bytes, Timestamp now, bool metered = true);
  /// Everything up to `sequence` has reached all members that keep up.
  void acked(Sequence sequence, Timestamp now);
  void clear();

  [[nodiscard]] std::uint64_t messages() const noexcept { return unacked_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// In bytes, as messages are counted.
  [[nodiscard]] std::uint64_t window() const noexcept { return window_; }
  /// The last measured, 0 before the first.
  [[nodiscard]] Duration delay() const noexcept { return delay_; }

 private:
  struct Unacked {
    Sequence sequence = 0;
    std::uint64_t bytes = 0;
    Timestamp since;  ///< kNever: not metered
  };
  [[nodiscard]] std::uint64_t most() const noexcept {
    return bytes_max_ > messages_max_ * kLeastCost ? bytes_max_ : messages_max_ * kLeastCost;
  }
  static std::uint64_t cost(std::uint64_t bytes) noexcept { return bytes < kLeastCost ? kLeastCost : bytes; }
  void adapt(Timestamp now);
  /// Little is under way until `now + span`.
  void measure(Timestamp now, Duration span);
  void measured(Timestamp now);
  [[nodiscard]] bool measuring() const noexcept { return measure_until_ != kNever; }
  /// What may be under way, in cost, but for a burst.
  [[nodiscard]] std::uint64_t limit() const noexcept { return measuring() ? std::min(window_, floor() / 2) : window_; }
  [[nodiscard]] std::uint64_t floor() const noexcept { return std::min(most(), std::max(kFloor, 4 * largest_)); }
  [[nodiscard]] bool stalled(Timestamp now) const;
  /// What more than that may be under way, as some member stands still.
  [[nodiscard]] std::uint64_t carried_on(Timestamp now) const;

  std::uint64_t bytes_max_, messages_max_;
  Ring<Unacked> unacked_;
  std::uint64_t bytes_ = 0;
  std::uint64_t cost_ = 0;
  std::uint64_t window_;
  std::uint64_t burst_;
  std::uint64_t burst_left_ = 0;     ///< bytes that may go out at once although something is measured
  std::uint64_t taken_ = 0;          ///< cost of what was acknowledged since the last change
  double rate_ = 0;                  ///< cost a second between changes, a running mean: after a stop all comes at once
  std::uint64_t largest_ = 0;        ///< message since the last change of the window
  std::uint64_t peak_ = 0;           ///< cost under way since then
  unsigned grown_ = 0;               ///< times in a row
  bool limited_ = false;
  bool slow_start_ = false;
  Duration delay_{0};
  Duration least_{INT64_MAX};
  Timestamp measured_at_{INT64_MIN / 2};
  Timestamp measure_until_ = kNever;  ///< kNever: nothing is measured now
  Timestamp measure_from_{};          ///< what is published from here on tells something
  Duration measure_least_{INT64_MAX};
  bool settling_ = false;             ///< that is measured for the first time, or after a long pause
  Duration standing_{INT64_MAX};     ///< the least since the last change
  Timestamp changed_{INT64_MIN / 2};
  Sequence next_change_ = 0;         ///< acknowledged: the last change shows its effect
  Sequence last_ = 0;
  Timestamp idle_since_{INT64_MIN / 2};
  Timestamp moved_{INT64_MIN / 2};   ///< something was acknowledged, or the first one published
  Sequence delayed_ = 0;             ///< up to here a stall delayed them
};

}  // namespace plumvine
