#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>
#include <plumvine/time.hpp>

namespace plumvine {

/// One run of one process: a random 64-bit number drawn at start. A restarted member has a new one, so
/// its broadcasts are never mistaken for old ones. Written as 16 lower-case hex digits. 0 = unknown.
enum class InstanceId : std::uint64_t {};

/// A small dense number that the engine hands out to a member that speaks links. Local to this process.
enum class PeerId : std::uint32_t {};

/// SWIM's version counter of one member's state (SWIM, section 4.2). 0 = nothing known yet.
enum class Incarnation : std::uint32_t {};

/// Names a broadcast tree: the instance of its root. The classic rule has the one tree `kSharedTree`.
enum class TreeId : std::uint64_t {};
inline constexpr TreeId kSharedTree{0};

/// Hop count of a copy: 1 straight from the origin, 0 at the origin itself.
using Round = std::uint16_t;

/// Position of a broadcast among its origin's broadcasts over all topics; the first one is 1.
using Sequence = std::uint64_t;

/// Names a broadcast for ever: who published it, and its position there. Text form `INSTANCE-SEQ`.
struct MessageId {
  InstanceId origin{};
  Sequence sequence = 0;
  friend constexpr auto operator<=>(const MessageId&, const MessageId&) = default;
};

/// A closed range of sequences, [first, last].
struct SequenceRange {
  Sequence first = 0;
  Sequence last = 0;
  friend constexpr auto operator<=>(const SequenceRange&, const SequenceRange&) = default;
};

std::string to_string(InstanceId instance);
std::string to_string(const MessageId& id);
/// Parses 16 lower-case hex digits.
Result<InstanceId> parse_instance(std::string_view text);
/// Parses `INSTANCE-SEQ`.
Result<MessageId> parse_message_id(std::string_view text);

/// An IP address and a port. IPv4 is kept in its mapped form (::ffff:a.b.c.d), so that the two spellings
/// of one address compare equal; text and `raw()` show IPv4 as IPv4.
struct Endpoint {
  std::array<std::uint8_t, 16> address{};
  std::uint16_t port = 0;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;

  [[nodiscard]] bool is_v4() const noexcept;
  [[nodiscard]] bool is_unspecified() const noexcept;  ///< 0.0.0.0 or ::
  [[nodiscard]] bool is_loopback() const noexcept;
  /// Why nobody can dial this address as it stands in a message; null where somebody may.
  [[nodiscard]] const char* undiallable() const noexcept;
  /// The address without the port: `10.0.0.1`, `fe80::1`.
  [[nodiscard]] std::string host() const;
  /// `10.0.0.1:7946`, `[fe80::1]:7946`.
  [[nodiscard]] std::string to_string() const;
  /// 4 bytes for IPv4, 16 for IPv6, as memberlist sends a bound address.
  [[nodiscard]] Bytes raw() const;

  /// From memberlist's address bytes (4 or 16, mapped form understood).
  static Result<Endpoint> from_raw(BytesView address, std::uint16_t port);
  /// Parses a literal `IP:PORT` or `[IP]:PORT`. Names are not resolved here.
  static Result<Endpoint> parse(std::string_view text);
};

/// A range of addresses: those that agree with `address` in the first `bits` bits (IPv4 counts in its mapped form).
struct Network {
  std::array<std::uint8_t, 16> address{};
  std::uint8_t bits = 0;

  friend constexpr bool operator==(const Network&, const Network&) = default;

  [[nodiscard]] bool contains(const Endpoint& endpoint) const noexcept;
  /// `10.0.0.0/8`, `fd00::/16`.
  [[nodiscard]] std::string to_string() const;
  /// Parses `ADDRESS/BITS`; bits of the address behind the prefix are dropped.
  static Result<Network> parse(std::string_view text);
};

/// A host (name or literal) and a port, as written by a person. Port 0 where none was given.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  bool has_port = false;
  bool srv = false;  ///< `srv+NAME`: look up SRV records
  /// Parses `HOST`, `HOST:PORT`, `V6`, `[V6]`, `[V6]:PORT`, `srv+NAME`.
  static Result<HostPort> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
};

/// What SWIM believes of a member. The numbers are memberlist's.
enum class MemberState : std::uint8_t { alive = 0, suspect = 1, dead = 2, left = 3 };
std::string_view to_string(MemberState state) noexcept;

