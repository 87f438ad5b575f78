// Whole nodes over a network in memory.
#include <string>

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

TEST_CASE("a node without seeds is ready alone", "[driver]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  CHECK(cluster.run_until([&] { return a.ready(); }, 2s));
  a.publish("nobody hears it");
  cluster.run_for(1s);
  CHECK(a.acked == 1);
  CHECK(a.messages.empty());
  cluster.check_invariants();
}

TEST_CASE("two nodes join, link and broadcast to each other", "[driver]") {
  TestCluster cluster;
  cluster.add_many(2);
  REQUIRE(cluster.settle(1));
  CHECK(cluster[0].links() == std::vector<std::string>{"b"});
  CHECK(cluster[1].links() == std::vector<std::string>{"a"});
  cluster[0].publish("from a");
  cluster[1].publish("from b");
  cluster.run_for(1s);
  CHECK(cluster[1].texts() == std::vector<std::string>{"from a"});
  CHECK(cluster[0].texts() == std::vector<std::string>{"from b"});
  CHECK(cluster[0].acked == 1);
  CHECK(cluster[0].peers.front().kind == PeerEvent::Kind::up);
  cluster.check_invariants();
}

TEST_CASE("five nodes deliver everything exactly once", "[driver]") {
  TestCluster cluster;
  cluster.add_many(5);
  REQUIRE(cluster.settle(4));
  cluster.check_invariants();
  for (int i = 0; i < 200; ++i) {
    for (auto& node : cluster.nodes) node->publish(node->snapshot()->name + std::to_string(i));
    cluster.run_for(3ms);
  }
  cluster.run_for(2s);
  for (auto& node : cluster.nodes) {
    std::set<std::string> unique;
    for (const auto& [id, text] : node->messages) unique.insert(text);
    CHECK(node->messages.size() == 800);
    CHECK(unique.size() == 800);
    CHECK(node->acked == 200);
    const auto s = node->snapshot();
    CHECK(s->tree.delivered == 800);
    CHECK(s->window.delivered == 800);
    CHECK(s->tree.broadcast == 200);
  }
  cluster.check_invariants();
}

TEST_CASE("a payload of the largest size arrives whole", "[driver]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  std::string text(1 << 20, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  cluster[1].publish(text);
  cluster[1].publish("");  // overtakes it
  REQUIRE(cluster.run_until([&] { return cluster[0].messages.size() == 2 && cluster[2].messages.size() == 2; }, 5s));
  CHECK(cluster[0].texts() == std::vector<std::string>{"", text});
  CHECK(cluster[2].texts() == std::vector<std::string>{"", text});
}

TEST_CASE("a killed node is found dead, the others go on and report a partition", "[driver]") {
  TestCluster cluster;
  cluster.add_many(4);
  REQUIRE(cluster.settle(3));
  cluster.net.kill(cluster[3].host);
  cluster[0].publish("one");
  cluster.run_for(1s);
  CHECK(cluster[1].texts() == std::vector<std::string>{"one"});
  CHECK(cluster[2].texts() == std::vector<std::string>{"one"});
  REQUIRE(cluster.run_until([&] { return cluster[0].snapshot()->partition == PartitionState::partial; }, 40s));
  cluster.run_for(1ms);
  REQUIRE(cluster[0].partitions.size() == 1);
  CHECK(cluster[0].partitions[0].unreachable == std::vector<std::string>{"d"});
  CHECK(cluster[0].logged("warn membership PV1401 Possible partition detected - cannot reach peers: d"));
  CHECK(cluster[0].links().size() == 2);
  cluster.nodes.pop_back();
  cluster.check_invariants();
}

TEST_CASE("a killed node that comes back as a new run gets the next messages", "[driver]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  cluster.net.kill(cluster[2].host);
  auto old = std::move(cluster.nodes.back());
  cluster.nodes.pop_back();
  cluster.run_for(500ms);
  cluster.add("c");
  REQUIRE(cluster.settle(2));
  cluster[0].publish("again");
  cluster.run_for(1s);
  CHECK(cluster[2].texts() == std::vector<std::string>{"again"});
  for (std::size_t i : {0U, 1U}) {
    for (const auto s = cluster[i].snapshot(); const LinkInfo& link : s->links) {
      if (link.peer == "c") CHECK(link.instance == cluster[2].snapshot()->instance);
    }
  }
  cluster.check_invariants();
}

