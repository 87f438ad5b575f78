#include "engine.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <plumvine/detail/check.hpp>
#include <plumvine/detail/metadata.hpp>

#include "codes.hpp"
#include "engine_impl.hpp"

namespace plumvine {

namespace {
/// The port of memberlist, for seeds without one.
constexpr std::uint16_t kDefaultPort = 7946;

swim::Identity swim_identity(const Config& config, const DriverIdentity& identity) {
  swim::Identity self;
  self.name = config.name;
  self.address = identity.advertise.raw();
  self.port = identity.advertise.port;
  self.label = config.cluster;
  self.keyring = identity.keyring;
  self.secure_streams = identity.tls;
  return self;
}
}  // namespace

// A reconnecting peer of every member that may be known, and as many at rest again.
Engine::Impl::Impl(Config config, DriverIdentity identity)
    : config_(std::move(config)),
      identity_(identity),
      self_{config_.name, identity_.instance, config_.cluster},
      user_tags_(config_.tags),
      rng_(identity_.seed),
      log_(config_.log, config_.log_level),
      overlay_(config_.tree, config_.link, identity_.instance, config_.name, rng_.fork()),
      tree_(config_.tree, identity_.instance, config_.name, rng_.fork(), config_.log_level, config_.topics,
            identity_.large, identity_.sign),
      peers_(std::size_t{config_.swim.members_max} * 2),
      chunks_(identity_.blocks) {
  const Result<Bytes> meta = make_metadata(config_, identity_.instance, user_tags_, origin_text());
  PLUMVINE_CHECK(meta.has_value(), "a configuration is validated before it is used");
  swim::Identity self = swim_identity(config_, identity_);
  self.meta = *meta;
  swim_ = std::make_unique<swim::Swim>(config_.swim, std::move(self), rng_.fork());
  if (swim::speaks_serf(config_.swim)) serf_ = std::make_unique<serf::Serf>(*swim_, config_.name, rng_.fork());
  key_queries_ = std::make_unique<serf::KeyQueries>(*swim_, config_.name, rng_.fork());
  recall_key_history();
  if (serf_ && config_.serf_events) bridge_ = std::make_unique<EventBridge>();
  compare_with_preset();
}

/// What of the configuration health needs to know as a cause of trouble.
void Engine::Impl::compare_with_preset() {
  const auto preset = Config::from_preset(config_.preset, config_.name);
  if (!preset) return;
  tree_options_.clear();
  cache_reduced_ = config_.tree.message_cache_max_size < preset->tree.message_cache_max_size ||
                   config_.tree.message_cache_max_bytes < preset->tree.message_cache_max_bytes ||
                   config_.tree.message_cache_ttl < preset->tree.message_cache_ttl;
  constexpr std::array<std::string_view, 8> kShaping{"tree_rule", "optimization_threshold", "eager_fanout", "max_eager_peers",
                                                     "roots", "second_parents", "protect_ring_neighbors", "max_protected_neighbors"};
  const auto usual = preset->describe();
  const auto ours = config_.describe();
  for (const std::string_view key : kShaping) {
    const auto of = [key](const auto& all) {
      return std::find_if(all.begin(), all.end(), [key](const auto& entry) { return entry.first == key; });
    };
    if (const auto it = of(ours); it->second != of(usual)->second)
      tree_options_ += (tree_options_.empty() ? "" : ", ") + it->first + "=" + it->second;
  }
}

void Engine::Impl::configure(const Config& fresh) {
  config_.swim = fresh.swim;
  config_.tree = fresh.tree;
  config_.link = fresh.link;
  config_.health = fresh.health;
  config_.deliver_local = fresh.deliver_local;
  config_.log_level = fresh.log_level;
  log_.set_level(fresh.log_level);
  swim_->configure(config_.swim, now_);
  overlay_.configure(config_.tree, config_.link, now_);
  tree_.configure(config_.tree, config_.log_level, now_);
  compare_with_preset();
  touch();
}

void Engine::Impl::log(LogLevel level, std::string_view component, std::string_view code, std::string_view subject,
                       std::string text, LogFields fields) {
  if (log_.wants(level)) log_.write({level, component, code, std::move(text), std::move(fields)}, subject, now_);
}

void Engine::Impl::begin(Timestamp now, std::int64_t wall_us) {
  PLUMVINE_CHECK(now >= now_ || started_ == Timestamp{}, "time went backwards");
  // Time in which this process did not run says nothing about others.
  if (now - now_ > config_.swim.stall_threshold) {
    const Duration late = now - std::min(now, std::max(now_, next_timeout()));
    if (late > config_.swim.stall_threshold) heard_ = heard_ + late;
  }
  now_ = now;
  wall_us_ = wall_us;
  tree_.set_wall(wall_us, now);
  if (window_.due(now)) window_.advance(now, RateWindow::Totals::of(tree_.stats(now)));
}

void Engine::Impl::start() {
  started_ = now_;
  note_keys();
  tree_.start_from(std::move(identity_.start), now_);
  self_check_due_ = now_ + kSelfCheckPeriod;
  for (const BlockOrder& order : identity_.block_orders) {
    if (auto made = guard_.block(order.what, order.left, now_); !made)
      log(LogLevel::warn, "node", code::kBlockChanged, order.what, "A block that was kept is not taken over: " + made.error().message);
  }
  for (const frame::KeptKey& kept : std::exchange(identity_.origin_keys, {})) tree_.recall_key(kept, now_);
  guard_due_ = guard_.next(now_);
  window_.start(now_);
  swim_->start(now_);
  if (serf_) serf_->start();
  std::vector<HostPort> seeds;
  for (const std::string& text : config_.seeds) {
    if (auto seed = HostPort::parse(text)) {
      seeds.push_back(std::move(*seed));
    } else {
      log(LogLevel::warn, "node", code::kBadSeed, text, "Ignoring seed " + text + ": " + seed.error().message, {{"seed", text}});
    }
  }
  for (const auto& [name, endpoint] : identity_.known_peers) swim_->recall(name, endpoint, now_);
  if (!seeds.empty()) {
    swim_->join(with_ports(std::move(seeds)), now_);
  } else if (identity_.known_peers.empty()) {
    started_alone_ = true;
    tree_.start_alone(now_);
  }
  members_changed_ = true;
  touch();
}

/// A seed without a port has ours, or memberlist's where ours is chosen by the system.
std::vector<HostPort> Engine::Impl::with_ports(std::vector<HostPort> seeds) const {
  std::uint16_t port = kDefaultPort;
  if (auto bind = HostPort::parse(config_.bind); bind && bind->has_port && bind->port != 0) port = bind->port;
  for (HostPort& seed : seeds) {
    if (!seed.has_port && !seed.srv) {
      seed.port = port;
      seed.has_port = true;
    }
  }
  return seeds;
}

void Engine::Impl::join(std::vector<HostPort> seeds) {
  swim_->join(with_ports(std::move(seeds)), now_);
  touch();
}

void Engine::Impl::leave() {
  touch();
  if (left_) {
    events_.push(engine::LeaveDone{});
    return;
  }
  if (std::exchange(leaving_, true)) return;
  if (serf_) serf_->leave(now_);
  else swim_->leave(now_);
}

void Engine::Impl::rejoin() {
  touch();
  if (leaving_ && !left_) events_.push(engine::LeaveDone{});
  leaving_ = left_ = byes_sent_ = false;
  leave_deadline_ = kNever;
  members_changed_ = true;
  swim_->rejoin(now_);
  if (serf_) serf_->come_back(now_);
}

Status Engine::Impl::set_user_tags(Tags tags) {
  Result<Bytes> meta = make_metadata(config_, identity_.instance, tags, origin_text());
  if (!meta) return meta.error();
  Status status = swim_->set_meta(*meta, now_);
  if (status) {
    user_tags_ = std::move(tags);
    touch();
  }
  return status;
}

Timestamp Engine::Impl::next_timeout() const {
  Timestamp next = std::min({swim_->next_timeout(), overlay_.next_timeout(), tree_.next_timeout(), conn_timers_.next(),
                             leave_deadline_});
  if (members_changed_) next = std::min(next, members_due_);
  if (forgets_wanted_) next = std::min(next, forgets_due_);
  if (links_stale_) next = std::min(next, renew_due_);
  next = std::min(next, guard_due_);
  if (serf_) next = std::min(next, serf_->next_timeout());
  if (bridge_) next = std::min(next, bridge_->next_timeout());
  next = std::min(next, key_queries_->next_timeout());
  return next;
}

void Engine::Impl::handle_timeout() {
  if (swim_->next_timeout() <= now_) swim_->handle_timeout(now_);
  if (serf_ && serf_->next_timeout() <= now_) serf_->handle_timeout(now_);
  if (bridge_ && bridge_->next_timeout() <= now_) bridge_->handle_timeout(now_);
  if (key_queries_->next_timeout() <= now_) key_queries_->handle_timeout(now_);
  if (overlay_.next_timeout() <= now_) overlay_.handle_timeout(now_);
  if (tree_.next_timeout() <= now_) tree_.handle_timeout(now_);
  while (auto conn = conn_timers_.pop_due(now_)) on_deadline(*conn);
  if (guard_due_ <= now_) guard_due();
  touch();
}

void Engine::Impl::settle() {
  dirty_ = false;
  for (bool more = true; more;) {
    more = settle_swim();
    more = settle_overlay() || more;
    more = settle_tree() || more;
    more = settle_bridge() || more;
    more = settle_keys() || more;
  }
  pass_forgets();
  renew_links();
  if (byes_sent_) finish_leave();
  if (self_check_due_ <= now_) self_check();
  graveyard_.clear();
}

/// A program that breaks its own promises says so, in the log and in the snapshot.
void Engine::Impl::self_check() {
  self_check_due_ = now_ + kSelfCheckPeriod;
  const std::vector<std::string> broken = check_invariants();
  invariant_violations_ += broken.size();
  for (const std::string& text : broken) log(LogLevel::error, "node", code::kInvariant, "", "Broken invariant: " + text);
}

bool Engine::Impl::settle_swim() {
  bool any = false;
  while (auto output = swim_->poll_output()) {
    if (!serf_ || !serf_->on_output(*output, now_)) perform(std::move(*output));
    any = true;
  }
  while (auto output = serf_ ? serf_->poll_output() : std::nullopt) {
    perform(std::move(*output));
    any = true;
  }
  if (members_changed_ && members_due_ <= now_) {
    apply_members();
    any = true;
  }
  start_alone_if_first();
  return any;
}

bool Engine::Impl::settle_overlay() {
  bool any = false;
  while (auto output = overlay_.poll_output()) {
    any = true;
    if (const auto* wanted = std::get_if<overlay::Dial>(&*output)) {
      dial(wanted->peer);
    } else if (const auto* unwanted = std::get_if<overlay::Drop>(&*output)) {
      if (!peers_.valid(unwanted->peer)) continue;
      if (Connection* conn = find(peers_[unwanted->peer].link)) {
        end_link(*conn, frame::Bye::Why::overlay, "more links than needed");
      }
    } else {
      overlay_.set_rtts(known_rtts(), now_);
    }
  }
  return any;
}

/// Round trips to the members that the overlay asks about: measured by their link or by probes, else by coordinates.
std::map<PeerId, Duration> Engine::Impl::known_rtts() {
  std::map<PeerId, Duration> rtts;
  for (const PeerId id : overlay_.sample()) {
    if (!peers_.valid(id)) continue;
    const Peer& peer = peers_[id];
    if (const Connection* conn = find(peer.link); conn && conn->link->clock().best().rtt > Duration{0}) {
      rtts[id] = conn->link->clock().best().rtt;
      continue;
    }
    auto rtt = swim_->rtt(peer.name);
    if (!rtt && serf_) rtt = serf_->estimate(peer.name);
    if (rtt) rtts[id] = *rtt;
  }
  return rtts;
}

bool Engine::Impl::settle_tree() {
  bool any = false;
  while (auto output = tree_.poll_output()) {
    perform(std::move(*output));
    any = true;
  }
  return any;
}

namespace {
template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
overloaded(Ts...) -> overloaded<Ts...>;
}  // namespace

void Engine::Impl::perform(swim::Output output) {
  std::visit(overloaded{
                 [&](swim::SendPacket& o) { actions_.push(engine::SendPacket{o.to, std::move(o.packet)}); },
                 [&](swim::OpenStream& o) { open_stream(o.id, o.to, std::move(o.name)); },
                 [&](swim::SendStream& o) {
                   const auto it = streams_.find(o.id);
                   Connection* conn = it == streams_.end() ? nullptr : find(it->second);
                   if (conn && !conn->closing) put(*conn, {std::move(o.data), {}}, Lane::normal);
                 },
                 [&](swim::CloseStream& o) {
                   const auto it = streams_.find(o.id);
                   Connection* conn = it == streams_.end() ? nullptr : find(it->second);
                   if (!conn || conn->closing) return;
                   conn->closing = true;
                   conn_timers_.set(conn->id, now_ + config_.swim.tcp_timeout);
                   mark(*conn);
                 },
                 [&](swim::Resolve& o) { actions_.push(engine::Resolve{std::move(o.name)}); },
                 [&](swim::Notify& o) { on_member(std::move(o.event)); },
                 [&](swim::LeaveDone&) {
                   if (!leaving_) return;
                   byes_sent_ = true;
                   leave_deadline_ = now_ + Link::kDrainTime / 2;
                   apply_members();
                   for (auto& [id, conn] : conns_) {
                     if (conn->link && conn->link->state() == LinkState::up) {
                       end_link(*conn, frame::Bye::Why::leaving, "leaving the cluster");
                     }
                   }
                 },
                 [&](swim::Checked& o) { events_.push(std::move(o.found)); },
                 [&](swim::Log& o) { log_.write(std::move(o.record), "", now_); },
                 [&](swim::OtherKey& o) { on_other_key(o); },
                 [&](swim::UserMessage& o) {  // Serf's layer takes these where there is one
                   if (auto query = key_queries_->on_message(o, now_)) on_key_query(std::move(*query));
                 },
                 // The Serf layer has had these.
                 [](swim::UserSent&) {},
                 [](swim::UserState&) {},
                 [](swim::AckPayload&) {},
             },
             output);
}

void Engine::Impl::perform(serf::Output output) {
  std::visit(overloaded{
                 [&](serf::EventSeen& o) {
                   if (!bridge_) return;
                   rank_bridge();
                   bridge_->event(o.time, std::move(o.name), std::move(o.payload), now_);
                 },
                 [&](serf::KeyQuery& o) { on_key_query(std::move(o)); },
                 [&](serf::Answered& o) {
                   serf::Response response;
                   if (serf::decode(o.response.view(), response)) key_queries_->on_response(response, now_);
                   else bridge_counts_.add(SerfMessage::malformed);
                 },
                 [&](serf::Log& o) { log_.write(std::move(o.record), "", now_); },
             },
             output);
}

void Engine::Impl::perform(tree::Output&& output) {
  std::visit(overloaded{
                 [&](tree::Send& o) { send(o); },
                 [&](tree::Deliver& o) {
                   if (!decode(o)) return tree_.undecodable(o.id, now_);
                   if (guard_.any_blocks() && guard_.blocks_name(o.origin, Blocked::broadcast, now_)) return;
                   if (take_delivery(o)) events_.push(std::move(o));
                 },
                 [&](tree::Progressed& o) { events_.push(std::move(o.progress)); },
                 [&](tree::Recall& o) { recall(o); },
                 [&](tree::Lost& o) {
                   events_.push(LostEvent{std::move(o.name), o.origin, o.range, o.reason});
                 },
                 [&](tree::RoleChanged& o) {
                   if (!peers_.valid(o.peer)) return;
                   const auto kind = o.role == PeerRole::eager ? PeerEvent::Kind::eager : PeerEvent::Kind::lazy;
                   const std::string& name = peers_[o.peer].name;
                   log(LogLevel::debug, "tree", code::kRoleChanged, name,
                       "Peer " + name + " is " + std::string(to_string(o.role)) + " now: " + o.reason,
                       {{"peer", name}, {"role", std::string(to_string(o.role))}, {"reason", o.reason}});
                   events_.push(PeerEvent{kind, name, std::move(o.reason)});
                 },
                 [&](tree::Judge& o) {
                   if (decode(o.message)) return events_.push(std::move(o));
                   tree_.undecodable(o.message.id, now_);
                   tree_.judged(o.message.id, Verdict::ignore, now_);
                 },
                 [&](tree::Misbehaved& o) { misbehaved(o.peer, o.what); },
                 [&](tree::TooSlow& o) { too_slow(o); },
                 [&](tree::Receipted& o) { events_.push(receipt_of(o)); },
                 [&](tree::Acked& o) { events_.push(o); },
                 [&](tree::Asked& o) { events_.push(Question{o.origin, o.number, o.kind, std::move(o.question)}); },
                 [&](tree::Inquired& o) { events_.push(answered(o)); },
                 [&](tree::Log& o) { log_.write(std::move(o.record), "", now_); },
             },
             output);
}

/// Encodes once; every receiver gets references.
void Engine::Impl::send(const tree::Send& send) {
  std::optional<wire::Encoded> encoded;
  const bool payload = std::holds_alternative<frame::Gossip>(send.frame);
  for (PeerId to : send.to) {
    Connection* conn = peers_.valid(to) ? find(peers_[to].link) : nullptr;
    if (!conn || !conn->link || conn->link->state() != LinkState::up) continue;
    if (!encoded) encoded = wire::encode(send.frame);
    if (!payload) {
      put(*conn, *encoded, Lane::control);
      continue;
    }
    if (send.no_room) {
      if (!make_way(*conn, to, send, encoded->size())) continue;
    } else {
      conn->link->credit -= static_cast<std::int64_t>(encoded->payload.size()) + 64;
    }
    const auto& gossip = std::get<frame::Gossip>(send.frame);
    put(*conn, *encoded, lane_of(send.priority), PayloadTag{gossip.id, send.topic, gossip.run.count});
  }
}

/// What still waits for the link and is known at its far end does not go out.
void Engine::Impl::recall(const tree::Recall& recall) {
  Connection* conn = peers_.valid(recall.peer) ? find(peers_[recall.peer].link) : nullptr;
  if (conn) queue_counts_.recalled += conn->queue.take_out(recall.ids);
}

/// A payload for a link without credit: older ones of its topic give way, or it does itself. True: it may go.
bool Engine::Impl::make_way(Connection& conn, PeerId to, const tree::Send& send, std::uint64_t bytes) {
  std::vector<MessageId> gone;
  if (*send.no_room == Overflow::drop_oldest) gone = conn.queue.make_room(lane_of(send.priority), send.topic, bytes);
  const bool goes = !gone.empty();
  if (!goes) {
    gone = {std::get<frame::Gossip>(send.frame).id};
    queue_counts_.dropped.add(send.priority);
  }
  queue_counts_.by_policy[static_cast<std::size_t>(send.priority)].add(*send.no_room, gone.size());
  tree_.dropped(to, gone, now_);
  return goes;
}

void Engine::Impl::too_slow(const tree::TooSlow& slow) {
  Connection* conn = peers_.valid(slow.peer) ? find(peers_[slow.peer].link) : nullptr;
  if (!conn) return;
  for (std::size_t i = 0; i < queue_counts_.by_policy.size(); ++i) {
    queue_counts_.by_policy[i].add(Overflow::disconnect, conn->queue.waiting(static_cast<Priority>(i)));
  }
  const std::string& name = conn->link->name;
  log(LogLevel::warn, "link", code::kTooSlow, name,
      "Closing the link to " + name + ": no room for lag_grace, and topic " + slow.topic + " has overflow = disconnect",
      {{"peer", name}, {"topic", slow.topic}});
  break_link(*conn, "it is too slow for topic " + slow.topic);
}

std::vector<std::string> Engine::Impl::names_of(const std::vector<InstanceId>& instances) const {
  std::map<InstanceId, std::string_view> names;
  for (const auto& [name, known] : known_) names.emplace(known.instance, name);
  std::vector<std::string> out;
  for (const InstanceId instance : instances) {
    const auto it = names.find(instance);
    out.push_back(it == names.end() ? to_string(instance) : std::string{it->second});
  }
  return out;
}

Receipt Engine::Impl::receipt_of(const tree::Receipted& receipted) const {
  Receipt receipt{receipted.id, receipted.complete, names_of(receipted.acked), names_of(receipted.missing)};
  std::sort(receipt.acked.begin(), receipt.acked.end());
  std::sort(receipt.missing.begin(), receipt.missing.end());
  return receipt;
}

Answered Engine::Impl::answered(tree::Inquired& inquired) const {
  Answered out{inquired.number, inquired.complete, {}, names_of(inquired.missing)};
  std::sort(out.missing.begin(), out.missing.end());
  std::vector<InstanceId> members;
  for (const auto& answer : inquired.answers) members.push_back(answer.member);
  const std::vector<std::string> names = names_of(members);
  for (std::size_t i = 0; i < names.size(); ++i) out.answers.push_back({names[i], std::move(inquired.answers[i].text)});
  std::sort(out.answers.begin(), out.answers.end(), [](const auto& a, const auto& b) { return a.member < b.member; });
  return out;
}

void Engine::Impl::misbehaved(PeerId id, FrameReject what) {
  if (peers_.valid(id)) mark_offence(peers_[id], 1, std::string{to_string(what)});
}

/// Without another member that speaks links there is no neighbour to learn from.
void Engine::Impl::start_alone_if_first() {
  const auto count = [&](MemberState s) { return known_by_state_[static_cast<std::size_t>(s)]; };
  if (started_alone_ || !swim_->joined()) return;
  if (tree_.synced()) {
    started_alone_ = true;
    return;
  }
  if (count(MemberState::alive) + count(MemberState::suspect) != 0) return;
  started_alone_ = true;
  log(LogLevel::info, "node", code::kStartAlone, "", "No other member carries broadcasts: starting at the beginning");
  tree_.start_alone(now_);
}

// ---- Engine ----

Engine::Engine(Config config, DriverIdentity identity)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(identity))) {}
Engine::~Engine() = default;

