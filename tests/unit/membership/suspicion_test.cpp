#include <catch2/catch.hpp>

#include <functional>

#include "cluster.hpp"
#include "../memberlist/lone.hpp"
#include "membership/suspicion.hpp"
#include "membership/wire/codec.hpp"

using namespace plumvine;
using namespace plumvine::swim;
using namespace std::chrono_literals;

namespace {

constexpr Timestamp at(Duration since) { return Timestamp{} + since; }
Suspicion suspicion() { return {"a", 3, 8s, 48s, at(0s), 1}; }

}  // namespace

TEST_CASE("confirmations shorten a suspicion down to the least time") {
  Suspicion s = suspicion();
  CHECK(s.deadline() == at(48s));
  CHECK(s.confirm("b", at(1s)));
  CHECK_FALSE(s.confirm("b", at(1s)));
  CHECK(s.deadline() == at(28s));
  CHECK(s.confirm("c", at(2s)));
  CHECK(s.confirm("d", at(3s)));
  CHECK(s.deadline() == at(8s));
  CHECK_FALSE(s.confirm("e", at(4s)));
}

TEST_CASE("a confirmation of an old suspicion leaves the member time to answer") {
  Suspicion s = suspicion();
  CHECK(s.confirm("b", at(40s)));
  CHECK(s.deadline() == at(42s));  // not 28 s, which are over
  Suspicion fresh = suspicion();
  fresh.confirm("b", at(7s));
  CHECK(fresh.deadline() == at(28s));
}

TEST_CASE("an accusation of a later incarnation starts the clock again, once") {
  Suspicion s = suspicion();
  CHECK_FALSE(s.accuse(1, at(5s)));
  CHECK(s.deadline() == at(48s));
  CHECK(s.accuse(2, at(20s)));
  CHECK(s.deadline() == at(68s));
  CHECK_FALSE(s.accuse(2, at(30s)));
  CHECK(s.deadline() == at(68s));
  s.extend(2s);
  CHECK(s.deadline() == at(70s));
}

TEST_CASE("a member that talks over a link now and then is not suspected, and one that stops is, hardly later") {
  SwimConfig config;
  config.disable_tcp_pings = true;
  test::Lone lone(config);
  lone.alive(2);
  lone.wait(100ms);
  // Nothing else gets through. A link says something every 1.9 s, and would not be silent for two.
  const auto talk = [&] { lone.machine.seen_alive("n2", lone.now + 2s, lone.now); };
  for (int i = 0; i < 30; ++i) {
    talk();
    lone.wait(1900ms);
    CHECK(lone.state(2) == MemberState::alive);
  }
  CHECK(lone.machine.stats().probes[ProbeResult::failed] == 0);
  // It freezes: the probe under way, or the next one, finds that when the two seconds are over.
  talk();
  const auto time_to_suspect = [&] {
    const Timestamp begin = lone.now;
    while (lone.state(2) == MemberState::alive && lone.now - begin < 10s) lone.wait(10ms);
    return lone.now - begin;
  };
  CHECK(time_to_suspect() <= 2s + 1s);
  // Its link breaks off: nothing is waited for.
  test::Lone broken(config);
  broken.alive(2);
  broken.wait(100ms);
  broken.machine.seen_alive("n2", broken.now + 2s, broken.now);
  broken.machine.broke_off("n2", broken.now);
  broken.drain();
  broken.wait(1500ms);
  CHECK(broken.state(2) == MemberState::suspect);
}

TEST_CASE("a member that cannot be heard does not execute accusations that nobody confirms") {
  SwimConfig config;
  config.disable_tcp_pings = true;
  config.push_pull_interval = 0s;
  test::Cluster cluster(8, 1, config);
  cluster.start_all();
  cluster.run(5s);
  // n3 hears all, and nobody hears n3: its probes fail.
  cluster.packets_pass = [](std::size_t from, std::size_t) { return from != 3; };
  for (int second = 0; second < 35; ++second) {  // the longest suspicion lasts 24 s
    cluster.run(1s);
    cluster.with(0, [&](Swim& swim) { CHECK(swim.set_meta(Bytes::copy_of(std::to_string(second)), cluster.now())); });
  }
  CHECK(cluster.node(3).stats().suspicions > 0);
  for (std::size_t i = 0; i < 8; ++i)
    if (i != 3) CHECK(cluster.state(3, i) != MemberState::dead);
  CHECK(cluster.state(0, 3) == MemberState::dead);
  // Cut off altogether it has nobody to leave the decision to.
  cluster.connected = [](std::size_t a, std::size_t b) { return a != 3 && b != 3; };
  cluster.run(240s);
  for (std::size_t i = 0; i < 8; ++i)
    if (i != 3) CHECK(cluster.state(3, i) == MemberState::dead);
}

