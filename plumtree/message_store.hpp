#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/detail/interval_set.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "assembly.hpp"
#include "places.hpp"
#include "seen.hpp"
#include "topics.hpp"

namespace plumvine::tree {

/// Dense number of a neighbour's link at this node. Reused after the link went down.
using Slot = std::uint16_t;
inline constexpr Slot kNoSlot = UINT16_MAX;

/// One bit per link for the first 64 slots. Links beyond have no bit: they may get a copy too many, never one too few.
constexpr std::uint64_t bit(Slot slot) noexcept { return slot < 64 ? std::uint64_t{1} << slot : 0; }

/// A message that can still be sent, or a run of them, which is one in everything but its range.
struct StoredMessage {
  // What is asked most often, of many messages, lies together.
  MessageId id;                   ///< of a run, of its first message
  OriginIndex origin = 0;
  Round round = 0;                ///< hops to here
  Slot upstream = kNoSlot;        ///< who brought it; none for our own
  Timestamp arrived;
  std::shared_ptr<Whole> whole;   ///< of an encoded payload, or one in parts; null in a part whose message is not known
  std::uint64_t known = 0;        ///< links whose far end announced it or sent it
  bool judging = false;           ///< a validator has it: not to be sent yet
  bool gone = false;              ///< left the store before its turn

  std::uint64_t sent = 0;         ///< links that it was sent on
  const Topic* agreed = &kDefaultTopic;
  frame::Run run;
  TreeId tree{};
  std::int64_t published_us = 0;  ///< on our own clock
  Timestamp handed;               ///< when it went on to the user; 0: it has not
  Timestamp announced;            ///< when it was first announced, if that was before it came by a pull; else 0
  std::uint64_t asked = 0;        ///< links that asked for it although it was on its way
  std::string topic;
  frame::Signed signature;  ///< of our own, once it was sent
  Bytes payload;

  /// A part that is sent to those only who ask for it.
  [[nodiscard]] bool fetched() const noexcept { return is_part() && agreed->fetches(); }
  /// It is a part of a message's payload, not a message.
  [[nodiscard]] bool is_part() const noexcept { return frame::is_parts(id.origin); }
  [[nodiscard]] SequenceRange range() const noexcept { return {id.sequence, id.sequence + run.count - 1}; }
};

/// Payloads in order of arrival: the repair store, whose newest part is the graft cache. A payload is held once.
///
/// The store is bounded by `sync_window`, `sync_max_bytes` and `sync_max_messages`, a topic in it by its `retention` and
/// `retention_bytes`; the cache by `message_cache_ttl`,
/// `message_cache_max_bytes` and `message_cache_max_size`. Leaving the cache is counted by reason; leaving the store is told
/// to the owner. The newest message always stays, even if it alone is above a bound of bytes; on a shelf that goes for all its parts.
/// A run counts as its messages; it leaves the store as one, the cache message by message.
/// Not thread-safe; owned by `Tree`.
class MessageStore {
 public:
  explicit MessageStore(const TreeConfig& config) : config_(&config) {}

  /// Adds a message that is not there. Evicts what no longer fits.
  StoredMessage& put(StoredMessage message);
  /// Evicts one message before its turn; counted with a reason only.
  void drop(Arrival arrival, std::optional<CacheEviction> reason = {});
  /// Evicts what is above the configuration's bounds.
  void enforce() {
    expiry_.reset();
    evict_excess();
  }
  /// Evicts what is too old.
  void expire(Timestamp now);
  /// When `expire` has something to do. Rounded up, so that a burst leaves at one wake-up.
  [[nodiscard]] Timestamp next_expiry() const {
    if (!expiry_) expiry_ = find_expiry();
    return *expiry_;
  }
  /// Called with each message as it leaves the store.
  void on_evict(std::function<void(const StoredMessage&)> callback) { evicted_ = std::move(callback); }

  [[nodiscard]] StoredMessage* find(OriginIndex origin, Sequence sequence);
  [[nodiscard]] const StoredMessage* find(OriginIndex origin, Sequence sequence) const;
  /// Nothing once it was evicted.
  [[nodiscard]] StoredMessage* at(Arrival arrival);
  [[nodiscard]] const StoredMessage* at(Arrival arrival) const { return const_cast<MessageStore*>(this)->at(arrival); }
  /// Of the run that the message is in, if it is in one.
  [[nodiscard]] std::optional<Arrival> arrival_of(OriginIndex origin, Sequence sequence) const;
  [[nodiscard]] Arrival first() const noexcept { return first_; }
  [[nodiscard]] Arrival end() const noexcept { return first_ + count_; }

