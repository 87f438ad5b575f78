#include "cluster.hpp"

#include <array>

#include "membership/departed.hpp"
#include "membership/wire/codec.hpp"
#include "membership/wire/packet.hpp"

using namespace plumvine;
using namespace plumvine::test;
namespace wire = plumvine::swim::wire;

namespace {

std::size_t count(Cluster& c, std::size_t observer, MemberEvent::Kind kind, const std::string& subject) {
  const auto& events = c.events(observer);
  return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const MemberEvent& e) {
    return e.kind == kind && e.member.name == subject;
  }));
}

std::uint64_t total_deaths(Cluster& c) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < c.size(); ++i)
    if (c.up(i)) sum += c.node(i).stats().deaths;
  return sum;
}

/// A machine alone, for single packets.
struct Lone {
  explicit Lone(std::string label = "", SwimConfig config = {}) : self(*Endpoint::parse("10.0.0.1:7946")),
      swim(config, {"a", self.raw(), self.port, {}, std::move(label)}, Rng{3}) {
    swim.start(now);
    drain();
  }
  std::vector<swim::Output> drain() {
    std::vector<swim::Output> all;
    while (auto output = swim.poll_output()) all.push_back(std::move(*output));
    return all;
  }
  template <class Message>
  std::vector<swim::Output> receive(const Message& message, const Endpoint& from) {
    const Bytes bytes = wire::encoded(message);
    swim.handle_packet(from, bytes.view(), now);
    return drain();
  }
  void learn(const std::string& name, const Endpoint& at, std::uint32_t incarnation = 1) {
    const Bytes address = at.raw();
    receive(wire::Alive{incarnation, name, address.view(), at.port, {}, BytesView(kVersions)}, at);
  }
  static constexpr std::array<std::byte, 6> kVersions{std::byte{1}, std::byte{5}, std::byte{2},
                                                      std::byte{2}, std::byte{5}, std::byte{4}};
  Endpoint self;
  Timestamp now{};
  swim::Swim swim;
};

std::vector<Endpoint> targets(const std::vector<swim::Output>& outputs) {
  std::vector<Endpoint> to;
  for (const auto& output : outputs)
    if (const auto* send = std::get_if<swim::SendPacket>(&output)) to.push_back(send->to);
  return to;
}

}  // namespace

TEST_CASE("loss of packets kills nobody", "[swim]") {
  const std::uint64_t seed = GENERATE(1, 2, 3);
  Cluster c = joined(8, seed);
  c.loss = 0.1;
  c.run(600s);
  CHECK(total_deaths(c) == 0);
  c.loss = 0;
  c.run(30s);
  CHECK(c.one_view());
}

TEST_CASE("a flapping network kills nobody", "[swim]") {
  Cluster c = joined(6, 5);
  for (int i = 0; i < 60; ++i) {
    c.loss = i % 2 == 0 ? 0.5 : 0.0;
    c.run(2s);
  }
  c.loss = 0;
  c.run(30s);
  CHECK(total_deaths(c) == 0);
  CHECK(c.one_view());
}

TEST_CASE("a stopped member is missed, and catches up by itself", "[swim]") {
  Cluster c = joined(5, 2);
  c.timer_first = GENERATE(true, false);
  c.run(10s);
  c.stop(2);
  c.run(20s);
  const auto believed = c.state(0, 2);
  CHECK((believed == MemberState::suspect || believed == MemberState::dead));
  c.resume(2);
  const auto took = c.run_until(20s, [&] { return c.one_view(); });
  REQUIRE(took);
  CHECK(to_seconds(*took) < 10);
  // Its own stall accused nobody.
  CHECK(c.node(2).stats().suspicions == 0);
  CHECK(c.node(2).stats().deaths == 0);
}

TEST_CASE("a false death is counted also when the member comes back after the dead are no longer gossiped to", "[swim]") {
  Cluster c = joined(5, 2);
  c.stop(2);
  REQUIRE(c.run_until(60s, [&] { return c.everyone_says(2, MemberState::dead); }));
  c.run(SwimConfig{}.gossip_to_the_dead_time + 5s);
  CHECK(c.node(0).stats().false_positives == 0);
  c.resume(2);
  REQUIRE(c.run_until(90s, [&] { return c.one_view(); }));
  for (const std::size_t i : {0, 1, 3, 4}) CHECK(c.node(i).stats().false_positives == c.node(i).stats().deaths);
}

