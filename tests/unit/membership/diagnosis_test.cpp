// What the machine says about itself and others: accusations, blocked packets, conflicts, flaps, stalls.
#include "../memberlist/lone.hpp"
#include "cluster.hpp"

#include "membership/wire/codec.hpp"

using namespace plumvine;
using namespace plumvine::test;
namespace wire = plumvine::swim::wire;

namespace {

std::size_t lines(Cluster& c, std::size_t node, std::string_view code, std::string_view part = "") {
  const auto& logs = c.logs(node);
  return static_cast<std::size_t>(std::count_if(logs.begin(), logs.end(), [&](const LogRecord& l) {
    return l.code == code && l.text.find(part) != std::string::npos;
  }));
}

const MemberEvent* event(Cluster& c, std::size_t node, MemberEvent::Kind kind, const std::string& subject) {
  for (const MemberEvent& e : c.events(node))
    if (e.kind == kind && e.member.name == subject) return &e;
  return nullptr;
}

}  // namespace

TEST_CASE("who accused whom, and why, is told to both sides", "[swim][diagnosis]") {
  Cluster c = joined(4);
  c.stop(2);
  REQUIRE(c.run_until(60s, [&] { return c.state(0, 2) == MemberState::suspect; }));
  const auto accusers = c.node(0).detail("n2").accusers;
  REQUIRE(!accusers.empty());
  const MemberEvent* suspected = event(c, 0, MemberEvent::Kind::suspected, "n2");
  REQUIRE(suspected != nullptr);
  CHECK(suspected->from == accusers[0]);
  CHECK(!suspected->reason.empty());
  // Somebody's own probe found it, and says what was tried.
  bool found = false;
  for (const std::size_t i : {0, 1, 3}) {
    if (const auto* e = event(c, i, MemberEvent::Kind::suspected, "n2"); e != nullptr && e->from == Cluster::name(i)) {
      CHECK(e->reason.find("no answer to a ping, 2 members asked to try") == 0);
      CHECK(c.node(i).stats().accusations[Accusation::probe] == 1);
      found = true;
    }
  }
  CHECK(found);
  REQUIRE(c.run_until(60s, [&] { return c.everyone_says(2, MemberState::dead); }));
  CHECK(c.node(0).detail("n2").accusers.size() == 1);
  bool named = false;
  for (const std::size_t i : {0, 1, 3})
    if (const auto* e = event(c, i, MemberEvent::Kind::died, "n2"); e->from == Cluster::name(i))
      named = e->reason.find("it did not refute the suspicion of n") == 0;
  CHECK(named);
  c.resume(2);
  REQUIRE(c.run_until(20s, [&] { return c.one_view(); }));
  const MemberEvent* accused = event(c, 2, MemberEvent::Kind::accused, "n2");
  REQUIRE(accused != nullptr);
  CHECK(accused->from.starts_with("n"));
  CHECK(c.node(2).stats().stalls == 1);
  CHECK(lines(c, 2, "PV1108") == 1);
}

TEST_CASE("a claim of a name is an event with both addresses, once in ten seconds", "[swim][diagnosis]") {
  Cluster c = joined(3);
  const Endpoint other = *Endpoint::parse("10.7.7.7:7946");
  const Bytes address = other.raw();
  constexpr std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  for (int i = 0; i < 15; ++i) {
    c.inject(other, 0, wire::encoded(wire::Alive{9, "n2", address.view(), other.port, {}, BytesView(versions)}));
    c.run(1s);
  }
  const auto& events = c.events(0);
  CHECK(std::count_if(events.begin(), events.end(), [](const MemberEvent& e) { return e.kind == MemberEvent::Kind::conflict; }) == 2);
  const MemberEvent* conflict = event(c, 0, MemberEvent::Kind::conflict, "n2");
  CHECK(conflict->from == "10.7.7.7:7946");
  CHECK(conflict->reason.find(Cluster::endpoint(2).to_string()) != std::string::npos);
  CHECK(c.node(0).stats().conflicts == 15);
}

