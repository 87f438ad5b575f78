// Runs: messages that travel as one, and come out one by one.
#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::vector<std::string> numbered(std::size_t count, std::size_t from = 1) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back("m" + std::to_string(from + i));
  return texts;
}
/// Of origin 50, from `first` on.
frame::Gossip run_of(Sequence first, const std::vector<std::string>& texts, bool pulled = false) {
  frame::Gossip g = gossip(first, 1, pulled);
  frame::Joined joined = join(bytes_of(texts));
  g.run = joined.run;
  g.payload = std::move(joined.bytes);
  return g;
}
std::vector<Sequence> sequences(Sequence first, Sequence last) {
  std::vector<Sequence> out;
  for (Sequence s = first; s <= last; ++s) out.push_back(s);
  return out;
}
TopicConfigs on_topic(const std::function<void(TopicConfig&)>& set) {
  TopicConfigs topics;
  set(topics["t"]);
  return topics;
}

}  // namespace

TEST_CASE("what is joined is cut into the same", "[run]") {
  Rng rng{1};
  for (int i = 0; i < 300; ++i) {
    std::vector<std::string> texts(2 + rng.below(i % 10 == 0 ? frame::kRunMessagesMax - 1 : 20));
    const bool alike = rng.chance(0.5);
    const std::size_t size = rng.below(60);
    for (std::size_t k = 0; k < texts.size(); ++k) texts[k] = varied(alike ? size : rng.below(60), k + 1);
    frame::RunBuilder builder;
    for (const std::string& text : texts) builder.add(Bytes::copy_of(text));
    const frame::Joined joined = builder.take();
    CHECK(builder.count() == 0);
    CHECK(joined.bytes == join(bytes_of(texts)).bytes);
    CHECK(joined.run.count == texts.size());
    std::size_t largest = 0, sum = 0;
    for (const std::string& text : texts) {
      largest = std::max(largest, text.size());
      sum += text.size();
    }
    REQUIRE(frame::largest_in(joined.run, joined.bytes.view()) == largest);
    CHECK(joined.bytes.size() == sum + (joined.run.alike ? 0 : 2 * texts.size()));
    frame::RunCutter cutter{joined.run, joined.bytes};
    for (const std::string& text : texts) {
      REQUIRE(!cutter.done());
      CHECK(cutter.size() == text.size());
      REQUIRE(cutter.next().text() == text);
    }
    CHECK(cutter.done());
  }
}

TEST_CASE("a builder takes what fits, and a single message as it is", "[run]") {
  frame::RunBuilder builder;
  const Bytes only = Bytes::copy_of("only");
  builder.add(only);
  const frame::Joined one = builder.take();
  CHECK(one.run == frame::Run{});
  CHECK(one.bytes.data() == only.data());
  const frame::RunBounds few{.messages = 3, .bytes = 100};
  CHECK(builder.fits(frame::kRunMessageBytesMax, few));  // the first one always
  builder.add(Bytes::copy_of(std::string(40, 'x')));
  CHECK(builder.fits(56, few));
  CHECK(!builder.fits(57, few));
  builder.add(Bytes{});
  builder.add(Bytes{});
  CHECK(!builder.fits(0, few));
  CHECK(builder.bytes() == 40);
  const frame::Joined three = builder.take();
  CHECK(three.run == frame::Run{3, false});
  CHECK(three.bytes.size() == 46);
  const frame::RunBounds all;
  while (builder.fits(frame::kRunMessageBytesMax, all)) builder.add(Bytes::copy_of(std::string(frame::kRunMessageBytesMax, 'y')));
  CHECK(builder.take().run.count == 3);
  while (builder.fits(1, all)) builder.add(Bytes::copy_of("z"));
  CHECK(builder.take().run.count == frame::kRunMessagesMax);
}

TEST_CASE("a run is forwarded as it came, and delivered message by message", "[run]") {
  Single s{{}};
  const frame::Gossip run = run_of(1, {"one", "two", "", "four"});
  s.receive(1, run);
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 3});
  const auto sent = s.first<frame::Gossip>();
  CHECK(sent.range() == SequenceRange{1, 4});
  CHECK(sent.payload.data() == run.payload.data());  // not copied
  CHECK(s.delivered == sequences(1, 4));
  const TreeStats& stats = s.tree.stats(s.now);
  CHECK(stats.delivered == 4);
  CHECK(stats.gossip_sent == 8);
  CHECK(stats.store_messages == 4);
  CHECK(stats.message_size.count() == 4);
  CHECK(stats.message_size.sum() == 10);
  CHECK(stats.message_hops.count() == 4);

  s.receive(2, run);
  s.drain();
  CHECK(s.delivered.size() == 4);
  CHECK(s.tree.stats(s.now).duplicate == 4);
}

