#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <plumvine/time.hpp>

namespace plumvine {

/// Deadlines of one machine, one per key. Due keys come out by (deadline, order of setting), so runs are
/// repeatable. All operations are O(log n).
template <class Key>
class TimerQueue {
 public:
  /// Sets or moves the deadline of `key`.
  void set(const Key& key, Timestamp deadline) {
    cancel(key);
    const std::uint64_t number = ++counter_;
    order_.emplace(deadline, number, key);
    timers_.emplace(key, std::pair{deadline, number});
  }
  void cancel(const Key& key) {
    if (auto it = timers_.find(key); it != timers_.end()) {
      order_.erase({it->second.first, it->second.second, key});
      timers_.erase(it);
    }
  }
  [[nodiscard]] bool contains(const Key& key) const { return timers_.contains(key); }
  [[nodiscard]] Timestamp deadline(const Key& key) const {
    auto it = timers_.find(key);
    return it == timers_.end() ? kNever : it->second.first;
  }
  /// Removes and returns the first key that is due at `now`.
  std::optional<Key> pop_due(Timestamp now) {
    if (order_.empty() || std::get<0>(*order_.begin()) > now) return std::nullopt;
    Key key = std::get<2>(*order_.begin());
    cancel(key);
    return key;
  }
  [[nodiscard]] Timestamp next() const { return order_.empty() ? kNever : std::get<0>(*order_.begin()); }
  [[nodiscard]] bool empty() const noexcept { return order_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
  void clear() {
    order_.clear();
    timers_.clear();
  }

 private:
  std::set<std::tuple<Timestamp, std::uint64_t, Key>> order_;
  std::map<Key, std::pair<Timestamp, std::uint64_t>> timers_;
  std::uint64_t counter_ = 0;
};

}  // namespace plumvine
