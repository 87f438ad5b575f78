#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <plumvine/time.hpp>

#include "message_store.hpp"

namespace plumvine::tree {

/// Announcements that wait for company on one link (Plumtree, section 3.8, "lazyPush" with a policy).
///
/// Two lanes: of the two ends of a link one announces an id after a short delay, the other one later and only if
/// it was not told meanwhile. Each lane has one delay, so its items are in order of their deadlines.
class LazyQueue {
 public:
  enum class Lane : std::uint8_t { first, second };

  void push(Lane lane, Arrival arrival, Timestamp due) { lane_of(lane).items.push_back({arrival, due}); }

  /// Removes what is due at `now` and hands it to `use`, in order of arrival of each lane.
  template <class Use>
  void take(Timestamp now, Use use) {
    for (Fifo* fifo : {&first_, &second_}) {
      while (fifo->size() > 0 && fifo->front().due <= now) {
        use(fifo->front().arrival);
        fifo->pop();
      }
      fifo->compact();
    }
  }

  [[nodiscard]] Timestamp next() const {
    Timestamp next = kNever;
    for (const Fifo* fifo : {&first_, &second_}) {
      if (fifo->size() > 0) next = std::min(next, fifo->front().due);
    }
    return next;
  }
  [[nodiscard]] std::size_t size(Lane lane) const noexcept { return lane == Lane::first ? first_.size() : second_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return first_.size() + second_.size(); }

 private:
  struct Item {
    Arrival arrival;
    Timestamp due;
  };
  struct Fifo {
    std::vector<Item> items;
    std::size_t head = 0;
    [[nodiscard]] std::size_t size() const noexcept { return items.size() - head; }
    [[nodiscard]] const Item& front() const { return items[head]; }
    void pop() { ++head; }
    void compact() {
      if (head * 2 < items.size()) return;
      items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(head));
      head = 0;
    }
  };
  Fifo& lane_of(Lane lane) { return lane == Lane::first ? first_ : second_; }

  Fifo first_, second_;
};

}  // namespace plumvine::tree
