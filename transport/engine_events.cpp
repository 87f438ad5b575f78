// Serf's user events on their way to topics, and broadcasts on theirs to Serf; what handlers were told.
#include <algorithm>
#include <string>
#include <utility>

#include <plumvine/topic.hpp>

#include "codes.hpp"
#include "engine_impl.hpp"
#include "packing.hpp"

namespace plumvine {

void Engine::Impl::publish(Sequence sequence, std::string topic, frame::Payload payload, AckWish acks) {
  touch();
  if (bridge_ && topic == kSerfTopic) {
    // What a bridge puts on the tree is delivered to its own user here, since the tree does not do it.
    tree::Deliver own{{identity_.instance, sequence}, config_.name, topic, 0, Duration{0}, payload.bytes};
    if (unwrap_event(own)) events_.push(std::move(own));
  } else if (bridge_ && topic.starts_with(kSerfPrefix)) {
    rank_bridge();
    frame::RunCutter cutter{payload.run, payload.bytes};
    while (!cutter.done()) bridge_->broadcast(topic.substr(kSerfPrefix.size()), cutter.next(), Duration{0}, now_);
  }
  tree_.publish(sequence, std::move(topic), std::move(payload), config_.deliver_local, now_);
  if (acks.members > 0) tree_.want_receipt(sequence, acks.members, acks.timeout, now_);
}

/// Who acts first is the same everywhere: the alive bridge whose name comes first.
void Engine::Impl::rank_bridge() {
  if (bridge_ranked_ == swim_->version()) return;
  bridge_ranked_ = swim_->version();
  std::size_t rank = 0;
  std::size_t bridges = 1;
  Timestamp since{INT64_MIN / 2};
  for (const Member* member : swim_->members()) {  // by name
    if (member->name == config_.name || !decode_tags(member->meta.view()).contains(std::string{kTagSerf})) continue;
    since = std::max(since, started_);
    const bool before = member->name < config_.name;
    if (!is_there(member->state)) {
      if (before) since = std::max(since, member->since);
      continue;
    }
    ++bridges;
    if (before) ++rank;
  }
  bridge_->set_rank(rank, bridges, since);
}

bool Engine::Impl::decode(tree::Deliver& message) {
  if (message.encoding == frame::Encoding::plain) return true;
  auto payload = unpack({std::move(message.payload), message.encoding, message.size});
  if (!payload) {
    log(LogLevel::warn, "tree", code::kUndecodable, message.origin,
        "Message " + to_string(message.id) + " of " + message.origin + " cannot be decoded: " + payload.error().message,
        {{"message", to_string(message.id)}, {"origin", message.origin}});
    return false;
  }
  message.payload = std::move(*payload);
  message.encoding = frame::Encoding::plain;
  return true;
}

MessagePath Engine::Impl::path(const MessageId& id) const {
  const PathInfo known = tree_.path(id);
  MessagePath path{known.state, known.delivered, known.hops, Duration{0}, known.waited, {}, {}, {}};
  if (known.state != PathInfo::State::held) return path;
  path.latency = std::max<Duration>(Duration{0}, std::chrono::microseconds{known.arrived.ns / 1000 - known.published_us});
  if (known.from) path.from = peers_[*known.from].name;
  for (const PeerId peer : known.sent) path.sent.push_back(peers_[peer].name);
  for (const PeerId peer : known.known) path.known.push_back(peers_[peer].name);
  return path;
}

std::optional<HeldMessage> Engine::Impl::held(const MessageId& id) const {
  auto held = tree_.held(id);
  if (!held) return held;
  auto payload = unpack(held->payload);
  if (!payload) return std::nullopt;  // it was reported
  held->payload = std::move(*payload);
  return held;
}

void Engine::Impl::note_slow(const tree::Deliver& message) {
  const Duration limit = config_.health.slow_delivery;
  if (limit <= Duration::zero() || message.latency <= limit || message.topic.starts_with('_')) return;
  slow_deliveries_ += message.run.count;
  log(LogLevel::info, "tree", code::kSlowDelivery, message.origin,
      "Slow delivery of message " + to_string(message.id) + " of " + message.origin + " on topic " + message.topic + ": " +
          std::to_string(message.latency / std::chrono::milliseconds{1}) + " ms, " + std::to_string(message.round) + " hops",
      {{"message", to_string(message.id)}, {"origin", message.origin}, {"topic", message.topic}});
}

bool Engine::Impl::take_delivery(tree::Deliver& message) {
  note_slow(message);
  if (message.topic == kSerfTopic) return unwrap_event(message);
  if (message.topic == engine::kProbeTopic) return false;
  // Our own broadcasts were seen when they were published.
  if (bridge_ && message.topic.starts_with(kSerfPrefix) && message.id.origin != identity_.instance) {
    rank_bridge();
    frame::RunCutter cutter{message.run, message.payload};
    while (!cutter.done()) bridge_->broadcast(message.topic.substr(kSerfPrefix.size()), cutter.next(), message.latency, now_);
  }
  return true;
}

/// Makes a user event out of the message that carried it; false if it is none or was delivered before.
bool Engine::Impl::unwrap_event(tree::Deliver& message) {
  serf::Event event;
  const BytesView body = message.payload.view();
  const bool typed = !body.empty() && body[0] == static_cast<std::byte>(serf::MessageType::event);
  std::string topic;
  if (typed && serf::decode(body.subspan(1), event)) topic = std::string{kSerfPrefix} + std::string{event.name};
  if (topic.size() <= kSerfPrefix.size()) {
    bridge_counts_.add(SerfMessage::malformed);
    return false;
  }
  if (const Status fits = check_topic(topic); !fits) {
    bad_event_name(event.name, fits.error().message);
    return false;
  }
  if (bridge_) bridge_->carried(event.time, event.name, event.payload);
  if (!delivered_events_.add(event.time, serf::identity_of(event.name, event.payload))) {
    bridge_counts_.add(SerfMessage::repeated);
    return false;
  }
  const std::size_t at = event.payload.empty() ? 0 : static_cast<std::size_t>(event.payload.data() - body.data());
  message.payload = event.payload.empty() ? Bytes{} : message.payload.slice(at, event.payload.size());
  message.topic = std::move(topic);
  return true;
}

/// Counted by all; said where the event comes from Serf, once for each name.
void Engine::Impl::bad_event_name(std::string_view name, const std::string& problem) {
  constexpr std::size_t kNamesMax = 256;
  bridge_counts_.add(SerfMessage::bad_name);
  if (!bridge_ || bad_event_names_.size() >= kNamesMax || !bad_event_names_.emplace(name).second) return;
  log(LogLevel::warn, "node", code::kBadEventName, name,
      "Serf's user event " + std::string(name) + " is not delivered: its topic would be serf.NAME, and " + problem,
      {{"event", std::string(name)}, {"bytes", std::to_string(name.size())}});
}

bool Engine::Impl::settle_bridge() {
  bool any = false;
  while (auto fire = bridge_ ? bridge_->poll_fire() : std::nullopt) {
    any = true;
    const auto time = serf_->send_event(fire->name, fire->payload.view(), now_);
    if (time) continue;
    bridge_counts_.add(SerfMessage::too_large);
    log(LogLevel::warn, "node", code::kEventTooLarge, fire->name,
        "A broadcast on serf." + fire->name + " of " + std::to_string(fire->payload.size()) +
            " bytes does not fit a Serf user event (512 bytes in all) and was not sent to Serf",
        {{"topic", "serf." + fire->name}, {"bytes", std::to_string(fire->payload.size())}});
  }
  while (auto message = bridge_ ? bridge_->poll_publish(now_) : std::nullopt) {
    any = true;
    events_.push(engine::BridgePublish{std::move(*message)});
  }
  return any;
}

// ---- What was told

Cursor Engine::Impl::position() const {
  Cursor told = tree_.position();
  events_.each([&](const engine::Event& event) {
    if (const auto* delivery = std::get_if<tree::Deliver>(&event)) told.remove(delivery->id.origin, delivery->range());
  });
  return told;
}

std::vector<MessageId> Engine::Impl::held_ids() const {
  auto ids = tree_.held_ids(config_.deliver_local);
  Cursor waiting;
  events_.each([&](const engine::Event& event) {
    if (const auto* delivery = std::get_if<tree::Deliver>(&event)) waiting.add(delivery->id.origin, delivery->range());
  });
  std::erase_if(ids, [&](const MessageId& id) { return waiting.contains(id); });
  return ids;
}

}  // namespace plumvine
