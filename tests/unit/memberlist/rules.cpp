// memberlist's tests of its state machine, by their names. See docs/memberlist-tests.md; tests/vectors replays 90
// recorded scenarios of the same rules.
#include "lone.hpp"

using namespace plumvine;
using namespace plumvine::test;
using Kind = MemberEvent::Kind;
using wire::MessageType;

namespace {

std::uint32_t incarnation_of(const Lone& lone, int i) {
  return static_cast<std::uint32_t>(lone.machine.find(Lone::name(i))->incarnation);
}

/// A machine whose queue is empty: everything told so far was gossiped to its end.
void quiet(Lone& lone) {
  for (int i = 0; i < 200 && lone.machine.stats().gossip_queue_length > 0; ++i) lone.wait(200ms);
  lone.sent.clear();
  lone.events.clear();
}

/// What news about a member goes out in the next second.
std::vector<MessageType> told(Lone& lone, std::string_view who) {
  lone.sent.clear();
  lone.wait(900ms);
  return lone.news_about(who);
}

/// Members that answer nobody would be suspected while time passes; these machines do not probe.
SwimConfig still() {
  SwimConfig config;
  config.probe_interval = 1h;
  config.push_pull_interval = 0s;
  config.suspicion_mult = 4;
  return config;
}

BytesView wire_versions() {
  static constexpr std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2},
                                                     std::byte{2}, std::byte{5}, std::byte{4}};
  return versions;
}

}  // namespace

TEST_CASE("AliveNode_NewNode", "[memberlist]") {
  Lone lone(still());
  lone.alive(2, 1, "meta");
  const Member* member = lone.machine.find("n2");
  REQUIRE(member != nullptr);
  CHECK(member->state == MemberState::alive);
  CHECK(static_cast<std::uint32_t>(member->incarnation) == 1);
  CHECK(member->since == lone.now);
  CHECK(lone.count(Kind::joined) == 1);
  CHECK(told(lone, "n2") == std::vector{MessageType::alive});
}

TEST_CASE("AliveNode_SuspectNode", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  lone.alive(3);
  quiet(lone);
  lone.suspect(2, 1, "n3");
  lone.now = lone.now + 1s;
  lone.alive(2, 1);
  CHECK(lone.state(2) == MemberState::suspect);
  lone.alive(2, 2);
  CHECK(lone.state(2) == MemberState::alive);
  CHECK(lone.machine.find("n2")->since == lone.now);
  CHECK(lone.count(Kind::joined) == 0);
}

TEST_CASE("AliveNode_Idempotent", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  const Timestamp since = lone.now;
  quiet(lone);
  lone.alive(2, 2);
  CHECK(lone.machine.find("n2")->since == since);
  CHECK(lone.events.empty());
  CHECK(lone.machine.stats().gossip_queue_length == 1);
}

TEST_CASE("AliveNode_ChangeMeta", "[memberlist]") {
  Lone lone(still());
  lone.alive(2, 1, "old");
  quiet(lone);
  lone.alive(2, 2, "new");
  REQUIRE(lone.count(Kind::updated) == 1);
  CHECK(lone.events.back().member.meta.text() == "new");
}

TEST_CASE("AliveNode_Refute", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  lone.alive_as("me", Lone::at(1), 7, "other");
  CHECK(lone.machine.self().meta.text() == "mine");
  CHECK(static_cast<std::uint32_t>(lone.machine.self().incarnation) == 8);
  CHECK(told(lone, "me") == std::vector{MessageType::alive});
}

TEST_CASE("AliveNode_Conflict", "[memberlist]") {
  SwimConfig config = still();
  config.dead_node_reclaim_time = 10s;
  Lone lone(config);
  lone.alive(2);
  lone.alive(3);
  quiet(lone);
  lone.alive_as("n2", Lone::at(7), 5, "other");
  const Member* member = lone.machine.find("n2");
  CHECK(member->state == MemberState::alive);
  CHECK(member->address == Lone::at(2).raw());
  CHECK(member->meta.text().empty());
  CHECK(lone.machine.stats().gossip_queue_length == 0);
  CHECK(lone.machine.stats().conflicts == 1);

  lone.dead(2, 1, "n3");
  lone.alive_as("n2", Lone::at(7), 2, "other");
  CHECK(lone.state(2) == MemberState::dead);  // too soon
  lone.now = lone.now + 11s;
  lone.alive_as("n2", Lone::at(7), 2, "other");
  member = lone.machine.find("n2");
  CHECK(member->state == MemberState::alive);
  CHECK(member->address == Lone::at(7).raw());
  CHECK(member->meta.text() == "other");
}

