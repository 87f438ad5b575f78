#include <catch2/catch.hpp>

#include "plumtree/topics.hpp"
#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

TopicConfigs one(std::string name, TopicConfig policy) { return {{std::move(name), policy}}; }
TopicConfig with(Overflow overflow) {
  TopicConfig policy;
  policy.overflow = overflow;
  return policy;
}
TopicConfig fifo() {
  TopicConfig policy;
  policy.order = Order::fifo;
  return policy;
}
TopicConfig lane(Priority priority) {
  TopicConfig policy;
  policy.priority = priority;
  return policy;
}
frame::Gossip gossip_on(std::string topic, Sequence sequence, std::size_t size = 7) {
  frame::Gossip g = gossip(sequence);
  g.topic = std::move(topic);
  g.payload = Bytes::copy_of(std::string(size, 'x'));
  return g;
}
std::vector<Sequence> on_topic(const Cluster::Node& node, std::string_view topic) {
  std::vector<Sequence> out;
  for (const auto& [name, sequence] : node.order) {
    if (name == topic) out.push_back(sequence);
  }
  return out;
}

}  // namespace

// ---- The registry

TEST_CASE("topics come with their first message, configured ones are there from the start", "[topics]") {
  tree::Topics topics(one("a", fifo()), 16);
  CHECK(topics.size() == 1);
  ++topics.use("b", at(seconds{1})).published;
  CHECK(topics.size() == 2);
  CHECK(topics.agreed("a").is_fifo());
  CHECK_FALSE(topics.agreed("b").is_fifo());
  const auto infos = topics.infos();
  REQUIRE(infos.size() == 2);
  CHECK(infos[1].name == "b");
  CHECK(infos[1].published == 1);
}

TEST_CASE("more topics than there is room for: the idle one goes, the configured ones stay", "[topics]") {
  tree::Topics topics(one("kept", fifo()), 3);
  topics.use("kept", at(seconds{0}));
  topics.use("old", at(seconds{1}));
  topics.use("new", at(seconds{2}));
  topics.use("newest", at(seconds{3}));
  CHECK(topics.size() == 3);
  CHECK(topics.evicted() == 1);
  std::vector<std::string> names;
  for (const auto& info : topics.infos()) names.push_back(info.name);
  CHECK(names == std::vector<std::string>{"kept", "new", "newest"});
}

// ---- Sizes and retention

TEST_CASE("a message above its topic's size is passed on, not delivered, and reported", "[topics]") {
  TopicConfig small;
  small.max_size = 10;
  Single s({}, 2, one("t", small));
  s.receive(1, gossip_on("t", 1, 11));
  s.receive(1, gossip_on("t", 2, 10));
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 2});
  CHECK(s.delivered == std::vector<Sequence>{2});
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{1, 1});
  CHECK(s.lost[0].reason == LossReason::too_large);
}

TEST_CASE("a topic's payloads leave the store after its own retention", "[topics]") {
  TopicConfig brief;
  brief.retention = seconds{10};
  Single s({}, 2, one("t", brief));
  s.receive(1, gossip_on("t", 1));
  s.receive(1, gossip_on("other", 2));
  s.advance(seconds{11});
  CHECK(s.tree.stats(s.now).store_messages == 1);
  s.drain();
  s.receive(2, frame::Pull{{{instance(50), {{1, 2}}}}});
  s.drain();
  CHECK(s.first<frame::Gossip>().id.sequence == 2);
  CHECK(s.first<frame::Gone>().ids == std::vector<frame::OriginRanges>{{instance(50), {{1, 1}}}});
  s.advance(minutes{10});
  CHECK(s.tree.stats(s.now).store_messages == 0);
  CHECK(s.tree.stats(s.now).cache_bytes == 0);
}

TEST_CASE("a topic has its own bound of bytes in the store", "[topics]") {
  TopicConfig little;
  little.retention_bytes = 1000;
  Single s({}, 2, one("t", little));
  s.receive(1, gossip_on("other", 1, 300));
  for (Sequence i = 2; i <= 10; ++i) s.receive(1, gossip_on("t", i, 300));
  s.drain();
  CHECK(s.tree.stats(s.now).store_messages == 4);  // three of 300 bytes, and the other topic's
  CHECK(s.tree.stats(s.now).store_bytes == 1200);
  CHECK(s.tree.stats(s.now).cache_evictions[CacheEviction::bytes] == 6);
}

