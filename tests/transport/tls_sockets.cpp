// What TLS adds to streams and packets on sockets. What every transport does is in sockets.cpp.
#include "transport_pair.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;
using Catch::Matchers::Contains;

namespace {

const LogRecord* line_of(const TlsSide& side, std::string_view code) {
  for (const LogRecord& line : side.log)
    if (line.code == code) return &line;
  return nullptr;
}

struct TlsMixed : LoopFixture {
  TlsSide a;
  TlsSide b;
  TlsMixed(std::shared_ptr<const tls::Credentials> dials, std::shared_ptr<const tls::Credentials> accepts)
      : a(&loop, "127.0.0.1:0", std::move(dials)), b(&loop, "127.0.0.1:0", std::move(accepts)) {}
};

}  // namespace

TEST_CASE("both ends learn whom the other's certificate names, and nothing goes in clear", "[tls]") {
  TlsMixed f(TlsSide::authority().credentials("a"), TlsSide::authority().credentials("b"));
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{1}].up; }));
  REQUIRE(f.b.events.accepted.size() == 1);
  CHECK(f.a.events.names[ConnId{1}] == std::vector<std::string>{"b"});
  CHECK(f.b.events.names[f.b.events.accepted.front()] == std::vector<std::string>{"a"});
  CHECK(f.a.transport.stats().tls.handshakes[TlsHandshake::full] == 1);
  CHECK(f.b.transport.stats().tls.sessions == 1);
}

TEST_CASE("the second connection to a member is resumed", "[tls]") {
  TlsMixed f(TlsSide::authority().credentials("a"), TlsSide::authority().credentials("b"));
  for (const std::uint64_t id : {1, 3, 5}) {
    f.a.transport.dial(ConnId{id}, f.b.address());
    REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{id}].up; }));
  }
  CHECK(f.a.transport.stats().tls.handshakes[TlsHandshake::full] == 1);
  CHECK(f.a.transport.stats().tls.handshakes[TlsHandshake::resumed] == 2);
  CHECK(f.b.events.names[f.b.events.accepted.back()] == std::vector<std::string>{"a"});
}

TEST_CASE("a certificate that is refused is refused in one line and a count at both ends", "[tls]") {
  const Authority other("other CA");
  const Authority& ours = TlsSide::authority();
  tls::PemTexts both = other.pem("b");
  both.ca += ours.ca.own().cert;
  struct Row {
    const char* name;
    std::shared_ptr<const tls::Credentials> dials;
    TlsReject at_dialler, at_acceptor;
    const char *code_dialler, *code_acceptor;
  };
  for (const Row& row :
       {Row{"the dialler trusts us, we do not know its CA", *tls::Credentials::load(both, {"b", ""}), TlsReject::refused_by_peer, TlsReject::unknown_ca,
            "PV1222", "PV1216"},
        Row{"neither knows the other's CA", other.credentials("b"), TlsReject::unknown_ca, TlsReject::refused_by_peer, "PV1216", "PV1222"},
        Row{"another cluster", ours.credentials("b", "prod"), TlsReject::wrong_cluster, TlsReject::refused_by_peer, "PV1218", "PV1222"}}) {
    INFO(row.name);
    TlsMixed f(row.dials, ours.credentials("a"));
    f.a.transport.dial(ConnId{1}, f.b.address());
    REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{1}].closed && f.b.log.size() == 1; }));
    CHECK_FALSE(f.a.events.streams[ConnId{1}].up);
    CHECK(f.b.events.accepted.empty());
    CHECK_THAT(f.a.events.streams[ConnId{1}].why, Contains("TLS: "));
    CHECK(f.a.rejected(row.at_dialler) == 1);
    CHECK(f.b.rejected(row.at_acceptor) == 1);
    REQUIRE(f.a.log.size() == 1);
    CHECK(f.a.log.front().code == row.code_dialler);
    CHECK(f.b.log.front().code == row.code_acceptor);
  }
}

