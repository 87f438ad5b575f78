#pragma once

#include <string>

#include <plumvine/snapshot.hpp>

/// Snapshots made by hand, for everything that is a function of one.
namespace plumvine::test {

inline MemberInfo member(std::string name, MemberState state, bool speaks_links = true) {
  MemberInfo info;
  info.member.name = std::move(name);
  info.member.state = state;
  info.member.address = Bytes::copy_of(std::string_view("\x0a\x00\x00\x01", 4));
  info.member.port = 7946;
  info.speaks_links = speaks_links;
  return info;
}

inline LinkInfo link(std::string peer, PeerRole role, LinkState state = LinkState::up) {
  LinkInfo info;
  info.peer = std::move(peer);
  info.role = role;
  info.state = state;
  return info;
}

/// A node that was started without seeds, joined and synced.
inline Snapshot sole() {
  Snapshot s;
  s.at = {100'000'000'000};
  s.name = "a";
  s.version = "1.2.3";
  s.instance = InstanceId{0xab};
  s.joined = s.synced = true;
  s.target_eager = 3;
  s.cache_capacity = 1000;
  s.cache_bytes_capacity = 1 << 20;
  s.cache_ttl_s = 30;
  s.members.push_back(member("a", MemberState::alive));
  s.members.back().self = true;
  return s;
}

/// `a` with links to `b` (eager, protected) and `c` (lazy); `d` is known without a link.
inline Snapshot cluster() {
  auto s = sole();
  for (const char* name : {"b", "c", "d"}) s.members.push_back(member(name, MemberState::alive));
  s.links = {link("b", PeerRole::eager), link("c", PeerRole::lazy)};
  s.links[0].is_protected = true;
  return s;
}

}  // namespace plumvine::test
