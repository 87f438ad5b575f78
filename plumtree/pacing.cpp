#include "pacing.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace plumvine::tree {

namespace {
constexpr Sequence kRelease = UINT64_MAX;
/// First copies in a row from another link until it counts as the one that feeds us: one late copy changes nothing.
constexpr std::uint8_t kSwitchAfter = 4;
constexpr std::size_t kEntriesMax = 512;
}  // namespace

Pacing::Paced& Pacing::at(OriginIndex origin) {
  if (origins_.size() <= origin) origins_.resize(origin + std::size_t{1});
  return origins_[origin];
}

void Pacing::mark(OriginIndex origin, Timestamp now, bool at_once) {
  Paced& paced = at(origin);
  if (core_.is_own(origin)) {
    acked_at_ = std::min(acked_at_, now + kReportDelay);
    return;
  }
  if (paced.upstream == kNoSlot) return;
  const bool due = at_once || paced.bytes >= kReportBytes || paced.messages >= kReportMessages;
  report_at_ = std::min(report_at_, due ? now : now + kReportDelay);
  if (paced.marked) return;
  paced.marked = true;
  marked_.push_back(origin);
}

void Pacing::set_upstream(OriginIndex origin, Slot slot, Timestamp now) {
  Paced& paced = at(origin);
  if (paced.upstream != kNoSlot) {
    core_.send(paced.upstream, frame::Progress{{{core_.seen[origin].instance, kRelease}}});
  }
  paced.upstream = slot;
  paced.others = 0;
  paced.reported = kRelease;
  mark(origin, now);
}

void Pacing::received(OriginIndex origin, Slot from, std::uint64_t messages, std::uint64_t bytes, bool pushed, Timestamp now) {
  Paced& paced = at(origin);
  note_young(paced, origin, now);
  paced.bytes += bytes;
  paced.messages += static_cast<std::uint32_t>(messages);
  if (pushed && from != paced.upstream) {
    if (paced.upstream == kNoSlot || ++paced.others >= kSwitchAfter) return set_upstream(origin, from, now);
  } else if (pushed) {
    paced.others = 0;
  }
  mark(origin, now);
}

Sequence Pacing::limit(OriginIndex origin, Sequence watermark, Timestamp now) const {
  Sequence next = watermark + 1;
  if (const auto it = core_.unpaced.find(origin); it != core_.unpaced.end()) next = it->second.next_absent(next);
  if (is_young(origin, next, now) && core_.store.held(origin).contains(next)) return next - 1;
  const StoredMessage* message = core_.store.find(origin, next);
  if (message != nullptr && now - message->arrived < grace(*message)) return next - 1;
  const auto held = core_.held_for_all.find(origin);
  if (held == core_.held_for_all.end()) return kRelease;
  const auto first = held->second.next(next);
  return first ? *first - 1 : kRelease;
}

bool Pacing::is_young(OriginIndex origin, Sequence sequence, Timestamp now) const {
  if (origin >= origins_.size()) return false;
  const Paced::Young& young = origins_[origin].young;
  return sequence > young.after && now - young.since < core_.config.lag_grace;
}

/// Called after a message has come: what is higher than all that is known of comes later.
void Pacing::note_young(Paced& paced, OriginIndex origin, Timestamp now) const {
  if (paced.younger.after != UINT64_MAX && now - paced.younger.since < core_.config.lag_grace / 2) return;
  paced.young = std::exchange(paced.younger, {core_.seen[origin].highest, now});
}

Duration Pacing::grace(const StoredMessage& message) const {
  // Who keeps up takes a window in that time; a large payload is several windows.
  const std::uint64_t windows = message.whole && (message.is_part() || message.agreed->fetches()) ? message.whole->about.encoded_size / core_.config.pace_window_bytes : 0;
  return core_.config.lag_grace * static_cast<std::int64_t>(std::max<std::uint64_t>(1, windows));
}

