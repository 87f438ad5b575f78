#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include <plumvine/health.hpp>
#include <plumvine/snapshot.hpp>

namespace plumvine::metrics {

/// The catalogue's families with the values of one snapshot. Pure.
std::vector<prometheus::MetricFamily> collect(const Snapshot& snapshot, const HealthReport& health);

}  // namespace plumvine::metrics
