#pragma once

#include <string>
#include <vector>

#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

namespace plumvine::uv {

/// Where to bind: `configured`, or the default when it is empty.
Result<Endpoint> bind_address(const std::string& configured);

/// What others are told to dial, and why.
struct Advertised {
  Endpoint endpoint;
  std::string reason;
};
/// `configured` if not empty (without a port: the bound one), else the bound address; for a wildcard the default
/// route's source address, IPv4 first, else a private, else any global one, else loopback. No packet is sent.
Result<Advertised> choose_advertised(const std::string& configured, const Endpoint& bound);

/// What to say where a loopback address is advertised but a seed is on another host; empty where all is well.
std::string loopback_warning(const Endpoint& advertised, const std::vector<std::string>& seeds);

/// Whether an interface that is up has an IPv6 address. A socket alone proves nothing: `[::]` can be bound where the
/// system has IPv6 switched off.
bool ipv6_available();

}  // namespace plumvine::uv