TEST_CASE("each message of a run can be looked up", "[run]") {
  Single s{{}};
  s.receive(1, run_of(3, {"three", "four", "five"}));
  s.drain();
  CHECK(s.tree.held({instance(50), 4})->payload.bytes.text() == "four");
  CHECK(s.tree.held({instance(50), 5})->id.sequence == 5);
  CHECK(!s.tree.held({instance(50), 2}));
  CHECK(!s.tree.held({instance(50), 6}));
  CHECK(s.tree.path({instance(50), 4}).state == PathInfo::State::held);
  CHECK(s.tree.held_ids(false) == std::vector<MessageId>{{instance(50), 3}, {instance(50), 4}, {instance(50), 5}});
  CHECK(s.tree.position().contains({instance(50), 5}));
}

TEST_CASE("of a run that overlaps what is here only the rest is taken", "[run]") {
  Single s{{}};
  frame::Gossip known = gossip(3);
  known.payload = Bytes::copy_of("m3");
  s.receive(1, known);
  s.receive(2, run_of(1, numbered(5)));
  s.drain();
  std::vector<Sequence> got = s.delivered;
  CHECK(got == std::vector<Sequence>{3, 1, 2, 4, 5});
  for (const auto& message : s.messages) CHECK(message.payload.text() == "m" + std::to_string(message.id.sequence));
  s.receive(3, run_of(4, numbered(5, 4)));  // 4 to 8
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{3, 1, 2, 4, 5, 6, 7, 8});
}

TEST_CASE("a run is taken apart where its messages are looked at one by one", "[run]") {
  const auto each = [](Single& s, std::size_t deliveries) {
    s.receive(1, run_of(1, {"a", "bb", "ccc"}));
    s.drain();
    CHECK(s.to<frame::Gossip>().size() == 6);
    for (const auto& [who, sent] : s.sent) {
      if (const auto* g = std::get_if<frame::Gossip>(&sent)) CHECK(g->run.count == 1);
    }
    CHECK(s.delivered.size() == deliveries);
  };
  SECTION("it drops") {
    Single s{{}, 3, on_topic([](TopicConfig& topic) { topic.overflow = Overflow::drop_oldest; })};
    each(s, 3);
  }
  SECTION("its messages have a largest size") {
    Single s{{}, 3, on_topic([](TopicConfig& topic) { topic.max_size = 2; })};
    each(s, 2);
    REQUIRE(s.lost.size() == 1);
    CHECK(s.lost[0].range == SequenceRange{3, 3});
    CHECK(s.lost[0].reason == LossReason::too_large);
  }
  SECTION("somebody judges it") {
    Single s{{}};
    s.tree.validate("t");
    s.receive(1, run_of(1, {"a", "bb", "ccc"}));
    s.drain();
    CHECK(s.judged.size() == 3);
    CHECK(s.to<frame::Gossip>().empty());
    s.tree.judged({instance(50), 2}, Verdict::accept, s.now);
    s.drain();
    CHECK(s.delivered == std::vector<Sequence>{2});
    CHECK(s.to<frame::Gossip>() == Peers{2, 3});
  }
}

TEST_CASE("a message that was announced and pulled brings its run", "[run]") {
  Cluster c(2);
  c.link(0, 1);
  c.members();
  c.run(seconds{5});
  bool once = true;
  c.drop = [&](std::uint32_t, std::uint32_t, const Frame& frame) { return std::holds_alternative<frame::Gossip>(frame) && std::exchange(once, false); };
  c.publish_run(0, numbered(20));
  c.publish(0, "next");
  c.run(seconds{30});
  CHECK(c.all_have(0, 21));
  CHECK(c.stats(1).duplicate <= 20);
  CHECK(c.nodes[1].lost.empty());
}

TEST_CASE("a late announcement of a part of a run says nothing of the rest", "[run]") {
  Single s{{}};
  s.receive(1, run_of(1, numbered(4)));
  s.drain();
  s.receive(2, frame::IHave{{}, {{instance(50), {{2, 3}}}}, 0});
  CHECK(s.tree.path({instance(50), 2}).known == std::vector<PeerId>{peer(1)});
  s.receive(2, frame::IHave{{}, {{instance(50), {{1, 4}}}}, 0});
  CHECK(s.tree.path({instance(50), 2}).known == std::vector<PeerId>{peer(1), peer(2)});
}

