// From the tree to the user: validators, order, and what waits while delivery is paused.
#include <algorithm>
#include <utility>

#include "impl.hpp"

namespace plumvine {

namespace {
using tree::Arrival;
using tree::take;
/// Clocks of links are compared to within a round trip or so: only what is further ahead is wrong.
constexpr std::int64_t kFutureMarginUs = 1'000'000;
constexpr std::int64_t kLatencyMax = std::int64_t{86400} * 1'000'000;

}  // namespace

// ---- Validators

void Tree::Impl::judge(const StoredMessage& message, Timestamp now) {
  core.judging[message.origin].add(message.id.sequence);
  core.out.push(tree::Judge{delivery_of(message, now)});
}

void Tree::Impl::judged(MessageId id, Verdict verdict, Timestamp now) {
  enter(now);
  const auto origin = core.seen.find(id.origin);
  if (!origin || !take(core.judging, *origin, {id.sequence, id.sequence})) return;  // it left the store meanwhile, and was reported
  core.stats.validations.add(verdict);
  const Arrival arrival = *core.store.arrival_of(*origin, id.sequence);
  StoredMessage& message = *core.store.at(arrival);
  if (verdict == Verdict::accept) {
    message.judging = false;
    spread(message, arrival, message.upstream, now);
    if (message.whole) spread_parts(*message.whole, now);
    deliver(message, arrival, now);
  } else {
    if (verdict == Verdict::reject && message.upstream != tree::kNoSlot) core.reject(message.upstream, FrameReject::invalid);
    receipts_.skipped(*origin, message.range());
    const std::vector<Arrival> parts = message.whole ? parts_of(*message.whole) : std::vector<Arrival>{};
    for (const Arrival part : parts) core.store.drop(part);
    core.store.drop(arrival);
  }
  release(*origin, now);
}

// ---- Order

Sequence Tree::Impl::ordered_upto(OriginIndex origin) const {
  Sequence upto = core.seen[origin].watermark;
  for (const tree::OriginSets* sets : {&core.judging, &core.assembling}) {
    if (const auto it = sets->find(origin); it != sets->end()) upto = std::min(upto, it->second.front().first - 1);
  }
  return upto;
}

void Tree::Impl::release(OriginIndex origin, Timestamp now) {
  const auto waiting = core.ordered.find(origin);
  if (waiting == core.ordered.end()) return;
  const Sequence upto = ordered_upto(origin);
  IntervalSet& set = waiting->second;
  while (!set.empty() && set.front().first <= upto) {
    // A run is waited for as a whole and is all above or all below.
    const SequenceRange free{set.front().first, std::min(set.front().last, upto)};
    set.remove(free);
    core.each_held(origin, free, [&](Arrival arrival, StoredMessage& message) {
      deliver_next(message, arrival, now);
      return true;
    });
  }
  if (set.empty()) core.ordered.erase(waiting);
}

// ---- Delivery

void Tree::Impl::deliver(StoredMessage& message, Arrival arrival, Timestamp now) {
  if (is_former_self(message.id.origin)) return;
  if (!message.agreed->policy.subscribe) return receipts_.skipped(message.origin, message.range());
  if (message.whole && message.whole->state != tree::Whole::State::complete) return;
  const std::uint64_t limit = message.agreed->policy.max_size;
  if (limit != 0 && !message.whole && message.run.count == 1 && message.payload.size() > limit) {
    return report_lost(message.origin, message.range(), LossReason::too_large);
  }
  if (message.agreed->is_fifo() && message.range().last > ordered_upto(message.origin)) {
    core.ordered[message.origin].add(message.range());
    return;
  }
  deliver_next(message, arrival, now);
}

void Tree::Impl::deliver_next(StoredMessage& message, Arrival arrival, Timestamp now) {
  if (!paused_ && backlog_.empty()) return emit(message, now);
  while (!backlog_.empty() && backlog_.front() < core.store.first()) backlog_.pop_front();
  if (message.agreed->drops() && !make_backlog_room(message)) return;
  backlog_.push_back(arrival);
  if (message.agreed->drops()) backlogs_[message.agreed->number].push_back(arrival);
  core.undelivered[message.origin].add(message.range());
}

bool Tree::Impl::make_backlog_room(const StoredMessage& message) {
  const auto waits = [&](Arrival arrival) {
    const StoredMessage* waiting = core.store.at(arrival);
    if (waiting == nullptr) return false;
    const auto it = core.undelivered.find(waiting->origin);
    return it != core.undelivered.end() && it->second.contains(waiting->id.sequence);
  };
  auto& backlog = backlogs_[message.agreed->number];
  while (!backlog.empty() && !waits(backlog.front())) backlog.pop_front();
  if (backlog.size() < message.agreed->policy.backlog) return true;
  const bool oldest = message.agreed->policy.overflow == Overflow::drop_oldest;
  const StoredMessage& victim = oldest ? *core.store.at(backlog.front()) : message;
  overrun(victim.origin, victim.range(), LossReason::dropped);
  if (!oldest) return false;
  take(core.undelivered, victim.origin, victim.range());
  backlog.pop_front();
  return true;
}

tree::Deliver Tree::Impl::delivery_of(const StoredMessage& message, Timestamp now) const {
  tree::Deliver out;
  out.id = message.id;
  out.run = message.run;
  out.origin = core.seen[message.origin].name;
  out.topic = message.topic;
  out.round = message.round;
  out.payload = message.whole ? message.whole->payload : message.payload;
  out.encoding = message.whole ? message.whole->about.encoding : frame::Encoding::plain;
  out.size = message.whole ? message.whole->about.size : message.payload.size();
  if (message.origin != tree::kSelf) {
    out.latency = std::chrono::microseconds{std::clamp<std::int64_t>(now.ns / 1000 - message.published_us, 0, kLatencyMax)};
  }
  return out;
}

void Tree::Impl::note_future(const StoredMessage& message, Timestamp now) {
  const std::int64_t ahead_us = message.published_us - now.ns / 1000;
  if (ahead_us <= kFutureMarginUs) return;
  core.stats.from_future += message.run.count;
  const std::string& origin = core.seen[message.origin].name;
  core.log(LogLevel::warn, "PV1308",
           "Message " + to_string(message.id) + " of " + origin + " says that it was published " + std::to_string(ahead_us / 1000) + " ms from now",
           {{"message", to_string(message.id)}, {"origin", origin}});
}

void Tree::Impl::emit(StoredMessage& message, Timestamp now) {
  tree::Deliver out = delivery_of(message, now);
  message.handed = now;
  if (message.origin != tree::kSelf) {
    if (!message.topic.starts_with('_')) core.stats.delivered += message.run.count;
    core.stats.message_hops.observe(message.round, message.run.count);
    core.stats.delivery_latency.observe(to_seconds(out.latency), message.run.count);
    receipts_.delivered(message.id.origin, message.range(), now);
    note_future(message, now);
  }
  core.out.push(std::move(out));
}

void Tree::Impl::undecodable(const MessageId& id, Timestamp now) {
  enter(now);
  const auto origin = core.seen.find(id.origin);
  if (origin) report_lost(*origin, {id.sequence, id.sequence}, LossReason::corrupt);
}

void Tree::Impl::pause_delivery(bool paused, Timestamp now) {
  enter(now);
  paused_ = paused;
}

void Tree::Impl::deliver_backlog() {
  // One at a time, so that delivery can be paused again in between.
  for (const auto& [what, set] : std::exchange(overrun_, {})) {
    for (const SequenceRange& range : set.list()) report_lost(what.first, range, what.second);
  }
  while (!backlog_.empty()) {
    const Arrival arrival = backlog_.front();
    StoredMessage* message = core.store.at(arrival);
    backlog_.pop_front();
    if (message == nullptr || !take(core.undelivered, message->origin, message->range())) continue;
    emit(*message, now_);
    pacing_.progressed(message->origin, now_);
    break;
  }
  if (backlog_.empty()) backlogs_.clear();
}

void Tree::Impl::on_evicted(const StoredMessage& message) {
  const SequenceRange range = message.range();
  if (message.origin == tree::kSelf && core.dead_members > 0) core.stats.partitioned += message.run.count;
  if (message.agreed->policy.overflow == Overflow::hold) take(core.held_for_all, message.origin, range);
  if (message.agreed->unpaced()) take(core.unpaced, message.origin, range);
  // What has lost a part is lost.
  if (message.whole && message.whole->state == tree::Whole::State::partial) {
    tree::Whole& whole = *message.whole;
    give_up_whole(whole);
    unblocked_.insert(whole.origin);
    return overrun(whole.origin, {whole.sequence, whole.sequence}, LossReason::incomplete);
  }
  if (message.is_part()) return;
  if (message.whole) assemblies_.forget(*message.whole);
  if (take(core.ordered, message.origin, range)) return overrun(message.origin, range, LossReason::held_back);
  if (take(core.undelivered, message.origin, range) || take(core.judging, message.origin, range)) {
    unblocked_.insert(message.origin);
    overrun(message.origin, range, LossReason::slow_consumer);
  }
}

}  // namespace plumvine
