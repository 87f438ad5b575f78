// What is kept of links for the next process: its form, its seal, and what it must not allow.
#include "transport/quic/tickets.hpp"

#include "net.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;

namespace {

constexpr std::int64_t kWritten = 1'800'000'000;

quic::KnownEnd any_end(std::uint16_t port, std::size_t session = 2000) {
  quic::KnownEnd end{*Endpoint::parse("10.0.0.7:1"), quic::Ticket{}, Bytes::copy_of(noise(40))};
  end.address.port = port;
  end.ticket->session = Bytes::copy_of(noise(session));
  end.ticket->limits = Bytes::copy_of(noise(64));
  end.ticket->chain = {noise(900), noise(700)};
  return end;
}

bool same(const quic::KnownEnd& a, const quic::KnownEnd& b) {
  return a.address == b.address && a.token.text() == b.token.text() && a.ticket.has_value() == b.ticket.has_value() &&
         (!a.ticket || (a.ticket->session.text() == b.ticket->session.text() &&
                        a.ticket->limits.text() == b.ticket->limits.text() && a.ticket->chain == b.ticket->chain));
}

/// Pairs whose first member is started anew with what it knew, as from its file.
struct RestartPair : QuicPair {
  [[nodiscard]] std::vector<quic::KnownEnd> over_a_file() const {
    const std::string& secret = a.credentials->key_secret();
    auto read = quic::open_tickets(quic::seal_tickets(a.endpoint->known(), secret, kWritten), secret, kWritten + 60);
    if (!read) FAIL(read.error().message);
    return *read;
  }
};

}  // namespace

TEST_CASE("tickets are read as they were written, under their seal", "[quic]") {
  std::vector<quic::KnownEnd> ends{any_end(1), any_end(2), any_end(3)};
  ends[1].token = {};
  ends[2].ticket.reset();
  const std::string file = quic::seal_tickets(ends, "secret", kWritten);
  CHECK(file.find(noise(900).substr(0, 16)) == std::string::npos);
  CHECK(file != quic::seal_tickets(ends, "secret", kWritten));
  const auto read = quic::open_tickets(file, "secret", kWritten + 3600);
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(same((*read)[i], ends[i]));
  CHECK(quic::open_tickets(quic::seal_tickets({}, "secret", kWritten), "secret", kWritten)->empty());
}

TEST_CASE("a file of tickets that is not as it was written is refused", "[quic]") {
  const std::string file = quic::seal_tickets({any_end(1)}, "secret", kWritten);
  const auto refused = [](const std::string& text, const std::string& secret, std::int64_t now_s) {
    auto read = quic::open_tickets(text, secret, now_s);
    return read ? std::string("taken") : read.error().message;
  };
  CHECK(refused(file, "secret", kWritten) == "taken");
  CHECK(refused(file, "another", kWritten).find("another tls_key") != std::string::npos);
  CHECK(refused(file, "secret", kWritten + quic::kTicketsKeptS + 1).find("a day old") != std::string::npos);
  CHECK(refused(file, "secret", kWritten - 1).find("of the future") != std::string::npos);
  CHECK(refused("", "secret", kWritten).find("no file of tickets") != std::string::npos);
  for (std::size_t size = 0; size < file.size(); size += 1 + size / 8)
    CHECK(refused(file.substr(0, size), "secret", kWritten) != "taken");
  for (std::size_t at = 0; at < file.size(); at += 1 + at / 8) {
    std::string changed = file;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    CHECK(refused(changed, "secret", kWritten) != "taken");
  }
  CHECK(refused(std::string(quic::kTicketsFileMax + 1, 'x'), "secret", kWritten) != "taken");
}

TEST_CASE("what lies under the seal is checked as if there was none", "[quic]") {
  const std::string text = quic::format_tickets({any_end(1), any_end(2)}, kWritten);
  const auto count = [](const std::string& bytes) {
    const auto read = quic::parse_tickets(as_bytes(bytes), kWritten);
    return read ? static_cast<int>(read->size()) : -1;
  };
  CHECK(count(text) == 2);
  const std::size_t half = 8 + (text.size() - 8) / 2;
  for (std::size_t size = 0; size < text.size(); ++size)
    if (size != 8 && size != half && count(text.substr(0, size)) != -1) FAIL("cut at " << size);
  CHECK(count(text + "x") == -1);
  // Times that no clock has.
  CHECK(count("\x80" + std::string(7, '\0')) == -1);
  CHECK(count("\x7f" + std::string(7, '\xff')) == -1);
  // A size that goes beyond all bounds, of the token.
  std::string huge = text;
  huge[8 + 18] = '\x7f';
  CHECK(count(huge) == -1);
}

TEST_CASE("the file of tickets has a bound, and ends that exceed theirs are left out", "[quic]") {
  std::vector<quic::KnownEnd> ends;
  for (std::size_t i = 0; i < quic::kKnownEndsMax + 5; ++i) ends.push_back(any_end(static_cast<std::uint16_t>(i + 1)));
  ends[1] = any_end(2, quic::kSessionMax + 1);
  const auto some = quic::parse_tickets(as_bytes(quic::format_tickets(ends, kWritten)), kWritten);
  REQUIRE(some);
  CHECK(some->size() == quic::kKnownEndsMax);
  CHECK((*some)[1].address.port == 3);
  for (auto& end : ends) end.ticket->session = Bytes::copy_of(noise(quic::kSessionMax));
  const std::string file = quic::seal_tickets(ends, "secret", kWritten);
  CHECK(file.size() <= quic::kTicketsFileMax);
  CHECK(file.size() > quic::kTicketsFileMax - 2 * quic::kSessionMax);
  CHECK(quic::open_tickets(file, "secret", kWritten));
}

