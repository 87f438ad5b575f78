#include "swim.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <plumvine/detail/check.hpp>

#include "answers.hpp"
#include "checks.hpp"
#include "core.hpp"
#include "member_table.hpp"
#include "packet_paths.hpp"
#include "probe.hpp"
#include "push_pull.hpp"
#include "rejoin.hpp"
#include "wire/packet.hpp"

namespace plumvine::swim {

class Swim::Impl {
 public:
  Impl(SwimConfig config, Identity self, Rng rng)
      : core(std::move(config), std::move(self), rng),
        table(core),
        streams(core, table, [this](const StreamResult& result, Timestamp now) { stream_done(result, now); }),
        answers(core, table),
        paths(core, table, answers, stream_ping()),
        probe(core, table, answers, paths, stream_ping()),
        relays(core, table),
        rejoin(core, table, streams),
        checks(core, table, streams) {
    table.observe([this](const Record& record, std::optional<MemberState> before) { rejoin.member_changed(record, before, time); });
    streams.observe_pings([this](std::string_view name, Timestamp now) { paths.asked_by_stream(name, now); });
    table.observe_claims([this](std::string_view name, Timestamp now) { probe.hurry(name, now); });
    table.observe_forgotten([this](std::string_view name) { rejoin.forget(name); });
    table.tombstones().use_streams([this](const Endpoint& to, std::string_view name, std::uint32_t sequence, Timestamp now) {
      streams.ping(to, name, sequence, StreamPurpose::probe_ping, sequence, now + core.config.tcp_timeout);
    });
  }

  void start(Timestamp now);
  /// Every input begins here: time moves on, and a stall of our own is noticed before anything is concluded.
  void enter(Timestamp now);
  /// Every input ends here: gossip is due while there is news, and the end of our leave is reported.
  void leave_input(Timestamp now);

  void handle_packet(const Endpoint& from, BytesView packet, Timestamp now, bool secured);
  void handle_part(const Endpoint& from, const wire::Part& part, Timestamp now);
  void on_ping(const Endpoint& from, const wire::Ping& ping, Timestamp now);
  void on_ack(const Endpoint& from, const wire::Ack& ack, Timestamp now);
  bool on_proof(std::uint32_t sequence, Timestamp now);
  void on_suspect(const Endpoint& from, const wire::Suspect& news, Timestamp now);
  /// A member is told at its own address only that its news is stale, and not more than once a second.
  [[nodiscard]] static bool may_tell(Record& record, const Endpoint& from, Timestamp now);
  void send_alive(const Endpoint& to, const Member& member);
  void on_alive(const Endpoint& from, wire::Alive alive, Timestamp now);
  void tell(const Endpoint& from, const wire::Alive& news, Timestamp now);
  void handle_timeout(Timestamp now);
  void fire(TimerKey key, Timestamp now);
  void gossip(Timestamp now);
  void stream_done(const StreamResult& result, Timestamp now);
  void configure(SwimConfig config, Timestamp now);
  void leave(Timestamp now);
  void come_back(Timestamp now);
  StreamPing stream_ping() {
    return [this](const Endpoint& to, std::string_view name, std::uint32_t sequence, Timestamp deadline) {
      streams.ping(to, name, sequence, StreamPurpose::probe_ping, sequence, deadline);
    };
  }
  /// Where an answer goes: the address inside the message if it is that of a member, else where it came from.
  [[nodiscard]] Endpoint answer_to(const Endpoint& from, BytesView address, std::uint16_t port, std::string_view node) const;