  /// What is held of one origin, as ranges.
  [[nodiscard]] const IntervalSet& held(OriginIndex origin) const;
  /// Everything at or below this is not held any more, given that everything up to `seen` was seen.
  [[nodiscard]] Sequence floor_of(OriginIndex origin, Sequence seen) const;

  [[nodiscard]] std::uint64_t messages() const noexcept { return live_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t cache_messages() const noexcept { return cached_; }
  [[nodiscard]] std::uint64_t cache_bytes() const noexcept { return cache_bytes_; }
  [[nodiscard]] const CountedReasons<CacheEviction>& cache_evictions() const noexcept { return cache_evictions_; }
  /// How many left the cache by age since last asked.
  std::uint64_t take_expired() noexcept { return std::exchange(expired_, 0); }
  /// Places for messages that memory is held for.
  [[nodiscard]] std::size_t capacity() const noexcept { return runs_.size() * kRun; }
  /// Mean payload in bytes of what is held; 0 when empty.
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept { return live_ == 0 ? 0 : bytes_ / live_; }

 private:
  /// Messages that are held in one piece of memory.
  static constexpr std::size_t kRun = 64;
  /// Arrivals count from 1; the first run has the first 64 of them.
  [[nodiscard]] static std::size_t run_of(Arrival arrival) noexcept { return static_cast<std::size_t>((arrival - 1) / kRun); }
  [[nodiscard]] StoredMessage& place(Arrival arrival) { return runs_[run_of(arrival) - run_of(first_)][(arrival - 1) % kRun]; }
  [[nodiscard]] const StoredMessage& place(Arrival arrival) const { return const_cast<MessageStore*>(this)->place(arrival); }
  /// Messages of a topic with a retention of its own, in order of arrival; the first one is in the store.
  struct Shelf {
    std::deque<Arrival> arrivals;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] static bool is_shelved(const StoredMessage& message) noexcept {
    const TopicConfig& policy = message.agreed->policy;
    return policy.retention > Duration{0} || policy.retention_bytes > 0;
  }
  /// Places that are empty count, too.
  [[nodiscard]] bool too_many() const noexcept { return std::max(count_, live_) > config_->sync_max_messages; }
  void evict_excess();
  [[nodiscard]] Timestamp find_expiry() const;
  void trim_shelf(Shelf& shelf, const StoredMessage& newest);
  void unshelve(const StoredMessage& message);
  /// Takes the message out of store and counts, not out of the cache's; its place stays.
  StoredMessage remove(Arrival arrival);
  void evict_front();
  /// Takes the oldest message out of the cache, of a run one after the other.
  void uncache_front(CacheEviction reason);
  void uncache_place(CacheEviction reason);
  /// Takes out what has so many bytes, or a part of that; more than one message is in the cache.
  void uncache_bytes(std::uint64_t over);
  /// What of a place at or behind `cache_first_` is in the cache.
  struct Cached {
    std::uint64_t messages = 0, bytes = 0;
  };
  [[nodiscard]] Cached cached_of(const StoredMessage& message, Arrival arrival) const;
  void trim_cache();

  const TreeConfig* config_;
  std::deque<std::vector<StoredMessage>> runs_;  // by arrival, from that of `first_`; what is stored is not moved as more comes
  Arrival first_ = 1;
  Arrival cache_first_ = 1;
  std::uint32_t cache_passed_ = 0;  // messages of the run there that have left the cache
  std::uint64_t count_ = 0;   // places from the first message to the last
  std::uint64_t live_ = 0;    // messages in them
  std::uint64_t cached_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t cache_bytes_ = 0;
  std::uint64_t expired_ = 0;
  CountedReasons<CacheEviction> cache_evictions_;
  std::vector<Places> places_;                    // by origin
  std::vector<IntervalSet> held_;                 // by origin
  std::map<std::uint32_t, Shelf> shelves_;        // by number of the topic
  mutable std::optional<Timestamp> expiry_;       // asked for in each turn; none: what it follows from has changed
  std::function<void(const StoredMessage&)> evicted_;
};

}  // namespace plumvine::tree
