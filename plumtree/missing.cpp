#include "missing.hpp"

#include <algorithm>
#include <utility>

namespace plumvine::tree {

bool MissingSet::announce(const MessageId& id, Slot slot, TreeId tree, Round round, Timestamp now, Timestamp deadline) {
  auto it = entries_.find(id);
  if (it == entries_.end()) {
    if (entries_.size() >= kMissingMax) return false;
    it = entries_.try_emplace(id).first;
    it->second.tree = tree;
    it->second.first = now;
    arm(id, it->second, deadline);
  }
  auto& announcers = it->second.announcers;
  for (auto& known : announcers) {
    if (known.slot == slot) {
      known.round = round;
      return true;
    }
  }
  if (announcers.size() < kAnnouncersMax) announcers.push_back({slot, round, false});
  return true;
}

MissingSet::Entry* MissingSet::find(const MessageId& id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

std::optional<MissingSet::Entry> MissingSet::take(const MessageId& id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return std::nullopt;
  Entry entry = std::move(it->second);
  entries_.erase(it);
  drop_stale();
  return entry;
}

std::optional<MissingSet::Entry> MissingSet::take(InstanceId origin, SequenceRange range) {
  std::optional<Entry> all;
  std::uint64_t found = 0;
  for (Sequence sequence = range.first; sequence <= range.last && !entries_.empty(); ++sequence) {
    auto entry = take({origin, sequence});
    if (!entry) continue;
    if (++found == 1) {
      all = std::move(entry);
      continue;
    }
    std::erase_if(all->announcers, [&](const Announcer& a) {
      return std::ranges::none_of(entry->announcers, [&](const Announcer& b) { return b.slot == a.slot; });
    });
    if (entry->first < all->first) all->first = entry->first;
    if (entry->tries > 0 && (all->tries == 0 || entry->asked < all->asked)) all->asked = entry->asked;
    all->tries = std::max(all->tries, entry->tries);
  }
  if (all && found <= range.last - range.first) all->announcers.clear();
  return all;
}

void MissingSet::arm(const MessageId& id, Entry& entry, Timestamp deadline) {
  entry.timer = ++counter_;
  heap_.push_back({deadline, entry.timer, id});
  std::push_heap(heap_.begin(), heap_.end());
  drop_stale();
}

bool MissingSet::stale(const Timer& timer) const {
  const auto it = entries_.find(timer.id);
  return it == entries_.end() || it->second.timer != timer.number;
}

void MissingSet::drop_stale() {
  if (entries_.empty()) {
    heap_.clear();
    return;
  }
  while (!heap_.empty() && stale(heap_.front())) {
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
  }
  // Stale timers inside are bounded too: rebuild when they are the most.
  if (heap_.size() < 64 || heap_.size() < entries_.size() * 4) return;
  std::erase_if(heap_, [this](const Timer& timer) { return stale(timer); });
  std::make_heap(heap_.begin(), heap_.end());
}

std::optional<MessageId> MissingSet::pop_due(Timestamp now) {
  if (heap_.empty() || heap_.front().deadline > now) return std::nullopt;
  const MessageId id = heap_.front().id;
  std::pop_heap(heap_.begin(), heap_.end());
  heap_.pop_back();
  drop_stale();
  return id;
}

std::vector<MessageId> MissingSet::link_down(Slot slot) {
  std::vector<MessageId> pulled;
  for (auto& [id, entry] : entries_) {
    std::erase_if(entry.announcers, [slot](const Announcer& a) { return a.slot == slot; });
    if (entry.target == slot) pulled.push_back(id);
  }
  std::sort(pulled.begin(), pulled.end());
  return pulled;
}

std::vector<MessageId> MissingSet::drop(InstanceId origin, SequenceRange range) {
  std::vector<MessageId> pulled;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const MessageId& id = it->first;
    if (id.origin != origin || id.sequence < range.first || id.sequence > range.last) {
      ++it;
      continue;
    }
    if (it->second.target != kNoSlot) pulled.push_back(id);
    it = entries_.erase(it);
  }
  drop_stale();
  std::sort(pulled.begin(), pulled.end());
  return pulled;
}

}  // namespace plumvine::tree
