#pragma once

#include <string>
#include <vector>

#include <plumvine/types.hpp>

namespace plumvine::cli {

/// A socket on this machine that is in the way of one that is to be bound.
struct Holder {
  std::string protocol;  ///< tcp or udp
  std::string address;   ///< where it is bound
  std::string process;   ///< `pid 4711 (nc)`, or that this user may not know
};

/// Who listens on this machine (TCP) or is bound (UDP) at the address, as /proc tells. A wildcard meets every address of its port.
std::vector<Holder> holders_of(const Endpoint& address, bool udp_too);

}  // namespace plumvine::cli