TEST_CASE("what was published during a split arrives after it", "[driver]") {
  TestCluster cluster;
  cluster.add_many(4);
  REQUIRE(cluster.settle(3));
  bool split = true;
  const auto half = [](const Endpoint& e) { return e.address[15] <= 2; };
  cluster.net.blocked = [&](const Endpoint& a, const Endpoint& b) { return split && half(a) != half(b); };
  for (int i = 0; i < 30; ++i) {
    cluster[0].publish("left " + std::to_string(i));
    cluster[3].publish("right " + std::to_string(i));
    cluster.run_for(1s);
  }
  CHECK(cluster[0].snapshot()->partition == PartitionState::partial);
  split = false;
  CHECK(cluster.run_until([&] {
    return cluster[0].messages.size() == 30 && cluster[1].messages.size() == 60 && cluster[2].messages.size() == 60 &&
           cluster[3].messages.size() == 30;
  }, 45s));
  CHECK(cluster.run_until([&] { return cluster[0].snapshot()->partition == PartitionState::healthy; }, 45s));
  cluster.check_invariants();
}

TEST_CASE("a reader that stalls costs bounded memory and gets everything afterwards", "[driver]") {
  TestCluster cluster;
  const auto small = [](Config& config) {
    config.link.queue_high_bytes = 256 << 10;
    config.link.queue_low_bytes = 64 << 10;
    config.link.idle_timeout = 60s;
    config.tree.max_message_size = 64 << 10;
  };
  for (const char* name : {"a", "b", "c"}) cluster.add(name, small);
  REQUIRE(cluster.settle(2));
  cluster[2].host.stall(true);
  const std::string text(16 << 10, 'x');
  std::uint64_t most = 0;
  for (int i = 0; i < 400; ++i) {
    cluster[0].publish(text);
    cluster.run_for(10ms);
    most = std::max(most, cluster[0].snapshot()->queue_bytes);
  }
  CHECK(cluster[1].messages.size() == 400);
  CHECK(cluster[2].messages.size() < 100);
  CHECK(most < 1 << 20);
  cluster[2].host.stall(false);
  CHECK(cluster.run_until([&] { return cluster[2].messages.size() == 400; }, 30s));
  CHECK(cluster[0].snapshot()->transport.queue_overflows == 0);
  cluster.check_invariants();
}

TEST_CASE("handlers may call back in", "[driver]") {
  TestCluster cluster;
  cluster.add_many(2);
  REQUIRE(cluster.settle(1));
  TestNode& b = cluster[1];
  b.on_message = [&](const Message& m) {
    if (b.sequence < 3) b.publish("echo of " + std::string{m.text()});
    CHECK(b.driver->make_snapshot()->name == "b");
    REQUIRE(b.driver->set_tags({{"seen", std::to_string(m.id.sequence)}}));
  };
  cluster[0].publish("one");
  cluster[0].publish("two");
  cluster.run_for(2s);
  CHECK(cluster[0].texts() == std::vector<std::string>{"echo of one", "echo of two"});
  for (const auto s = cluster[0].snapshot(); const MemberInfo& member : s->members) {
    if (member.member.name == "b") CHECK(member.tags().at("seen") == "2");
  }
}

TEST_CASE("a handler may stop the node: nothing is told after it", "[driver]") {
  TestCluster cluster;
  cluster.add_many(2);
  REQUIRE(cluster.settle(1));
  TestNode& b = cluster[1];
  b.on_message = [&](const Message&) { b.driver->stop(); };
  for (int i = 0; i < 5; ++i) cluster[0].publish("m");
  cluster.run_for(2s);
  CHECK(b.messages.size() == 1);
  CHECK(cluster[0].links().empty());
  b.driver->publish(1, "t", {});
  CHECK(b.driver->set_tags({}).error().code == Errc::stopped);
}

