#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/result.hpp>

#include "core.hpp"
#include "member_table.hpp"
#include "push_pull.hpp"

namespace plumvine::swim {

/// Checks, on an operator's word, which ways lead to a member: pings by packet, several since one may be lost, and one over a
/// stream. The member is not judged by what comes of it. Bounds: `kMax` at once, one for each member.
class Checks {
 public:
  static constexpr std::size_t kMax = 32;
  static constexpr std::size_t kPings = 3;
  static constexpr Duration kTime = std::chrono::milliseconds{1500};

  /// Ends first, so that what it failed with is known.
  static constexpr Duration kStreamTime = kTime - std::chrono::milliseconds{100};

  Checks(Core& core, const MemberTable& table, Streams& streams) : core_(core), table_(table), streams_(streams) {}

  /// See `Swim::check`. While one of the same member runs, its outcome is that of both.
  Status begin(std::string_view name, Timestamp now);
  /// True if the number belongs to a check.
  bool answered(std::uint32_t sequence, const Endpoint& from, Timestamp now);
  void stream_done(const StreamResult& result, Timestamp now);
  void due(std::uint64_t id, Timestamp now);

 private:
  struct Check {
    ReachCheck found;
    Endpoint to;
    std::vector<std::pair<std::uint32_t, Timestamp>> pings;  ///< numbers, and when each was sent
    Timestamp started;
    bool stream_open = false;
  };
  void ping(std::uint64_t id, Check& check, Timestamp now);
  [[nodiscard]] static bool is_done(const Check& check) { return check.found.udp && !check.stream_open; }
  void end_if_done(std::uint64_t id, const Check& check, Timestamp now);

  Core& core_;
  const MemberTable& table_;
  Streams& streams_;
  std::map<std::uint64_t, Check> checks_;  ///< by number, which is also that of the ping over the stream
};

}  // namespace plumvine::swim
