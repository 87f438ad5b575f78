// Addresses that change, of either end, and those who pretend that one did.
#include "net.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;

namespace {

/// The member `b` of a pair goes on at another address.
struct MovingPair : QuicPair {
  const Endpoint old = b.address;
  const Endpoint elsewhere = *Endpoint::parse("10.0.0.88:4002");
  void move_b() {
    nodes.erase(old);
    nodes[elsewhere] = &b;
    b.endpoint->migrate(
        old, [this](const Endpoint&) { return elsewhere; }, now);
  }
};

}  // namespace

TEST_CASE("a member that was dialled keeps its connection when its address changes, and no byte is lost", "[quic]") {
  for (const int loss : {0, 2}) {
    INFO(loss << " % lost");
    MovingPair f;
    const ConnId other = f.connect();
    f.loss_percent = loss;
    const std::string there = noise(2 << 20), back = noise(1 << 20);
    const Bytes answer = Bytes::copy_of(back);
    std::size_t answered = 0;
    Timestamp moved = kNever, went_on = kNever;
    std::size_t at_move = 0;
    std::string &at_b = f.b.streams[other].received, &at_a = f.a.streams[QuicPair::kDial].received;
    REQUIRE(stream_over(f, f.a, QuicPair::kDial, there, [&] {
      if (answered < back.size()) answered += f.b.endpoint->write(other, std::vector<Bytes>{answer.slice(answered)});
      f.b.endpoint->flush(f.now);
      if (moved == kNever && at_b.size() > there.size() / 3) {
        moved = f.now;
        at_move = at_b.size();
        f.move_b();
      }
      // What was on its way before is lost with the old address.
      if (went_on == kNever && at_b.size() > at_move + (std::size_t{64} << 10)) went_on = f.now;
      return at_b.size() >= there.size() && at_a.size() >= back.size();
    }));
    CHECK((at_b == there));
    CHECK((at_a == back));
    CHECK(moved != kNever);
    CHECK(went_on - moved < 2s);
    CHECK(f.a.stats().migrations == 1);
    CHECK(f.b.stats().migrations == 1);
    CHECK_FALSE(f.a.streams[QuicPair::kDial].ended);
    CHECK_FALSE(f.b.streams[other].ended);
  }
}

TEST_CASE("a connection at rest follows as well, back and forth", "[quic]") {
  MovingPair f;
  const ConnId other = f.connect();
  f.run_for(3s);
  f.move_b();
  f.run_for(1s);
  CHECK(f.a.stats().migrations == 1);
  f.a.write(QuicPair::kDial, "there");
  REQUIRE(f.run_until([&] { return f.b.streams[other].received == "there"; }, 1s));
  f.nodes.erase(f.elsewhere);
  f.nodes[f.old] = &f.b;
  f.b.endpoint->migrate(
      f.elsewhere, [&](const Endpoint&) { return f.old; }, f.now);
  f.run_for(3s);
  CHECK(f.a.stats().migrations == 2);
  f.b.write(other, "and back");
  f.a.write(QuicPair::kDial, ", again");
  REQUIRE(f.run_until(
      [&] {
        return f.b.streams[other].received == "there, again" && f.a.streams[QuicPair::kDial].received == "and back";
      },
      1s));
  f.run_for(60s);
  CHECK_FALSE(f.a.streams[QuicPair::kDial].ended);
}

TEST_CASE("another address of ours that is gone moves no connection that was taken elsewhere", "[quic]") {
  MovingPair f;
  const ConnId other = f.connect();
  f.b.endpoint->migrate(
      *Endpoint::parse("10.0.0.3:4002"), [&](const Endpoint&) { return f.elsewhere; }, f.now);
  f.a.write(QuicPair::kDial, "?");  // who dials speaks first
  f.b.write(other, "here");
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].received == "here"; }));
  f.run_for(10s);
  CHECK(f.a.stats().migrations == 0);
  CHECK(f.b.stats().migrations == 0);
}

TEST_CASE("who passes on the other end's packets faster than they come is asked now and then, and gets no stream",
          "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  const Endpoint thief = *Endpoint::parse("192.0.2.66:666");
  const std::string text = noise(4 << 20);
  std::size_t packets = 0, bytes = 0;
  f.drop = [&](const Flown& flown) {
    if (flown.path.remote == thief) {
      ++packets;
      bytes += flown.bytes.size();
    } else if (flown.path.remote == f.a.address) {
      Flown passed = flown;
      passed.path.local = thief;
      f.flying.emplace(f.now + 1ms, passed);
    }
    return false;
  };
  f.a.write(QuicPair::kDial, "?");  // who dials speaks first
  const Timestamp begin = f.now;
  REQUIRE(
      stream_over(f, f.b, other, text, [&] { return f.a.streams[QuicPair::kDial].received.size() >= text.size(); }));
  f.a.write(QuicPair::kDial, text.substr(0, 200'000));
  REQUIRE(f.run_until([&] { return f.b.streams[other].received.size() == 200'001; }));
  f.run_for(10s);
  CHECK((f.a.streams[QuicPair::kDial].received == text));
  CHECK(f.a.stats().migrations == 0);
  CHECK_FALSE(f.a.streams[QuicPair::kDial].ended);
  const auto seconds = static_cast<std::size_t>(std::chrono::ceil<std::chrono::seconds>(f.now - begin).count());
  CHECK(packets > 0);
  CHECK(packets <= 8 * (seconds + 1));
  CHECK(bytes <= 8 * 1452 * (seconds + 1));
}

TEST_CASE("packets of the other end that are sent again from elsewhere are not answered there", "[quic]") {
  QuicPair f;
  const ConnId other = f.connect();
  std::vector<Flown> captured;
  f.capture = &captured;
  f.a.write(QuicPair::kDial, "?");  // who dials speaks first
  f.b.write(other, noise(100'000));
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].received.size() == 100'000; }));
  f.run_for(2s);
  f.capture = nullptr;
  const Endpoint thief = *Endpoint::parse("192.0.2.66:666");
  std::size_t answers = 0;
  f.drop = [&](const Flown& flown) {
    answers += flown.path.remote == thief ? 1 : 0;
    return false;
  };
  for (Flown flown : captured) {
    if (flown.path.remote != f.a.address) continue;
    flown.path.local = thief;
    f.flying.emplace(f.now, flown);
  }
  f.run_for(10s);
  CHECK(captured.size() > 60);
  CHECK(answers == 0);
  CHECK(f.a.stats().migrations == 0);
  f.b.write(other, "still here");
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].received.ends_with("still here"); }));
}
