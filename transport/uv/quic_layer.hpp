#pragma once

#include <memory>

#include "loop.hpp"
#include "quic_socket.hpp"
#include "quic_tickets_file.hpp"
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
  /// Tickets outlive the process from now on: begins with those in this file, and keeps it up to date. They are sealed
  /// with the key of our certificate. `unused` is told why those in the file are not used, `unkept` why it is not kept.
  void keep_tickets(const std::string& path, const std::function<void(std::string)>& unused, TicketsFile::Log unkept);
  /// The node ends: the loop goes on until the file is written.
  void finish() {
    if (tickets_) tickets_->finish();
  }
  [[nodiscard]] const Endpoint& address() const noexcept { return socket_.address(); }
  [[nodiscard]] QuicSocket& socket() noexcept { return socket_; }

 private:
  [[nodiscard]] quic::Common common(const tls::TlsTransport& below, const LinkConfig& link) const;
  [[nodiscard]] quic::TransportHost host(LogSink log, LogLevel log_level);
  [[nodiscard]] QuicSocket::Events events();

  UvLoop& loop_;
  const tls::TlsTransport& below_;
  QuicSocket socket_;
  std::unique_ptr<TicketsFile> tickets_;  ///< null: they end with the process

 public:
  quic::QuicTransport transport;
};

}  // namespace plumvine::uv
