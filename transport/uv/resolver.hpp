#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "loop.hpp"

#include <plumvine/config.hpp>

namespace plumvine::uv {

/// Looks names up on the loop (c-ares), by the machine's own configuration: hosts file, then its name servers,
/// both read anew for each look-up. All IPv4 and IPv6 addresses; `srv+NAME` asks for SRV records and then
/// for the addresses of their targets, with the records' ports. Literals are answered without a query.
///
/// Every call is answered once, never inside the call; an empty answer means that nothing was found. At most
/// `kParallel` look-ups run at a time and `kQueueMax` wait; further ones are answered empty.
class Resolver {
 public:
  using Answer = std::function<void(const HostPort&, const std::vector<Endpoint>&)>;

  Resolver(UvLoop& loop, Answer answer);
  ~Resolver();
  void resolve(const HostPort& name);
  /// Only addresses of this kind. Literals are answered all the same.
  void use_family(IpFamily family) { family_ = family; }

  /// Name servers instead of the system's, `IP:PORT` separated by commas; empty = the system's.
  void use_servers(std::string servers) { servers_ = std::move(servers); }

 private:
  static constexpr std::size_t kParallel = 8;
  static constexpr std::size_t kQueueMax = 256;
  class Lookup;

  void answer_soon(HostPort name, std::vector<Endpoint> found);
  void start_waiting();
  void finished(Lookup* lookup);

  UvLoop& loop_;
  Answer answer_;
  std::string servers_;
  IpFamily family_ = IpFamily::any;
  std::vector<std::unique_ptr<Lookup>> running_;
  std::deque<HostPort> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace plumvine::uv
