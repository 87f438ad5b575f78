#pragma once

#include <plumvine/health.hpp>
#include <plumvine/snapshot.hpp>

namespace plumvine {

/// Adds a reason (PV2109) where a subscriber lags.
void judge_subscribers(const Snapshot& snapshot, HealthReport& report);

}  // namespace plumvine
