#pragma once

#include <optional>
#include <string>
#include <vector>

#include <plumvine/types.hpp>

namespace plumvine::cli {

/// A socket on this machine that is in the way of one that is to be bound.
struct Holder {
  std::string protocol;  ///< tcp or udp
  std::string address;   ///< where it is bound
  int pid = 0;           ///< 0: this user may not know
  std::string process;   ///< `pid 4711 (nc)`, or that this user may not know
};

/// A plumvined on this machine.
struct LocalAgent {
  int pid = 0;
  bool stopped = false;        ///< by SIGSTOP or a debugger: it lives and does nothing
  std::vector<Endpoint> http;  ///< where it serves HTTP: what it listens at without packets on the same port; empty: nowhere
};

/// Who listens on this machine (TCP) or is bound (UDP) at the address, as /proc tells. A wildcard meets every address of its port.
std::vector<Holder> holders_of(const Endpoint& address, bool udp_too);

/// What this process is, if it is a plumvined.
std::optional<LocalAgent> local_agent(int pid);

}  // namespace plumvine::cli