TEST_CASE("SuspectNode", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  lone.alive(3);
  quiet(lone);
  lone.suspect(2, 1, "n3");
  CHECK(lone.state(2) == MemberState::suspect);
  CHECK(lone.count(Kind::suspected) == 1);
  CHECK(lone.machine.stats().gossip_queue_length == 1);
  // Three members: nobody could confirm, so the shortest time applies.
  lone.wait(4h - 1s);
  CHECK(lone.state(2) == MemberState::suspect);
  lone.sent.clear();
  lone.wait(2s);
  CHECK(lone.count(Kind::died) == 1);
  CHECK(lone.state(2) == MemberState::dead);
  CHECK(lone.news_about("n2") == std::vector{MessageType::dead});  // in place of the suspicion
}

TEST_CASE("SuspectNode_NoNode, SuspectNode_OldSuspect", "[memberlist]") {
  Lone lone(still());
  lone.suspect(2, 1, "n3");
  CHECK(lone.state(2) == std::nullopt);
  lone.alive(2, 10);
  quiet(lone);
  lone.suspect(2, 1, "n3");
  CHECK(lone.state(2) == MemberState::alive);
  CHECK(lone.machine.stats().gossip_queue_length == 0);
}

TEST_CASE("SuspectNode_DoubleSuspect", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  lone.alive(3);
  quiet(lone);
  lone.suspect(2, 1, "n3");
  const Timestamp since = lone.machine.find("n2")->since;
  for (int i = 0; i < 30; ++i) lone.wait(200ms);
  REQUIRE(lone.machine.stats().gossip_queue_length == 0);
  lone.suspect(2, 1, "n3");
  CHECK(lone.machine.find("n2")->since == since);
  CHECK(lone.machine.stats().gossip_queue_length == 0);
  CHECK(lone.count(Kind::suspected) == 1);
}

TEST_CASE("SuspectNode_Refute", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  lone.receive(wire::Suspect{1, "me", "n2"}, Lone::at(2));
  CHECK(lone.machine.self().state == MemberState::alive);
  CHECK(static_cast<std::uint32_t>(lone.machine.self().incarnation) == 2);
  CHECK(lone.machine.stats().health_score == 1);
  CHECK(told(lone, "me") == std::vector{MessageType::alive});
}

TEST_CASE("DeadNode, DeadNode_NoNode", "[memberlist]") {
  Lone lone(still());
  lone.dead(2, 1, "n3");
  CHECK(lone.state(2) == std::nullopt);
  lone.alive(2);
  lone.alive(3);
  quiet(lone);
  lone.dead(2, 1, "n3");
  CHECK(lone.state(2) == MemberState::dead);
  CHECK(lone.count(Kind::died) == 1);
  CHECK(told(lone, "n2") == std::vector{MessageType::dead});
}

TEST_CASE("DeadNode_Double, DeadNode_OldDead, DeadNode_AliveReplay", "[memberlist]") {
  Lone lone(still());
  lone.alive(2, 10);
  lone.alive(3);
  quiet(lone);
  lone.dead(2, 1, "n3");  // old
  CHECK(lone.state(2) == MemberState::alive);
  lone.dead(2, 10, "n3");
  CHECK(lone.state(2) == MemberState::dead);
  quiet(lone);
  lone.dead(2, 11, "n3");  // newer, and yet nothing
  CHECK(lone.events.empty());
  CHECK(lone.machine.stats().gossip_queue_length == 0);
  CHECK(incarnation_of(lone, 2) == 10);
  lone.alive(2, 10);
  CHECK(lone.state(2) == MemberState::dead);
}

TEST_CASE("DeadNode_Refute", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  lone.receive(wire::Dead{1, "me", "n2"}, Lone::at(2));
  CHECK(lone.machine.self().state == MemberState::alive);
  CHECK(static_cast<std::uint32_t>(lone.machine.self().incarnation) == 2);
  CHECK(lone.machine.stats().health_score == 1);
  CHECK(told(lone, "me") == std::vector{MessageType::alive});
}

