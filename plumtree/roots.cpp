#include "roots.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include <plumvine/detail/rng.hpp>

namespace plumvine::tree {

namespace {

constexpr std::size_t kZonesMax = 24;

/// One root is the cheapest. Where trees are deep, more of them save an origin some of the way to the nearest.
constexpr std::size_t kMany = 1000;
constexpr std::size_t kRootsOfMany = 12;

using Draw = std::pair<std::uint64_t, InstanceId>;
Draw draw(InstanceId member) { return {mix64(static_cast<std::uint64_t>(member)), member}; }

struct Zone {
  std::size_t members = 0;
  Draw winner{};
};

std::vector<Draw> winners_of_zones(const TreeMembers& members) {
  std::map<std::string_view, Zone> by_name;
  for (std::size_t i = 0; i < members.alive.size(); ++i) {
    Zone& zone = by_name[members.zones[i]];
    ++zone.members;
    zone.winner = std::max(zone.winner, draw(members.alive[i]));
  }
  std::vector<Zone> zones;
  for (const auto& [name, zone] : by_name) zones.push_back(zone);
  std::stable_sort(zones.begin(), zones.end(), [](const Zone& a, const Zone& b) { return a.members > b.members; });
  zones.resize(std::min(zones.size(), kZonesMax));
  std::vector<Draw> out;
  for (const Zone& zone : zones) out.push_back(zone.winner);
  return out;
}

std::vector<Draw> winners(const TreeMembers& members, std::size_t wanted) {
  std::vector<Draw> draws;
  draws.reserve(members.alive.size());
  for (const InstanceId member : members.alive) draws.push_back(draw(member));
  wanted = std::min(wanted, draws.size());
  std::partial_sort(draws.begin(), draws.begin() + static_cast<std::ptrdiff_t>(wanted), draws.end(), std::greater<>{});
  draws.resize(wanted);
  return draws;
}

}  // namespace

std::vector<TreeId> choose_roots(const TreeMembers& members, std::uint32_t wanted) {
  const bool zoned = wanted == 0 && !members.zones.empty();
  const std::size_t automatic = members.alive.size() < kMany ? 1 : kRootsOfMany;
  std::vector<TreeId> roots;
  for (const Draw& one : zoned ? winners_of_zones(members) : winners(members, wanted == 0 ? automatic : wanted)) {
    roots.push_back(TreeId{static_cast<std::uint64_t>(one.second)});
  }
  return roots;
}

}  // namespace plumvine::tree
