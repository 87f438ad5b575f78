// One name at two addresses: processes that were started again elsewhere, and names used twice.
#include "unit/memberlist/lone.hpp"
#include "unit/membership/cluster.hpp"

#include <catch2/catch.hpp>

using namespace plumvine;
using namespace plumvine::test;
using wire::MessageType;

namespace {

/// An alive message of n7's run `run`, which is at 10.0.0.`at`.
void announce(Lone& lone, int at, std::uint64_t run, std::uint32_t incarnation) {
  lone.alive_as("n7", Lone::at(at), incarnation, encode_tags({{"pvi", to_string(InstanceId{run})}}).text());
}

/// A machine that knows run 1 of n7 with incarnation 3 at 10.0.0.7, and members 2 to 5.
Lone with_old_run() {
  SwimConfig config;
  config.push_pull_interval = 0s;
  Lone lone(config);
  for (int i = 2; i <= 5; ++i) lone.alive(i);
  announce(lone, 7, 1, 3);
  lone.sent.clear();
  lone.events.clear();
  return lone;
}

Endpoint place(const Lone& lone) { return lone.machine.find("n7")->endpoint(); }

/// The number of the ping that went to the old address.
std::uint32_t ping_to_old(Lone& lone) {
  for (int k = 0; k < 20; ++k) {
    const auto ping = lone.until_sent(MessageType::ping, 2s);
    REQUIRE(ping.has_value());
    const auto [sequence, name] = Lone::ping_in(*ping);
    if (ping->to == Lone::at(7)) return sequence;
    lone.ack(sequence, std::stoi(name.substr(1)));
  }
  return 0;
}

}  // namespace

TEST_CASE("a new run elsewhere has the old address probed at once, and the name when nothing answers there", "[swim][claims]") {
  Lone lone = with_old_run();
  announce(lone, 8, 2, 1);
  CHECK(place(lone) == Lone::at(7));
  CHECK(lone.machine.stats().conflicts == 0);
  CHECK(lone.count(MemberEvent::Kind::conflict) == 0);
  lone.machine.handle_timeout(lone.now);
  lone.drain();
  REQUIRE(ping_to_old(lone) != 0);
  lone.wait(1100ms);
  CHECK(place(lone) == Lone::at(8));
  CHECK(lone.state(7) == MemberState::alive);
  CHECK(lone.machine.find("n7")->incarnation == Incarnation{1});
  CHECK(lone.machine.stats().suspicions == 0);
  // People see the old run end and the new one come.
  CHECK(lone.count(MemberEvent::Kind::died) == 1);
  CHECK(lone.count(MemberEvent::Kind::joined) == 1);
  CHECK(lone.machine.stats().false_positives == 0);
}

TEST_CASE("a claim is refused when the old address answers", "[swim][claims]") {
  Lone lone = with_old_run();
  announce(lone, 8, 2, 9);
  const std::uint32_t sequence = ping_to_old(lone);
  lone.ack(sequence, 7);
  CHECK(lone.machine.stats().conflicts == 1);
  CHECK(lone.count(MemberEvent::Kind::conflict) == 1);
  lone.wait(100ms);
  CHECK(place(lone) == Lone::at(7));
  SECTION("an old claim is forgotten then") {
    lone.suspect(7, 3, "n2");
    CHECK(lone.state(7) == MemberState::suspect);
    CHECK(place(lone) == Lone::at(7));
  }
  SECTION("the claim repeated has it probed again") {
    announce(lone, 8, 2, 9);
    CHECK(ping_to_old(lone) != 0);
  }
}

TEST_CASE("news that the old run is missed gives a waiting claim the name", "[swim][claims]") {
  Lone lone = with_old_run();
  announce(lone, 8, 2, 1);
  const int how = GENERATE(0, 1, 2);
  if (how == 0) lone.suspect(7, 3, "n2");
  if (how == 1) lone.dead(7, 3, "n2");
  if (how == 2) lone.dead(7, 3, "n7");
  CHECK(place(lone) == Lone::at(8));
  CHECK(lone.state(7) == MemberState::alive);
}