TEST_CASE("a suspected member is told with the ping, unless the buddy system is off") {
  const bool buddy = GENERATE(true, false);
  SwimConfig config;
  config.buddy_system = buddy;
  config.gossip_nodes = 0;  // news travels with pings and acks alone
  config.push_pull_interval = 0s;
  config.suspicion_mult = 100;
  config.awareness_max_multiplier = 1;
  Swim swim(config, {"me", test::Cluster::endpoint(0).raw(), 7946, {}, {}}, Rng{1});
  swim.start(at(0s));
  const auto versions = std::array<std::byte, 6>{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  const Endpoint other = test::Cluster::endpoint(1);
  const auto tell = [&](const auto& message) {
    const Bytes bytes = wire::encoded(message);
    swim.handle_packet(other, bytes.view(), at(0s));
  };
  const Bytes address = other.raw();
  tell(wire::Alive{1, "n1", address.view(), other.port, {}, versions});
  tell(wire::Suspect{1, "n1", "n2"});
  // Let the queue run dry, so that only the buddy system can speak of the suspicion.
  std::size_t told = 0;
  for (int second = 1; second <= 20; ++second) {
    while (swim.next_timeout() <= at(second * 1s)) swim.handle_timeout(std::max(swim.next_timeout(), at((second - 1) * 1s)));
    while (auto output = swim.poll_output()) {
      const auto* packet = std::get_if<SendPacket>(&*output);
      if (packet == nullptr || second < 12) continue;
      told += packet->packet.text().find("n1") != std::string_view::npos && packet->packet.text().find("From") != std::string_view::npos ? 1 : 0;
    }
  }
  CHECK((told > 0) == buddy);
}

TEST_CASE("half the least time before the end a suspect is asked, unless enough others confirm") {
  Suspicion s = suspicion();
  CHECK(s.asks());
  CHECK(s.due() == at(44s));
  s.confirm("b", at(1s));
  CHECK(s.due() == at(24s));
  s.asked(7);
  CHECK(s.was_asked(7));
  CHECK_FALSE(s.was_asked(8));
  CHECK(s.due() == at(28s));
  s.restart(at(26s));  // it answered
  CHECK(s.due() == at(50s));
  s.confirm("c", at(27s));
  s.confirm("d", at(28s));
  CHECK_FALSE(s.asks());
  CHECK(s.due() == at(34s));
}

TEST_CASE("a suspect that answers when asked is not declared dead, though its refutation never comes") {
  // Four members that confirm nothing; every ping that is seen by `answers` is answered at once.
  const auto run = [](bool answers) {
    test::Lone lone;
    for (int i = 1; i <= 4; ++i) lone.alive(i + 1);
    lone.suspect(2, 1, "n3");
    const Timestamp end = lone.now + 60s;
    while (lone.now < end) {
      lone.wait(10ms);
      for (const test::Sent& datagram : std::exchange(lone.sent, {})) {
        const auto [sequence, name] = test::Lone::ping_in(datagram);
        if (!name.empty() && (answers || name != "n2")) lone.ack(sequence, name[1] - '0');
      }
    }
    return lone.state(2);
  };
  CHECK(run(true) == MemberState::suspect);
  CHECK(run(false) == MemberState::dead);
}

TEST_CASE("a suspect that talks over another channel is not declared dead, as long as it does") {
  test::Lone lone;
  for (int i = 1; i <= 4; ++i) lone.alive(i + 1);
  // Enough confirm it, so it would die after the least time.
  for (const char* accuser : {"n3", "n4", "n5"}) lone.suspect(2, 1, accuser);
  const auto pass = [&](Duration time, bool talks) {
    const Timestamp end = lone.now + time;
    while (lone.now < end) {
      lone.wait(100ms);
      if (talks) lone.machine.seen_alive("n2", lone.now, lone.now);
      for (const test::Sent& datagram : std::exchange(lone.sent, {})) {
        const auto [sequence, name] = test::Lone::ping_in(datagram);
        if (!name.empty() && name != "n2") lone.ack(sequence, name[1] - '0');
      }
    }
  };
  pass(60s, true);
  CHECK(lone.state(2) == MemberState::suspect);
  pass(3s, false);
  CHECK(lone.state(2) == MemberState::suspect);
  pass(2s, false);
  CHECK(lone.state(2) == MemberState::dead);
}

namespace {
/// Four others; n2 is accused and by so many that it would be dead after the least time, 4 s. The longest is 24 s.
struct Silent : test::Lone {
  explicit Silent(bool answered = true) {
    for (int i = 1; i <= 4; ++i) alive(i + 1);
    const auto [sequence, name] = ping_in(until_sent(wire::MessageType::ping).value());
    if (answered) ack(sequence, name[1] - '0');
    for (const char* accuser : {"n3", "n4", "n5"}) Lone::suspect(2, 1, accuser);
  }
  /// Time passes; `word` comes four times a second, if anything does.
  void pass(Duration time, const std::function<void()>& word = {}) {
    for (const Timestamp end = now + time; now < end; wait(std::min<Duration>(250ms, end - now)))
      if (word) word();
  }
};
}  // namespace

TEST_CASE("who hears nobody ends no suspicion before the longest time, however many confirmed it") {
  Silent lone;
  lone.pass(23900ms);
  CHECK(lone.state(2) == MemberState::suspect);
  lone.pass(200ms);
  CHECK(lone.state(2) == MemberState::dead);
  // Who never had an answer to a ping goes by what others say, as memberlist does.
  Silent unanswered(false);
  unanswered.pass(4100ms);
  CHECK(unanswered.state(2) == MemberState::dead);
}

TEST_CASE("after a silence a suspect has half of the least time to be heard") {
  Silent lone;
  const auto word = [&] { lone.receive(wire::Ping{1, "me", {}, 0, {}}, test::Lone::at(3)); };
  lone.pass(12s);
  lone.pass(1900ms, word);
  CHECK(lone.state(2) == MemberState::suspect);
  lone.pass(200ms, word);
  CHECK(lone.state(2) == MemberState::dead);

  Silent answered;
  answered.pass(12s);
  answered.alive(2, 2);  // it lay in our socket
  answered.pass(3s, word);
  CHECK(answered.state(2) == MemberState::alive);

  // A word now and then, be it of a stranger, does not keep it from dying in the longest time.
  Silent now_and_then;
  for (int i = 0; i < 6; ++i) {
    now_and_then.pass(3900ms);
    word();
    now_and_then.receive(wire::Ping{1, "me", {}, 0, {}}, test::Lone::at(77));
  }
  now_and_then.pass(1s);
  CHECK(now_and_then.state(2) == MemberState::dead);
}

TEST_CASE("a word over a link or a stream is heard as a packet is") {
  Silent silent, links, streams;
  links.pass(5s, [&] { links.machine.seen_alive("n3", links.now, links.now); });
  std::uint64_t id = 0;
  streams.pass(5s, [&] {
    streams.machine.stream_accepted(StreamId{++id}, test::Lone::at(3), streams.now);
    streams.machine.stream_received(StreamId{id}, wire::encoded(wire::Ping{1, "me", {}, 0, {}}).view(), streams.now);
    streams.drain();
  });
  silent.pass(5s);
  CHECK(links.state(2) == MemberState::dead);
  CHECK(streams.state(2) == MemberState::dead);
  CHECK(silent.state(2) == MemberState::suspect);
}

TEST_CASE("whatever a survivor hears now and then, the dead are dead to it") {
  for (const Duration pause : {Duration{3500ms}, Duration{8s}, Duration{20s}}) {
    INFO(to_seconds(pause));
    Silent lone;
    for (const Timestamp end = lone.now + 60s; lone.now < end; lone.wait(pause)) lone.receive(wire::Ping{1, "me", {}, 0, {}}, test::Lone::at(77));
    for (int i = 2; i <= 5; ++i) CHECK(lone.state(i) == MemberState::dead);
  }
}

TEST_CASE("without packets a member that died is dead to the others after the longest time") {
  test::Cluster cluster(4, 1);
  cluster.start_all();
  cluster.run(5s);
  cluster.packets_pass = [](std::size_t, std::size_t) { return false; };
  cluster.run(30s);
  cluster.kill(3);
  cluster.run(40s);
  for (std::size_t i = 0; i < 3; ++i) CHECK(cluster.state(i, 3) == MemberState::dead);
  for (std::size_t i = 0; i < 3; ++i) CHECK(cluster.state(0, i) == MemberState::alive);
}

TEST_CASE("those who live when most die at once know it in time, and nobody blames another") {
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    INFO(seed);
    test::Cluster cluster(9, seed);
    cluster.start_all();
    cluster.run(10s);
    for (std::size_t i = 2; i < 9; ++i) cluster.kill(i);
    cluster.run(75s);
    for (std::size_t i = 2; i < 9; ++i) {
      CHECK(cluster.state(0, i) == MemberState::dead);
      CHECK(cluster.state(1, i) == MemberState::dead);
    }
    CHECK(cluster.state(0, 1) == MemberState::alive);
    CHECK(cluster.state(1, 0) == MemberState::alive);
    for (std::size_t i : {0, 1}) CHECK(cluster.node(i).accusers(cluster.now()).empty());
  }
}