TEST_CASE("who leaves delivers first, and is left, not dead", "[driver]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  TestNode& c = cluster[2];
  for (int i = 0; i < 50; ++i) c.publish("last " + std::to_string(i));
  c.driver->leave();
  REQUIRE(cluster.run_until([&] { return c.leaves_done == 1; }, 5s));
  CHECK(c.snapshot()->left);
  CHECK(c.links().empty());
  cluster.run_for(3s);
  for (std::size_t i : {0U, 1U}) {
    CHECK(cluster[i].messages.size() == 50);
    CHECK(cluster[i].links().size() == 1);
    CHECK(cluster[i].partitions.empty());
    for (const auto s = cluster[i].snapshot(); const MemberInfo& member : s->members) {
      if (member.member.name == "c") CHECK(member.member.state == MemberState::left);
    }
  }
  cluster[0].publish("without c");
  cluster.run_for(1s);
  CHECK(c.messages.empty());
  c.driver->rejoin();
  REQUIRE(cluster.settle(2));
  CHECK_FALSE(c.snapshot()->left);
  cluster[0].publish("with c");
  cluster.run_for(6s);
  auto texts = c.texts();
  std::sort(texts.begin(), texts.end());
  CHECK(texts == std::vector<std::string>{"with c", "without c"});
  cluster.check_invariants();
}

TEST_CASE("that a member leaves is heard over its links, too", "[driver]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  const Endpoint quiet = cluster[2].host.address();
  cluster.net.packets_blocked = [&](const Endpoint& from, const Endpoint&) { return from == quiet; };
  cluster[2].driver->leave();
  REQUIRE(cluster.run_until([&] { return cluster[2].leaves_done == 1; }, 5s));
  cluster.run_for(1s);
  for (std::size_t i : {0U, 1U})
    for (const auto s = cluster[i].snapshot(); const MemberInfo& member : s->members)
      if (member.member.name == "c") CHECK(member.member.state == MemberState::left);
}

TEST_CASE("who was started under another's name does not take that one along when it leaves", "[driver]") {
  TestCluster c;
  c.add_many(3);
  REQUIRE(c.settle(2));
  const auto alive = [&](std::size_t seer) {
    const auto s = c[seer].snapshot();
    return std::any_of(s->members.begin(), s->members.end(), [](const MemberInfo& m) {
      return m.member.name == "b" && m.member.port == 7946 && m.member.state == MemberState::alive &&
             m.member.endpoint().to_string() == "10.0.0.2:7946";
    });
  };
  TestNode& second = c.add_at("10.0.0.9:7946", "b");
  REQUIRE(c.run_until([&] { return second.logged("start one of the two under another name"); }, 10s));
  second.driver->leave();
  REQUIRE(c.run_until([&] { return second.leaves_done == 1; }, 5s));
  c.run_for(20s);
  for (std::size_t seer : {0, 1, 2}) {
    CHECK(alive(seer));
    CHECK(c[seer].snapshot()->swim.deaths == 0);
    CHECK(c[seer].snapshot()->swim.refutations == 0);
  }
}

TEST_CASE("tags share the metadata with ours, and the error says how much is left", "[driver]") {
  TestCluster cluster;
  cluster.add_many(2);
  REQUIRE(cluster.settle(1));
  Driver& driver = *cluster[0].driver;
  const Status status = driver.set_tags({{"key", std::string(500, 'v')}});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::invalid_argument);
  CHECK(status.error().message.find("are left") != std::string::npos);
  CHECK_FALSE(driver.set_tags({{"pvi", "x"}}));
  CHECK(driver.set_tags({{"role", "db"}}));
  cluster.run_for(2s);
  const auto find_a = [&] {
    for (const auto s = cluster[1].snapshot(); const MemberInfo& member : s->members) {
      if (member.member.name == "a") return member;
    }
    return MemberInfo{};
  };
  CHECK(find_a().tags().at("role") == "db");
  CHECK(find_a().speaks_links);
  CHECK(driver.set_meta(Bytes::copy_of(std::string("\x00\xff raw", 6))));
  cluster.run_for(2s);
  CHECK(find_a().tags().at("pvm") == std::string("\x00\xff raw", 6));
  CHECK_FALSE(find_a().tags().contains("role"));
  CHECK(cluster[0].links().size() == 1);
}