TEST_CASE("a member that is started anew joins with data in its first packets", "[quic]") {
  RestartPair f;
  f.connect();
  f.run_for(1s);
  const auto kept = f.over_a_file();
  REQUIRE(kept.size() == 1);
  f.a.endpoint->shutdown(f.now);
  f.run_for(1s);
  QuicNode a2{f, "10.0.0.1:4001", QuicPair::authority().credentials("a")};
  a2.endpoint->remember(kept);
  a2.endpoint->dial(ConnId{1}, {a2.address, f.b.address}, f.now);
  CHECK(a2.endpoint->known().empty());  // a ticket is used once
  a2.endpoint->flush(f.now);
  CHECK(a2.streams[ConnId{1}].up);
  a2.write(ConnId{1}, "early");
  const Timestamp begin = f.now;
  REQUIRE(
      f.run_until([&] { return f.b.accepted.size() == 2 && f.b.streams[f.b.accepted.back()].received == "early"; }));
  CHECK(f.now - begin == f.delay);
  CHECK(f.b.streams[f.b.accepted.back()].names == std::vector<std::string>{"a"});
  f.run_for(1s);
  CHECK(a2.stats().handshakes[QuicHandshake::early] == 1);
  CHECK(a2.endpoint->known().size() == 1);  // for the next time
}

TEST_CASE("a ticket that the TLS library cannot use costs a whole handshake, and nothing else", "[quic]") {
  RestartPair f;
  f.connect();
  f.run_for(1s);
  auto kept = f.over_a_file();
  REQUIRE(kept.size() == 1);
  kept.front().ticket->session = Bytes::copy_of(noise(1500));
  kept.front().token = Bytes::copy_of(noise(60));
  QuicNode a2{f, "10.0.0.9:4009", QuicPair::authority().credentials("a")};
  a2.endpoint->remember(kept);
  a2.endpoint->dial(ConnId{1}, {a2.address, f.b.address}, f.now);
  REQUIRE(f.run_until([&] { return a2.streams[ConnId{1}].up; }));
  a2.write(ConnId{1}, "once");
  REQUIRE(f.run_until([&] { return f.b.streams[f.b.accepted.back()].received == "once"; }));
  CHECK(a2.stats().handshakes[QuicHandshake::full] == 1);
  CHECK(a2.stats().early_refused == 0);
}

TEST_CASE("whose owner is not trusted any more, a kept ticket is not used for", "[quic]") {
  RestartPair f;
  f.connect();
  f.run_for(1s);
  const auto kept = f.over_a_file();
  const Authority other("after");
  QuicNode a2{f, "10.0.0.1:4001", other.credentials("a")};
  a2.endpoint->remember(kept);
  a2.endpoint->dial(ConnId{1}, {a2.address, f.b.address}, f.now);
  a2.endpoint->flush(f.now);
  CHECK_FALSE(a2.streams[ConnId{1}].up);
  REQUIRE(f.run_until([&] { return a2.streams[ConnId{1}].ended; }));
  CHECK(a2.streams[ConnId{1}].end.refused == TlsReject::unknown_ca);
}

TEST_CASE("a first flight that an earlier process took brings nothing to the next one", "[quic]") {
  RestartPair f;
  f.connect();
  f.run_for(1s);
  std::vector<Flown> captured;
  f.capture = &captured;
  f.dial(ConnId{3});
  f.a.endpoint->flush(f.now);
  f.a.write(ConnId{3}, "early");
  f.a.endpoint->flush(f.now);
  f.capture = nullptr;
  REQUIRE(
      f.run_until([&] { return f.b.accepted.size() == 2 && f.b.streams[f.b.accepted.back()].received == "early"; }));
  // It ends without a word, and forgets what it saw.
  QuicNode b2{f, "10.0.0.2:4002", QuicPair::authority().credentials("b")};
  f.nodes.erase(f.a.address);
  for (int time = 0; time < 3; ++time) {
    for (const Flown& flown : captured) f.flying.emplace(f.now, flown);
    f.run_for(10s);
  }
  CHECK_FALSE(captured.empty());
  for (const auto& [id, stream] : b2.streams) CHECK((!stream.up && stream.received.empty()));
  CHECK(b2.accepted.empty());
  CHECK(b2.stats().handshakes[QuicHandshake::early] == 0);
  CHECK(b2.stats().connections == 0);
}

TEST_CASE("what is remembered of first flights has a bound, and is forgotten only with time", "[quic]") {
  quic::AntiReplay replays;
  CHECK(replays.note("one", 1000));
  CHECK_FALSE(replays.note("one", 1000));
  CHECK(replays.note("two", 1000 + 2 * quic::AntiReplay::kWindowMs / 1000));
  CHECK_FALSE(replays.note("one", 1000 + 2 * quic::AntiReplay::kWindowMs / 1000));
  CHECK(replays.replays() == 2);
  bool taken = true;
  for (std::size_t i = 0; i + 2 < quic::AntiReplay::kSeenMax; ++i)
    taken = taken && replays.note(std::to_string(i), 1010);
  CHECK(taken);
  CHECK_FALSE(replays.note("one too many", 1010));
  CHECK(replays.overflows() == 1);
  CHECK(replays.note("later", 2000));
}