  Core core;
  MemberTable table;
  Streams streams;
  Answers answers;
  PacketPaths paths;
  Probe probe;
  Relays relays;
  Rejoin rejoin;
  Checks checks;
  wire::Unpacker unpacker;
  wire::Scratch scratch;
  Timestamp time;
  Timestamp next_gossip;
  Timestamp last_gossip;
  Timestamp stall_noticed;
  Timestamp last_asked{INT64_MIN};
  bool started = false;
  std::uint64_t last_user = 0;
  bool leaving = false;
};

// --- time --------------------------------------------------------------------------------------------------

void Swim::Impl::start(Timestamp now) {
  PLUMVINE_CHECK(!started, "Swim::start is called once");
  started = true;
  time = now;
  table.announce_self(core.identity.meta, now);
  probe.start(now);
  streams.start(now);
  next_gossip = now + core.rng.jitter(core.config.gossip_interval);
  last_gossip = now;
  leave_input(now);
}

void Swim::Impl::enter(Timestamp now) {
  PLUMVINE_CHECK(now >= time, "time went backwards");
  time = now;
  const Timestamp due = std::max(core.timers.next(), stall_noticed);
  if (now <= due) return;
  const Duration late = now - due;
  if (late <= core.config.stall_threshold) return;
  stall_noticed = now;
  ++core.stats.stalls;
  // We did not run for a while. What is unanswered may lie unread in our sockets: nobody is accused for that.
  core.log(LogLevel::warn, "PV1108",
           fmt::format("This member stood still for {:.1f} s; running probes and suspicions are extended", to_seconds(late)),
           {{"seconds", fmt::format("{:.1f}", to_seconds(late))}});
  core.awareness.apply(1);
  probe.extend(late);
  answers.extend(late);
  table.extend_suspicions(late);
}

void Swim::Impl::leave_input(Timestamp now) {
  if (leaving) {
    const auto finished = core.queue.take_finished();
    const bool sent = std::find(finished.begin(), finished.end(), table.leave_ticket()) != finished.end();
    if (sent || table.leave_ticket() == 0 || table.alive_count() == 0) {
      leaving = false;
      core.outbox.push(LeaveDone{});
    }
  }
  if (!core.user_queue.take_finished().empty()) core.outbox.push(UserSent{});
  const bool urgent = std::exchange(core.urgent, false);
  const bool gossips = core.config.gossip_interval > Duration{0} && core.config.gossip_nodes > 0;
  if ((core.queue.empty() && core.user_queue.empty()) || !gossips) return;
  if (urgent) next_gossip = std::max(now, std::min(next_gossip, last_gossip + core.config.gossip_interval / Core::kUrgentPause));
  else if (core.timers.contains({TimerKind::gossip})) return;
  // Ticks keep their own rhythm, but none is spent while there is nothing to say.
  if (next_gossip < now) {
    const Duration interval = core.config.gossip_interval;
    next_gossip = next_gossip + interval * ((now - next_gossip) / interval + 1);
  }
  core.timers.set({TimerKind::gossip}, next_gossip);
}

void Swim::Impl::configure(SwimConfig config, Timestamp now) {
  const SwimConfig before = std::exchange(core.config, std::move(config));
  core.awareness.set_max(core.config.awareness_max_multiplier);
  core.queue.set_retransmit_mult(core.config.retransmit_mult);
  core.user_queue.set_retransmit_mult(core.config.retransmit_mult);
  // A short period does not wait for the end of a long one.
  if (before.probe_interval != core.config.probe_interval) probe.start(now);
  if (before.push_pull_interval != core.config.push_pull_interval) streams.start(now);
  next_gossip = std::min(next_gossip, now + core.config.gossip_interval);
}

void Swim::Impl::handle_timeout(Timestamp now) {
  while (const auto key = core.timers.pop_due(now)) fire(*key, now);
}

void Swim::Impl::fire(TimerKey key, Timestamp now) {
  switch (key.kind) {
    case TimerKind::probe_tick: return probe.tick(now);
    case TimerKind::probe_phase: return probe.phase_due(now);
    case TimerKind::gossip: return gossip(now);
    case TimerKind::push_pull: return streams.tick(now);
    case TimerKind::suspicion:
      if (Record* suspect = table.suspicion_due(key.id, now)) probe.ask_suspect(*suspect, now);
      return;
    case TimerKind::relay: return relays.due(static_cast<std::uint32_t>(key.id));
    case TimerKind::stream: return streams.due(key.id, now);
    case TimerKind::seed: return rejoin.seed_due(key.id, now);
    case TimerKind::lost: return rejoin.lost_due(key.id, now);
    case TimerKind::recall: return rejoin.recall_due();
    case TimerKind::check: return checks.due(key.id, now);
    case TimerKind::answers: return answers.due(now);
    case TimerKind::packet_path: return paths.due(key.id, now);
  }
}

void Swim::Impl::gossip(Timestamp now) {
  const auto fits = [&](const Record& record) {
    switch (record.member.state) {
      case MemberState::alive:
      case MemberState::suspect: return true;
      case MemberState::dead: return now - record.member.since <= core.config.gossip_to_the_dead_time;
      case MemberState::left: return false;
    }
    return false;
  };
  for (const Record* target : table.random(core.config.gossip_nodes, fits))
    if (!core.send_news(target->member, target->endpoint, table.size())) break;
  last_gossip = now;
  next_gossip = now + core.config.gossip_interval;
}

// --- packets -----------------------------------------------------------------------------------------------

void Swim::Impl::handle_packet(const Endpoint& from, BytesView packet, Timestamp now, bool secured) {
  const auto unopened = [&] { return core.stats.rejected[PacketReject::undecryptable] + core.stats.rejected[PacketReject::encrypted]; };
  const std::uint64_t strange = unopened();
  const std::uint64_t foreign = core.stats.rejected[PacketReject::wrong_label];
  const std::uint64_t clear = core.stats.rejected[PacketReject::plaintext];
  const auto parts = unpacker.unpack(packet, core.opening_of_packet(secured), core.stats.rejected);
  if (unpacker.in_clear() && !secured) ++core.stats.plaintext_frames;
  if (core.stats.rejected[PacketReject::plaintext] != clear) core.in_clear = {from, now, core.in_clear.count + 1};
  if (core.stats.rejected[PacketReject::wrong_label] != foreign) core.label_differs(from, now);
  if (!parts.empty()) table.packet_heard(from, now);
  if (const Bytes& key = unpacker.opened_by(); !key.empty() && !core.identity.keyring->is_primary(key))
    if (const Record* record = table.living_at(from)) core.outbox.push(OtherKey{record->member.name, key});
  for (const wire::Part& part : parts) handle_part(from, part, now);
  if (unopened() != strange) core.no_key_fits(from, now);
}

void Swim::Impl::handle_part(const Endpoint& from, const wire::Part& part, Timestamp now) {
  using wire::MessageType;
  scratch.clear();
  const auto malformed = [&] { core.stats.rejected.add(PacketReject::malformed); };
  switch (part.type) {
    case MessageType::ping: {
      wire::Ping ping;
      if (const auto why = wire::decode_probe(part.body, ping, scratch)) return core.stats.rejected.add(*why);
      return on_ping(from, ping, now);
    }
    case MessageType::indirect_ping: {
      wire::IndirectPing request;
      if (const auto why = wire::decode_probe(part.body, request, scratch)) return core.stats.rejected.add(*why);
      return relays.request(request, answer_to(from, request.source_address, request.source_port, request.source_node), now);
    }
    case MessageType::ack: {
      wire::Ack ack;
      return wire::decode_body(part.body, ack, scratch) ? on_ack(from, ack, now) : malformed();
    }
    case MessageType::nack: {
      wire::Nack nack;
      if (!wire::decode_body(part.body, nack, scratch)) return malformed();
      if (!probe.nacked(nack.sequence, now)) ++core.stats.unasked;
      else answers.answered(now);
      return;
    }
    case MessageType::suspect: {
      wire::Suspect news;
      return wire::decode_body(part.body, news, scratch) ? on_suspect(from, news, now) : malformed();
    }
    case MessageType::alive: {
      wire::Alive news;
      return wire::decode_body(part.body, news, scratch) ? on_alive(from, news, now) : malformed();
    }
    case MessageType::dead: {
      wire::Dead news;
      return wire::decode_body(part.body, news, scratch) ? table.dead(news, now) : malformed();
    }
    case MessageType::user:
      return core.user_message(from, part.body, unpacker.opened_by(), false);
    default: return;
  }
}

Endpoint Swim::Impl::answer_to(const Endpoint& from, BytesView address, std::uint16_t port, std::string_view node) const {
  if (address.empty() || port == 0) return from;
  const auto claimed = Endpoint::from_raw(address, port);
  if (!claimed) return from;
  const Record* record = table.find(node);
  return record != nullptr && record->endpoint == *claimed ? *claimed : from;
}

void Swim::Impl::on_ping(const Endpoint& from, const wire::Ping& ping, Timestamp now) {
  if (!ping.node.empty() && !table.is_self(ping.node)) return core.stats.rejected.add(PacketReject::wrong_name);
  if (!ping.source_node.empty()) paths.packet_from(ping.source_node, now);
  else if (const Record* known = table.living_at(from)) paths.packet_from(known->member.name, now);
  const Endpoint to = answer_to(from, ping.source_address, ping.source_port, ping.source_node);
  core.answer(unpacker.opened_by(), [&] { core.send_with_news(to, wire::Ack{ping.sequence, core.ack_payload.view()}, table.size()); });
  // Somebody whom we do not know calls us by name: we may be a new run of what it remembers, or it is what we
  // have forgotten. Ask it for its table; not more than once a second, whoever claims to ask.
  constexpr Duration kAskInterval = std::chrono::seconds{1};
  if (ping.node.empty() || ping.source_node.empty() || table.find(ping.source_node) != nullptr || table.has_left()) return;
  if (last_asked != Timestamp{INT64_MIN} && now - last_asked < kAskInterval) return;
  last_asked = now;
  streams.exchange(from, true, StreamPurpose::stranger, 0, now);
}

void Swim::Impl::on_ack(const Endpoint& from, const wire::Ack& ack, Timestamp now) {
  if (!ack.payload.empty() && speaks_serf(core.config)) {
    if (auto trip = probe.round_trip(ack.sequence, now))
      core.outbox.push(AckPayload{std::move(trip->first), trip->second, Bytes::copy_of(ack.payload)});
  }
  const auto asked = [&] {
    const std::uint32_t sequence = ack.sequence;
    return probe.answered(sequence, from, now) || relays.answered(sequence) || table.suspect_answered(sequence, from, now) ||
           checks.answered(sequence, from, now) || paths.answered(sequence, now) || answers.answered(sequence, now) || rejoin.answered(sequence, now) || on_proof(sequence, now);
  };
  if (asked()) answers.answered(now);
  else ++core.stats.unasked;
}

/// A member that was forgotten answers: it lives.
bool Swim::Impl::on_proof(std::uint32_t sequence, Timestamp now) {
  const auto claim = table.tombstones().answered(sequence);
  if (!claim) return false;
  wire::Alive news;
  wire::Scratch own;
  if (wire::decode_body(claim->view().subspan(1), news, own)) table.alive(news, now);
  return true;
}

bool Swim::Impl::may_tell(Record& record, const Endpoint& from, Timestamp now) {
  constexpr Duration kTellInterval = std::chrono::seconds{1};
  if (!(record.endpoint == from)) return false;
  if (record.told_at != Timestamp{INT64_MIN} && now - record.told_at < kTellInterval) return false;
  record.told_at = now;
  return true;
}

void Swim::Impl::send_alive(const Endpoint& to, const Member& member) {
  const Bytes news = encode_alive(member);
  const BytesView view = news.view();
  core.send_packet(to, {&view, 1});
}

void Swim::Impl::on_suspect(const Endpoint& from, const wire::Suspect& news, Timestamp now) {
  // An accusation of ours that is answered already: the accuser missed the answer, as it may where news goes out twice only. It gets
  // it once more.
  const Member& self = table.self().member;
  if (!table.is_self(news.node) || news.incarnation >= static_cast<std::uint32_t>(self.incarnation)) return table.suspect(news, now);
  Record* accuser = table.find(news.from);
  if (accuser == nullptr || table.has_left() || !may_tell(*accuser, from, now)) return;
  core.answer(unpacker.opened_by(), [&] { send_alive(from, self); });
}

void Swim::Impl::on_alive(const Endpoint& from, wire::Alive news, Timestamp now) {
  if (!table.allowed(from)) return core.stats.rejected.add(PacketReject::not_allowed);
  if (news.port == 0) news.port = core.identity.port;
  if (table.alive(news, now) == AliveOutcome::older) core.answer(unpacker.opened_by(), [&] { tell(from, news, now); });
}

void Swim::Impl::tell(const Endpoint& from, const wire::Alive& news, Timestamp now) {
  // Somebody announces itself with an incarnation that we know to be over: restarted, or cut off for long. It
  // is told what we hold, so that it refutes at once.
  Record* record = table.find(news.node);
  if (record == nullptr) return;
  if (record->member.state == MemberState::alive && std::ranges::equal(record->member.meta.view(), news.meta)) return;
  if (!may_tell(*record, from, now)) return;
  const Member& m = record->member;
  const auto incarnation = static_cast<std::uint32_t>(m.incarnation);
  switch (m.state) {
    case MemberState::alive: return send_alive(from, m);
    case MemberState::suspect: return core.send_alone(from, wire::Suspect{incarnation, m.name, core.identity.name});
    case MemberState::dead:
      return core.send_alone(from, wire::Dead{incarnation, m.name, record->accuser.empty() ? core.identity.name : record->accuser});
    case MemberState::left: return core.send_alone(from, wire::Dead{incarnation, m.name, m.name});
  }
}

// --- streams, joining, leaving -----------------------------------------------------------------------------

void Swim::Impl::stream_done(const StreamResult& result, Timestamp now) {
  if (Record* record = result.name.empty() ? nullptr : table.find(result.name)) record->contact = result.contact;
  if (result.purpose == StreamPurpose::probe_ping) {
    const auto sequence = static_cast<std::uint32_t>(result.context);
    if (!result.ok) probe.stream_failed(sequence, now);
    else if (!probe.stream_answered(sequence, now) && !paths.stream_answered(sequence) && !on_proof(sequence, now)) ++core.stats.unasked;
    return;
  }
  if (result.purpose == StreamPurpose::check_ping) return checks.stream_done(result, now);
  if (result.purpose == StreamPurpose::user) return;  // nobody waits for it
  rejoin.stream_done(result, now);
}

void Swim::Impl::leave(Timestamp now) {
  if (table.has_left()) {
    if (!leaving) core.outbox.push(LeaveDone{});
    return;
  }
  leaving = true;
  table.leave(now);
  core.timers.set({TimerKind::gossip}, now);
}

void Swim::Impl::come_back(Timestamp now) {
  if (table.has_left()) {
    leaving = false;
    table.come_back();
    table.announce_self(core.identity.meta, now);
  }
  rejoin.contact_all(now);
}

// --- the public face ---------------------------------------------------------------------------------------

Swim::Swim(SwimConfig config, Identity self, Rng rng)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(self), rng)) {}
Swim::~Swim() = default;
Swim::Swim(Swim&&) noexcept = default;
Swim& Swim::operator=(Swim&&) noexcept = default;