TEST_CASE("DeadNodeLeft", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  lone.dead(2, 1, "n2");
  CHECK(lone.state(2) == MemberState::left);
  CHECK(lone.count(Kind::left) == 1);
  lone.alive_as("n2", Lone::at(7), 2, "elsewhere");
  CHECK(lone.state(2) == MemberState::alive);
  CHECK(lone.machine.find("n2")->address == Lone::at(7).raw());
}

TEST_CASE("MergeState", "[memberlist]") {
  Lone lone(still());
  for (int i = 2; i <= 4; ++i) lone.alive(i);
  lone.suspect(2, 1, "n3");
  lone.events.clear();
  // A table of four, as the reply to an exchange of ours.
  lone.machine.join({*HostPort::parse(Lone::at(8).to_string())}, lone.now);
  lone.wait(0s);
  REQUIRE(lone.opened.size() == 1);
  const auto id = lone.opened[0].id;
  lone.machine.stream_connected(id, lone.now);
  wire::Buffer reply;
  wire::encode(wire::PushPullHeader{4, 0, true}, reply);
  const std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  const auto row = [&](int i, std::uint32_t incarnation, MemberState state) {
    const Bytes address = Lone::at(i).raw();
    const std::string name = Lone::name(i);
    wire::encode(wire::PushNodeState{name, address.view(), 7946, {}, incarnation, static_cast<std::int64_t>(state), versions}, reply);
  };
  row(2, 2, MemberState::alive);
  row(3, 1, MemberState::suspect);
  row(4, 1, MemberState::dead);
  row(5, 2, MemberState::alive);
  lone.machine.stream_received(id, BytesView(reply), lone.now);
  lone.drain();
  CHECK(lone.state(2) == MemberState::alive);    // a newer alive clears the suspicion
  CHECK(lone.state(3) == MemberState::suspect);
  CHECK(lone.state(4) == MemberState::suspect);  // nobody else's word is taken for a death
  CHECK(lone.state(5) == MemberState::alive);
  CHECK(lone.count(Kind::joined) == 1);
  CHECK(lone.count(Kind::died) == 0);
}

TEST_CASE("JoinDifferentNetworks_UniqueMask, JoinDifferentNetworks_MultiMasks", "[memberlist]") {
  SwimConfig config = still();
  config.cidrs_allowed = {*Network::parse("10.0.0.0/30")};
  SECTION("one network") {}
  SECTION("two networks") { config.cidrs_allowed.insert(config.cidrs_allowed.begin(), *Network::parse("fd00::/8")); }
  Lone lone(config);
  lone.alive(2);
  CHECK(lone.state(2) == MemberState::alive);
  lone.alive(7);
  CHECK(lone.state(7) == std::nullopt);
  CHECK(lone.machine.stats().rejected[PacketReject::not_allowed] == 1);
  // Neither a member inside, told of from outside, nor a row of a table.
  const Bytes inside = Lone::at(3).raw(), outside = Lone::at(8).raw();
  lone.receive(wire::Alive{1, "n3", inside.view(), 7946, {}, {}}, Lone::at(7));
  CHECK(lone.state(3) == std::nullopt);
  wire::Buffer table;
  wire::encode(wire::PushPullHeader{1, 0, false}, table);
  wire::encode(wire::PushNodeState{"n8", outside.view(), 7946, {}, 1, 0, wire_versions()}, table);
  lone.machine.stream_accepted(swim::StreamId{1}, Lone::at(2), lone.now);
  lone.machine.stream_received(swim::StreamId{1}, BytesView(table), lone.now);
  lone.drain();
  CHECK(lone.state(8) == std::nullopt);
  CHECK(lone.machine.stats().rejected[PacketReject::not_allowed] == 3);
}

TEST_CASE("Members, NumMembers", "[memberlist]") {
  Lone lone(still());
  for (int i = 2; i <= 4; ++i) lone.alive(i);
  lone.suspect(2, 1, "n4");
  lone.dead(3, 1, "n4");
  const auto living = [&] {
    std::vector<std::string> names;
    for (const Member* m : lone.machine.members())
      if (m->state == MemberState::alive || m->state == MemberState::suspect) names.push_back(m->name);
    return names;
  };
  CHECK(living() == std::vector<std::string>{"me", "n2", "n4"});
}
