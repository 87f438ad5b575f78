// What is agreed for topics, between whole nodes in memory: slow neighbours, validators, direct messages, receipts.
#include <map>

#include "cluster.hpp"
#include "membership/serf/messages.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

TopicConfig with(Overflow overflow, Priority priority = Priority::normal) {
  TopicConfig policy;
  policy.overflow = overflow;
  policy.priority = priority;
  return policy;
}

/// Two nodes whose link is full after some fifty messages of ten kilobytes; `a` publishes, `b` may stop to read.
struct Pair : TestCluster {
  explicit Pair(TopicConfigs topics) {
    const auto adjust = [topics](Config& config) {
      config.topics = topics;
      config.tree.max_message_size = 16384;
      config.link.queue_high_bytes = 512 << 10;
      config.link.queue_low_bytes = 128 << 10;
    };
    add("a", adjust);
    add("b", adjust);
    REQUIRE(settle(1));
    a().host.window = b().host.window = 4096;
    a().publish("first");
    REQUIRE(run_until([&] { return a().acked == 1 && b().messages.size() == 1; }, 5s));
    run_for(50ms);  // from now on the neighbour reports
    b().messages.clear();
  }
  TestNode& a() { return *nodes[0]; }
  TestNode& b() { return *nodes[1]; }
  void publish(int count, const std::string& topic, char mark) {
    for (int i = 0; i < count; ++i) a().publish(mark + std::string(9999, '.'), topic);
    run_for(1ms);
  }
  /// First letters of what `b` got, in order.
  std::string got() {
    std::string out;
    for (const auto& [id, text] : b().messages) out += text.front();
    return out;
  }
  QueueStats queues() { return a().snapshot()->transport.queues; }
};

std::uint64_t by_policy(const QueueStats& stats, Overflow policy) {
  std::uint64_t sum = 0;
  for (const auto& lane : stats.by_policy) sum += lane[policy];
  return sum;
}

}  // namespace

TEST_CASE("urgent messages overtake others at a neighbour that does not read, and the lowest still moves", "[topics][priority]") {
  TopicConfigs topics;
  topics["urgent"].priority = Priority::critical;
  topics["bulk"].priority = Priority::low;
  Pair c(topics);
  c.b().host.stall(true);
  c.publish(100, "bulk", 'L');
  c.publish(40, "urgent", 'C');
  c.b().host.stall(false);
  REQUIRE(c.run_until([&] { return c.b().messages.size() == 140; }, 30s));
  const std::string got = c.got();
  CHECK(got.find('C') < 30);  // behind the batch that was being written
  const std::string urgent_phase = got.substr(got.find('C'), got.rfind('C') - got.find('C'));
  CHECK(got.rfind('C') < 90);
  CHECK(std::count(urgent_phase.begin(), urgent_phase.end(), 'L') >= 1);
  const auto stats = c.queues();
  CHECK(stats.enqueued[Priority::critical] >= 40);
  CHECK(stats.dequeued[Priority::critical] == stats.enqueued[Priority::critical]);
  CHECK(stats.dequeued[Priority::low] == stats.enqueued[Priority::low]);
  CHECK(stats.enqueued[Priority::normal] == 1);
  CHECK(c.b().snapshot()->tree.duplicate <= 5);  // what is overtaken is not asked for again
  c.check_invariants();
}

TEST_CASE("paced messages wait for a neighbour that does not read, none is lost", "[topics][overflow]") {
  for (const Overflow policy : {Overflow::pace, Overflow::hold}) {
    INFO(to_string(policy));
    Pair c({{"t", with(policy)}});
    c.b().host.stall(true);
    c.publish(100, "t", 'x');
    c.run_for(5s);
    CHECK(c.a().acked == (policy == Overflow::pace ? 101U : 1U));
    c.b().host.stall(false);
    REQUIRE(c.run_until([&] { return c.b().messages.size() == 100 && c.a().acked == 101; }, 30s));
    CHECK(by_policy(c.queues(), policy) == 0);
    CHECK(c.b().lost.empty());
    c.check_invariants();
  }
}

