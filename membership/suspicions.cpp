// What becomes of a suspicion until it ends, and what we make of our own state meanwhile: can we hear, and are we heard?
#include <algorithm>

#include <fmt/format.h>

#include "member_table.hpp"

namespace plumvine::swim {
namespace {

/// In probe intervals.
constexpr int kSilence = 3;
/// In probe intervals: who was heard within them is to be heard.
constexpr int kVoicePeriods = 5;

constexpr Duration kFlapForgiven = std::chrono::minutes{5};
/// So many flaps are ordinary.
constexpr std::uint32_t kFlapsFree = 3;

std::uint32_t flaps_left(const Record& record, Timestamp now) {
  const std::int64_t forgiven = (now - record.flapped_at) / kFlapForgiven;
  return record.flaps > forgiven ? record.flaps - static_cast<std::uint32_t>(forgiven) : 0;
}

}  // namespace

void MemberTable::start_suspicion(Record& record, std::string_view accuser, Timestamp now) {
  const auto& config = core_.config;
  const std::size_t members = order_.size();
  std::uint32_t k = config.suspicion_confirmations;
  if (k == 0) k = config.suspicion_mult > 2 ? config.suspicion_mult - 2 : 0;
  if (members < k + 2) k = 0;
  const Duration min = suspicion_timeout(config.suspicion_mult, members, config.probe_interval) * damping(record, now);
  record.suspicion = std::make_unique<Suspicion>(accuser, k, min, min * config.suspicion_max_timeout_mult, now,
                                                 static_cast<std::uint32_t>(record.member.incarnation), config.buddy_system);
  suspects_.push_back(&record);
  core_.timers.set({TimerKind::suspicion, record.id}, record.suspicion->due());
}

void MemberTable::flapped(Record& record, Timestamp now) {
  record.flaps = std::min(flaps_left(record, now), kFlapsFree + core_.config.flap_damping_max) + 1;
  record.flapped_at = now;
}

std::uint32_t MemberTable::damping(Record& record, Timestamp now) {
  const std::uint32_t flaps = flaps_left(record, now);
  const std::uint32_t extra = flaps > kFlapsFree ? std::min(flaps - kFlapsFree, core_.config.flap_damping_max) : 0;
  if (extra == 0) return 1;
  ++core_.stats.flaps_damped;
  core_.log(LogLevel::info, "PV1112",
            fmt::format("Member {} comes and goes: it gets {} times as long to refute a suspicion", record.member.name, extra + 1),
            {{"member", record.member.name}});
  return extra + 1;
}

void MemberTable::end_suspicion(Record& record) {
  if (!record.suspicion) return;
  record.suspicion.reset();
  core_.timers.cancel({TimerKind::suspicion, record.id});
  std::erase(suspects_, &record);
}

Record* MemberTable::suspicion_due(std::uint64_t id, Timestamp now) {
  const auto it = std::find_if(suspects_.begin(), suspects_.end(), [id](const Record* r) { return r->id == id; });
  if (it == suspects_.end()) return nullptr;
  Record& record = **it;
  if (record.seen_at > record.suspicion->began()) {
    // It talks to us, only its refutation has not come: it is asked for that.
    record.suspicion->restart(record.seen_at);
    core_.timers.set({TimerKind::suspicion, id}, record.suspicion->due());
    return &record;
  }
  if (record.suspicion->asks()) {
    core_.timers.set({TimerKind::suspicion, id}, record.suspicion->deadline());
    return &record;
  }
  if (doubtful(*record.suspicion, now)) {
    record.suspicion->restart(now);
    core_.timers.set({TimerKind::suspicion, id}, record.suspicion->due());
    return nullptr;
  }
  if (silent(now) && now < record.suspicion->latest()) {
    // Others confirmed it before they fell silent. Their later word, and the suspect's, may be lying in our socket.
    core_.timers.set({TimerKind::suspicion, id}, std::min(record.suspicion->latest(), now + core_.config.probe_interval));
    return nullptr;
  }
  const std::string name = record.member.name;
  std::string why = "it did not refute the suspicion of ";
  for (const std::string& accuser : record.suspicion->accusers()) why += (why.ends_with(' ') ? "" : ", ") + accuser;
  dead({static_cast<std::uint32_t>(record.member.incarnation), name, core_.identity.name}, now, std::move(why));
  return nullptr;
}

bool MemberTable::suspect_answered(std::uint32_t sequence, const Endpoint& from, Timestamp now) {
  const auto asked = [&](const Record* r) { return r->suspicion->was_asked(sequence) && r->endpoint == from; };
  const auto it = std::find_if(suspects_.begin(), suspects_.end(), asked);
  if (it == suspects_.end()) return false;
  (*it)->suspicion->restart(now);
  core_.timers.set({TimerKind::suspicion, (*it)->id}, (*it)->suspicion->due());
  return true;
}

bool MemberTable::doubtful(const Suspicion& suspicion, Timestamp now) const {
  if (suspicion.k() == 0 || suspicion.confirmations() > 0 || core_.awareness.score() == 0) return false;
  if (!suspicion.is_accuser(core_.identity.name)) return false;
  const auto late = [&](const Voice& voice) { return voice.at > now - kVoicePeriods * core_.config.probe_interval; };
  return static_cast<std::size_t>(std::count_if(voices_.begin(), voices_.end(), late)) >= std::min<std::size_t>(suspicion.k(), kVoicesMax);
}

bool MemberTable::silent(Timestamp now) const {
  return answered_ && heard_ != Timestamp{INT64_MIN} && now - heard_ >= kSilence * core_.config.probe_interval;
}

void MemberTable::heard(Timestamp now) {
  if (silent(now)) {
    for (Record* record : suspects_) {
      record->suspicion->resume(now);
      core_.timers.set({TimerKind::suspicion, record->id}, record->suspicion->due());
    }
  }
  heard_ = now;
}

void MemberTable::packet_heard(const Endpoint& from, Timestamp now) {
  heard(now);
  if (suspects_.empty()) return;
  auto voice = std::find_if(voices_.begin(), voices_.end(), [&](const Voice& v) { return v.endpoint == from; });
  if (voice == voices_.end()) {
    const Record* record = living_at(from);
    if (record == nullptr || record->suspicion) return;
    if (voices_.size() < kVoicesMax) return voices_.push_back({from, now});
    voice = std::min_element(voices_.begin(), voices_.end(), [](const Voice& a, const Voice& b) { return a.at < b.at; });
  }
  *voice = {from, now};
}

void MemberTable::extend_suspicions(Duration by) {
  for (Record* record : suspects_) {
    record->suspicion->extend(by);
    core_.timers.set({TimerKind::suspicion, record->id}, record->suspicion->due());
  }
}

}  // namespace plumvine::swim
