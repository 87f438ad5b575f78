#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

constexpr std::uint64_t kPart = frame::kPartSize;

TopicConfigs topics(bool subscribe) {
  TopicConfig policy;
  policy.payloads = Payloads::subscribers;
  policy.subscribe = subscribe;
  return {{"t", policy}};
}
TreeConfig roomy() {
  TreeConfig config;
  config.max_message_size = 64 << 20;
  config.sync_interval = seconds{1};
  return config;
}

/// Nodes in a line or a ring; those of `subscribers` want the topic. Node 0 publishes.
struct Bus : Cluster {
  using Links = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  Bus(std::uint32_t count, const std::set<std::uint32_t>& subscribers, const Links& links = {}) : Cluster(0) {
    for (std::uint32_t n = 0; n < count; ++n) add(roomy(), true, topics(subscribers.contains(n)));
    members();
    for (const auto& [a, b] : links) link(a, b);
    run(seconds{2});
  }
  std::uint64_t parts(std::uint32_t n) { return nodes[n].tree->stats(now).large_parts; }
  std::vector<std::uint32_t> have() const {
    std::vector<std::uint32_t> out;
    for (std::uint32_t n = 0; n < nodes.size(); ++n) {
      if (nodes[n].messages.size() == 1) out.push_back(n);
    }
    return out;
  }
};
using Nodes = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("parts go to subscribers, and through those only who lie on the way to one", "[fetch]") {
  // 0 - 1 - 2 - 3    and at 1: 4 - 5, where nobody wants it
  Bus bus(6, {2}, {{0, 1}, {1, 2}, {2, 3}, {1, 4}, {4, 5}});
  const std::string text = varied(9 * kPart + 7);
  bus.publish(0, text, "t");
  bus.run(seconds{5});
  REQUIRE(bus.have() == Nodes{2});
  CHECK((bus.nodes[2].messages[0].payload.text() == text));
  CHECK(bus.parts(1) == 10);  // hands on
  CHECK(bus.parts(3) == 0);
  CHECK(bus.parts(4) == 0);
  CHECK(bus.parts(5) == 0);
  for (std::uint32_t n = 0; n < 6; ++n) {
    INFO("node " << n);
    CHECK(bus.nodes[n].lost.empty());
    CHECK(bus.nodes[n].tree->stats(bus.now).missing_messages == 0);
    CHECK(bus.nodes[n].tree->stats(bus.now).duplicate == 0);
  }
  bus.run(seconds{10});  // digests bring nobody what it does not want
  CHECK(bus.parts(3) + bus.parts(4) + bus.parts(5) == 0);
}

TEST_CASE("small payloads of such a topic go to all, and are delivered to subscribers", "[fetch]") {
  Bus bus(3, {2}, {{0, 1}, {1, 2}});
  bus.publish(0, "small", "t");
  bus.run(seconds{2});
  CHECK(bus.have() == Nodes{2});
  CHECK(bus.nodes[1].tree->stats(bus.now).store_messages == 1);
}

TEST_CASE("several subscribers share the way", "[fetch]") {
  Bus bus(8, {3, 5, 6, 7}, {{0, 1}, {1, 2}, {2, 3}, {2, 4}, {2, 5}, {2, 6}, {2, 7}});
  const std::string text = varied(20 * kPart);
  bus.publish(0, text, "t");
  bus.run(seconds{5});
  CHECK(bus.have() == Nodes{3, 5, 6, 7});
  for (const std::uint32_t n : {3, 5, 6, 7}) CHECK((bus.nodes[n].messages.at(0).payload.text() == text));
  CHECK(bus.parts(1) == 20);
  CHECK(bus.parts(2) == 20);
  CHECK(bus.parts(4) == 0);
  CHECK(bus.nodes[0].tree->stats(bus.now).gossip_sent == 1 + 20);
}

TEST_CASE("a subscriber gets its parts another way when the one it asked is gone", "[fetch]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    INFO("seed " << seed);
    Bus bus(8, {4, 6});
    bus.ring(3);
    bus.run(seconds{2});
    Rng rng{seed};
    bus.drop = [&](std::uint32_t, std::uint32_t, const Frame& frame) { return std::holds_alternative<frame::Gossip>(frame) && rng.chance(0.1); };
    const std::string text = varied(40 * kPart, seed);
    bus.publish(0, text, "t");
    bus.run(milliseconds{5 + static_cast<int>(rng.below(40))});
    bus.crash(static_cast<std::uint32_t>(1 + rng.below(3)));
    bus.run(seconds{60});
    REQUIRE(bus.have() == Nodes{4, 6});
    CHECK((bus.nodes[4].messages[0].payload.text() == text));
    CHECK((bus.nodes[6].messages[0].payload.text() == text));
    CHECK(bus.nodes[4].lost.empty());
    CHECK(bus.nodes[6].lost.empty());
  }
}

TEST_CASE("when nobody holds the parts any more, who asked for them is told, and the message is reported", "[fetch]") {
  Bus bus(3, {2}, {{0, 1}});
  bus.publish(0, varied(9 * kPart), "t");
  bus.run(seconds{1});
  bus.crash(0);
  bus.link(1, 2);
  bus.run(seconds{30});
  CHECK(bus.have() == Nodes{});
  REQUIRE(bus.nodes[2].lost.size() == 1);
  CHECK(bus.nodes[2].lost[0].reason == LossReason::evicted);
  CHECK(bus.nodes[1].lost.empty());
  CHECK(bus.nodes[1].tree->stats(bus.now).missing_messages == 0);
}

TEST_CASE("a publisher of parts that are fetched waits for those who fetch them", "[fetch]") {
  Bus bus(3, {2}, {{0, 1}, {1, 2}});
  bus.publish(0, "small", "t");
  bus.run(seconds{1});
  bus.drop = [](std::uint32_t, std::uint32_t, const Frame& frame) {
    const auto* gossip = std::get_if<frame::Gossip>(&frame);
    return gossip != nullptr && frame::is_parts(gossip->id.origin);
  };
  bus.publish(0, varied(4 * kPart), "t");
  bus.run(milliseconds{500});
  CHECK(bus.nodes[0].acked.back() == 1);
  bus.drop = nullptr;
  bus.run(seconds{10});
  CHECK(bus.nodes[0].acked.back() == 2);
  CHECK(bus.nodes[2].messages.size() == 2);
}

TEST_CASE("a node that does not subscribe delivers and acknowledges nothing of the topic", "[fetch]") {
  Single s(roomy(), 2, topics(false));
  s.receive(1, gossip(1));
  auto large = gossip(2);
  large.payload = {};
  large.about = frame::About{.size = 2 * kPart, .encoded_size = 2 * kPart, .first = 1};
  s.receive(1, large);
  s.tree.publish(1, "t", Bytes::copy_of("own"), true, s.now);
  s.drain();
  CHECK(s.messages.empty());
  CHECK(s.lost.empty());
  CHECK(s.to<frame::Gossip>() == Peers{2, 2, 1, 2});
  s.receive(1, frame::AckRequest{instance(50), 1, {{1, 2}}});
  s.advance(seconds{1});
  s.drain();
  CHECK(s.to<frame::Acks>().empty());
  CHECK(s.tree.position().origins().at(instance(50)).list() == std::vector<SequenceRange>{{1, 2}});
}