TEST_CASE("the oldest, or the newest, give way at a neighbour that does not read, all is counted and can be pulled", "[topics][overflow]") {
  for (const Overflow policy : {Overflow::drop_oldest, Overflow::drop_newest}) {
    INFO(to_string(policy));
    Pair c({{"t", with(policy)}});
    c.b().host.stall(true);
    c.publish(50, "t", 'a');
    c.publish(50, "t", 'z');
    c.run_for(100ms);
    CHECK(c.a().acked == 101);  // nobody is waited for
    const std::uint64_t dropped = by_policy(c.queues(), policy);
    CHECK(dropped > 30);
    CHECK(dropped < 70);
    CHECK(c.queues().dropped[Priority::normal] == dropped);
    c.b().host.stall(false);
    REQUIRE(c.run_until([&] { return c.b().messages.size() >= 100 - dropped; }, 5s));
    const std::string first = c.got().substr(0, 100 - dropped);
    const auto old = std::count(first.begin(), first.end(), 'a');
    CHECK((policy == Overflow::drop_oldest ? old < 30 : old > 45));  // what is being written stays
    // The rest was announced, and there is room now.
    REQUIRE(c.run_until([&] { return c.b().messages.size() == 100; }, 30s));
    CHECK(c.b().lost.empty());
    c.check_invariants();
  }
}

TEST_CASE("a neighbour too slow for a topic that disconnects loses its link, and catches up over the next", "[topics][overflow]") {
  Pair c({{"t", with(Overflow::disconnect)}});
  c.b().host.stall(true);
  c.publish(60, "t", 'x');
  c.run_for(2500ms);
  CHECK(c.a().links().size() == 1);
  c.publish(1, "t", 'x');
  CHECK(c.a().logged("PV1214 Closing the link to b: no room for lag_grace, and topic t has overflow = disconnect"));
  CHECK(by_policy(c.queues(), Overflow::disconnect) > 0);
  CHECK(c.queues().dropped[Priority::normal] > 0);
  c.b().host.stall(false);
  REQUIRE(c.run_until([&] { return c.b().messages.size() == 61; }, 60s));
  c.check_invariants();
}

TEST_CASE("who does not read harms only itself", "[topics][overflow]") {
  TestCluster c;
  c.add_many(6);
  REQUIRE(c.settle(5));
  c[5].host.stall(true);
  for (int i = 0; i < 200; ++i) {
    c[0].publish(std::string(10000, 'x'));
    c.run_for(10ms);
  }
  for (std::size_t i = 1; i < 5; ++i) {
    CHECK(c[i].messages.size() >= 199);
    CHECK(c[i].snapshot()->tree.delivery_latency.sum() / static_cast<double>(c[i].messages.size()) < 0.05);
  }
  c[5].host.stall(false);
  CHECK(c.run_until([&] { return c[5].messages.size() == 200; }, 60s));
}

TEST_CASE("validators of nodes decide what goes on, and a neighbour that sends what is invalid loses its link", "[topics][validator]") {
  std::map<std::string, int> judged;
  TestCluster c;
  c.validators["t"] = [&](const Message& message) {
    ++judged[std::string{message.text()}];
    return message.text() == "bad" ? Verdict::reject : message.text() == "late" ? Verdict::ignore : Verdict::accept;
  };
  c.add("a");
  c.add("b");
  REQUIRE(c.settle(1));
  c[0].publish("good");
  c[0].publish("late");
  c[0].publish("bad");
  c[0].publish("bad", "another");
  c.run_for(1s);
  CHECK(c[1].texts() == std::vector<std::string>{"bad", "good"});  // the other topic waits for no validator
  CHECK(judged == std::map<std::string, int>{{"good", 1}, {"late", 1}, {"bad", 1}});
  const auto stats = c[1].snapshot()->tree;
  CHECK(stats.validations[Verdict::accept] == 1);
  CHECK(stats.validations[Verdict::ignore] == 1);
  CHECK(stats.validations[Verdict::reject] == 1);
  CHECK(stats.frames_rejected[FrameReject::invalid] == 1);
  for (int i = 0; i < 20; ++i) c[0].publish("bad");
  c.run_for(100ms);
  CHECK(c[1].logged("broke the protocol too often (last: invalid): it gets no link for 30s"));
  c.check_invariants();
}

// ---- Direct messages

