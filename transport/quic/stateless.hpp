#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connection.hpp"

/// Packets that belong to no connection: what comes first, and what is answered without keeping anything (RFC 9000,
/// sections 6, 8.1 and 10.3). Every answer is shorter than what it answers.
namespace plumvine::quic {

/// The outside of a packet.
struct Outside {
  enum class Kind : std::uint8_t {
    broken,
    other_version,  ///< a version that is not spoken here; `dcid` and `scid` may be cut
    long_header,    ///< of a handshake
    short_header,   ///< of a connection that is up
  };
  Kind kind = Kind::broken;
  Cid dcid;
};
Outside look_at(BytesView packet);

/// A datagram that begins a connection must have this size, so that answers do not amplify it.
inline constexpr std::size_t kFirstMin = 1200;

/// The first packet of a client; nothing if it is none.
std::optional<FirstPacket> first_packet(BytesView packet);

/// What its token says of the client's address.
enum class TokenVerdict : std::uint8_t {
  none,
  good,
  stale,  ///< of an earlier connection, and not good any more: as if there was none
  bad,    ///< it pretends to follow a Retry and does not
};
/// Sets `odcid` and keeps the token if it is good; else removes it.
TokenVerdict check_token(FirstPacket& first, const Endpoint& remote, const std::string& secret, Timestamp now);

using PacketBytes = std::vector<std::byte>;
/// Empty: it could not be made.
PacketBytes retry_packet(const FirstPacket& first, const Endpoint& remote, const std::string& secret,
                         const Random& random, Timestamp now);
PacketBytes version_packet(BytesView packet, const Random& random);
/// `refused`: there is no room; else the token is bad.
PacketBytes refusal_packet(const FirstPacket& first, bool refused);
inline constexpr std::size_t kResetMax = 43;
/// For a packet of this size that was sent to `dcid`; empty where that is too short.
PacketBytes reset_packet(const Cid& dcid, std::size_t answered_size, const std::string& secret, const Random& random);

}  // namespace plumvine::quic
