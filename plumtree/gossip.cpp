#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include <plumvine/detail/check.hpp>

#include "impl.hpp"

namespace plumvine {

namespace {
using std::chrono::milliseconds;
using tree::Arrival;

/// Announcements wait so long for company at most while there is little load.
constexpr Duration kFlush = milliseconds{5};
/// The second lane is cut at so many; it is sent early instead.
constexpr std::size_t kSecondLaneMax = 4096;
/// What a payload costs a link besides its bytes.
constexpr std::int64_t kOverhead = 64;
/// One origin gets so much of a link in its turn.
constexpr std::uint64_t kTurnBytes = 64 * 1024;
constexpr std::size_t kHeldMax = 4096;
constexpr std::uint64_t kHeldBytesMax = 16 << 20;
constexpr std::int64_t kTimeMax = std::int64_t{1} << 60;

std::int64_t micros(Timestamp now) { return now.ns / 1000; }

/// Which end of a link announces an id first. Blocks of 64 sequences go the same way, so that announcements
/// stay ranges; the measured rule drew for each id.
std::uint64_t turn(InstanceId node, const MessageId& id) {
  return mix64(static_cast<std::uint64_t>(node) ^ mix64(static_cast<std::uint64_t>(id.origin) + (id.sequence >> 6)));
}
}  // namespace

// ---- Payloads

void Tree::Impl::publish(Sequence sequence, std::string topic, frame::Payload payload, bool deliver_local, Timestamp now) {
  enter(now);
  PLUMVINE_CHECK(sequence == core.seen[tree::kSelf].watermark + 1, "own sequences have no gaps");
  StoredMessage message;
  message.id = {core.self, sequence};
  message.run = payload.run;
  if (!topic.starts_with('_')) core.stats.broadcast += message.run.count;
  observe_sizes(message.run, payload.bytes, payload.size);
  core.seen.heard_of(tree::kSelf, message.range().last, now);
  core.seen.mark(tree::kSelf, message.range());
  message.origin = tree::kSelf;
  message.tree = shape->tree_to_publish(now);
  message.published_us = micros(now);
  message.arrived = now;
  message.topic = std::move(topic);
  if (payload.encoding != frame::Encoding::plain) {
    core.stats.compression_bytes_in += payload.size;
    core.stats.compression_bytes_saved += payload.size - payload.bytes.size();
  }
  if (payload.parts() > 1 || payload.encoding != frame::Encoding::plain) {
    publish_whole(std::move(message), payload, deliver_local, now);
  } else {
    message.payload = std::move(payload.bytes);
    publish_stored(std::move(message), deliver_local, now);
  }
  pacing_.published(now);
}

void Tree::Impl::publish_stored(StoredMessage message, bool deliver_local, Timestamp now) {
  agree(message, &tree::Topic::published, now);
  StoredMessage& stored = core.store.put(std::move(message));
  const Arrival arrival = core.store.end() - 1;
  if (stored.agreed->policy.deliver_local.value_or(deliver_local)) deliver(stored, arrival, now);
  shape->on_first_copy(tree::kNoSlot, stored, nullptr, now);
  spread(stored, arrival, tree::kNoSlot, now);
}

void Tree::Impl::observe_sizes(const frame::Run& run, const Bytes& bytes, std::uint64_t size) {
  if (run.count == 1) return core.stats.message_size.observe(static_cast<double>(size));
  frame::RunCutter cutter{run, bytes};
  if (run.alike) return core.stats.message_size.observe(static_cast<double>(cutter.size()), run.count);
  for (; !cutter.done(); cutter.skip()) core.stats.message_size.observe(static_cast<double>(cutter.size()));
}

void Tree::Impl::on_gossip(Slot from, frame::Gossip&& gossip, Timestamp now) {
  if (gossip.id.sequence == 0) return core.reject(from, FrameReject::malformed);
  if (gossip.run.count == 1 && gossip.payload.size() > core.config.max_message_size) return core.reject(from, FrameReject::too_large);
  if (frame::publisher_of(gossip.id.origin) == core.self) {
    const auto own = core.seen.find(gossip.id.origin);
    if (!own || gossip.range().last > core.seen[*own].watermark) return core.reject(from, FrameReject::unexpected);
    return on_copy(from, *own, gossip, now);
  }
  if (!core.synced) {
    // Nothing is delivered before we know where we start; a digest brings again what does not fit here.
    if (held_.size() >= kHeldMax || held_bytes_ + gossip.payload.size() > kHeldBytesMax) {
      core.stats.frames_rejected.add(FrameReject::unexpected);
      return;
    }
    held_bytes_ += gossip.payload.size();
    held_.emplace_back(from, std::move(gossip));
    return;
  }
  if (!authentic(from, gossip, now)) return;
  const auto origin = origin_of(from, gossip.id.origin, gossip.origin, now);
  if (!origin) return;
  const SequenceRange range = gossip.range();
  if (!plausible(*origin, range.last)) return core.reject(from, FrameReject::sequence_jump);
  core.links[from].note_claim(*origin, range.last);
  const tree::Topic& agreed = core.topics.agreed(gossip.topic);
  if (!gossip.pulled) {
    const Priority lane = core.lane_of(agreed, frame::is_parts(gossip.id.origin));
    core.flows(*origin)[static_cast<std::size_t>(lane)] = {range.last, now, from};
  }
  const bool asked = exchange_.arrived(*origin, range, now);
  if (core.seen.is_missing(*origin, range) && (gossip.run.count == 1 || takes_run(gossip.topic, agreed))) {
    first_copy(from, *origin, std::move(gossip), asked, now);
  } else if (gossip.run.count == 1 || core.seen.missing_in(*origin, range, 1).empty()) {
    on_copy(from, *origin, gossip, now);
  } else {
    take_apart(from, *origin, gossip, asked, now);
  }
  if (exchange_.next_timeout() <= now) exchange_.handle_timeout(now);
}

bool Tree::Impl::takes_run(std::string_view topic, const tree::Topic& agreed) {
  return agreed.takes_runs() && !topic.starts_with('_');
}

void Tree::Impl::take_apart(Slot from, OriginIndex origin, const frame::Gossip& run, bool asked, Timestamp now) {
  frame::Gossip one = run;
  one.run = {};
  std::optional<frame::RunProofs> proofs;
  if (run.signature && signing_.can_cut()) proofs.emplace(signing_.tools(), run);
  if (proofs && !proofs->good()) return refuse_origin(from, run, OriginRefused::bad_signature, now, Fault::origin);
  std::uint32_t index = 0;
  for (frame::RunCutter cutter{run.run, run.payload}; !cutter.done(); ++one.id.sequence) {
    one.payload = cutter.next();
    const std::uint32_t at = index++;
    if (core.seen.contains(origin, one.id.sequence)) continue;
    if (proofs) one.signature = proofs->of(at);
    first_copy(from, origin, frame::Gossip{one}, asked, now);
  }
}

void Tree::Impl::on_copy(Slot from, OriginIndex origin, const frame::Gossip& gossip, Timestamp now) {
  core.stats.duplicate += gossip.run.count;
  const SequenceRange range = gossip.range();
  for (Sequence sequence = range.first; sequence <= range.last;) {
    const auto arrival = core.store.arrival_of(origin, sequence);
    if (!arrival) {
      ++sequence;
      continue;
    }
    StoredMessage& message = *core.store.at(*arrival);
    sequence = message.range().last + 1;
    if (tree::covers(range, message.range())) core.mark_known(message, *arrival, from);
    if (!gossip.pulled && message.announced != Timestamp{}) {
      // The tree's own copy comes after the pulled one: so late was the tree.
      sample_lateness(now - std::exchange(message.announced, Timestamp{}));
    }
  }
  if (gossip.pulled) return;
  if (frame::is_parts(gossip.id.origin)) core.links[from].hint_until = now + tree::kHintFor;
  shape->on_duplicate(from, gossip.tree, now);
}

void Tree::Impl::first_copy(Slot from, OriginIndex origin, frame::Gossip&& gossip, bool asked, Timestamp now) {
  std::shared_ptr<tree::Whole> whole;
  if (!admit(from, origin, gossip, whole, now)) {
    if (auto* asked_for = missing_.find(gossip.id)) asked_for->target = tree::kNoSlot;
    return;
  }
  const SequenceRange range = gossip.range();
  const auto entry = missing_.take(gossip.id.origin, range);
  core.seen.heard_of(origin, range.last, now);
  core.seen.mark(origin, range);
  if (core.seen.missing(origin) > 0) losses_.hole(origin, now);

  StoredMessage message;
  message.id = gossip.id;
  message.origin = origin;
  message.round = gossip.round;
  message.upstream = from;
  message.tree = gossip.tree;
  message.published_us = core.links[from].measured ? std::clamp(gossip.published_us, -kTimeMax, kTimeMax) - core.links[from].offset_us
                                                   : now.ns / 1000;
  message.arrived = now;
  message.topic = std::move(gossip.topic);
  message.run = gossip.run;
  message.signature = std::move(gossip.signature);
  message.payload = std::move(gossip.payload);
  if (entry) {
    for (const auto& announcer : entry->announcers) message.known |= tree::bit(announcer.slot);
    if (gossip.pulled) {
      message.announced = entry->first;
    } else {
      sample_lateness(now - entry->first);
    }
    if (entry->tries > 0) {
      ++core.stats.graft_success;
      core.stats.graft_latency.observe(to_seconds(now - entry->asked));
    }
  }
  if (const Duration least = shape->least_lateness(); !entry && core.late > least) core.late -= (core.late - least) / 256;  // nobody was earlier
  if (asked && gossip.pulled) core.stats.sync_recovered += message.run.count;
  if (message.is_part()) {
    ++core.stats.large_parts;
    if (whole && whole->state == tree::Whole::State::partial) take_part(whole, message);
  } else {
    message.whole = whole;
    observe_sizes(message.run, message.payload, whole ? whole->about.size : message.payload.size());
  }
  agree(message, &tree::Topic::received, now);
  // What will not be judged here is left to others.
  message.judging = message.agreed->validated && !(whole && whole->state == tree::Whole::State::given_up);

  StoredMessage& stored = core.store.put(std::move(message));
  const Arrival arrival = core.store.end() - 1;
  core.mark_known(stored, arrival, from);
  if (entry) {
    for (const auto& announcer : entry->announcers) core.mark_known(stored, arrival, announcer.slot);
  }
  shape->on_first_copy(from, stored, entry ? &*entry : nullptr, now);
  const std::uint64_t bytes = stored.payload.size();
  if (stored.is_part()) hint(from, stored, arrival);
  if (!stored.judging) spread(stored, arrival, from, now);
  if (whole && whole->about.in_parts()) {
    if (!stored.is_part()) {
      if (whole->state == tree::Whole::State::partial) {
        gather_parts(whole, now);
      } else {
        pass_by(whole, now);
      }
    }
    complete_if_all_here(whole, now);
    release(whole->origin, now);
  } else if (!stored.is_part()) {
    if (stored.judging) {
      judge(stored, now);
    } else {
      deliver(stored, arrival, now);
    }
    release(origin, now);
  }
  pacing_.received(origin, from, range.last - range.first + 1, bytes, !gossip.pulled, now);
}

void Tree::Impl::agree(StoredMessage& message, std::uint64_t tree::Topic::*count, Timestamp now) {
  tree::Topic& topic = core.topics.use(message.topic, now);
  if (!message.is_part()) topic.*count += message.run.count;
  message.agreed = &core.topics.agreed(message.topic);
  if (message.agreed->policy.overflow == Overflow::hold) core.held_for_all[message.origin].add(message.range());
  if (message.agreed->unpaced()) core.unpaced[message.origin].add(message.range());
}

void Tree::Impl::spread(StoredMessage& message, Arrival arrival, Slot from, Timestamp now) {
  if (message.fetched()) return hand_on(message, arrival, now);
  const std::vector<Slot>& eager = shape->eager(message.tree, now);
  push(message, arrival, eager, false, now);
  if (eager.size() == core.up.size()) return;
  std::size_t lazy = 0;
  for (const Slot slot : core.up) {
    if (slot == from || std::binary_search(eager.begin(), eager.end(), slot)) continue;
    if (core.config.max_lazy_peers != 0 && lazy++ >= core.config.max_lazy_peers) break;
    if (!shape->one_way() || !core.known(message, slot)) announce_later(slot, message, arrival, now);
  }
}

frame::Gossip Tree::Impl::gossip_of(StoredMessage& message, bool pulled) {
  frame::Gossip gossip;
  gossip.tree = message.tree;
  gossip.id = message.id;
  gossip.run = message.run;
  gossip.round = message.round == UINT16_MAX ? message.round : static_cast<Round>(message.round + 1);
  gossip.published_us = message.published_us;
  gossip.pulled = pulled;
  gossip.topic = message.topic;
  gossip.origin = core.seen[message.origin].name;
  if (message.whole && !message.is_part()) gossip.about = message.whole->about;
  gossip.payload = message.payload;
  // Signed when it first leaves, so that the many parts of a payload do not all cost at once.
  if (!message.signature && signing_.judges() && core.is_own(message.origin)) {
    message.signature = frame::sign(signing_.tools(), gossip, signing_.wall_us(Timestamp{message.published_us * 1000}));
    ++core.stats.signed_frames;
  }
  gossip.signature = message.signature;
  return gossip;
}

void Tree::Impl::push(StoredMessage& message, Arrival arrival, const std::vector<Slot>& to, bool pulled, Timestamp now) {
  std::vector<PeerId> with_room;
  std::vector<PeerId> without_room;
  const Priority lane = core.lane_of(message, pulled);
  for (const Slot slot : to) {
    Link& link = core.links[slot];
    if (!pulled && (core.known(message, slot) || message.fetched())) continue;
    const bool room = link.has_credit(lane);
    if (!room && !without_credit(link, message, pulled, now)) continue;
    if (room && link.limited) link.credit -= static_cast<std::int64_t>(message.payload.size()) + kOverhead;
    message.sent |= tree::bit(slot);
    link.marked_from = std::min(link.marked_from, arrival);
    (room ? with_room : without_room).push_back(link.peer);
  }
  core.stats.gossip_sent += (with_room.size() + without_room.size()) * message.run.count;
  const auto send = [&](std::vector<PeerId> peers, std::optional<Overflow> no_room) {
    if (peers.empty()) return;
    const tree::Topic& topic = *message.agreed;
    frame::Gossip gossip = gossip_of(message, pulled);
    // Who does not know signatures would pass over the whole frame.
    const auto bare = !gossip.signature ? peers.end() : std::stable_partition(peers.begin(), peers.end(), [&](PeerId peer) {
      return core.links[*core.slot_of(peer)].traits.reads_signed;
    });
    if (bare != peers.end()) {
      frame::Gossip plain = gossip;
      plain.signature = {};
      core.out.push(tree::Send{{bare, peers.end()}, std::move(plain), lane, topic.number, no_room});
      peers.erase(bare, peers.end());
    }
    if (!peers.empty()) core.out.push(tree::Send{std::move(peers), std::move(gossip), lane, topic.number, no_room});
  };
  send(std::move(with_room), {});
  send(std::move(without_room), message.agreed->policy.overflow);
}

bool Tree::Impl::without_credit(Link& link, const StoredMessage& message, bool pulled, Timestamp now) {
  if (link.choked == kNever) link.choked = now;
  if (pulled) {
    owe(link, link.owed_pulls, message);
    return false;
  }
  if (message.agreed->drops()) return true;
  const TopicConfig& policy = message.agreed->policy;
  if (policy.overflow == Overflow::disconnect && now - link.choked >= core.config.lag_grace) {
    core.out.push(tree::TooSlow{link.peer, message.topic});
    link.choked = now;  // said once
  }
  owe(link, link.owed[static_cast<std::size_t>(policy.priority)], message);
  return false;
}

void Tree::Impl::want_receipt(Sequence sequence, std::uint32_t acks, Duration timeout, Timestamp now) {
  enter(now);
  receipts_.want(sequence, acks, timeout, now);
}

void Tree::Impl::ask(std::uint64_t number, std::uint8_t kind, Bytes question, Duration timeout, Timestamp now) {
  enter(now);
  inquiries_.ask(number, kind, std::move(question), timeout, now);
}

void Tree::Impl::answer(InstanceId origin, std::uint64_t number, Bytes text, Timestamp now) {
  enter(now);
  inquiries_.answer(origin, number, std::move(text), now);
}

void Tree::Impl::dropped(PeerId peer, const std::vector<MessageId>& ids, Timestamp now) {
  enter(now);
  const auto slot = core.slot_of(peer);
  if (!slot) return;
  core.stats.gossip_sent -= ids.size();
  for (const MessageId& id : ids) {
    StoredMessage* message = core.stored(id);
    if (message == nullptr) continue;
    message->sent &= ~tree::bit(*slot);
    owe(core.links[*slot], core.links[*slot].dropped, *message);
  }
}

// ---- What is owed for lack of credit

void Tree::Impl::owe(Link& link, tree::OriginSets& owed, const StoredMessage& message) {
  auto& set = owed[message.origin];
  const std::size_t before = set.ranges();
  if (link.owed_ranges >= tree::kOwedRangesMax && !(before > 0 && set.back().last + 1 == message.range().first)) {
    link.owed_overflow = true;
    if (set.empty()) owed.erase(message.origin);
    return;
  }
  set.add(message.range());
  link.owed_ranges += set.ranges() - before;
}

void Tree::Impl::set_credit(PeerId peer, std::int64_t bytes, Timestamp now) {
  enter(now);
  const auto slot = core.slot_of(peer);
  if (!slot) return;
  Link& link = core.links[*slot];
  link.limited = true;
  link.credit = bytes;
  link.credit_max = std::max(link.credit_max, bytes);
  if (bytes <= 0) return;
  link.choked = kNever;
  if (link.owes()) drain(*slot, now);
}

void Tree::Impl::drain(Slot slot, Timestamp now) {
  Link& link = core.links[slot];
  std::vector<Arrival> announced;
  const bool done = drain_set(slot, link.owed_pulls, true, INT64_MIN, announced, now) && drain_owed(slot, announced, now);
  // Payloads of topics that drop, which gave way while there was no room, are announced: who still wants one pulls it.
  for (const auto& [origin, set] : link.dropped) {
    for (const SequenceRange& range : set.list()) {
      for (const SequenceRange& held : tree::common(core.store.held(origin), range)) {
        core.each_held(origin, held, [&](Arrival arrival, StoredMessage&) {
          announced.push_back(arrival);
          return true;
        });
      }
    }
    link.owed_ranges -= set.ranges();
  }
  link.dropped.clear();
  if (!announced.empty()) announce(slot, announced);
  if (done && std::exchange(link.owed_overflow, false)) send_digest({slot}, false, now);
}

bool Tree::Impl::drain_owed(Slot slot, std::vector<Arrival>& announced, Timestamp now) {
  Link& link = core.links[slot];
  std::int64_t weights = 0;
  for (std::size_t lane = 0; lane < tree::kPriorities; ++lane) weights += link.owed[lane].empty() ? 0 : tree::kWeights[lane];
  if (weights == 0) return true;
  // Each lane its share first, the lowest before the others use up the credit; in the send queue those overtake it. Then
  // what is left over, in order of priority.
  const std::int64_t share = std::max<std::int64_t>(0, link.credit) / weights;
  for (std::size_t lane = tree::kPriorities; lane-- > 0;) {
    drain_set(slot, link.owed[lane], false, link.credit - share * tree::kWeights[lane], announced, now);
  }
  bool done = true;
  for (tree::OriginSets& owed : link.owed) done = drain_set(slot, owed, false, INT64_MIN, announced, now) && done;
  return done;
}

bool Tree::Impl::drain_set(Slot slot, tree::OriginSets& owed, bool pulls, std::int64_t floor, std::vector<Arrival>& announced,
                           Timestamp now) {
  Link& link = core.links[slot];
  while (!owed.empty()) {
    // Origins in turn, so that nobody's backlog keeps the others waiting.
    auto it = owed.upper_bound(link.served);
    if (it == owed.end()) it = owed.begin();
    link.served = it->first;
    if (!drain_turn(slot, it->first, it->second, pulls, floor, announced, now)) return false;
    if (it->second.empty()) owed.erase(it);
  }
  return true;
}

bool Tree::Impl::drain_turn(Slot slot, OriginIndex origin, IntervalSet& set, bool pulls, std::int64_t floor,
                            std::vector<Arrival>& announced, Timestamp now) {
  Link& link = core.links[slot];
  const auto cut = [&](SequenceRange done) {
    const std::size_t before = set.ranges();
    if (done.first <= done.last) set.remove(done);
    link.owed_ranges = link.owed_ranges + set.ranges() - before;
  };
  std::uint64_t pushed = 0;
  while (!set.empty()) {
    const SequenceRange front = set.front();
    for (const SequenceRange& held : tree::common(core.store.held(origin), front)) {
      bool room = true;
      const bool all = core.each_held(origin, held, [&](Arrival arrival, StoredMessage& message) {
        room = link.has_credit(core.lane_of(message, pulls)) && (!link.limited || link.credit > floor);
        if (!room || pushed >= kTurnBytes) {
          cut({front.first, message.range().first - 1});
          return false;
        }
        if (!pulls && core.known(message, slot)) return true;
        if (pulls || shape->is_eager(message.tree, slot)) {
          pushed += message.payload.size() + static_cast<std::uint64_t>(kOverhead);
          push(message, arrival, {slot}, pulls, now);
        } else {
          announced.push_back(arrival);
        }
        return true;
      });
      if (!all) return room;
    }
    cut(front);
  }
  return true;
}

// ---- Announcements

void Tree::Impl::announce_later(Slot slot, const StoredMessage& message, Arrival arrival, Timestamp now) {
  using Lane = tree::LazyQueue::Lane;
  lazy_at_.reset();
  Link& link = core.links[slot];
  const Duration flush = std::min(kFlush, core.config.ihave_interval);
  if (shape->one_way() && turn(core.self, message.id) > turn(link.traits.instance, message.id)) {
    // The other end announces first. Wait for it, and longer than payloads mostly differ at two ends, or both announce.
    link.lazy.push(Lane::second, arrival, now + 2 * flush + link.rtt * 3 / 2);
    if (link.lazy.size(Lane::second) > kSecondLaneMax) flush_lazy(slot, kNever);
    return;
  }
  link.lazy.push(Lane::first, arrival, now + flush);
  if (link.lazy.size(Lane::first) >= std::max<std::uint32_t>(1, core.config.ihave_batch_size)) flush_lazy(slot, now + flush);
}

void Tree::Impl::flush_lazy(Slot slot, Timestamp upto) {
  std::vector<Arrival> arrivals;
  lazy_at_.reset();
  arrivals.reserve(core.links[slot].lazy.size());
  core.links[slot].lazy.take(upto, [&](Arrival arrival) { arrivals.push_back(arrival); });
  announce(slot, arrivals);
}

void Tree::Impl::announce(Slot slot, const std::vector<Arrival>& arrivals) {
  using Key = std::tuple<TreeId, Round, OriginIndex, Sequence, Sequence>;
  std::vector<Key> keys;
  keys.reserve(arrivals.size());
  for (const Arrival arrival : arrivals) {
    const StoredMessage* message = core.store.at(arrival);
    if (message == nullptr || message->fetched() || (shape->one_way() && core.known(*message, slot))) continue;
    if (((message->sent) & tree::bit(slot)) != 0) continue;
    const Round round = shape->one_way() || message->round == UINT16_MAX ? Round{0} : static_cast<Round>(message->round + 1);
    keys.emplace_back(message->tree, round, message->origin, message->range().first, message->range().last);
  }
  std::sort(keys.begin(), keys.end());
  const auto same_frame = [](const Key& a, const Key& b) {
    return std::get<0>(a) == std::get<0>(b) && std::get<1>(a) == std::get<1>(b);
  };
  for (auto from = keys.begin(); from != keys.end();) {
    const auto to = std::find_if(from, keys.end(), [&](const Key& key) { return !same_frame(*from, key); });
    tree::IdLists lists;
    for (auto it = from; it != to; ++it) {
      lists.add(core.seen[std::get<2>(*it)].instance, {std::get<3>(*it), std::get<4>(*it)});
    }
    for (auto& ids : lists.take()) {
      std::uint64_t count = 0;
      for (const auto& list : ids) {
        for (const auto& range : list.ranges) count += range.last - range.first + 1;
      }
      ++core.stats.ihave_sent;
      core.stats.ihave_batch.observe(static_cast<double>(count));
      core.send(slot, frame::IHave{std::get<0>(*from), std::move(ids), std::get<1>(*from)});
    }
    from = to;
  }
}

void Tree::Impl::sample_lateness(Duration late) {
  // A running 90th percentile by steps: up 9, down 1.
  core.measured_lateness = true;
  if (late > core.late) {
    core.late = std::min(core.late + milliseconds{9}, late);
  } else {
    core.late = std::max(core.late - milliseconds{1}, Duration{0});
  }
}

}  // namespace plumvine
