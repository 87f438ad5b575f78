#include <catch2/catch.hpp>

#include <sim/sim_cluster.hpp>

using namespace plumvine;
using namespace plumvine::sim;
using namespace std::chrono_literals;

TEST_CASE("a forgotten member stays forgotten through loss, partitions and restarts of others", "[sim]") {
  ClusterOptions options;
  options.nodes = 8;
  options.seed = GENERATE(range(1, 5));
  options.path.loss = 0.02;
  CAPTURE(options.seed);
  SimCluster c(options);
  c.start_all();
  REQUIRE(c.run_until([&] { return c.settled(); }, 60s));
  c.kill(7);
  const auto all_miss_it = [&] {
    for (const std::size_t i : c.live())
      if (c.state_of(i, 7) != MemberState::dead) return false;
    return true;
  };
  REQUIRE(c.run_until(all_miss_it, 60s));
  // Half of them do not hear the order at first.
  c.partition({{0, 1, 2, 3}, {4, 5, 6}});
  Status status;
  c.node(1).command([&](Driver& d) { status = d.forget("n7"); });
  c.run_for(100ms);
  REQUIRE(status);
  CHECK(!c.state_of(3, 7));
  c.run_for(2s);
  c.heal();
  const auto unknown = [&] {
    for (const std::size_t i : c.live())
      if (c.state_of(i, 7)) return false;
    return true;
  };
  REQUIRE(c.run_until(unknown, 60s));
  c.kill(4);
  c.start(4);
  bool stayed = true;
  for (int i = 0; i < 120; ++i) {
    c.run_for(1s);
    stayed = stayed && unknown();
  }
  CHECK(stayed);
  REQUIRE(c.run_until([&] { return c.settled(); }, 60s));
  // The process itself may come back.
  c.start(7);
  REQUIRE(c.run_until([&] { return c.settled() && c.state_of(3, 7) == MemberState::alive; }, 60s));
  c.check_now();
  CHECK(c.violations().empty());
}
