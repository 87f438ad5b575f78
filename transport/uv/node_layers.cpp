// The layers between a node's sockets and its driver, and the port of QUIC.
#include <utility>

#include "node_impl.hpp"
#include "transport/codes.hpp"

namespace plumvine {

Transport& Node::Impl::Core::top() {
#ifdef PLUMVINE_QUIC
  if (quic) return quic->transport;
#endif
  if (tls) return tls->transport;
  return transport;
}

Status Node::Impl::Core::start() {
  TransportEvents* events = &driver;
#ifdef PLUMVINE_QUIC
  if (quic) {
    quic->transport.bind(events);
    events = &quic->transport;
    if (auto started = quic->start(); !started) return started;
  }
#endif
  if (tls) {
    tls->transport.bind(events);
    events = &tls->transport;
  }
  return transport.start(events);
}

#ifdef PLUMVINE_QUIC

Status Node::Impl::prepare_quic(const Endpoint& where, bool ephemeral) {
  if (config_.transport != LinkTransport::quic) return {};
  Endpoint own = where;
  if (config_.quic_port == 0 && !ephemeral && where.port == 65535)
    return {Errc::invalid_config, "quic_port: there is no port behind 65535 of bind; set one"};
  own.port = config_.quic_port != 0 ? static_cast<std::uint16_t>(config_.quic_port)
             : ephemeral            ? std::uint16_t{0}
                                    : static_cast<std::uint16_t>(where.port + 1);
  auto socket = uv::bind_datagram(own);
  if (!socket) return socket.error().with("quic_port");
  quic_socket_ = std::move(*socket);
  quic_port_ = uv::local_endpoint(quic_socket_.get()).port;
  return {};
}

std::unique_ptr<uv::QuicLayer> Node::Impl::make_quic(Core& core) {
  if (!quic_socket_) return nullptr;
  // Two fifths of the time are for QUIC, the rest is left to TCP.
  quic::TransportOptions options{
      .packet_port = bind_address_.port,
      .seals = [this] { return has_keys(identity_) && config_.swim.gossip_verify_outgoing; },
      .admits = [this](const Endpoint& from, bool proved) { return core_->driver.admits(from, proved); },
      .patience = config_.link.handshake_timeout * 2 / 5,
      .endpoint = {.half_open_max = config_.link.half_open_max, .retry_from = config_.link.half_open_max / 4}};
  auto layer = std::make_unique<uv::QuicLayer>(
      core.loop, core.tls->transport, std::move(quic_socket_), std::move(options), config_.link,
      [this](const LogRecord& record) { tell(record); }, LogLevel::debug);
  core.tls->on_trust_changed = [&transport = layer->transport] { transport.trust_changed(); };
  if (data_dir_)
    layer->keep_tickets(
        data_dir_->file(uv::kTicketsFile),
        [this](std::string why) {
          notes_.push_back({LogLevel::info, "node", code::kTicketsUnused,
                            "Links over QUIC begin with whole handshakes: " + std::move(why)});
        },
        [this](std::string why) {
          log(LogLevel::warn, code::kDataNotKept, "Tickets of links over QUIC are not kept: " + std::move(why));
        });
  return layer;
}

#else

Status Node::Impl::prepare_quic(const Endpoint&, bool) {
  if (config_.transport == LinkTransport::tcp) return {};
  return {Errc::invalid_config, "transport: quic is not part of this build; set tcp"};
}

#endif

Config Node::Impl::config_in_force() const {
  Config shown = config_;
  shown.bind = bind_address_.to_string();
  shown.advertise = identity_.advertise.to_string();
  if (http_address_.port != 0) shown.http = http_address_.to_string();
  if (quic_port_ != 0) shown.quic_port = quic_port_;
  return shown;
}

}  // namespace plumvine
