#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <plumvine/health.hpp>
#include <plumvine/snapshot.hpp>

#include "events.hpp"
#include "health/live.hpp"
#include "http_server.hpp"

namespace plumvine::uv {

/// Who looks at the dashboard (`GET /live`): server-sent events, one state a second, made once for all of them.
///
/// A viewer also follows the events: those come unnamed on the same stream, so that a page needs one connection. At first it
/// gets the last `kEventsFirst` of them, all members (`event: members`) and the state (`event: state`); then members that changed, and
/// a state for each `tell`.
/// Bounds: viewers are followers of `Events`, which bounds their number, and cuts off and counts those that read too slowly. Loop thread only.
class Live {
 public:
  static constexpr std::uint64_t kIntervalMs = 1000;
  static constexpr std::size_t kEventsFirst = 200;

  explicit Live(Events& events) : events_(events) {}

  /// `after`: the id of the last event that this viewer had; empty where it had none. Takes nobody where `Events` has no room.
  void add(std::shared_ptr<HttpStream> stream, std::string_view after, const Snapshot& snapshot, const HealthReport& report);
  void tell(const Snapshot& snapshot, const HealthReport& report);
  /// Somebody looks.
  [[nodiscard]] bool watched();

 private:
  Events& events_;
  dump::MemberRows rows_;  ///< as the viewers know them
  std::vector<std::shared_ptr<HttpStream>> viewers_;
};

}  // namespace plumvine::uv