TEST_CASE("a false death is refuted and counted", "[swim]") {
  Cluster c = joined(5, 2);
  c.stop(2);
  REQUIRE(c.run_until(60s, [&] { return c.everyone_says(2, MemberState::dead); }));
  c.resume(2);
  REQUIRE(c.run_until(20s, [&] { return c.one_view(); }));
  c.run(1s);
  CHECK(c.node(0).stats().false_positives == 1);
  CHECK(c.node(2).stats().refutations >= 1);
  CHECK(count(c, 0, MemberEvent::Kind::suspected, "n2") >= 1);
  CHECK(count(c, 0, MemberEvent::Kind::died, "n2") == 1);
  CHECK(count(c, 0, MemberEvent::Kind::joined, "n2") == 2);
}

TEST_CASE("a member that only streams reach stays alive, and the log says so", "[swim]") {
  Cluster c = joined(3, 4);
  c.packets_pass = [](std::size_t a, std::size_t b) { return a != 2 && b != 2; };
  c.run(60s);
  CHECK(c.state(0, 2) == MemberState::alive);
  CHECK(c.node(0).stats().probes[ProbeResult::stream_ack] > 0);
  CHECK(std::any_of(c.logs(0).begin(), c.logs(0).end(), [](const LogRecord& l) { return l.code == "PV1107"; }));
}

TEST_CASE("a member behind a broken path is reached through others", "[swim]") {
  Cluster c = joined(5, 4);
  c.packets_pass = [](std::size_t a, std::size_t b) { return !(a == 0 && b == 1) && !(a == 1 && b == 0); };
  c.connected = [](std::size_t a, std::size_t b) { return !(a == 0 && b == 1) && !(a == 1 && b == 0); };
  c.run(60s);
  CHECK(c.state(0, 1) == MemberState::alive);
  CHECK(c.node(0).stats().probes[ProbeResult::indirect_ack] > 0);
  CHECK(c.node(0).stats().indirect_probes > 0);
  CHECK(c.node(0).stats().deaths == 0);
}

TEST_CASE("who still accuses us of what we have answered gets the answer once more", "[swim]") {
  Lone lone;
  const Endpoint at = *Endpoint::parse("10.0.0.2:7946");
  const Endpoint elsewhere = *Endpoint::parse("10.0.0.3:7946");
  lone.learn("n2", at);
  const auto accusation = wire::Suspect{1, "a", "n2"};
  CHECK(targets(lone.receive(accusation, at)).empty());  // the refutation goes with the next gossip
  REQUIRE(lone.swim.stats().refutations == 1);
  CHECK(targets(lone.receive(accusation, elsewhere)).empty());
  const auto answers = lone.receive(accusation, at);
  REQUIRE(targets(answers) == std::vector{at});
  const Bytes packet = std::get<swim::SendPacket>(answers.front()).packet;
  wire::Alive alive;
  wire::Scratch scratch;
  REQUIRE(static_cast<wire::MessageType>(packet.view()[0]) == wire::MessageType::alive);
  REQUIRE(wire::decode_body(packet.view().subspan(1), alive, scratch));
  CHECK(alive.node == "a");
  CHECK(alive.incarnation == 2);
  CHECK(targets(lone.receive(accusation, at)).empty());
  lone.now = lone.now + 1s;
  CHECK(std::ranges::count(targets(lone.receive(accusation, at)), at) >= 1);
  CHECK(lone.swim.stats().refutations == 1);
}

TEST_CASE("another channel's proof of life answers a probe", "[swim]") {
  Cluster c = joined(3, 6);
  c.packets_pass = [](std::size_t a, std::size_t b) { return a != 2 && b != 2; };
  c.connected = [](std::size_t a, std::size_t b) { return a != 2 && b != 2; };
  for (int i = 0; i < 300; ++i) {
    for (const std::size_t observer : {0, 1}) c.with(observer, [&](swim::Swim& s) { s.seen_alive("n2", c.now(), c.now()); });
    c.run(100ms);
  }
  CHECK(c.state(0, 2) == MemberState::alive);
  CHECK(c.node(0).stats().suspicions == 0);
}