void Swim::start(Timestamp now) { impl_->start(now); }

void Swim::handle_packet(const Endpoint& from, BytesView packet, Timestamp now, bool secured) {
  impl_->enter(now);
  impl_->handle_packet(from, packet, now, secured);
  impl_->leave_input(now);
}

void Swim::stream_accepted(StreamId id, const Endpoint& from, Timestamp now) {
  PLUMVINE_CHECK((static_cast<std::uint64_t>(id) & kOwnStream) == 0, "numbers of accepted streams have the top bit clear");
  impl_->enter(now);
  impl_->streams.accepted(id, from, now);
  impl_->leave_input(now);
}

void Swim::stream_connected(StreamId id, Timestamp now) {
  impl_->enter(now);
  impl_->answers.answered(now);
  impl_->streams.connected(id, now);
  impl_->leave_input(now);
}

void Swim::stream_received(StreamId id, BytesView data, Timestamp now) {
  impl_->enter(now);
  impl_->streams.received(id, data, now);
  impl_->leave_input(now);
}

void Swim::stream_closed(StreamId id, Timestamp now, bool no_way) {
  impl_->enter(now);
  impl_->streams.closed(id, now, no_way);
  impl_->leave_input(now);
}

void Swim::resolved(const HostPort& name, const std::vector<Endpoint>& endpoints, Timestamp now) {
  impl_->enter(now);
  impl_->rejoin.resolved(name, endpoints, now);
  impl_->leave_input(now);
}