TEST_CASE("a certificate that has expired meanwhile is refused, and who is connected stays", "[tls]") {
  const Authority& ours = TlsSide::authority();
  const tls::Issued brief = ours.issue("a", {}, -kHour, 3);
  const auto loaded = tls::Credentials::load({brief.cert, brief.key, ours.ca.own().cert}, {"a", ""});
  if (!loaded) FAIL(loaded.error().message);
  TlsMixed f(*loaded, ours.credentials("b"));
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{1}].up; }));
  REQUIRE(f.run_until([&] { return wall_s() > (*loaded)->expires_s(); }));
  f.a.transport.dial(ConnId{3}, f.b.address());  // by a ticket, which is no way around it
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{3}].closed && line_of(f.b, "PV1217") != nullptr; }));
  CHECK_FALSE(f.a.events.streams[ConnId{3}].up);
  CHECK(f.b.rejected(TlsReject::expired) == 1);
  CHECK(f.a.rejected(TlsReject::refused_by_peer) == 1);
  CHECK_FALSE(f.a.events.streams[ConnId{1}].closed);
}

TEST_CASE("a stream in clear is refused, and one that says nothing ends with its time", "[tls]") {
  LoopFixture f;
  Side clear{&f.loop, "127.0.0.1:0"};
  TlsSide side{&f.loop, "127.0.0.1:0"};
  clear.transport.dial(ConnId{1}, side.address());
  clear.transport.dial(ConnId{3}, side.address());
  REQUIRE(f.run_until([&] { return clear.events.streams[ConnId{1}].up && clear.events.streams[ConnId{3}].up; }));
  (void)clear.transport.write(ConnId{1}, std::vector<Bytes>{Bytes::copy_of(std::string_view{"hello"})});
  REQUIRE(f.run_until([&] { return clear.events.streams[ConnId{1}].closed && clear.events.streams[ConnId{3}].closed; }));
  CHECK(side.rejected(TlsReject::plaintext) == 1);
  CHECK(side.rejected(TlsReject::timed_out) == 1);
  REQUIRE(line_of(side, "PV1221") != nullptr);
  CHECK(side.events.accepted.empty());
  CHECK(side.events.streams.empty());
}

TEST_CASE("connections that do not finish their handshake are bounded", "[tls]") {
  LoopFixture f;
  Side clear{&f.loop, "127.0.0.1:0"};
  TlsSide side{&f.loop, "127.0.0.1:0"};
  for (std::uint64_t i = 0; i < 6; ++i) clear.transport.dial(ConnId{2 * i + 1}, side.address());
  REQUIRE(f.run_until([&] { return side.rejected(TlsReject::limit) == 2; }));
  // A second later a silent one gives way to one that speaks.
  const Timestamp then = side.loop.now();
  REQUIRE(f.run_until([&] { return side.loop.now() - then >= 1s; }));
  TlsSide member{&f.loop, "127.0.0.1:0"};
  member.transport.dial(ConnId{1}, side.address());
  REQUIRE(f.run_until([&] { return member.events.streams[ConnId{1}].up; }));
  REQUIRE(f.run_until([&] { return side.rejected(TlsReject::timed_out) == 4; }));
}

TEST_CASE("a node in clear that is dialled with TLS is named in the failure", "[tls]") {
  LoopFixture f;
  Side clear{&f.loop, "127.0.0.1:0"};
  clear.events.after_read = [&](ConnId conn) { clear.transport.close(conn, CloseMode::abort); };
  TlsSide side{&f.loop, "127.0.0.1:0"};
  side.transport.dial(ConnId{1}, clear.address());
  REQUIRE(f.run_until([&] { return side.events.streams[ConnId{1}].closed; }));
  CHECK_THAT(side.events.streams[ConnId{1}].why, Contains("perhaps TLS is off there"));
  CHECK(side.rejected(TlsReject::protocol) == 1);
}

