#ifdef PLUMVINE_QUIC
#include <sys/socket.h>

#include "transport_pair.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;

namespace {

const LogRecord* quic_line(const QuicSide& side, std::string_view code) {
  for (const LogRecord& line : side.below.log)
    if (line.code == code) return &line;
  return nullptr;
}

struct QuicMixed : LoopFixture {
  QuicSide a{&loop, "127.0.0.1:0", TlsSide::authority().credentials("a")};
  QuicSide b{&loop, "127.0.0.1:0", TlsSide::authority().credentials("b")};
  bool up(std::uint64_t id = 1) {
    return run_until([&] { return a.events.streams[ConnId{id}].up && b.events.accepted.size() == (id + 1) / 2; });
  }
};

/// Stands between those who dial and one port of QUIC, and notes what they send.
class Relay {
 public:
  explicit Relay(const Endpoint& to) : to_(to) {}
  [[nodiscard]] Endpoint address() const { return uv::local_endpoint(front_.get()); }
  void pump() {
    while (auto packet = receive(front_)) {
      client_ = packet->first;
      noted.push_back(packet->second);
      send(back_, to_, packet->second);
    }
    while (auto packet = receive(back_)) send(front_, client_, packet->second);
  }
  /// Sends packets of others from an address of its own.
  void play(const std::vector<std::string>& packets) {
    for (const std::string& packet : packets) send(thief_, to_, packet);
    while (receive(thief_)) {
    }
  }
  std::vector<std::string> noted;

 private:
  static uv::Fd bound() {
    auto made = uv::bind_datagram(*Endpoint::parse("127.0.0.1:0"));
    REQUIRE(made);
    return std::move(*made);
  }
  static std::optional<std::pair<Endpoint, std::string>> receive(const uv::Fd& socket) {
    std::string bytes(65536, '\0');
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t n = recvfrom(socket.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(n));
    return std::pair{uv::to_endpoint(reinterpret_cast<const sockaddr*>(&from)), std::move(bytes)};
  }
  static void send(const uv::Fd& socket, const Endpoint& to, const std::string& bytes) {
    const auto there = uv::to_sockaddr(to, AF_INET);
    (void)sendto(socket.get(), bytes.data(), bytes.size(), 0, there.get(), there.size);
  }

  Endpoint to_, client_;
  uv::Fd front_ = bound(), back_ = bound(), thief_ = bound();
};

}  // namespace

TEST_CASE("links over QUIC know whom the other's certificate names, and no byte of them goes over TCP", "[quic]") {
  QuicMixed f;
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.up());
  CHECK(f.a.events.names[ConnId{1}] == std::vector<std::string>{"b"});
  CHECK(f.b.events.names[f.b.events.accepted.front()] == std::vector<std::string>{"a"});
  const TransportStats& stats = f.a.transport.stats();
  CHECK(stats.quic.on);
  CHECK(stats.quic.connections == 1);
  CHECK(stats.quic.sent_bytes > 1200);
  CHECK(stats.quic.handshakes[QuicHandshake::full] == 1);
  CHECK(stats.tcp_sent_bytes == 0);
  CHECK(stats.quic.fallbacks == 0);
}

TEST_CASE("where nobody listens on the port of QUIC the dial goes on over TCP at once, and says so", "[quic]") {
  QuicMixed f;
  auto gone = uv::bind_datagram(*Endpoint::parse("127.0.0.1:0"));
  QuicSide::ports()[f.b.address()] = uv::local_endpoint(gone->get()).port;
  gone->reset();
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.up());
  CHECK(f.a.transport.stats().quic.fallbacks == 1);
  REQUIRE(quic_line(f.a, "PV1229") != nullptr);
  // The next one does not try.
  f.a.transport.dial(ConnId{3}, f.b.address());
  REQUIRE(f.up(3));
  CHECK(f.a.transport.stats().quic.tcp_instead == 1);
  CHECK(f.a.transport.stats().quic.fallbacks == 1);
  CHECK(f.b.transport.stats().quic.received_bytes == 0);
}

TEST_CASE("where UDP is swallowed the dial goes on over TCP in time", "[quic]") {
  QuicMixed f;
  auto silent = uv::bind_datagram(*Endpoint::parse("127.0.0.1:0"));
  QuicSide::ports()[f.b.address()] = uv::local_endpoint(silent->get()).port;
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.up());
  CHECK(f.a.transport.stats().quic.fallbacks == 1);
  CHECK_FALSE(f.a.events.streams[ConnId{1}].closed);
}

TEST_CASE("the second link to a member has data in its first packets", "[quic]") {
  QuicMixed f;
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.up());
  f.a.transport.write(ConnId{1}, std::vector<Bytes>{Bytes::copy_of(std::string_view{"x"})});
  REQUIRE(f.run_until([&] { return !f.b.events.streams[f.b.events.accepted.front()].received.empty(); }));
  f.a.transport.dial(ConnId{3}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{3}].up; }));
  f.a.transport.write(ConnId{3}, std::vector<Bytes>{Bytes::copy_of(std::string_view{"early"})});
  REQUIRE(f.run_until([&] {
    return f.b.events.accepted.size() == 2 && f.b.events.streams[f.b.events.accepted.back()].received == "early";
  }));
  REQUIRE(f.run_until([&] { return f.a.transport.stats().quic.handshakes[QuicHandshake::early] == 1; }));
}

