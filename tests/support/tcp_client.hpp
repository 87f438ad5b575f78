#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <string_view>

#include <plumvine/types.hpp>

#include "transport/uv/socket.hpp"

namespace plumvine::test {

/// A plain client socket that never blocks after connecting; the test turns the server's loop between its calls.
class TcpClient {
 public:
  explicit TcpClient(const Endpoint& to, int receive_buffer = 0) {
    const int family = to.is_v4() ? AF_INET : AF_INET6;
    fd_ = uv::Fd{socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (receive_buffer != 0)
      (void)setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const auto address = uv::to_sockaddr(to, family);
    connected_ = connect(fd_.get(), address.get(), address.size) == 0;
  }

  [[nodiscard]] bool connected() const { return connected_; }
  /// Bytes taken now.
  std::size_t send(std::string_view text) {
    const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
  }
  /// Reads what is there; true while the other side is open.
  bool poll() {
    char buffer[65536];
    for (;;) {
      const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) {
        received.append(buffer, static_cast<std::size_t>(n));
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return true;
      closed = true;
      return false;
    }
  }
  void close() { fd_.reset(); }
  /// Status code of the first answer received, 0 before it came.
  [[nodiscard]] int status() const {
    const auto space = received.find(' ');
    return received.size() < space + 4 || space == std::string::npos ? 0 : std::stoi(received.substr(space + 1, 3));
  }
  [[nodiscard]] bool has(std::string_view text) const { return received.find(text) != std::string::npos; }

  std::string received;
  bool closed = false;

 private:
  uv::Fd fd_;
  bool connected_ = false;
};

}  // namespace plumvine::test