void Swim::join(const std::vector<HostPort>& seeds, Timestamp now) {
  impl_->enter(now);
  impl_->rejoin.add_seeds(seeds, now);
  impl_->leave_input(now);
}

void Swim::recall(std::string name, const Endpoint& at, Timestamp now) {
  impl_->enter(now);
  impl_->rejoin.recall(std::move(name), at, now);
  impl_->leave_input(now);
}

void Swim::rejoin(Timestamp now) {
  impl_->enter(now);
  impl_->come_back(now);
  impl_->leave_input(now);
}

void Swim::leave(Timestamp now) {
  impl_->enter(now);
  impl_->leave(now);
  impl_->leave_input(now);
}

Status Swim::forget(std::string_view name, Timestamp now) {
  impl_->enter(now);
  Status status = impl_->table.forget(name, now);
  impl_->leave_input(now);
  return status;
}

void Swim::forget_told(const Forget& order, Timestamp now) {
  impl_->enter(now);
  impl_->table.forget_told(order, now);
  impl_->leave_input(now);
}

std::vector<Forget> Swim::forgets_after(std::uint64_t number, std::size_t count, Timestamp now) const {
  return impl_->table.tombstones().after(number, count, now);
}

std::uint64_t Swim::last_forget() const { return impl_->table.tombstones().last_number(); }

