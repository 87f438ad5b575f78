#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/result.hpp>

#include "core.hpp"
#include "member_table.hpp"
#include "push_pull.hpp"

namespace plumvine::swim {

/// Checks, on an operator's word, which ways lead to a member: pings by packet, several since one may be lost, padded ones to find the
/// largest packet that gets there, and one over a stream. The member is not judged by what comes of it. Bounds: `kMax` at once, one for each member.
class Checks {
 public:
  static constexpr std::size_t kMax = 32;
  static constexpr std::size_t kPings = 3;
  /// Sizes of packets that are tried, beside `udp_buffer_size`: what every path carries, IPv6's least, a tunnel, Ethernet under IPv6 and
  /// IPv4. The system cuts what is larger than the path's frames; where pieces are not let through, that is seen here.
  static constexpr std::array<std::uint32_t, 5> kSizes{508, 1232, 1372, 1452, 1472};
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
    struct Ping {
      std::uint32_t sequence = 0;
      Timestamp at;
      std::uint32_t size = 0;  ///< of its packet, padded; 0: as it is
    };
    std::vector<Ping> pings;           ///< at most (1 + sizes) a round
    std::set<std::uint32_t> sizes;     ///< not answered yet
    std::size_t rounds = 0;
    Timestamp started;
    bool stream_open = false;
  };
  void ping(std::uint64_t id, Check& check, Timestamp now);
  void ping_padded(Check& check, std::uint32_t size, Timestamp now);
  [[nodiscard]] static bool is_done(const Check& check) { return check.found.udp && !check.stream_open && check.sizes.empty(); }
  void end_if_done(std::uint64_t id, const Check& check, Timestamp now);

  Core& core_;
  const MemberTable& table_;
  Streams& streams_;
  std::map<std::uint64_t, Check> checks_;  ///< by number, which is also that of the ping over the stream
};

}  // namespace plumvine::swim
