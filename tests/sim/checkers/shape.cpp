#include "shape.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace plumvine::sim {

namespace {

using Edges = std::map<std::string, std::set<std::string>>;

std::size_t reachable(const Edges& edges, const std::string& from) {
  std::set<std::string> seen{from};
  std::vector<std::string> open{from};
  while (!open.empty()) {
    const std::string node = open.back();
    open.pop_back();
    auto it = edges.find(node);
    if (it == edges.end()) continue;
    for (const std::string& next : it->second) {
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return seen.size();
}

}  // namespace

std::vector<std::string> views_differ(const Snapshots& processes) {
  std::vector<std::string> problems;
  std::set<std::string> names;
  for (const auto& snapshot : processes) names.insert(snapshot->name);
  for (const auto& snapshot : processes) {
    std::set<std::string> alive;
    for (const MemberInfo& info : snapshot->members) {
      if (info.member.state == MemberState::alive) alive.insert(info.member.name);
      if (info.member.state == MemberState::suspect) problems.push_back(snapshot->name + " suspects " + info.member.name);
    }
    for (const std::string& name : names) {
      if (!alive.contains(name)) problems.push_back(snapshot->name + " does not see " + name + " alive");
    }
    for (const std::string& name : alive) {
      if (!names.contains(name)) problems.push_back(snapshot->name + " sees " + name + " alive, which is not");
    }
  }
  return problems;
}

std::vector<std::string> tree_broken(const Snapshots& processes) {
  std::vector<std::string> problems;
  if (processes.size() < 2) return problems;
  std::map<std::string, std::set<std::string>> links;
  std::map<TreeId, Edges> trees;
  std::map<TreeId, std::size_t> known_by;
  for (const auto& snapshot : processes) {
    auto& mine = links[snapshot->name];
    for (const LinkInfo& link : snapshot->links) {
      if (link.state == LinkState::up) mine.insert(link.peer);
    }
    if (mine.empty()) problems.push_back(snapshot->name + " has no link");
    for (const TreeInfo& tree : snapshot->trees) {
      ++known_by[tree.tree];
      trees[tree.tree][snapshot->name].insert(tree.eager.begin(), tree.eager.end());
    }
  }
  for (const auto& [name, peers] : links) {
    for (const std::string& peer : peers) {
      auto other = links.find(peer);
      if (other == links.end() || !other->second.contains(name)) {
        problems.push_back(name + " has a link to " + peer + ", which has none back");
      }
    }
  }
  if (reachable(links, processes.front()->name) != processes.size()) problems.push_back("links do not connect all");
  for (const auto& [tree, edges] : trees) {
    if (known_by[tree] != processes.size()) continue;  // idle here and there: not in use
    for (const auto& snapshot : processes) {
      if (reachable(edges, snapshot->name) != processes.size()) {
        problems.push_back("eager links of one tree do not lead from " + snapshot->name + " to all");
      }
    }
  }
  return problems;
}

std::vector<std::string> queues_not_empty(const Snapshots& processes) {
  std::vector<std::string> problems;
  for (const auto& snapshot : processes) {
    auto check = [&](std::uint64_t value, const char* what) {
      if (value != 0) problems.push_back(snapshot->name + ": " + std::to_string(value) + " " + what);
    };
    // A ping may be under way at any instant; a payload may not.
    for (const LinkInfo& link : snapshot->links) {
      if (link.queue_bytes > 4096 || link.congested) problems.push_back(snapshot->name + ": queue to " + link.peer);
    }
    check(snapshot->tree.missing_messages, "messages missing");
    check(snapshot->tree.pending_grafts, "grafts pending");
    check(snapshot->tree.ihave_queued, "announcements queued");
  }
  return problems;
}

}  // namespace plumvine::sim
