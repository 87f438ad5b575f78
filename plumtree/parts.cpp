// Large payloads on their way through the tree: cut into parts here, put together there. Parts are messages to all the rest.
#include <algorithm>
#include <utility>

#include "impl.hpp"

namespace plumvine {

using tree::Arrival;
using tree::Whole;

void Tree::Impl::publish_parts(StoredMessage head, const frame::Payload& payload, bool deliver_local, Timestamp now) {
  head.whole = assemblies_.publish(head.id.sequence, payload);
  const auto part = [&](std::uint64_t index) {
    StoredMessage message = head;
    message.id.sequence += index;
    message.payload = payload.bytes.slice(index * frame::kPartSize, frame::kPartSize);
    agree(message, &tree::Topic::published, now);
    return message;
  };
  StoredMessage& first = core.store.put(part(0));
  const Arrival arrival = core.store.end() - 1;
  if (first.agreed->policy.deliver_local.value_or(deliver_local)) deliver(first, arrival, now);
  shape->on_first_copy(tree::kNoSlot, first, nullptr, now);
  spread(first, arrival, tree::kNoSlot, now);
  for (std::uint64_t index = 1; index < head.whole->about.parts(); ++index) {
    StoredMessage& stored = core.store.put(part(index));
    spread(stored, core.store.end() - 1, tree::kNoSlot, now);
  }
}

bool Tree::Impl::admit(OriginIndex origin, const frame::Gossip& gossip, std::shared_ptr<Whole>& whole, Timestamp now) {
  const std::uint64_t limit = core.topics.agreed(gossip.topic).policy.max_size;
  const bool too_large = gossip.part && limit != 0 && gossip.part->size > limit;
  auto admission = assemblies_.admit(origin, gossip, !too_large && !is_former_self(gossip.id.origin), now);
  if (!admission.fits) {
    // Not its sender's fault for certain: the first one to come may have been the wrong one.
    core.stats.frames_rejected.add(admission.why);
    return false;
  }
  whole = std::move(admission.whole);
  if (whole && whole->about.parts() > 1) ++core.stats.large_parts;
  if (too_large && core.seen.missing_in(origin, whole->range(), 2) == std::vector{whole->range()}) {
    report_lost(origin, whole->range(), LossReason::too_large);
  }
  return true;
}

bool Tree::Impl::take_part(Whole& whole, StoredMessage& part) {
  core.assembling[part.origin].add(part.id.sequence);
  const bool last = assemblies_.add(whole, part.id.sequence - whole.first, part.payload);
  if (assemblies_.tell_progress(whole)) {
    const auto& origin = core.seen[whole.origin];
    core.out.push(tree::Progressed{{{origin.instance, whole.first}, origin.name, whole.topic, whole.bytes, whole.about.encoded_size}});
  }
  return last;
}

std::vector<Arrival> Tree::Impl::parts_of(const Whole& whole) const {
  std::vector<Arrival> arrivals;
  for (const SequenceRange& held : tree::common(core.store.held(whole.origin), whole.range())) {
    for (Sequence sequence = held.first; sequence <= held.last; ++sequence) {
      arrivals.push_back(*core.store.arrival_of({core.seen[whole.origin].instance, sequence}));
    }
  }
  return arrivals;
}

void Tree::Impl::complete(const std::shared_ptr<Whole>& whole, Timestamp now) {
  if (whole->state != Whole::State::partial) return;  // its own last part pushed the first one out of the store
  const SequenceRange range = whole->range();
  tree::take(core.assembling, whole->origin, range);
  if (!assemblies_.finish(*whole)) {
    for (const Arrival arrival : parts_of(*whole)) core.store.drop(arrival);
    return report_lost(whole->origin, range, LossReason::corrupt);
  }
  if (whole->about.parts() > 1) ++core.stats.large_completed;
  const Arrival arrival = *core.store.arrival_of({core.seen[whole->origin].instance, whole->first});
  const StoredMessage& first = *core.store.at(arrival);
  if (first.judging) return judge(first, now);
  deliver(first, arrival, now);
}

void Tree::Impl::give_up_whole(Whole& whole) {
  const SequenceRange range = whole.range();
  tree::take(core.assembling, whole.origin, range);
  assemblies_.give_up(whole);
  core.seen.mark(whole.origin, range);
  for (const MessageId& id : missing_.drop(core.seen[whole.origin].instance, range)) core.in_flight(whole.origin).remove(id.sequence);
}

void Tree::Impl::hint(Slot from, const StoredMessage& part, Arrival arrival) {
  for (const Slot slot : core.up) {
    if (slot == from || core.links[slot].hint_until < now_ || core.known(part, slot)) continue;
    ++core.stats.large_hints;
    announce(slot, {arrival});
  }
}

}  // namespace plumvine
