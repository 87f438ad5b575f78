#include "safety.hpp"

#include <set>

namespace plumvine::sim {

std::vector<std::string> unsafe(const Snapshot& s, const Config& config) {
  std::vector<std::string> problems;
  auto require = [&](bool holds, const std::string& what) {
    if (!holds) problems.push_back(s.name + ": " + what);
  };
  std::set<std::string> up;
  std::uint64_t queued = 0;
  for (const LinkInfo& link : s.links) {
    require(link.peer != s.name, "a link to itself");
    queued += link.queue_bytes;
    require(link.queue_bytes <= config.link.queue_max_bytes, "send queue to " + link.peer + " above its bound");
    if (link.state == LinkState::up) require(up.insert(link.peer).second, "two links to " + link.peer);
  }
  require(queued == s.queue_bytes, "queue_bytes is not the sum of the queues");
  for (const TreeInfo& tree : s.trees) {
    std::set<std::string> peers;
    for (const auto* set : {&tree.eager, &tree.lazy}) {
      for (const std::string& peer : *set) {
        require(peer != s.name, "itself in a tree");
        require(peers.insert(peer).second, peer + " is eager and lazy");
        require(up.contains(peer), peer + " has a role and no link");
      }
    }
    require(peers.size() == up.size(), "a link without a role in a tree");
    require(up.empty() || !tree.eager.empty(), "no eager link in a tree");
    require(tree.parent.empty() || up.contains(tree.parent), "a parent without a link");
  }
  std::set<std::string> members;
  for (const MemberInfo& info : s.members) {
    require(members.insert(info.member.name).second, info.member.name + " twice in the member list");
  }
  const TreeConfig& limits = config.tree;
  require(s.trees.size() <= limits.trees_max, "more trees than trees_max");
  require(s.tree.cache_messages <= limits.message_cache_max_size, "cache above message_cache_max_size");
  require(s.tree.cache_bytes <= limits.message_cache_max_bytes, "cache above message_cache_max_bytes");
  require(s.tree.store_messages <= limits.sync_max_messages, "store above sync_max_messages");
  require(s.tree.store_bytes <= limits.store_bytes(), "store above sync_max_bytes");
  require(s.tree.seen_origins <= limits.origins_max, "more origins than origins_max");
  require(s.invariant_violations == 0, "invariant violations counted");
  return problems;
}

}  // namespace plumvine::sim