Status Swim::set_meta(Bytes meta, Timestamp now) {
  if (meta.size() > wire::kMetaMax)
    return {Errc::invalid_argument, fmt::format("metadata of {} bytes: at most {} fit", meta.size(), wire::kMetaMax)};
  impl_->enter(now);
  if (impl_->table.has_left()) impl_->core.identity.meta = std::move(meta);
  else impl_->table.announce_self(std::move(meta), now);
  impl_->leave_input(now);
  return {};
}

void Swim::set_verify(bool incoming, bool outgoing) {
  impl_->core.config.gossip_verify_incoming = incoming;
  impl_->core.config.gossip_verify_outgoing = outgoing;
}

void Swim::configure(SwimConfig config, Timestamp now) {
  impl_->enter(now);
  impl_->configure(std::move(config), now);
  impl_->leave_input(now);
}

void Swim::seen_alive(std::string_view name, Timestamp until, Timestamp now) {
  impl_->enter(now);
  impl_->probe.seen_alive(name, until, now);
  impl_->leave_input(now);
}

void Swim::said_goodbye(std::string_view name, Timestamp now) {
  impl_->enter(now);
  if (const Record* record = impl_->table.find(name); record != nullptr && !impl_->table.is_self(name))
    impl_->table.dead({static_cast<std::uint32_t>(record->member.incarnation), name, name}, now);
  impl_->leave_input(now);
}

