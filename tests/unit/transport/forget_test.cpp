#include "cluster.hpp"
#include "membership/wire/codec.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

bool knows(const TestNode& node, const std::string& name) {
  const auto s = node.snapshot();
  return std::any_of(s->members.begin(), s->members.end(), [&](const MemberInfo& m) { return m.member.name == name; });
}
bool says_dead(const TestNode& node, const std::string& name) {
  const auto s = node.snapshot();
  return std::any_of(s->members.begin(), s->members.end(), [&](const MemberInfo& m) {
    return m.member.name == name && m.member.state == MemberState::dead;
  });
}

}  // namespace

TEST_CASE("an order to forget goes over the links to everybody, and mends the partition status", "[engine][forget]") {
  TestCluster c;
  c.add_many(5);
  REQUIRE(c.settle(4));
  c.net.kill(c[4].host);
  const auto all = [&](const auto& holds) { return std::all_of(c.nodes.begin(), c.nodes.begin() + 4, [&](auto& n) { return holds(*n); }); };
  REQUIRE(c.run_until([&] { return all([](TestNode& n) { return says_dead(n, "e"); }); }, 60s));
  CHECK(c[2].snapshot()->partition == PartitionState::partial);
  REQUIRE(c[1].driver->forget("e"));
  const bool gone = c.run_until([&] { return all([](TestNode& n) { return !knows(n, "e"); }); }, 1s);
  CHECK(gone);
  c.run_for(100ms);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(c[i].snapshot()->partition == PartitionState::healthy);
    CHECK(c[i].snapshot()->swim.forgotten == 1);
    CHECK(c[i].members.back().kind == MemberEvent::Kind::forgotten);
    CHECK(c[i].members.back().from == "b");
    CHECK(c[i].logged("PV1111 Member e is forgotten, by an order given at b"));
  }
  CHECK(c[1].driver->forget("a").error().code == Errc::invalid_argument);
  CHECK(c[1].driver->forget("nobody").error().code == Errc::not_found);
  c.nodes.pop_back();
  c.check_invariants();

  SECTION("one that joins later is told as well") {
    TestNode& late = c.add_at("10.0.0.9:7946", "late");
    REQUIRE(c.run_until([&] { return late.snapshot()->swim.tombstones == 1; }, 20s));
    CHECK(!knows(late, "e"));
  }
  SECTION("the process comes back") {
    c.add_at("10.0.0.5:7946", "e");
    REQUIRE(c.run_until([&] { return all([](TestNode& n) { return knows(n, "e") && !says_dead(n, "e"); }); }, 20s));
    REQUIRE(c.settle(4));
    c.run_for(5s);
    CHECK(all([](TestNode& n) { return knows(n, "e"); }));
    c.check_invariants();
  }
}

TEST_CASE("many orders are paced, and all arrive", "[engine][forget]") {
  TestCluster c;
  for (const char* name : {"a", "b"}) c.add(name, [](Config& config) { config.swim.disable_tcp_pings = true; });
  REQUIRE(c.settle(1));
  const auto told = [&](std::size_t i) { return c[i].snapshot()->swim.tombstones; };
  // A third member, spoken by hand; where it is said to be, nobody answers dials.
  RawPeer raw{c.net.add_host("10.0.0.9:7946")};
  const Bytes address = Endpoint::parse("10.0.0.99:7946")->raw();
  const Bytes meta = encode_tags({{std::string{kTagInstance}, to_string(InstanceId{5})}, {std::string{kTagLinks}, "1"}});
  constexpr std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  raw.host.send_packet(c[0].host.address(), swim::wire::encoded(swim::wire::Alive{
                                                1, "x", address.view(), 7946, meta.view(), BytesView(versions)}));
  raw.dial(c[0].host.address());
  c.run_for(10ms);
  raw.write(wire::preface());
  raw.send(frame::Hello{.name = "x", .instance = InstanceId{5}});
  REQUIRE(c.run_until([&] { return raw.first<frame::Hello>() != nullptr; }, 1s));
  frame::Forget many;
  for (std::size_t i = 0; i < wire::kForgetsMax; ++i) many.orders.push_back({"x" + std::to_string(i), 1, 0, "far"});
  for (std::size_t round = 0; round < 4; ++round) {
    for (auto& order : many.orders) order.name += "y";
    raw.send(many);
  }
  c.run_for(100ms);
  CHECK(told(0) == 4 * wire::kForgetsMax);
  CHECK(told(1) < 4 * wire::kForgetsMax);
  CHECK(c.run_until([&] { return told(1) == 4 * wire::kForgetsMax; }, 2s));
}
