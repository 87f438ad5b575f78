#include "cluster.hpp"

#include "membership/tombstones.hpp"
#include "membership/wire/codec.hpp"

using namespace plumvine;
using namespace plumvine::test;
namespace wire = plumvine::swim::wire;

namespace {

/// Five members, the last one dead; `order` passes an order from node 0 to the others as links would.
struct Dead {
  Cluster c{5};
  explicit Dead() {
    c.start_all();
    REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
    c.kill(4);
    REQUIRE(c.run_until(60s, [&] { return c.everyone_says(4, MemberState::dead); }));
  }
  void forget_everywhere() {
    c.with(0, [&](swim::Swim& s) { REQUIRE(s.forget("n4", c.now())); });
    pass_on();
  }
  void pass_on() {
    for (const auto& order : c.node(0).forgets_after(0, 100, c.now()))
      for (std::size_t i = 1; i < 5; ++i)
        if (c.up(i)) c.with(i, [&](swim::Swim& s) { s.forget_told(order, c.now()); });
  }
  [[nodiscard]] bool nobody_knows() {
    for (std::size_t i = 0; i < 4; ++i)
      if (c.state(i, 4)) return false;
    return true;
  }
  /// An alive message about the dead member with this incarnation, as hearsay from node 1.
  void hearsay(std::size_t to, std::uint32_t incarnation) {
    const Bytes address = Cluster::endpoint(4).raw();
    constexpr std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2},
                                                std::byte{2}, std::byte{5}, std::byte{4}};
    c.inject(Cluster::endpoint(1), to,
             wire::encoded(wire::Alive{incarnation, "n4", address.view(), 7946, {}, BytesView(versions)}));
  }
};

std::size_t forgotten_events(Cluster& c, std::size_t observer, const std::string& by) {
  const auto& events = c.events(observer);
  return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const MemberEvent& e) {
    return e.kind == MemberEvent::Kind::forgotten && e.member.name == "n4" && e.from == by;
  }));
}

}  // namespace

TEST_CASE("a dead member is forgotten by order, and old news does not bring it back", "[swim][forget]") {
  Dead d;
  d.forget_everywhere();
  CHECK(d.nobody_knows());
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(forgotten_events(d.c, i, "n0") == 1);
    CHECK(d.c.node(i).stats().forgotten == 1);
    CHECK(d.c.node(i).stats().tombstones == 1);
  }
  for (int i = 0; i < 20; ++i) {
    d.hearsay(2, 1);
    d.c.run(1s);
  }
  CHECK(d.nobody_knows());
  CHECK(d.c.node(2).stats().resurrections_refused == 20);
  // Nobody looks for it any more.
  const auto before = d.c.node(0).stats().rejoin_attempts;
  d.c.run(120s);
  CHECK(d.c.node(0).stats().rejoin_attempts == before);
}

TEST_CASE("the order holds for its time, and after it the name is free", "[swim][forget]") {
  SwimConfig config;
  config.tombstone_timeout = 5min;
  Cluster c(3, 1, config);
  c.start_all();
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  c.with(0, [&](swim::Swim& s) {
    s.forget_told({"ghost", Incarnation{3}, "far", 4min}, c.now());
    s.forget_told({"older", Incarnation{3}, "far", 6min}, c.now());
  });
  CHECK(c.node(0).stats().tombstones == 1);
  CHECK(c.node(0).forgets_after(0, 10, c.now()).size() == 1);
  c.run(61s);
  CHECK(c.node(0).forgets_after(0, 10, c.now()).empty());
  CHECK(c.node(0).stats().tombstones == 0);
}

TEST_CASE("only the dead and the left can be forgotten, and by a known name", "[swim][forget]") {
  Dead d;
  const auto forget = [&](const std::string& name) {
    Status status;
    d.c.with(0, [&](swim::Swim& s) { status = s.forget(name, d.c.now()); });
    return status;
  };
  CHECK(forget("nobody").error().code == Errc::not_found);
  CHECK(forget("n1").error().message == "member 'n1' is alive; only the dead and the left can be forgotten");
  CHECK(forget("n0").error().code == Errc::invalid_argument);
  CHECK(forget("").error().code == Errc::invalid_argument);
  CHECK(forget(std::string(513, 'x')).error().code == Errc::invalid_argument);
  CHECK(forget("n4"));
  CHECK(forget("n4"));  // done already
  CHECK(d.c.node(0).stats().forgotten == 1);
  d.c.with(3, [&](swim::Swim& s) { s.leave(d.c.now()); });
  REQUIRE(d.c.run_until(3s, [&] { return d.c.state(0, 3) == MemberState::left; }));
  CHECK(forget("n3"));
  CHECK(d.c.state(0, 3) == std::nullopt);
}