TEST_CASE("a claim by who is not another run of ours is refused at once", "[swim][claims]") {
  Lone lone = with_old_run();
  SECTION("the same run elsewhere") { announce(lone, 8, 1, 9); }
  SECTION("a program without instances") { lone.alive_as("n7", Lone::at(8), 9); }
  CHECK(lone.machine.stats().conflicts == 1);
  lone.suspect(7, 3, "n2");
  CHECK(place(lone) == Lone::at(7));
  CHECK(lone.state(7) == MemberState::suspect);
}

TEST_CASE("a new run takes the name of a suspect or dead one, whatever its incarnation", "[swim][claims]") {
  Lone lone = with_old_run();
  if (GENERATE(true, false)) lone.dead(7, 3, "n2");
  else lone.suspect(7, 3, "n2");
  SECTION("the same run elsewhere is refused") {
    announce(lone, 8, 1, 9);
    CHECK(place(lone) == Lone::at(7));
  }
  SECTION("a new one is taken") {
    announce(lone, 8, 2, 1);
    CHECK(place(lone) == Lone::at(8));
    CHECK(lone.state(7) == MemberState::alive);
  }
}

TEST_CASE("late news of the run that lost the name claims nothing, for a while", "[swim][claims]") {
  Lone lone = with_old_run();
  lone.suspect(7, 3, "n2");
  announce(lone, 8, 2, 1);
  REQUIRE(place(lone) == Lone::at(8));
  lone.sent.clear();
  announce(lone, 7, 1, 4);  // a refutation that was under way
  lone.machine.handle_timeout(lone.now);
  lone.drain();
  CHECK(place(lone) == Lone::at(8));
  lone.wait(5s);
  CHECK(place(lone) == Lone::at(8));
  CHECK(lone.machine.stats().conflicts == 0);
  CHECK(lone.count(MemberEvent::Kind::conflict) == 0);
}

TEST_CASE("only the last claim of a name is kept", "[swim][claims]") {
  Lone lone = with_old_run();
  for (int run = 2; run <= 6; ++run) announce(lone, 10 + run, static_cast<std::uint64_t>(run), 1);
  lone.suspect(7, 3, "n2");
  CHECK(place(lone) == Lone::at(16));
}

TEST_CASE("a new run elsewhere knows soon that the name is its own, and its farewell is heard", "[swim][claims]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO(seed);
    Cluster c(4, seed);
    for (std::size_t i = 0; i < 3; ++i) c.start(i, {0});
    c.run(5s);
    c.kill(1);
    c.start_as(1, 3, {0});
    c.run(100ms);
    CHECK(c.node(3).name_taken());
    CHECK_FALSE(c.node(3).name_holder(c.now()));
    REQUIRE(c.run_until(3s, [&] { return !c.node(3).name_taken(); }));
    CHECK(c.state(0, 1) == MemberState::alive);
    c.with(3, [&](swim::Swim& machine) { machine.leave(c.now()); });
    c.run(1s);
    CHECK(c.state(0, 1) == MemberState::left);
    CHECK(c.state(2, 1) == MemberState::left);
  }
}

TEST_CASE("whose name another process has says so, and compares tables no more often for it after a while", "[swim][claims]") {
  Cluster c(4, 1);
  for (std::size_t i = 0; i < 3; ++i) c.start(i, {0});
  c.run(5s);
  c.start_as(1, 3, {0});
  c.run(3500ms);
  CHECK(c.node(3).name_holder(c.now()) == Cluster::endpoint(1));
  c.run(10s);
  const auto compared = [&] { return c.node(3).stats().digests.total() + c.node(3).stats().push_pulls.total(); };
  const std::uint64_t before = compared();
  c.run(60s);
  CHECK(compared() - before < 20);
  CHECK(c.node(3).name_holder(c.now()) == Cluster::endpoint(1));
  CHECK(c.state(0, 1) == MemberState::alive);
}
