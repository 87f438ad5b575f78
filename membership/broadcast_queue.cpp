#include "broadcast_queue.hpp"

#include <cmath>
#include <iterator>

namespace plumvine::swim {

std::uint32_t retransmit_limit(std::uint32_t mult, std::size_t members) {
  const double scale = std::ceil(std::log10(static_cast<double>(members) + 1));
  return mult * static_cast<std::uint32_t>(scale);
}

BroadcastQueue::Ticket BroadcastQueue::queue(std::string_view name, Bytes message) {
  if (Item* old = by_name_.find(name)) finish(*old);
  const Key key{0, static_cast<std::uint32_t>(message.size()), ++last_ticket_};
  auto item = std::make_unique<Item>(Item{std::string(name), key, std::move(message)});
  by_name_.insert(item.get());
  order_.emplace(key, std::move(item));
  if (order_.size() > items_max_) prune(items_max_);
  return key.ticket;
}

void BroadcastQueue::take(std::size_t overhead, std::size_t limit, std::size_t members, std::size_t count_max,
                          std::vector<Bytes>& out) {
  if (order_.empty()) return;
  const std::uint32_t send_limit = retransmit_limit(mult_, members);
  std::size_t used = 0;
  taken_.clear();
  // Tiers of equally often sent messages, fewest first; in a tier the longest that still fits, the newest of those.
  for (auto it = order_.begin(); it != order_.end() && taken_.size() < count_max && used + overhead < limit;) {
    const Key key = it->first;
    const std::size_t free = limit - used - overhead;
    if (key.size > free) {
      it = order_.lower_bound(Key{key.sent, static_cast<std::uint32_t>(free), UINT64_MAX});
      continue;
    }
    used += overhead + key.size;
    out.push_back(it->second->message);
    taken_.push_back(order_.extract(it++));
  }
  // Back into the order only now, so that nothing is taken twice.
  for (auto& node : taken_) {
    Item& item = *node.mapped();
    if (item.key.sent + 1 >= send_limit) {
      forget(item);
    } else {
      node.key().sent = ++item.key.sent;
      order_.insert(std::move(node));
    }
  }
  taken_.clear();
}

void BroadcastQueue::prune(std::size_t keep) {
  while (order_.size() > keep) finish(*std::prev(order_.end())->second);
}

void BroadcastQueue::finish(Item& item) {
  const auto node = order_.extract(item.key);
  forget(item);
}

void BroadcastQueue::forget(Item& item) {
  if (watch_all_ || item.key.ticket == watched_) finished_.push_back(item.key.ticket);
  by_name_.erase(&item);
}

}  // namespace plumvine::swim
