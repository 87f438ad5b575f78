#pragma once

#include <memory>

#include "resolver.hpp"
#include "tcp.hpp"
#include "udp.hpp"

namespace plumvine::uv {

/// `Transport` on sockets: packets over UDP and streams over TCP on one port, names by the system's resolver
/// configuration. Loop thread only; destroying it closes everything without further events.
class UvTransport final : public Transport {
 public:
  UvTransport(UvLoop& loop, BoundPair bound);

  /// Starts to listen for `events`. On failure the transport is only good for being destroyed.
  Status start(TransportEvents* events);
  [[nodiscard]] const Endpoint& address() const noexcept { return address_; }

  /// Names give addresses of this kind only.
  void use_family(IpFamily family) { resolver_.use_family(family); }

  /// Asked for each connection that was accepted; the ones it does not want are reset. Without it all are taken.
  void admit(TcpStreams::Admit admit) { tcp_.admit(std::move(admit)); }

  void send_packet(const Endpoint& to, Bytes packet) override { udp_.send(to, packet.view()); }
  void dial(ConnId conn, const Endpoint& to) override { tcp_.dial(conn, to); }
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override { return tcp_.write(conn, batch); }
  void close(ConnId conn, CloseMode mode) override { tcp_.close(conn, mode); }
  void pause_reading(ConnId conn, bool paused) override { tcp_.pause_reading(conn, paused); }
  void resolve(const HostPort& name) override { resolver_.resolve(name); }
  const TransportStats& stats() const override { return stats_; }

 private:
  TransportStats stats_;
  Endpoint address_;
  TransportEvents* events_ = nullptr;
  UdpSocket udp_;
  TcpStreams tcp_;
  Resolver resolver_;
};

}  // namespace plumvine::uv
