#include "net.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;

TEST_CASE("both ends judge each other, and bytes flow both ways over one stream", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  CHECK(static_cast<std::uint64_t>(other) % 2 == 0);
  CHECK(f.a.streams[QuicPair::kDial].names == std::vector<std::string>{"b"});
  CHECK(f.b.streams[other].names == std::vector<std::string>{"a"});
  f.a.write(QuicPair::kDial, "there");
  REQUIRE(f.run_until([&] { return f.b.streams[other].received == "there"; }));
  f.b.write(other, "and back");
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].received == "and back"; }));
  CHECK(f.a.stats().handshakes[QuicHandshake::full] == 1);
  CHECK(f.b.stats().handshakes[QuicHandshake::full] == 1);
  CHECK(f.b.stats().connections == 1);
}

TEST_CASE("a stream arrives whole whatever is lost, doubled and reordered", "[quic]") {
  struct Row {
    const char* name;
    int loss, doubled;
    Duration jitter;
  };
  const std::string text = noise(3 << 20);
  for (const Row& row : {Row{"clean", 0, 0, 0ms}, Row{"1 % lost", 1, 0, 0ms}, Row{"5 % lost", 5, 0, 0ms},
                         Row{"doubled", 0, 20, 0ms}, Row{"reordered", 0, 0, 8ms}, Row{"everything", 5, 5, 8ms}}) {
    INFO(row.name);
    QuicPair f;
    f.loss_percent = row.loss;
    f.double_percent = row.doubled;
    f.jitter = row.jitter;
    const ConnId other = f.connect();
    std::string& received = f.b.streams[other].received;
    REQUIRE(stream_over(f, f.a, QuicPair::kDial, text, [&] { return received.size() >= text.size(); }));
    CHECK((received == text));
    CHECK_FALSE(f.a.streams[QuicPair::kDial].ended);
  }
}

TEST_CASE("who is not read is not sent more than the window, and goes on when it is", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.b.endpoint->pause_reading(other, true);
  const std::string text = noise(6 << 20);
  const Bytes whole = Bytes::copy_of(text);
  std::size_t written = f.a.endpoint->write(QuicPair::kDial, std::vector<Bytes>{whole});
  CHECK(written == quic::Connection::kWaitingMax);
  f.run_for(2s);
  for (int seen = 0; f.a.streams[QuicPair::kDial].writable > seen;) {
    seen = f.a.streams[QuicPair::kDial].writable;
    written += f.a.endpoint->write(QuicPair::kDial, std::vector<Bytes>{whole.slice(written)});
    f.run_for(2s);
  }
  CHECK(written <= quic::Connection::kWindow + quic::Connection::kWaitingMax);
  CHECK(f.b.streams[other].received.empty());
  f.b.endpoint->pause_reading(other, false);
  REQUIRE(f.run_until([&] {
    if (written < text.size())
      written += f.a.endpoint->write(QuicPair::kDial, std::vector<Bytes>{whole.slice(written)});
    f.a.endpoint->flush(f.now);
    return f.b.streams[other].received.size() == text.size();
  }));
  CHECK((f.b.streams[other].received == text));
}

TEST_CASE("closing with flush brings everything over, at 5 % loss too", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.loss_percent = 5;
  f.a.write(QuicPair::kDial, "hello");
  REQUIRE(f.run_until([&] { return f.b.streams[other].received == "hello"; }));
  const std::string text = noise(200'000);
  f.b.write(other, text);
  f.b.endpoint->close(other, CloseMode::flush, f.now);
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended; }));
  CHECK((f.a.streams[QuicPair::kDial].received == text));
  CHECK(f.a.streams[QuicPair::kDial].end.graceful);
  CHECK_FALSE(f.b.streams[other].ended);
  f.loss_percent = 0;
  f.run_for(10s);
  CHECK_FALSE(f.a.endpoint->knows(QuicPair::kDial));
  CHECK_FALSE(f.b.endpoint->knows(other));
}

TEST_CASE("an abort ends the other side with a reset", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.b.endpoint->close(other, CloseMode::abort, f.now);
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended; }));
  CHECK(f.a.streams[QuicPair::kDial].end.text.find("reset") != std::string::npos);
  CHECK_FALSE(f.a.streams[QuicPair::kDial].end.graceful);
  CHECK_FALSE(f.b.streams[other].ended);
}