/// How packets (UDP) between a member and us fare, as the probes show.
enum class PacketPath : std::uint8_t {
  open,         ///< they pass, or nothing is known
  out_blocked,  ///< its packets arrive here, ours do not reach it
  in_blocked,   ///< none of its packets arrives here; whether ours reach it, it must say
};
std::string_view to_string(PacketPath path) noexcept;

/// What became of the last stream ping (TCP) of a member that does not answer by packet.
enum class StreamContact : std::uint8_t {
  unknown,      ///< none was tried since it was last well
  answered,
  refused,      ///< nobody listens at its address, or the connection was closed at once: the process has ended, or is another cluster's
  silent,       ///< somebody accepts connections there and says nothing: the process is stopped or hung, or it is another program
  unreachable,  ///< no connection in time: the machine is off, or cut off
};
std::string_view to_string(StreamContact contact) noexcept;

/// A peer's role in one tree: eager peers get payloads, lazy ones announcements (Plumtree, section 3.3).
enum class PeerRole : std::uint8_t { eager, lazy };
std::string_view to_string(PeerRole role) noexcept;

/// memberlist's six version bytes: protocol min, max, current; delegate min, max, current.
using Versions = std::array<std::uint8_t, 6>;

using Tags = std::map<std::string, std::string>;

/// One member as SWIM knows it.
struct Member {
  std::string name;      ///< unique in the cluster; foreign members may use any bytes
  Bytes address;         ///< raw bytes as received, re-gossiped unchanged
  std::uint16_t port = 0;
  MemberState state = MemberState::dead;
  Incarnation incarnation{};
  Bytes meta;            ///< at most 512 bytes
  Versions versions{};
  Timestamp since;       ///< when `state` last changed

  /// Address and port for sockets. Unspecified when the raw address is malformed.
  [[nodiscard]] Endpoint endpoint() const;
};

/// Reads Serf's tag format (`ff`, then a msgpack map). Meta of another format is the tag `role`.
Tags decode_tags(BytesView meta);
/// Writes Serf's tag format; keys in byte order.
Bytes encode_tags(const Tags& tags);

/// Tags by which our members recognise each other in any memberlist cluster.
inline constexpr std::string_view kTagInstance = "pvi";  ///< instance, 16 hex digits: speaks links
inline constexpr std::string_view kTagLinks = "pvl";     ///< link protocol version, decimal
inline constexpr std::string_view kLinksVersion = "2";   ///< ours; since 2 links carry signed broadcasts
inline constexpr std::string_view kTagDigest = "pvd";   ///< compares tables by digest; its version, decimal
inline constexpr std::string_view kTagSerf = "pvs";      ///< carries Serf's user events to topics and back
inline constexpr std::string_view kTagQuic = "pvq";      ///< takes links over QUIC on this UDP port, five digits; absent without
inline constexpr std::string_view kTagOrigin = "pvo";    ///< its broadcasts are signed: key and epoch in base64; absent where they are not
inline constexpr std::string_view kTagZone = "pvz";      ///< zone, free text; absent without one

/// Why messages will never be delivered here.
enum class LossReason : std::uint8_t {
  evicted,        ///< every reachable member has dropped the payload from its repair store
  expired,        ///< missing for longer than `sync_window`: no store can hold it any more
  slow_consumer,  ///< left this node's own store before the local handler took it
  held_back,      ///< left this node's own store while it waited, for the order of its topic, for an earlier one
  too_large,      ///< above `max_size` of its topic here
  dropped,        ///< gave way in front of a local handler that is too slow, as its topic wants it
  incomplete,     ///< a part of it left this node's own store before the others had come
  corrupt,        ///< all its parts came, and together they are not what was published
  history_gap,    ///< left this node's history before a subscriber read it
};
std::string_view to_string(LossReason reason) noexcept;

}  // namespace plumvine

template <>
struct std::hash<plumvine::MessageId> {
  std::size_t operator()(const plumvine::MessageId& id) const noexcept {
    auto mix = [](std::uint64_t x) {
      x ^= x >> 30;
      x *= 0xbf58476d1ce4e5b9ULL;
      x ^= x >> 27;
      x *= 0x94d049bb133111ebULL;
      return x ^ (x >> 31);
    };
    return static_cast<std::size_t>(mix(static_cast<std::uint64_t>(id.origin) ^ mix(id.sequence)));
  }
};
