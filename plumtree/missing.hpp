#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include <plumvine/types.hpp>

#include "message_store.hpp"

namespace plumvine::tree {

/// Ids that were announced and are not here, each with one timer and the links that announced it
/// (Plumtree's "missing", section 3.4). Timers of ids that arrived are dropped when they come up.
///
/// Bounds: `kMissingMax` ids, `kAnnouncersMax` announcers of each. Beyond, digests repair.
/// Not thread-safe; owned by `Tree`.
class MissingSet {
 public:
  static constexpr std::size_t kMissingMax = 16384;
  static constexpr std::size_t kAnnouncersMax = 32;

  struct Announcer {
    Slot slot = kNoSlot;
    Round round = 0;
    bool tried = false;
  };
  struct Entry {
    TreeId tree{};
    Timestamp first;            ///< first announcement
    Timestamp asked;            ///< first pull; 0 = none yet
    std::uint32_t tries = 0;    ///< pulls sent
    std::uint32_t rounds = 0;   ///< times that all announcers were tried
    Slot target = kNoSlot;      ///< whom the pull in flight went to
    std::vector<Announcer> announcers;
    std::uint64_t timer = 0;    ///< number of the valid timer
  };

  /// Notes an announcement; the first one of an id starts its timer. Returns false when there is no room.
  bool announce(const MessageId& id, Slot slot, TreeId tree, Round round, Timestamp now, Timestamp deadline);
  [[nodiscard]] Entry* find(const MessageId& id);
  /// Removes and returns what was known of an id that has arrived or was given up.
  std::optional<Entry> take(const MessageId& id);
  /// Of the ids of a run. Announcers are those that announced all of it.
  std::optional<Entry> take(InstanceId origin, SequenceRange range);
  /// Moves the id's timer.
  void arm(const MessageId& id, Entry& entry, Timestamp deadline);
  /// The next id whose timer is due. Its entry stays; arm it again or take it.
  std::optional<MessageId> pop_due(Timestamp now);
  [[nodiscard]] Timestamp next() const { return heap_.empty() ? kNever : heap_.front().deadline; }

  /// Forgets the announcer everywhere. Returns, in order, the ids that were being pulled from it.
  std::vector<MessageId> link_down(Slot slot);
  /// Removes all ids of the range; returns those that were being pulled.
  std::vector<MessageId> drop(InstanceId origin, SequenceRange range);

  /// Pulls in flight.
  [[nodiscard]] std::size_t pulling() const noexcept {
    std::size_t count = 0;
    for (const auto& [id, entry] : entries_) count += entry.target != kNoSlot ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

 private:
  struct Timer {
    Timestamp deadline;
    std::uint64_t number = 0;
    MessageId id;
    /// Reversed, for a heap with the earliest timer in front.
    friend bool operator<(const Timer& a, const Timer& b) noexcept {
      return a.deadline != b.deadline ? a.deadline > b.deadline : a.number > b.number;
    }
  };
  [[nodiscard]] bool stale(const Timer& timer) const;
  void drop_stale();

  std::unordered_map<MessageId, Entry> entries_;  // order never matters: results are sorted
  std::vector<Timer> heap_;
  std::uint64_t counter_ = 0;
};

}  // namespace plumvine::tree