TEST_CASE("own broadcasts are delivered here as their topic says", "[topics]") {
  TopicConfig loud;
  loud.deliver_local = true;
  TopicConfig quiet;
  quiet.deliver_local = false;
  Single s({}, 1, {{"loud", loud}, {"quiet", quiet}});
  s.tree.publish(1, "loud", {}, false, s.now);
  s.tree.publish(2, "quiet", {}, true, s.now);
  s.tree.publish(3, "other", {}, false, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
}

// ---- Order

TEST_CASE("with fifo a missing message holds back later ones until it has come", "[topics][fifo]") {
  Single s({}, 2, one("t", fifo()));
  s.receive(1, gossip_on("t", 1));
  s.receive(1, gossip_on("t", 3));
  s.receive(1, gossip_on("other", 4));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 4});  // the other topic waits for nobody
  CHECK(s.tree.stats(s.now).held_back == 1);
  s.receive(1, gossip_on("other", 2));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 4, 2, 3});
  CHECK(s.tree.stats(s.now).held_back == 0);
}

TEST_CASE("with fifo delivery goes on past what is reported as lost", "[topics][fifo]") {
  Single s({}, 2, one("t", fifo()));
  s.receive(1, gossip_on("t", 1));
  s.receive(1, gossip_on("t", 3));
  for (std::uint32_t i = 1; i <= 2; ++i) s.receive(i, frame::Gone{{{instance(50), {{2, 2}}}}});
  s.advance(seconds{30});
  s.drain();
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{2, 2});
  CHECK(s.delivered == std::vector<Sequence>{1, 3});
}

TEST_CASE("with fifo what leaves the store while it waits is reported", "[topics][fifo]") {
  TreeConfig config;
  config.sync_max_bytes = 1000;
  Single s(config, 2, one("t", fifo()));
  s.receive(1, gossip_on("t", 2, 400));
  s.receive(1, gossip_on("t", 3, 400));
  s.receive(1, gossip_on("t", 4, 400));
  s.drain();
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{2, 2});
  CHECK(s.lost[0].reason == LossReason::held_back);
  s.receive(1, gossip_on("t", 1, 10));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 3, 4});
}

TEST_CASE("with fifo the order holds through a pause, and another run of the origin begins anew", "[topics][fifo]") {
  Single s({}, 2, one("t", fifo()));
  s.tree.pause_delivery(true, s.now);
  s.receive(1, gossip_on("t", 2));
  s.receive(1, gossip_on("t", 1));
  auto again = gossip_on("t", 1);
  again.id.origin = instance(51);
  s.receive(1, again);
  s.drain();
  CHECK(s.delivered.empty());
  s.tree.pause_delivery(false, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2, 1});
}

TEST_CASE("with random loss a fifo topic is complete and in order, each once", "[topics][fifo]") {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
    INFO("seed " << seed);
    Cluster c(6, {}, seed, one("ordered", fifo()));
    c.ring(2);
    c.members();
    c.run(seconds{2});
    c.loss = 0.15;
    Rng rng{seed * 77};
    std::map<std::string, std::vector<Sequence>> want[2];
    bool out_of_order = false;
    for (int i = 0; i < 300; ++i) {
      const std::string topic = rng.chance(0.6) ? "ordered" : "loose";
      const auto from = static_cast<std::uint32_t>(rng.below(2));
      want[from][topic].push_back(c.publish(from, "x", topic));
      c.run(Duration{milliseconds{rng.below(4)}});
      if (i == 100) c.unlink(2, 3);
      if (i == 150) c.link(2, 3);
      if (i == 200) c.nodes[4].tree->pause_delivery(true, c.now);
      if (i == 260) {
        c.nodes[4].tree->pause_delivery(false, c.now);
        c.drain(4);
      }
    }
    c.loss = 0;
    c.run(seconds{40});
    for (std::uint32_t n = 2; n < 6; ++n) {
      for (std::uint32_t origin = 0; origin < 2; ++origin) {
        INFO("node " << n << " origin " << origin);
        std::vector<Sequence> ordered, loose;
        for (const auto& message : c.nodes[n].messages) {
          if (message.id.origin != instance(origin)) continue;
          (message.topic == "ordered" ? ordered : loose).push_back(message.id.sequence);
        }
        CHECK(ordered == want[origin]["ordered"]);
        out_of_order = out_of_order || !std::is_sorted(loose.begin(), loose.end());
        std::sort(loose.begin(), loose.end());
        CHECK(loose == want[origin]["loose"]);
      }
      CHECK(c.nodes[n].lost.empty());
    }
    CHECK(out_of_order);  // or the order was nobody's work
  }
}

// ---- Validators

