#include "quic_layer.hpp"

#include <sys/random.h>

#include <chrono>
#include <plumvine/detail/check.hpp>
#include <utility>

namespace plumvine::uv {
namespace {

void fill_random(std::span<std::byte> out) {
  // Requests of up to 256 bytes are never cut short once the system is up.
  while (!out.empty()) {
    const std::size_t n = std::min<std::size_t>(out.size(), 256);
    PLUMVINE_CHECK(getrandom(out.data(), n, 0) == static_cast<ssize_t>(n), "no random numbers");
    out = out.subspan(n);
  }
}

std::string secret() {
  std::string bytes(32, '\0');
  fill_random(std::as_writable_bytes(std::span{bytes}));
  return bytes;
}

}  // namespace

QuicLayer::QuicLayer(UvLoop& loop, tls::TlsTransport& below, Fd socket, quic::TransportOptions options,
                     const LinkConfig& link, LogSink log, LogLevel log_level)
    : loop_(loop),
      below_(below),
      socket_(loop, std::move(socket), events()),
      transport(
          below, common(below, link), [&below] { return below.trust().current(); }, socket_, std::move(options),
          host(std::move(log), log_level)) {}

quic::Common QuicLayer::common(const tls::TlsTransport& below, const LinkConfig& link) const {
  quic::Common out;
  out.random = fill_random;
  out.judge = [&below](const std::vector<std::string>& chain, tls::Role role) {
    return below.trust().judge(chain, role);
  };
  // Whoever is started anew with the same key can still tell others that it does not know their connections.
  out.reset_secret = below.trust().current()->key_secret();
  out.token_secret = secret();
  out.handshake_timeout = link.handshake_timeout;
  out.idle_timeout = link.idle_timeout;
  out.keep_alive = link.idle_timeout / 3;
  return out;
}

quic::TransportHost QuicLayer::host(LogSink log, LogLevel log_level) {
  return {.now = [this] { return loop_.now(); },
          .wake_at = [this](Timestamp deadline) { socket_.wake_at(deadline); },
          .soon = [this](std::function<void()> task) { loop_.soon(std::move(task)); },
          .local_for = [this](const Endpoint& to) { return socket_.local_for(to); },
          .tickets_changed =
              [this] {
                if (tickets_) tickets_->changed();
              },
          .send_errors = [this] { return socket_.send_errors(); },
          .log = std::move(log),
          .log_level = log_level};
}

void QuicLayer::keep_tickets(const std::string& path, const std::function<void(std::string)>& unused,
                             TicketsFile::Log unkept) {
  auto kept = load_tickets(path, below_.trust().current()->key_secret());
  if (kept)
    transport.remember(std::move(*kept));
  else if (kept.error().code != Errc::not_found)
    unused(kept.error().message);
  tickets_ = std::make_unique<TicketsFile>(
      loop_.raw(), path,
      [this] {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        return quic::seal_tickets(transport.known(), below_.trust().current()->key_secret(),
                                  std::chrono::duration_cast<std::chrono::seconds>(now).count());
      },
      std::move(unkept));
}

QuicSocket::Events QuicLayer::events() {
  return {.packet = [this](const quic::Path& path, quic::Ecn ecn,
                           BytesView packet) { transport.receive(path, ecn, packet); },
          .batch_end = [this] { transport.received(); },
          .room = [this] { transport.sink_ready(); },
          .due = [this] { transport.due(); },
          .refused = [this](const Endpoint& remote) { transport.refused(remote); },
          .local_gone = [this](const Endpoint& local) { transport.local_gone(local); }};
}

}  // namespace plumvine::uv