TEST_CASE("who asks for one message of a run gets all of it, once", "[run]") {
  Single s{{}};
  s.receive(1, run_of(1, numbered(6)));
  s.drain();
  s.receive(2, frame::Pull{{{instance(50), {{3, 3}, {5, 6}}}}});
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2});
  s.receive(3, frame::Pull{{{instance(50), {{2, 5}}}}});
  s.drain();
  REQUIRE(s.to<frame::Gossip>() == Peers{3});
  CHECK(s.first<frame::Gossip>().range() == SequenceRange{1, 6});
  CHECK(s.first<frame::Gossip>().pulled);
}

TEST_CASE("order holds over runs and single messages", "[run]") {
  Single s{{}, 3, on_topic([](TopicConfig& topic) { topic.order = Order::fifo; })};
  s.receive(1, run_of(4, numbered(3, 4)));
  s.receive(1, gossip(7));
  s.drain();
  CHECK(s.delivered.empty());
  CHECK(s.tree.stats(s.now).held_back == 4);
  s.receive(2, run_of(1, numbered(3)));
  s.drain();
  CHECK(s.delivered == sequences(1, 7));
}

TEST_CASE("a run waits as one while delivery is paused", "[run]") {
  Single s{{}};
  s.tree.pause_delivery(true, s.now);
  s.receive(1, run_of(1, numbered(3)));
  s.receive(1, run_of(4, numbered(3, 4)));
  s.drain();
  CHECK(s.delivered.empty());
  CHECK(!s.tree.position().contains({instance(50), 1}));
  s.tree.pause_delivery(false, s.now);
  s.drain();
  CHECK(s.delivered == sequences(1, 6));
}

TEST_CASE("a link without credit is owed runs and gets them whole", "[run]") {
  Single s{{}};
  s.tree.set_credit(peer(2), 1, s.now);
  s.receive(1, run_of(1, numbered(3)));   // takes the last of it
  s.receive(1, run_of(4, numbered(3, 4)));
  s.receive(1, run_of(7, numbered(3, 7)));
  s.drain();
  const auto to_2 = [&] {
    std::vector<SequenceRange> ranges;
    for (const auto& [who, sent] : s.sent) {
      if (const auto* g = std::get_if<frame::Gossip>(&sent); g != nullptr && who == 2) ranges.push_back(g->range());
    }
    return ranges;
  };
  CHECK(to_2() == std::vector<SequenceRange>{{1, 3}});
  s.tree.set_credit(peer(2), 1 << 20, s.now);
  s.drain();
  CHECK(to_2() == std::vector<SequenceRange>{{4, 6}, {7, 9}});
}

TEST_CASE("a joiner starts in the middle of a run", "[run]") {
  Cluster c(2);
  c.link(0, 1);
  c.members();
  c.publish_run(0, numbered(10));
  c.run(seconds{5});
  // Its start is what a neighbour has; the run that comes reaches back before it.
  Single s{{}};
  s.receive(1, frame::Digest{false, true, true, true, {{instance(50), "n50", 4, 0, {}}}});
  s.receive(1, run_of(1, numbered(10)));
  s.drain();
  CHECK(s.delivered == sequences(1, 10));
}

TEST_CASE("runs under loss, with links that come and go, reach everybody once", "[run]") {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    INFO("seed " << seed);
    Cluster c(8, {}, seed, on_topic([](TopicConfig& topic) { topic.order = Order::fifo; }));
    c.ring(3);
    c.members();
    c.run(seconds{5});
    c.loss = 0.05;
    Rng rng{seed};
    std::map<std::uint32_t, Sequence> last;
    for (int i = 0; i < 150; ++i) {
      const auto node = static_cast<std::uint32_t>(rng.below(8));
      const std::size_t count = 1 + rng.below(30);
      const std::string topic = rng.chance(0.5) ? "t" : "u";
      if (count == 1) last[node] = c.publish(node, "alone", topic);
      else last[node] = c.publish_run(node, numbered(count), topic).last;
      if (i % 20 == 10) c.unlink(node, (node + 1) % 8);
      c.run(milliseconds{static_cast<std::int64_t>(rng.below(40))});
      if (i % 20 == 10) c.link(node, (node + 1) % 8);
    }
    c.loss = 0;
    c.run(seconds{60});
    for (const auto& [node, sequence] : last) CHECK(c.all_have(node, sequence));
    for (const auto& node : c.nodes) {
      CHECK(node.lost.empty());
      std::map<InstanceId, Sequence> before;
      for (const auto& message : node.messages) {
        if (message.topic != "t") continue;
        CHECK(before[message.id.origin] < message.id.sequence);
        before[message.id.origin] = message.id.sequence;
      }
    }
  }
}
