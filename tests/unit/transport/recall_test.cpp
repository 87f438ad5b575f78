#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

TEST_CASE("members known from before are found again without any seed", "[recall]") {
  TestCluster c;
  c.add_many(3);
  REQUIRE(c.settle(2));
  const std::string place = c[0].host.address().to_string();
  c.net.kill(c[0].host);
  REQUIRE(c.run_until([&] { return !c[1].snapshot()->unreachable.empty(); }, 60s));
  c.known_peers = {{"b", c[1].host.address()}, {"c", c[2].host.address()}, {"elsewhere", *Endpoint::parse("10.0.0.99:7946")}};
  TestNode& back = c.add_at(place, "a", [](Config& config) { config.seeds.clear(); });
  CHECK_FALSE(back.ready());
  REQUIRE(c.run_until([&] { return back.ready() && back.links().size() == 2; }, 4s));
  CHECK(back.snapshot()->members.size() == 3);
  CHECK_FALSE(back.logged("PV1403"));  // it did not start alone
}

TEST_CASE("without a seed, and with nobody left of those known, a node starts alone after five seconds", "[recall]") {
  TestCluster c;
  c.known_peers = {{"b", *Endpoint::parse("10.0.0.98:7946")}, {"c", *Endpoint::parse("10.0.0.99:7946")}};
  TestNode& a = c.add("a");
  c.run_for(4s);
  CHECK(a.snapshot()->not_ready_reason.find("known from before") != std::string::npos);
  REQUIRE(c.run_until([&] { return a.ready(); }, 2s));
  // Somebody of them comes up later: it is found all the same, and both halves become one.
  c.known_peers.clear();
  TestNode& b = c.add_at("10.0.0.98:7946", "b", [](Config& config) { config.seeds.clear(); });
  REQUIRE(c.run_until([&] { return a.links().size() == 1 && b.links().size() == 1; }, 60s));
}

TEST_CASE("with a seed that does not answer, known members do not make a node ready", "[recall]") {
  TestCluster c;
  c.known_peers = {{"b", *Endpoint::parse("10.0.0.98:7946")}};
  TestNode& a = c.add("a", [](Config& config) { config.seeds = {"10.0.0.97:7946"}; });
  c.run_for(30s);
  CHECK(a.snapshot()->not_ready_reason == "not joined: no seed has answered yet");
}

TEST_CASE("somebody else at the address of a known member is not taken for it", "[recall]") {
  TestCluster c;
  TestNode& other = c.add("other");
  REQUIRE(c.run_until([&] { return other.ready(); }, 10s));
  c.known_peers = {{"b", other.host.address()}};
  TestNode& a = c.add("a", [](Config& config) { config.seeds.clear(); });
  c.run_for(60s);
  CHECK(a.snapshot()->members.size() == 1);
  CHECK(other.snapshot()->members.size() == 1);
}