TEST_CASE("a dial that nobody answers ends with its time", "[quic]") {
  QuicPair f;
  f.nodes.erase(f.b.address);
  f.dial();
  const Timestamp begin = f.now;
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended; }));
  CHECK(f.now - begin <= 6s);
  CHECK(f.a.streams[QuicPair::kDial].end.refused == TlsReject::timed_out);
  CHECK_FALSE(f.a.streams[QuicPair::kDial].was_up);
}

TEST_CASE("a connection that falls silent ends after the idle time", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.run_for(60s);  // keep-alive holds it
  CHECK_FALSE(f.a.streams[QuicPair::kDial].ended);
  f.drop = [](const Flown&) { return true; };
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended && f.b.streams[other].ended; }));
  CHECK(f.a.streams[QuicPair::kDial].end.code == Errc::timed_out);
}

TEST_CASE("certificates of others are refused at both ends, with the reason", "[quic]") {
  const Authority stranger("other CA");
  tls::PemTexts both = stranger.pem("b");
  both.ca += QuicPair::authority().ca.own().cert;
  struct Row {
    const char* name;
    std::shared_ptr<const tls::Credentials> dials;
    TlsReject at_dialler, at_acceptor;
  };
  for (const Row& row : {Row{"the dialler trusts us, we do not know its CA", *tls::Credentials::load(both, {"b", ""}),
                             TlsReject::refused_by_peer, TlsReject::unknown_ca},
                         Row{"neither knows the other's CA", stranger.credentials("b"), TlsReject::unknown_ca,
                             TlsReject::refused_by_peer},
                         Row{"another cluster", QuicPair::authority().credentials("b", "prod"),
                             TlsReject::wrong_cluster, TlsReject::refused_by_peer}}) {
    INFO(row.name);
    QuicPair f;
    f.a.credentials = row.dials;
    f.dial();
    REQUIRE(f.run_until([&] {
      return f.a.streams[QuicPair::kDial].ended && f.b.streams.size() == 1 && f.b.streams.begin()->second.ended;
    }));
    CHECK_FALSE(f.a.streams[QuicPair::kDial].up);
    CHECK(f.b.accepted.empty());
    CHECK(f.a.streams[QuicPair::kDial].end.refused == row.at_dialler);
    CHECK(f.b.streams.begin()->second.end.refused == row.at_acceptor);
  }
}

TEST_CASE("the second connection goes by a ticket and has data in its first packets", "[quic]") {
  QuicPair f;
  f.connect();
  f.run_for(1s);  // the ticket comes
  f.dial(ConnId{3});
  f.a.endpoint->flush(f.now);
  CHECK(f.a.streams[ConnId{3}].up);
  CHECK(f.a.streams[ConnId{3}].names == std::vector<std::string>{"b"});
  f.a.write(ConnId{3}, "early");
  const Timestamp begin = f.now;
  REQUIRE(
      f.run_until([&] { return f.b.accepted.size() == 2 && f.b.streams[f.b.accepted.back()].received == "early"; }));
  CHECK(f.now - begin == f.delay);
  CHECK(f.b.streams[f.b.accepted.back()].names == std::vector<std::string>{"a"});
  f.b.write(f.b.accepted.back(), "answered");
  REQUIRE(f.run_until([&] { return f.a.streams[ConnId{3}].received == "answered"; }));
  CHECK(f.now - begin == 2 * f.delay);
  f.run_for(1s);
  CHECK(f.a.stats().handshakes[QuicHandshake::early] == 1);
  CHECK(f.b.stats().handshakes[QuicHandshake::early] == 1);
  CHECK_FALSE(f.a.streams[ConnId{3}].ended);
}

TEST_CASE("a captured first flight with early data that is sent again changes nothing", "[quic]") {
  QuicPair f;
  f.connect();
  f.run_for(1s);
  std::vector<Flown> captured;
  f.capture = &captured;
  f.dial(ConnId{3});
  f.a.endpoint->flush(f.now);
  f.a.write(ConnId{3}, "early");
  f.a.endpoint->flush(f.now);
  f.capture = nullptr;
  REQUIRE_FALSE(captured.empty());
  REQUIRE(
      f.run_until([&] { return f.b.accepted.size() == 2 && f.b.streams[f.b.accepted.back()].received == "early"; }));
  f.run_for(1s);
  f.a.endpoint->close(ConnId{3}, CloseMode::flush, f.now);
  f.run_for(5s);  // the connection is over, its ids are forgotten
  const std::size_t accepted = f.b.accepted.size();
  for (int time = 0; time < 3; ++time) {
    for (Flown flown : captured) {
      flown.path.local = *Endpoint::parse("10.0.0.9:9");  // from elsewhere
      f.flying.emplace(f.now, flown);
    }
    f.run_for(100ms);
  }
  f.run_for(20s);
  CHECK(f.b.accepted.size() == accepted);
  CHECK(f.b.stats().replays >= 1);
  CHECK(f.b.stats().handshakes[QuicHandshake::early] == 1);
}