TEST_CASE("links measure round trips and clocks", "[driver]") {
  TestCluster cluster;
  cluster.net.latency = 10ms;
  cluster.add_many(2);
  cluster[1].host.wall_offset_us = 3'000'000;
  REQUIRE(cluster.settle(1));
  cluster.run_for(5s);
  const auto s = cluster[0].snapshot();
  REQUIRE(s->links.size() == 1);
  CHECK(s->links[0].rtt_s == Approx(0.02).margin(0.001));
  CHECK(s->links[0].clock_offset_s == Approx(3.0).margin(0.001));
  CHECK(s->clock_offset_s == Approx(3.0).margin(0.001));
  CHECK(s->links[0].last_frame_s < 1.2);
  CHECK(s->links[0].up_s > 5);
  CHECK(s->links[0].up_s <= s->uptime_s);
  CHECK(s->links[0].score == Approx(1.0));
}

TEST_CASE("nothing happens between the timers of an idle cluster", "[driver]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  cluster.run_for(10s);
  const auto before = cluster[0].driver->version();
  cluster.run_for(10s);
  // Pings of two links, probes, gossip and digests: some tens of events a second at most.
  CHECK(cluster[0].driver->version() - before < 600);
}

TEST_CASE("a node whose only seed is itself is ready alone", "[driver]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a", [](Config& c) { c.seeds = {"10.0.0.1:7946"}; });
  CHECK(cluster.run_until([&] { return a.ready(); }, 10s));
}

TEST_CASE("nodes that start at once with each other as seeds become ready", "[driver]") {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) {
    cluster.add(std::string(1, static_cast<char>('a' + i)), [](Config& c) {
      c.seeds = {"10.0.0.1:7946", "10.0.0.2:7946", "10.0.0.3:7946"};
    });
  }
  REQUIRE(cluster.settle(2, 10s));
  cluster[1].publish("hello");
  cluster.run_for(1s);
  CHECK(cluster[0].texts() == std::vector<std::string>{"hello"});
  CHECK(cluster[2].texts() == std::vector<std::string>{"hello"});
}

TEST_CASE("a node whose seeds do not answer is not ready and says why", "[driver]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a", [](Config& c) { c.seeds = {"10.0.0.77:7946"}; });
  cluster.run_for(20s);
  CHECK(a.snapshot()->not_ready_reason.find("no seed has answered") != std::string::npos);
}

TEST_CASE("a node among foreign members only is ready and healthy", "[driver]") {
  TestCluster cluster;
  ForeignMember foreign{cluster.net, "10.0.0.9:7946", "foreign"};
  TestNode& a = cluster.add("a", [](Config& c) { c.seeds = {"10.0.0.9:7946"}; });
  REQUIRE(cluster.run_until([&] { return a.ready(); }, 10s));
  const auto s = a.snapshot();
  REQUIRE(s->members.size() == 2);
  CHECK(s->members[1].member.name == "foreign");
  CHECK_FALSE(s->members[1].speaks_links);
  CHECK(s->links.empty());
  CHECK(foreign.swim.members().size() == 2);
  cluster.net.kill(foreign.host);
  REQUIRE(cluster.run_until([&] {
    return std::any_of(a.members.begin(), a.members.end(), [](const MemberEvent& e) { return e.kind == MemberEvent::Kind::died; });
  }, 60s));
  CHECK(a.snapshot()->partition == PartitionState::healthy);
  CHECK(a.partitions.empty());
}

TEST_CASE("most members lost is told apart from some", "[driver]") {
  TestCluster cluster;
  cluster.add_many(5);
  REQUIRE(cluster.settle(4));
  for (std::size_t i = 2; i < 5; ++i) cluster.net.kill(cluster[i].host);
  CHECK(cluster.run_until([&] { return cluster[0].snapshot()->partition == PartitionState::majority_lost; }, 60s));
  cluster.run_for(1ms);
  CHECK(cluster[0].partitions.back().unreachable == std::vector<std::string>{"c", "d", "e"});
}