TEST_CASE("what a validator accepts is delivered and forwarded, anything else goes no further", "[topics][validator]") {
  for (const Verdict verdict : {Verdict::accept, Verdict::ignore, Verdict::reject}) {
    INFO(to_string(verdict));
    Single s({}, 2);
    s.tree.validate("t");
    s.order.clear();
    s.receive(1, gossip_on("t", 1));
    s.receive(2, frame::Pull{{{instance(50), {{1, 1}}}}});  // not before it is judged
    REQUIRE(s.tree.stats(s.now).store_messages == 1);
    std::optional<MessageId> asked;
    std::vector<FrameReject> faults;
    const auto poll = [&] {
      s.sent.clear();
      while (auto output = s.tree.poll_output()) {
        if (auto* judge = std::get_if<tree::Judge>(&*output)) asked = judge->message.id;
        if (auto* bad = std::get_if<tree::Misbehaved>(&*output)) faults.push_back(bad->what);
        if (auto* send = std::get_if<tree::Send>(&*output)) {
          for (const auto to : send->to) s.sent.emplace_back(static_cast<std::uint32_t>(to), send->frame);
        }
        if (std::holds_alternative<tree::Deliver>(*output)) s.order += "d";
      }
    };
    poll();
    REQUIRE(asked == MessageId{instance(50), 1});
    CHECK(s.to<frame::Gossip>().empty());
    s.tree.judged(*asked, verdict, s.now);
    poll();
    CHECK(s.to<frame::Gossip>() == (verdict == Verdict::accept ? Peers{2} : Peers{}));
    CHECK(s.order == (verdict == Verdict::accept ? "d" : ""));
    CHECK(faults == (verdict == Verdict::reject ? std::vector<FrameReject>{FrameReject::invalid} : std::vector<FrameReject>{}));
    CHECK(s.tree.stats(s.now).validations[verdict] == 1);
    CHECK(s.tree.stats(s.now).store_messages == (verdict == Verdict::accept ? 1 : 0));
    s.receive(2, gossip_on("t", 1));  // a copy is a duplicate, whatever came of the first
    CHECK(s.tree.stats(s.now).duplicate == 1);
    s.tree.judged(*asked, Verdict::accept, s.now);  // too late
    poll();
    CHECK(s.to<frame::Gossip>().empty());
  }
}

TEST_CASE("a fifo topic waits for the validator, too", "[topics][validator][fifo]") {
  Single s({}, 2, one("t", fifo()));
  s.tree.validate("t");
  s.receive(1, gossip_on("t", 2));
  s.receive(1, gossip_on("t", 1));
  s.tree.judged({instance(50), 2}, Verdict::accept, s.now);
  s.drain();
  CHECK(s.delivered.empty());
  s.tree.judged({instance(50), 1}, Verdict::accept, s.now);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
}

// ---- Priorities

TEST_CASE("what is owed goes out by weight: urgent first, and the lowest still moves", "[topics][priority]") {
  Single s({}, 2, {{"critical", lane(Priority::critical)}, {"low", lane(Priority::low)}});
  constexpr std::int64_t kOne = 64 + 7;
  s.tree.set_credit(peer(2), 34 * kOne, s.now);
  s.tree.set_credit(peer(2), -34 * kOne, s.now);
  for (Sequence i = 1; i <= 100; ++i) s.receive(1, gossip_on("low", i));
  for (Sequence i = 101; i <= 200; ++i) s.receive(1, gossip_on("critical", i));
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  s.tree.set_credit(peer(2), 34 * kOne, s.now);
  s.drain();
  std::size_t critical = 0, low = 0;
  for (const auto& [to, frame] : s.sent) {
    if (const auto* g = std::get_if<frame::Gossip>(&frame)) ++(g->topic == "low" ? low : critical);
  }
  CHECK(critical >= 32);
  CHECK(low >= 1);
}

TEST_CASE("a full queue does not keep out what is urgent, and the lowest does not fill it", "[topics][priority]") {
  Single s({}, 2, {{"critical", lane(Priority::critical)}, {"low", lane(Priority::low)}});
  constexpr std::int64_t kOne = 64 + 7;
  s.tree.set_credit(peer(2), 8 * kOne, s.now);
  for (Sequence i = 1; i <= 20; ++i) s.receive(1, gossip_on("low", i));
  s.drain();
  CHECK(s.to<frame::Gossip>().size() == 6);  // a quarter is left to others
  for (Sequence i = 21; i <= 40; ++i) s.receive(1, gossip_on("t", i));
  s.drain();
  CHECK(s.to<frame::Gossip>().size() == 2);
  for (Sequence i = 41; i <= 60; ++i) s.receive(1, gossip_on("critical", i));
  s.drain();
  CHECK(s.to<frame::Gossip>().size() == 4);  // overdrawn by half
}

// ---- Overflow

