#include "exchange.hpp"

#include <algorithm>

namespace plumvine::tree {

namespace {
/// Of all offers of one origin so many ranges are looked at for one request.
constexpr std::size_t kRangesLooked = 512;
constexpr std::size_t kMarksMax = 256;
}  // namespace

Exchange::Neighbour& Exchange::at(Slot slot) {
  next_.reset();
  if (neighbours_.size() <= slot) neighbours_.resize(slot + std::size_t{1});
  return neighbours_[slot];
}

std::uint64_t Exchange::window() const {
  const std::uint64_t mean = core_.store.mean_bytes();
  return mean == 0 ? 64 : std::clamp<std::uint64_t>(kWindowBytes / mean, 2, kWindowIds);
}

void Exchange::compare(Slot from, OriginIndex origin, const frame::DigestEntry& entry) {
  Neighbour& neighbour = at(from);
  neighbour.offers.erase(origin);
  neighbour.gone.erase(origin);
  // Parts that it has not got it may be able to fetch.
  const Sequence floor = frame::is_parts(entry.origin) ? 0 : entry.floor;
  const auto has = [&](SequenceRange range) {
    offer(from, origin, {std::max(range.first, floor + 1), range.last});
    const SequenceRange dropped{range.first, std::min(range.last, floor)};
    if (dropped.first > dropped.last) return;
    for (const SequenceRange& part : core_.seen.missing_in(origin, dropped)) neighbour.gone[origin].add(part);
  };
  has({1, entry.watermark});
  for (const SequenceRange& range : entry.above) has(range);
}

void Exchange::offer(Slot from, OriginIndex origin, SequenceRange range) {
  if (range.first > range.last) return;
  Neighbour& neighbour = at(from);
  const auto asked = neighbour.asked.find(origin);
  for (const SequenceRange& part : core_.seen.missing_in(origin, range)) {
    if (asked == neighbour.asked.end()) {
      neighbour.offers[origin].add(part);
      continue;
    }
    for (const SequenceRange& rest : asked->second.missing_in(part)) neighbour.offers[origin].add(rest);
  }
}

void Exchange::schedule(Slot from, Timestamp at_time) {
  Neighbour& neighbour = at(from);
  if (!neighbour.offers.empty()) neighbour.pull_at = std::min(neighbour.pull_at, at_time);
}

std::uint64_t Exchange::choose(Neighbour& neighbour, OriginIndex origin, Sequence upto, std::uint64_t room, IdLists& list) {
  IntervalSet& offers = neighbour.offers[origin];
  IntervalSet& in_flight = core_.in_flight(origin);
  std::uint64_t chosen = 0;
  for (SequenceRange offered : offers.list(kRangesLooked)) {
    if (offered.first > upto) break;
    offered.last = std::min(offered.last, upto);
    Sequence looked = offered.first;
    for (const SequenceRange& lacking : core_.seen.missing_in(origin, offered)) {
      if (lacking.first > looked) offers.remove({looked, lacking.first - 1});  // has come meanwhile
      looked = lacking.last + 1;
      for (SequenceRange free : in_flight.missing_in(lacking)) {
        if (chosen == room) return chosen;
        free.last = std::min(free.last, free.first + (room - chosen) - 1);
        chosen += free.last - free.first + 1;
        offers.remove(free);
        in_flight.add(free);
        neighbour.asked[origin].add(free);
        list.add(core_.seen[origin].instance, free);
      }
    }
    if (looked <= offered.last) offers.remove({looked, offered.last});
  }
  return chosen;
}

void Exchange::pull(Slot slot, Timestamp now) {
  Neighbour& neighbour = at(slot);
  neighbour.pull_at = kNever;
  if (neighbour.held_off > now) {
    if (!neighbour.offers.empty()) neighbour.pull_at = neighbour.held_off;
    return;
  }
  const std::uint64_t most = window();
  if (neighbour.asked_count >= most) return;
  std::uint64_t room = most - neighbour.asked_count;
  if (neighbour.waiting_since == kNever) neighbour.waiting_since = now;
  const bool impatient = now - neighbour.waiting_since >= core_.config.lag_grace;
  Timestamp resume = kNever;
  IdLists list;
  for (auto it = neighbour.offers.begin(); it != neighbour.offers.end() && room > 0;) {
    // What the tree is bringing is not pulled, unless it takes too long.
    const auto coming = core_.coming(it->first, now);
    const bool wait = coming.until > now && !impatient;
    const std::uint64_t chosen = choose(neighbour, it->first, wait ? coming.passed : UINT64_MAX, room, list);
    if (wait && !it->second.empty()) resume = std::min(resume, coming.until);
    room -= chosen;
    neighbour.asked_count += chosen;
    it = it->second.empty() ? neighbour.offers.erase(it) : std::next(it);
  }
  if (neighbour.offers.empty()) neighbour.waiting_since = kNever;
  neighbour.pull_at = resume;
  for (auto& ids : list.take()) {
    core_.send(slot, frame::Pull{std::move(ids)});
    neighbour.ask_deadline = now + kAnswerTimeout + core_.links[slot].rtt;
  }
}

bool Exchange::arrived(OriginIndex origin, SequenceRange range, Timestamp now) {
  if (core_.in_flight(origin).remove(range) == 0) return false;
  bool any = false;
  for (const Slot slot : core_.up) {
    if (slot >= neighbours_.size()) break;
    Neighbour& neighbour = neighbours_[slot];
    const auto it = neighbour.asked.find(origin);
    const std::uint64_t answered = it == neighbour.asked.end() ? 0 : it->second.remove(range);
    if (answered == 0) continue;
    any = true;
    if (it->second.empty()) neighbour.asked.erase(it);
    next_.reset();
    neighbour.asked_count -= answered;
    neighbour.ask_deadline = neighbour.asked_count == 0 ? kNever : now + kAnswerTimeout + core_.links[slot].rtt;
    // The next request goes out before the pipe runs empty.
    if (!neighbour.offers.empty() && neighbour.asked_count <= window() / 2) neighbour.pull_at = now;
    if (range.first == range.last) break;
  }
  return any;
}

void Exchange::gone(Slot from, OriginIndex origin, SequenceRange range, Timestamp now) {
  Neighbour& neighbour = at(from);
  if (const auto it = neighbour.offers.find(origin); it != neighbour.offers.end()) {
    it->second.remove(range);
    if (it->second.empty()) neighbour.offers.erase(it);
  }
  for (const SequenceRange& part : core_.seen.missing_in(origin, range, kRangesLooked)) neighbour.gone[origin].add(part);
  const auto asked = neighbour.asked.find(origin);
  if (asked == neighbour.asked.end()) return;
  for (const SequenceRange& part : common(asked->second, range)) {
    core_.in_flight(origin).remove(part);
    neighbour.asked_count -= asked->second.remove(part);
  }
  if (asked->second.empty()) neighbour.asked.erase(asked);
  if (neighbour.asked_count == 0) neighbour.ask_deadline = kNever;
  kick(now);
}

bool Exchange::asks(Slot slot, OriginIndex origin, Sequence sequence) const {
  if (slot >= neighbours_.size()) return false;
  const auto it = neighbours_[slot].asked.find(origin);
  return it != neighbours_[slot].asked.end() && it->second.contains(sequence);
}

void Exchange::kick(Timestamp now) {
  for (const Slot slot : core_.up) {
    if (slot < neighbours_.size()) schedule(slot, now);
  }
}

void Exchange::time_out(Slot slot, Timestamp now) {
  Neighbour& neighbour = at(slot);
  for (auto& [origin, asked] : neighbour.asked) {
    for (const SequenceRange& part : asked.list()) {
      core_.in_flight(origin).remove(part);
      neighbour.offers[origin].add(part);  // it still has them, so nothing is lost yet
    }
  }
  neighbour.asked.clear();
  neighbour.asked_count = 0;
  neighbour.ask_deadline = kNever;
  neighbour.held_off = now + kAnswerTimeout / 2;
  kick(now);
}

void Exchange::peer_down(Slot slot, Timestamp now) {
  if (slot >= neighbours_.size()) return;
  for (auto& [origin, asked] : neighbours_[slot].asked) {
    for (const SequenceRange& part : asked.list()) core_.in_flight(origin).remove(part);
  }
  at(slot) = Neighbour{};
  kick(now);
}

void Exchange::forget(OriginIndex origin) {
  next_.reset();
  for (Neighbour& neighbour : neighbours_) {
    neighbour.offers.erase(origin);
    neighbour.gone.erase(origin);
    if (const auto it = neighbour.asked.find(origin); it != neighbour.asked.end()) {
      neighbour.asked_count -= it->second.count();
      neighbour.asked.erase(it);
      if (neighbour.asked_count == 0) neighbour.ask_deadline = kNever;
    }
  }
  core_.in_flight(origin).clear();
}

void Exchange::retract(OriginIndex origin, SequenceRange range) {
  next_.reset();
  for (Neighbour& neighbour : neighbours_) {
    for (OriginSets* sets : {&neighbour.offers, &neighbour.gone, &neighbour.asked}) {
      const auto it = sets->find(origin);
      if (it == sets->end()) continue;
      const std::uint64_t before = it->second.count();
      it->second.remove(range);
      if (sets == &neighbour.asked) neighbour.asked_count -= before - it->second.count();
      if (it->second.empty()) sets->erase(it);
    }
    if (neighbour.asked_count == 0) neighbour.ask_deadline = kNever;
  }
  core_.in_flight(origin).remove(range);
}

IntervalSet Exchange::hopeless(OriginIndex origin) const {
  IntervalSet out;
  for (const Slot slot : core_.up) {
    if (slot >= neighbours_.size()) break;
    const auto it = neighbours_[slot].gone.find(origin);
    if (it == neighbours_[slot].gone.end()) continue;
    for (const SequenceRange& range : it->second.list()) {
      for (const SequenceRange& part : core_.seen.missing_in(origin, range)) out.add(part);
    }
  }
  for (const Slot slot : core_.up) {
    if (out.empty() || slot >= neighbours_.size()) break;
    for (const OriginSets* sets : {&neighbours_[slot].offers, &neighbours_[slot].asked}) {
      const auto it = sets->find(origin);
      if (it == sets->end()) continue;
      for (const SequenceRange& range : it->second.list()) out.remove(range);
    }
  }
  for (const SequenceRange& range : core_.in_flight(origin).list()) out.remove(range);
  return out;
}

void Exchange::tidy() {
  for (Neighbour& neighbour : neighbours_) {
    for (OriginSets* sets : {&neighbour.offers, &neighbour.gone}) {
      for (auto it = sets->begin(); it != sets->end();) {
        auto& [origin, set] = *it;
        while (!set.empty() && core_.seen.missing_in(origin, set.front(), 1).empty()) set.remove(set.front());
        it = set.empty() ? sets->erase(it) : std::next(it);
      }
    }
  }
}

void Exchange::handle_timeout(Timestamp now) {
  if (next_timeout() > now) return;
  for (const Slot slot : core_.up) {
    if (slot < neighbours_.size() && neighbours_[slot].ask_deadline <= now) time_out(slot, now);
  }
  for (const Slot slot : core_.up) {
    if (slot < neighbours_.size() && neighbours_[slot].pull_at <= now) pull(slot, now);
  }
}

Timestamp Exchange::next_timeout() const {
  if (next_) return *next_;
  next_ = kNever;
  for (const Slot slot : core_.up) {
    if (slot < neighbours_.size()) next_ = std::min({*next_, neighbours_[slot].ask_deadline, neighbours_[slot].pull_at});
  }
  return *next_;
}

std::uint64_t Exchange::asked() const {
  std::uint64_t sum = 0;
  for (const Neighbour& neighbour : neighbours_) sum += neighbour.asked_count;
  return sum;
}

void Exchange::check(std::vector<std::string>& broken) const {
  for (const Neighbour& neighbour : neighbours_) {
    std::uint64_t sum = 0;
    for (const auto& [origin, asked] : neighbour.asked) sum += asked.count();
    if (sum != neighbour.asked_count) broken.emplace_back("the count of ids asked for is wrong");
    if (neighbour.asked_count > kWindowIds) broken.emplace_back("more ids asked for than the window");
    if (neighbour.asked_count > 0 && neighbour.ask_deadline == kNever) broken.emplace_back("a request without a deadline");
  }
}

// ---- Loss

void LossWatch::hole(OriginIndex origin, Timestamp now) {
  if (watched_.size() <= origin) watched_.resize(origin + std::size_t{1});
  Watched& watched = watched_[origin];
  watched.used = true;
  if (watched.marks.empty()) watched.marks.emplace_back(now, core_.seen[origin].highest);
  if (check_at_ == kNever) check_at_ = now + core_.config.sync_interval;
}

std::vector<LossWatch::Loss> LossWatch::check(const Exchange& exchange, Timestamp now) {
  std::vector<Loss> lost;
  bool any = false;
  for (OriginIndex origin = 0; origin < watched_.size(); ++origin) {
    Watched& watched = watched_[origin];
    if (!watched.used) continue;
    const auto& seen = core_.seen[origin];
    if (core_.seen.missing(origin) == 0) {
      watched = Watched{};
      continue;
    }
    any = true;
    const Sequence attested = frame::is_parts(seen.instance) ? UINT64_MAX : core_.attested(origin);
    const Sequence believed = std::max(attested, seen.above.empty() ? seen.watermark : seen.above.back().last);
    const auto lose = [&](SequenceRange range, LossReason reason) {
      range.last = std::min(range.last, believed);
      if (range.first <= range.last) lost.push_back({origin, range, reason});
    };
    watch_claims(origin, watched, believed, now);
    auto& marks = watched.marks;
    while (!marks.empty() && now - marks.front().first > core_.config.sync_window) {
      for (const auto& range : core_.seen.missing_in(origin, {seen.watermark + 1, marks.front().second})) {
        lose(range, LossReason::expired);
      }
      marks.erase(marks.begin());
    }
    while (!marks.empty() && marks.front().second <= seen.watermark) marks.erase(marks.begin());
    if ((marks.empty() || marks.back().second < seen.highest) && marks.size() < kMarksMax) marks.emplace_back(now, seen.highest);

    if (watched.hopeless.empty()) {
      watched.hopeless = exchange.hopeless(origin);
      watched.hopeless_at = now;
    } else if (now - watched.hopeless_at > 2 * core_.config.sync_interval) {
      const IntervalSet still = exchange.hopeless(origin);
      for (const SequenceRange& range : watched.hopeless.list()) {
        for (const SequenceRange& part : common(still, range)) lose(part, LossReason::evicted);
      }
      watched.hopeless.clear();
    }
  }
  check_at_ = any ? now + core_.config.sync_interval : kNever;
  return lost;
}

void LossWatch::watch_claims(OriginIndex origin, Watched& watched, Sequence attested, Timestamp now) {
  const Sequence highest = core_.seen[origin].highest;
  if (watched.unattested <= attested) {
    watched.unattested = highest > attested ? highest : 0;
    watched.unattested_since = now;
    return;
  }
  const Duration interval = core_.config.sync_interval;
  if (now - watched.unattested_since <= 2 * interval) return;
  const bool witnessed = std::any_of(core_.up.begin(), core_.up.end(), [&](Slot slot) {
    const Link& link = core_.links[slot];
    return link.claimed(origin) < watched.unattested && link.digest_at && *link.digest_at > watched.unattested_since + interval;
  });
  if (!witnessed) return;
  unattested_.push_back(origin);
  watched.unattested = 0;
}

Timestamp LossWatch::oldest() const {
  Timestamp oldest_of_all = kNever;
  for (OriginIndex origin = 0; origin < watched_.size(); ++origin) oldest_of_all = std::min(oldest_of_all, oldest(origin));
  return oldest_of_all;
}

Timestamp LossWatch::oldest(OriginIndex origin) const {
  if (origin >= watched_.size() || !watched_[origin].used || core_.seen.missing(origin) == 0) return kNever;
  const Sequence first = core_.seen[origin].watermark + 1;
  for (const auto& [when, highest] : watched_[origin].marks) {
    if (highest >= first) return when;
  }
  return kNever;
}

}  // namespace plumvine::tree
