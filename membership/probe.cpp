#include "probe.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace plumvine::swim {
namespace {

/// memberlist features by the receiver's highest protocol version.
constexpr std::uint8_t kNackSince = 4;

std::uint8_t protocol_max(const Member& member) { return member.versions[1]; }

}  // namespace

void Probe::start(Timestamp now) {
  next_tick_ = now + core_.rng.jitter(core_.config.probe_interval);
  core_.timers.set({TimerKind::probe_tick}, next_tick_);
}

void Probe::tick(Timestamp now) {
  // Missed ticks are dropped, never made up.
  while (next_tick_ <= now) next_tick_ = next_tick_ + core_.config.probe_interval;
  core_.timers.set({TimerKind::probe_tick}, next_tick_);
  if (phase_ != Phase::idle) {
    owed_ = true;
    return;
  }
  begin(now);
}

void Probe::begin(Timestamp now) {
  owed_ = false;
  Record* target = take_hurried();
  hurry_ = target != nullptr;
  if (!hurry_) target = table_.next_to_probe(now);
  if (target == nullptr) return;
  phase_ = Phase::direct;
  target_ = target->member.name;
  endpoint_ = target->endpoint;
  incarnation_ = static_cast<std::uint32_t>(target->member.incarnation);
  sequence_ = core_.next_sequence();
  started_ = now;
  interval_ = core_.awareness.scale(core_.config.probe_interval);
  nacks_expected_ = nacks_received_ = 0;
  helpers_asked_ = 0;
  stream_tried_ = stream_failed_ = false;
  grace_given_ = false;
  due_ = now + (hurry_ ? Duration{0} : std::min(core_.config.probe_timeout, interval_));
  core_.timers.set({TimerKind::probe_phase}, due_);
  ping_directly(*target, sequence_, now);
}

void Probe::ping_directly(const Record& target, std::uint32_t sequence, Timestamp now) {
  answers_.asked(target.member.name, now);
  const Identity& self = core_.identity;
  const Member& member = target.member;
  const wire::Ping ping{sequence, member.name, self.address.view(), self.port, self.name};
  if (member.state != MemberState::suspect || !core_.config.buddy_system)
    return core_.send_with_news(target.endpoint, ping, table_.size());
  // Lifeguard, section IV-C: a suspected member is told so, that it can refute. First, so that the answer to the ping
  // carries the refutation already.
  wire::Buffer first;
  wire::encode(wire::Suspect{static_cast<std::uint32_t>(member.incarnation), member.name, self.name}, first);
  wire::Buffer second;
  wire::encode(ping, second);
  const std::array<BytesView, 2> both{BytesView(first), BytesView(second)};
  core_.send_packet(target.endpoint, both, Core::takes_crc(member));
}

void Probe::ask_suspect(Record& target, Timestamp now) {
  const std::uint32_t sequence = core_.next_sequence();
  target.suspicion->asked(sequence);
  ping_directly(target, sequence, now);
}

void Probe::phase_due(Timestamp now) {
  if (phase_ == Phase::idle) return;
  Record* target = table_.find(target_);
  if (target == nullptr) return finish(now);
  if (phase_ == Phase::direct) {
    if (target->seen_at >= started_) {
      judge_packets(false, now);
      return succeed(ProbeResult::stream_ack, now);
    }
    phase_ = Phase::indirect;
    due_ = now + (hurry_ ? interval_ : std::max(interval_ - core_.config.probe_timeout, Duration{0}));
    core_.timers.set({TimerKind::probe_phase}, due_);
    return ask_others(*target, now);
  }
  // Late ourselves: the answer may lie unread in the socket, so it gets one more chance.
  constexpr Duration kLate = std::chrono::milliseconds{50};
  if (!grace_given_ && now - due_ > kLate) {
    grace_given_ = true;
    due_ = now + core_.config.probe_timeout / 4;
    core_.timers.set({TimerKind::probe_phase}, due_);
    return;
  }
  if (target->seen_at >= started_) {
    judge_packets(false, now);
    return succeed(ProbeResult::stream_ack, now);
  }
  // It talked to us just before, and if it lives it will again: a link is pinged less often than a probe may last.
  if (target->seen_until > now) {
    due_ = target->seen_until;
    core_.timers.set({TimerKind::probe_phase}, due_);
    return;
  }
  fail(now);
}