void Swim::broke_off(std::string_view name, Timestamp now) {
  impl_->enter(now);
  impl_->probe.hurry(name, now);
  impl_->leave_input(now);
}

void Swim::asked_elsewhere(std::string_view name, Timestamp now) {
  impl_->enter(now);
  impl_->answers.asked(name, now);
  impl_->leave_input(now);
}

void Swim::answered_elsewhere(Timestamp now) {
  impl_->enter(now);
  impl_->answers.answered(now);
  impl_->leave_input(now);
}

Status Swim::check(std::string_view name, Timestamp now) {
  impl_->enter(now);
  Status begun = impl_->checks.begin(name, now);
  impl_->leave_input(now);
  return begun;
}

bool Swim::gossip_user(BytesView message, bool watched, Timestamp now) {
  constexpr std::size_t kOverhead = 3;  // length and type
  Core& core = impl_->core;
  if (message.empty() || message.size() + kOverhead > core.packet_room()) return false;
  impl_->enter(now);
  if (core.user_queue.size() >= Core::kUserQueueMax) ++core.stats.user_dropped;
  wire::Buffer typed{static_cast<std::byte>(wire::MessageType::user)};
  typed.insert(typed.end(), message.begin(), message.end());
  const auto ticket = core.user_queue.queue(fmt::format("{}", ++impl_->last_user), Bytes::copy_of(typed));
  if (watched) core.user_queue.watch(ticket);
  impl_->leave_input(now);
  return true;
}

void Swim::send_user(const Endpoint& to, BytesView message, Timestamp now, const Bytes& key) {
  if (message.empty() || message.size() + 1 > impl_->core.packet_room()) return;
  impl_->enter(now);
  wire::Buffer typed{static_cast<std::byte>(wire::MessageType::user)};
  typed.insert(typed.end(), message.begin(), message.end());
  const BytesView view(typed);
  impl_->core.answer(key, [&] { impl_->core.send_packet(to, {&view, 1}); });
  impl_->leave_input(now);
}

void Swim::send_user_by_stream(const Endpoint& to, BytesView message, Timestamp now, const Bytes& key) {
  if (message.empty()) return;
  impl_->enter(now);
  impl_->streams.user(to, message, key, now);
  impl_->leave_input(now);
}

void Swim::set_user_state(Bytes state) { impl_->core.user_state = std::move(state); }
void Swim::set_ack_payload(Bytes payload) { impl_->core.ack_payload = std::move(payload); }

