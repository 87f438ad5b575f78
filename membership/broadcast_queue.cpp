#include "broadcast_queue.hpp"

#include <cmath>
#include <iterator>

namespace plumvine::swim {

std::uint32_t retransmit_limit(std::uint32_t mult, std::size_t members) {
  const double scale = std::ceil(std::log10(static_cast<double>(members) + 1));
  return mult * static_cast<std::uint32_t>(scale);
}

BroadcastQueue::Ticket BroadcastQueue::queue(std::string_view name, Bytes message) {
  if (const auto old = by_name_.find(name); old != by_name_.end()) finish(old->second.get());
  auto item = std::make_unique<Item>(Item{0, ++last_ticket_, std::string(name), std::move(message)});
  const Ticket ticket = item->ticket;
  order_.insert(item.get());
  const std::string_view key = item->name;
  by_name_.emplace(key, std::move(item));
  if (order_.size() > items_max_) prune(items_max_);
  return ticket;
}

void BroadcastQueue::take(std::size_t overhead, std::size_t limit, std::size_t members, std::size_t count_max,
                          std::vector<Bytes>& out) {
  if (order_.empty()) return;
  const std::uint32_t send_limit = retransmit_limit(mult_, members);
  std::size_t used = 0;
  taken_.clear();
  // Tiers of equally often sent messages, fewest first; in a tier the longest that still fits, the newest of those.
  for (auto it = order_.begin(); it != order_.end() && taken_.size() < count_max && used + overhead < limit;) {
    Item* item = *it;
    const std::size_t free = limit - used - overhead;
    if (item->message.size() > free) {
      it = order_.lower_bound(Key{item->sent, free, UINT64_MAX});
      continue;
    }
    it = order_.erase(it);
    used += overhead + item->message.size();
    out.push_back(item->message);
    taken_.push_back(item);
  }
  // Back into the order only now, so that nothing is taken twice.
  for (Item* item : taken_) {
    if (item->sent + 1 >= send_limit) {
      forget(item);
    } else {
      ++item->sent;
      order_.insert(item);
    }
  }
}

void BroadcastQueue::prune(std::size_t keep) {
  while (order_.size() > keep) finish(*std::prev(order_.end()));
}

void BroadcastQueue::finish(Item* item) {
  order_.erase(item);
  forget(item);
}

void BroadcastQueue::forget(Item* item) {
  if (watch_all_ || item->ticket == watched_) finished_.push_back(item->ticket);
  by_name_.erase(by_name_.find(item->name));
}

}  // namespace plumvine::swim