TEST_CASE("one that the table dropped long ago can be forgotten too", "[swim][forget]") {
  Dead d;
  d.c.run(10min);
  REQUIRE(d.c.state(0, 4) == MemberState::dead);
  d.forget_everywhere();
  CHECK(d.nobody_knows());
  CHECK(forgotten_events(d.c, 3, "n0") == 1);
}

TEST_CASE("the process itself comes back", "[swim][forget]") {
  Dead d;
  d.forget_everywhere();
  SECTION("as a new run, with a low incarnation, by answering") { d.c.start(4, {0}); }
  SECTION("where packets do not pass") {
    d.c.packets_pass = [](std::size_t a, std::size_t b) { return a != 4 && b != 4; };
    d.c.start(4, {0});
    REQUIRE(d.c.run_until(200s, [&] { return d.c.state(0, 4) == MemberState::alive; }));
    return;
  }
  REQUIRE(d.c.run_until(10s, [&] { return d.c.one_view(); }));
  // The order that is still under way elsewhere is older than its new life.
  CHECK(d.c.node(0).stats().tombstones == 0);
  for (std::size_t i = 0; i < 4; ++i)
    d.c.with(i, [&](swim::Swim& s) { s.forget_told({"n4", Incarnation{9}, "n9", 60s}, d.c.now()); });
  d.c.run(5s);
  CHECK(d.c.one_view());
}

TEST_CASE("a higher incarnation is believed at once", "[swim][forget]") {
  Dead d;
  d.forget_everywhere();
  d.hearsay(2, 2);
  d.c.run(1s);
  CHECK(d.c.state(2, 4).has_value());
}

TEST_CASE("members forgotten while they were cut off come back when the network is whole", "[swim][forget]") {
  Cluster c(6, 3);
  c.start_all();
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  c.connected = [](std::size_t a, std::size_t b) { return (a < 3) == (b < 3); };
  REQUIRE(c.run_until(120s, [&] { return c.state(0, 4) == MemberState::dead && c.state(0, 5) == MemberState::dead; }));
  for (const char* name : {"n3", "n4", "n5"}) c.with(0, [&](swim::Swim& s) { (void)s.forget(name, c.now()); });
  for (const auto& order : c.node(0).forgets_after(0, 100, c.now()))
    for (const std::size_t i : {1, 2}) c.with(i, [&](swim::Swim& s) { s.forget_told(order, c.now()); });
  c.run(30s);
  c.connected = [](std::size_t, std::size_t) { return true; };
  REQUIRE(c.run_until(60s, [&] { return c.one_view(); }));
}

TEST_CASE("an order about a member that lives here waits for its death, and not for ever", "[swim][forget]") {
  Dead d;
  Cluster& c = d.c;
  const auto order = [&](std::size_t at, const std::string& name, std::uint32_t incarnation) {
    c.with(at, [&](swim::Swim& s) { s.forget_told({name, Incarnation{incarnation}, "n0", Duration{0}}, c.now()); });
  };
  order(2, "n3", 1);
  CHECK(c.state(2, 3) == MemberState::alive);
  SECTION("it dies in time") {
    c.kill(3);
    REQUIRE(c.run_until(60s, [&] { return !c.state(2, 3); }));
    CHECK(c.node(2).stats().forgotten == 1);
    CHECK(c.node(2).stats().deaths + c.node(2).stats().suspicions > 0);
  }
  SECTION("it dies much later") {
    c.run(3min);
    c.kill(3);
    REQUIRE(c.run_until(60s, [&] { return c.state(2, 3) == MemberState::dead; }));
  }
  SECTION("it is older than the member's incarnation") {
    order(2, "n3", 0);
    CHECK(c.node(2).stats().tombstones == 1);
  }
}

TEST_CASE("who is told to be forgotten and lives says so", "[swim][forget]") {
  Dead d;
  d.c.with(1, [&](swim::Swim& s) { s.forget_told({"n1", Incarnation{7}, "n0", 1s}, d.c.now()); });
  CHECK(d.c.node(1).self().incarnation == Incarnation{8});
  d.c.run(5s);
  CHECK(d.c.node(0).find("n1")->incarnation == Incarnation{8});
}

TEST_CASE("tombstones are bounded, the oldest order goes first", "[swim][forget]") {
  Dead d;
  d.c.with(0, [&](swim::Swim& s) {
    for (std::size_t i = 0; i < swim::Tombstones::kMax + 10; ++i)
      s.forget_told({"x" + std::to_string(i), Incarnation{1}, "n0", std::chrono::seconds{5000 - static_cast<int>(i)}}, d.c.now());
  });
  CHECK(d.c.node(0).stats().tombstones == swim::Tombstones::kMax);
  CHECK(d.c.node(0).stats().tombstones_evicted == 10);
  const auto first = d.c.node(0).forgets_after(0, 1, d.c.now());
  REQUIRE(first.size() == 1);
  CHECK(first[0].name == "x10");
}
