#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "transport_pair.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;

TEST_CASE("packets and streams share one port, ephemeral or given", "[sockets]") {
  auto first = uv::bind_pair(*Endpoint::parse("127.0.0.1:0"));
  REQUIRE(first);
  CHECK(first->address.port != 0);
  CHECK(uv::local_endpoint(first->stream.get()) == first->address);
  CHECK(uv::local_endpoint(first->datagram.get()) == first->address);
  auto second = uv::bind_pair(first->address);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::address_in_use);
  CHECK(second.error().message.find(first->address.to_string()) != std::string::npos);
}

TEST_CASE("a port taken by packets alone is in use too", "[sockets]") {
  auto packets = uv::bind_datagram(*Endpoint::parse("127.0.0.1:0"));
  REQUIRE(packets);
  auto pair = uv::bind_pair(uv::local_endpoint(packets->get()));
  REQUIRE_FALSE(pair);
  CHECK(pair.error().code == Errc::address_in_use);
}

TEST_CASE("packets arrive whole, with the sender's address", "[sockets]") {
  Pair f;
  const std::string big = pattern(60'000);
  f.a.transport.send_packet(f.b.address(), Bytes::copy_of(std::string_view{"hello"}));
  f.a.transport.send_packet(f.b.address(), Bytes::copy_of(std::string_view{big}));
  REQUIRE(f.run_until([&] { return f.b.events.packets.size() == 2; }));
  CHECK(f.b.events.packets[0].first == f.a.address());
  CHECK(f.b.events.packets[0].second == "hello");
  CHECK((f.b.events.packets[1].second == big));
  CHECK(f.b.transport.stats().udp_received_bytes == 5 + big.size());
}

TEST_CASE("more packets than one batch are all read", "[sockets]") {
  Pair f;
  for (int i = 0; i < 300; ++i)
    f.a.transport.send_packet(f.b.address(), Bytes::copy_of(std::string_view{std::to_string(i)}));
  REQUIRE(f.run_until([&] { return f.b.events.packets.size() == 300; }));
  CHECK(f.b.events.packets.back().second == "299");
}

TEST_CASE("a packet that cannot be sent is counted", "[sockets]") {
  Pair f;
  f.a.transport.send_packet(*Endpoint::parse("[2001:db8::1]:9"), Bytes::copy_of(std::string_view{"x"}));
  CHECK(f.a.transport.stats().udp_send_errors == 1);
}

TEST_CASE("a dual-stack socket speaks with IPv4 and names it so", "[sockets]") {
  if (!uv::ipv6_available()) return;
  LoopFixture f;
  Side any{&f.loop, "[::]:0"};
  Side four{&f.loop, "127.0.0.1:0"};
  Endpoint any_four = *Endpoint::parse("127.0.0.1:1");
  any_four.port = any.address().port;
  four.transport.send_packet(any_four, Bytes::copy_of(std::string_view{"ping"}));
  REQUIRE(f.run_until([&] { return any.events.packets.size() == 1; }));
  CHECK(any.events.packets[0].first == four.address());
  any.transport.send_packet(four.address(), Bytes::copy_of(std::string_view{"pong"}));
  REQUIRE(f.run_until([&] { return four.events.packets.size() == 1; }));
  four.transport.dial(ConnId{1}, any_four);
  REQUIRE(f.run_until([&] { return four.events.streams[ConnId{1}].up && any.events.accepted.size() == 1; }));
}

TEMPLATE_TEST_CASE("an accepted stream has an even number, and bytes flow both ways", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  CHECK(static_cast<std::uint64_t>(other) % 2 == 0);
  const std::vector<Bytes> parts{Bytes::copy_of(std::string_view{"one "}), Bytes{},
                                 Bytes::copy_of(std::string_view{"two"})};
  CHECK(f.a.transport.write(TestType::kDial, parts) == 7);
  CHECK(f.b.transport.write(other, std::vector<Bytes>{Bytes::copy_of(std::string_view{"back"})}) == 4);
  CHECK(f.run_until([&] {
    return f.b.events.streams[other].received == "one two" && f.a.events.streams[TestType::kDial].received == "back";
  }));
}

TEMPLATE_TEST_CASE("a write takes what fits, and room is announced", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  f.b.transport.pause_reading(other, true);
  const std::string text = pattern(16 << 20);
  const Bytes whole = Bytes::copy_of(std::string_view{text});
  std::vector<Bytes> parts;
  for (std::size_t at = 0; at < text.size(); at += 100'003) parts.push_back(whole.slice(at, 100'003));
  std::size_t sent = f.a.transport.write(TestType::kDial, parts);
  REQUIRE(sent < text.size());
  // What lies on the way takes some more, but not everything.
  for (int seen = 0; f.run_until([&] { return f.a.events.streams[TestType::kDial].writable > seen; }, 50ms);) {
    seen = f.a.events.streams[TestType::kDial].writable;
    sent += f.a.transport.write(TestType::kDial, std::vector<Bytes>{whole.slice(sent)});
    REQUIRE(sent < text.size());
  }
  f.b.transport.pause_reading(other, false);
  while (sent < text.size()) {
    const int seen = f.a.events.streams[TestType::kDial].writable;
    REQUIRE(f.run_until([&] { return f.a.events.streams[TestType::kDial].writable > seen; }));
    sent += f.a.transport.write(TestType::kDial, std::vector<Bytes>{whole.slice(sent)});
  }
  REQUIRE(f.run_until([&] { return f.b.events.streams[other].received.size() == text.size(); }));
  CHECK((f.b.events.streams[other].received == text));
}