TEST_CASE("a direct message goes over the link where there is one", "[direct]") {
  TestCluster c;
  c.add_many(3);
  REQUIRE(c.settle(2));
  REQUIRE(c[0].driver->send_direct(7, "c", Bytes::copy_of("hello")));
  c.run_for(1s);
  CHECK(c[2].directs == std::vector<std::string>{"a: hello"});
  CHECK(c[1].directs.empty());
  CHECK(c[0].directs_done == std::map<std::uint64_t, std::string>{{7, "ok"}});
  CHECK(c[0].snapshot()->transport.direct[DirectResult::sent] == 1);
  CHECK(c[0].snapshot()->transport.direct[DirectResult::acknowledged] == 1);
  CHECK(c[2].snapshot()->transport.direct[DirectResult::delivered] == 1);
  CHECK(c[0].links().size() == 2);
}

TEST_CASE("without a link a connection is made for direct messages, and goes again", "[direct]") {
  for (const bool sealed : {false, true}) {
    INFO("sealed " << sealed);
    TestCluster c;
    const auto few = [&](Config& config) {
      config.tree.eager_fanout = 1;
      config.tree.lazy_fanout = 1;
      config.tree.max_peers = 2;
      config.tree.max_eager_peers = config.tree.max_lazy_peers = 0;
      if (sealed) config.encrypt = "AAECAwQFBgcICQoLDA0ODw==";
    };
    for (int i = 0; i < 8; ++i) c.add(std::string(1, static_cast<char>('a' + i)), few);
    REQUIRE(c.run_until([&] {
      return std::all_of(c.nodes.begin(), c.nodes.end(), [](const auto& n) { return n->ready() && n->snapshot()->members.size() == 8; });
    }, 30s));
    const auto links = c[0].links();
    std::string stranger;
    for (const char* name : {"b", "c", "d", "e", "f", "g", "h"}) {
      if (std::find(links.begin(), links.end(), name) == links.end()) stranger = name;
    }
    REQUIRE_FALSE(stranger.empty());
    TestNode& far = c[static_cast<std::size_t>(stranger[0] - 'a')];
    for (std::uint64_t i = 1; i <= 3; ++i) REQUIRE(c[0].driver->send_direct(i, stranger, Bytes::copy_of("hello " + std::to_string(i))));
    REQUIRE(c.run_until([&] { return c[0].directs_done.size() == 3; }, 5s));
    CHECK(far.directs == std::vector<std::string>{"a: hello 1", "a: hello 2", "a: hello 3"});
    const auto visiting = [](TestNode& node) {
      const auto s = node.snapshot();
      return std::count_if(s->links.begin(), s->links.end(), [](const LinkInfo& l) { return l.state == LinkState::visiting; });
    };
    CHECK(visiting(c[0]) == 1);
    CHECK(visiting(far) == 1);
    c.check_invariants();
    c.run_for(10s);
    CHECK(visiting(c[0]) == 0);
    CHECK(visiting(far) == 0);
    REQUIRE(c[0].driver->send_direct(4, stranger, Bytes::copy_of("again")));
    REQUIRE(c.run_until([&] { return c[0].directs_done.size() == 4; }, 5s));
    for (const auto& [ticket, outcome] : c[0].directs_done) CHECK(outcome == "ok");
  }
}

TEST_CASE("a direct message that cannot be sent says why", "[direct]") {
  TestCluster c;
  ForeignMember foreign{c.net, "10.0.0.9:7946", "serfer"};
  c.add("a", [](Config& config) { config.seeds = {"10.0.0.9:7946"}; });
  c.add("b");
  REQUIRE(c.settle(1));
  REQUIRE(c.run_until([&] { return c[0].snapshot()->members.size() == 3; }, 10s));
  const auto code = [&](std::string_view to, std::size_t size) {
    const Status status = c[0].driver->send_direct(0, to, Bytes::copy_of(std::string(size, 'x')));
    return status ? std::string{"ok"} : std::string{to_string(status.error().code)};
  };
  CHECK(code("nobody", 1) == "not_found");
  CHECK(code("a", 1) == "invalid_argument");
  CHECK(code("serfer", 1) == "invalid_argument");
  CHECK(code("b", wire::kDirectMax) == "ok");
  CHECK(code("b", wire::kDirectMax + 1) == "too_large");
  c[1].host.stall(true);
  std::string last = "ok";
  for (int i = 0; i < 100 && last == "ok"; ++i) last = code("b", 40000);
  CHECK(last == "overloaded");
  c.net.kill(c[1].host);
  REQUIRE(c.run_until([&] {
    const auto s = c[0].snapshot();
    return s->members[1].member.state == MemberState::dead;
  }, 60s));
  CHECK(code("b", 1) == "invalid_argument");
  CHECK(c[0].snapshot()->transport.direct[DirectResult::failed] > 0);
}

