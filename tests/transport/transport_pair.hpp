#pragma once

#include <deque>

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"
#include "transport/uv/addresses.hpp"
#include "transport/uv/tls_layer.hpp"
#include "transport/uv/uv_transport.hpp"
#include "unit/tls/authority.hpp"

/// Two transports of a kind and what they say, for the tests that every kind of transport passes.
namespace plumvine::test {

/// Records what a transport says; reads into a buffer of its own.
struct Endpoints final : TransportEvents {
  struct Stream {
    bool up = false;
    bool closed = false;
    int writable = 0;
    std::string received;
    std::string why;
  };
  std::map<ConnId, Stream> streams;
  std::vector<ConnId> accepted;
  std::vector<std::pair<Endpoint, std::string>> packets;
  std::vector<std::pair<HostPort, std::vector<Endpoint>>> resolved;
  std::vector<std::byte> buffer = std::vector<std::byte>(64 * 1024);
  std::function<void(ConnId)> after_read = {};

  void on_packet(const Endpoint& from, BytesView packet) override { packets.emplace_back(from, as_text(packet)); }
  void on_connected(ConnId conn) override { streams[conn].up = true; }
  void on_accepted(ConnId conn, const Endpoint&) override {
    streams[conn].up = true;
    accepted.push_back(conn);
  }
  std::span<std::byte> read_buffer(ConnId) override { return buffer; }
  void on_read(ConnId conn, std::size_t bytes) override {
    streams[conn].received.append(as_text(BytesView{buffer.data(), bytes}));
    if (after_read) after_read(conn);
  }
  void on_writable(ConnId conn) override { ++streams[conn].writable; }
  void on_closed(ConnId conn, const Error& why) override {
    streams[conn].closed = true;
    streams[conn].why = why.message;
  }
  std::map<ConnId, std::vector<std::string>> names;
  void on_identified(ConnId conn, const std::vector<std::string>& who) override { names[conn] = who; }
  void on_resolved(const HostPort& name, const std::vector<Endpoint>& found) override {
    resolved.emplace_back(name, found);
  }
};

/// Sockets as they are.
struct Side {
  uv::UvLoop loop;
  uv::UvTransport transport;
  Endpoints events;
  Side(uv_loop_t* raw, const std::string& where)
      : loop(raw), transport(loop, std::move(*uv::bind_pair(*Endpoint::parse(where)))) {
    REQUIRE(transport.start(&events));
  }
  [[nodiscard]] Endpoint address() const { return transport.address(); }
};

/// The same under TLS, all by one authority. `seals`: packets go as they are, as if a gossip key had sealed them.
struct TlsSide {
  static const Authority& authority() {
    static const Authority one;
    return one;
  }
  uv::UvLoop loop;
  uv::UvTransport sockets;
  Endpoints events;
  std::vector<LogRecord> log;
  bool seals = false;
  std::unique_ptr<uv::TlsLayer> layer;
  tls::TlsTransport& transport;

  TlsSide(uv_loop_t* raw, const std::string& where, std::shared_ptr<const tls::Credentials> credentials = authority().credentials("a"))
      : loop(raw), sockets(loop, std::move(*uv::bind_pair(*Endpoint::parse(where)))),
        layer(std::make_unique<uv::TlsLayer>(loop, sockets, std::move(credentials),
                                             tls::TransportOptions{.handshake_timeout = std::chrono::seconds{3},
                                                                   .half_open_max = 4,
                                                                   .port = sockets.address().port,
                                                                   .seals = [this] { return seals; },
                                                                   .has_key = [this] { return seals; }},
                                             [this](const LogRecord& line) { log.push_back(line); }, LogLevel::info)),
        transport(layer->transport) {
    transport.bind(&events);
    REQUIRE(sockets.start(&transport));
  }
  [[nodiscard]] Endpoint address() const { return sockets.address(); }
  [[nodiscard]] std::uint64_t rejected(TlsReject why) const { return transport.stats().tls.rejected[why]; }
};

template <class Kind>
struct PairOf : LoopFixture {
  Kind a{&loop, "127.0.0.1:0"};
  Kind b{&loop, "127.0.0.1:0"};
  static constexpr ConnId kDial{1};

  ConnId connect() {
    a.transport.dial(kDial, b.address());
    REQUIRE(run_until([&] { return a.events.streams[kDial].up && b.events.accepted.size() == 1; }));
    return b.events.accepted.front();
  }
};

using Pair = PairOf<Side>;
using TlsPair = PairOf<TlsSide>;

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

}  // namespace plumvine::test