void Probe::ask_others(const Record& target, Timestamp now) {
  const Identity& self = core_.identity;
  const auto helpers = table_.random(core_.config.indirect_checks, [&](const Record& record) {
    return record.member.state == MemberState::alive && &record != &target;
  });
  for (const Record* helper : helpers) {
    const bool nack = protocol_max(helper->member) >= kNackSince;
    if (nack) ++nacks_expected_;
    ++helpers_asked_;
    answers_.asked(helper->member.name, now);
    ++core_.stats.indirect_probes;
    core_.send_with_news(helper->endpoint,
                         wire::IndirectPing{sequence_, target.member.address.view(), target.member.port, target.member.name, nack,
                                            self.address.view(), self.port, self.name},
                         table_.size());
  }
  if (!core_.config.disable_tcp_pings && takes_stream_pings(target.member) && due_ > now) {
    stream_tried_ = true;
    stream_ping_(endpoint_, target_, sequence_, due_);
  }
}

std::optional<std::pair<std::string, Duration>> Probe::round_trip(std::uint32_t sequence, Timestamp now) const {
  if (phase_ != Phase::direct || sequence != sequence_) return std::nullopt;
  return std::pair(target_, std::max(now - started_, Duration{1}));
}

bool Probe::answered(std::uint32_t sequence, const Endpoint& from, Timestamp now) {
  if (phase_ == Phase::idle || sequence != sequence_) return false;
  const bool direct = phase_ == Phase::direct || from == endpoint_;
  if (direct) measure(now);
  judge_packets(direct, now);
  succeed(direct ? ProbeResult::ack : ProbeResult::indirect_ack, now);
  return true;
}

bool Probe::nacked(std::uint32_t sequence, Timestamp now) {
  if (phase_ == Phase::idle || sequence != sequence_) return false;
  if (nacks_received_ < nacks_expected_) ++nacks_received_;
  all_said_no(now);
  return true;
}

void Probe::stream_failed(std::uint32_t sequence, Timestamp now) {
  if (phase_ == Phase::idle || sequence != sequence_) return;
  stream_failed_ = true;
  all_said_no(now);
}

void Probe::all_said_no(Timestamp now) {
  if (!hurry_ || phase_ != Phase::indirect || !stream_failed_ || helpers_asked_ == 0 || nacks_received_ < helpers_asked_) return;
  due_ = std::max(now, started_ + core_.config.probe_timeout);
  core_.timers.set({TimerKind::probe_phase}, due_);
}

void Probe::hurry(std::string_view name, Timestamp now) {
  Record* record = table_.find(name);
  if (record != nullptr) record->seen_until = now;  // nothing more is to come
  if (record == nullptr || record->member.state != MemberState::alive || hurried_.size() >= kHurriedMax) return;
  if (table_.is_self(name) || std::find(hurried_.begin(), hurried_.end(), name) != hurried_.end()) return;
  hurried_.emplace_back(name);
  if (phase_ == Phase::idle) core_.timers.set({TimerKind::probe_tick}, now);
}

Record* Probe::take_hurried() {
  while (!hurried_.empty()) {
    const std::string name = std::move(hurried_.front());
    hurried_.erase(hurried_.begin());
    Record* record = table_.find(name);
    if (record != nullptr && record->member.state == MemberState::alive) return record;
  }
  return nullptr;
}

bool Probe::stream_answered(std::uint32_t sequence, Timestamp now) {
  if (phase_ == Phase::idle || sequence != sequence_) return false;
  judge_packets(false, now);
  succeed(ProbeResult::stream_ack, now);
  return true;
}

void Probe::seen_alive(std::string_view name, Timestamp until, Timestamp now) {
  Record* record = table_.find(name);
  if (record == nullptr) return;
  record->seen_at = now;
  record->seen_until = until;
  table_.heard(now);
}

