#pragma once

#include <map>
#include <string>

#include <plumvine/health.hpp>
#include <plumvine/snapshot.hpp>

/// What the dashboard shows of a node from second to second, as JSON texts.
namespace plumvine::dump {

/// Health, links, totals and distributions. Rates are for the reader to make, from two of them.
std::string live_json(const Snapshot& snapshot, const HealthReport& report);

/// The members as JSON rows, so that what goes out every second is only what has changed about them.
/// A row has nothing that changes by itself: times are instants of the node's clock (`since_ms`), not ages.
/// Bounds: one row for each member of the last snapshot. Not thread-safe.
class MemberRows {
 public:
  /// Takes the members over. Returns what differs, `{"whole":false,"rows":[…],"gone":[NAME…]}`; empty if nothing does.
  std::string update(const Snapshot& snapshot);
  /// All rows, `{"whole":true,"rows":[…],"gone":[]}`.
  [[nodiscard]] std::string whole() const;

 private:
  std::map<std::string, std::string, std::less<>> rows_;  // by name
};

}  // namespace plumvine::dump