TEST_CASE("a suspect hears of it before it is asked, so that its answer refutes") {
  test::Lone lone;
  lone.alive(2);
  lone.suspect(2, 1, "n3");
  const auto ping = lone.until_sent(wire::MessageType::ping);
  REQUIRE(ping);
  REQUIRE(ping->parts.size() == 2);
  CHECK(ping->parts[0].first == wire::MessageType::suspect);
  CHECK(ping->parts[1].first == wire::MessageType::ping);
}

TEST_CASE("a helper says no while the asker still listens") {
  test::Lone lone;
  lone.alive(2);
  lone.alive(3);
  lone.wait(5s);
  lone.sent.clear();
  const Bytes target = test::Lone::at(2).raw();
  lone.receive(wire::IndirectPing{77, target.view(), 7946, "n2", true, test::Lone::at(3).raw().view(), 7946, "n3"}, test::Lone::at(3));
  const Timestamp asked = lone.now;
  const auto nack = lone.until_sent(wire::MessageType::nack, 1s);
  REQUIRE(nack);
  CHECK(lone.now - asked == SwimConfig{}.probe_timeout * 4 / 5);
}

TEST_CASE("how many others must confirm can be said, and changed while it runs") {
  const auto dead_after = [](std::uint32_t confirmations, bool late) {
    SwimConfig config;
    if (!late) config.suspicion_confirmations = confirmations;
    test::Lone lone{config};
    for (int i = 1; i <= 7; ++i) lone.alive(i + 1);
    if (late) {
      config.suspicion_confirmations = confirmations;
      lone.machine.configure(config, lone.now);
    }
    lone.suspect(2, 1, "n3");
    const Timestamp begun = lone.now;
    lone.suspect(2, 1, "n4");
    lone.suspect(2, 1, "n5");
    while (lone.state(2) == MemberState::suspect && lone.now - begun < 120s) {
      lone.wait(10ms);
      for (const test::Sent& datagram : std::exchange(lone.sent, {})) {
        const auto [sequence, name] = test::Lone::ping_in(datagram);
        if (!name.empty() && name != "n2") lone.ack(sequence, name[1] - '0');
      }
    }
    return lone.now - begun;
  };
  const Duration usual = dead_after(0, false);
  CHECK(dead_after(2, false) == usual);  // suspicion_mult - 2
  CHECK(dead_after(4, false) > usual);
  CHECK(dead_after(4, true) == dead_after(4, false));
}

TEST_CASE("another probe interval counts at once") {
  test::Lone lone;
  lone.alive(2);
  const auto pings_in = [&](Duration time) {
    int pings = 0;
    const Timestamp end = lone.now + time;
    while (lone.now < end) {
      lone.wait(10ms);
      for (const test::Sent& datagram : std::exchange(lone.sent, {})) {
        const auto [sequence, name] = test::Lone::ping_in(datagram);
        if (name.empty()) continue;
        ++pings;
        lone.ack(sequence, name[1] - '0');
      }
    }
    return pings;
  };
  const auto between = [](int low, int value, int high) { return low <= value && value <= high; };
  CHECK(between(8, pings_in(10s), 10));  // the table's pass ends now and then a period early
  SwimConfig config;
  config.probe_interval = 100ms;
  config.probe_timeout = 50ms;
  lone.machine.configure(config, lone.now);
  CHECK(between(70, pings_in(10s), 100));
  config.probe_interval = 1000s;
  lone.machine.configure(config, lone.now);
  CHECK(pings_in(10s) == 0);
  config.probe_interval = 1s;
  lone.machine.configure(config, lone.now);
  CHECK(between(8, pings_in(10s), 10));
}