TEST_CASE("early data that are refused are sent again, and count once", "[quic]") {
  QuicPair f;
  f.connect();
  f.run_for(1s);
  // The other end is started anew: it knows neither ticket nor connection.
  QuicNode b2{f, "10.0.0.2:4002", QuicPair::authority().credentials("b")};
  f.dial(ConnId{3});
  f.a.endpoint->flush(f.now);
  REQUIRE(f.a.streams[ConnId{3}].up);
  f.a.write(ConnId{3}, "once");
  REQUIRE(f.run_until([&] { return b2.accepted.size() == 1 && b2.streams[b2.accepted.back()].received == "once"; }));
  f.run_for(1s);
  CHECK(b2.streams[b2.accepted.back()].received == "once");
  CHECK(f.a.stats().early_refused == 1);
  CHECK(f.a.stats().handshakes[QuicHandshake::full] == 2);
  CHECK_FALSE(f.a.streams[ConnId{3}].ended);
}

TEST_CASE("a member that was started anew tells that it does not know the connection", "[quic]") {
  QuicPair f;
  f.connect();
  f.run_for(1s);
  QuicNode b2{f, "10.0.0.2:4002", QuicPair::authority().credentials("b")};
  f.a.write(QuicPair::kDial, noise(1000));
  const Timestamp begin = f.now;
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended; }));
  CHECK(f.now - begin < 100ms);
  CHECK(f.a.streams[QuicPair::kDial].end.text.find("does not know it") != std::string::npos);
  CHECK(b2.stats().resets_sent >= 1);
}

TEST_CASE("who shuts down says so, and what was written before goes out", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.a.write(QuicPair::kDial, "last words");
  f.a.endpoint->shutdown(f.now);
  const Timestamp begin = f.now;
  f.nodes.erase(f.a.address);
  REQUIRE(f.run_until([&] { return f.b.streams[other].ended; }));
  CHECK(f.now - begin < 100ms);
  CHECK(f.b.streams[other].received == "last words");
}

TEST_CASE("under load a client proves its address first", "[quic]") {
  QuicNet net;
  QuicNode a{net, "10.0.0.1:4001", QuicPair::authority().credentials("a")};
  QuicNode b{net, "10.0.0.2:4002", QuicPair::authority().credentials("b"), {.half_open_max = 4, .retry_from = 0}};
  a.endpoint->dial(ConnId{1}, {a.address, b.address}, net.now);
  REQUIRE(net.run_until([&] { return a.streams[ConnId{1}].up; }));
  CHECK(b.stats().retries == 1);
  net.run_for(1s);
  // A token from before is proof enough.
  a.endpoint->dial(ConnId{3}, {a.address, b.address}, net.now);
  REQUIRE(net.run_until([&] { return a.streams[ConnId{3}].up && b.accepted.size() == 2; }));
  CHECK(b.stats().retries == 1);
}

TEST_CASE("a flood of first packets from addresses that are not theirs keeps nothing and is not amplified", "[quic]") {
  QuicPair f;
  std::vector<Flown> flood;
  f.capture = &flood;
  f.drop = [](const Flown&) { return true; };
  for (std::uint64_t i = 0; i < 600; ++i)
    f.a.endpoint->dial(
        ConnId{2 * i + 101},
        {*Endpoint::parse("192.0.2." + std::to_string(i % 250) + ":" + std::to_string(1000 + i)), f.b.address}, f.now);
  f.a.endpoint->flush(f.now);
  f.capture = nullptr;
  REQUIRE(flood.size() == 600);
  std::size_t received = 0;
  for (const Flown& flown : flood) {
    received += flown.bytes.size();
    f.flying.emplace(f.now, flown);
  }
  f.run_for(10ms);
  const QuicStats stats = f.b.stats();
  CHECK(stats.retries == quic::QuicEndpoint::kAnswersPerSecond);
  CHECK(stats.rejected[QuicReject::limit] == 600 - 32 - stats.retries);
  CHECK(f.b.sent_bytes <= 3 * received);
  f.run_for(4s);
  CHECK(f.b.sent_bytes <= 3 * received);
  f.run_for(20s);
  CHECK(f.b.accepted.empty());
  f.drop = {};
  f.connect(ConnId{3});
}

