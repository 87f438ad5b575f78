// Large payloads on their way through the tree: cut into parts here, put together there. Parts are messages to all the rest.
#include <algorithm>
#include <utility>

#include "impl.hpp"

namespace plumvine {

using tree::Arrival;
using tree::Whole;

void Tree::Impl::publish_whole(StoredMessage message, const frame::Payload& payload, bool deliver_local, Timestamp now) {
  SequenceRange range{0, 0};
  if (payload.parts() > 1) {
    if (!core.own_parts) core.own_parts = core.seen.add_own(frame::parts_origin(core.self), core.name, now);
    const Sequence before = core.seen[*core.own_parts].watermark;
    range = {before + 1, before + payload.parts()};
    core.seen.heard_of(*core.own_parts, range.last, now);
    core.seen.mark(*core.own_parts, range);
  }
  message.whole = assemblies_.publish(message.id.sequence, core.own_parts.value_or(tree::kSelf), range.first, payload);
  if (range.first == 0) message.payload = payload.bytes;
  StoredMessage part = message;
  publish_stored(std::move(message), deliver_local, now);
  if (range.first == 0) return;
  part.origin = *core.own_parts;
  part.id.origin = frame::parts_origin(core.self);
  for (std::uint64_t index = 0; index < payload.parts(); ++index) {
    part.id.sequence = range.first + index;
    part.payload = payload.bytes.slice(index * frame::kPartSize, frame::kPartSize);
    agree(part, &tree::Topic::published, now);
    StoredMessage& stored = core.store.put(part);
    spread(stored, core.store.end() - 1, tree::kNoSlot, now);
  }
  pacing_.published_parts(part.whole->sequence, range.last);
}

bool Tree::Impl::admit(Slot from, OriginIndex origin, const frame::Gossip& gossip, std::shared_ptr<Whole>& whole, Timestamp now) {
  const auto refuse = [&](FrameReject why) {
    // Not its sender's fault for certain: what came first may have been wrong.
    core.stats.frames_rejected.add(why);
    return false;
  };
  if (frame::is_parts(gossip.id.origin)) {
    whole = assemblies_.find(origin, gossip.id.sequence);
    return !whole || fits(*whole, gossip.id.sequence, gossip.topic, gossip.payload) || refuse(FrameReject::part_mismatch);
  }
  if (!gossip.about) return true;
  const frame::About& about = *gossip.about;
  const tree::Topic& topic = core.topics.agreed(gossip.topic);
  const bool too_large = topic.policy.max_size != 0 && about.size > topic.policy.max_size;
  if (about.in_parts()) {
    const auto parts = origin_of(from, frame::parts_origin(gossip.id.origin), gossip.origin, now, origin);
    if (!parts) return false;
    if (!plausible(*parts, about.first) || !plausible(*parts, about.range().last)) {
      core.reject(from, FrameReject::sequence_jump);
      return false;
    }
    const bool wanted = !too_large && !is_former_self(gossip.id.origin) && !(topic.fetches() && !topic.policy.subscribe);
    auto admission = assemblies_.admit(origin, *parts, gossip, wanted, now);
    if (!admission.whole) return refuse(admission.why);
    whole = std::move(admission.whole);
  } else {
    whole = assemblies_.in_frame(origin, gossip);
    if (!whole) {
      core.reject(from, FrameReject::malformed);
      return false;
    }
    if (too_large) whole->state = Whole::State::given_up;
  }
  if (too_large) report_lost(origin, {gossip.id.sequence, gossip.id.sequence}, LossReason::too_large);
  return true;
}

bool Tree::Impl::fits(const Whole& whole, Sequence part, std::string_view topic, const Bytes& payload) {
  return payload.size() == whole.about.bytes_of(part) && topic == whole.topic;
}

void Tree::Impl::take_part(const std::shared_ptr<Whole>& whole, StoredMessage& part) {
  part.whole = whole;
  assemblies_.add(*whole, part.id.sequence, part.payload);
  if (!assemblies_.tell_progress(*whole)) return;
  const auto& origin = core.seen[whole->origin];
  core.out.push(tree::Progressed{{{origin.instance, whole->sequence}, origin.name, whole->topic, whole->bytes, whole->about.encoded_size}});
}

void Tree::Impl::gather_parts(const std::shared_ptr<Whole>& whole, Timestamp now) {
  const SequenceRange range = whole->about.range();
  const OriginIndex origin = whole->parts_origin;
  core.assembling[whole->origin].add(whole->sequence);
  core.seen.heard_of(origin, range.last, now);
  for (const Arrival arrival : parts_of(*whole)) {
    StoredMessage& part = *core.store.at(arrival);
    if (fits(*whole, part.id.sequence, part.topic, part.payload)) {
      take_part(whole, part);
    } else {
      core.stats.frames_rejected.add(FrameReject::part_mismatch);
      core.store.drop(arrival);
    }
  }
  // Seen and not here: it lies before our start, or was given up while nobody knew what it belongs to. Whoever has it is asked.
  IntervalSet again;
  for (const SequenceRange& absent : core.store.held(origin).missing_in(range)) again.add(absent);
  for (const SequenceRange& missing : core.seen.missing_in(origin, range)) again.remove(missing);
  for (const SequenceRange& part : again.list()) core.seen.unmark(origin, part);
  const bool fetches = core.topics.agreed(whole->topic).fetches();
  if (fetches) core.fetching[whole->origin].add(whole->sequence);
  for (const SequenceRange& part : fetches ? core.seen.missing_in(origin, range) : again.list()) ask_for_parts(*whole, part, now);
  if (core.seen.missing(origin) > 0) losses_.hole(origin, now);
}

void Tree::Impl::pass_by(const std::shared_ptr<Whole>& whole, Timestamp now) {
  const SequenceRange range = whole->about.range();
  assemblies_.remember(whole);
  receipts_.skipped(whole->origin, {whole->sequence, whole->sequence});
  spread_parts(*whole, now);
  if (!core.topics.agreed(whole->topic).fetches()) return;
  core.seen.heard_of(whole->parts_origin, range.last, now);
  no_longer_missing(whole->parts_origin, range);
}

std::vector<Arrival> Tree::Impl::parts_of(const Whole& whole) const {
  std::vector<Arrival> arrivals;
  if (!whole.about.in_parts()) return arrivals;
  for (const SequenceRange& held : tree::common(core.store.held(whole.parts_origin), whole.about.range())) {
    for (Sequence sequence = held.first; sequence <= held.last; ++sequence) {
      arrivals.push_back(*core.store.arrival_of(whole.parts_origin, sequence));
    }
  }
  return arrivals;
}

void Tree::Impl::complete_if_all_here(const std::shared_ptr<Whole>& whole, Timestamp now) {
  if (whole->state != Whole::State::partial || whole->parts_here < whole->about.parts()) return;
  tree::take(core.assembling, whole->origin, {whole->sequence, whole->sequence});
  if (tree::take(core.fetching, whole->origin, {whole->sequence, whole->sequence})) pacing_.progressed(whole->origin, now);
  const Arrival arrival = *core.store.arrival_of(whole->origin, whole->sequence);
  if (!assemblies_.finish(*whole)) {
    for (const Arrival part : parts_of(*whole)) core.store.drop(part);
    core.store.drop(arrival);
    return report_lost(whole->origin, {whole->sequence, whole->sequence}, LossReason::corrupt);
  }
  ++core.stats.large_completed;
  StoredMessage& message = *core.store.at(arrival);
  if (message.judging) return judge(message, now);
  deliver(message, arrival, now);
}

void Tree::Impl::give_up_whole(Whole& whole) {
  tree::take(core.assembling, whole.origin, {whole.sequence, whole.sequence});
  tree::take(core.fetching, whole.origin, {whole.sequence, whole.sequence});
  assemblies_.give_up(whole);
  refuse_askers(whole, whole.about.range());
  no_longer_missing(whole.parts_origin, whole.about.range());
}

void Tree::Impl::spread_parts(const Whole& whole, Timestamp now) {
  for (const Arrival arrival : parts_of(whole)) {
    StoredMessage& part = *core.store.at(arrival);
    if (std::exchange(part.judging, false)) spread(part, arrival, part.upstream, now);
  }
}

void Tree::Impl::hint(Slot from, const StoredMessage& part, Arrival arrival) {
  for (const Slot slot : core.up) {
    if (slot == from || core.links[slot].hint_until < now_ || core.known(part, slot)) continue;
    ++core.stats.large_hints;
    announce(slot, {arrival});
  }
}

}  // namespace plumvine
