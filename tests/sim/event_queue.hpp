#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <plumvine/detail/check.hpp>
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
      PLUMVINE_CHECK(slot >> kSlotBits == 0, "too many events wait");
      slab_.push_back(std::move(event));
    } else {
      slot = free_.back();
      free_.pop_back();
      slab_[slot] = std::move(event);
    }
    heap_.push_back({});
    sift_up(heap_.size() - 1, {std::max(at, now_).ns, ++counter_ << kSlotBits | slot});
  }
  /// The earliest event; virtual time moves on to it. The queue must not be empty.
  Event pop() {
    const Entry entry = heap_.front();
    const Entry last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sift_down(last);
    now_ = Timestamp{entry.at_ns};
    const auto slot = static_cast<std::uint32_t>(entry.order & ((std::uint64_t{1} << kSlotBits) - 1));
    Event event = std::move(slab_[slot]);
    slab_[slot] = Event{};
    free_.push_back(slot);
    return event;
  }
  [[nodiscard]] Timestamp next() const noexcept { return heap_.empty() ? kNever : Timestamp{heap_.front().at_ns}; }
  [[nodiscard]] Timestamp now() const noexcept { return now_; }
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  /// Moves virtual time on without an event; never past the next one.
  void advance(Timestamp to) noexcept { now_ = std::max(now_, std::min(to, next())); }

 private:
  /// So many events wait at once, at most: 16 million.
  static constexpr unsigned kSlotBits = 24;
  struct Entry {
    std::int64_t at_ns;
    std::uint64_t order;  ///< number of insertion, then the event's place in the slab
    friend bool operator<(const Entry& a, const Entry& b) noexcept {
      return a.at_ns != b.at_ns ? a.at_ns < b.at_ns : a.order < b.order;
    }
  };
  // A heap of four children each: half as deep as one of two, and children lie together.
  void sift_up(std::size_t at, Entry entry) {
    for (; at > 0 && entry < heap_[(at - 1) / 4]; at = (at - 1) / 4) heap_[at] = heap_[(at - 1) / 4];
    heap_[at] = entry;
  }
  void sift_down(Entry entry) {
    std::size_t at = 0;
    for (std::size_t child = 1; child < heap_.size(); child = 4 * at + 1) {
      std::size_t least = child;
      for (std::size_t other = child + 1; other < std::min(child + 4, heap_.size()); ++other) {
        if (heap_[other] < heap_[least]) least = other;
      }
      if (!(heap_[least] < entry)) break;
      heap_[at] = heap_[least];
      at = least;
    }
    heap_[at] = entry;
  }

  std::vector<Entry> heap_;
  std::vector<Event> slab_;
  std::vector<std::uint32_t> free_;
  std::uint64_t counter_ = 0;
  Timestamp now_;
};

}  // namespace plumvine::sim
