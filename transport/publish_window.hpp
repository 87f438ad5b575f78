#pragma once

#include <cstdint>
#include <deque>

#include <plumvine/time.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// How far a publisher may be ahead of the members that keep up: enough to keep the tree busy, not so much that queues
/// grow where everybody's messages wait.
///
/// The time from admission to acknowledgement shows how long queues are: what it takes above the least time of the last
/// minute is waiting. While that is above `kTarget` and a quarter of the least time the window shrinks, by half at most in a
/// round trip; below it grows, by `kStep` or a sixteenth. That is congestion control by delay
/// (RFC 6817, section 2.4), with members instead of one receiver. It begins at the bounds, and does so again after a
/// pause, so that a burst is taken whole. A message counts as `kLeastCost` bytes or more,
/// as each costs time of its own. While nothing is acknowledged for `kStall` (twice the least time where that is more) some member stands
/// still: how long that is waited for is for `lag_grace` to say, so until then the bounds alone hold, and what it delayed changes nothing. Bounds: the two of the constructor, and the window; one message always fits into an empty one.
/// Not thread-safe; owned by `Mailbox`, and by nodes of the simulator.
class PublishWindow {
 public:
  static constexpr Duration kTarget = std::chrono::milliseconds{10};
  /// The least delay of so long, or of a round trip if that takes longer, counts: what scheduling adds at times is no queue.
  static constexpr Duration kInterval = std::chrono::milliseconds{50};
  static constexpr std::uint64_t kLeastCost = 512;
  static constexpr std::uint64_t kStep = 64 << 10;
  /// Four reports of progress on their way (`tree::Pacing`), so that the window never waits for a report's timer.
  static constexpr std::uint64_t kFloor = 128 << 10;
  /// After so long without anything under way the window is as large as it may be.
  static constexpr Duration kPause = std::chrono::seconds{1};
  static constexpr Duration kStall = std::chrono::milliseconds{200};
  /// The least time is forgotten after one to two of these.
  static constexpr Duration kMemory = std::chrono::seconds{30};

  PublishWindow(std::uint64_t bytes_max, std::uint64_t messages_max)
      : bytes_max_(bytes_max), messages_max_(messages_max), window_(most()) {}

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
    Sequence sequence;
    std::uint64_t bytes;
    Timestamp since;  ///< kNever: not metered
  };
  [[nodiscard]] std::uint64_t most() const noexcept {
    return bytes_max_ > messages_max_ * kLeastCost ? bytes_max_ : messages_max_ * kLeastCost;
  }
  static std::uint64_t cost(std::uint64_t bytes) noexcept { return bytes < kLeastCost ? kLeastCost : bytes; }
  void adapt(Timestamp now);
  [[nodiscard]] Duration least() const noexcept { return least_ < least_before_ ? least_ : least_before_; }
  [[nodiscard]] bool stalled(Timestamp now) const;
  void note_least(Duration delay, Timestamp now);

  std::uint64_t bytes_max_, messages_max_;
  std::deque<Unacked> unacked_;
  std::uint64_t bytes_ = 0;
  std::uint64_t cost_ = 0;
  std::uint64_t window_;
  std::uint64_t largest_ = 0;        ///< message since the last change of the window
  bool limited_ = false;
  Duration delay_{0};
  Duration least_{INT64_MAX};        ///< since `since_`
  Duration least_before_{INT64_MAX};
  Timestamp since_{INT64_MIN / 2};
  Duration standing_{INT64_MAX};     ///< the least since the last change
  Timestamp changed_{INT64_MIN / 2};
  Sequence next_change_ = 0;         ///< acknowledged: the last change shows its effect
  Sequence last_ = 0;
  Timestamp idle_since_{INT64_MIN / 2};
  Timestamp moved_{INT64_MIN / 2};   ///< something was acknowledged, or the first one published
  Sequence delayed_ = 0;             ///< up to here a stall delayed them
};

}  // namespace plumvine