std::vector<Slot> Pacing::owing() const {
  std::vector<Slot> slots;
  for (const Slot slot : core_.up) {
    if (core_.links[slot].eager && core_.links[slot].owed_ranges > 0) slots.push_back(slot);
  }
  return slots;
}

Sequence Pacing::behind(OriginIndex origin, Sequence own, const std::vector<Slot>& owing, Timestamp now) {
  Paced& paced = at(origin);
  Sequence least = own;
  // Others are there and none has told anything yet: the first reports come once the first messages have arrived, on a narrow link late.
  if (origin == kSelf && paced.reports.empty() && !core_.up.empty() && core_.alive.size() > 1) least = std::min(least, limit(origin, acked_, now));
  // The one furthest behind first: mostly it decides, and the messages that the others lack need not be looked up.
  std::ranges::sort(paced.reports, {}, &Report::watermark);
  for (const Report& report : paced.reports) {
    if (report.watermark >= least || report.slot == paced.upstream) continue;
    least = std::min(least, limit(origin, report.watermark, now));
  }
  for (const Slot slot : owing) {
    if (slot == paced.upstream) continue;
    for (const OriginSets& owed : core_.links[slot].owed) {
      const auto it = owed.find(origin);
      if (it == owed.end() || it->second.empty()) continue;
      const Sequence before = it->second.front().first - 1;
      if (before < least) least = std::min(least, limit(origin, before, now));
    }
  }
  return least;
}

Sequence Pacing::lead(OriginIndex origin, Lead& lead, Timestamp now) const {
  if (origin >= origins_.size() || origins_[origin].reports.empty()) return kRelease;
  Sequence reached = 0;
  for (const Report& report : origins_[origin].reports) reached = std::max(reached, report.watermark);
  if (reached > lead.reached) lead = {reached, now};
  Sequence next = reached + 1;
  if (const auto it = core_.unpaced.find(origin); it != core_.unpaced.end()) next = it->second.next_absent(next);
  const StoredMessage* message = core_.store.find(origin, next);
  // What has just been published is not late: the one that had everything before it begins anew.
  const Timestamp since = message == nullptr ? lead.moved : std::max(lead.moved, message->arrived);
  return lead.moved != Timestamp{} && since > now - core_.config.lag_grace ? next - 1 : kRelease;
}

void Pacing::report(Timestamp now) {
  report_at_ = kNever;
  std::map<Slot, std::vector<frame::Progress::Entry>> frames;
  const std::vector<Slot> waiting = owing();
  for (const OriginIndex origin : std::exchange(marked_, {})) {
    Paced& paced = at(origin);
    paced.marked = false;
    if (paced.upstream == kNoSlot || !core_.seen[origin].used) continue;
    Sequence own = core_.delivered(origin);
    // What is fetched is paced by its messages: nobody reports on the parts.
    if (const auto it = core_.fetching.find(origin); it != core_.fetching.end()) own = std::min(own, it->second.front().first - 1);
    const Sequence least = behind(origin, own, waiting, now);
    paced.bytes = paced.messages = 0;
    if (least != paced.reported) {
      paced.reported = least;
      frames[paced.upstream].push_back({core_.seen[origin].instance, least});
    }
    if (least < own) {
      mark(origin, now + (kRecheck - kReportDelay));
    }
  }
  for (auto& [slot, entries] : frames) {
    for (std::size_t i = 0; i < entries.size(); i += kEntriesMax) {
      const auto from = entries.begin() + static_cast<std::ptrdiff_t>(i);
      const auto to = entries.begin() + static_cast<std::ptrdiff_t>(std::min(entries.size(), i + kEntriesMax));
      core_.send(slot, frame::Progress{{from, to}});
    }
  }
}

void Pacing::published(Timestamp now) {
  // With nobody behind us there is nobody to wait for.
  acked_at_ = std::min(acked_at_, core_.up.empty() ? now : now + kReportDelay);
  if (core_.up.empty()) acknowledge(now);
}

