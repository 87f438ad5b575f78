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
  check.stream_open = streams_.ping(check.to, name, number, StreamPurpose::check_ping, number, now + kStreamTime);
  if (!check.stream_open) check.found.tcp_problem = "too many streams are open already";
  ping(number, check, now);
  return {};
}

void Checks::ping(std::uint64_t id, Check& check, Timestamp now) {
  const Identity& self = core_.identity;
  const std::uint32_t sequence = core_.next_sequence();
  check.pings.emplace_back(sequence, now);
  core_.send_with_news(check.to, wire::Ping{sequence, check.found.member, self.address.view(), self.port, self.name}, table_.size());
  core_.timers.set({TimerKind::check, id}, now + kTime / static_cast<std::int64_t>(kPings));
}

bool Checks::answered(std::uint32_t sequence, const Endpoint& from, Timestamp now) {
  for (auto& [id, check] : checks_) {
    const auto ping = std::find_if(check.pings.begin(), check.pings.end(), [&](const auto& p) { return p.first == sequence; });
    if (ping == check.pings.end()) continue;
    if (from == check.to && !check.found.udp) check.found.udp = std::max(now - ping->second, Duration{1});
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
    if (!check.found.udp && check.pings.size() < kPings) return ping(id, check, now);
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