TEST_CASE("new metadata reaches everybody", "[swim]") {
  Cluster c = joined(4);
  c.with(1, [&](swim::Swim& s) { CHECK(s.set_meta(Bytes::copy_of("fresh"), c.now())); });
  const auto took = c.run_until(5s, [&] {
    for (std::size_t i = 0; i < 4; ++i)
      if (c.node(i).find("n1")->meta.text() != "fresh") return false;
    return true;
  });
  REQUIRE(took);
  CHECK(count(c, 0, MemberEvent::Kind::updated, "n1") == 1);
  CHECK(!c.node(1).set_meta(Bytes::copy_of(std::string(513, 'x')), c.now()));
}

TEST_CASE("a member comes back after leaving", "[swim]") {
  Cluster c = joined(4);
  c.with(2, [&](swim::Swim& s) { s.leave(c.now()); });
  REQUIRE(c.run_until(3s, [&] { return c.everyone_says(2, MemberState::left); }));
  CHECK(count(c, 0, MemberEvent::Kind::left, "n2") == 1);
  c.with(2, [&](swim::Swim& s) { s.rejoin(c.now()); });
  CHECK(!c.node(2).has_left());
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
}

TEST_CASE("leaving alone is done at once, and twice is answered twice", "[swim]") {
  Cluster c(1);
  c.start(0);
  c.with(0, [&](swim::Swim& s) { s.leave(c.now()); });
  CHECK(c.leave_done(0));
  Lone lone;
  lone.swim.leave(lone.now);
  lone.swim.leave(lone.now);
  std::size_t done = 0;
  for (const auto& output : lone.drain()) done += std::holds_alternative<swim::LeaveDone>(output) ? 1 : 0;
  CHECK(done == 2);
}

TEST_CASE("the dead and the left are shown for long, count for short, and are forgotten", "[swim]") {
  SwimConfig config;
  config.reconnect_timeout = 10min;
  config.tombstone_timeout = 5min;
  Cluster c = joined(5, 1, config);
  c.kill(3);
  c.with(2, [&](swim::Swim& s) { s.leave(c.now()); });
  c.run(3s);
  c.kill(2);
  c.run(3min);
  CHECK(c.state(0, 3) == MemberState::dead);
  CHECK(c.state(0, 2) == MemberState::left);
  CHECK(c.node(0).members().size() == 5);
  CHECK(count(c, 0, MemberEvent::Kind::forgotten, "n2") == 0);

  SECTION("nobody is told of them") {
    c.kill(1);
    c.start(1, {0});
    REQUIRE(c.run_until(30s, [&] { return c.state(1, 0) == MemberState::alive; }));
    c.run(30s);
    CHECK(c.state(1, 3) == std::nullopt);
    CHECK(c.state(1, 2) == std::nullopt);
  }
  SECTION("one that comes back is alive, once") {
    c.start(3, {0});
    REQUIRE(c.run_until(20s, [&] { return c.state(0, 3) == MemberState::alive; }));
    CHECK(c.node(0).members().size() == 5);
    c.run(20min);
    CHECK(count(c, 0, MemberEvent::Kind::forgotten, "n3") == 0);
  }
  SECTION("each for its time") {
    c.run(3min);
    CHECK(c.state(0, 3) == MemberState::dead);
    CHECK(c.state(0, 2) == std::nullopt);
    c.run(6min);
    CHECK(c.state(0, 3) == std::nullopt);
    CHECK(count(c, 0, MemberEvent::Kind::forgotten, "n3") == 1);
    CHECK(count(c, 0, MemberEvent::Kind::forgotten, "n2") == 1);
  }
}

TEST_CASE("the departed are bounded: the left go first, then the oldest", "[swim]") {
  const SwimConfig config;
  swim::Departed departed(config);
  const auto member = [](std::size_t i, MemberState state) {
    Member m;
    m.name = "m" + std::to_string(i);
    m.state = state;
    m.since = Timestamp{} + std::chrono::seconds{i};
    return m;
  };
  for (std::size_t i = 0; i < swim::Departed::kMax; ++i)
    REQUIRE(!departed.keep(member(i, i == 7 || i == 9 ? MemberState::left : MemberState::dead)));
  for (const char* gone : {"m7", "m9", "m0", "m1"})
    CHECK(departed.keep(member(swim::Departed::kMax + static_cast<std::size_t>(gone[1] - '0'), MemberState::dead))->name == gone);
  CHECK(departed.by_name().size() == swim::Departed::kMax);
  CHECK(departed.drop("m2"));
  CHECK(!departed.drop("m2"));
  CHECK(departed.find("m3") != nullptr);
}

