#include "packet_paths.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace plumvine::swim {
namespace {

/// When the ping over a stream is sent, counted in packets before it: the first may just have been lost.
constexpr std::size_t kStreamAfter = 2;

}  // namespace

void PacketPaths::probed(Record& record, bool by_packet, Timestamp started, Timestamp now) {
  if (by_packet) {
    misses_in_a_row_ = 0;
    return open(record);
  }
  if (record.packet_misses == 0) record.missing_since = started;
  ++misses_in_a_row_;
  // Where no packet of anybody passes, it is not for each member to prove it on its own.
  const bool proven = ++record.packet_misses >= kMissesMin || misses_in_a_row_ >= kMissesMin;
  if (proven || record.packets != PacketPath::open) return blocked(record, now);
  begin(record, now);
}

void PacketPaths::packet_from(std::string_view name, Timestamp now) {
  if (Record* record = table_.find(name)) record->packet_at = now;
}

void PacketPaths::asked_by_stream(std::string_view name, Timestamp now) {
  Record* record = table_.find(name);
  if (record == nullptr || table_.is_self(name) || record->member.state != MemberState::alive || record->packets != PacketPath::open) return;
  if (record->packet_misses == 0) record->missing_since = now;
  begin(*record, now);
}

void PacketPaths::begin(const Record& record, Timestamp now) {
  if (doubts_.size() >= kMax && !doubts_.contains(record.id)) return;
  const auto [it, fresh] = doubts_.try_emplace(record.id, Doubt{.name = record.member.name, .since = now});
  if (fresh) ping(record, it->second, now);
}

void PacketPaths::ping(const Record& record, Doubt& doubt, Timestamp now) {
  const Identity& self = core_.identity;
  doubt.sequences.push_back(core_.next_sequence());
  answers_.asked(doubt.name, now);
  core_.send_alone(record.endpoint, wire::Ping{doubt.sequences.back(), doubt.name, self.address.view(), self.port, self.name});
  if (doubt.sequences.size() == kStreamAfter && !core_.config.disable_tcp_pings && takes_stream_pings(record.member)) {
    doubt.stream_sequence = core_.next_sequence();
    stream_ping_(record.endpoint, doubt.name, doubt.stream_sequence, now + core_.config.tcp_timeout);
  }
  const bool last = doubt.sequences.size() >= kPings;
  core_.timers.set({TimerKind::packet_path, record.id}, now + (last ? std::max(core_.config.probe_timeout, kPause) : kPause));
}

void PacketPaths::due(std::uint64_t id, Timestamp now) {
  const auto it = doubts_.find(id);
  if (it == doubts_.end()) return;
  Record* record = table_.find(it->second.name);
  const bool there = record != nullptr && record->id == id && record->member.state == MemberState::alive;
  if (there && it->second.sequences.size() < kPings) return ping(*record, it->second, now);
  // It may have died meanwhile: that is for probes to find out.
  const bool lives = there && (it->second.lives || record->seen_at > it->second.since);
  doubts_.erase(it);
  if (lives) blocked(*record, now);
}

bool PacketPaths::answered(std::uint32_t sequence, Timestamp) {
  const auto asked = [&](const auto& entry) {
    const auto& sequences = entry.second.sequences;
    return std::find(sequences.begin(), sequences.end(), sequence) != sequences.end();
  };
  const auto it = std::find_if(doubts_.begin(), doubts_.end(), asked);
  if (it == doubts_.end()) return false;
  if (Record* record = table_.find(it->second.name)) open(*record);
  else doubts_.erase(it);
  misses_in_a_row_ = 0;
  return true;
}

bool PacketPaths::stream_answered(std::uint32_t sequence) {
  const auto it = std::find_if(doubts_.begin(), doubts_.end(), [&](const auto& entry) { return entry.second.stream_sequence == sequence; });
  if (it == doubts_.end()) return false;
  it->second.lives = true;
  return true;
}

void PacketPaths::open(Record& record) {
  record.packet_misses = 0;
  if (doubts_.erase(record.id) > 0) core_.timers.cancel({TimerKind::packet_path, record.id});
  if (record.packets == PacketPath::open) return;
  record.packets = PacketPath::open;
  const std::string& name = record.member.name;
  core_.log(LogLevel::info, "PV1113", fmt::format("Packets to member {} get through again", name), {{"member", name}});
}

void PacketPaths::blocked(Record& record, Timestamp now) {
  const bool was_open = record.packets == PacketPath::open;
  // It pings each member once per pass, as we do; three passes without a ping are no accident.
  const auto pass = static_cast<std::int64_t>(std::max<std::size_t>(table_.size(), 10));
  const bool arrives = record.packet_at > std::max(record.missing_since, now - core_.config.probe_interval * pass * 3);
  record.packets = arrives ? PacketPath::out_blocked : PacketPath::in_blocked;
  if (!was_open) return;
  const std::string& name = record.member.name;
  const Endpoint& at = record.endpoint;
  std::string text;
  if (core_.self_endpoint.is_v4() != at.is_v4())
    text = fmt::format("{}: the address families differ, this member is at {} and {} at {}. No open port helps where one of the two is bound to an "
                       "address of one family: bind it to [::], or give all members addresses of one family. Other members do the work meanwhile",
                       arrives ? fmt::format("Packets of member {} arrive here, but ours do not reach it", name)
                               : fmt::format("No packet of member {} arrives here", name),
                       core_.self_endpoint.host(), name, at.host());
  else if (arrives)
    text = fmt::format("Packets of member {} arrive here, but ours do not reach it: open UDP port {} of {} for packets from here. Streams and other "
                       "members do the work meanwhile",
                       name, at.port, at.host());
  else
    text = fmt::format("No packet of member {} arrives here: open UDP port {} here for packets from {}; if it says the same of this member, also its "
                       "UDP port {} for packets from here. Streams and other members do the work meanwhile",
                       name, core_.identity.port, at.host(), at.port);
  core_.log(LogLevel::warn, "PV1107", std::move(text), {{"member", name}, {"address", at.to_string()}, {"blocked", arrives ? "out" : "in"}});
}

}  // namespace plumvine::swim
