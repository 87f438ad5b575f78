#pragma once

#include <cstdint>
#include <vector>

#include "tree.hpp"

namespace plumvine::tree {

/// The members whose trees everybody uses. Views that agree choose alike; a member that comes or goes changes few roots.
///
/// Each member draws a number from its instance (rendezvous hashing) and the largest are roots: `wanted` of them. With
/// `wanted` 0 it is one below 1,000 members and twelve from there on, or, where members name zones, one in each of the 24
/// zones with the most members: an origin then has a root nearby, and a tree that hardly leaves its way.
std::vector<TreeId> choose_roots(const TreeMembers& members, std::uint32_t wanted);

}  // namespace plumvine::tree
