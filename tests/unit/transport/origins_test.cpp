// Signed origins between whole nodes: versions that know no signatures, and keys that outlive a process.
#include "cluster.hpp"
#include "membership/wire/codec.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

void signing(Config& config) {
  config.tree.sign_origins = SignOrigins::require;
}

bool heard(const TestNode& node, const std::string& text) {
  return std::any_of(node.messages.begin(), node.messages.end(), [&](const auto& one) { return one.second == text; });
}

/// What an earlier run knew an hour ago: another key than the member has now.
frame::KeptKey old_key_of(TestNode& any, const std::string& member) {
  return {member, Signer(member, 200).tools.own, false, any.host.wall_us() - std::int64_t{3600} * 1'000'000};
}

}  // namespace

TEST_CASE("a member whose links are of a version before signatures gets broadcasts without them", "[engine][origins]") {
  const std::string version = GENERATE("1", "2", "10", "x");
  CAPTURE(version);
  TestCluster c;
  TestNode& a = c.add("a", signing);
  RawPeer raw{c.net.add_host("10.0.0.9:7946")};
  const Bytes address = Endpoint::parse("10.0.0.99:7946")->raw();
  const Bytes meta =
      encode_tags({{std::string{kTagInstance}, to_string(InstanceId{5})}, {std::string{kTagLinks}, version}});
  constexpr std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2},
                                              std::byte{2}, std::byte{5}, std::byte{4}};
  raw.host.send_packet(a.host.address(), swim::wire::encoded(swim::wire::Alive{1, "x", address.view(), 7946,
                                                                               meta.view(), BytesView(versions)}));
  raw.dial(a.host.address());
  c.run_for(10ms);
  raw.write(wire::preface());
  raw.send(frame::Hello{.name = "x", .instance = InstanceId{5}});
  REQUIRE(c.run_until([&] { return raw.first<frame::Hello>() != nullptr; }, 1s));
  a.publish("one");
  raw.send(frame::Pull{{{a.snapshot()->instance, {{1, 1}}}}});
  REQUIRE(c.run_until([&] { return raw.first<frame::Gossip>() != nullptr; }, 1s));
  CHECK(static_cast<bool>(raw.first<frame::Gossip>()->signature) == (version == "2" || version == "10"));
  CHECK(raw.first<frame::Gossip>()->payload.text() == "one");
}

TEST_CASE("a member that starts again does not believe another key than the one it kept", "[engine][origins]") {
  TestCluster c;
  c.add("a", signing);
  c.add("b", signing);
  REQUIRE(c.settle(1));
  c.origin_keys = {old_key_of(c[0], "b"), old_key_of(c[0], "c")};  // of itself it knows better
  TestNode& again = c.add("c", signing);
  REQUIRE(c.settle(2));
  CHECK(again.logged("warn tree PV1311 Member b shows the key "));
  c[1].publish("of another key");
  c[0].publish("of a");
  REQUIRE(c.run_until([&] { return heard(again, "of a") && heard(c[0], "of another key"); }, 10s));
  c.run_for(5s);
  CHECK_FALSE(heard(again, "of another key"));
  CHECK(again.snapshot()->tree.origins_refused[OriginRefused::other_key] > 0);
  // What it keeps now is still the old one of b, and what it heard of a.
  const auto kept = again.driver->origin_keys();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].key == *frame::parse_origin_key(c[0].snapshot()->members.front().tags().at(std::string{kTagOrigin})));
  CHECK(kept[1].key.key == Signer("b", 200).tools.own.key);
  CHECK(kept[1].seen_us < kept[0].seen_us);
}

TEST_CASE("a member that comes back hears that a name was forgotten, and forgets its key", "[engine][origins]") {
  TestCluster c;
  c.add("a", signing);
  c.add("b", signing);
  REQUIRE(c.settle(1));
  c[1].driver->leave();
  REQUIRE(c.run_until([&] { return c[1].leaves_done == 1; }, 20s));
  c.run_for(3s);
  REQUIRE(c[0].driver->forget("b"));
  c.origin_keys = {old_key_of(c[0], "b"), old_key_of(c[0], "somebody")};
  TestNode& again = c.add("c", signing);
  c.origin_keys.clear();
  REQUIRE(
      c.run_until([&] { return again.logged("info tree PV1312 The key that member b had before is forgotten"); }, 20s));
  TestNode& anew = c.add("b", signing);
  REQUIRE(c.run_until([&] { return again.snapshot()->tree.origin_keys == 4 && anew.ready(); }, 20s));
  anew.publish("with a new key");
  REQUIRE(c.run_until([&] { return heard(again, "with a new key") && heard(c[0], "with a new key"); }, 10s));
  // Of whom nothing but a key is left, by an order here.
  CHECK(again.driver->forget("somebody"));
  CHECK(again.snapshot()->tree.origin_keys == 3);
  CHECK_FALSE(again.driver->forget("somebody"));
}
