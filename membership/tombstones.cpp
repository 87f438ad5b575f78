#include "tombstones.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace plumvine::swim {

bool Tombstones::over(const Stone& stone, Timestamp now) const {
  if (stone.pending && now - stone.heard > kPendingTime) return true;
  return now - stone.at > core_.config.tombstone_timeout;
}

Tombstones::Map::iterator Tombstones::erase(Map::iterator it) {
  by_number_.erase(it->second.number);
  asked_.erase(it->second.sequence);
  return stones_.erase(it);
}

bool Tombstones::set(std::string_view name, Stone stone, Timestamp now) {
  if (over(stone, now)) return false;
  if (const auto it = stones_.find(name); it != stones_.end()) {
    const Stone& known = it->second;
    if (!over(known, now) && known.incarnation >= stone.incarnation && known.pending == stone.pending) return false;
    erase(it);
  }
  if (stones_.size() >= kMax) {
    const auto oldest = std::min_element(stones_.begin(), stones_.end(),
                                         [](const auto& a, const auto& b) { return a.second.at < b.second.at; });
    erase(oldest);
    ++core_.stats.tombstones_evicted;
  }
  stone.number = ++last_number_;
  by_number_.emplace(stone.number, std::string(name));
  stones_.emplace(std::string(name), std::move(stone));
  return true;
}

void Tombstones::drop(std::string_view name) {
  if (const auto it = stones_.find(name); it != stones_.end()) erase(it);
}

const Tombstones::Stone* Tombstones::find(std::string_view name, Timestamp now) {
  const auto it = stones_.find(name);
  if (it == stones_.end()) return nullptr;
  if (!over(it->second, now)) return &it->second;
  erase(it);
  return nullptr;
}

void Tombstones::fulfil(std::string_view name) {
  if (const auto it = stones_.find(name); it != stones_.end()) it->second.pending = false;
}

bool Tombstones::refuses(const wire::Alive& news, Timestamp now) {
  if (stones_.empty() || find(news.node, now) == nullptr) return false;
  const auto it = stones_.find(news.node);
  Stone& stone = it->second;
  if (news.incarnation > stone.incarnation) {
    erase(it);
    return false;
  }
  ++core_.stats.resurrections_refused;
  const auto to = Endpoint::from_raw(news.address, news.port);
  if (!to || news.incarnation == 0) return true;
  if (stone.asked_at != Timestamp{INT64_MIN} && now - stone.asked_at < kAskInterval) return true;
  // The news may be as old as the order, or the member lives: only it can tell.
  asked_.erase(stone.sequence);
  stone.asked_at = now;
  stone.claim = wire::encoded(news);
  stone.sequence = core_.next_sequence();
  asked_.emplace(stone.sequence, it->first);
  if (++stone.asked % kStreamPingEvery == 0 && stream_ping_ && !core_.config.disable_tcp_pings) {
    stream_ping_(*to, news.node, stone.sequence, now);
    return true;
  }
  const Identity& self = core_.identity;
  // Others may hold its last life as dead and have heard of no order: accused, it goes above that.
  wire::Buffer ping;
  wire::encode(wire::Ping{stone.sequence, news.node, self.address.view(), self.port, self.name}, ping);
  wire::Buffer accusation;
  wire::encode(wire::Suspect{stone.incarnation, news.node, self.name}, accusation);
  const std::array<BytesView, 2> both{ping, accusation};
  core_.send_packet(*to, both);
  return true;
}

std::optional<Bytes> Tombstones::answered(std::uint32_t sequence) {
  const auto it = asked_.find(sequence);
  if (it == asked_.end()) return std::nullopt;
  const auto stone = stones_.find(it->second);
  Bytes claim = std::move(stone->second.claim);
  erase(stone);
  return claim;
}

std::vector<Forget> Tombstones::after(std::uint64_t number, std::size_t count, Timestamp now) {
  std::vector<Forget> orders;
  for (auto it = by_number_.upper_bound(number); it != by_number_.end() && orders.size() < count;) {
    const auto stone = stones_.find(it->second);
    ++it;
    if (over(stone->second, now)) {
      erase(stone);
      continue;
    }
    orders.push_back({stone->first, Incarnation{stone->second.incarnation}, stone->second.by, now - stone->second.at,
                      stone->second.number});
  }
  return orders;
}

}  // namespace plumvine::swim