TEST_CASE("packets that no key seals travel inside of a link's connection, both ways, from the sender's port",
          "[quic]") {
  QuicMixed f;
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.up());
  REQUIRE(f.run_until([&] {
    f.a.transport.send_packet(f.b.address(), Bytes::copy_of(std::string_view{"ping"}));
    return f.b.transport.stats().quic.datagrams_received > 0;
  }));
  REQUIRE_FALSE(f.b.events.packets.empty());
  CHECK(f.b.events.packets.back() == std::pair{f.a.address(), std::string("ping")});
  f.b.transport.send_packet(f.a.address(), Bytes::copy_of(std::string_view{"pong"}));
  REQUIRE(f.run_until([&] { return !f.a.events.packets.empty(); }));
  CHECK(f.a.events.packets.front() == std::pair{f.b.address(), std::string("pong")});
  CHECK(f.b.transport.stats().quic.datagrams_sent == 1);
  // What does not fit into a datagram goes as it went before.
  const std::string big = pattern(20'000);
  f.b.transport.send_packet(f.a.address(), Bytes::copy_of(std::string_view{big}));
  REQUIRE(f.run_until([&] { return f.a.events.packets.size() == 2; }));
  CHECK((f.a.events.packets.back().second == big));
  CHECK(f.b.transport.stats().quic.datagrams_sent == 1);
}

TEST_CASE("a stranger's certificate is refused over QUIC as over TCP, and not tried there again", "[quic]") {
  LoopFixture f;
  const Authority other("other CA");
  QuicSide a{&f.loop, "127.0.0.1:0", other.credentials("a")};
  QuicSide b{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("b")};
  a.transport.dial(ConnId{1}, b.address());
  REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].closed && !b.below.log.empty(); }));
  CHECK_FALSE(a.events.streams[ConnId{1}].up);
  CHECK(b.events.accepted.empty());
  CHECK(quic_line(a, "PV1216") != nullptr);
  CHECK(a.transport.stats().tls.rejected[TlsReject::unknown_ca] == 1);
  CHECK(a.transport.stats().quic.fallbacks == 0);
  CHECK(a.transport.stats().tcp_sent_bytes == 0);
}

TEST_CASE("links over QUIC are taken from whom the node admits, as connections over TCP are", "[quic]") {
  LoopFixture f;
  bool open = false;
  std::vector<Endpoint> asked;
  QuicSide a{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("a")};
  QuicSide b{&f.loop,
             "127.0.0.1:0",
             TlsSide::authority().credentials("b"),
             "127.0.0.1:0",
             {.admits = [&](const Endpoint& from, bool) {
               asked.push_back(from);
               return open;
             }}};
  a.transport.dial(ConnId{1}, b.address());
  REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].up; }));  // over TCP, whose door is not this one
  CHECK(asked == std::vector<Endpoint>{a.layer->address()});
  CHECK(b.transport.stats().quic.rejected[QuicReject::not_admitted] == 1);
  CHECK(b.transport.stats().quic.connections == 0);
  const LogRecord* line = quic_line(a, "PV1229");
  REQUIRE(line != nullptr);
  CHECK(line->text.find("connection refused") != std::string::npos);
  open = true;
  QuicSide c{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("c")};
  c.transport.dial(ConnId{1}, b.address());
  REQUIRE(f.run_until([&] { return b.transport.stats().quic.connections == 1; }));
}

TEST_CASE("without help of the kernel large writes arrive as well", "[quic]") {
  for (const bool gso : {true, false}) {
    INFO("GSO " << gso);
    QuicMixed f;
    if (!gso) f.a.layer->socket().use_gso(false);
    f.a.transport.dial(ConnId{1}, f.b.address());
    REQUIRE(f.up());
    const std::string text = pattern(2 << 20);
    const Bytes whole = Bytes::copy_of(std::string_view{text});
    std::size_t sent = 0;
    const ConnId other = f.b.events.accepted.front();
    REQUIRE(f.run_until([&] {
      if (sent < text.size()) sent += f.a.transport.write(ConnId{1}, std::vector<Bytes>{whole.slice(sent)});
      return f.b.events.streams[other].received.size() == text.size();
    }));
    CHECK((f.b.events.streams[other].received == text));
    CHECK(f.a.transport.stats().quic.send_errors == 0);
  }
}

TEST_CASE("bound to a wildcard, packets come from the address that was dialled", "[quic]") {
  LoopFixture f;
  QuicSide a{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("a"), "0.0.0.0:0"};
  QuicSide b{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("b"),
             uv::ipv6_available() ? "[::]:0" : "0.0.0.0:0"};
  // Another address of the same host; answers must come from there.
  Endpoint second = *Endpoint::parse("127.0.0.2:1");
  second.port = b.address().port;
  a.layer->transport.dial_link(ConnId{1}, second, b.layer->address().port);
  REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].up && b.events.accepted.size() == 1; }));
  CHECK(a.transport.stats().quic.fallbacks == 0);
}

