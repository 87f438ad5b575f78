#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "impl.hpp"

namespace plumvine {

namespace {
using std::chrono::milliseconds;
using std::chrono::seconds;
using tree::Arrival;
using tree::MissingSet;

/// Shortest wait for an announced message, and what an answer may take besides the round trip.
constexpr Duration kPullFloor = milliseconds{5};
constexpr Duration kAnswerFloor = milliseconds{10};
/// Pulls hurry for so long after an eager link broke.
constexpr Duration kAfterReset = milliseconds{500};
/// Announcements of more unknown ids than this in one frame are left to bulk pulls.
constexpr std::uint64_t kTimedMax = 64;
/// So many pulls in a row go to the nearest announcer, before the next one gets its share.
constexpr std::size_t kPullShare = 4;
/// Known ids are looked up one by one in ranges up to this length.
constexpr std::uint64_t kMarkedMax = 4096;
/// Payloads sent in answer to one frame.
constexpr std::size_t kAnswerMax = 1024;
constexpr std::size_t kGoneRangesMax = 1024;
constexpr Duration kReplyInterval = milliseconds{100};
constexpr Duration kAskInterval = milliseconds{500};
/// A start taken from an unsynced neighbour may be corrected by a synced one for so long.
constexpr Duration kProvisional = seconds{20};
/// A digest is cut into frames of so many entries and bytes.
constexpr std::size_t kDigestEntries = 512;
constexpr std::size_t kDigestBytes = 32 * 1024;
constexpr std::size_t kDigestRanges = 64;
constexpr std::size_t kDigestRangesTotal = 2048;
/// So much is pushed to a new child at most.
constexpr std::size_t kPushMessages = 64;
constexpr std::size_t kPushBytes = 256 * 1024;
}  // namespace

// ---- Announcements and single pulls

Duration Tree::Impl::graft_timeout(Slot slot) const {
  // The paper's rule has one fixed time (section 3.7): its trees are shaped by grafts, and early ones make them deep.
  const Duration measured = shape->one_way() ? core.late * 11 / 10 + core.links[slot].rtt / 2 : core.config.graft_timeout;
  // Just after a reset nothing else may bring it, and waiting costs more than a copy too many.
  const bool alone = shape->one_way() && now_ - reset_at_ < kAfterReset;
  return std::min(std::max(alone ? core.links[slot].rtt / 2 : measured, kPullFloor), core.config.graft_timeout);
}
Duration Tree::Impl::pull_delay(Slot slot, TreeId tree) {
  const Duration delay = std::min(graft_timeout(slot), std::max(shape->patience(tree), kPullFloor));
  return delay + core.rng.jitter(delay / 5);
}

void Tree::Impl::on_ihave(Slot from, const frame::IHave& ihave, Timestamp now) {
  if (!core.synced) return;  // the first digest covers it
  for (const auto& ids : ihave.ids) {
    const auto origin = origin_of(from, ids.origin, {}, now);
    if (!origin) continue;
    for (const SequenceRange& range : ids.ranges) {
      if (range.first == 0 || range.last < range.first || !plausible(*origin, range.last) ||
          (core.is_own(*origin) && range.last > core.seen[*origin].watermark)) {
        return core.reject(from, FrameReject::sequence_jump);
      }
      core.links[from].note_claim(*origin, range.last);
      const SequenceRange heard{range.first, core.heard_from(from, *origin, range.last)};
      if (heard.first <= heard.last) on_announced(from, ihave, *origin, heard, now);
    }
  }
}

void Tree::Impl::on_announced(Slot from, const frame::IHave& ihave, OriginIndex origin, SequenceRange range, Timestamp now) {
  const InstanceId instance = core.seen[origin].instance;
  core.seen.heard_of(origin, range.last, now);
  if (range.first == range.last && core.seen.contains(origin, range.first)) {  // most are of this kind
    if (core.store.arrival_of(origin, range.first)) note_announced(from, ihave, origin, range, {&range, 1}, now);
    return;
  }
  std::uint64_t unknown = 0;
  const auto lacking = core.seen.missing_in(origin, range, kTimedMax + 1);
  for (const SequenceRange& part : lacking) unknown += part.last - part.first + 1;

  const std::uint64_t length = range.last - range.first + 1;
  if (length <= kMarkedMax && unknown < length) {
    note_announced(from, ihave, origin, range, tree::common(core.store.held(origin), range), now);
  }
  if (unknown == 0) return;
  losses_.hole(origin, now);
  if (unknown > kTimedMax) {
    exchange_.offer(from, origin, range);
    return exchange_.schedule(from, now + pull_delay(from, ihave.tree));
  }
  for (const SequenceRange& part : lacking) {
    for (Sequence sequence = part.first; sequence <= part.last; ++sequence) {
      const Timestamp deadline = now + pull_delay(from, ihave.tree);
      if (missing_.announce({instance, sequence}, from, ihave.tree, ihave.round, now, deadline)) continue;
      exchange_.offer(from, origin, {sequence, part.last});
      exchange_.schedule(from, deadline);
      break;
    }
  }
}

void Tree::Impl::note_announced(Slot from, const frame::IHave& ihave, OriginIndex origin, SequenceRange range,
                                std::span<const SequenceRange> held, Timestamp now) {
  std::vector<MessageId> recalled;
  for (const SequenceRange& part : held) {
    core.each_held(origin, part, [&](Arrival arrival, StoredMessage& message) {
      if (!tree::covers(range, message.range())) return true;
      core.mark_known(message, arrival, from);
      if (message.is_part() && (message.sent & tree::bit(from)) != 0) recalled.push_back(message.id);
      shape->on_late_announcement(from, message, ihave.round, now);
      return true;
    });
  }
  if (!recalled.empty()) core.out.push(tree::Recall{core.links[from].peer, std::move(recalled)});
}

tree::Slot Tree::Impl::next_target(const MessageId& id, MissingSet::Entry& entry, const std::map<Slot, std::size_t>& asked) {
  // The nearest one. Of many at once each neighbour gets a share, so that several bring the parts of a large payload.
  const auto rank = [&](Slot slot) {
    const auto it = asked.find(slot);
    return std::pair{it == asked.end() ? 0 : it->second / kPullShare, core.links[slot].rtt};
  };
  const auto best = [&] {
    MissingSet::Announcer* nearest = nullptr;
    for (auto& announcer : entry.announcers) {
      if (announcer.tried) continue;
      if (nearest == nullptr || rank(announcer.slot) < rank(nearest->slot)) nearest = &announcer;
    }
    return nearest;
  };
  MissingSet::Announcer* target = best();
  if (target == nullptr) {
    ++entry.rounds;
    if (entry.announcers.empty() || entry.rounds >= std::max<std::uint32_t>(1, core.config.graft_max_retries)) {
      give_up(id);
      return tree::kNoSlot;
    }
    for (auto& announcer : entry.announcers) announcer.tried = false;
    target = best();
  }
  target->tried = true;
  return target->slot;
}

void Tree::Impl::give_up(const MessageId& id) {
  const auto entry = missing_.take(id);
  if (entry->tries == 0) return;  // its announcers went before it was asked for
  ++core.stats.graft_failed;
  core.log(LogLevel::warn, "PV1301",
           "Graft failed for message " + to_string(id) + " after " + std::to_string(entry->tries - 1) + " retries",
           {{"message", to_string(id)}, {"retries", std::to_string(entry->tries - 1)}});
}

Timestamp Tree::Impl::still_coming(const MessageId& id, const MissingSet::Entry& entry, Timestamp now) {
  // Announcements overtake payloads that wait in a send queue. While the origin's payloads come in order and have not
  // passed this one, pulling it would only fetch a second copy.
  if (entry.tries > 0 || now - entry.first >= core.config.lag_grace) return now;
  const OriginIndex origin = *core.seen.find(id.origin);
  const auto coming = core.coming(origin, now);
  return coming.passed >= id.sequence ? now : coming.until;
}

void Tree::Impl::pull_missing(Timestamp now) {
  std::map<std::pair<Slot, TreeId>, std::vector<MessageId>> asks;
  std::map<Slot, std::size_t> asked;
  while (const auto id = missing_.pop_due(now)) {
    MissingSet::Entry& entry = *missing_.find(*id);
    auto& in_flight = core.in_flight(*core.seen.find(id->origin));
    if (entry.target != tree::kNoSlot) {
      in_flight.remove(id->sequence);  // no answer in time
      entry.target = tree::kNoSlot;
    } else if (in_flight.contains(id->sequence)) {
      missing_.arm(*id, entry, now + milliseconds{100});  // a bulk pull has asked for it
      continue;
    }
    if (const Timestamp later = still_coming(*id, entry, now); later > now) {
      missing_.arm(*id, entry, later);
      continue;
    }
    const Slot target = next_target(*id, entry, asked);
    if (target == tree::kNoSlot) continue;
    ++asked[target];
    if (entry.tries++ == 0) {
      entry.asked = now;
      ++core.stats.graft_sent;
    } else {
      ++core.stats.graft_retries;
    }
    entry.target = target;
    in_flight.add(id->sequence);
    const Duration wait = core.links[target].rtt * 3 / 2 + std::max(kAnswerFloor, core.late / 2);
    missing_.arm(*id, entry, now + wait);
    asks[{target, entry.tree}].push_back(*id);
  }
  for (auto& [whom, ids] : asks) {
    std::sort(ids.begin(), ids.end());
    tree::IdLists lists;
    for (const MessageId& id : ids) lists.add(id.origin, {id.sequence, id.sequence});
    for (auto& list : lists.take()) {
      core.send(whom.first, frame::Graft{whom.second, shape->grafts_attach(), std::move(list)});
    }
    shape->on_pull(whom.first, whom.second, now);
  }
}

// ---- Answers

bool Tree::Impl::take_graft_token(Link& link, Timestamp now) {
  const double burst = core.config.graft_rate_limit_burst;
  const double rate = core.config.graft_rate_limit_per_second;
  link.graft_tokens = std::min(burst, link.graft_tokens + rate * to_seconds(now - link.tokens_at));
  link.tokens_at = now;
  if (link.graft_tokens < 1) return false;
  link.graft_tokens -= 1;
  return true;
}

void Tree::Impl::on_graft(Slot from, const frame::Graft& graft, Timestamp now) {
  if (graft.attach) shape->on_attach(from, graft.tree, now);
  if (graft.ids.empty()) return;
  if (!take_graft_token(core.links[from], now)) return core.stats.rate_limited.add(RateLimited::graft);
  answer(from, graft.ids, true, now);
}

void Tree::Impl::answer(Slot from, const std::vector<frame::OriginRanges>& ids, bool graft, Timestamp now) {
  tree::IdLists gone;
  std::size_t gone_ranges = 0;
  std::size_t budget = kAnswerMax;
  Arrival answered = 0;  // the last one: several ranges may lie in one run
  for (const auto& wanted : ids) {
    const auto origin = core.seen.find(wanted.origin);
    for (const SequenceRange& range : wanted.ranges) {
      if (range.first == 0 || range.last < range.first) return core.reject(from, FrameReject::malformed);
      if (!origin) {
        if (++gone_ranges <= kGoneRangesMax) gone.add(wanted.origin, range);
        continue;
      }
      const auto& held = core.store.held(*origin);
      for (SequenceRange part : held.missing_in(range, kGoneRangesMax)) {
        while (frame::is_parts(wanted.origin) && part.first <= part.last) {
          const SequenceRange ordered = take_order(from, *origin, part, now);
          if (ordered.last < ordered.first) break;
          part.first = ordered.last + 1;
        }
        if (part.first <= part.last && ++gone_ranges <= kGoneRangesMax) gone.add(wanted.origin, part);
      }
      for (const SequenceRange& part : tree::common(held, range)) {
        core.each_held(*origin, part, [&](Arrival arrival, StoredMessage& message) {
          if (budget == 0) return false;
          if (std::exchange(answered, arrival) == arrival) return true;
          budget -= std::min<std::size_t>(budget, message.run.count);
          if (message.judging) {
            if (message.fetched()) (void)take_order(from, *origin, message.range(), now);
            return true;
          }
          // What gave way to newer messages is not to come back in front of them.
          if (message.agreed->drops() && !core.links[from].has_credit(core.lane_of(message, true))) {
            if (++gone_ranges <= kGoneRangesMax) gone.add(wanted.origin, message.range());
            return true;
          }
          const std::uint64_t mask = tree::bit(from);
          // On a live ordered link it is on its way; asked for twice it was lost.
          if (graft && (message.sent & mask) != 0 && (message.asked & mask) == 0 && now - message.arrived < tree::kInFlight) {
            message.asked |= mask;
            core.links[from].marked_from = std::min(core.links[from].marked_from, arrival);
            return true;
          }
          push(message, arrival, {from}, true, now);
          return true;
        });
      }
    }
  }
  for (auto& list : gone.take()) core.send(from, frame::Gone{std::move(list)});
}

void Tree::Impl::on_gone(Slot from, const frame::Gone& gone, Timestamp now) {
  if (!core.synced) return;
  for (const auto& ids : gone.ids) {
    const auto origin = core.seen.find(ids.origin);
    if (!origin || core.is_own(*origin)) continue;
    for (const SequenceRange& range : ids.ranges) {
      if (range.first == 0 || range.last < range.first) return core.reject(from, FrameReject::malformed);
      exchange_.gone(from, *origin, range, now);
      if (frame::is_parts(ids.origin)) {
        for (const SequenceRange& part : tree::common(exchange_.hopeless(*origin), range)) cannot_fetch(*origin, part);
      }
      if (range.last - range.first >= kMarkedMax) continue;
      for (Sequence sequence = range.first; sequence <= range.last && !missing_.empty(); ++sequence) {
        const MessageId id{ids.origin, sequence};
        MissingSet::Entry* entry = missing_.find(id);
        if (entry == nullptr) continue;
        std::erase_if(entry->announcers, [from](const auto& announcer) { return announcer.slot == from; });
        if (entry->target != from) continue;
        core.in_flight(*origin).remove(sequence);
        entry->target = tree::kNoSlot;
        missing_.arm(id, *entry, now);
      }
    }
  }
}

// ---- Digests

frame::DigestEntry Tree::Impl::digest_entry(OriginIndex index, std::size_t ranges) const {
  const auto& origin = core.seen[index];
  frame::DigestEntry entry;
  entry.origin = origin.instance;
  entry.name = origin.name;
  entry.watermark = origin.watermark;
  entry.above = origin.above.list(ranges);
  entry.floor = core.store.floor_of(index, entry.above.empty() ? origin.watermark : entry.above.back().last);
  return entry;
}

void Tree::Impl::send_digest(const std::vector<Slot>& to, bool reply_wanted, Timestamp now) {
  if (to.empty()) return;
  frame::Digest digest;
  digest.reply_wanted = reply_wanted;
  digest.synced = core.synced && now >= provisional_until_;
  digest.first = true;
  digest.last = false;
  std::size_t bytes = 0;
  std::size_t ranges = 0;
  for (OriginIndex i = 0; i < core.seen.end(); ++i) {
    const auto& origin = core.seen[i];
    if (!origin.used || (origin.watermark == 0 && origin.above.empty())) continue;
    frame::DigestEntry entry = digest_entry(i, kDigestRanges);
    const std::size_t size = 40 + entry.name.size() + 12 * entry.above.size();
    if (digest.entries.size() == kDigestEntries || bytes + size > kDigestBytes ||
        ranges + entry.above.size() > kDigestRangesTotal) {
      core.send(to, digest);
      digest.first = false;
      digest.entries.clear();
      bytes = ranges = 0;
    }
    bytes += size;
    ranges += entry.above.size();
    digest.entries.push_back(std::move(entry));
  }
  digest.last = true;
  core.send(to, std::move(digest));
}

/// A new parent that stands in for a lost one is told what we have of the origins that are active: one frame of a digest,
/// neither the first nor the last. It pushes what else it has of late, which saves a round trip and a timer.
void Tree::Impl::send_recent(Timestamp now) {
  std::vector<Slot> to = std::exchange(core.repairing, {});
  if (to.empty() || !core.synced) return;
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
  frame::Digest digest;
  digest.synced = now >= provisional_until_;
  digest.last = false;
  for (OriginIndex i = 0; i < core.seen.end() && digest.entries.size() < kDigestEntries; ++i) {
    const auto& origin = core.seen[i];
    if (!origin.used || now - origin.active >= 2 * tree::kInFlight || (origin.watermark == 0 && origin.above.empty())) continue;
    digest.entries.push_back(digest_entry(i, kDigestRanges));
  }
  core.send(to, std::move(digest));
}

void Tree::Impl::push_lacking(Slot to, const frame::Digest& recent, Timestamp now) {
  std::map<InstanceId, const frame::DigestEntry*> told;
  for (const auto& entry : recent.entries) told[entry.origin] = &entry;
  std::vector<Arrival> lacking;
  std::size_t bytes = 0;
  for (Arrival a = core.store.end(); a-- > core.store.first() && lacking.size() < kPushMessages;) {
    const StoredMessage* message = core.store.at(a);
    if (message == nullptr || message->judging) continue;
    if (now - message->arrived >= tree::kInFlight || bytes > kPushBytes) break;
    const auto entry = told.find(message->id.origin);
    const auto has = [&](const frame::DigestEntry& e) {
      return message->range().last <= e.watermark ||
             std::any_of(e.above.begin(), e.above.end(), [&](const SequenceRange& range) { return tree::covers(range, message->range()); });
    };
    if ((entry != told.end() && has(*entry->second)) || !shape->is_eager(message->tree, to)) continue;
    bytes += message->payload.size();
    lacking.push_back(a);
  }
  for (auto it = lacking.rbegin(); it != lacking.rend(); ++it) push(*core.store.at(*it), *it, {to}, false, now);
}

namespace {
/// The rest of the entry tells of nothing above `upto`.
void cut(frame::DigestEntry& entry, Sequence upto) {
  entry.watermark = std::min(entry.watermark, upto);
  std::erase_if(entry.above, [upto](const SequenceRange& range) { return range.first > upto; });
  if (!entry.above.empty()) entry.above.back().last = std::min(entry.above.back().last, upto);
}
}  // namespace

void Tree::Impl::on_digest(Slot from, frame::Digest digest, Timestamp now) {
  const bool wanted = digest.reply_wanted && digest.last;
  const bool last = digest.last;
  if (last) core.links[from].digest_at = now;
  if (!core.synced) {
    gather(from, std::move(digest), now);
  } else {
    for (auto& entry : digest.entries) {
      if (frame::publisher_of(entry.origin) == core.self) {
        if (const auto own = core.seen.find(entry.origin)) core.links[from].note_has(*own, std::min(entry.watermark, core.seen[*own].watermark));
        continue;
      }
      if (digest.synced && now < provisional_until_) take_start(from, entry, now);
      const auto origin = origin_of(from, entry.origin, entry.name, now);
      if (!origin) continue;
      const Sequence top = entry.above.empty() ? entry.watermark : std::max(entry.watermark, entry.above.back().last);
      if (top == 0) continue;
      if (!plausible(*origin, top)) {
        core.reject(from, FrameReject::sequence_jump);
        continue;
      }
      core.links[from].note_claim(*origin, top);
      const Sequence heard = core.heard_from(from, *origin, top);
      if (heard < top) cut(entry, heard);
      core.seen.heard_of(*origin, heard, now);
      core.links[from].note_has(*origin, entry.watermark);
      exchange_.compare(from, *origin, entry);
      if (core.seen.missing(*origin) > 0) losses_.hole(*origin, now);
    }
    if (!digest.first && !last) push_lacking(from, digest, now);
    // What is on its way need not be pulled; after a reset waiting would cost more than a copy too many.
    if (last) exchange_.schedule(from, now - reset_at_ < tree::kInFlight ? now : now + pull_delay(from, kSharedTree));
    if (exchange_.next_timeout() <= now) exchange_.handle_timeout(now);
  }
  Link& link = core.links[from];
  if (!wanted || now - link.replied_at < kReplyInterval) return;
  link.replied_at = now;
  send_digest({from}, false, now);
}

std::size_t Tree::Impl::resync(std::optional<PeerId> peer, Timestamp now) {
  if (!core.synced) return 0;
  std::vector<Slot> to = core.up;
  if (peer) {
    const auto slot = core.slot_of(*peer);
    to = slot ? std::vector<Slot>{*slot} : std::vector<Slot>{};
  }
  core.stats.sync_rounds += to.size();
  exchange_.tidy();
  send_digest(to, true, now);
  return to.size();
}

void Tree::Impl::periodic_digest(Timestamp now) {
  digest_at_ = kNever;
  if (core.up.empty()) return;
  exchange_.tidy();
  ++core.stats.sync_rounds;
  send_digest({core.up[core.rng.below(core.up.size())]}, true, now);
  digest_at_ = now + core.config.sync_interval - core.rng.jitter(core.config.sync_interval / 5);
}

// ---- The first sync

void Tree::Impl::ask_for_sync(Timestamp now) {
  ask_at_ = kNever;
  if (core.synced) {
    sync_deadline_ = kNever;
    return;
  }
  if (core.up.empty()) {
    sync_deadline_ = kNever;  // starts anew with the next neighbour
    return;
  }
  if (now >= sync_deadline_) {
    for (auto& [slot, gathered] : gathered_) {
      if (gathered.complete) return adopt(std::exchange(gathered.entries, {}), slot, true, now);
    }
    sync_deadline_ = now + kAskInterval;
  }
  send_digest({core.up[ask_next_++ % core.up.size()]}, true, now);
  ask_at_ = now + kAskInterval;
}

void Tree::Impl::gather(Slot from, frame::Digest digest, Timestamp now) {
  Gathered& gathered = gathered_[from];
  if (digest.first) gathered = Gathered{};
  for (auto& entry : digest.entries) {
    if (gathered.entries.size() < core.config.origins_max) gathered.entries.push_back(std::move(entry));
  }
  gathered.synced = digest.synced;
  gathered.complete = digest.last;
  if (!digest.last) return;
  if (gathered.synced || now >= sync_deadline_) {
    const bool provisional = !gathered.synced;
    adopt(std::exchange(gathered.entries, {}), from, provisional, now);
  }
}

void Tree::Impl::take_start(Slot from, const frame::DigestEntry& entry, Timestamp now) {
  const auto origin = origin_of(from, entry.origin, entry.name, now);
  if (!origin || core.is_own(*origin)) return;
  // Only where nothing was seen: a start is never moved past what would be delivered.
  if (core.seen[*origin].watermark != 0 || !core.seen[*origin].above.empty()) return;
  // An origin that a cursor does not know began after it was made. Parts come when a message asks for them.
  const bool parts = frame::is_parts(entry.origin);
  if (start_.mode == TreeStart::Mode::cursor && !parts) return;
  const Sequence start = start_.mode == TreeStart::Mode::window && !parts ? std::min(entry.floor, entry.watermark) : entry.watermark;
  if (start == 0 || !plausible(*origin, start)) return;
  no_longer_missing(*origin, {1, start});
  receipts_.skipped(*origin, {1, start});
}

void Tree::Impl::adopt(const std::vector<frame::DigestEntry>& entries, Slot from, bool provisional, Timestamp now) {
  for (const auto& entry : entries) take_start(from, entry, now);
  if (provisional) provisional_until_ = now + kProvisional;
  finish_sync(now);
  // What the neighbour has above its watermark is not before our start.
  frame::Digest rest;
  rest.synced = !provisional;
  rest.entries = entries;
  on_digest(from, std::move(rest), now);
}

void Tree::Impl::finish_sync(Timestamp now) {
  core.synced = true;
  sync_deadline_ = ask_at_ = kNever;
  gathered_.clear();
  send_digest(core.up, false, now);
  if (!core.up.empty() && digest_at_ == kNever) digest_at_ = now + core.config.sync_interval;
  shape->start(now);
  held_bytes_ = 0;
  for (auto& [slot, gossip] : std::exchange(held_, {})) {
    const auto origin = core.seen.find(gossip.id.origin);
    if (origin && core.seen.missing_in(*origin, gossip.range(), 1).empty()) continue;  // before our start
    on_gossip(slot, std::move(gossip), now);
  }
}

// ---- Loss

void Tree::Impl::check_loss(Timestamp now) {
  for (const auto& loss : losses_.check(exchange_, now)) lose(loss.origin, loss.range, loss.reason, now);
  for (const OriginIndex origin : losses_.take_unattested()) disbelieve(origin, now);
}

/// Messages that a single neighbour has told of for long, that it does not send, and that nobody else knows: they never were. Taken
/// for lost they would silence those that the origin publishes next. Said again by it alone that is not heard; another's word makes it heard.
void Tree::Impl::disbelieve(OriginIndex origin, Timestamp now) {
  const Sequence attested = core.attested(origin), highest = core.seen[origin].highest;
  if (highest <= attested) return;
  const InstanceId instance = core.seen[origin].instance;
  for (const Slot slot : core.up) {
    Link& link = core.links[slot];
    if (link.claimed(origin) <= attested) continue;
    for (auto* told : {&link.claims, &link.has}) {
      if (origin < told->size()) (*told)[origin] = std::min((*told)[origin], attested);
    }
    link.note_doubted(origin, highest);
    const std::string whose = core.seen[origin].name.empty() ? to_string(instance) : core.seen[origin].name;
    core.log(LogLevel::warn, "PV1307", "Neighbour " + link.traits.name + " told of messages up to " + std::to_string(highest) + " of " + whose +
             ", and nobody else knows any above " + std::to_string(attested) + ": not believed",
             {{"peer", link.traits.name}, {"origin", whose}});
    core.stats.frames_rejected.add(FrameReject::unconfirmed);  // no mark: it may have been the only one that knew them
  }
  for (const MessageId& id : missing_.drop(instance, {attested + 1, highest})) core.in_flight(origin).remove(id.sequence);
  exchange_.retract(origin, {attested + 1, highest});
  core.seen.retract(origin, attested);
  pacing_.progressed(origin, now);
}

void Tree::Impl::lose(OriginIndex origin, SequenceRange range, LossReason reason, Timestamp now) {
  IntervalSet lost;
  for (const SequenceRange& part : core.seen.missing_in(origin, range)) {
    no_longer_missing(origin, part);
    if (frame::is_parts(core.seen[origin].instance)) {
      for (const auto& whole : assemblies_.overlapping(origin, part)) {
        if (whole->state == tree::Whole::State::partial) {
          lose_whole(*whole, reason, now);
        } else {
          refuse_askers(*whole, part);
        }
      }
    } else {
      lost.add(part);
    }
  }
  for (const SequenceRange& part : lost.list()) report_lost(origin, part, reason);
  release(origin, now);
  pacing_.progressed(origin, now);
}

void Tree::Impl::no_longer_missing(OriginIndex origin, SequenceRange range) {
  core.seen.mark(origin, range);
  for (const MessageId& id : missing_.drop(core.seen[origin].instance, range)) core.in_flight(origin).remove(id.sequence);
}

void Tree::Impl::lose_whole(tree::Whole& whole, LossReason reason, Timestamp now) {
  give_up_whole(whole);
  report_lost(whole.origin, {whole.sequence, whole.sequence}, reason);
  release(whole.origin, now);
}

void Tree::Impl::report_lost(OriginIndex origin, SequenceRange range, LossReason reason) {
  const auto& seen = core.seen[origin];
  const std::uint64_t count = range.last - range.first + 1;
  core.stats.lost.add(static_cast<Loss>(reason), count);
  receipts_.skipped(origin, range);
  const std::string name = seen.name.empty() ? to_string(seen.instance) : seen.name;
  const std::string first = std::to_string(range.first), last = std::to_string(range.last);
  core.log(LogLevel::warn, "PV1304", "Lost messages " + first + " to " + last + " of " + name + ": " + std::string(to_string(reason)),
           {{"origin", name}, {"first", first}, {"last", last}, {"reason", std::string(to_string(reason))}});
  core.out.push(tree::Lost{seen.instance, seen.name, range, reason});
}

}  // namespace plumvine
