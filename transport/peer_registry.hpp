#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/time.hpp>
#include <plumvine/types.hpp>

#include "transport.hpp"

namespace plumvine {

/// No connection.
inline constexpr ConnId kNoConn{0};

/// What the engine keeps of one peer.
struct Peer {
  std::string name;
  InstanceId instance{};
  ConnId link = kNoConn;                ///< the link that is up
  ConnId dialling = kNoConn;            ///< our attempt to get one
  Timestamp fed_at{INT64_MIN / 2};      ///< when membership was last told of traffic
  std::uint32_t offences = 0;           ///< since `offences_since`
  Timestamp offences_since;
  std::string no_link;                  ///< why the last dial did not get there; empty once there was a link
  Timestamp no_link_at;
  bool used = false;
};

/// Hands out `PeerId`s: small numbers, one per (name, instance). A number that was given back rests for a while and the
/// one that rested longest is used first, so that a late reference does not meet somebody else.
class PeerRegistry {
 public:
  static constexpr Duration kRest = std::chrono::seconds{60};

  explicit PeerRegistry(std::size_t peers_max) : peers_max_(peers_max) {}

  /// The peer's number, a new one where needed; nullopt when `peers_max` are in use or at rest.
  std::optional<PeerId> acquire(std::string_view name, InstanceId instance, Timestamp now);
  /// Gives the number back. The peer must have no connection.
  void release(PeerId id, Timestamp now);

  [[nodiscard]] Peer& operator[](PeerId id) { return peers_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Peer& operator[](PeerId id) const { return peers_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] bool valid(PeerId id) const noexcept {
    return static_cast<std::size_t>(id) < peers_.size() && peers_[static_cast<std::size_t>(id)].used;
  }
  /// The peer with this instance, if any.
  [[nodiscard]] std::optional<PeerId> find(InstanceId instance) const;

 private:
  std::size_t peers_max_;
  std::vector<Peer> peers_;
  std::map<std::pair<InstanceId, std::string>, PeerId> index_;
  std::deque<std::pair<Timestamp, PeerId>> resting_;
};

}  // namespace plumvine
