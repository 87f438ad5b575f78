#pragma once

#include <map>
#include <string>
#include <vector>

#include "log_histogram.hpp"
#include "scenario.hpp"
#include "sim_cluster.hpp"

namespace plumvine::sim {

/// What the request says of a cluster, over `nodes` nodes unless it says otherwise.
ClusterOptions cluster_options(const Request& request, std::size_t nodes);

/// A cluster under a scenario, with what is measured on the way. Counters of processes that ended are kept.
class ClusterRun {
 public:
  ClusterRun(std::string name, const Request& request, std::size_t nodes)
      : ClusterRun(std::move(name), request, cluster_options(request, nodes)) {}
  ClusterRun(std::string name, const Request& request, ClusterOptions options);

  SimCluster& cluster() { return cluster_; }
  /// Who is hit by faults does not disturb the draws of the network.
  Rng& rng() { return rng_; }
  Report& report() { return report_; }

  void start(Duration limit = std::chrono::seconds{60});
  void kill(std::size_t node);
  void restart(std::size_t node);
  /// Waits until there is one view and everything is delivered. The time from `fault_end` until then is `heal_ms`, and
  /// within `limit`.
  void heal_within(Duration limit, Timestamp fault_end, const char* what);
  void rest(Duration limit);
  void require(bool holds, std::string what);
  Report finish();

 private:
  /// Counters of a process, from its start to now.
  void add(const Snapshot& snapshot);

  SimCluster cluster_;
  Rng rng_;
  Report report_;
  std::map<std::string, Timestamp> killed_;
  std::vector<double> detect_;
  LogHistogram latency_ms_;
  std::uint64_t hops_max_ = 0;
  std::uint64_t copies_ = 0, duplicates_ = 0, delivered_ = 0, grafts_ = 0, prunes_ = 0;
};

}  // namespace plumvine::sim