TEST_CASE("a direct message whose connection breaks is given up, and said to be", "[direct]") {
  TestCluster c;
  c.add_many(2);
  REQUIRE(c.settle(1));
  c[1].host.stall(true);
  REQUIRE(c[0].driver->send_direct(3, "b", Bytes::copy_of("hello")));
  c.run_for(100ms);
  c.net.kill(c[1].host);
  c.run_for(1s);
  REQUIRE(c[0].directs_done.count(3) == 1);
  CHECK(c[0].directs_done[3].find("ended before it acknowledged") != std::string::npos);
}

TEST_CASE("a stranger's direct message is refused", "[direct]") {
  TestCluster c;
  c.add("a");
  REQUIRE(c.run_until([&] { return c[0].ready(); }, 10s));
  RawPeer raw(c.net.add_host("10.0.0.7:7946"));
  raw.dial(c[0].host.address());
  c.run_for(10ms);
  raw.write(wire::preface());
  raw.send(frame::Visit{{.name = "stranger", .instance = InstanceId{99}}});
  raw.send(frame::Direct{1, Bytes::copy_of("boo")});
  c.run_for(5s);
  CHECK(c[0].directs.empty());
  CHECK(raw.closed);
}

// ---- Serf's user events

TEST_CASE("an event whose name makes no topic is named once by its bridge, and counted by all", "[topics][bridge]") {
  TestCluster c;
  c.add("a", [](Config& config) { config.serf_events = true; });
  c.add("b");
  REQUIRE(c.settle(1));
  const auto bad = [&](std::size_t i) { return c[i].snapshot()->swim.serf_messages[SerfMessage::bad_name]; };
  const auto send = [&](serf::LTime time, const std::string& name) {
    const std::string event(serf::encode(serf::Event{time, name, as_bytes("x"), false}).text());
    c[0].publish(event, "_serf");
    c.run_for(1s);
  };
  send(1, std::string(123, 'n'));
  CHECK(c[1].messages.size() == 1);
  CHECK(bad(0) + bad(1) == 0);
  const std::string longer(124, 'n');
  send(2, longer);
  send(3, longer);
  send(4, "line\nfeed");
  CHECK(c[1].messages.size() == 1);
  CHECK(bad(0) == 3);
  CHECK(bad(1) == 3);
  CHECK(c[1].snapshot()->swim.serf_messages[SerfMessage::malformed] == 0);
  const auto said = [](const TestNode& node, std::string_view part) {
    return std::count_if(node.log.begin(), node.log.end(), [&](const std::string& line) { return line.find(part) != std::string::npos; });
  };
  CHECK(said(c[0], "PV1410 Serf's user event " + longer + " is not delivered: its topic would be serf.NAME, and a topic has 1 to 128 bytes, not 129") == 1);
  CHECK(said(c[0], "PV1410") == 2);
  CHECK(said(c[1], "PV1410") == 0);
}

// ---- Receipts

TEST_CASE("a broadcast with acknowledgements tells who has it, by name", "[receipts]") {
  TestCluster c;
  c.add_many(4);
  REQUIRE(c.settle(3));
  c[0].driver->publish(++c[0].sequence, "t", Bytes::copy_of("x"), AckWish{UINT32_MAX, 5s});
  c.run_for(200ms);
  REQUIRE(c[0].receipts.size() == 1);
  CHECK(c[0].receipts[0].complete);
  CHECK(c[0].receipts[0].acked == std::vector<std::string>{"b", "c", "d"});
  c[2].driver->pause_delivery(true);
  c[0].driver->publish(++c[0].sequence, "t", Bytes::copy_of("x"), AckWish{UINT32_MAX, 2s});
  c.run_for(3s);
  REQUIRE(c[0].receipts.size() == 2);
  CHECK_FALSE(c[0].receipts[1].complete);
  CHECK(c[0].receipts[1].acked == std::vector<std::string>{"b", "d"});
  CHECK(c[0].receipts[1].missing == std::vector<std::string>{"c"});
  c.check_invariants();
}