TEST_CASE("a restart shows as a death and a birth, also when nobody missed the member", "[swim]") {
  Cluster c = joined(4, 9);
  c.kill(3);
  c.start(3, {0});
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  c.run(2s);
  for (const std::size_t i : {0, 1, 2}) {
    CHECK(count(c, i, MemberEvent::Kind::died, "n3") == 1);
    CHECK(count(c, i, MemberEvent::Kind::joined, "n3") == 2);
  }
  CHECK(c.node(0).stats().false_positives == 0);
}

TEST_CASE("a seed that is ourselves is settled", "[swim]") {
  Cluster c(2);
  SECTION("by its address") {
    c.start(0, {0});
    c.run(1s);
    CHECK(c.node(0).joined());
    CHECK(c.node(0).stats().push_pulls.total() == 0);
  }
  SECTION("by its reply, at an address that is not the advertised one") {
    c.names["me.example"] = {Cluster::endpoint(0)};
    c.start(0);
    c.with(0, [&](swim::Swim& s) { s.join({*HostPort::parse("me.example:7946")}, c.now()); });
    CHECK(!c.node(0).joined());
    c.run(1s);
    CHECK(c.node(0).joined());
  }
  SECTION("not while another seed was never reached") {
    c.start(0, {0, 1});
    c.run(60s);
    CHECK(!c.node(0).joined());
    CHECK(c.node(0).stats().rejoin_attempts > 3);
    c.start(1, {0, 1});
    REQUIRE(c.run_until(20s, [&] { return c.one_view() && c.node(0).joined(); }));
  }
}

TEST_CASE("the reply of our own process is recognised", "[swim]") {
  // The dial goes to an address that forwards to ourselves: our own request comes in.
  Lone lone;
  const Endpoint other = *Endpoint::parse("192.0.2.7:7946");
  lone.swim.join({*HostPort::parse(other.to_string())}, lone.now);
  const auto opened = [&] {
    lone.swim.handle_timeout(lone.now);
    for (const auto& output : lone.drain())
      if (const auto* open = std::get_if<swim::OpenStream>(&output)) return open->id;
    FAIL("no stream was opened");
    return swim::StreamId{};
  }();
  const auto sent_on = [&](swim::StreamId id) {
    for (const auto& output : lone.drain())
      if (const auto* send = std::get_if<swim::SendStream>(&output); send != nullptr && send->id == id) return send->data;
    FAIL("nothing was sent");
    return Bytes{};
  };
  lone.swim.stream_connected(opened, lone.now);
  const Bytes request = sent_on(opened);
  lone.swim.stream_accepted(swim::StreamId{1}, other, lone.now);
  lone.swim.stream_received(swim::StreamId{1}, request.view(), lone.now);
  const Bytes reply = sent_on(swim::StreamId{1});
  CHECK(!lone.swim.joined());
  lone.swim.stream_received(opened, reply.view(), lone.now);
  CHECK(lone.swim.joined());
}

TEST_CASE("seeds given by name are resolved, again and again", "[swim]") {
  Cluster c(3);
  c.start(0);
  c.start(1);
  c.with(1, [&](swim::Swim& s) { s.join({*HostPort::parse("seed.example")}, c.now()); });
  c.run(20s);
  CHECK(!c.node(1).joined());
  Endpoint portless = Cluster::endpoint(0);
  portless.port = 0;  // a name without a port: memberlist uses our own
  c.names["seed.example"] = {portless};
  REQUIRE(c.run_until(20s, [&] { return c.state(0, 1) == MemberState::alive && c.state(1, 0) == MemberState::alive; }));
  // The name moves to another node while the old one is gone.
  c.kill(0);
  c.start(2);
  c.names["seed.example"] = {Cluster::endpoint(2)};
  REQUIRE(c.run_until(60s, [&] { return c.state(2, 1) == MemberState::alive; }));
}