TEST_CASE("packets blocked both ways are named once per member, and when they pass again", "[swim][diagnosis]") {
  Cluster c = joined(4, 4);
  c.packets_pass = [](std::size_t a, std::size_t b) { return a != 3 && b != 3; };
  c.run(180s);
  CHECK(c.one_view());
  CHECK(c.node(0).detail("n3").packets == PacketPath::in_blocked);
  CHECK(lines(c, 0, "PV1107") == 1);
  CHECK(lines(c, 0, "PV1107", "No packet of member n3 arrives here: open UDP port 7946 here for packets from 10.0.0.4") == 1);
  CHECK(lines(c, 3, "PV1107") == 3);
  CHECK(c.node(0).detail("n1").packets == PacketPath::open);
  c.packets_pass = [](std::size_t, std::size_t) { return true; };
  c.run(30s);
  CHECK(c.node(0).detail("n3").packets == PacketPath::open);
  CHECK(lines(c, 0, "PV1113", "n3") == 1);
}

TEST_CASE("packets blocked one way: each side says what it can see", "[swim][diagnosis]") {
  Cluster c = joined(4, 4);
  // What 0 sends does not reach 3; what 3 sends, its pings included, arrives.
  c.packets_pass = [](std::size_t a, std::size_t b) { return !(a == 0 && b == 3); };
  c.run(180s);
  CHECK(c.one_view());
  CHECK(c.node(0).detail("n3").packets == PacketPath::out_blocked);
  CHECK(lines(c, 0, "PV1107", "arrive here, but ours do not reach it: open UDP port 7946 of 10.0.0.4") == 1);
  CHECK(c.node(3).detail("n0").packets == PacketPath::in_blocked);
  CHECK(lines(c, 3, "PV1107") == 1);
  CHECK(lines(c, 3, "PV1107", "No packet of member n0 arrives here: open UDP port 7946 here for packets from 10.0.0.1") == 1);
  CHECK(c.node(1).detail("n3").packets == PacketPath::open);
  std::uint64_t deaths = 0;
  for (std::size_t i = 0; i < 4; ++i) deaths += c.node(i).stats().deaths;
  CHECK(deaths == 0);
}

TEST_CASE("where address families differ no port is asked for", "[swim][diagnosis]") {
  SwimConfig config;
  config.disable_tcp_pings = true;
  test::Lone lone(config);
  lone.alive_as("six", *Endpoint::parse("[fd00::2]:7946"), 1);
  for (int i = 0; i < 200; ++i) {
    lone.machine.seen_alive("six", lone.now, lone.now);
    lone.wait(100ms);
  }
  const auto said = std::find_if(lone.logs.begin(), lone.logs.end(), [](const LogRecord& l) { return l.code == "PV1107"; });
  REQUIRE(said != lone.logs.end());
  CHECK(said->text.find("No packet of member six arrives here: the address families differ, this member is at 10.0.0.1 and six at fd00::2") != std::string::npos);
  CHECK(said->text.find("open UDP port") == std::string::npos);
}