TEST_CASE("who is not admitted is told so at once, and nothing of it is kept", "[quic]") {
  QuicPair f;
  f.b.admits = [&](const Endpoint& from, bool) { return from.host() != f.a.address.host(); };
  f.dial();
  const Timestamp begin = f.now;
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended; }));
  CHECK(f.now - begin == 2 * f.delay);
  CHECK(f.a.streams[QuicPair::kDial].end.text.find("refused") != std::string::npos);
  CHECK(f.b.streams.empty());
  CHECK(f.b.stats().rejected[QuicReject::not_admitted] == 1);
  CHECK(f.b.sent_bytes < 1200);
  f.b.admits = {};
  f.connect(ConnId{3});
}

TEST_CASE("an address counts when it has shown that it is there, and not before", "[quic]") {
  QuicPair f;
  std::vector<bool> asked;
  f.b.admits = [&](const Endpoint&, bool proved) {
    asked.push_back(proved);
    return !proved;
  };
  f.dial();
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended; }));
  CHECK(asked == std::vector<bool>{false, true});
  CHECK(f.b.accepted.empty());
  CHECK_FALSE(f.a.streams[QuicPair::kDial].end.graceful);
  CHECK(f.b.stats().rejected[QuicReject::not_admitted] == 1);
}

TEST_CASE("an address that opens many connections has to prove itself for the later ones", "[quic]") {
  constexpr std::uint32_t kMore = 4, kAll = quic::QuicEndpoint::kFreshPerSecond + kMore;
  QuicPair f;
  std::map<bool, std::uint32_t> asked;
  f.b.admits = [&](const Endpoint&, bool proved) {
    ++asked[proved];
    return true;
  };
  for (std::uint64_t i = 0; i < kAll; ++i) f.dial(ConnId{2 * i + 1});
  REQUIRE(f.run_until([&] { return f.b.accepted.size() == kAll; }));
  CHECK(f.b.stats().retries == kMore);
  CHECK(asked[false] == kAll);
  CHECK(asked[true] == kAll);  // once each: a Retry's token shows it before, the handshake after
  f.run_for(1s);
  f.dial(ConnId{1001});
  REQUIRE(f.run_until([&] { return f.b.accepted.size() == kAll + 1; }));
  CHECK(f.b.stats().retries == kMore);
}

TEST_CASE("versions of tomorrow are answered with the one that is spoken", "[quic]") {
  QuicPair f;
  Flown hello{{f.a.address, f.b.address}, quic::Ecn::none, std::vector<std::byte>(1200)};
  hello.bytes[0] = std::byte{0xc0};
  hello.bytes[1] = hello.bytes[2] = hello.bytes[3] = hello.bytes[4] = std::byte{0x1a};
  hello.bytes[5] = std::byte{8};
  hello.bytes[14] = std::byte{8};
  f.fly(hello);
  hello.bytes.resize(600);  // too small to be answered
  f.fly(hello);
  f.run_for(100ms);
  CHECK(f.b.stats().versions_sent == 1);
  CHECK(f.b.stats().rejected[QuicReject::unknown_version] == 1);
  CHECK(f.b.stats().rejected[QuicReject::malformed] == 1);
}

