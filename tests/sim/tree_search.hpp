#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <plumvine/config.hpp>

namespace plumvine::sim {

/// What a search found. A counterexample is the first broken rule with what led to it.
struct SearchResult {
  std::uint64_t runs = 0;    ///< orders of events, or seeds, that were tried
  std::uint64_t steps = 0;   ///< frames and deadlines handled in all
  std::vector<std::string> violations;
};

/// Tries every order in which frames, deadlines and one fault of each kind (a message, a reset link, a new link, the root's
/// death) can happen, `depth` steps far, in a settled cluster of few nodes; orders that differ only in steps at different
/// nodes are the same. From each end the run goes on in order of time until all is at rest.
///
/// The real `Tree`, replayed from the start for each order. `cold`: from links that are just up instead of a settled tree.
SearchResult search_orders(std::uint32_t nodes, std::uint32_t depth, bool cold, TreeConfig config = {});

/// One run whose size, latencies, losses and faults are all drawn from the seed: partitions, joins, deaths of roots, views
/// of the members that differ, slow nodes.
SearchResult swarm_run(std::uint64_t seed, TreeConfig config = {});

}  // namespace plumvine::sim
