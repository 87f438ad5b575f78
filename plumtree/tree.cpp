#include "tree.hpp"

#include <algorithm>
#include <utility>

#include <plumvine/detail/check.hpp>

#include "impl.hpp"

namespace plumvine {

namespace {
constexpr Sequence kSequenceMax = Sequence{1} << 62;
constexpr Sequence kJumpMax = Sequence{1} << 40;
constexpr std::size_t kSlotsMax = 4096;
/// After a reset so much of what may have died with the link is pushed; the rest is announced.
constexpr std::size_t kPushMessages = 64;
constexpr std::size_t kPushBytes = 256 * 1024;
constexpr std::size_t kAnnounceMessages = 4096;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;
}  // namespace

Tree::Impl::Impl(TreeConfig config, InstanceId self, std::string name, Rng rng, LogLevel level, const TopicConfigs& topics,
                 frame::LargeTools large, frame::SignTools sign)
    : core(std::move(config), self, std::move(name), rng, level, topics),
      exchange_(core), losses_(core), pacing_(core), receipts_(core), inquiries_(core), assemblies_(core, std::move(large)),
      signing_(core.config, core.name, std::move(sign)) {
  shape = core.config.tree_rule == TreeConfig::Rule::classic ? tree::make_classic(core) : tree::make_rooted(core);
  const auto own = core.seen.add(self, core.name, Timestamp{});
  PLUMVINE_CHECK(own == tree::kSelf && !frame::is_parts(self), "our own origin is the first, and no origin of parts");
  core.store.on_evict([this](const StoredMessage& message) { on_evicted(message); });
}

void Tree::Impl::enter(Timestamp now) {
  PLUMVINE_CHECK(now >= now_, "time went backwards");
  now_ = now;
}

void Tree::Impl::start_from(TreeStart start, Timestamp now) {
  enter(now);
  PLUMVINE_CHECK(!core.synced && core.up.empty(), "a start comes before everything else");
  start_ = std::move(start);
  for (const auto& [origin, set] : start_.had.origins()) {
    if (origin == core.self || origin == InstanceId{} || frame::is_parts(origin)) continue;
    const auto index = core.seen.add(origin, {}, now);
    if (!index) break;  // what is not remembered is delivered again by those who still hold it
    for (const SequenceRange& range : set.list()) {
      if (range.last < kSequenceMax) core.seen.mark(*index, range);
    }
  }
}

void Tree::Impl::start_alone(Timestamp now) {
  enter(now);
  if (!core.synced) finish_sync(now);
}

// ---- Links

void Tree::Impl::peer_up(PeerId peer, PeerTraits traits, Timestamp now) {
  enter(now);
  if (core.slot_of(peer)) peer_down(peer, now);
  Slot slot = 0;
  while (slot < core.links.size() && core.links[slot].up) ++slot;
  if (slot == core.links.size()) {
    PLUMVINE_CHECK(slot < kSlotsMax, "too many links");
    core.links.emplace_back();
  }
  Link& link = core.links[slot];
  link = Link{};
  link.peer = peer;
  link.traits = std::move(traits);
  link.up = true;
  link.rtt = link.traits.rtt;
  link.cost_us = std::max(tree::kCostMin, static_cast<std::uint64_t>(std::max<std::int64_t>(0, link.rtt.count() / 2000)));
  if (!core.measured_lateness) core.late = std::max(core.late, link.rtt * 2);
  link.graft_tokens = core.config.graft_rate_limit_burst;
  link.tokens_at = now;
  core.add_up(slot, peer);
  ++core.stats.peers_added;
  shape->peer_up(slot, now);
  if (core.synced) {
    send_digest({slot}, false, now);
    if (digest_at_ == kNever) digest_at_ = now + core.config.sync_interval - core.rng.jitter(core.config.sync_interval / 5);
  } else {
    if (sync_deadline_ == kNever) sync_deadline_ = now + std::chrono::seconds{1};
    send_digest({slot}, true, now);
    ask_at_ = std::min(ask_at_, now + std::chrono::milliseconds{500});
  }
}

void Tree::Impl::peer_down(PeerId peer, Timestamp now) {
  enter(now);
  const auto found = core.slot_of(peer);
  if (!found) return;
  const Slot slot = *found;
  core.remove_up(slot);
  lazy_at_.reset();
  core.links[slot].up = false;
  ++core.stats.peers_removed;
  clear_bits(slot);
  if (core.links[slot].eager) reset_at_ = now;
  if (shape->one_way()) push_in_flight(slot, now);
  shape->peer_down(slot, now);
  send_recent(now);
  for (const MessageId& id : missing_.link_down(slot)) {
    auto* entry = missing_.find(id);
    if (const auto origin = core.seen.find(id.origin)) core.in_flight(*origin).remove(id.sequence);
    entry->target = tree::kNoSlot;
    missing_.arm(id, *entry, now);
  }
  exchange_.peer_down(slot, now);
  asker_down(slot, now);
  receipts_.peer_down(slot);
  inquiries_.peer_down(slot);
  signing_.link_down(slot);
  pacing_.peer_down(slot, now);
  core.flow_ends(slot);
  gathered_.erase(slot);
  std::erase_if(held_, [&](const auto& held) {
    if (held.first == slot) held_bytes_ -= held.second.payload.size();
    return held.first == slot;
  });
  core.links[slot] = Link{};
  if (core.up.empty()) digest_at_ = ask_at_ = kNever;
}

void Tree::Impl::clear_bits(Slot slot) {
  const std::uint64_t mask = ~tree::bit(slot);
  const tree::Arrival from = std::max(core.links[slot].marked_from, core.store.first());
  for (tree::Arrival a = from; a < core.store.end(); ++a) {
    StoredMessage* message = core.store.at(a);
    if (message == nullptr) continue;
    message->known &= mask;
    message->sent &= mask;
    message->asked &= mask;
    if (message->upstream == slot) message->upstream = tree::kNoSlot;
  }
}

void Tree::Impl::push_in_flight(Slot lost, Timestamp now) {
  // What was sent on a link that broke may have died with it, and so may what lay behind it.
  std::vector<tree::Arrival> recent;
  std::size_t pushed = 0;
  std::size_t bytes = 0;
  for (tree::Arrival a = core.store.end(); a-- > core.store.first() && recent.size() < kAnnounceMessages;) {
    const StoredMessage* message = core.store.at(a);
    if (message == nullptr) continue;
    if (now - message->arrived >= tree::kInFlight) break;
    if (message->judging || !shape->is_eager(message->tree, lost)) continue;
    recent.push_back(a);
    bytes += message->payload.size();
    if (pushed < kPushMessages && bytes <= kPushBytes) ++pushed;
  }
  for (std::size_t i = pushed; i-- > 0;) push(*core.store.at(recent[i]), recent[i], core.up, false, now);
  if (recent.size() == pushed) return;
  const std::vector<tree::Arrival> rest(recent.begin() + static_cast<std::ptrdiff_t>(pushed), recent.end());
  for (const Slot slot : core.up) announce(slot, rest);
}

/// What a measurement that is late can add to twice the noise so far: a packet that was lost and sent again does not count as noise.
constexpr std::int64_t kNoiseStepUs = 80;

void Tree::Impl::set_rtt(PeerId peer, Duration rtt, Duration last, Duration clock_offset, Timestamp now) {
  enter(now);
  const auto slot = core.slot_of(peer);
  if (!slot) return;
  Link& link = core.links[*slot];
  link.rtt = std::max(rtt, Duration{0});
  const bool delayed = last > link.rtt * 3 / 2 + std::chrono::milliseconds{5};
  link.round_trips = std::min(link.round_trips + 1, tree::kDelayedSpan);
  link.delayed += ((delayed ? 1 : 0) - link.delayed) / link.round_trips;
  link.offset_us = clock_offset.count() / 1000;
  // Near the smallest: queueing is no distance, and noise must not reshape trees. The first takes the place of a guess.
  const auto sample = std::max(tree::kCostMin, static_cast<std::uint64_t>(link.rtt.count() / 2000));
  link.cost_us = !link.measured || sample < link.cost_us ? sample : link.cost_us + (sample - link.cost_us) / 64;
  const auto excess = std::max<std::int64_t>(0, last.count() / 2000 - static_cast<std::int64_t>(link.cost_us));
  const auto noise = static_cast<std::int64_t>(link.noise_us);
  link.noise_us = static_cast<std::uint64_t>(noise + (std::min(excess, 2 * noise + kNoiseStepUs) - noise) / 8);
  link.measured = true;
  shape->on_rtt(*slot, now);
}

void Tree::Impl::set_members(const TreeMembers& members, Timestamp now) {
  enter(now);
  core.alive = members.alive;
  core.dead_members = members.dead;
  shape->set_members(members, now);
}

// ---- Origins

bool Tree::Impl::plausible(OriginIndex origin, Sequence sequence) const {
  return sequence != 0 && sequence < kSequenceMax && sequence <= core.seen[origin].highest + kJumpMax;
}

std::optional<Tree::Impl::OriginIndex> Tree::Impl::origin_of(Slot from, InstanceId instance, std::string_view name,
                                                             Timestamp now, OriginIndex keep) {
  if (const auto known = core.seen.find(instance)) {
    if (!name.empty() && core.seen[*known].name.empty()) core.seen.set_name(*known, name);
    return known;
  }
  if (frame::publisher_of(instance) == InstanceId{} || frame::publisher_of(instance) == core.self) {
    core.reject(from, FrameReject::malformed);
    return std::nullopt;
  }
  const double rate = core.config.origin_rate_limit_per_second;
  const double burst = std::max(256.0, core.config.origins_max / 2.0);  // a joiner hears of all who left at once
  const bool stranger = !std::binary_search(core.alive.begin(), core.alive.end(), frame::publisher_of(instance));
  if (stranger && !core.links[from].strangers.take(rate, burst, now)) {
    core.over_limit(from, RateLimited::origin);
    return std::nullopt;
  }
  if (core.seen.full() && !make_room_for_origin(keep, stranger)) {
    core.stats.frames_rejected.add(FrameReject::origin_limit);
    return std::nullopt;
  }
  return core.seen.add(instance, name, now);
}

bool Tree::Impl::make_room_for_origin(OriginIndex keep, bool stranger) {
  // The one silent for longest, but none that is still in the store: its old messages would come back as new. Members give
  // way to members only, and last, so that forged origins push each other out.
  std::optional<OriginIndex> silent;
  bool silent_lives = false;
  for (OriginIndex i = tree::kSelf + 1; i < core.seen.end(); ++i) {
    if (!core.seen[i].used || core.is_own(i) || i == keep || !core.store.held(i).empty() || !assemblies_.overlapping(i, {1, kSequenceMax}).empty()) continue;
    const bool lives = std::binary_search(core.alive.begin(), core.alive.end(), frame::publisher_of(core.seen[i].instance));
    if (lives && stranger) continue;
    if (silent && lives != silent_lives ? lives : silent && core.seen[i].active >= core.seen[*silent].active) continue;
    silent = i;
    silent_lives = lives;
  }
  if (!silent) return false;
  missing_.drop(core.seen[*silent].instance, {1, kSequenceMax});
  exchange_.forget(*silent);
  losses_.forget(*silent);
  pacing_.forget(*silent);
  receipts_.forget(*silent);
  core.flows(*silent) = {};
  core.undelivered.erase(*silent);
  std::erase_if(overrun_, [&](const auto& entry) { return entry.first.first == *silent; });
  for (Link& link : core.links) {
    Link::each_owed(link, [&](tree::OriginSets& sets) {
      if (const auto it = sets.find(*silent); it != sets.end()) {
        link.owed_ranges -= it->second.ranges();
        sets.erase(it);
      }
    });
    link.forget(*silent);
  }
  core.seen.forget(*silent);
  ++core.stats.seen_evictions;
  return true;
}

// ---- Frames and time

void Tree::Impl::handle_frame(PeerId from, Frame&& frame, Timestamp now) {
  enter(now);
  const auto found = core.slot_of(from);
  if (!found) {
    core.stats.frames_rejected.add(FrameReject::unexpected);
    return;
  }
  const Slot slot = *found;
  const double rate = core.config.control_rate_limit_per_second;
  if (!std::holds_alternative<frame::Gossip>(frame) && !core.links[slot].control.take(rate, 2 * rate, now))
    return core.over_limit(slot, RateLimited::control);
  std::visit(Overloaded{
                 [&](frame::Gossip& f) { on_gossip(slot, std::move(f), now); },
                 [&](frame::IHave& f) { on_ihave(slot, f, now); },
                 [&](frame::Graft& f) { on_graft(slot, f, now); },
                 [&](frame::Prune& f) { shape->on_prune(slot, f.tree, now); },
                 [&](frame::Beacon& f) { shape->on_beacon(slot, f, now); },
                 [&](frame::Digest& f) { on_digest(slot, std::move(f), now); },
                 [&](frame::Pull& f) { answer(slot, f.ids, false, now); },
                 [&](frame::Gone& f) { on_gone(slot, f, now); },
                 [&](frame::Progress& f) { pacing_.on_progress(slot, f, now); },
                 [&](frame::AckRequest& f) { receipts_.on_request(slot, f, now); },
                 [&](frame::Acks& f) { receipts_.on_acks(slot, f, now); },
                 [&](frame::Ask& f) { inquiries_.on_ask(slot, f, now); },
                 [&](frame::Answers& f) { inquiries_.on_answers(slot, std::move(f), now); },
                 [&](auto&) { core.reject(slot, FrameReject::unexpected); },
             },
             frame);
}

void Tree::Impl::handle_timeout(Timestamp now) {
  enter(now);
  timeout_now_ = now;
  if (core.store.next_expiry() <= now) {
    core.store.expire(now);
    if (const auto count = core.store.take_expired(); count > 0) {
      core.log(LogLevel::debug, "PV1303", "Evicting " + std::to_string(count) + " messages from cache (TTL expired)");
    }
  }
  shape->handle_timeout(now);
  if (lazy_at() <= now) {
    for (const Slot slot : core.up) {
      if (core.links[slot].lazy.next() <= now) flush_lazy(slot, now);
    }
  }
  if (missing_.next() <= now) pull_missing(now);
  if (ask_at_ <= now || (!core.synced && sync_deadline_ <= now)) ask_for_sync(now);
  if (digest_at_ <= now) periodic_digest(now);
  if (losses_.next_timeout() <= now) check_loss(now);
  exchange_.handle_timeout(now);
  pacing_.handle_timeout(now);
  receipts_.handle_timeout(now);
  inquiries_.handle_timeout(now);
  if (signing_.next_timeout() <= now) keys_overdue(now);
}

Timestamp Tree::Impl::next_timeout() const {
  return std::min({core.store.next_expiry(), shape->next_timeout(), missing_.next(), ask_at_, digest_at_, losses_.next_timeout(),
                   exchange_.next_timeout(), pacing_.next_timeout(), receipts_.next_timeout(), inquiries_.next_timeout(),
                   signing_.next_timeout(), lazy_at()});
}

Timestamp Tree::Impl::lazy_at() const {
  if (lazy_at_) return *lazy_at_;
  lazy_at_ = kNever;
  for (const Slot slot : core.up) lazy_at_ = std::min(*lazy_at_, core.links[slot].lazy.next());
  return *lazy_at_;
}

Trimmed Tree::Impl::trim(Timestamp now) {
  enter(now);
  Trimmed freed;
  const bool cut_off = core.up.empty() && core.alive.size() > 1;
  if (core.dead_members > 0 || cut_off) return freed;
  const auto needed = [&](const StoredMessage& message) {
    if (message.judging || message.agreed->policy.overflow == Overflow::hold) return true;
    if (message.whole ? message.whole->state == tree::Whole::State::partial : message.is_part()) return true;
    if (!message.is_part() && !core.is_delivered(message.origin, message.range().last)) return true;
    // What was only sent may have to be sent again.
    return std::any_of(core.up.begin(), core.up.end(), [&](Slot slot) {
      const Link& link = core.links[slot];
      return (message.known & tree::bit(slot)) == 0 && link.traits.instance != frame::publisher_of(message.id.origin) &&
             link.has_upto(message.origin) < message.range().last;
    });
  };
  for (Arrival arrival = core.store.first(); arrival != core.store.end(); ++arrival) {
    const StoredMessage* message = core.store.at(arrival);
    if (message == nullptr) continue;
    if (message->arrived + core.config.message_cache_ttl > now) break;
    if (needed(*message)) continue;
    freed.messages += message->run.count;
    freed.bytes += message->payload.size();
    core.store.drop(arrival);
  }
  core.store.expire(now);
  return freed;
}

void Tree::Impl::configure(TreeConfig config, LogLevel level, Timestamp now) {
  core.config = std::move(config);
  core.level = level;
  core.store.enforce();
  if (digest_at_ != kNever) digest_at_ = std::min(digest_at_, now + core.config.sync_interval);
}

std::optional<tree::Output> Tree::Impl::poll_output() {
  if (!unblocked_.empty()) {
    for (const OriginIndex origin : std::exchange(unblocked_, {})) release(origin, now_);
  }
  if (core.out.empty() && !paused_ && (!backlog_.empty() || !overrun_.empty())) deliver_backlog();
  return core.out.poll();
}

// ---- Queries

const TreeStats& Tree::Impl::stats(Timestamp now) {
  TreeStats& s = core.stats;
  s.cache_evictions = core.store.cache_evictions();
  s.cache_messages = core.store.cache_messages();
  s.cache_bytes = core.store.cache_bytes();
  s.store_messages = core.store.messages();
  s.store_bytes = core.store.bytes();
  s.seen_origins = 0;
  s.ihave_queued = 0;
  for (const Slot slot : core.up) s.ihave_queued += core.links[slot].lazy.size();
  s.pending_grafts = missing_.size();
  s.missing_messages = 0;
  for (OriginIndex i = 0; i < core.seen.end(); ++i) {
    if (!core.seen[i].used || frame::is_parts(core.seen[i].instance)) continue;
    ++s.seen_origins;
    s.missing_messages += core.seen.missing(i);
  }
  s.missing_messages += assemblies_.size();
  s.held_back = 0;
  for (const auto& [origin, set] : core.ordered) s.held_back += set.count();
  s.large_partial = assemblies_.size();
  s.large_partial_bytes = 0;
  for (const LargeInfo& large : assemblies_.infos(now)) s.large_partial_bytes += large.bytes_here;
  s.origin_keys = signing_.keys();
  s.keys_no_room = signing_.no_room();
  s.unknown_key_waiting = signing_.waiting();
  s.topics = core.topics.size();
  s.topics_evicted = core.topics.evicted();
  const Timestamp oldest = losses_.oldest();
  s.oldest_missing = oldest == kNever ? Duration{0} : std::max(Duration{0}, now - oldest);
  return s;
}

std::vector<OriginInfo> Tree::Impl::origins() const {
  std::vector<OriginInfo> out;
  out.reserve(core.seen.size());
  for (OriginIndex i = 0; i < core.seen.end(); ++i) {
    const auto& origin = core.seen[i];
    if (!origin.used || frame::is_parts(origin.instance)) continue;
    OriginInfo info{origin.instance, origin.name, origin.highest, core.delivered(i), core.seen.missing(i)};
    if (const auto it = core.assembling.find(i); it != core.assembling.end()) {
      info.delivered = std::min(info.delivered, it->second.front().first - 1);
      info.missing += it->second.count();
    }
    if (const Timestamp oldest = losses_.oldest(i); oldest != kNever) info.age_s = to_seconds(std::max(Duration{0}, now_ - oldest));
    out.push_back(std::move(info));
  }
  return out;
}

Cursor Tree::Impl::position() const {
  Cursor out;
  for (OriginIndex i = 0; i < core.seen.end(); ++i) {
    const auto& origin = core.seen[i];
    if (!origin.used || frame::is_parts(origin.instance)) continue;
    if (origin.watermark > 0) out.add(origin.instance, {1, origin.watermark});
    for (const SequenceRange& range : origin.above.list()) out.add(origin.instance, range);
    for (const tree::OriginSets* waiting : {&core.undelivered, &core.ordered, &core.judging, &core.assembling}) {
      const auto it = waiting->find(i);
      if (it == waiting->end()) continue;
      for (const SequenceRange& range : it->second.list()) out.remove(origin.instance, range);
    }
  }
  for (const auto& [what, set] : overrun_) {
    for (const SequenceRange& range : set.list()) out.remove(core.seen[what.first].instance, range);
  }
  core.out.each([&](const tree::Output& output) {
    if (const auto* delivery = std::get_if<tree::Deliver>(&output)) out.remove(delivery->id.origin, delivery->range());
  });
  return out;
}

std::vector<MessageId> Tree::Impl::held_ids(bool own) const {
  const Cursor delivered = position();
  std::vector<MessageId> ids;
  std::map<InstanceId, std::vector<Sequence>> sequences;
  for (tree::Arrival a = core.store.first(); a < core.store.end(); ++a) {
    const StoredMessage* message = core.store.at(a);
    if (message == nullptr || message->is_part() || !delivered.contains(message->id) || is_former_self(message->id.origin)) continue;
    if (message->whole && message->whole->state != tree::Whole::State::complete) continue;
    const TopicConfig& policy = message->agreed->policy;
    if (message->origin == tree::kSelf && !policy.deliver_local.value_or(own)) continue;
    if (policy.max_size != 0 && !message->whole && message->payload.size() > policy.max_size) continue;
    const SequenceRange range = message->range();
    for (Sequence sequence = range.first; sequence <= range.last; ++sequence) {
      ids.push_back({message->id.origin, sequence});
      sequences[message->id.origin].push_back(sequence);
    }
  }
  for (auto& [origin, list] : sequences) std::sort(list.begin(), list.end(), std::greater<>{});
  for (MessageId& id : ids) {
    auto& list = sequences[id.origin];
    id.sequence = list.back();
    list.pop_back();
  }
  return ids;
}

std::optional<HeldMessage> Tree::Impl::held(const MessageId& id) const {
  const StoredMessage* message = core.stored(id);
  if (message == nullptr) return std::nullopt;
  const tree::Whole* whole = message->whole.get();
  Bytes payload = message->payload;
  if (message->run.count > 1) {
    frame::RunCutter cutter{message->run, message->payload};
    for (Sequence before = message->id.sequence; before < id.sequence; ++before) cutter.skip();
    payload = cutter.next();
  }
  return HeldMessage{id,             core.seen[message->origin].name,
                     message->topic, message->round, message->tree, whole != nullptr ? frame::Payload{whole->payload, whole->about.encoding, whole->about.size}
                                                      : frame::Payload{std::move(payload)}};
}

PathInfo Tree::Impl::path(const MessageId& id) const {
  PathInfo path;
  const auto origin = core.seen.find(id.origin);
  if (!origin) return path;
  path.delivered = core.is_delivered(*origin, id.sequence);
  const StoredMessage* message = core.stored(id);
  if (message == nullptr) {
    if (core.seen.contains(*origin, id.sequence)) path.state = PathInfo::State::seen;
    return path;
  }
  path.state = PathInfo::State::held;
  path.hops = message->round;
  path.published_us = message->published_us;
  path.arrived = message->arrived;
  if (message->handed != Timestamp{}) path.waited = message->handed - message->arrived;
  for (const Slot slot : core.up) {
    const PeerId peer = core.links[slot].peer;
    if (slot == message->upstream) path.from = peer;
    if ((message->sent & tree::bit(slot)) != 0) path.sent.push_back(peer);
    if ((message->known & tree::bit(slot)) != 0) path.known.push_back(peer);
  }
  return path;
}

std::vector<std::string> Tree::Impl::check_invariants() const {
  std::vector<std::string> broken;
  const auto& c = core.config;
  shape->check(broken);
  exchange_.check(broken);
  pacing_.check(broken);
  if (core.store.messages() > std::max<std::uint64_t>(1, c.sync_max_messages)) broken.emplace_back("too many messages in the store");
  if (core.store.bytes() > c.store_bytes() && core.store.messages() > 1) broken.emplace_back("too many bytes in the store");
  if (core.store.cache_messages() > core.store.messages()) broken.emplace_back("the cache is larger than the store");
  if (core.store.cache_bytes() > core.store.bytes()) broken.emplace_back("the cache has more bytes than the store");
  if (missing_.size() > tree::MissingSet::kMissingMax) broken.emplace_back("too many missing ids");
  if (core.asked_for() != missing_.pulling() + exchange_.asked()) broken.emplace_back("an id counts as asked for, but nobody was asked");
  if (core.seen.size() > std::max<std::uint32_t>(2, c.origins_max) + (core.own_parts ? 1 : 0)) broken.emplace_back("too many origins");
  if (!std::is_sorted(core.up.begin(), core.up.end())) broken.emplace_back("links out of order");
  receipts_.check(broken);
  inquiries_.check(broken);
  assemblies_.check(broken);
  for (const auto& [origin, set] : core.ordered) {
    if (!set.empty() && set.front().first <= ordered_upto(origin)) broken.emplace_back("a message waits for nothing");
  }
  for (const Slot slot : core.up) {
    const Link& link = core.links[slot];
    std::size_t ranges = 0;
    Link::each_owed(link, [&](const tree::OriginSets& sets) {
      for (const auto& [origin, set] : sets) ranges += set.ranges();
    });
    if (ranges != link.owed_ranges) broken.emplace_back("the count of owed ranges is wrong");
    if (ranges > tree::kOwedRangesMax) broken.emplace_back("too much is owed to a peer");
  }
  if (next_timeout() < timeout_now_) broken.emplace_back("a timer in the past");
  if (core.synced && !held_.empty()) broken.emplace_back("messages are held back after the first sync");
  return broken;
}

// ---- Tree

Tree::Tree(TreeConfig config, InstanceId self, std::string name, Rng rng, LogLevel log_level, const TopicConfigs& topics,
           frame::LargeTools large, frame::SignTools sign)
    : impl_(std::make_unique<Impl>(std::move(config), self, std::move(name), rng, log_level, topics, std::move(large),
                                   std::move(sign))) {}
Tree::~Tree() = default;
Tree::Tree(Tree&&) noexcept = default;
Tree& Tree::operator=(Tree&&) noexcept = default;

void Tree::start_from(TreeStart start, Timestamp now) { impl_->start_from(std::move(start), now); }
void Tree::start_alone(Timestamp now) { impl_->start_alone(now); }
void Tree::publish(Sequence sequence, std::string topic, frame::Payload payload, bool deliver_local, Timestamp now) {
  impl_->publish(sequence, std::move(topic), std::move(payload), deliver_local, now);
}
void Tree::handle_frame(PeerId from, Frame frame, Timestamp now) { impl_->handle_frame(from, std::move(frame), now); }
void Tree::peer_up(PeerId peer, PeerTraits traits, Timestamp now) { impl_->peer_up(peer, std::move(traits), now); }
void Tree::peer_down(PeerId peer, Timestamp now) { impl_->peer_down(peer, now); }
void Tree::set_rtt(PeerId peer, Duration rtt, Duration last, Duration clock_offset, Timestamp now) {
  impl_->set_rtt(peer, rtt, last, clock_offset, now);
}
void Tree::set_credit(PeerId peer, std::int64_t bytes, Timestamp now) { impl_->set_credit(peer, bytes, now); }
void Tree::set_members(const TreeMembers& members, Timestamp now) { impl_->set_members(members, now); }
void Tree::set_wall(std::int64_t wall_us, Timestamp now) { impl_->set_wall(wall_us, now); }
void Tree::origin_key(std::string_view member, const frame::OriginKey& key, bool proven, Timestamp now) {
  impl_->origin_key(member, key, proven, now);
}
bool Tree::forget_key(std::string_view member) { return impl_->forget_key(member); }
void Tree::recall_key(const frame::KeptKey& kept, Timestamp now) { impl_->recall_key(kept, now); }
bool Tree::forget_recalled_key(std::string_view member, Timestamp given) { return impl_->forget_recalled_key(member, given); }
std::vector<frame::KeptKey> Tree::keep_keys(Timestamp now) { return impl_->keep_keys(now); }
std::uint64_t Tree::keys_version() const { return impl_->keys_version(); }
void Tree::undecodable(const MessageId& id, Timestamp now) { impl_->undecodable(id, now); }
bool Tree::promote(PeerId peer, Timestamp now) {
  const auto slot = impl_->core.slot_of(peer);
  return slot && impl_->shape->promote(*slot, now);
}
std::size_t Tree::resync(std::optional<PeerId> peer, Timestamp now) { return impl_->resync(peer, now); }
std::optional<Timestamp> Tree::digest_at(PeerId peer) const {
  const auto slot = impl_->core.slot_of(peer);
  return slot ? impl_->core.links[*slot].digest_at : std::nullopt;
}
Trimmed Tree::trim(Timestamp now) { return impl_->trim(now); }
void Tree::configure(TreeConfig config, LogLevel log_level, Timestamp now) { impl_->configure(std::move(config), log_level, now); }
void Tree::pause_delivery(bool paused, Timestamp now) { impl_->pause_delivery(paused, now); }
void Tree::dropped(PeerId peer, const std::vector<MessageId>& ids, Timestamp now) { impl_->dropped(peer, ids, now); }
void Tree::validate(std::string_view topic) { impl_->core.topics.set_validated(topic); }
void Tree::judged(MessageId id, Verdict verdict, Timestamp now) { impl_->judged(id, verdict, now); }
void Tree::want_receipt(Sequence sequence, std::uint32_t acks, Duration timeout, Timestamp now) {
  impl_->want_receipt(sequence, acks, timeout, now);
}
void Tree::ask(std::uint64_t number, std::uint8_t kind, Bytes question, Duration timeout, Timestamp now) {
  impl_->ask(number, kind, std::move(question), timeout, now);
}
void Tree::answer(InstanceId origin, std::uint64_t number, Bytes text, Timestamp now) {
  impl_->answer(origin, number, std::move(text), now);
}
void Tree::handle_timeout(Timestamp now) { impl_->handle_timeout(now); }
std::optional<tree::Output> Tree::poll_output() { return impl_->poll_output(); }
Timestamp Tree::next_timeout() const { return impl_->next_timeout(); }
const TreeStats& Tree::stats(Timestamp now) { return impl_->stats(now); }
std::vector<RefusedOriginInfo> Tree::refused_origins(Timestamp now) const { return impl_->refused_origins(now); }
bool Tree::synced() const { return impl_->core.synced; }
PeerRole Tree::role(PeerId peer) const {
  const auto slot = impl_->core.slot_of(peer);
  return slot && impl_->core.links[*slot].eager ? PeerRole::eager : PeerRole::lazy;
}
PeerRole Tree::role(TreeId tree, PeerId peer) const {
  const auto slot = impl_->core.slot_of(peer);
  return slot && impl_->shape->is_eager(tree, *slot) ? PeerRole::eager : PeerRole::lazy;
}
Duration Tree::graft_timeout(PeerId peer) const {
  const auto slot = impl_->core.slot_of(peer);
  return slot ? impl_->graft_timeout(*slot) : Duration{0};
}
std::vector<Tree::View> Tree::views(Timestamp now) const { return impl_->shape->views(now); }
std::vector<OriginInfo> Tree::origins() const { return impl_->origins(); }
Cursor Tree::position() const { return impl_->position(); }
std::vector<MessageId> Tree::held_ids(bool own) const { return impl_->held_ids(own); }
std::optional<HeldMessage> Tree::held(const MessageId& id) const { return impl_->held(id); }
PathInfo Tree::path(const MessageId& id) const { return impl_->path(id); }
std::vector<LargeInfo> Tree::large(Timestamp now) const { return impl_->large(now); }
std::vector<TopicInfo> Tree::topics() const { return impl_->core.topics.infos(); }
std::vector<std::string> Tree::check_invariants() const { return impl_->check_invariants(); }

}  // namespace plumvine
