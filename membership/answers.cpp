#include "answers.hpp"

#include <algorithm>

namespace plumvine::swim {

Duration Answers::rest() const { return std::max<Duration>(std::chrono::seconds{2}, core_.config.probe_interval * 2 / 5); }

void Answers::asked(std::string_view name, Timestamp now) {
  if (!waits()) {
    first_ = now;
    core_.timers.set({TimerKind::answers}, now + kPatience);
  }
  ++questions_;
  last_ = now;
  if (members_.size() < kNamedMax && std::find(members_.begin(), members_.end(), name) == members_.end()) members_.emplace_back(name);
}

void Answers::answered(Timestamp now) {
  questions_ = 0;
  members_.clear();
  last_ = now;
  core_.timers.set({TimerKind::answers}, now + rest());
}

bool Answers::answered(std::uint32_t sequence, Timestamp now) {
  const auto it = std::find(sequences_.begin(), sequences_.end(), sequence);
  if (it == sequences_.end()) return false;
  sequences_.erase(it);
  answered(now);
  return true;
}

void Answers::due(Timestamp now) {
  if (table_.has_left()) {
    questions_ = 0;
    members_.clear();
    return;
  }
  if (!waits()) {
    if (now - last_ >= rest()) return ask(1, now);
    return core_.timers.set({TimerKind::answers}, last_ + rest());  // it has become longer
  }
  const bool hasty = now - first_ < kHasty;
  ask(hasty ? kAskedAtOnce : 1, now);
  core_.timers.set({TimerKind::answers}, now + (hasty ? kPause : kSlowly));
}

void Answers::ask(std::size_t count, Timestamp now) {
  const auto& records = table_.records();
  const Identity& self = core_.identity;
  // Nobody may be there.
  for (std::size_t looked = 0; count > 0 && looked < records.size() * kAskedAtOnce; ++looked) {
    const Record& record = *records[next_++ % records.size()];
    const MemberState state = record.member.state;
    if (table_.is_self(record.member.name) || state == MemberState::dead || state == MemberState::left) continue;
    --count;
    if (sequences_.size() >= kSequencesMax) sequences_.pop_front();
    sequences_.push_back(core_.next_sequence());
    asked(record.member.name, now);
    // Alone: news is told so and so often, and most of these may go to nobody.
    core_.send_alone(record.endpoint, wire::Ping{sequences_.back(), record.member.name, self.address.view(), self.port, self.name});
  }
}

void Answers::extend(Duration by) {
  if (!waits()) return;
  first_ = first_ + by;
  core_.timers.set({TimerKind::answers}, first_ + kPatience);
}

Unanswered Answers::unanswered(Timestamp now) const {
  if (!waits()) return {};
  return {std::max(now - first_, Duration{0}), questions_, members_.size()};
}

}  // namespace plumvine::swim
