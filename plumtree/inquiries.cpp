#include "inquiries.hpp"

#include <algorithm>

namespace plumvine::tree {

namespace {
bool is_in(const std::vector<InstanceId>& sorted, InstanceId what) { return std::binary_search(sorted.begin(), sorted.end(), what); }
}  // namespace

// ---- Who asks

void Inquiries::ask(std::uint64_t number, std::uint8_t kind, Bytes question, Duration timeout, Timestamp now) {
  if (own_.size() >= kOwnMax) timeout = Duration{0};
  Own own{{core_.self, number, 0, kind, std::move(question)}, now + timeout, kNever, core_.alive, {}};
  std::erase(own.expected, core_.self);
  if (timeout == Duration{0} || own.expected.empty()) return end(own);
  send(own_.emplace(number, std::move(own)).first->second, now);
}

void Inquiries::send(Own& own, Timestamp now) {
  ++own.question.round;
  core_.send(core_.up, own.question);
  own.ask_at = now + kAskAgain;
}

bool Inquiries::is_complete(const Own& own) {
  return std::all_of(own.expected.begin(), own.expected.end(), [&](InstanceId member) { return own.answers.contains(member); });
}

void Inquiries::end(Own& own) {
  Inquired out{own.question.number, is_complete(own), {}, {}};
  for (const InstanceId member : own.expected)
    if (!own.answers.contains(member)) out.missing.push_back(member);
  for (auto& [member, text] : own.answers) out.answers.push_back({member, std::move(text)});
  core_.out.push(std::move(out));
}

// ---- Who is asked

void Inquiries::on_ask(Slot from, const frame::Ask& ask, Timestamp now) {
  if (ask.origin == core_.self) return;  // our own, come around
  const Key key{ask.origin, ask.number};
  auto it = asked_.find(key);
  const bool fresh = it == asked_.end();
  if (fresh) {
    const auto first = asked_.lower_bound({ask.origin, 0});
    const auto last = asked_.upper_bound({ask.origin, UINT64_MAX});
    if (asked_.size() >= kAskedMax || std::distance(first, last) >= static_cast<std::ptrdiff_t>(kAskedOfOne))
      return core_.stats.rate_limited.add(RateLimited::ask);
    it = asked_.emplace(key, Asked{}).first;
  }
  Asked& asked = it->second;
  if (ask.round <= asked.round) return;
  if (!fresh && now - asked.passed_on < kRoundGap) return core_.stats.rate_limited.add(RateLimited::ask);
  asked.round = ask.round;
  asked.parent = from;
  asked.passed_on = now;
  asked.ends = now + kAskedTime;
  std::vector<Slot> others = core_.up;
  std::erase(others, from);
  core_.send(others, frame::Ask{ask});
  if (asked.ours) gather(key, asked, {core_.self, *asked.ours}, now);
  if (fresh) core_.out.push(tree::Asked{ask.origin, ask.number, ask.kind, ask.question});
}

void Inquiries::answer(InstanceId origin, std::uint64_t number, Bytes text, Timestamp now) {
  const Key key{origin, number};
  const auto it = asked_.find(key);
  if (it == asked_.end() || it->second.ours) return;
  it->second.ours = text;
  gather(key, it->second, {core_.self, std::move(text)}, now);
}

void Inquiries::gather(const Key& key, Asked& asked, frame::Answers::Answer answer, Timestamp now) {
  asked.bytes += answer.text.size();
  asked.gathered.push_back(std::move(answer));
  asked.answer_at = std::min(asked.answer_at, now + kGather);
  if (asked.bytes >= kGatherBytes || asked.gathered.size() >= kGatherCount) send_answers(key, asked);
}

void Inquiries::on_answers(Slot from, frame::Answers answers, Timestamp now) {
  if (answers.origin == core_.self) {
    const auto it = own_.find(answers.number);
    if (it == own_.end()) return;  // too late
    Own& own = it->second;
    for (auto& answer : answers.answers) {
      if (!is_in(core_.alive, answer.member) && !is_in(own.expected, answer.member)) continue;
      if (own.bytes + answer.text.size() > kAnswersBytes) {
        core_.stats.rate_limited.add(RateLimited::ask);
        continue;
      }
      const std::size_t size = answer.text.size();
      if (own.answers.emplace(answer.member, std::move(answer.text)).second) own.bytes += size;
    }
    if (is_complete(own)) own.deadline = now;
    return;
  }
  const Key key{answers.origin, answers.number};
  const auto it = asked_.find(key);
  if (it == asked_.end() || it->second.parent == from) return;  // too late, or going in a circle
  for (auto& answer : answers.answers) {
    if (is_in(core_.alive, answer.member)) gather(key, it->second, std::move(answer), now);
  }
}

void Inquiries::send_answers(const Key& key, Asked& asked) {
  asked.answer_at = kNever;
  asked.bytes = 0;
  auto gathered = std::exchange(asked.gathered, {});
  if (asked.parent == kNoSlot || gathered.empty()) return;  // the next round finds another way
  core_.send(asked.parent, frame::Answers{key.first, key.second, std::move(gathered)});
}

void Inquiries::peer_down(Slot slot) {
  for (auto& [key, asked] : asked_) {
    if (asked.parent == slot) asked.parent = kNoSlot;
  }
}

// ---- Time

void Inquiries::handle_timeout(Timestamp now) {
  for (auto it = own_.begin(); it != own_.end();) {
    Own& own = it->second;
    if (own.deadline <= now) {
      end(own);
      it = own_.erase(it);
      continue;
    }
    if (own.ask_at <= now) send(own, now);
    ++it;
  }
  for (auto it = asked_.begin(); it != asked_.end();) {
    if (it->second.answer_at <= now) send_answers(it->first, it->second);
    it = it->second.ends <= now ? asked_.erase(it) : std::next(it);
  }
}

Timestamp Inquiries::next_timeout() const {
  Timestamp next = kNever;
  for (const auto& [number, own] : own_) next = std::min({next, own.deadline, own.ask_at});
  for (const auto& [key, asked] : asked_) next = std::min({next, asked.answer_at, asked.ends});
  return next;
}

void Inquiries::check(std::vector<std::string>& broken) const {
  if (own_.size() > kOwnMax || asked_.size() > kAskedMax) broken.emplace_back("too many questions");
  for (const auto& [key, asked] : asked_) {
    if (!asked.gathered.empty() && asked.answer_at == kNever) broken.emplace_back("answers that nobody sends on");
  }
}

}  // namespace plumvine::tree
