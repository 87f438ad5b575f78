#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/bytes.hpp>

#include "name_index.hpp"

namespace plumvine::swim {

/// How often one message is sent in a table of `members` (SWIM, section 4.1: a multiple of log n).
std::uint32_t retransmit_limit(std::uint32_t mult, std::size_t members);

/// The queue of news about members: at most one message per member, the newest word wins, and each is sent a
/// limited number of times, the least sent first.
///
/// Bounds: `items_max` messages; beyond that the most sent ones go first. A message is at most about 2 KiB.
class BroadcastQueue {
 public:
  /// Tells one message from another; 0 is none.
  using Ticket = std::uint64_t;

  BroadcastQueue(std::uint32_t retransmit_mult, std::size_t items_max) : mult_(retransmit_mult), items_max_(items_max) {}

  void set_retransmit_mult(std::uint32_t mult) { mult_ = mult; }
  /// Queues `message` about `name`; an older one about it is finished.
  Ticket queue(std::string_view name, Bytes message);
  /// Takes what fits into `limit` bytes, each message costing `overhead` more; at most `count_max` messages.
  /// A message sent often enough is finished.
  void take(std::size_t overhead, std::size_t limit, std::size_t members, std::size_t count_max, std::vector<Bytes>& out);
  /// Keeps the `keep` messages that were sent least.
  void prune(std::size_t keep);

  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
  [[nodiscard]] bool empty() const noexcept { return order_.empty(); }
  /// Messages finished since the last call, in that order.
  std::vector<Ticket> take_finished() { return std::exchange(finished_, {}); }
  /// Finished messages are only remembered for this one (the leave broadcast) unless `watch_all` was called.
  void watch(Ticket ticket) noexcept { watched_ = ticket; }
  void watch_all() noexcept { watch_all_ = true; }

 private:
  /// Place in the order: fewest transmissions, then the longest, then the newest.
  struct Key {
    std::uint32_t sent = 0;
    std::uint32_t size = 0;
    Ticket ticket = 0;
    friend bool operator<(const Key& a, const Key& b) noexcept {
      if (a.sent != b.sent) return a.sent < b.sent;
      if (a.size != b.size) return a.size > b.size;
      return a.ticket > b.ticket;
    }
  };
  struct Item {
    std::string name;
    Key key;
    Bytes message;
    [[nodiscard]] std::string_view index_name() const noexcept { return name; }
  };

  /// Drops an item that is in the order.
  void finish(Item& item);
  /// Drops an item that was taken out of the order.
  void forget(Item& item);

  std::uint32_t mult_;
  std::size_t items_max_;
  Ticket last_ticket_ = 0;
  Ticket watched_ = 0;
  bool watch_all_ = false;
  std::map<Key, std::unique_ptr<Item>> order_;
  NameIndex<Item> by_name_;
  std::vector<decltype(order_)::node_type> taken_;
  std::vector<Ticket> finished_;
};

}  // namespace plumvine::swim