TEST_CASE("answers go to members or back to the asker, never to strangers", "[swim]") {
  Lone lone;
  const Endpoint asker = *Endpoint::parse("10.0.0.2:7946");
  const Endpoint victim = *Endpoint::parse("203.0.113.9:53");
  lone.learn("b", asker);
  const Bytes claimed = victim.raw();
  SECTION("a ping that claims a foreign source") {
    CHECK(targets(lone.receive(wire::Ping{1, "a", claimed.view(), victim.port, "b"}, asker)) == std::vector{asker});
  }
  SECTION("a ping from behind an address translation, with the source of a member") {
    const Bytes real = asker.raw();
    const Endpoint translated = *Endpoint::parse("198.51.100.1:4000");
    CHECK(targets(lone.receive(wire::Ping{1, "a", real.view(), asker.port, "b"}, translated)) == std::vector{asker});
  }
  SECTION("an indirect ping to a stranger gets a nack only") {
    const auto outputs = lone.receive(wire::IndirectPing{7, claimed.view(), victim.port, "victim", true, {}, 0, {}}, asker);
    CHECK(targets(outputs) == std::vector{asker});
  }
  SECTION("a ping for somebody else is not answered") {
    CHECK(lone.receive(wire::Ping{1, "other", {}, 0, {}}, asker).empty());
    CHECK(lone.swim.stats().rejected[PacketReject::wrong_name] == 1);
  }
}

TEST_CASE("a relayed ping is answered with the asker's number, or refused in time", "[swim]") {
  Lone lone;
  const Endpoint asker = *Endpoint::parse("10.0.0.2:7946");
  const Endpoint target = *Endpoint::parse("10.0.0.3:7946");
  lone.learn("b", asker);
  lone.learn("c", target);
  const Bytes address = target.raw();
  const auto outputs = lone.receive(wire::IndirectPing{77, address.view(), target.port, "c", true, {}, 0, {}}, asker);
  REQUIRE(targets(outputs) == std::vector{target});
  wire::Unpacker unpacker;
  CountedReasons<PacketReject> rejected;
  wire::Scratch scratch;
  wire::Ping relayed;
  for (const auto& output : outputs)
    if (const auto* send = std::get_if<swim::SendPacket>(&output))
      REQUIRE(wire::decode_body(unpacker.unpack(send->packet.view(), "", rejected)[0].body, relayed, scratch));
  const auto answer = [&](const std::vector<swim::Output>& all, wire::MessageType wanted) {
    for (const auto& output : all) {
      const auto* send = std::get_if<swim::SendPacket>(&output);
      if (send == nullptr || !(send->to == asker)) continue;
      const auto part = unpacker.unpack(send->packet.view(), "", rejected)[0];
      if (part.type == wanted) return part;  // gossip goes there too
    }
    FAIL("the asker heard nothing");
    return wire::Part{};
  };
  SECTION("the target answers") {
    const auto all = lone.receive(wire::Ack{relayed.sequence, {}}, target);
    const auto part = answer(all, wire::MessageType::ack);
    wire::Ack ack;
    REQUIRE(wire::decode_body(part.body, ack, scratch));
    CHECK(ack.sequence == 77);
  }
  SECTION("the target is silent") {
    lone.now = lone.now + 600ms;
    lone.swim.handle_timeout(lone.now);
    const auto all = lone.drain();
    const auto part = answer(all, wire::MessageType::nack);
    wire::Nack nack;
    REQUIRE(wire::decode_body(part.body, nack, scratch));
    CHECK(nack.sequence == 77);
  }
}

TEST_CASE("a helper says no while the asker listens, however long a ping may take", "[swim]") {
  SwimConfig config;
  config.probe_interval = 5s;
  config.probe_timeout = 3s;
  Lone lone("", config);
  const Endpoint asker = *Endpoint::parse("10.0.0.2:7946");
  const Endpoint target = *Endpoint::parse("10.0.0.3:7946");
  lone.learn("b", asker);
  lone.learn("c", target);
  const Bytes address = target.raw();
  lone.receive(wire::IndirectPing{77, address.view(), target.port, "c", true, {}, 0, {}}, asker);
  // The asker has spent 3 of its 5 s before it asked.
  lone.now = lone.now + 1900ms;
  lone.swim.handle_timeout(lone.now);
  wire::Unpacker unpacker;
  CountedReasons<PacketReject> rejected;
  bool said_no = false;
  for (const auto& output : lone.drain()) {
    const auto* send = std::get_if<swim::SendPacket>(&output);
    if (send == nullptr || !(send->to == asker)) continue;
    for (const wire::Part& part : unpacker.unpack(send->packet.view(), "", rejected)) said_no = said_no || part.type == wire::MessageType::nack;
  }
  CHECK(said_no);
}

