#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

TEST_CASE("five members that join by one seed see each other", "[swim]") {
  Cluster c(5);
  c.start_all();
  const auto took = c.run_until(5s, [&] { return c.one_view(); });
  REQUIRE(took);
  CHECK(to_seconds(*took) < 3);
  for (std::size_t i = 1; i < 5; ++i) CHECK(c.node(i).joined());
  CHECK(c.packet_bytes_max <= 1400 + 2);
}

TEST_CASE("a killed member is dead everywhere within memberlist's bounds", "[swim]") {
  Cluster c(5);
  c.start_all();
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  c.run(10s);
  c.kill(4);
  const auto took = c.run_until(40s, [&] { return c.everyone_says(4, MemberState::dead); });
  REQUIRE(took);
  CHECK(to_seconds(*took) < 20);
  CHECK(to_seconds(*took) > 4);
}

TEST_CASE("a member that leaves is left everywhere within three seconds", "[swim]") {
  Cluster c(5);
  c.start_all();
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  c.run(10s);
  c.with(3, [&](swim::Swim& s) { s.leave(c.now()); });
  const auto took = c.run_until(10s, [&] { return c.everyone_says(3, MemberState::left) && c.leave_done(3); });
  REQUIRE(took);
  CHECK(to_seconds(*took) < 3);
  CHECK(c.node(3).has_left());
}

TEST_CASE("a restarted member is alive again at once", "[swim]") {
  Cluster c(5);
  c.start_all();
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  SECTION("before anybody noticed") {
    c.kill(3);
    c.start(3, {0});
  }
  SECTION("after its death") {
    c.kill(3);
    REQUIRE(c.run_until(60s, [&] { return c.everyone_says(3, MemberState::dead); }));
    c.start(3, {0});
  }
  SECTION("after it was forgotten") {
    c.kill(3);
    c.run(120s);
    c.start(3, {0});
  }
  SECTION("after leaving") {
    c.with(3, [&](swim::Swim& s) { s.leave(c.now()); });
    c.run(3s);
    c.kill(3);
    c.start(3, {0});
  }
  const InstanceId instance = c.instance(3);
  const auto took = c.run_until(10s, [&] {
    if (!c.one_view()) return false;
    for (std::size_t i = 0; i < 5; ++i)
      if (decode_tags(c.node(i).find("n3")->meta.view()).at("pvi") != to_string(instance)) return false;
    return true;
  });
  REQUIRE(took);
  CHECK(to_seconds(*took) < 3);
}

TEST_CASE("all seeds dead and restarted are one cluster again within 30 s", "[swim]") {
  Cluster c(6);
  for (std::size_t i = 0; i < 6; ++i) c.start(i, {0, 1});
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  const auto down = GENERATE(1s, 20s, 200s);
  c.kill(0);
  c.kill(1);
  c.run(down);
  INFO("down for " << down.count() << " s");
  c.start(0, {0, 1});
  c.start(1, {0, 1});
  const auto took = c.run_until(30s, [&] { return c.one_view(); });
  REQUIRE(took);
}

TEST_CASE("two halves that were split are one view within 45 s", "[swim]") {
  Cluster c(10, 7);
  c.start_all();
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  const auto split = GENERATE(30s, 60s, 90s, 600s, 3600s);
  c.connected = [](std::size_t a, std::size_t b) { return (a < 5) == (b < 5); };
  c.run(split);
  CHECK(c.state(0, 9) != MemberState::alive);
  c.connected = [](std::size_t, std::size_t) { return true; };
  const auto took = c.run_until(60s, [&] { return c.one_view(); });
  REQUIRE(took);
  INFO(to_seconds(*took));
  CHECK(to_seconds(*took) < 45);
}
