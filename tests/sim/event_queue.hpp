#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <plumvine/time.hpp>

namespace plumvine::sim {

/// Events in virtual time, taken out by (time, order of insertion): two runs with the same insertions are the same
/// run. Events lie in a slab, the heap moves small entries only.
template <class Event>
class EventQueue {
 public:
  /// `at` must not lie before the last popped event; earlier ones are moved to it.
  void push(Timestamp at, Event event) {
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(slab_.size());
      slab_.push_back(std::move(event));
    } else {
      slot = free_.back();
      free_.pop_back();
      slab_[slot] = std::move(event);
    }
    heap_.push_back({std::max(at, now_).ns, ++counter_, slot});
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }
  /// The earliest event; virtual time moves on to it. The queue must not be empty.
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
    const Entry entry = heap_.back();
    heap_.pop_back();
    now_ = Timestamp{entry.at_ns};
    Event event = std::move(slab_[entry.slot]);
    slab_[entry.slot] = Event{};
    free_.push_back(entry.slot);
    return event;
  }
  [[nodiscard]] Timestamp next() const noexcept { return heap_.empty() ? kNever : Timestamp{heap_.front().at_ns}; }
  [[nodiscard]] Timestamp now() const noexcept { return now_; }
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  /// Moves virtual time on without an event; never past the next one.
  void advance(Timestamp to) noexcept { now_ = std::max(now_, std::min(to, next())); }

 private:
  struct Entry {
    std::int64_t at_ns;
    std::uint64_t number;
    std::uint32_t slot;
    friend bool operator>(const Entry& a, const Entry& b) noexcept {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.number > b.number;
    }
  };
  std::vector<Entry> heap_;
  std::vector<Event> slab_;
  std::vector<std::uint32_t> free_;
  std::uint64_t counter_ = 0;
  Timestamp now_;
};

}  // namespace plumvine::sim