TEMPLATE_TEST_CASE("a paused stream is not read", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  f.b.transport.pause_reading(other, true);
  f.a.transport.write(TestType::kDial, std::vector<Bytes>{Bytes::copy_of(std::string_view{"later"})});
  CHECK_FALSE(f.run_until([&] { return !f.b.events.streams[other].received.empty(); }, 50ms));
  f.b.transport.pause_reading(other, false);
  CHECK(f.run_until([&] { return f.b.events.streams[other].received == "later"; }));
}

TEMPLATE_TEST_CASE("a dial that is refused is told later, not inside the call", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  auto gone = uv::bind_pair(*Endpoint::parse("127.0.0.1:0"));
  const Endpoint nobody = gone->address;
  gone->stream.reset();
  gone->datagram.reset();
  f.a.transport.dial(TestType::kDial, nobody);
  CHECK_FALSE(f.a.events.streams[TestType::kDial].closed);
  REQUIRE(f.run_until([&] { return f.a.events.streams[TestType::kDial].closed; }));
  CHECK(f.a.events.streams[TestType::kDial].why.find("refused") != std::string::npos);
}

TEMPLATE_TEST_CASE("closing with flush delivers what was accepted, even with unread bytes on our side", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  f.b.transport.pause_reading(other, true);
  f.a.transport.write(TestType::kDial, std::vector<Bytes>{Bytes::copy_of(std::string_view{pattern(100'000)})});
  const std::string answer = pattern(50'000);
  REQUIRE(f.b.transport.write(other, std::vector<Bytes>{Bytes::copy_of(std::string_view{answer})}) == answer.size());
  f.b.transport.close(other, CloseMode::flush);
  REQUIRE(f.run_until([&] { return f.a.events.streams[TestType::kDial].closed; }));
  CHECK((f.a.events.streams[TestType::kDial].received == answer));
  CHECK_FALSE(f.b.events.streams[other].closed);
}

TEMPLATE_TEST_CASE("an abort resets the other side and is silent on ours", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  f.b.transport.close(other, CloseMode::abort);
  REQUIRE(f.run_until([&] { return f.a.events.streams[TestType::kDial].closed; }));
  CHECK(f.a.events.streams[TestType::kDial].why.find("reset") != std::string::npos);
  CHECK_FALSE(f.b.events.streams[other].closed);
}

TEMPLATE_TEST_CASE("a stream may be closed inside its own event", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  f.b.events.after_read = [&](ConnId conn) { f.b.transport.close(conn, CloseMode::abort); };
  f.a.transport.write(TestType::kDial, std::vector<Bytes>{Bytes::copy_of(std::string_view{"x"})});
  REQUIRE(f.run_until([&] { return f.a.events.streams[TestType::kDial].closed; }));
  CHECK(f.b.events.streams[other].received == "x");
}

TEMPLATE_TEST_CASE("writing to a stream that broke is told as closed", "[sockets]", PLUMVINE_TEST_PAIRS) {
  TestType f;
  const ConnId other = f.connect();
  f.a.transport.pause_reading(TestType::kDial, true);  // so that only writing can notice
  f.b.transport.close(other, CloseMode::abort);
  const std::vector<Bytes> text{Bytes::copy_of(std::string_view{"anybody?"})};
  CHECK(f.run_until([&] {
    f.a.transport.write(TestType::kDial, text);
    return f.a.events.streams[TestType::kDial].closed;
  }));
}

TEST_CASE("out of descriptors, connections are refused without spinning, and taken again later", "[sockets]") {
  Pair f;
  // A dialled socket first: the limit below holds for this whole process.
  std::vector<uv::Fd> dialled;
  for (int i = 0; i < 3; ++i) dialled.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto target = uv::to_sockaddr(f.b.address(), AF_INET);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next_fd = dup(0);
  close(next_fd);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next_fd);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
  for (int i = 0; i < 2; ++i) CHECK(connect(dialled[static_cast<std::size_t>(i)].get(), target.get(), target.size) == 0);
  const bool refused = f.run_until([&] { return f.b.transport.stats().connections_refused == 2; });
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK(refused);
  CHECK(f.b.events.accepted.empty());
  CHECK(connect(dialled[2].get(), target.get(), target.size) == 0);
  CHECK(f.run_until([&] { return f.b.events.accepted.size() == 1; }));
}

TEST_CASE("literals and host names are answered after the call", "[resolver]") {
  Pair f;
  f.a.transport.resolve(*HostPort::parse("127.0.0.1:7946"));
  f.a.transport.resolve(*HostPort::parse("[::1]:7947"));
  f.a.transport.resolve(*HostPort::parse("localhost:7948"));
  CHECK(f.a.events.resolved.empty());
  REQUIRE(f.run_until([&] { return f.a.events.resolved.size() == 3; }));
  for (const auto& [name, found] : f.a.events.resolved) {
    REQUIRE_FALSE(found.empty());
    for (const auto& endpoint : found) {
      CHECK(endpoint.is_loopback());
      CHECK(endpoint.port == name.port);
    }
  }
}

TEST_CASE("a transport may be destroyed with look-ups, dials and streams open", "[sockets]") {
  LoopFixture f;
  {
    Side a{&f.loop, "127.0.0.1:0"};
    Side b{&f.loop, "127.0.0.1:0"};
    a.transport.dial(ConnId{1}, b.address());
    REQUIRE(f.run_until([&] { return a.events.streams[ConnId{1}].up; }));
    a.transport.dial(ConnId{3}, b.address());
    a.transport.resolve(*HostPort::parse("no-such-host.invalid:1"));
    a.transport.resolve(*HostPort::parse("127.0.0.1:1"));
    b.transport.close(b.events.accepted.front(), CloseMode::flush);
  }
}

TEST_CASE("the advertised address follows the configuration, then the bound address", "[addresses]") {
  const Endpoint bound = *Endpoint::parse("127.0.0.1:4000");
  CHECK(uv::choose_advertised("", bound)->endpoint == bound);
  CHECK(uv::choose_advertised("10.1.2.3:99", bound)->endpoint == *Endpoint::parse("10.1.2.3:99"));
  CHECK(uv::choose_advertised("10.1.2.3", bound)->endpoint == *Endpoint::parse("10.1.2.3:4000"));
  CHECK_FALSE(uv::choose_advertised("0.0.0.0:99", bound));
  for (const char* bad : {"0.1.2.3:99", "192.0.2.1:99", "198.51.100.7", "203.0.113.9:99", "[fd00::7]:99", "224.0.0.1:99", "239.255.255.250", "255.255.255.255:99", "240.0.0.1:99", "[ff02::1]:99", "[fe80::1]:99"}) {
    CAPTURE(bad);
    const auto refused = uv::choose_advertised(bad, bound);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(std::string("advertise: ") + bad) == 0);
    CHECK(refused.error().message.find("give a") != std::string::npos);
  }
  const auto refusal = [](const char* advertise, const char* at) { return uv::choose_advertised(advertise, *Endpoint::parse(at)).error().message; };
  CHECK(uv::choose_advertised("[fd00::7]:99", *Endpoint::parse("[::]:4000"))->endpoint == *Endpoint::parse("[fd00::7]:99"));
  CHECK(uv::choose_advertised("10.1.2.3:99", *Endpoint::parse("[::]:4000"))->endpoint == *Endpoint::parse("10.1.2.3:99"));
  CHECK(refusal("10.1.2.3:99", "[::1]:4000").find("takes IPv6 alone") != std::string::npos);
  CHECK(refusal("[fd00::7]:99", "0.0.0.0:4000").find("takes IPv4 alone") != std::string::npos);
  CHECK(refusal("[2001:db8::7]:99", "[::]:4000").find("for documentation") != std::string::npos);
  CHECK_FALSE(uv::choose_advertised("", *Endpoint::parse("[fe80::1]:4000")));
  const auto any = uv::choose_advertised("", *Endpoint::parse("0.0.0.0:4000"));
  REQUIRE(any);
  CHECK_FALSE(any->endpoint.is_unspecified());
  CHECK(any->endpoint.is_v4());
  CHECK(any->endpoint.port == 4000);
  CHECK_FALSE(any->reason.empty());
}

TEST_CASE("loopback advertised to seeds elsewhere is worth a warning, nothing else is", "[uv]") {
  const Endpoint loopback = *Endpoint::parse("127.0.0.1:7946");
  CHECK(uv::loopback_warning(loopback, {"127.0.0.1:1", "10.1.2.3:7946"}).find("the seed 10.1.2.3:7946 is elsewhere") != std::string::npos);
  CHECK_FALSE(uv::loopback_warning(*Endpoint::parse("[::1]:7946"), {"[2001:db8::1]:7946"}).empty());
  CHECK(uv::loopback_warning(loopback, {"127.0.0.1:1", "[::1]:2", "localhost", "srv+x.example", "0.0.0.0:5"}).empty());
  CHECK(uv::loopback_warning(*Endpoint::parse("10.0.0.1:7946"), {"10.1.2.3:7946"}).empty());
}