TEST_CASE("an odd member that came by gossip stops no table exchange", "[swim][diagnosis]") {
  SwimConfig config;
  config.push_pull_interval = 5s;
  Cluster c(5, 1, config);
  for (std::size_t i = 0; i < 4; ++i) c.start(i, {0});
  REQUIRE(c.run_until(10s, [&] { return c.state(0, 3) == MemberState::alive && c.state(3, 1) == MemberState::alive; }));
  const Bytes address = Cluster::endpoint(4).raw();
  const auto announce = [&](std::uint32_t incarnation, std::uint8_t delegate) {
    const std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2},
                                            std::byte{delegate}, std::byte{delegate}, std::byte{delegate}};
    for (std::size_t i = 0; i < 4; ++i)
      c.inject(Cluster::endpoint(4), i, wire::encoded(wire::Alive{incarnation, "odd", address.view(), 7946, {}, BytesView(versions)}));
    c.run(100ms);
  };
  announce(1, 0);
  CHECK(c.node(0).detail("odd").incompatible.find("'odd' delegate protocol version (0) is incompatible") != std::string::npos);
  CHECK(lines(c, 0, "PV1114", "odd") == 1);
  const auto before = c.node(0).stats();
  c.run(3s);
  // A newcomer joins, and the exchanges go on.
  c.start(4, {0});
  REQUIRE(c.run_until(5s, [&] { return c.state(4, 3) == MemberState::alive && c.state(0, 4) == MemberState::alive; }));
  CHECK(!c.node(4).find("odd"));
  c.run(20s);
  const auto& after = c.node(0).stats();
  CHECK(after.push_pulls[PushPullResult::in_failed] == 0);
  CHECK(after.push_pulls[PushPullResult::out_failed] == before.push_pulls[PushPullResult::out_failed]);
  CHECK(after.push_pulls[PushPullResult::in_ok] > before.push_pulls[PushPullResult::in_ok]);
  // It is mended: back in the exchanges.
  announce(2, 4);
  CHECK(c.node(0).detail("odd").incompatible.empty());
}

