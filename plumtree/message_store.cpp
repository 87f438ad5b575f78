#include "message_store.hpp"

#include <algorithm>
#include <utility>

#include <plumvine/detail/check.hpp>

namespace plumvine::tree {

namespace {
const IntervalSet kNothing;
/// Deadlines are rounded up to this: one wake-up evicts a burst.
constexpr std::int64_t kExpiryStep = 100'000'000;

std::int64_t round_up(std::int64_t ns) { return (ns / kExpiryStep + 1) * kExpiryStep; }
}  // namespace

StoredMessage& MessageStore::put(StoredMessage message) {
  const Arrival arrival = end();
  if (held_.size() <= message.origin) {
    held_.resize(message.origin + 1);
    places_.resize(message.origin + 1);
  }
  places_[message.origin].add(message.range(), arrival);
  held_[message.origin].add(message.range());
  // Behind others it is not the first to expire, unless its topic says so.
  if (count_ == 0 || cached_ == 0 || is_shelved(message)) expiry_.reset();
  bytes_ += message.payload.size();
  cache_bytes_ += message.payload.size();
  ++count_;
  live_ += message.run.count;
  cached_ += message.run.count;
  if (runs_.empty() || runs_.back().size() == kRun) runs_.emplace_back().reserve(kRun);
  StoredMessage& stored = runs_.back().emplace_back(std::move(message));
  if (is_shelved(stored)) {
    Shelf& shelf = shelves_[stored.agreed->number];
    shelf.arrivals.push_back(arrival);
    shelf.bytes += stored.payload.size();
    trim_shelf(shelf, stored);
  }
  evict_excess();
  return stored;
}

void MessageStore::evict_excess() {
  trim_cache();
  while (count_ > 1 && (bytes_ > config_->store_bytes() || too_many())) evict_front();
}

void MessageStore::trim_shelf(Shelf& shelf, const StoredMessage& newest) {
  const std::uint64_t most = newest.agreed->policy.retention_bytes;
  while (most > 0 && shelf.bytes > most && shelf.arrivals.size() > 1) {
    if (newest.whole && at(shelf.arrivals.front())->whole == newest.whole) return;
    drop(shelf.arrivals.front(), CacheEviction::bytes);
  }
}

void MessageStore::unshelve(const StoredMessage& message) {
  Shelf& shelf = shelves_[message.agreed->number];
  shelf.bytes -= message.payload.size();
  while (!shelf.arrivals.empty() && at(shelf.arrivals.front()) == nullptr) shelf.arrivals.pop_front();
}

void MessageStore::trim_cache() {
  const std::uint64_t most = std::max<std::uint64_t>(1, config_->message_cache_max_size);
  while (cached_ > most) {
    const StoredMessage& message = place(cache_first_);
    if (message.gone || message.run.count - cache_passed_ <= cached_ - most) uncache_place(CacheEviction::count);
    else uncache_front(CacheEviction::count);
  }
  while (cached_ > 1 && cache_bytes_ > config_->message_cache_max_bytes) uncache_bytes(cache_bytes_ - config_->message_cache_max_bytes);
}

void MessageStore::uncache_bytes(std::uint64_t over) {
  const StoredMessage& message = place(cache_first_);
  const std::size_t each = message.gone || !message.run.alike ? 0 : message.payload.size() / message.run.count;
  if (each == 0) return uncache_front(CacheEviction::bytes);
  const std::uint64_t left = message.run.count - cache_passed_;
  const std::uint64_t passed = std::min({(over + each - 1) / each, left, cached_ - 1});
  if (passed == left) return uncache_place(CacheEviction::bytes);
  cache_bytes_ -= passed * each;
  cached_ -= passed;
  cache_passed_ += static_cast<std::uint32_t>(passed);
  cache_evictions_.add(CacheEviction::bytes, passed);
}

MessageStore::Cached MessageStore::cached_of(const StoredMessage& message, Arrival arrival) const {
  if (arrival != cache_first_ || cache_passed_ == 0) return {message.run.count, message.payload.size()};
  return {message.run.count - cache_passed_, frame::bytes_behind(message.run, message.payload, cache_passed_)};
}

void MessageStore::uncache_front(CacheEviction reason) {
  const StoredMessage& message = place(cache_first_);
  if (message.gone || message.run.count - cache_passed_ == 1) return uncache_place(reason);
  cache_bytes_ -= frame::bytes_of(message.run, message.payload, cache_passed_++);
  --cached_;
  cache_evictions_.add(reason);
}

void MessageStore::uncache_place(CacheEviction reason) {
  const StoredMessage& message = place(cache_first_);
  const Cached cached = message.gone ? Cached{} : cached_of(message, cache_first_);
  cache_bytes_ -= cached.bytes;
  cached_ -= cached.messages;
  if (!message.gone) cache_evictions_.add(reason, cached.messages);
  if (reason == CacheEviction::ttl) expired_ += cached.messages;
  ++cache_first_;
  cache_passed_ = 0;
  expiry_.reset();
}

StoredMessage MessageStore::remove(Arrival arrival) {
  StoredMessage& message = place(arrival);
  StoredMessage gone = std::move(message);
  // What is left keeps no memory, and of it only `gone` and `arrived` are looked at.
  message.payload = Bytes{};
  message.gone = true;
  places_[gone.origin].remove(gone.range());
  held_[gone.origin].remove(gone.range());
  bytes_ -= gone.payload.size();
  live_ -= gone.run.count;
  expiry_.reset();
  if (is_shelved(gone)) unshelve(gone);
  return gone;
}

void MessageStore::drop(Arrival arrival, std::optional<CacheEviction> reason) {
  if (at(arrival) == nullptr) return;
  const StoredMessage gone = remove(arrival);
  if (arrival >= cache_first_) {
    const Cached cached = cached_of(gone, arrival);
    cache_bytes_ -= cached.bytes;
    cached_ -= cached.messages;
    if (arrival == cache_first_) cache_passed_ = 0;
    if (reason) cache_evictions_.add(*reason, cached.messages);
    if (reason == CacheEviction::ttl) expired_ += cached.messages;
  }
  if (evicted_) evicted_(gone);
}

void MessageStore::evict_front() {
  if (cache_first_ == first_) uncache_place(too_many() ? CacheEviction::count : CacheEviction::bytes);
  const bool here = !place(first_).gone;
  const StoredMessage gone = here ? remove(first_) : StoredMessage{};
  // The next one to come goes to the run behind, if this one is full.
  if (first_ % kRun == 0) runs_.pop_front();
  ++first_;
  --count_;
  expiry_.reset();
  if (here && evicted_) evicted_(gone);
}

void MessageStore::expire(Timestamp now) {
  while (cache_first_ < end() && place(cache_first_).arrived + config_->message_cache_ttl <= now) uncache_place(CacheEviction::ttl);
  for (auto& [number, shelf] : shelves_) {
    while (!shelf.arrivals.empty()) {
      const StoredMessage& oldest = *at(shelf.arrivals.front());
      const Duration retention = oldest.agreed->policy.retention;
      if (retention == Duration{0} || oldest.arrived + retention > now) break;
      drop(shelf.arrivals.front(), CacheEviction::ttl);
    }
  }
  while (count_ > 0 && (place(first_).gone || place(first_).arrived + config_->sync_window <= now)) {
    if (cache_first_ == first_) uncache_place(CacheEviction::ttl);
    evict_front();
  }
}

Timestamp MessageStore::find_expiry() const {
  Timestamp next = kNever;
  if (count_ > 0) next = place(first_).arrived + config_->sync_window;
  if (cached_ > 0) next = std::min(next, place(cache_first_).arrived + config_->message_cache_ttl);
  for (const auto& [number, shelf] : shelves_) {
    if (shelf.arrivals.empty()) continue;
    const StoredMessage& oldest = place(shelf.arrivals.front());
    if (oldest.agreed->policy.retention > Duration{0}) next = std::min(next, oldest.arrived + oldest.agreed->policy.retention);
  }
  return next == kNever ? kNever : Timestamp{round_up(next.ns)};
}

StoredMessage* MessageStore::find(OriginIndex origin, Sequence sequence) {
  const auto arrival = arrival_of(origin, sequence);
  return arrival ? &place(*arrival) : nullptr;
}
const StoredMessage* MessageStore::find(OriginIndex origin, Sequence sequence) const {
  return const_cast<MessageStore*>(this)->find(origin, sequence);
}

StoredMessage* MessageStore::at(Arrival arrival) {
  if (arrival < first_ || arrival >= end() || place(arrival).gone) return nullptr;
  return &place(arrival);
}

std::optional<Arrival> MessageStore::arrival_of(OriginIndex origin, Sequence sequence) const {
  return origin < places_.size() ? places_[origin].find(sequence) : std::nullopt;
}

const IntervalSet& MessageStore::held(OriginIndex origin) const { return origin < held_.size() ? held_[origin] : kNothing; }

Sequence MessageStore::floor_of(OriginIndex origin, Sequence seen) const {
  const IntervalSet& have = held(origin);
  return have.empty() ? seen : have.front().first - 1;
}

}  // namespace plumvine::tree
