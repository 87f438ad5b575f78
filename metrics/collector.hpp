#pragma once

#include <prometheus/metric_family.h>

#include <plumvine/health.hpp>
#include <plumvine/snapshot.hpp>
#include <vector>

namespace plumvine::metrics {

/// The catalogue's families with the values of one snapshot. Pure.
std::vector<prometheus::MetricFamily> collect(const Snapshot& snapshot, const HealthReport& health);

}  // namespace plumvine::metrics
