#pragma once

#include <deque>

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"
#include "transport/uv/addresses.hpp"
#ifdef PLUMVINE_QUIC
#include "transport/uv/quic_layer.hpp"
#endif
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

#ifdef PLUMVINE_QUIC
/// Links over QUIC beside streams under TLS. What a test dials is a link.
struct QuicSide {
  /// As if members had told each other where they take links.
  static std::map<Endpoint, std::uint16_t>& ports() {
    static std::map<Endpoint, std::uint16_t> known;
    return known;
  }
  TlsSide below;
  uv::UvLoop& loop;
  Endpoints& events;
  std::unique_ptr<uv::QuicLayer> layer;
  struct Links final : Transport {
    quic::QuicTransport& quic;
    explicit Links(quic::QuicTransport& under) : quic(under) {}
    void send_packet(const Endpoint& to, Bytes packet) override { quic.send_packet(to, std::move(packet)); }
    void dial(ConnId conn, const Endpoint& to) override {
      const auto port = ports().find(to);
      quic.dial_link(conn, to, port == ports().end() ? to.port : port->second);
    }
    std::size_t write(ConnId conn, std::span<const Bytes> batch) override { return quic.write(conn, batch); }
    void close(ConnId conn, CloseMode mode) override { quic.close(conn, mode); }
    void pause_reading(ConnId conn, bool paused) override { quic.pause_reading(conn, paused); }
    void resolve(const HostPort& name) override { quic.resolve(name); }
    const TransportStats& stats() const override { return quic.stats(); }
  } transport;

  QuicSide(uv_loop_t* raw, const std::string& where, std::shared_ptr<const tls::Credentials> credentials = TlsSide::authority().credentials("a"),
           const std::string& quic_where = "127.0.0.1:0", quic::TransportOptions options = {})
      : below(raw, where, std::move(credentials)), loop(below.loop), events(below.events), layer(make(quic_where, std::move(options))),
        transport(layer->transport) {
    layer->transport.bind(&events);
    below.transport.bind(&layer->transport);
    REQUIRE(layer->start());
    ports()[address()] = layer->address().port;
  }
  ~QuicSide() { ports().erase(address()); }
  [[nodiscard]] Endpoint address() const { return below.address(); }

 private:
  std::unique_ptr<uv::QuicLayer> make(const std::string& where, quic::TransportOptions options) {
    auto socket = uv::bind_datagram(*Endpoint::parse(where));
    REQUIRE(socket);
    options.packet_port = below.address().port;
    options.seals = [this] { return below.seals; };
    LinkConfig link;
    link.handshake_timeout = std::chrono::seconds{3};
    return std::make_unique<uv::QuicLayer>(below.loop, below.transport, std::move(*socket), std::move(options), link,
                                           [this](const LogRecord& line) { below.log.push_back(line); }, LogLevel::info);
  }
};
#endif

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
#ifdef PLUMVINE_QUIC
using QuicPair = PairOf<QuicSide>;
#define PLUMVINE_TEST_PAIRS Pair, TlsPair, QuicPair
#else
#define PLUMVINE_TEST_PAIRS Pair, TlsPair
#endif

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

}  // namespace plumvine::test
