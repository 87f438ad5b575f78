#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "answers.hpp"
#include "core.hpp"
#include "member_table.hpp"

namespace plumvine::swim {

/// memberlist answers pings over streams from its protocol 3 on.
inline bool takes_stream_pings(const Member& member) { return member.versions[1] >= 3; }

/// Opens a stream ping; its answer comes back to who asked for it, by number.
using StreamPing = std::function<void(const Endpoint& to, std::string_view name, std::uint32_t sequence, Timestamp deadline)>;

/// Whether packets pass between us and each member. Streams and helpers keep a member alive whose packets are dropped, but an operator
/// wants to know, and which way it is.
///
/// A probe that was answered, but not by packet, puts the path in doubt: it may have been lost. Then the member is pinged by packet
/// alone, `kPings` times in a few seconds; one answer ends the doubt. Meanwhile a ping over a stream proves that it lives, and tells it to
/// do the same: whose pings arrive says which way is closed.
/// Bounds: `kMax` members in doubt at once; those beyond it are judged after `kMissesMin` probes.
class PacketPaths {
 public:
  static constexpr std::uint32_t kPings = 12;
  static constexpr Duration kPause = std::chrono::milliseconds{350};
  static constexpr std::size_t kMax = 16;
  /// So many probes in a row, of it or of anybody, are enough on their own.
  static constexpr std::uint32_t kMissesMin = 5;

  PacketPaths(Core& core, MemberTable& table, Answers& answers, StreamPing stream_ping)
      : core_(core), table_(table), answers_(answers), stream_ping_(std::move(stream_ping)) {}

  /// A probe of this member that began at `started` was answered, by packet or only in another way.
  void probed(Record& record, bool by_packet, Timestamp started, Timestamp now);
  /// A ping of its own came by packet.
  void packet_from(std::string_view name, Timestamp now);
  /// It asked over a stream, which is for those whose packets are not answered.
  void asked_by_stream(std::string_view name, Timestamp now);
  /// True if the number is of a ping from here.
  bool answered(std::uint32_t sequence, Timestamp now);
  bool stream_answered(std::uint32_t sequence);
  /// The next step of the member whose record has this number.
  void due(std::uint64_t id, Timestamp now);

 private:
  struct Doubt {
    std::string name;
    Timestamp since;
    std::vector<std::uint32_t> sequences;
    std::uint32_t stream_sequence = 0;
    bool lives = false;  ///< it answered over the stream
  };

  void begin(const Record& record, Timestamp now);
  void ping(const Record& record, Doubt& doubt, Timestamp now);
  void open(Record& record);
  /// Packets do not pass: says which way, once.
  void blocked(Record& record, Timestamp now);

  Core& core_;
  MemberTable& table_;
  Answers& answers_;
  StreamPing stream_ping_;
  std::map<std::uint64_t, Doubt> doubts_;  ///< by the number of the record
  std::uint32_t misses_in_a_row_ = 0;      ///< probes, of whomever, that were answered but not by packet
};

}  // namespace plumvine::swim