namespace {
/// Members that are told of `what` until `lone.now + within`.
int told_of(Lone& lone, wire::MessageType what, Duration within) {
  wire::Unpacker unpacker;
  CountedReasons<PacketReject> rejected;
  int told = 0;
  const Timestamp end = lone.now + within;
  for (;;) {
    for (const auto& output : lone.drain()) {
      const auto* send = std::get_if<swim::SendPacket>(&output);
      if (send == nullptr) continue;
      const auto parts = unpacker.unpack(send->packet.view(), "", rejected);
      told += std::any_of(parts.begin(), parts.end(), [&](const wire::Part& part) { return part.type == what; }) ? 1 : 0;
    }
    if (lone.swim.next_timeout() > end) return told;
    lone.now = std::max(lone.now, lone.swim.next_timeout());
    lone.swim.handle_timeout(lone.now);
  }
}
}  // namespace

TEST_CASE("who is newly suspected or dead is told of a quarter of the gossip interval after the last gossip", "[swim]") {
  Lone lone;
  const Duration soon = SwimConfig{}.gossip_interval / 4;
  std::vector<Endpoint> at;
  for (int i = 2; i < 9; ++i) {
    at.push_back(*Endpoint::parse("10.0.0." + std::to_string(i) + ":7946"));
    lone.learn("m" + std::to_string(i), at.back());
  }
  told_of(lone, wire::MessageType::alive, 5s);  // until the news of these is told
  lone.receive(wire::Suspect{1, "m3", "m2"}, at[0]);
  CHECK(told_of(lone, wire::MessageType::suspect, soon) >= 3);
  lone.receive(wire::Dead{1, "m3", "m2"}, at[0]);
  CHECK(told_of(lone, wire::MessageType::dead, soon) >= 3);
  lone.receive(wire::Suspect{1, "a", "m2"}, at[0]);
  CHECK(told_of(lone, wire::MessageType::alive, soon) >= 3);
  // What is known is not urgent: no gossip at all is brought forward for it.
  told_of(lone, wire::MessageType::dead, 2s);
  lone.receive(wire::Dead{1, "m3", "m4"}, at[2]);
  CHECK(told_of(lone, wire::MessageType::dead, soon) == 0);
}

TEST_CASE("a member that announces an old incarnation is told what we hold, once a second", "[swim]") {
  Lone lone;
  const Endpoint at = *Endpoint::parse("10.0.0.2:7946");
  lone.learn("b", at, 5);
  lone.receive(wire::Dead{5, "b", "c"}, at);
  const Bytes address = at.raw();
  const wire::Alive old{1, "b", address.view(), at.port, {}, BytesView(Lone::kVersions)};
  CHECK(targets(lone.receive(old, at)) == std::vector{at});
  CHECK(targets(lone.receive(old, at)).empty());
  lone.now = lone.now + 1s;
  lone.swim.handle_timeout(lone.now);
  lone.drain();
  CHECK(targets(lone.receive(old, *Endpoint::parse("10.0.0.9:7946"))).empty());  // hearsay
  CHECK(targets(lone.receive(old, at)) == std::vector{at});
}

TEST_CASE("our address is never learnt from others", "[swim]") {
  Lone lone;
  const Endpoint foreign = *Endpoint::parse("10.9.9.9:1");
  const Bytes address = foreign.raw();
  lone.receive(wire::Alive{50, "a", address.view(), foreign.port, {}, BytesView(Lone::kVersions)}, foreign);
  CHECK(lone.swim.self().endpoint() == lone.self);
  CHECK(lone.swim.self().state == MemberState::alive);
  lone.receive(wire::Dead{50, "a", "b"}, foreign);
  CHECK(lone.swim.self().state == MemberState::alive);
  CHECK(lone.swim.self().incarnation == Incarnation{51});
}

TEST_CASE("an idle member hardly wakes up", "[swim]") {
  Cluster c = joined(5);
  c.run(120s);
  const std::size_t before = c.wakeups(0);
  c.run(100s);
  CHECK(c.wakeups(0) - before < 200);
}

TEST_CASE("the round trip is measured", "[swim]") {
  Cluster c = joined(3);
  c.run(30s);
  REQUIRE(c.node(0).detail("n1").rtt);
  CHECK(to_seconds(*c.node(0).detail("n1").rtt) > 0.0004);
  CHECK(to_seconds(*c.node(0).detail("n1").rtt) < 0.002);
  CHECK(!c.node(0).detail("nobody").rtt);
  CHECK(c.node(0).stats().probe_rtt.count() > 10);
}

