#include "departed.hpp"

#include <algorithm>
#include <utility>

namespace plumvine::swim {

std::optional<Member> Departed::take(ByName::iterator it) {
  if (it == members_.end()) return std::nullopt;
  Member member = std::move(it->second);
  members_.erase(it);
  return member;
}

std::optional<Member> Departed::keep(Member member) {
  members_.insert_or_assign(member.name, std::move(member));
  if (members_.size() <= kMax) return std::nullopt;
  const auto goes_first = [](const auto& a, const auto& b) {
    return std::pair(a.second.state != MemberState::left, a.second.since) <
           std::pair(b.second.state != MemberState::left, b.second.since);
  };
  return take(std::min_element(members_.begin(), members_.end(), goes_first));
}

const Member* Departed::believe_left(std::string_view name, Timestamp now) {
  const auto it = members_.find(name);
  if (it == members_.end() || it->second.state != MemberState::dead) return nullptr;
  it->second.state = MemberState::left;
  it->second.since = now;
  return &it->second;
}

bool Departed::drop(std::string_view name) { return take(members_.find(name)).has_value(); }

std::optional<Member> Departed::expired(Timestamp now) {
  return take(std::find_if(members_.begin(), members_.end(), [&](const auto& entry) {
    const Member& member = entry.second;
    return now - member.since > (member.state == MemberState::left ? config_.tombstone_timeout : config_.reconnect_timeout);
  }));
}

const Member* Departed::find(std::string_view name) const {
  const auto it = members_.find(name);
  return it == members_.end() ? nullptr : &it->second;
}

}  // namespace plumvine::swim
