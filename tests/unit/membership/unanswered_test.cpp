// Does anybody answer? What this node sends may be lost where what others send is not, and packets between one pair alone.
#include <set>

#include "../memberlist/lone.hpp"
#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// As the health report has it (tests/unit/health).
bool tells(const swim::Unanswered& u) { return u.span >= 2500ms && u.questions >= 8; }

/// Time goes by until nobody seems to answer node i; nullopt if that is not within `limit`.
std::optional<Duration> unheard_after(Cluster& c, std::size_t i, Duration limit) {
  return c.run_until(limit, [&] { return c.up(i) && tells(c.node(i).unanswered(c.now())); });
}

/// Once they have joined they talk by packet only.
Cluster packets_only(std::size_t nodes, std::uint64_t seed, SwimConfig config = {}) {
  config.disable_tcp_pings = true;
  config.push_pull_interval = 0s;
  Cluster c(nodes, seed, config);
  c.start_all();
  REQUIRE(c.run_until(60s, [&] { return c.one_view(); }));
  return c;
}

}  // namespace

TEST_CASE("while nobody answers, others are asked out of turn, and one answer ends that", "[swim][answers]") {
  SwimConfig config;
  config.push_pull_interval = 0s;
  config.gossip_interval = 1h;
  config.indirect_checks = 0;
  config.disable_tcp_pings = true;
  Lone lone(config);
  for (int i = 2; i <= 7; ++i) lone.alive(i);
  REQUIRE(lone.until_sent(wire::MessageType::ping));
  const Timestamp first = lone.now;
  CHECK(lone.machine.unanswered(lone.now).questions == 1);
  lone.sent.clear();
  lone.wait(990ms);
  CHECK(lone.sent.size() <= 1);  // the next probe
  lone.sent.clear();
  lone.wait(20ms);
  std::set<std::string> asked;
  for (const Sent& datagram : lone.sent) asked.insert(Lone::ping_in(datagram).second);
  CHECK(asked.size() >= 3);
  lone.wait(1490ms);
  const auto unanswered = lone.machine.unanswered(lone.now);
  CHECK(unanswered.span == lone.now - first);
  CHECK(tells(unanswered));
  CHECK(unanswered.members == 6);
  // Not for ever in haste.
  lone.wait(1s);
  lone.sent.clear();
  lone.wait(10s);
  CHECK(lone.sent.size() <= 25);
  const auto [sequence, name] = Lone::ping_in(lone.sent.back());
  lone.ack(sequence, name[1] - '0');
  CHECK(lone.machine.unanswered(lone.now).questions == 0);
  CHECK(lone.machine.stats().unasked == 0);
}

TEST_CASE("questions and answers of other connections count", "[swim][answers]") {
  Lone lone;
  lone.alive(2);
  lone.machine.asked_elsewhere("n2", lone.now);
  lone.machine.asked_elsewhere("n2", lone.now);
  CHECK(lone.machine.unanswered(lone.now).questions == 2);
  CHECK(lone.machine.unanswered(lone.now).members == 1);
  lone.machine.answered_elsewhere(lone.now);
  CHECK(lone.machine.unanswered(lone.now).questions == 0);
}

TEST_CASE("where nobody was asked for long somebody is", "[swim][answers]") {
  SwimConfig config;
  config.probe_interval = 5s;
  config.probe_timeout = 3s;
  Lone lone(config);
  lone.alive(2);
  Timestamp last = lone.now;
  for (int i = 0; i < 20; ++i) {
    const auto ping = lone.until_sent(wire::MessageType::ping);
    REQUIRE(ping);
    if (i > 0) CHECK(lone.now - last <= 2s);
    last = lone.now;
    lone.ack(Lone::ping_in(*ping).first, 2);
  }
}

