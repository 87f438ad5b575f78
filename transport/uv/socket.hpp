#pragma once

#include <sys/socket.h>

#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

namespace plumvine::uv {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  void reset() noexcept;
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A socket address of the family that a socket speaks.
struct SockAddr {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// `to` for a socket of `family`: on an IPv6 socket IPv4 is written in its mapped form. IPv6 does not fit an
/// IPv4 socket: size 0.
SockAddr to_sockaddr(const Endpoint& to, int family) noexcept;
Endpoint to_endpoint(const sockaddr* address) noexcept;
/// Where a socket is bound; unspecified when it is not.
Endpoint local_endpoint(int fd) noexcept;

/// The error that a failed system call left in `errno`, as ours: "ADDRESS: words of the system".
Error socket_error(std::string_view what, int error);

/// `HOST:PORT` as addresses to bind or to advertise; a name is looked up at once (blocking: at start only).
/// IPv4 first.
Result<std::vector<Endpoint>> resolve_local(std::string_view host_port);

/// A listening stream socket, non-blocking, close-on-exec. An IPv6 wildcard takes IPv4 too.
Result<Fd> listen_stream(const Endpoint& where, int backlog);
/// A datagram socket, non-blocking, close-on-exec, with a receive buffer of 4 MiB where the system allows it.
Result<Fd> bind_datagram(const Endpoint& where);

/// Packets and streams on one port.
struct BoundPair {
  Fd stream;
  Fd datagram;
  Endpoint address;  ///< with the real port
};
/// Binds both to the same address and port. Port 0: searches until the system gives one that is free for both.
Result<BoundPair> bind_pair(const Endpoint& where, int backlog = 512);

}  // namespace plumvine::uv