void Probe::judge_packets(bool by_packet, Timestamp now) {
  if (Record* record = table_.find(target_)) paths_.probed(*record, by_packet, started_, now);
}

void Probe::measure(Timestamp now) {
  const Duration sample = std::max(now - started_, Duration{1});
  core_.stats.probe_rtt.observe(to_seconds(sample));
  if (Record* record = table_.find(target_))
    record->rtt = record->rtt == Duration{0} ? sample : record->rtt + (sample - record->rtt) / 8;
}

void Probe::succeed(ProbeResult how, Timestamp now) {
  core_.stats.probes.add(how);
  core_.awareness.apply(-1);
  table_.answered();
  if (Record* record = table_.find(target_)) table_.found(*record, now);
  finish(now);
}

void Probe::fail(Timestamp now) {
  core_.stats.probes.add(ProbeResult::failed);
  // Lifeguard: helpers that did not even say no mean that we are the ones who cannot be heard.
  core_.awareness.apply(nacks_expected_ > 0 ? static_cast<std::int64_t>(nacks_expected_ - nacks_received_) : 1);
  const std::string target = target_;
  const std::uint32_t incarnation = incarnation_;
  std::string why = fmt::format("no answer to a ping, {} members asked to try ({} of them heard nothing either)", helpers_asked_,
                                nacks_received_);
  if (stream_tried_) why += ", no answer over TCP";
  finish(now);
  table_.suspect({incarnation, target, core_.identity.name}, now, Accusation::probe, std::move(why));
}

void Probe::finish(Timestamp now) {
  phase_ = Phase::idle;
  core_.timers.cancel({TimerKind::probe_phase});
  if (owed_ || !hurried_.empty()) core_.timers.set({TimerKind::probe_tick}, now);
}

void Probe::extend(Duration by) {
  if (phase_ == Phase::idle) return;
  started_ = started_ + by;
  due_ = due_ + by;
  core_.timers.set({TimerKind::probe_phase}, due_);
}

// --- relays ------------------------------------------------------------------------------------------------

void Relays::request(const wire::IndirectPing& request, const Endpoint& answer_to, Timestamp now) {
  const std::uint16_t port = request.port == 0 ? core_.identity.port : request.port;
  const Record* target = table_.find(request.node);
  const auto endpoint = Endpoint::from_raw(request.target, port);
  if (target == nullptr || !endpoint || !(target->endpoint == *endpoint)) {
    if (request.nack) core_.send_alone(answer_to, wire::Nack{request.sequence});
    return;
  }
  if (relays_.size() >= kRelaysMax) return;
  const std::uint32_t sequence = core_.next_sequence();
  relays_.emplace(sequence, Relay{answer_to, request.sequence, request.nack});
  // Lifeguard, section IV-A: what we heard nothing of is told while the asker still listens, who has spent `probe_timeout` of its interval
  // before it asked.
  const SwimConfig& config = core_.config;
  const Duration left = config.probe_interval - config.probe_timeout;
  const Duration listens = left > Duration{0} ? std::min(config.probe_timeout, left) : config.probe_timeout;
  core_.timers.set({TimerKind::relay, sequence}, now + listens * 4 / 5);
  const Identity& self = core_.identity;
  core_.send_with_news(*endpoint, wire::Ping{sequence, request.node, self.address.view(), self.port, self.name}, table_.size());
}

bool Relays::answered(std::uint32_t sequence) {
  const auto it = relays_.find(sequence);
  if (it == relays_.end()) return false;
  core_.send_with_news(it->second.to, wire::Ack{it->second.sequence, {}}, table_.size());
  core_.timers.cancel({TimerKind::relay, sequence});
  relays_.erase(it);
  return true;
}

void Relays::due(std::uint32_t sequence) {
  const auto it = relays_.find(sequence);
  if (it == relays_.end()) return;
  if (it->second.nack) core_.send_alone(it->second.to, wire::Nack{it->second.sequence});
  relays_.erase(it);
}

}  // namespace plumvine::swim