void Engine::begin(Timestamp now, std::int64_t wall_us) { impl_->begin(now, wall_us); }
void Engine::start() { impl_->start(); }

void Engine::publish(Sequence sequence, std::string topic, frame::Payload payload, AckWish acks) {
  impl_->publish(sequence, std::move(topic), std::move(payload), acks);
}
Status Engine::send_direct(std::uint64_t ticket, std::string_view member, Bytes payload) {
  return impl_->send_direct(ticket, member, std::move(payload));
}
void Engine::validate(std::string_view topic) { impl_->tree().validate(topic); }
void Engine::judged(MessageId id, Verdict verdict) {
  impl_->tree().judged(id, verdict, impl_->now_);
  impl_->touch();
}
void Engine::join(std::vector<HostPort> seeds) { impl_->join(std::move(seeds)); }
void Engine::rejoin() { impl_->rejoin(); }
void Engine::leave() { impl_->leave(); }
Status Engine::forget(std::string_view name) { return impl_->forget(name); }
Status Engine::promote(std::string_view peer) { return impl_->promote(peer); }
Status Engine::resync(std::string_view peer) { return impl_->resync(peer); }
std::optional<Timestamp> Engine::digest_at(std::string_view peer) const { return impl_->digest_at(peer); }
Trimmed Engine::trim() {
  impl_->touch();
  return impl_->tree().trim(impl_->now_);
}
Status Engine::block(std::string_view what, std::optional<Duration> left) { return impl_->block(what, left); }
Status Engine::unblock(std::string_view what) { return impl_->unblock(what); }
std::vector<frame::KeptKey> Engine::origin_keys() { return impl_->origin_keys(); }
std::uint64_t Engine::origin_keys_version() const { return impl_->origin_keys_version(); }
std::vector<BlockOrder> Engine::blocks() const { return impl_->blocks(); }
bool Engine::admits(const Endpoint& from, bool proved) { return impl_->admits(from, proved); }
Status Engine::set_meta(Bytes meta) {
  return impl_->set_user_tags(meta.empty() ? Tags{} : Tags{{std::string{kTagRaw}, std::string{meta.text()}}});
}
void Engine::configure(const Config& fresh) { impl_->configure(fresh); }
Status Engine::set_tags(Tags tags) { return impl_->set_user_tags(std::move(tags)); }
Status Engine::set_keys(const std::vector<Bytes>& keys, const std::optional<KeyRules>& rules) { return impl_->set_keys(keys, rules); }
void Engine::order_keys(std::uint64_t ticket, KeyOrder order) { impl_->order_keys(ticket, std::move(order)); }
void Engine::keys_saved(const Status& status) { impl_->keys_saved(status); }
void Engine::pause_delivery(bool paused) {
  impl_->tree().pause_delivery(paused, impl_->now_);
  impl_->touch();
}
void Engine::bridge_refused(Bytes message) { impl_->bridge_refused(std::move(message)); }
void Engine::stop() { impl_->stop(); }