TEST_CASE("clusters with different labels never meet", "[swim]") {
  Cluster c(2);
  c.label = "one";
  c.start(0);
  c.label = "two";
  c.start(1, {0});
  c.run(60s);
  CHECK(c.state(0, 1) == std::nullopt);
  CHECK(c.state(1, 0) == std::nullopt);
  CHECK(c.node(0).stats().rejected[PacketReject::wrong_label] > 0);
  CHECK(!c.node(1).joined());
}

TEST_CASE("members with one label form a cluster", "[swim]") {
  Cluster c(4);
  c.label = "blue";
  c.start_all();
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  c.run(60s);
  CHECK(total_deaths(c) == 0);
}

TEST_CASE("an incompatible member is refused by name, and the rest go on", "[swim]") {
  Cluster c = joined(3);
  const auto result = [&](const SwimStats& s) { return s.push_pulls[PushPullResult::in_failed]; };
  wire::Buffer request;
  wire::encode(wire::PushPullHeader{1, 0, true}, request);
  const Bytes address = Cluster::endpoint(9).raw();
  constexpr std::array<std::byte, 6> plain{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
  wire::encode(wire::PushNodeState{"stranger", address.view(), 7946, {}, 1, 0, BytesView(plain)}, request);
  c.with(0, [&](swim::Swim& s) {
    s.stream_accepted(swim::StreamId{1 << 20}, Cluster::endpoint(9), c.now());
    s.stream_received(swim::StreamId{1 << 20}, request, c.now());
  });
  CHECK(result(c.node(0).stats()) == 1);
  CHECK(c.node(0).find("stranger") == nullptr);
  CHECK(c.node(0).stats().rejected[PacketReject::incompatible_version] == 1);
  const auto& logs = c.logs(0);
  CHECK(std::any_of(logs.begin(), logs.end(), [](const LogRecord& l) { return l.text.find("'stranger' delegate protocol") != std::string::npos; }));
  c.run(60s);
  CHECK(c.one_view());
}

TEST_CASE("streams are bounded in number and in time", "[swim]") {
  Lone lone;
  const Endpoint from = *Endpoint::parse("10.0.0.2:40000");
  for (std::uint64_t id = 1; id <= 200; ++id) lone.swim.stream_accepted(swim::StreamId{id}, from, lone.now);
  std::size_t closed = 0;
  for (const auto& output : lone.drain()) closed += std::holds_alternative<swim::CloseStream>(output) ? 1 : 0;
  CHECK(closed == 72);
  CHECK(lone.swim.stats().rejected[PacketReject::stream_limit] == 72);
  for (int i = 0; i < 11; ++i) {
    lone.now = lone.now + 1s;
    lone.swim.handle_timeout(lone.now);
  }
  for (const auto& output : lone.drain()) closed += std::holds_alternative<swim::CloseStream>(output) ? 1 : 0;
  CHECK(closed == 200);
  CHECK(lone.swim.stats().rejected[PacketReject::timed_out] == 128);
}

TEST_CASE("the table is bounded", "[swim]") {
  SwimConfig config;
  config.members_max = 10;
  const Endpoint self = *Endpoint::parse("10.0.0.1:7946");
  swim::Swim machine(config, {"a", self.raw(), self.port, {}, ""}, Rng{1});
  machine.start({});
  for (int i = 0; i < 100; ++i) {
    const Endpoint at = *Endpoint::parse("10.0.1." + std::to_string(i + 1) + ":7946");
    const Bytes address = at.raw();
    const std::string name = "m" + std::to_string(i);
    machine.handle_packet(at, wire::encoded(wire::Alive{1, name, address.view(), at.port, {}, BytesView(Lone::kVersions)}).view(), {});
  }
  CHECK(machine.members().size() == 10);
  CHECK(machine.stats().rejected[PacketReject::table_full] == 91);
  CHECK(machine.stats().gossip_queue_length <= 10);
}

TEST_CASE("equal seeds give equal runs", "[swim]") {
  const auto trace = [] {
    Cluster c(6, 42);
    c.loss = 0.1;
    c.start_all();
    c.run(20s);
    c.kill(5);
    c.run(60s);
    std::string text = std::to_string(c.packets);
    for (std::size_t i = 0; i < 5; ++i)
      for (const MemberEvent& e : c.events(i)) text += std::string(to_string(e.kind)) + e.member.name + std::to_string(e.member.since.ns) + ";";
    return text;
  };
  CHECK(trace() == trace());
}
