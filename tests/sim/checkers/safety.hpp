#pragma once

#include <string>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/snapshot.hpp>

namespace plumvine::sim {

/// Safety, true at every instant: no process in its own sets, each link once and with one role, every gauge inside its bound.
std::vector<std::string> unsafe(const Snapshot& snapshot, const Config& config);

}  // namespace plumvine::sim