TEST_CASE("noise on the port is counted and harms nobody", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.fly({{f.a.address, f.b.address}, quic::Ecn::none, {}});
  const std::string text = noise(100'000);
  for (std::size_t i = 0; i + 1300 < text.size(); i += 1 + i % 997) {
    const auto bytes = as_bytes(text).subspan(i, 1 + i % 1300);
    f.fly({{f.a.address, f.b.address}, quic::Ecn::none, {bytes.begin(), bytes.end()}});
  }
  f.run_for(1s);
  const QuicStats stats = f.b.stats();
  CHECK(stats.rejected.total() > 100);
  f.a.write(QuicPair::kDial, "still here");
  REQUIRE(f.run_until([&] { return f.b.streams[other].received == "still here"; }));
}

TEST_CASE("a client whose address changes keeps its connection without losing a byte", "[quic]") {
  for (const bool knows : {false, true}) {
    INFO((knows ? "it knows of it" : "a translator on the way changed it"));
    QuicPair f;
    const ConnId other = f.connect();
    const std::string text = noise(2 << 20);
    const Endpoint elsewhere = *Endpoint::parse("10.0.0.77:4077");
    bool moved = false;
    std::string& received = f.b.streams[other].received;
    const bool done = stream_over(f, f.a, QuicPair::kDial, text, [&] {
      if (!moved && received.size() > text.size() / 3) {
        moved = true;
        const Endpoint old = f.a.address;
        if (knows) {
          f.nodes.erase(old);
          f.nodes[elsewhere] = &f.a;
          f.a.endpoint->migrate(
              old, [&](const Endpoint&) { return elsewhere; }, f.now);
        } else {
          f.drop = [&f, old, elsewhere](const Flown& flown) {
            Flown changed = flown;
            if (flown.path.local == old)
              changed.path.local = elsewhere;
            else if (flown.path.remote == elsewhere)
              changed.path.remote = old;
            else
              return true;  // nobody has the old address any more
            f.flying.emplace(f.now + f.delay, changed);
            return true;
          };
        }
      }
      return received.size() >= text.size();
    });
    REQUIRE(done);
    CHECK((received == text));
    CHECK(moved);
    CHECK((knows ? f.a : f.b).stats().migrations >= 1);
    CHECK_FALSE(f.a.streams[QuicPair::kDial].ended);
  }
}

TEST_CASE("datagrams travel beside the stream, and too large ones are refused at once", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.run_for(1s);
  CHECK(f.a.endpoint->send_datagram(QuicPair::kDial, as_bytes("probe")));
  CHECK(f.b.endpoint->send_datagram(other, as_bytes(noise(1000))));
  CHECK_FALSE(f.a.endpoint->send_datagram(QuicPair::kDial, as_bytes(noise(1600))));
  REQUIRE(f.run_until([&] { return f.b.datagrams.size() == 1 && f.a.datagrams.size() == 1; }));
  CHECK(f.b.datagrams.front() == "probe");
  CHECK((f.a.datagrams.front() == noise(1000)));
  CHECK(f.b.stats().datagrams_received == 1);
  std::size_t taken = 0;
  while (f.a.endpoint->send_datagram(QuicPair::kDial, as_bytes("many"))) ++taken;
  CHECK(taken == quic::Connection::kDatagramsMax);
}

TEST_CASE("a connection that is over is forgotten in time, however much is sent to it", "[quic]") {
  QuicPair f;
  std::vector<Flown> captured;
  f.capture = &captured;
  const ConnId other = f.connect();
  f.capture = nullptr;
  f.run_for(1s);
  f.a.endpoint->close(QuicPair::kDial, CloseMode::abort, f.now);
  REQUIRE(f.run_until([&] { return f.b.streams[other].ended; }));
  const Flown first = captured.front();
  REQUIRE(first.path.remote == f.b.address);
  const Timestamp begin = f.now;
  // Faster than any timer, and never quiet.
  REQUIRE(f.run_until(
      [&] {
        f.flying.emplace(f.now + 100us, first);
        return !f.b.endpoint->knows(other);
      },
      5s));
  CHECK(f.now - begin < 3s);
}

TEST_CASE("a sink that is full is waited for", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  f.a.full = true;
  const std::string text = noise(100'000);
  f.a.write(QuicPair::kDial, text);
  f.run_for(300ms);
  CHECK(f.b.streams[other].received.size() < text.size());
  f.a.full = false;
  f.a.endpoint->sink_ready(f.now);
  REQUIRE(f.run_until([&] { return f.b.streams[other].received.size() == text.size(); }));
  CHECK((f.b.streams[other].received == text));
}

TEST_CASE("who is not trusted any more is cut off, with the reason", "[quic]") {
  const Authority other("after");
  QuicPair f;
  const ConnId accepted = f.connect();
  f.b.credentials = other.credentials("b");
  f.b.endpoint->judge_all(f.now);
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].ended && f.b.streams[accepted].ended; }));
  CHECK(f.b.streams[accepted].end.refused == TlsReject::unknown_ca);
  CHECK(f.a.streams[QuicPair::kDial].end.refused == TlsReject::refused_by_peer);
}