void Swim::believe_left(std::string_view name, Timestamp now) {
  impl_->enter(now);
  impl_->table.believe_left(name, now);
  impl_->leave_input(now);
}

void Swim::handle_timeout(Timestamp now) {
  impl_->enter(now);
  impl_->handle_timeout(now);
  impl_->leave_input(now);
}

std::optional<Output> Swim::poll_output() { return impl_->core.outbox.poll(); }
Timestamp Swim::next_timeout() const { return impl_->core.timers.next(); }

const Member& Swim::self() const { return impl_->table.self().member; }

const Member* Swim::find(std::string_view name) const {
  const Record* record = std::as_const(impl_->table).find(name);
  return record == nullptr ? impl_->table.departed().find(name) : &record->member;
}

namespace {

struct Place {
  const Member* member;
  const Record* record;  ///< null: no longer in the table
};

/// All members by name, those that the table has dropped and people still see included.
std::vector<Place> places_in(const MemberTable& table) {
  std::vector<Place> places;
  places.reserve(table.size());
  for (const auto& record : table.records()) places.push_back({&record->member, record.get()});
  for (const auto& [name, member] : table.departed().by_name())
    if (table.find(name) == nullptr) places.push_back({&member, nullptr});
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.member->name < b.member->name; });
  return places;
}

}  // namespace

std::vector<const Member*> Swim::members() const {
  std::vector<const Member*> all;
  for (const Place& place : places_in(impl_->table)) all.push_back(place.member);
  return all;
}

bool Swim::lives_at(const Endpoint& endpoint) const { return impl_->table.living_at(endpoint) != nullptr; }

std::uint64_t Swim::version() const { return impl_->table.version(); }

namespace {

/// Of one that is no longer in the table nothing but the member itself is known.
MemberDetail detail_of(const Member* member, const Record* record) {
  MemberDetail detail{.member = member};
  if (record == nullptr) return detail;
  if (record->rtt != Duration{0}) detail.rtt = record->rtt;
  if (record->member.state != MemberState::left) detail.packets = record->packets;
  detail.contact = record->contact;
  detail.incompatible = record->incompatible;
  if (record->suspicion) detail.accusers = record->suspicion->accusers();
  else if (!record->accuser.empty()) detail.accusers = {record->accuser};
  return detail;
}

}  // namespace

std::vector<MemberDetail> Swim::details() const {
  std::vector<MemberDetail> details;
  for (const Place& place : places_in(impl_->table)) details.push_back(detail_of(place.member, place.record));
  return details;
}

MemberDetail Swim::detail(std::string_view name) const { return detail_of(find(name), std::as_const(impl_->table).find(name)); }

std::optional<Duration> Swim::rtt(std::string_view name) const {
  const Record* record = std::as_const(impl_->table).find(name);
  return record == nullptr || record->rtt == Duration{0} ? std::nullopt : std::optional{record->rtt};
}

std::vector<SeedInfo> Swim::seeds() const { return impl_->rejoin.seeds(); }
const Stranger& Swim::other_cluster() const { return impl_->core.other_cluster; }
const Stranger& Swim::other_key() const { return impl_->core.other_key; }
const Stranger& Swim::in_clear() const { return impl_->core.in_clear; }
Unanswered Swim::unanswered(Timestamp now) const { return impl_->answers.unanswered(now); }
bool Swim::seals() const { return impl_->core.seals(); }
bool Swim::joined() const { return impl_->rejoin.joined(); }
bool Swim::has_left() const { return impl_->table.has_left(); }
bool Swim::name_taken() const { return impl_->table.name_taken(); }
std::optional<Endpoint> Swim::name_holder(Timestamp now) const { return impl_->table.name_holder(now); }

std::vector<AccuserInfo> Swim::accusers(Timestamp now) const { return impl_->table.accusers(now); }
std::size_t Swim::timers() const { return impl_->core.timers.size(); }

const SwimStats& Swim::stats() const {
  impl_->core.stats.health_score = impl_->core.awareness.score();
  impl_->core.stats.tombstones = impl_->table.tombstones().size();
  impl_->core.stats.gossip_queue_length = impl_->core.queue.size();
  return impl_->core.stats;
}

}  // namespace plumvine::swim
