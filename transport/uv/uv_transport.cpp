#include "uv_transport.hpp"

namespace plumvine::uv {

UvTransport::UvTransport(UvLoop& loop, BoundPair bound)
    : address_(bound.address),
      udp_(loop.raw(), std::move(bound.datagram), stats_,
           [this](const Endpoint& from, BytesView packet) { events_->on_packet(from, packet); }, loop.meter()),
      tcp_(loop, std::move(bound.stream), stats_),
      resolver_(loop, [this](const HostPort& name, const std::vector<Endpoint>& found) {
        events_->on_resolved(name, found);
      }) {}

Status UvTransport::start(TransportEvents* events) {
  events_ = events;
  tcp_.bind(events);
  if (auto started = udp_.start(); !started) return started;
  return tcp_.start();
}

}  // namespace plumvine::uv
