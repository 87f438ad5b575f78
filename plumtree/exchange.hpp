#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core.hpp"

namespace plumvine::tree {

/// Anti-entropy: compares what neighbours say they have with what is here, and pulls the difference in bulk.
///
/// Works on ranges: its cost follows the number of ranges and of requested ids, not the number of differing ids. At
/// most `kWindowIds` ids or about `kWindowBytes` are asked of one neighbour at a time; an id is asked of one neighbour at a
/// time over all of `Tree` (`Core::in_flight`). Not thread-safe; owned by `Tree`.
class Exchange {
 public:
  static constexpr std::uint64_t kWindowIds = 256;
  static constexpr std::uint64_t kWindowBytes = 1 << 20;
  static constexpr Duration kAnswerTimeout = std::chrono::seconds{2};

  explicit Exchange(Core& core) : core_(core) {}

  /// The neighbour's digest of one origin: replaces what it said before of it.
  void compare(Slot from, OriginIndex origin, const frame::DigestEntry& entry);
  /// The neighbour has these, too; for announcements too long for timers.
  void offer(Slot from, OriginIndex origin, SequenceRange range);
  /// Pull what `from` offers, not before `at`.
  void schedule(Slot from, Timestamp at);
  /// Payloads came. True if something of them had been asked for here.
  bool arrived(OriginIndex origin, SequenceRange range, Timestamp now);
  /// The neighbour has seen these but does not hold them.
  void gone(Slot from, OriginIndex origin, SequenceRange range, Timestamp now);
  /// It was asked for this and has not answered.
  [[nodiscard]] bool asks(Slot slot, OriginIndex origin, Sequence sequence) const;
  void peer_down(Slot slot, Timestamp now);
  void forget(OriginIndex origin);
  /// These do not exist after all: nobody is asked for them.
  void retract(OriginIndex origin, SequenceRange range);

  /// Whom else could hold it? What some neighbour says is gone, and no neighbour is known to have.
  [[nodiscard]] IntervalSet hopeless(OriginIndex origin) const;
  /// Drops what is no longer missing. Called now and then.
  void tidy();

  void handle_timeout(Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const;
  [[nodiscard]] std::uint64_t asked() const;
  void check(std::vector<std::string>& broken) const;

 private:
  struct Neighbour {
    OriginSets offers;  ///< it has them and they were missing here
    OriginSets asked;
    OriginSets gone;
    std::uint64_t asked_count = 0;
    Timestamp ask_deadline = kNever;
    Timestamp pull_at = kNever;
    Timestamp waiting_since = kNever;  ///< something offered is left to the tree since then
    Timestamp held_off;  ///< it did not answer: others are asked before
  };
  Neighbour& at(Slot slot);
  [[nodiscard]] std::uint64_t window() const;
  void pull(Slot slot, Timestamp now);
  /// Moves up to `room` ids of one origin from `offers` to `asked` and into `list`; returns how many.
  std::uint64_t choose(Neighbour& neighbour, OriginIndex origin, Sequence upto, std::uint64_t room, IdLists& list);
  void time_out(Slot slot, Timestamp now);
  void kick(Timestamp now);

  Core& core_;
  std::vector<Neighbour> neighbours_;  // by slot
  mutable std::optional<Timestamp> next_;  // what `next_timeout` has found, until a neighbour changes
};

/// Finds ranges that will never come, so that they are reported once and the watermark moves on.
class LossWatch {
 public:
  explicit LossWatch(Core& core) : core_(core) {}

  struct Loss {
    OriginIndex origin = 0;
    SequenceRange range;
    LossReason reason{};
  };
  /// Call when an origin has got a hole, with the time.
  void hole(OriginIndex origin, Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const { return check_at_; }
  /// What is lost as of now: missing for longer than `sync_window`, or hopeless for more than two `sync_interval`.
  /// What no second neighbour bears out (`Core::attested`) is not lost.
  std::vector<Loss> check(const Exchange& exchange, Timestamp now);
  /// Origins of which that has been so for two `sync_interval`, although another neighbour has told since what it knows.
  [[nodiscard]] std::vector<OriginIndex> take_unattested() { return std::exchange(unattested_, {}); }
  void forget(OriginIndex origin) {
    if (origin < watched_.size()) watched_[origin] = Watched{};
  }
  /// Since when the oldest missing message of any origin is known to exist; kNever when none is missing.
  [[nodiscard]] Timestamp oldest() const;
  [[nodiscard]] Timestamp oldest(OriginIndex origin) const;

 private:
  struct Watched {
    /// (when, highest known then): a missing sequence is as old as the first entry at or above it.
    std::vector<std::pair<Timestamp, Sequence>> marks;
    IntervalSet hopeless;
    Timestamp hopeless_at;
    Sequence unattested = 0;              ///< only one neighbour tells of messages up to here; 0: of none
    Timestamp unattested_since;
    bool used = false;
  };
  void watch_claims(OriginIndex origin, Watched& watched, Sequence attested, Timestamp now);

  Core& core_;
  std::vector<Watched> watched_;  // by origin
  std::vector<OriginIndex> unattested_;
  Timestamp check_at_ = kNever;
};

}  // namespace plumvine::tree