TEST_CASE("who cannot be heard knows it in four seconds, and that it can again in one and a half", "[swim][answers]") {
  for (const Duration interval : {1s, 5s})
    for (const std::size_t nodes : {2U, 3U, 7U})
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        INFO(to_seconds(interval) << " s, " << nodes << " nodes, seed " << seed);
        SwimConfig config;
        config.probe_interval = interval;
        config.probe_timeout = interval * 3 / 5;
        Cluster c = packets_only(nodes, seed, config);
        c.run(5s + 100ms * seed);
        c.packets_pass = [](std::size_t from, std::size_t) { return from != 0; };
        const Timestamp cut = c.now();
        CHECK(c.run_until(4700ms, [&] { return tells(c.node(0).unanswered(c.now())); }));
        c.run_until(cut + 8s - c.now(), [] { return false; });
        for (std::size_t i = 1; nodes > 2 && i < nodes; ++i) CHECK_FALSE(tells(c.node(i).unanswered(c.now())));
        c.packets_pass = [](std::size_t, std::size_t) { return true; };
        CHECK(c.run_until(1500ms, [&] { return c.node(0).unanswered(c.now()).questions == 0; }));
      }
}

TEST_CASE("nobody thinks that he cannot be heard where a third of the packets is lost", "[swim][answers]") {
  for (const std::size_t nodes : {2U, 3U, 7U}) {
    INFO(nodes << " nodes");
    Cluster c = packets_only(nodes, nodes);
    c.loss = 0.3;
    for (std::size_t i = 0; i < nodes; ++i) CHECK_FALSE(unheard_after(c, i, 300s));
  }
}

TEST_CASE("who was stopped himself, or misses one of two, thinks no such thing", "[swim][answers]") {
  for (const bool timer_first : {false, true}) {
    Cluster c = packets_only(3, 4);
    c.timer_first = timer_first;
    c.stop(0);
    c.run(20s);
    c.resume(0);
    CHECK_FALSE(unheard_after(c, 0, 20s));
    c.kill(1);
    CHECK_FALSE(unheard_after(c, 0, 60s));
    CHECK_FALSE(unheard_after(c, 2, 1s));
  }
}

TEST_CASE("packets between one pair are named soon, whichever way is closed", "[swim][answers]") {
  struct Row {
    const char* name;
    bool there, back;
    PacketPath first, second;
  };
  for (const Row& row : {Row{"both ways", false, false, PacketPath::in_blocked, PacketPath::in_blocked},
                         Row{"from 0 to 3", false, true, PacketPath::out_blocked, PacketPath::in_blocked},
                         Row{"from 3 to 0", true, false, PacketPath::in_blocked, PacketPath::out_blocked}})
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      INFO(row.name << ", seed " << seed);
      Cluster c(7, seed);
      c.start_all();
      REQUIRE(c.run_until(60s, [&] { return c.one_view(); }));
      c.run(5s);
      c.packets_pass = [&](std::size_t from, std::size_t to) { return !(from == 0 && to == 3 && !row.there) && !(from == 3 && to == 0 && !row.back); };
      const auto path = [&](std::size_t at, const char* of) { return c.node(at).detail(of).packets; };
      CHECK(c.run_until(17s, [&] { return path(0, "n3") != PacketPath::open && path(3, "n0") != PacketPath::open; }));
      c.run(1s);
      CHECK(path(0, "n3") == row.first);
      CHECK(path(3, "n0") == row.second);
      CHECK(path(0, "n1") == PacketPath::open);
      CHECK(path(1, "n3") == PacketPath::open);
      c.packets_pass = [](std::size_t, std::size_t) { return true; };
      CHECK(c.run_until(20s, [&] { return path(0, "n3") == PacketPath::open && path(3, "n0") == PacketPath::open; }));
    }
}

TEST_CASE("lost packets are no closed path", "[swim][answers]") {
  Cluster c(7, 3);
  c.start_all();
  REQUIRE(c.run_until(60s, [&] { return c.one_view(); }));
  c.loss = 0.3;
  std::size_t named = 0;
  for (int second = 0; second < 120; ++second) {
    c.run(1s);
    for (std::size_t i = 0; i < 7; ++i)
      for (std::size_t j = 0; j < 7; ++j)
        if (i != j && c.node(i).detail(Cluster::name(j)).packets != PacketPath::open) ++named;
  }
  CHECK(named == 0);
}