void Engine::packet(const Endpoint& from, BytesView packet, bool secured) { impl_->packet(from, packet, secured); }
void Engine::connected(ConnId conn) { impl_->connected(conn); }
void Engine::accepted(ConnId conn, const Endpoint& from) { impl_->accepted(conn, from); }
void Engine::identified(ConnId conn, const std::vector<std::string>& names) { impl_->identified(conn, names); }
std::span<std::byte> Engine::read_buffer(ConnId conn) { return impl_->read_buffer(conn); }
void Engine::read(ConnId conn, std::size_t bytes) { impl_->read(conn, bytes); }
void Engine::batch(ConnId conn, const Bytes& frames) { impl_->batch(conn, frames); }
void Engine::writable(ConnId conn) { impl_->writable(conn); }
void Engine::closed(ConnId conn, const Error& why) { impl_->closed(conn, why); }
void Engine::resolved(const HostPort& name, const std::vector<Endpoint>& endpoints) {
  impl_->swim().resolved(name, endpoints, impl_->now_);
  impl_->touch();
}
void Engine::handle_timeout() { impl_->handle_timeout(); }

void Engine::settle() { impl_->settle(); }
std::optional<engine::Action> Engine::poll_action() { return impl_->actions_.poll(); }
void Engine::flush(Transport& transport) { impl_->flush(transport); }
bool Engine::synced() const { return impl_->synced(); }
Cursor Engine::position() const { return impl_->position(); }
std::vector<MessageId> Engine::held_ids() const { return impl_->held_ids(); }
std::optional<HeldMessage> Engine::held(const MessageId& id) const { return impl_->held(id); }
MessagePath Engine::path(const MessageId& id) const { return impl_->path(id); }
std::size_t Engine::timers() const { return impl_->timers(); }
void Engine::ask(std::uint64_t number, std::uint8_t kind, Bytes text, Duration timeout) {
  impl_->touch();
  impl_->tree().ask(number, kind, std::move(text), timeout, impl_->now_);
}
static_assert(kQuestionMax == wire::kQuestionMax && kAnswerMax == wire::kAnswerMax);
void Engine::answer(InstanceId origin, std::uint64_t number, Bytes text) {
  impl_->touch();
  static_assert(kQuestionMax == wire::kQuestionMax && kAnswerMax == wire::kAnswerMax);
  if (text.size() <= kAnswerMax) impl_->tree().answer(origin, number, std::move(text), impl_->now_);
}
void Engine::doubt(std::string_view member) {
  impl_->touch();
  impl_->swim().broke_off(member, impl_->now_);
}
Status Engine::check_reach(std::string_view member) {
  impl_->touch();
  return impl_->swim().check(member, impl_->now_);
}
std::optional<engine::Event> Engine::poll_event() { return impl_->events_.poll(); }
bool Engine::pending() const {
  return impl_->dirty_ || !impl_->dirty_conns_.empty() || !impl_->actions_.empty() || !impl_->events_.empty();
}
Timestamp Engine::next_timeout() const { return impl_->next_timeout(); }
Snapshot Engine::snapshot(const TransportStats& transport) { return impl_->snapshot(transport); }
std::uint64_t Engine::version() const { return impl_->version_; }
std::vector<std::string> Engine::check_invariants() const { return impl_->check_invariants(); }

}  // namespace plumvine