TEST_CASE("paused delivery holds messages back and resumes in order", "[driver]") {
  TestCluster cluster;
  cluster.add_many(2);
  REQUIRE(cluster.settle(1));
  cluster[1].driver->pause_delivery(true);
  for (int i = 0; i < 10; ++i) cluster[0].publish(std::to_string(i));
  cluster.run_for(1s);
  CHECK(cluster[1].messages.empty());
  cluster[1].driver->pause_delivery(false);
  cluster.run_for(1s);
  CHECK(cluster[1].texts() == std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
}

TEST_CASE("a stopped process is found out, and catches up when it goes on", "[driver]") {
  const Duration pause = GENERATE(3s, 20s, 70s);
  TestCluster cluster;
  cluster.add_many(4);
  REQUIRE(cluster.settle(3));
  cluster.run_for(10s);
  cluster[2].host.freeze(true);
  const int count = static_cast<int>(pause / 100ms);
  for (int i = 0; i < count; ++i) {
    cluster[0].publish(std::to_string(i));
    cluster.run_for(100ms);
  }
  CHECK(cluster[1].messages.size() == static_cast<std::size_t>(count));
  if (pause >= 20s) {
    for (const auto s = cluster[0].snapshot(); const MemberInfo& member : s->members) {
      if (member.member.name == "c") CHECK(member.member.state != MemberState::alive);
    }
  }
  cluster[2].host.freeze(false);
  CHECK(cluster.run_until([&] { return cluster[2].messages.size() == static_cast<std::size_t>(count); }, 15s));
  std::set<std::string> unique;
  for (const std::string& text : cluster[2].texts()) unique.insert(text);
  CHECK(unique.size() == static_cast<std::size_t>(count));
  REQUIRE(cluster.settle(3, 60s));
  cluster.run_for(5s);
  for (const auto& node : cluster.nodes) {
    // It accused nobody of its own stall.
    for (const MemberEvent& e : node->members) CHECK((e.kind != MemberEvent::Kind::died || e.member.name == "c"));
    CHECK(node->snapshot()->partition == PartitionState::healthy);
  }
  cluster.check_invariants();
}

TEST_CASE("a delivery slower than slow_delivery is told with origin, hops and delay, and counted", "[driver]") {
  TestCluster c;
  c.add("a");
  TestNode& b = c.add("b", [](Config& config) { config.health.slow_delivery = 1ns; });
  TestNode& fast = c.add("c", [](Config& config) { config.health.slow_delivery = 1min; });
  TestNode& off = c.add("d", [](Config& config) { config.health.slow_delivery = Duration{0}; });
  REQUIRE(c.run_until([&] { return std::all_of(c.nodes.begin(), c.nodes.end(), [](const auto& node) { return node->ready() && !node->links().empty(); }); }, 20s));
  c.run_for(5s);  // clocks of links are compared
  c[0].publish("x");
  c[0].publish("y", "_reserved");
  REQUIRE(c.run_until([&] { return b.messages.size() == 2 && fast.messages.size() == 2 && off.messages.size() == 2; }, 10s));
  CHECK(b.snapshot()->tree.slow == 1);
  CHECK(b.logged("tree PV1309 Slow delivery of message " + to_string(b.messages[0].first) + " of a on topic t: "));
  CHECK(fast.snapshot()->tree.slow == 0);
  CHECK(off.snapshot()->tree.slow == 0);
  CHECK_FALSE(off.logged("PV1309"));
}

TEST_CASE("the path of a message tells how long it waited for the handler", "[driver]") {
  TestCluster c;
  c.add("a");
  TestNode& b = c.add("b");
  REQUIRE(c.run_until([&] { return b.ready() && !b.links().empty(); }, 20s));
  b.driver->pause_delivery(true);
  c[0].publish("x");
  c.run_for(300ms);
  const MessageId id{c[0].snapshot()->instance, 1};
  CHECK(b.driver->path(id).state == PathInfo::State::held);
  CHECK_FALSE(b.driver->path(id).waited);
  b.driver->pause_delivery(false);
  REQUIRE(c.run_until([&] { return b.messages.size() == 1; }, 5s));
  REQUIRE(b.driver->path(id).waited);
  CHECK(*b.driver->path(id).waited >= 200ms);
}

TEST_CASE("deadlines that are set are counted", "[driver]") {
  TestCluster c;
  TestNode& a = c.add("a");
  const auto alone = a.snapshot()->loop.timers;
  CHECK(alone > 0);
  TestNode& b = c.add("b");
  REQUIRE(c.run_until([&] { return b.ready() && !b.links().empty(); }, 20s));
  CHECK(a.snapshot()->loop.timers > alone);  // a link has one of its own
}
