#pragma once

#include <memory>
#include <string>

#include <plumvine/node.hpp>
#include <plumvine/snapshot.hpp>

namespace prometheus {
class Collectable;
}

namespace plumvine::metrics {

/// The snapshot in Prometheus text format 0.0.4. Pure.
std::string render_text(const Snapshot& snapshot, const HealthReport& health);

/// Lets the node's own HTTP server answer `GET /metrics`. Call it before the node starts.
void enable(Config& config);

/// A collector for a registry of one's own: `registry` must be scraped on any thread but needs no lock.
/// Holds the node's published state only, so it may outlive the node.
std::shared_ptr<prometheus::Collectable> collectable(const Node& node);

}  // namespace plumvine::metrics