TEST_CASE("one odd row of a foreign table is left out, the others are used", "[swim][diagnosis]") {
  Cluster c = joined(2);
  wire::Buffer request;
  wire::encode(wire::PushPullHeader{2, 0, true}, request);
  const Bytes one = Cluster::endpoint(8).raw(), two = Cluster::endpoint(9).raw();
  constexpr std::array<std::byte, 6> odd{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
  constexpr std::array<std::byte, 6> good{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  wire::encode(wire::PushNodeState{"odd", one.view(), 7946, {}, 1, 0, BytesView(odd)}, request);
  wire::encode(wire::PushNodeState{"good", two.view(), 7946, {}, 1, 0, BytesView(good)}, request);
  for (std::uint64_t id = 1; id <= 2; ++id) {
    c.with(0, [&](swim::Swim& s) {
      s.stream_accepted(swim::StreamId{(1 << 20) + id}, Cluster::endpoint(9), c.now());
      s.stream_received(swim::StreamId{(1 << 20) + id}, request, c.now());
    });
  }
  CHECK(c.node(0).find("good") != nullptr);
  CHECK(c.node(0).find("odd") == nullptr);
  CHECK(c.node(0).stats().push_pulls[PushPullResult::in_failed] == 0);
  CHECK(c.node(0).stats().rejected[PacketReject::incompatible_version] == 2);
  CHECK(lines(c, 0, "PV1106", "a member was left out: Node 'odd'") == 1);
}

TEST_CASE("a joiner of incompatible versions is named once a minute, however often it comes", "[swim][diagnosis]") {
  Cluster c = joined(2);
  const Bytes at = Cluster::endpoint(8).raw();
  constexpr std::array<std::byte, 6> odd{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
  std::uint64_t id = 1 << 20;
  const auto knock = [&](const char* name) {
    wire::Buffer request;
    wire::encode(wire::PushPullHeader{1, 0, true}, request);
    wire::encode(wire::PushNodeState{name, at.view(), 7946, {}, 1, 0, BytesView(odd)}, request);
    c.with(0, [&](swim::Swim& s) {
      s.stream_accepted(swim::StreamId{++id}, *Endpoint::parse("10.0.0.9:" + std::to_string(40000 + id % 1000)), c.now());
      s.stream_received(swim::StreamId{id}, request, c.now());
    });
    c.run(1s);
  };
  for (int i = 0; i < 8; ++i) knock("odd"), knock("strange");
  CHECK(c.node(0).stats().push_pulls[PushPullResult::in_failed] == 16);
  CHECK(lines(c, 0, "PV1106", "refused: Node 'odd'") == 1);
  CHECK(lines(c, 0, "PV1106", "refused: Node 'strange'") == 1);
  c.run(60s);
  knock("odd");
  CHECK(lines(c, 0, "PV1106") == 3);
}

TEST_CASE("an accusation out of a table names whose table it was", "[swim][diagnosis]") {
  constexpr std::array<std::byte, 6> good{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  Cluster c = joined(3);
  const Bytes own = Cluster::endpoint(0).raw(), other = Cluster::endpoint(2).raw();
  const auto tell = [&](const Endpoint& from, MemberState state) {
    wire::Buffer request;
    wire::encode(wire::PushPullHeader{2, 0, false}, request);
    const auto row = static_cast<std::int64_t>(state);
    wire::encode(wire::PushNodeState{"n0", own.view(), 7946, {}, 9000, row, BytesView(good)}, request);
    wire::encode(wire::PushNodeState{"n2", other.view(), 7946, {}, 9000, row, BytesView(good)}, request);
    c.with(0, [&](swim::Swim& s) {
      s.stream_accepted(swim::StreamId{1 << 20}, from, c.now());
      s.stream_received(swim::StreamId{1 << 20}, request, c.now());
    });
  };
  tell(*Endpoint::parse("10.0.0.2:41234"), MemberState::dead);  // a member's stream comes from any port
  CHECK(lines(c, 0, "PV1103", "Refuting that this member is not alive, as in the table of 10.0.0.2:41234") == 1);
  CHECK(lines(c, 0, "PV1103", "by n0") == 0);
  CHECK(lines(c, 0, "PV1101", "Member n2 is suspected by n0: it was not alive in the table of 10.0.0.2:41234") == 1);
  const MemberEvent* accused = event(c, 0, MemberEvent::Kind::accused, "n0");
  REQUIRE(accused != nullptr);
  CHECK(accused->from == "10.0.0.2:41234");
  const auto inject = [&](const Bytes& accusation) {
    c.inject(Cluster::endpoint(1), 0, accusation);
    c.run(5ms);
  };
  inject(wire::encoded(wire::Suspect{99000, "n0", "n1"}));
  inject(wire::encoded(wire::Dead{99009, "n0", "n1"}));
  inject(wire::encoded(wire::Dead{99018, "n0", "n0"}));
  CHECK(lines(c, 0, "PV1103", "Refuting a suspicion of this member by n1") == 1);
  CHECK(lines(c, 0, "PV1103", "Refuting the death of this member, declared by n1") == 1);
  CHECK(lines(c, 0, "PV1103", "Refuting that this member left, as others say") == 1);
}

TEST_CASE("a member that asks for more than we have is the one that is named", "[swim][diagnosis]") {
  Cluster c = joined(2);
  const Bytes address = Cluster::endpoint(8).raw();
  constexpr std::array<std::byte, 6> newer{std::byte{3}, std::byte{5}, std::byte{3}, std::byte{2}, std::byte{5}, std::byte{4}};
  c.inject(Cluster::endpoint(8), 0, wire::encoded(wire::Alive{1, "newer", address.view(), 7946, {}, BytesView(newer)}));
  c.run(10ms);
  CHECK(lines(c, 0, "PV1114", "Member newer is kept out of table exchanges: Node 'newer' asks for more than this member has: "
                              "Node 'n0' protocol version (2) is incompatible: [3, 5]") == 1);
  CHECK(c.node(0).detail("newer").incompatible.starts_with("Node 'newer'"));
}

TEST_CASE("lost packets are no blocked path", "[swim][diagnosis]") {
  Cluster c = joined(5, 2);
  c.loss = 0.05;
  c.run(300s);
  for (std::size_t i = 0; i < 5; ++i) CHECK(lines(c, i, "PV1107") == 0);
}

TEST_CASE("a member that flaps is held longer in suspicion, bounded, others are not", "[swim][diagnosis]") {
  constexpr std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  SwimConfig config;
  config.flap_damping_max = GENERATE(0U, 2U);
  Cluster c = joined(3, 1, config);
  std::uint32_t incarnation = 1;
  const auto flap = [&] {
    c.inject(Cluster::endpoint(1), 0, wire::encoded(wire::Suspect{incarnation, "n2", "n1"}));
    c.run(700ms);
    const bool suspected = c.state(0, 2) == MemberState::suspect;
    c.inject(Cluster::endpoint(1), 0, wire::encoded(wire::Alive{++incarnation, "n2", Cluster::endpoint(2).raw().view(), 7946,
                                                                c.node(0).find("n2")->meta.view(), BytesView(versions)}));
    c.run(700ms);
    return suspected;
  };
  // How long until the death of a member that is really gone, seen from the one node that is left to judge.
  const auto time_to_die = [&](std::size_t who) {
    c.kill(who);
    c.inject(Cluster::endpoint(1), 0,
             wire::encoded(wire::Suspect{static_cast<std::uint32_t>(c.node(0).find(Cluster::name(who))->incarnation), Cluster::name(who), "n9"}));
    return to_seconds(*c.run_until(120s, [&] { return c.state(0, who) == MemberState::dead; }));
  };
  c.connected = [](std::size_t a, std::size_t b) { return a != 2 && b != 2; };
  int suspected = 0;
  for (int i = 0; i < 8; ++i) suspected += flap() ? 1 : 0;
  CHECK(suspected >= 6);
  const std::uint64_t damped = c.node(0).stats().flaps_damped;
  const double took = time_to_die(2);
  if (config.flap_damping_max == 0) {
    CHECK(damped == 0);
    CHECK(took < 5);
  } else {
    CHECK(damped > 0);
    CHECK(took > 11);   // 4 s, three times
    CHECK(took < 14);
    CHECK(lines(c, 0, "PV1112", "n2 comes and goes: it gets 3 times") > 0);
  }
  c.connected = [](std::size_t, std::size_t) { return true; };
  CHECK(time_to_die(1) < 6);  // never flapped
}

TEST_CASE("another cluster's member is told once per address, and counted each time", "[swim][diagnosis]") {
  Cluster c(3);
  c.label = "blue";
  c.start(0);
  c.start(1, {0});
  REQUIRE(c.run_until(10s, [&] { return c.state(0, 1) == MemberState::alive && c.state(1, 0) == MemberState::alive; }));
  CHECK(c.node(0).other_cluster().count == 0);
  c.label = "green";
  c.start(2, {0});
  c.run(60s);
  CHECK(c.node(0).members().size() == 2);
  CHECK(lines(c, 0, "PV1117", "10.0.0.3") == 1);
  CHECK(c.node(0).other_cluster().count > 1);
  CHECK(c.node(0).other_cluster().count == c.node(0).stats().rejected[PacketReject::wrong_label]);
  CHECK(c.node(0).other_cluster().from.host() == "10.0.0.3");
  // The stranger hears nothing but a closed door.
  const auto seeds = c.node(2).seeds();
  REQUIRE(seeds.size() == 1);
  CHECK_FALSE(seeds[0].alive);
  CHECK(seeds[0].problem.find("its cluster label or key is another") != std::string::npos);
}

TEST_CASE("what a seed fails with is known, and forgotten once it answers", "[swim][diagnosis]") {
  Cluster c(2);
  c.names["gone.example"] = {};
  c.start(1, {0});
  c.with(1, [&](swim::Swim& swim) { swim.join({*HostPort::parse("gone.example:7946"), *HostPort::parse("10.0.0.2:7946")}, c.now()); });
  c.run(20s);
  auto seeds = c.node(1).seeds();
  REQUIRE(seeds.size() == 3);
  CHECK(seeds[0].name == "10.0.0.1:7946");
  CHECK(seeds[0].problem == "it cannot be connected to");
  CHECK(seeds[1].problem == "its name cannot be resolved");
  CHECK(seeds[2].self);
  CHECK(seeds[2].problem.empty());
  c.start(0);
  REQUIRE(c.run_until(60s, [&] { return c.one_view(); }));
  CHECK(c.run_until(60s, [&] { return c.node(1).seeds()[0].alive; }));
  CHECK(c.node(1).seeds()[0].problem.empty());
}
