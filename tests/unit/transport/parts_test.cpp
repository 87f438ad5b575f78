// The small parts of the runtime: peer numbers, the clock filter, the rate window, log limits, one link.
#include <string>

#include "support/pch.hpp"
#include "transport/clock_filter.hpp"
#include "transport/codes.hpp"
#include "transport/link.hpp"
#include "transport/log_limiter.hpp"
#include "transport/peer_registry.hpp"
#include "transport/rate_window.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {
Timestamp at(Duration d) { return Timestamp{} + d; }
}  // namespace

TEST_CASE("a peer keeps its number, and a number rests before it is used again", "[peers]") {
  PeerRegistry peers{3};
  const auto a = peers.acquire("a", InstanceId{1}, at(0s));
  const auto b = peers.acquire("b", InstanceId{2}, at(0s));
  REQUIRE((a && b));
  CHECK(peers.acquire("a", InstanceId{1}, at(0s)) == a);
  CHECK(peers.acquire("a", InstanceId{9}, at(0s)) == PeerId{2});
  CHECK_FALSE(peers.acquire("c", InstanceId{3}, at(0s)));
  CHECK(peers.find(InstanceId{2}) == b);
  peers.release(*b, at(1s));
  CHECK_FALSE(peers.valid(*b));
  CHECK_FALSE(peers.find(InstanceId{2}));
  CHECK(peers.acquire("c", InstanceId{3}, at(2s)) == b);
}

TEST_CASE("a number is not used again at once while there are others", "[peers]") {
  PeerRegistry peers{10};
  const auto a = peers.acquire("a", InstanceId{1}, at(0s));
  peers.release(*a, at(1s));
  CHECK(peers.acquire("b", InstanceId{2}, at(2s)) != a);
  CHECK(peers.acquire("c", InstanceId{3}, at(1s + PeerRegistry::kRest)) == a);
}

TEST_CASE("the clock filter trusts the fastest of the last eight", "[clock]") {
  ClockFilter filter;
  CHECK(filter.empty());
  filter.add({5ms, 100ms, 0ms});
  for (int i = 0; i < 7; ++i) filter.add({20ms, 90ms, 0ms});
  CHECK(filter.best().offset == 100ms);
  filter.add({30ms, 80ms, 0ms});
  CHECK(filter.best().offset == 90ms);
}

TEST_CASE("the window forgets what is older than a minute", "[window]") {
  RateWindow window;
  window.start(at(100s));
  RateWindow::Totals totals;
  const auto advance = [&](Duration d) {
    if (window.due(at(d))) window.advance(at(d), totals);
  };
  totals.delivered = 10;
  CHECK(window.sums(at(101s), totals).delivered == 10);
  advance(150s);
  totals.delivered = 30;
  CHECK(window.sums(at(150s), totals).delivered == 30);
  advance(164s);
  CHECK(window.sums(at(164s), totals).delivered == 20);
  CHECK(window.sums(at(164s), totals).seconds > 55);
  CHECK(window.sums(at(164s), totals).seconds <= 60);
  advance(300s);
  CHECK(window.sums(at(300s), totals).delivered == 0);
}

TEST_CASE("repeated log lines are held back and counted", "[log]") {
  std::vector<LogRecord> lines;
  LogLimiter log{[&](const LogRecord& r) { lines.push_back(r); }, LogLevel::info};
  const auto write = [&](const char* subject, Duration d) {
    log.write({LogLevel::info, "link", "PV1301", "text"}, subject, at(d));
  };
  for (int i = 0; i < 20; ++i) write("a", 1s);
  CHECK(lines.size() == LogLimiter::kBurst);
  write("b", 1s);
  CHECK(lines.size() == LogLimiter::kBurst + 1);
  write("a", 12s);
  REQUIRE(lines.size() == LogLimiter::kBurst + 3);
  CHECK(lines[LogLimiter::kBurst + 1].code == code::kSuppressed);
  CHECK(lines[LogLimiter::kBurst + 1].text.find("15 lines") == 0);
  log.write({LogLevel::debug, "link", "PV1301", "text"}, "c", at(12s));
  CHECK(lines.size() == LogLimiter::kBurst + 3);
}

TEST_CASE("lines about nobody in particular have a bound of their own", "[log]") {
  std::size_t lines = 0;
  LogLimiter log{[&](const LogRecord&) { ++lines; }, LogLevel::trace};
  for (int i = 0; i < 1000; ++i) log.write({LogLevel::warn, "tree", "PV1", "message " + std::to_string(i)}, "", at(1s));
  CHECK(lines == LogLimiter::kBurstAny);
  for (int i = 0; i < 5000; ++i) log.write({LogLevel::warn, "tree", "PV2", "text"}, std::to_string(i), at(1s));
  CHECK(lines == LogLimiter::kBurstAny + 5000);
}

TEST_CASE("every code is explained once, in order", "[log]") {
  std::string_view last;
  for (const auto& entry : code::explanations()) {
    CHECK(entry.code > last);
    CHECK_FALSE(entry.title.empty());
    CHECK(entry.text.ends_with("."));
    last = entry.code;
  }
}

namespace {
/// What links are made of.
struct LinkParts {
  explicit LinkParts(Duration ping_interval = LinkConfig{}.ping_interval, Duration idle_timeout = LinkConfig{}.idle_timeout) {
    config.ping_interval = ping_interval;
    config.idle_timeout = idle_timeout;
  }
  Link make(bool outbound) {
    Link link{config, outbound, pool, 1 << 20, at(0s)};
    if (outbound) link.connected(at(0s));
    return link;
  }
  ChunkPool pool;
  LinkConfig config;
};
}  // namespace

