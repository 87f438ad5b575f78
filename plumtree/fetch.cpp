// Large payloads of topics whose parts only subscribers get. Nobody pushes or announces such a part. A subscriber asks the neighbour
// that brought the message; who has not got the part asks on in the same direction, towards the publisher, and hands it on as it comes.
#include <algorithm>
#include <utility>

#include "impl.hpp"

namespace plumvine {

using tree::Arrival;
using tree::Slot;
using tree::Whole;

bool Tree::Impl::ask_for_parts(const Whole& whole, SequenceRange range, Timestamp now) {
  const StoredMessage* message = core.store.find(whole.origin, whole.sequence);
  const bool one_way = message != nullptr && message->agreed->fetches() && message->upstream != tree::kNoSlot;
  std::vector<Slot> whom = one_way ? std::vector{message->upstream} : core.up;
  std::erase_if(whom, [&](Slot slot) { return whole.askers.contains(slot); });
  for (const Slot slot : whom) {
    exchange_.offer(slot, whole.parts_origin, range);
    exchange_.schedule(slot, now);
  }
  if (core.seen.missing(whole.parts_origin) > 0) losses_.hole(whole.parts_origin, now);
  return !whom.empty();
}

SequenceRange Tree::Impl::take_order(Slot from, OriginIndex origin, SequenceRange range, Timestamp now) {
  const auto whole = assemblies_.find(origin, range.first);
  if (!whole || !core.topics.agreed(whole->topic).fetches()) return {1, 0};
  const StoredMessage* message = core.store.find(whole->origin, whole->sequence);
  // Whom we would ask ourselves is not made to wait for us.
  if (message == nullptr || message->upstream == from || exchange_.asks(from, origin, range.first)) return {1, 0};
  range.last = std::min(range.last, whole->about.range().last);
  whole->askers[from].add(range);
  if (whole->state == Whole::State::partial) return range;
  IntervalSet wanted;
  wanted.add(range);
  for (const SequenceRange& held : tree::common(core.store.held(origin), range)) wanted.remove(held);
  for (const SequenceRange& missing : core.seen.missing_in(origin, range)) wanted.remove(missing);  // asked for already
  for (const SequenceRange& part : wanted.list()) {
    core.seen.unmark(origin, part);
    if (ask_for_parts(*whole, part, now)) continue;
    core.seen.mark(origin, part);
    refuse_askers(*whole, part);
  }
  return range;
}

void Tree::Impl::hand_on(StoredMessage& part, Arrival arrival, Timestamp now) {
  const auto whole = part.whole ? part.whole : assemblies_.find(part.origin, part.id.sequence);
  if (!whole) return;
  std::vector<Slot> to;
  for (auto it = whole->askers.begin(); it != whole->askers.end();) {
    if (it->second.remove(part.range()) > 0) to.push_back(it->first);
    it = it->second.empty() ? whole->askers.erase(it) : std::next(it);
  }
  if (!to.empty()) push(part, arrival, to, true, now);
}

void Tree::Impl::cannot_fetch(OriginIndex origin, SequenceRange range) {
  for (const auto& whole : assemblies_.overlapping(origin, range)) {
    if (whole->state == Whole::State::partial) continue;
    for (const SequenceRange& part : core.seen.missing_in(origin, {std::max(range.first, whole->about.first), std::min(range.last, whole->about.range().last)})) {
      no_longer_missing(origin, part);  // nobody here wants it
      refuse_askers(*whole, part);
    }
  }
}

void Tree::Impl::refuse_askers(Whole& whole, SequenceRange range) {
  for (auto it = whole.askers.begin(); it != whole.askers.end();) {
    tree::IdLists gone;
    for (const SequenceRange& part : tree::common(it->second, range)) gone.add(core.seen[whole.parts_origin].instance, part);
    it->second.remove(range);
    for (auto& list : gone.take()) core.send(it->first, frame::Gone{std::move(list)});
    it = it->second.empty() ? whole.askers.erase(it) : std::next(it);
  }
}

void Tree::Impl::asker_down(Slot slot, Timestamp now) {
  assemblies_.each([&](const std::shared_ptr<Whole>& whole) {
    whole->askers.erase(slot);
    if (!core.topics.agreed(whole->topic).fetches()) return;
    for (const SequenceRange& part : core.seen.missing_in(whole->parts_origin, whole->about.range())) ask_for_parts(*whole, part, now);
  });
}

}  // namespace plumvine
