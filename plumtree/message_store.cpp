#include "message_store.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include <plumvine/detail/check.hpp>

namespace plumvine::tree {

namespace {
const IntervalSet kNothing;
constexpr std::size_t kRingMin = 16;
/// Deadlines are rounded up to this: one wake-up evicts a burst.
constexpr std::int64_t kExpiryStep = 100'000'000;

std::int64_t round_up(std::int64_t ns) { return (ns / kExpiryStep + 1) * kExpiryStep; }
}  // namespace

void MessageStore::resize(std::size_t capacity) {
  std::vector<StoredMessage> other(capacity);
  for (Arrival a = first_; a != end(); ++a) other[static_cast<std::size_t>(a) & (capacity - 1)] = std::move(ring_[place(a)]);
  ring_ = std::move(other);
}

StoredMessage& MessageStore::put(StoredMessage message) {
  if (count_ == ring_.size()) resize(std::max(kRingMin, ring_.size() * 2));
  const Arrival arrival = end();
  const bool fresh = by_id_.emplace(message.id, arrival).second;
  PLUMVINE_CHECK(fresh, "a message is stored once");
  if (held_.size() <= message.origin) held_.resize(message.origin + 1);
  held_[message.origin].add(message.id.sequence);
  bytes_ += message.payload.size();
  cache_bytes_ += message.payload.size();
  ++count_;
  StoredMessage& stored = ring_[place(arrival)];
  stored = std::move(message);
  trim_cache();
  while (count_ > 1 && (bytes_ > config_->sync_max_bytes || count_ > config_->sync_max_messages)) evict_front();
  return stored;
}

void MessageStore::trim_cache() {
  while (cache_messages() > std::max<std::uint64_t>(1, config_->message_cache_max_size)) uncache_front(CacheEviction::count);
  while (cache_messages() > 1 && cache_bytes_ > config_->message_cache_max_bytes) uncache_front(CacheEviction::bytes);
}

void MessageStore::uncache_front(CacheEviction reason) {
  cache_bytes_ -= ring_[place(cache_first_)].payload.size();
  ++cache_first_;
  cache_evictions_.add(reason);
}

void MessageStore::evict_front() {
  if (cache_first_ == first_) uncache_front(count_ > config_->sync_max_messages ? CacheEviction::count : CacheEviction::bytes);
  StoredMessage gone = std::move(ring_[place(first_)]);
  ring_[place(first_)] = StoredMessage{};
  by_id_.erase(gone.id);
  held_[gone.origin].remove(gone.id.sequence);
  bytes_ -= gone.payload.size();
  ++first_;
  --count_;
  if (evicted_) evicted_(gone);
}

void MessageStore::expire(Timestamp now) {
  while (cache_messages() > 0 && ring_[place(cache_first_)].arrived + config_->message_cache_ttl <= now) {
    uncache_front(CacheEviction::ttl);
    ++expired_;
  }
  while (count_ > 0 && ring_[place(first_)].arrived + config_->sync_window <= now) {
    if (cache_first_ == first_) {
      uncache_front(CacheEviction::ttl);
      ++expired_;
    }
    evict_front();
  }
  if (ring_.size() <= kRingMin || count_ * 8 > ring_.size()) return;
  resize(std::max(kRingMin, std::bit_ceil(static_cast<std::size_t>(count_) * 2)));
  by_id_.rehash(0);
}

Timestamp MessageStore::next_expiry() const {
  Timestamp next = kNever;
  if (count_ > 0) next = ring_[place(first_)].arrived + config_->sync_window;
  if (cache_messages() > 0) next = std::min(next, ring_[place(cache_first_)].arrived + config_->message_cache_ttl);
  return next == kNever ? kNever : Timestamp{round_up(next.ns)};
}

StoredMessage* MessageStore::find(const MessageId& id) {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &ring_[place(it->second)];
}
const StoredMessage* MessageStore::find(const MessageId& id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &ring_[place(it->second)];
}

StoredMessage* MessageStore::at(Arrival arrival) {
  return arrival < first_ || arrival >= end() ? nullptr : &ring_[place(arrival)];
}

std::optional<Arrival> MessageStore::arrival_of(const MessageId& id) const {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return std::nullopt;
  return it->second;
}

const IntervalSet& MessageStore::held(OriginIndex origin) const { return origin < held_.size() ? held_[origin] : kNothing; }

Sequence MessageStore::floor_of(OriginIndex origin, Sequence seen) const {
  const IntervalSet& have = held(origin);
  return have.empty() ? seen : have.front().first - 1;
}

}  // namespace plumvine::tree
