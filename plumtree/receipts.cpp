#include "receipts.hpp"

#include <algorithm>
#include <utility>

namespace plumvine::tree {

namespace {
/// Of what was skipped so many ranges are kept of an origin; then the oldest become one, and less is acknowledged.
constexpr std::size_t kSkippedRanges = 256;
/// One frame of answers.
constexpr std::size_t kAnswersMax = 256;
constexpr std::size_t kAnswerRangesMax = 1024;

void insert_sorted(std::vector<InstanceId>& list, InstanceId what) {
  const auto it = std::lower_bound(list.begin(), list.end(), what);
  if (it == list.end() || *it != what) list.insert(it, what);
}
}  // namespace

// ---- The publisher

void Receipts::want(Sequence sequence, std::uint32_t acks, Duration timeout, Timestamp now) {
  if (wanted_.size() >= kReceiptsMax) timeout = Duration{0};
  Wanted wanted{acks, now + timeout, core_.alive, {}};
  std::erase(wanted.expected, core_.self);
  end_at_ = std::min(end_at_, is_complete(wanted) ? now : wanted.deadline);
  wanted_.emplace(sequence, std::move(wanted));
  ask_at_ = std::min(ask_at_, std::max(now + kGather / 2, asked_at_ + kRoundGap));
}

void Receipts::ask(Timestamp now) {
  ask_at_ = kNever;
  IntervalSet open;
  for (const auto& [sequence, wanted] : wanted_) open.add(sequence);
  if (open.empty()) return;
  core_.send(core_.up, frame::AckRequest{core_.self, ++round_, open.list()});
  asked_at_ = now;
  ask_at_ = now + kAskAgain;
}

void Receipts::take(InstanceId member, const std::vector<SequenceRange>& ranges) {
  const auto is_in = [member](const std::vector<InstanceId>& list) { return std::binary_search(list.begin(), list.end(), member); };
  const bool alive = is_in(core_.alive);
  for (auto& [sequence, wanted] : wanted_) {
    if (!alive && !is_in(wanted.expected)) continue;
    const bool named = std::any_of(ranges.begin(), ranges.end(),
                                   [&](const SequenceRange& r) { return r.first <= sequence && sequence <= r.last; });
    if (named) insert_sorted(wanted.acked, member);
  }
}

bool Receipts::is_complete(const Wanted& wanted) {
  if (wanted.acks != UINT32_MAX) return wanted.acked.size() >= wanted.acks;
  return std::includes(wanted.acked.begin(), wanted.acked.end(), wanted.expected.begin(), wanted.expected.end());
}

void Receipts::end_receipts(Timestamp now) {
  end_at_ = kNever;
  for (auto it = wanted_.begin(); it != wanted_.end();) {
    auto& [sequence, wanted] = *it;
    const bool complete = is_complete(wanted);
    if (!complete && wanted.deadline > now) {
      end_at_ = std::min(end_at_, wanted.deadline);
      ++it;
      continue;
    }
    core_.stats.receipts.add(complete ? ReceiptResult::complete : ReceiptResult::timed_out);
    Receipted out{{core_.self, sequence}, complete, std::move(wanted.acked), {}};
    std::set_difference(wanted.expected.begin(), wanted.expected.end(), out.acked.begin(), out.acked.end(), std::back_inserter(out.missing));
    core_.out.push(std::move(out));
    it = wanted_.erase(it);
  }
  if (wanted_.empty()) ask_at_ = kNever;
}

// ---- Members

void Receipts::on_request(Slot from, const frame::AckRequest& request, Timestamp now) {
  if (request.origin == core_.self) return;  // our own, come around
  auto it = asked_.find(request.origin);
  if (it == asked_.end()) {
    if (asked_.size() >= kAskedMax) return core_.stats.rate_limited.add(RateLimited::ack);
    it = asked_.emplace(request.origin, Asked{}).first;
  }
  Asked& asked = it->second;
  if (request.round <= asked.round) return;
  if (now - asked.passed_on < kRoundGap / 4) return core_.stats.rate_limited.add(RateLimited::ack);
  asked.passed_on = now;
  asked.round = request.round;
  asked.parent = from;
  asked.ends = now + kAskedTime;
  asked.open.clear();
  for (const SequenceRange& range : request.ranges) asked.open.add(range);
  std::vector<Slot> others = core_.up;
  std::erase(others, from);
  core_.send(others, frame::AckRequest{request});
  answer_open(request.origin, asked, now);
}

void Receipts::answer_open(InstanceId instance, Asked& asked, Timestamp now) {
  const auto origin = core_.seen.find(instance);
  if (!origin) return;
  const auto skipped = skipped_.find(*origin);
  for (const SequenceRange& range : asked.open.list()) {
    // A request names what one node has under way: what is far longer is nobody's broadcasts.
    const Sequence last = std::min(range.last, range.first + kReceiptsMax);
    for (Sequence sequence = range.first; sequence <= last; ++sequence) {
      if (!core_.is_delivered(*origin, sequence)) continue;
      asked.open.remove(sequence);
      if (skipped != skipped_.end() && skipped->second.contains(sequence)) continue;
      asked.answers[core_.self].add(sequence);
      asked.answer_at = std::min(asked.answer_at, now + kGather);
    }
  }
}

void Receipts::delivered(InstanceId origin, SequenceRange range, Timestamp now) {
  if (asked_.empty()) return;
  const auto it = asked_.find(origin);
  if (it == asked_.end()) return;
  for (const SequenceRange& wanted : common(it->second.open, range)) {
    it->second.open.remove(wanted);
    it->second.answers[core_.self].add(wanted);
    it->second.answer_at = std::min(it->second.answer_at, now + kGather);
  }
}

void Receipts::on_acks(Slot from, const frame::Acks& acks, Timestamp now) {
  if (acks.origin == core_.self) {
    for (const auto& member : acks.members) take(member.origin, member.ranges);
    end_at_ = std::min(end_at_, now);
    return;
  }
  const auto it = asked_.find(acks.origin);
  if (it == asked_.end() || it->second.parent == from) return;  // too late, or going in a circle
  for (const auto& member : acks.members) {
    if (!std::binary_search(core_.alive.begin(), core_.alive.end(), member.origin)) continue;
    IntervalSet& answers = it->second.answers[member.origin];
    for (const SequenceRange& range : member.ranges) {
      if (answers.ranges() < kReceiptsMax) answers.add(range);
    }
  }
  it->second.answer_at = std::min(it->second.answer_at, now + kGather);
}

void Receipts::send_answers(InstanceId origin, Asked& asked) {
  asked.answer_at = kNever;
  if (asked.parent == kNoSlot) return;  // the next round finds another way
  frame::Acks frame{origin, {}};
  std::size_t ranges = 0;
  const auto flush = [&] {
    if (!frame.members.empty()) core_.send(asked.parent, std::exchange(frame, frame::Acks{origin, {}}));
    ranges = 0;
  };
  for (const auto& [member, set] : std::exchange(asked.answers, {})) {
    if (frame.members.size() >= kAnswersMax || ranges + set.ranges() > kAnswerRangesMax) flush();
    ranges += set.ranges();
    frame.members.push_back({member, set.list()});
  }
  flush();
}

void Receipts::skipped(OriginIndex origin, SequenceRange range) {
  IntervalSet& set = skipped_[origin];
  set.add(range);
  if (set.ranges() <= kSkippedRanges) return;
  const SequenceRange first = set.front();
  set.add({first.first, *set.next(first.last + 1)});
}

void Receipts::peer_down(Slot slot) {
  for (auto& [origin, asked] : asked_) {
    if (asked.parent == slot) asked.parent = kNoSlot;
  }
}

// ---- Time

void Receipts::handle_timeout(Timestamp now) {
  for (auto it = asked_.begin(); it != asked_.end();) {
    auto& [origin, asked] = *it;
    if (asked.answer_at <= now) send_answers(origin, asked);
    it = asked.ends <= now ? asked_.erase(it) : std::next(it);
  }
  if (end_at_ <= now) end_receipts(now);
  if (ask_at_ <= now) ask(now);
}

Timestamp Receipts::next_timeout() const {
  Timestamp next = std::min(ask_at_, end_at_);
  for (const auto& [origin, asked] : asked_) next = std::min({next, asked.answer_at, asked.ends});
  return next;
}

void Receipts::check(std::vector<std::string>& broken) const {
  if (asked_.size() > kAskedMax) broken.emplace_back("too many publishers ask for receipts");
  if (!wanted_.empty() && end_at_ == kNever) broken.emplace_back("a receipt that never ends");
}

}  // namespace plumvine::tree
