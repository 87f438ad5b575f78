#include "socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace plumvine::uv {
namespace {

constexpr int kReceiveBuffer = 4 << 20;
constexpr int kPortTries = 64;

int family_of(const Endpoint& endpoint) { return endpoint.is_v4() ? AF_INET : AF_INET6; }

void set_option(int fd, int level, int name, int value) noexcept {
  // A refused option is not worth failing for: each has a sane default.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

Result<Fd> open_bound(const Endpoint& where, int type) {
  const int family = family_of(where);
  Fd fd{socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return socket_error(where.to_string(), errno);
  // Without SO_REUSEADDR a restart would wait for old connections to time out. On datagram sockets the option
  // would let two processes share one port.
  if (type == SOCK_STREAM) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, where.is_unspecified() ? 0 : 1);
  const SockAddr address = to_sockaddr(where, family);
  if (bind(fd.get(), address.get(), address.size) != 0) return socket_error(where.to_string(), errno);
  return fd;
}

}  // namespace

void Fd::reset() noexcept {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0) (void)::close(fd);
}

SockAddr to_sockaddr(const Endpoint& to, int family) noexcept {
  SockAddr out;
  if (family == AF_INET) {
    if (!to.is_v4()) {
      out.size = 0;
      return out;
    }
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(to.port);
    std::memcpy(&v4->sin_addr, to.address.data() + 12, 4);
    out.size = sizeof *v4;
    return out;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(to.port);
  std::memcpy(&v6->sin6_addr, to.address.data(), 16);
  out.size = sizeof *v6;
  return out;
}

Endpoint to_endpoint(const sockaddr* address) noexcept {
  Endpoint out;
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    out.address[10] = out.address[11] = 0xff;
    std::memcpy(out.address.data() + 12, &v4->sin_addr, 4);
    out.port = ntohs(v4->sin_port);
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    std::memcpy(out.address.data(), &v6->sin6_addr, 16);
    out.port = ntohs(v6->sin6_port);
  }
  return out;
}

Endpoint local_endpoint(int fd) noexcept {
  SockAddr address;
  if (getsockname(fd, address.get(), &address.size) != 0) return {};
  return to_endpoint(address.get());
}

Error socket_error(std::string_view what, int error) {
  const bool taken = error == EADDRINUSE || error == EADDRNOTAVAIL || error == EACCES || error == EPERM;
  return Error{taken ? Errc::address_in_use : Errc::system, std::system_category().message(error)}.with(what);
}

Result<std::vector<Endpoint>> resolve_local(std::string_view host_port) {
  auto parsed = HostPort::parse(host_port);
  if (!parsed) return parsed.error();
  if (parsed->srv) return Error{Errc::invalid_argument, "an SRV name cannot be bound, give an address"}.with(host_port);
  if (!parsed->has_port)
    return Error{Errc::invalid_argument, "no port given, write HOST:PORT (port 0 = any free one)"}.with(host_port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int status = getaddrinfo(parsed->host.c_str(), nullptr, &hints, &list); status != 0)
    return Error{Errc::not_resolved, gai_strerror(status)}.with(host_port);
  std::vector<Endpoint> found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Endpoint endpoint = to_endpoint(entry->ai_addr);
    endpoint.port = parsed->port;
    if (std::find(found.begin(), found.end(), endpoint) == found.end()) found.push_back(endpoint);
  }
  freeaddrinfo(list);
  std::stable_partition(found.begin(), found.end(), [](const Endpoint& e) { return e.is_v4(); });
  if (found.empty()) return Error{Errc::not_resolved, "the name has no address"}.with(host_port);
  return found;
}

Result<Fd> listen_stream(const Endpoint& where, int backlog) {
  auto fd = open_bound(where, SOCK_STREAM);
  if (!fd) return fd;
  if (listen(fd->get(), backlog) != 0) return socket_error(where.to_string(), errno);
  return fd;
}

Result<Fd> bind_datagram(const Endpoint& where) {
  auto fd = open_bound(where, SOCK_DGRAM);
  if (!fd) return fd;
  // The privileged form first: it may exceed the system's limit.
  if (const int wanted = kReceiveBuffer; setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0)
    set_option(fd->get(), SOL_SOCKET, SO_RCVBUF, wanted);
  return fd;
}

Result<BoundPair> bind_pair(const Endpoint& where, int backlog) {
  for (int attempt = 0;; ++attempt) {
    auto stream = listen_stream(where, backlog);
    if (!stream) return stream.error();
    Endpoint address = where;
    address.port = local_endpoint(stream->get()).port;
    auto datagram = bind_datagram(address);
    if (datagram) return BoundPair{std::move(*stream), std::move(*datagram), address};
    const bool again = where.port == 0 && datagram.error().code == Errc::address_in_use && attempt < kPortTries;
    if (!again) return datagram.error();
  }
}

}  // namespace plumvine::uv
