#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

struct Acked : Cluster {
  explicit Acked(std::uint32_t nodes, TopicConfigs topics = {}) : Cluster(nodes, {}, 1, std::move(topics)) {
    ring(nodes / 3);
    members();
    run(seconds{2});
  }
  Sequence ask(std::uint32_t acks, Duration timeout = seconds{5}, std::string topic = "t") {
    const Sequence sequence = publish(0, "x", std::move(topic));
    nodes[0].tree->want_receipt(sequence, acks, timeout, now);
    drain(0);
    return sequence;
  }
  const std::vector<tree::Receipted>& receipts() { return nodes[0].receipts; }
};

}  // namespace

TEST_CASE("everybody's acknowledgement makes a receipt", "[receipts]") {
  Acked c(20);
  const Sequence sequence = c.ask(UINT32_MAX);
  c.run(milliseconds{200});
  REQUIRE(c.receipts().size() == 1);
  CHECK(c.receipts()[0].id == MessageId{instance(0), sequence});
  CHECK(c.receipts()[0].complete);
  CHECK(c.receipts()[0].acked.size() == 19);
  CHECK(c.receipts()[0].missing.empty());
  CHECK(c.stats(0).receipts[ReceiptResult::complete] == 1);
}

TEST_CASE("so many acknowledgements are enough as were asked for", "[receipts]") {
  Acked c(20);
  c.ask(2);
  c.run(seconds{1});
  REQUIRE(c.receipts().size() == 1);
  CHECK(c.receipts()[0].complete);
  CHECK(c.receipts()[0].acked.size() >= 2);
  CHECK(c.receipts()[0].acked.size() + c.receipts()[0].missing.size() == 19);
}

TEST_CASE("a receipt that runs out of time names who is missing", "[receipts]") {
  Acked c(6);
  c.nodes[3].tree->pause_delivery(true, c.now);
  c.ask(UINT32_MAX, seconds{3});
  c.run(milliseconds{2900});
  CHECK(c.receipts().empty());
  c.run(milliseconds{200});
  REQUIRE(c.receipts().size() == 1);
  CHECK_FALSE(c.receipts()[0].complete);
  CHECK(c.receipts()[0].missing == std::vector<InstanceId>{instance(3)});
  CHECK(c.stats(0).receipts[ReceiptResult::timed_out] == 1);
}

TEST_CASE("a member acknowledges what was delivered, not what was lost on it", "[receipts]") {
  TopicConfig small;
  small.max_size = 1;
  Acked c(4, {{"tiny", small}});
  const Sequence sequence = c.publish(0, "too large", "tiny");
  c.nodes[0].tree->want_receipt(sequence, UINT32_MAX, seconds{2}, c.now);
  c.run(seconds{3});
  REQUIRE(c.receipts().size() == 1);
  CHECK(c.receipts()[0].acked.empty());
  CHECK(c.receipts()[0].missing.size() == 3);
}

TEST_CASE("a member that is late acknowledges late, and lost frames are asked for again", "[receipts]") {
  Acked c(8);
  c.nodes[3].tree->pause_delivery(true, c.now);
  c.loss = 0.3;
  c.ask(UINT32_MAX, seconds{20});
  c.run(seconds{2});
  CHECK(c.receipts().empty());
  c.nodes[3].tree->pause_delivery(false, c.now);
  c.drain(3);
  c.run(seconds{18});
  REQUIRE(c.receipts().size() == 1);
  CHECK(c.receipts()[0].complete);
  CHECK(c.receipts()[0].acked.size() == 7);
}

TEST_CASE("answers of a hundred members come in few frames", "[receipts]") {
  Acked c(100);
  std::size_t frames = 0, to_publisher = 0;
  c.watch = [&](std::uint32_t, std::uint32_t to, const Frame& frame) {
    const bool acks = std::holds_alternative<frame::Acks>(frame);
    if (acks || std::holds_alternative<frame::AckRequest>(frame)) ++frames;
    if (acks && to == 0) ++to_publisher;
  };
  for (int i = 0; i < 10; ++i) c.ask(UINT32_MAX);
  c.run(milliseconds{400});
  REQUIRE(c.receipts().size() == 10);
  CHECK(c.receipts()[9].acked.size() == 99);
  CHECK(frames < 1500);  // 4 links a node; ten receipts
  CHECK(to_publisher < 120);
}

TEST_CASE("requests for acknowledgements that come in a flood are not passed on", "[receipts]") {
  Single s({}, 2);
  for (std::uint64_t round = 1; round <= 100; ++round) s.receive(1, frame::AckRequest{instance(50), round, {{1, 1}}});
  s.drain();
  CHECK(s.to<frame::AckRequest>() == Peers{2});
  CHECK(s.tree.stats(s.now).rate_limited[RateLimited::ack] == 99);
  for (std::uint32_t origin = 100; origin < 400; ++origin) s.receive(1, frame::AckRequest{instance(origin), 1, {{1, 1}}});
  s.drain();
  CHECK(s.to<frame::AckRequest>().size() == 255);
  s.advance(seconds{11});  // those that ask no more are forgotten
  s.receive(1, frame::AckRequest{instance(400), 1, {{1, 1}}});
  s.drain();
  CHECK(s.to<frame::AckRequest>() == Peers{2});
}

TEST_CASE("alone there is nobody to wait for", "[receipts]") {
  Cluster c(1);
  c.members();
  c.publish(0);
  c.nodes[0].tree->want_receipt(1, UINT32_MAX, seconds{5}, c.now);
  c.drain(0);
  c.run(milliseconds{1});
  REQUIRE(c.nodes[0].receipts.size() == 1);
  CHECK(c.nodes[0].receipts[0].complete);
}

TEST_CASE("more receipts than there is room for end at once", "[receipts]") {
  Cluster c(3);
  c.ring();
  c.members();
  for (int i = 0; i < 300; ++i) {
    c.publish(0);
    c.nodes[0].tree->want_receipt(c.nodes[0].published, UINT32_MAX, seconds{5}, c.now);
  }
  c.run(Duration{0});
  CHECK(c.nodes[0].receipts.size() == 44);
  c.run(seconds{1});
  CHECK(c.nodes[0].receipts.size() == 300);
}

TEST_CASE("answers for publishers that did not ask, and of strangers, are dropped", "[receipts]") {
  Single s({}, 2);
  s.tree.set_members({{instance(0), instance(1), instance(2), instance(50)}, 0}, s.now);
  s.receive(2, frame::Acks{instance(50), {{instance(2), {{1, 1}}}}});
  s.receive(1, frame::AckRequest{instance(50), 1, {{1, 1}}});
  s.receive(1, frame::AckRequest{instance(50), 1, {{1, 1}}});  // again
  s.drain();
  CHECK(s.to<frame::AckRequest>() == Peers{2});  // passed on once
  s.receive(2, frame::Acks{instance(50), {{instance(2), {{1, 1}}}, {instance(99), {{1, 1}}}}});
  s.advance(milliseconds{50});
  s.drain();
  REQUIRE(s.to<frame::Acks>() == Peers{1});
  CHECK(s.first<frame::Acks>().members == std::vector<frame::OriginRanges>{{instance(2), {{1, 1}}}});
  s.receive(1, gossip(1));
  s.advance(milliseconds{50});
  s.drain();
  REQUIRE(s.to<frame::Acks>() == Peers{1});
  CHECK(s.first<frame::Acks>().members == std::vector<frame::OriginRanges>{{instance(0), {{1, 1}}}});
}