TEST_CASE("a greeting must name our cluster, our version and the member that was dialled", "[link]") {
  LinkParts parts;
  const LinkIdentity self{"me", InstanceId{1}, "blue"};
  Link link = parts.make(true);
  link.name = "you";
  link.instance = InstanceId{2};
  frame::Hello hello{.cluster = "blue", .name = "you", .instance = InstanceId{2}};
  CHECK(link.judge(hello, self) == Greeting::good);
  auto wrong = hello;
  wrong.cluster = "red";
  CHECK(link.judge(wrong, self) == Greeting::wrong_cluster);
  wrong = hello;
  wrong.version = 2;
  CHECK(link.judge(wrong, self) == Greeting::other_version);
  wrong = hello;
  wrong.instance = InstanceId{3};
  CHECK(link.judge(wrong, self) == Greeting::other_member);
  wrong = hello;
  wrong.name = "other";
  CHECK(link.judge(wrong, self) == Greeting::other_member);
  wrong = hello;
  wrong.instance = InstanceId{1};
  CHECK(link.judge(wrong, self) == Greeting::ourselves);
}

TEST_CASE("pings measure round trip and clock offset", "[link]") {
  LinkParts parts;
  Link link = parts.make(true);
  link.go_up(PeerId{1}, at(10ms));
  CHECK(link.greeting_rtt() == 10ms);
  const auto ping = link.ping(at(100ms), 1000000);
  // The peer's link clock is 5 s ahead, its wall clock 1 s; each way takes 10 ms.
  Link other = parts.make(false);
  const frame::Pong pong = other.pong(ping, at(5s + 110ms), 2010000);
  REQUIRE(link.answered(pong, at(120ms), 1020000));
  CHECK(link.clock().best().rtt == 20ms);
  CHECK(link.clock().best().offset == 5s);
  CHECK(link.clock().best().wall_offset == 1s);
  frame::Pong strange = pong;
  strange.nonce = 77;
  CHECK_FALSE(link.answered(strange, at(120ms), 0));
  strange = pong;
  strange.sent_us = INT64_MIN;
  CHECK_FALSE(link.answered(strange, at(120ms), 0));
  strange = pong;
  strange.at_us = INT64_MIN;
  strange.wall_us = INT64_MAX;
  CHECK(link.answered(strange, at(120ms), 0));
}

TEST_CASE("the ends of a link ping in turn", "[link]") {
  LinkParts parts{1s, 5s};
  Link dialled = parts.make(true), accepted = parts.make(false);
  int pings = 0;
  Duration silence{};
  bool cut = false;
  // A way of 1 ms: what one end says at a tick is read by the other within it.
  const auto say = [&](Link& from, Link& to, const frame::Ping& ping, Timestamp now) {
    ++pings;
    if (cut) return;
    silence = std::max(silence, now - to.last_received());
    to.received(20, now);
    const frame::Pong pong = to.pong(ping, now, 0);
    from.received(20, now);
    CHECK(from.answered(pong, now, 0));
  };
  const auto run = [&](Duration from, Duration until) {
    for (Timestamp now = at(from); now < at(until); now = now + Duration{1ms}) {
      if (now >= dialled.deadline()) {
        if (const auto ping = dialled.next_ping(now, 0)) say(dialled, accepted, *ping, now);
      }
      if (now >= accepted.deadline()) {
        if (const auto ping = accepted.next_ping(now, 0)) say(accepted, dialled, *ping, now);
      }
    }
  };
  const Duration offset = GENERATE(Duration{0ms}, Duration{1ms}, Duration{400ms}, Duration{999ms});
  dialled.go_up(PeerId{1}, at(0s));
  accepted.go_up(PeerId{2}, at(0s));
  say(dialled, accepted, dialled.ping(at(0s), 0, offset / 2), at(0s));
  say(accepted, dialled, accepted.ping(at(0s), 0, offset), at(0s));
  run(1ms, 20s);  // until the round trip is known well, both ping
  CHECK(pings > 24);
  pings = 0;
  silence = Duration{};
  run(20s, 120s);
  CHECK(pings >= 99);
  CHECK(pings <= 102);
  CHECK(silence <= Duration{1100ms});

  cut = true;
  pings = 0;
  run(120s, 121s);
  CHECK_FALSE(dialled.is_idle(at(121s)));
  run(121s, 130s);
  CHECK(pings >= 14);  // each end alone pings once in an interval again
  CHECK(dialled.is_idle(at(130s)));
  CHECK(accepted.is_idle(at(130s)));
}

TEST_CASE("a ping that is due soon goes along with other frames", "[link]") {
  LinkParts parts{1s, 5s};
  Link link = parts.make(true);
  CHECK_FALSE(link.ping_along(at(0s), 0));  // no link yet
  link.go_up(PeerId{1}, at(0s));
  static_cast<void>(link.ping(at(0s), 0));
  CHECK_FALSE(link.ping_along(at(499ms), 0));
  const auto ping = link.ping_along(at(500ms), 0);
  REQUIRE(ping);
  CHECK(ping->nonce == 2);
  // It took the place of the next one.
  CHECK_FALSE(link.next_ping(at(1s), 0));
  CHECK(link.next_ping(at(1500ms), 0));
}

TEST_CASE("a silent link is looked at when its idle timeout ends", "[link]") {
  LinkParts parts{10s, 31s};
  Link link = parts.make(true);
  link.go_up(PeerId{1}, at(0s));
  static_cast<void>(link.ping(at(0s), 0));
  link.received(1, at(4s));
  Timestamp now = at(4s);
  for (int i = 0; i < 100 && !link.is_idle(now); ++i) {
    now = link.deadline();
    if (!link.is_idle(now)) static_cast<void>(link.next_ping(now, 0));
  }
  CHECK(now == at(35s));
}