TEST_CASE("a topic that drops leaves nothing behind for a slow peer but its announcement", "[topics][overflow]") {
  for (const Overflow policy : {Overflow::drop_oldest, Overflow::drop_newest}) {
    INFO(to_string(policy));
    Single s({}, 2, one("t", with(policy)));
    s.tree.set_credit(peer(2), 1000, s.now);
    s.tree.set_credit(peer(2), 0, s.now);
    s.receive(1, gossip_on("t", 1));
    s.drain();
    REQUIRE(s.without_room == std::vector<std::pair<Sequence, Overflow>>{{1, policy}});
    s.tree.dropped(peer(2), {{instance(50), 1}}, s.now);
    s.receive(2, frame::Pull{{{instance(50), {{1, 1}}}}});  // not while there is no room
    s.drain();
    CHECK(s.to<frame::Gossip>().empty());
    CHECK(s.to<frame::Gone>() == Peers{2});
    s.tree.set_credit(peer(2), 1000, s.now);
    s.drain();
    CHECK(s.to<frame::Gossip>().empty());
    REQUIRE(s.to<frame::IHave>() == Peers{2});
    CHECK(s.first<frame::IHave>().ids == std::vector<frame::OriginRanges>{{instance(50), {{1, 1}}}});
    s.receive(2, frame::Graft{kSharedTree, false, {{instance(50), {{1, 1}}}}});
    s.drain();
    CHECK(s.to<frame::Gossip>() == Peers{2});
  }
}

TEST_CASE("with disconnect a peer without room for lag_grace is given up", "[topics][overflow]") {
  Single s({}, 2, one("t", with(Overflow::disconnect)));
  s.tree.set_credit(peer(2), 0, s.now);
  s.receive(1, gossip_on("t", 1));
  s.advance(seconds{1});
  s.receive(1, gossip_on("t", 2));
  s.drain();
  CHECK(s.too_slow.empty());
  s.advance(seconds{1});
  s.receive(1, gossip_on("t", 3));
  s.receive(1, gossip_on("t", 4));
  s.drain();
  CHECK(s.too_slow == Peers{2});
}

TEST_CASE("publishers wait for a stopped member as the topic says", "[topics][overflow][pacing]") {
  struct Row {
    Overflow policy;
    Sequence at_once, after_grace;  // acknowledged
  };
  for (const Row& row : {Row{Overflow::pace, 1, 11}, Row{Overflow::hold, 1, 1}, Row{Overflow::drop_oldest, 11, 11},
                         Row{Overflow::drop_newest, 11, 11}, Row{Overflow::disconnect, 11, 11}}) {
    INFO(to_string(row.policy));
    Cluster c(3, {}, 1, one("t", with(row.policy)));
    c.ring();
    c.members();
    c.run(seconds{1});
    c.publish(0);
    c.run(seconds{1});  // from now on members report
    c.nodes[1].tree->pause_delivery(true, c.now);
    for (int i = 0; i < 10; ++i) c.publish(0, "x", "t");
    const auto acked = [&] { return c.nodes[0].acked.empty() ? Sequence{0} : c.nodes[0].acked.back(); };
    c.run(seconds{1});
    CHECK(acked() == row.at_once);
    c.run(seconds{4});
    CHECK(acked() == row.after_grace);
    c.nodes[1].tree->pause_delivery(false, c.now);
    c.drain(1);
    c.run(seconds{2});
    CHECK(acked() == 11);
    CHECK(c.got(1, 0).size() == 11);
  }
}

TEST_CASE("a slow handler gets the newest, or the oldest, of a topic that drops", "[topics][overflow]") {
  for (const Overflow policy : {Overflow::drop_oldest, Overflow::drop_newest}) {
    INFO(to_string(policy));
    TopicConfig short_backlog = with(policy);
    short_backlog.backlog = 3;
    Single s({}, 2, one("t", short_backlog));
    s.tree.pause_delivery(true, s.now);
    for (Sequence i = 1; i <= 8; ++i) s.receive(1, gossip_on("t", i));
    s.receive(1, gossip_on("other", 9));
    s.tree.pause_delivery(false, s.now);
    s.drain();
    const bool newest = policy == Overflow::drop_oldest;
    CHECK(s.delivered == (newest ? std::vector<Sequence>{6, 7, 8, 9} : std::vector<Sequence>{1, 2, 3, 9}));
    REQUIRE(s.lost.size() == 1);
    CHECK(s.lost[0].range == (newest ? SequenceRange{1, 5} : SequenceRange{4, 8}));
    CHECK(s.lost[0].reason == LossReason::dropped);
    CHECK(s.tree.stats(s.now).lost[Loss::dropped] == 5);
  }
}