TEST_CASE("a link goes on from another address of the host that was dialled", "[quic]") {
  LoopFixture f;
  QuicSide a{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("a"), "0.0.0.0:0"};
  QuicSide b{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("b"), "0.0.0.0:0"};
  Endpoint second = *Endpoint::parse("127.0.0.2:1");
  second.port = b.address().port;
  a.layer->transport.dial_link(ConnId{1}, second, b.layer->address().port);
  REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].up && b.events.accepted.size() == 1; }));
  const ConnId other = b.events.accepted.front();
  const auto there = [&](const std::string& text) {
    a.transport.write(ConnId{1}, std::vector<Bytes>{Bytes::copy_of(text)});
    return f.run_until([&] { return b.events.streams[other].received.ends_with(text); });
  };
  REQUIRE(there("before"));
  REQUIRE(f.run_until([&] { return a.transport.stats().quic.handshakes[QuicHandshake::full] == 1; }));
  // As the socket says when the system has no such address any more.
  second.port = b.layer->address().port;
  b.layer->transport.local_gone(second);
  REQUIRE(f.run_until([&] { return a.transport.stats().quic.migrations == 1; }));
  CHECK(b.transport.stats().quic.migrations == 1);
  CHECK(quic_line(b, "PV1230") != nullptr);
  REQUIRE(there("after"));
  b.transport.write(other, std::vector<Bytes>{Bytes::copy_of(std::string_view{"and back"})});
  REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].received == "and back"; }));
  CHECK_FALSE(a.events.streams[ConnId{1}].closed);
  CHECK(a.transport.stats().quic.connections == 1);
}

TEST_CASE("captured datagrams of a first flight that are sent again bring nothing, and nothing to a later process",
          "[quic]") {
  LoopFixture f;
  QuicSide a{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("a")};
  auto b = std::make_unique<QuicSide>(&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("b"));
  const Endpoint port = b->layer->address();
  Relay relay(port);
  QuicSide::ports()[b->address()] = relay.address().port;
  const auto until = [&](const std::function<bool()>& done) {
    return f.run_until([&] {
      relay.pump();
      return done();
    });
  };
  a.transport.dial(ConnId{1}, b->address());
  REQUIRE(until([&] { return a.events.streams[ConnId{1}].up && a.layer->transport.known().size() == 1; }));
  relay.noted.clear();
  a.transport.dial(ConnId{3}, b->address());
  REQUIRE(until([&] { return a.events.streams[ConnId{3}].up; }));
  a.transport.write(ConnId{3}, std::vector<Bytes>{Bytes::copy_of(std::string_view{"early"})});
  REQUIRE(until([&] {
    return b->events.accepted.size() == 2 && b->events.streams[b->events.accepted.back()].received == "early";
  }));
  const std::vector<std::string> flight = relay.noted;
  REQUIRE(until([&] { return b->transport.stats().quic.handshakes[QuicHandshake::early] == 1; }));
  a.transport.close(ConnId{3}, CloseMode::flush);
  REQUIRE(until([&] { return b->transport.stats().quic.connections == 1; }));
  const auto taken = [](const QuicSide& side) {
    std::string all;
    for (const auto& [id, stream] : side.events.streams) all += stream.received;
    return all;
  };
  CHECK(taken(*b) == "early");
  REQUIRE(until([&] {
    relay.play(flight);  // until the ids of the first one are forgotten
    return b->transport.stats().quic.replays >= 1;
  }));
  CHECK(b->events.accepted.size() == 2);
  CHECK(b->transport.stats().quic.handshakes[QuicHandshake::early] == 1);
  CHECK(taken(*b) == "early");

  b.reset();
  QuicSide next{&f.loop, "127.0.0.1:0", TlsSide::authority().credentials("b"), port.to_string()};
  std::size_t bytes = 0;
  for (const std::string& packet : flight) bytes += packet.size();
  relay.play(flight);
  REQUIRE(until([&] { return next.transport.stats().quic.received_bytes >= bytes; }));
  REQUIRE(
      until([&] { return next.transport.stats().quic.sent_bytes > 0; }));  // it was answered: a whole handshake, please
  CHECK(next.events.accepted.empty());
  CHECK(next.transport.stats().quic.handshakes[QuicHandshake::early] == 0);
  CHECK(taken(next).empty());
}

TEST_CASE("a transport may be destroyed with links over QUIC dialled, open and closing", "[quic]") {
  LoopFixture f;
  {
    QuicSide a{&f.loop, "127.0.0.1:0"};
    QuicSide b{&f.loop, "127.0.0.1:0"};
    a.transport.dial(ConnId{1}, b.address());
    a.transport.dial(ConnId{3}, b.address());
    REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].up && b.events.accepted.size() == 2; }));
    a.transport.dial(ConnId{5}, b.address());
    b.transport.close(b.events.accepted.front(), CloseMode::flush);
    b.transport.close(b.events.accepted.back(), CloseMode::abort);
  }
}
#endif
