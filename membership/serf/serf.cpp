#include "serf.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "membership/member_table.hpp"

namespace plumvine::serf {
namespace {

/// Who gave an order to forget that came as a leave intent, which names nobody.
constexpr std::string_view kPruner = "a member of Serf's";

bool is_there(Status status) { return status == Status::alive || status == Status::leaving; }

}  // namespace

Serf::Serf(swim::Swim& swim, std::string name, Rng rng) : swim_(swim), name_(std::move(name)), vivaldi_(rng) {}

void Serf::start() {
  swim_.set_ack_payload(encode_coordinate(vivaldi_.self()));
  refresh_state();
}

bool Serf::on_output(const swim::Output& output, Timestamp now) {
  if (const auto* notify = std::get_if<swim::Notify>(&output)) {
    member(notify->event, now);
    return false;
  }
  if (const auto* message = std::get_if<swim::UserMessage>(&output)) {
    user_message(*message, now);
  } else if (const auto* state = std::get_if<swim::UserState>(&output)) {
    user_state(state->state.view(), now);
  } else if (const auto* ack = std::get_if<swim::AckPayload>(&output)) {
    ack_payload(*ack);
  } else if (std::holds_alternative<swim::UserSent>(output)) {
    farewell(now);
  } else {
    return false;
  }
  return true;
}

// --- members -----------------------------------------------------------------------------------------------

Status Serf::status(std::string_view name) const {
  const auto it = members_.find(name);
  return it == members_.end() ? Status::none : it->second.status;
}

void Serf::set_status(std::string_view name, Known& known, Status status) {
  if (known.foreign && is_there(known.status)) --foreign_;
  known.status = status;
  if (known.foreign && is_there(status)) ++foreign_;
  if (!is_there(status)) vivaldi_.forget(name);
}

void Serf::member(const MemberEvent& event, Timestamp now) {
  if (event.member.name == name_) return;
  switch (event.kind) {
    case MemberEvent::Kind::joined: return joined(event.member, now);
    case MemberEvent::Kind::died:
    case MemberEvent::Kind::left: return gone(event, now);
    case MemberEvent::Kind::forgotten: {
      const auto it = members_.find(event.member.name);
      if (it == members_.end()) return;
      set_status(it->first, it->second, Status::none);
      members_.erase(it);
      return;
    }
    case MemberEvent::Kind::updated:
    case MemberEvent::Kind::suspected:  // Serf shows a suspect as alive
    case MemberEvent::Kind::refuted:
    case MemberEvent::Kind::conflict:
    case MemberEvent::Kind::accused: return;
  }
}

void Serf::joined(const Member& member, Timestamp now) {
  const auto [it, fresh] = members_.try_emplace(member.name);
  Known& known = it->second;
  set_status(it->first, known, Status::none);
  known.foreign = swim::instance_of(member.meta.view()) == InstanceId{};
  Status status = Status::alive;
  if (fresh) {
    if (const auto early = intents_.find(member.name); early != intents_.end()) {
      if (now - early->second.since <= kIntentTime) {
        known.time = early->second.time;
        if (early->second.leave) status = Status::leaving;
      }
      intents_.erase(early);
    }
  }
  set_status(it->first, known, status);
  if (known.foreign && !history_.empty()) refresh_state();
}

void Serf::gone(const MemberEvent& event, Timestamp now) {
  const auto it = members_.find(event.member.name);
  if (it == members_.end()) return;
  Known& known = it->second;
  const bool wanted = event.kind == MemberEvent::Kind::left || known.status == Status::leaving || known.status == Status::left;
  set_status(it->first, known, wanted ? Status::left : Status::failed);
  if (wanted && event.kind == MemberEvent::Kind::died) swim_.believe_left(it->first, now);
}

// --- messages ----------------------------------------------------------------------------------------------

bool Serf::spread(BytesView message, bool watched, Timestamp now) {
  if (swim_.gossip_user(message, watched, now)) return true;
  counts_.add(SerfMessage::too_large);
  return false;
}

template <class Message>
void Serf::take(BytesView message, Timestamp now, bool (Serf::*handler)(const Message&, Timestamp)) {
  Message decoded;
  if (!decode(message.subspan(1), decoded)) return counts_.add(SerfMessage::malformed);
  if ((this->*handler)(decoded, now)) spread(message, false, now);
}

void Serf::user_message(const swim::UserMessage& received, Timestamp now) {
  const BytesView message = received.message.view();
  if (message.empty()) return;
  sealed_by_ = received.key;
  by_stream_ = received.stream;
  switch (static_cast<MessageType>(message[0])) {
    case MessageType::leave: take(message, now, &Serf::on_leave); break;
    case MessageType::join: take(message, now, &Serf::on_join); break;
    case MessageType::event: {
      Event event;
      if (!decode(message.subspan(1), event)) return counts_.add(SerfMessage::malformed);
      if (on_event(event)) spread(message, false, now);
      break;
    }
    case MessageType::query: take(message, now, &Serf::on_query); break;
    case MessageType::relay: {
      Relay passed;
      if (!decode(message.subspan(1), passed)) return counts_.add(SerfMessage::malformed);
      relay(passed, now);
      break;
    }
    case MessageType::response: 
      if (sealed_by_.empty()) return counts_.add(SerfMessage::stranger);  // what we ask is asked and answered sealed
      return outbox_.push(Answered{Bytes::copy_of(message.subspan(1))});
    default: return counts_.add(SerfMessage::unknown_type);
  }
  refresh_state();
}

bool Serf::on_leave(const Leave& intent, Timestamp now) {
  if (!clock_.witness(intent.time)) return counts_.add(SerfMessage::malformed), false;
  if (intent.node == name_) {
    // At the time of our own join it counts as well: whoever had it first does not believe the join.
    if (intent.time < own_time_ || (intent.time == own_time_ && (leaving_ || !said_join_))) return counts_.add(SerfMessage::repeated), false;
    counts_.add(SerfMessage::fresh);
    if (leaving_) {
      own_time_ = intent.time;
      return true;
    }
    // Somebody says that we leave, and we do not: an old intent of ours, or `serf force-leave`.
    outbox_.push(Log{{LogLevel::warn, "membership", "PV1115", "Refuting the word that this member leaves"}});
    say_join(now);
    return false;
  }
  const auto it = members_.find(intent.node);
  if (it == members_.end()) return remember(intent.node, intent.time, true, now);
  Known& known = it->second;
  if (intent.time <= known.time) return counts_.add(SerfMessage::repeated), false;
  counts_.add(SerfMessage::fresh);
  known.time = intent.time;
  if (known.status == Status::alive) {
    set_status(it->first, known, Status::leaving);
  } else if (known.status == Status::failed) {
    set_status(it->first, known, Status::left);
    swim_.believe_left(it->first, now);
  }
  if (intent.prune && known.status == Status::left) pruned(intent.node, now);
  return true;
}

/// Somebody had a member that is gone dropped for good. One that lives stays: Serf's members would hide it.
void Serf::pruned(std::string_view name, Timestamp now) {
  const Member* member = swim_.find(name);
  if (member != nullptr) swim_.forget_told({std::string(name), member->incarnation, std::string(kPruner)}, now);
}

bool Serf::on_join(const Join& intent, Timestamp now) {
  if (!clock_.witness(intent.time)) return counts_.add(SerfMessage::malformed), false;
  if (intent.node == name_) {
    const bool news = intent.time > own_time_;
    own_time_ = std::max(own_time_, intent.time);
    counts_.add(news ? SerfMessage::fresh : SerfMessage::repeated);
    return news;
  }
  const auto it = members_.find(intent.node);
  if (it == members_.end()) {
    const bool news = remember(intent.node, intent.time, false, now);
    if (news) keep_join(intent);
    return news;
  }
  Known& known = it->second;
  if (intent.time <= known.time) return counts_.add(SerfMessage::repeated), false;
  counts_.add(SerfMessage::fresh);
  known.time = intent.time;
  if (known.status == Status::leaving) set_status(it->first, known, Status::alive);
  keep_join(intent);
  return true;
}

void Serf::keep_join(const Join& intent) {
  std::erase_if(joins_, [&](const auto& join) { return join.first == intent.node; });
  if (joins_.size() >= kJoinsMax) joins_.pop_front();
  joins_.emplace_back(intent.node, intent.time);
}

/// Intents about a name that is not known yet: the member may be just behind.
bool Serf::remember(std::string_view name, LTime time, bool leave, Timestamp now) {
  std::erase_if(intents_, [&](const auto& entry) { return now - entry.second.since > kIntentTime; });
  const auto it = intents_.find(name);
  if (it != intents_.end()) {
    if (time <= it->second.time) return counts_.add(SerfMessage::repeated), false;
    it->second = {time, leave, now};
  } else {
    if (intents_.size() >= kIntentsMax) {
      counts_.add(SerfMessage::dropped);
      intents_.erase(std::min_element(intents_.begin(), intents_.end(),
                                      [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
    }
    intents_.emplace(name, Intent{time, leave, now});
  }
  counts_.add(SerfMessage::fresh);
  return true;
}

bool Serf::on_event(const Event& event) {
  if (!event_clock_.witness(event.time)) return counts_.add(SerfMessage::malformed), false;
  switch (events_.see(event.time, identity_of(event.name, event.payload), event_clock_.time())) {
    case Recent::Outcome::repeated: counts_.add(SerfMessage::repeated); return false;
    case Recent::Outcome::old: counts_.add(SerfMessage::old); return false;
    case Recent::Outcome::fresh: break;
  }
  counts_.add(SerfMessage::fresh);
  keep_event(event.time, event.name, event.payload);
  outbox_.push(history_.back());
  return true;
}

void Serf::keep_event(LTime time, std::string_view name, BytesView payload) {
  if (history_.size() >= kHistoryMax) history_.pop_front();
  history_.push_back({time, std::string(name), Bytes::copy_of(payload)});
}

void Serf::relay(const Relay& passed, Timestamp now) {
  const auto to = Endpoint::from_raw(passed.ip, passed.port);
  // Nobody can make us send to strangers.
  if (!to || !swim_.lives_at(*to)) return counts_.add(SerfMessage::stranger);
  counts_.add(SerfMessage::sent);
  if (swim_.detail(passed.name).packets == PacketPath::open) swim_.send_user(*to, passed.message, now);
  else swim_.send_user_by_stream(*to, passed.message, now);
}

void Serf::user_state(BytesView bytes, Timestamp now) {
  State state;
  if (bytes.empty() || bytes[0] != static_cast<std::byte>(MessageType::state) || !decode(bytes.subspan(1), state))
    return counts_.add(SerfMessage::malformed);
  // Its clocks tell the next time that is free there.
  if (state.time > 0) clock_.witness(state.time - 1);
  if (state.event_time > 0) event_clock_.witness(state.event_time - 1);
  if (state.query_time > 0) query_clock_.witness(state.query_time - 1);
  if (!std::exchange(synced_, true)) {  // what happened before we came is not ours
    events_.start_at(state.event_time);
    queries_.start_at(state.query_time);
  }
  std::sort(state.left.begin(), state.left.end());
  for (const auto& [name, time] : state.status_times) {
    if (!std::binary_search(state.left.begin(), state.left.end(), name)) {
      // A later word about us than our last may have been that we leave: tables do not say.
      if (on_join({time, name}, now) && name == name_ && said_join_ && !leaving_) say_join(now);
      continue;
    }
    // Tables say of the dead only that they are dead. That one of them had left is passed on, or who was missed by the word
    // of it would hear it from a member of Serf's at best.
    const Leave intent{time + 1, name, false};
    const bool failed = status(name) == Status::failed;
    if (on_leave(intent, now) && failed) spread(encode(intent).view(), false, now);
  }
  for (const Event& event : state.events) on_event(event);
  if (!said_join_ && !leaving_) say_join(now);
  refresh_state();
}

void Serf::ack_payload(const swim::AckPayload& ack) {
  const auto coordinate = decode_coordinate(ack.payload.view());
  if (!coordinate) return counts_.add(SerfMessage::malformed);
  if (!is_there(status(ack.name)) || !vivaldi_.update(ack.name, *coordinate, ack.rtt)) return;
  swim_.set_ack_payload(encode_coordinate(vivaldi_.self()));
}

// --- our own words -----------------------------------------------------------------------------------------

void Serf::say_join(Timestamp now) {
  said_join_ = true;
  own_time_ = clock_.time();
  clock_.witness(own_time_);
  refresh_state();
  if (foreign_ == 0) return;
  counts_.add(SerfMessage::sent);
  spread(encode(Join{own_time_, name_}).view(), false, now);
}

void Serf::leave(Timestamp now) {
  if (std::exchange(leaving_, true)) return;
  if (foreign_ == 0 || swim_.name_taken()) return swim_.leave(now);
  own_time_ = clock_.tick();
  refresh_state();
  counts_.add(SerfMessage::sent);
  leave_due_ = now + kLeaveWait;
  if (!spread(encode(Leave{own_time_, name_, false}).view(), true, now)) farewell(now);
}

void Serf::prune(std::string_view name, Timestamp now) {
  if (foreign_ == 0) return;
  counts_.add(SerfMessage::sent);
  spread(encode(Leave{clock_.tick(), name, true}).view(), false, now);
  refresh_state();
}

void Serf::farewell(Timestamp now) {
  if (std::exchange(leave_due_, kNever) == kNever) return;
  swim_.leave(now);
}

void Serf::come_back(Timestamp now) {
  const bool left = std::exchange(leaving_, false);
  leave_due_ = kNever;
  if (left) say_join(now);
}

void Serf::handle_timeout(Timestamp now) {
  if (leave_due_ <= now) farewell(now);
}

LTime Serf::query_time() {
  const LTime time = query_clock_.tick();
  refresh_state();
  return time;
}

std::optional<LTime> Serf::send_event(std::string_view name, BytesView payload, Timestamp now) {
  static constexpr std::byte kNothing{};
  const BytesView content = payload.data() == nullptr ? BytesView{&kNothing, 0} : payload;
  const Bytes message = encode(Event{event_clock_.time(), name, content, false});
  if (message.size() > kEventMax) return std::nullopt;
  const LTime time = event_clock_.tick();
  events_.see(time, identity_of(name, payload), event_clock_.time());
  keep_event(time, name, payload);
  counts_.add(SerfMessage::sent);
  spread(message.view(), false, now);
  refresh_state();
  return time;
}

void Serf::refresh_state() {
  State state{.time = clock_.time(), .event_time = event_clock_.time(), .query_time = query_clock_.time()};
  // Others take it for the time of a join: while we leave it must stay below that of our leave intent, or they
  // ignore the intent that comes behind the table.
  state.status_times.emplace_back(name_, leaving_ ? own_time_ - 1 : own_time_);
  if (foreign_ > 0) {
    for (const EventSeen& event : history_) state.events.push_back({event.time, event.name, event.payload.view(), false});
    // Who came back after a leave intent is `leaving` where gossip of its join intent did not come.
    for (const auto& [name, time] : joins_)
      if (status(name) == Status::alive) state.status_times.emplace_back(name, time);
  }
  swim_.set_user_state(encode(state));
}

}  // namespace plumvine::serf
