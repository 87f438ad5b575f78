#pragma once

#include <memory>

#include "loop.hpp"
#include "quic_socket.hpp"
#include "transport/quic/quic_transport.hpp"
#include "transport/tls/tls_transport.hpp"

namespace plumvine::uv {

/// `quic::QuicTransport` on a libuv loop: its socket and its timer. Loop thread only.
class QuicLayer {
 public:
  /// `log` may be empty. Whom `below` trusts is trusted.
  QuicLayer(UvLoop& loop, tls::TlsTransport& below, Fd socket, quic::TransportOptions options, const LinkConfig& link,
            LogSink log, LogLevel log_level);

  Status start() { return socket_.start(); }
  [[nodiscard]] const Endpoint& address() const noexcept { return socket_.address(); }
  [[nodiscard]] QuicSocket& socket() noexcept { return socket_; }

 private:
  [[nodiscard]] quic::Common common(const tls::TlsTransport& below, const LinkConfig& link) const;
  [[nodiscard]] quic::TransportHost host(LogSink log, LogLevel log_level);
  [[nodiscard]] QuicSocket::Events events();

  UvLoop& loop_;
  QuicSocket socket_;

 public:
  quic::QuicTransport transport;
};

}  // namespace plumvine::uv
