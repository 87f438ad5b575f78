#include "checks.hpp"

#include <algorithm>
#include <utility>

namespace plumvine::swim {

Status Checks::begin(std::string_view name, Timestamp now) {
  const Record* record = table_.find(name);
  if (record == nullptr) return {Errc::not_found, "no member '" + std::string(name) + "'"};
  if (table_.is_self(name)) return {Errc::invalid_argument, "'" + std::string(name) + "' is this member itself"};
  if (std::any_of(checks_.begin(), checks_.end(), [&](const auto& entry) { return entry.second.found.member == name; })) return {};
  if (checks_.size() >= kMax) return {Errc::limit_reached, "the ways to " + std::to_string(kMax) + " members are being checked already"};
  const std::uint32_t number = core_.next_sequence();
  Check& check = checks_[number];
  check.found.member = name;
  check.to = record->endpoint;
  check.started = now;
  check.sizes.insert(kSizes.begin(), kSizes.end());
  check.sizes.insert(core_.config.udp_buffer_size);
  check.found.packet_bytes_tried = *check.sizes.rbegin();
  check.stream_open = streams_.ping(check.to, name, number, StreamPurpose::check_ping, number, now + kStreamTime);
  if (!check.stream_open) check.found.tcp_problem = "too many streams are open already";
  ping(number, check, now);
  return {};
}

void Checks::ping(std::uint64_t id, Check& check, Timestamp now) {
  const Identity& self = core_.identity;
  ++check.rounds;
  if (!check.found.udp) {
    const std::uint32_t sequence = core_.next_sequence();
    check.pings.push_back({sequence, now});
    core_.send_with_news(check.to, wire::Ping{sequence, check.found.member, self.address.view(), self.port, self.name}, table_.size());
  }
  for (const std::uint32_t size : check.sizes) ping_padded(check, size, now);
  core_.timers.set({TimerKind::check, id}, now + kTime / static_cast<std::int64_t>(kPings));
}

/// A packet of exactly so many bytes, with all that is around the ping; of noise, which no compression makes smaller.
void Checks::ping_padded(Check& check, std::uint32_t size, Timestamp now) {
  constexpr std::size_t kLeast = 256;  // from there on each byte more is one byte more of the packet
  const Identity& self = core_.identity;
  const std::uint32_t sequence = core_.next_sequence();
  std::vector<std::byte> noise(kLeast);
  wire::Ping ping{sequence, check.found.member, self.address.view(), self.port, self.name, noise};
  wire::Buffer plain;
  wire::encode(ping, plain);
  const std::size_t around = core_.config.udp_buffer_size - core_.packet_room() - Core::kCompoundOverhead;
  if (const std::size_t least = around + plain.size(); size > least) noise.resize(kLeast + size - least);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(core_.rng.below(256));
  ping.padding = noise;
  check.pings.push_back({sequence, now, size});
  core_.send_alone(check.to, ping);
}

bool Checks::answered(std::uint32_t sequence, const Endpoint& from, Timestamp now) {
  for (auto& [id, check] : checks_) {
    const auto ping = std::find_if(check.pings.begin(), check.pings.end(), [&](const auto& p) { return p.sequence == sequence; });
    if (ping == check.pings.end()) continue;
    if (from == check.to) {
      if (!check.found.udp) check.found.udp = std::max(now - ping->at, Duration{1});
      // What passed as a large packet passes as a smaller one.
      check.sizes.erase(check.sizes.begin(), check.sizes.upper_bound(ping->size));
      check.found.packet_bytes = std::max(check.found.packet_bytes, ping->size);
    }
    end_if_done(id, check, now);
    return true;
  }
  return false;
}

void Checks::stream_done(const StreamResult& result, Timestamp now) {
  const auto it = checks_.find(result.context);
  if (it == checks_.end()) return;
  Check& check = it->second;
  check.stream_open = false;
  if (result.ok) check.found.tcp = std::max(now - check.started, Duration{1});
  else check.found.tcp_problem = result.problem.empty() ? "it answered something else" : result.problem;
  end_if_done(it->first, check, now);
}

/// A ping that is answered says that both directions are open; else it is worth waiting for the member's own.
void Checks::end_if_done(std::uint64_t id, const Check& check, Timestamp now) {
  if (is_done(check)) core_.timers.set({TimerKind::check, id}, now);
}

void Checks::due(std::uint64_t id, Timestamp now) {
  const auto it = checks_.find(id);
  if (it == checks_.end()) return;
  Check& check = it->second;
  if (now - check.started < kTime && !is_done(check)) {
    if (check.rounds < kPings && (!check.found.udp || !check.sizes.empty())) return ping(id, check, now);
    core_.timers.set({TimerKind::check, id}, check.started + kTime);
    return;
  }
  if (check.stream_open) check.found.tcp_problem = "it did not answer in time";
  const Record* record = table_.find(check.found.member);
  check.found.heard = check.found.udp || (record != nullptr && record->packet_at >= check.started);
  core_.outbox.push(Checked{std::move(check.found)});
  checks_.erase(it);
}

}  // namespace plumvine::swim