void Pacing::acknowledge(Timestamp now) {
  acked_at_ = kNever;
  const Sequence highest = core_.seen[kSelf].watermark;
  const std::vector<Slot> waiting = owing();
  const Sequence least = std::min(behind(kSelf, highest, waiting, now), lead(kSelf, lead_, now));
  const Sequence parts =
      large_.empty() ? 0 : std::min(behind(*core_.own_parts, core_.seen[*core_.own_parts].watermark, waiting, now), lead(*core_.own_parts, lead_of_parts_, now));
  const bool moved = least > acked_;
  acked_ = std::max(acked_, least);
  const Sequence large_before = large_acked_;
  while (!large_.empty() && large_.front().sequence <= acked_ && large_.front().last_part <= parts) {
    large_acked_ = large_.front().sequence;
    large_.pop_front();
  }
  if (moved || large_acked_ > large_before) core_.out.push(Acked{acked_, large_acked_});
  if (acked_ < highest || !large_.empty()) acked_at_ = now + kRecheck;
}

void Pacing::on_progress(Slot from, const frame::Progress& progress, Timestamp now) {
  bool ours = false;
  for (const auto& entry : progress.entries) {
    const auto origin = core_.seen.find(entry.origin);
    if (!origin) continue;
    auto& reports = at(*origin).reports;
    const auto it = std::find_if(reports.begin(), reports.end(), [from](const Report& r) { return r.slot == from; });
    if (entry.watermark == kRelease) {
      if (it != reports.end()) reports.erase(it);
    } else {
      const Sequence watermark = std::min(entry.watermark, core_.seen[*origin].highest);
      core_.links[from].note_has(*origin, watermark);
      if (it != reports.end()) {
        it->watermark = watermark;
      } else {
        reports.push_back({from, watermark});
      }
    }
    if (core_.is_own(*origin)) {
      ours = true;
    } else {
      mark(*origin, now, true);
    }
  }
  if (ours) acknowledge(now);
}

void Pacing::peer_down(Slot slot, Timestamp now) {
  bool ours = false;
  for (OriginIndex origin = 0; origin < origins_.size(); ++origin) {
    Paced& paced = origins_[origin];
    if (paced.upstream == slot) {
      paced.upstream = kNoSlot;
      paced.reported = kRelease;
    }
    if (std::erase_if(paced.reports, [slot](const Report& r) { return r.slot == slot; }) == 0) continue;
    if (core_.is_own(origin)) {
      ours = true;
    } else {
      mark(origin, now);
    }
  }
  if (ours || acked_ < core_.seen[kSelf].watermark || !large_.empty()) acknowledge(now);
}

void Pacing::forget(OriginIndex origin) {
  if (origin >= origins_.size()) return;
  const bool marked = origins_[origin].marked;
  origins_[origin] = Paced{};
  origins_[origin].marked = marked;  // still listed
}

void Pacing::handle_timeout(Timestamp now) {
  if (report_at_ <= now) report(now);
  if (acked_at_ > now) return;
  const Sequence before = acked_;
  acknowledge(now);
  // Said again while nothing moves: a publisher that waits looks at its bounds then.
  if (acked_ == before && acked_ < core_.seen[kSelf].watermark) core_.out.push(Acked{acked_, large_acked_});
}

void Pacing::check(std::vector<std::string>& broken) const {
  if (acked_ > core_.seen[kSelf].highest) broken.emplace_back("acknowledged more than was published");
  for (const Paced& paced : origins_) {
    if (paced.reports.size() > core_.up.size()) broken.emplace_back("more reports than links");
    if (paced.upstream != kNoSlot && !std::binary_search(core_.up.begin(), core_.up.end(), paced.upstream)) {
      broken.emplace_back("the upstream link is not up");
    }
  }
}

}  // namespace plumvine::tree
