#pragma once

#include <memory>
#include <string>
#include <vector>

#include <plumvine/snapshot.hpp>

namespace plumvine::sim {

using Snapshots = std::vector<std::shared_ptr<const Snapshot>>;

/// Liveness: every process sees exactly the given processes alive, nobody suspected. Empty = agreed.
std::vector<std::string> views_differ(const Snapshots& processes);

/// Liveness: links are the same seen from both ends, and the eager links of every tree that all know connect all.
std::vector<std::string> tree_broken(const Snapshots& processes);

/// Liveness: nothing is queued, announced and not here, or missing.
std::vector<std::string> queues_not_empty(const Snapshots& processes);

}  // namespace plumvine::sim
