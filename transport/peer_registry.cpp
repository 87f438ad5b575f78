#include "peer_registry.hpp"

#include <plumvine/detail/check.hpp>

namespace plumvine {

std::optional<PeerId> PeerRegistry::acquire(std::string_view name, InstanceId instance, Timestamp now) {
  const auto [it, fresh] = index_.try_emplace({instance, std::string{name}});
  if (!fresh) return it->second;
  PeerId id{};
  if (!resting_.empty() && (resting_.front().first + kRest <= now || peers_.size() >= peers_max_)) {
    id = resting_.front().second;
    resting_.pop_front();
  } else if (peers_.size() < peers_max_) {
    id = PeerId{static_cast<std::uint32_t>(peers_.size())};
    peers_.emplace_back();
  } else {
    index_.erase(it);
    return std::nullopt;
  }
  it->second = id;
  Peer& peer = (*this)[id];
  peer = Peer{};
  peer.name = name;
  peer.instance = instance;
  peer.used = true;
  return id;
}

void PeerRegistry::release(PeerId id, Timestamp now) {
  Peer& peer = (*this)[id];
  PLUMVINE_CHECK(peer.used && peer.link == kNoConn && peer.dialling == kNoConn, "a peer in use was given back");
  index_.erase({peer.instance, peer.name});
  peer = Peer{};
  resting_.emplace_back(now, id);
}

std::optional<PeerId> PeerRegistry::find(InstanceId instance) const {
  const auto it = index_.lower_bound({instance, std::string{}});
  if (it == index_.end() || it->first.first != instance) return std::nullopt;
  return it->second;
}

}  // namespace plumvine