TEST_CASE("packets travel inside TLS, both ways over one stream, from the sender's port", "[tls]") {
  TlsMixed f(TlsSide::authority().credentials("a"), TlsSide::authority().credentials("b"));
  const std::string big = pattern(60'000);
  f.a.transport.send_packet(f.b.address(), Bytes::copy_of(std::string_view{"first"}));
  f.a.transport.send_packet(f.b.address(), Bytes{});
  f.a.transport.send_packet(f.b.address(), Bytes::copy_of(std::string_view{big}));
  REQUIRE(f.run_until([&] { return f.b.events.packets.size() == 3; }));
  CHECK(f.b.events.packets[0].first == f.a.address());
  CHECK(f.b.events.packets[0].second == "first");
  CHECK(f.b.events.packets[1].second.empty());
  CHECK((f.b.events.packets[2].second == big));
  f.b.transport.send_packet(f.b.events.packets[0].first, Bytes::copy_of(std::string_view{"answer"}));
  REQUIRE(f.run_until([&] { return f.a.events.packets.size() == 1; }));
  CHECK(f.a.events.packets[0].first == f.b.address());
  CHECK(f.a.transport.stats().tls.packet_streams == 1);
  CHECK(f.b.transport.stats().tls.packet_streams == 1);
  CHECK(f.a.sockets.stats().udp_sent_bytes == 0);
  CHECK(f.b.sockets.stats().udp_sent_bytes == 0);
  CHECK(f.b.events.accepted.empty());
}

TEST_CASE("a packet in clear is dropped and counted where nothing could have sealed it", "[tls]") {
  LoopFixture f;
  Side clear{&f.loop, "127.0.0.1:0"};
  TlsSide side{&f.loop, "127.0.0.1:0"};
  clear.transport.send_packet(side.address(), Bytes::copy_of(std::string_view{"psst"}));
  REQUIRE(f.run_until([&] { return side.rejected(TlsReject::clear_packet) == 1; }));
  CHECK(side.events.packets.empty());
  CHECK(line_of(side, "PV1223") != nullptr);
  side.seals = true;
  clear.transport.send_packet(side.address(), Bytes::copy_of(std::string_view{"sealed"}));
  REQUIRE(f.run_until([&] { return side.events.packets.size() == 1; }));
  side.transport.send_packet(clear.address(), Bytes::copy_of(std::string_view{"sealed"}));
  REQUIRE(f.run_until([&] { return clear.events.packets.size() == 1; }));
}

TEST_CASE("packets for nobody are dropped, and the next ones find somebody", "[tls]") {
  LoopFixture f;
  TlsSide a{&f.loop, "127.0.0.1:0"};
  Endpoint nobody;
  {
    auto gone = uv::bind_pair(*Endpoint::parse("127.0.0.1:0"));
    nobody = gone->address;
  }
  a.transport.send_packet(nobody, Bytes::copy_of(std::string_view{"lost"}));
  REQUIRE(f.run_until([&] { return a.transport.stats().tls.packets_dropped == 1; }));
  TlsSide b{&f.loop, nobody.to_string()};
  a.transport.send_packet(nobody, Bytes::copy_of(std::string_view{"found"}));
  REQUIRE(f.run_until([&] { return b.events.packets.size() == 1; }));
}

TEST_CASE("new files are used by new connections, and CAs that went are cut off after the overlap", "[tls]") {
  const Authority before("before"), after("after");
  tls::PemTexts both = after.pem("b");
  both.ca += before.ca.own().cert;
  const auto rotated = *tls::Credentials::load(both, {"b", ""});
  TlsMixed f(rotated, before.credentials("a"));
  // `a` knows the new CA only, `b` still the old one: `b`'s certificate is refused until it trusts the new CA, too.
  f.a.transport.dial(ConnId{1}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{1}].closed; }));
  tls::PemTexts wide = before.pem("a");
  wide.ca += after.ca.own().cert;
  f.b.transport.replace(*tls::Credentials::load(wide, {"a", ""}), 0ms);
  f.a.transport.dial(ConnId{3}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{3}].up; }));
  // The old CA goes: who is connected by it stays for the overlap, new ones, too.
  f.a.transport.replace(after.credentials("b"), 2s);
  f.a.transport.dial(ConnId{5}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{5}].up; }));
  CHECK_FALSE(f.a.events.streams[ConnId{3}].closed);
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{3}].closed && f.a.events.streams[ConnId{5}].closed; }));
  CHECK(f.a.rejected(TlsReject::unknown_ca) == 2);
  f.a.transport.dial(ConnId{7}, f.b.address());
  REQUIRE(f.run_until([&] { return f.a.events.streams[ConnId{7}].closed; }));
}
