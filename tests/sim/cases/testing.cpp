// The clusters that services test themselves with, used as they use them.
#include <catch2/catch.hpp>

#include <plumvine/testing.hpp>

#include <set>

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

std::string said(const Status& status) { return status ? std::string{} : status.error().message; }

}  // namespace

TEST_CASE("testing: what one publishes all get, once, and direct messages one", "[testing]") {
  testing::Cluster cluster({.nodes = 7, .seed = 3});
  std::multiset<std::size_t> got;
  std::vector<std::pair<std::size_t, std::string>> direct;
  cluster.on_message = [&](std::size_t node, const Message& message) {
    CHECK(message.text() == "hello");
    CHECK(message.origin == cluster.name(2));
    got.insert(node);
  };
  cluster.on_direct = [&](std::size_t node, const DirectMessage& message) { direct.emplace_back(node, message.from); };
  CHECK(said(cluster.broadcast(2, "t", Bytes::copy_of("early"))) == "n2 does not run");
  REQUIRE(cluster.start_all());
  REQUIRE(cluster.settle());
  CHECK(said(cluster.start(2)) == "n2 runs already");
  CHECK(cluster.broadcast(2, "t", Bytes::copy_of("hello")));
  CHECK(cluster.run_until([&] { return got.size() == 6; }, 5s));
  CHECK(cluster.send(1, "n4", Bytes::copy_of("you")));
  CHECK_FALSE(cluster.send(1, "n9", Bytes::copy_of("you")));
  cluster.run_for(10s);
  CHECK(got == std::multiset<std::size_t>{0, 1, 3, 4, 5, 6});
  CHECK(direct == std::vector<std::pair<std::size_t, std::string>>{{4, "n1"}});
  CHECK(cluster.all_delivered());
  CHECK(cluster.unrest().empty());
  CHECK(cluster.violations().empty());
  CHECK(cluster.false_deaths() == 0);
  CHECK_FALSE(cluster.log().empty());
}

TEST_CASE("testing: the same seed and calls are the same run, another seed is not", "[testing]") {
  const auto run = [](std::uint64_t seed) {
    testing::Cluster cluster({.nodes = 4, .seed = seed, .path = {.delay = 5ms, .jitter = 5ms, .loss = 0.05}});
    REQUIRE(cluster.start_all());
    cluster.run_for(2s);
    for (int i = 0; i < 20; ++i) REQUIRE(cluster.broadcast(i % 4, "t", Bytes::copy_of(std::to_string(i))));
    cluster.kill(3);
    cluster.run_for(20s);
    CHECK(cluster.elapsed() == 22s + 4 * 20ms);
    return cluster.fingerprint();
  };
  const auto first = run(7);
  CHECK(first == run(7));
  CHECK(first != run(8));
}

TEST_CASE("testing: processes die, stop, leave and come back, also at the word of a handler", "[testing]") {
  testing::Cluster cluster({.nodes = 5, .seed = 11});
  std::vector<std::string> seen;
  cluster.on_member = [&](std::size_t node, const MemberEvent& event) {
    if (node != 0) return;
    seen.push_back(event.member.name + " " + std::string(to_string(event.kind)));
    // A service that starts what it finds dead.
    if (event.kind == MemberEvent::Kind::died && event.member.name == "n4") CHECK(cluster.start(4));
  };
  // One that ends at a message, from inside.
  cluster.on_message = [&](std::size_t node, const Message& message) {
    if (message.text() == "n3" && node == 3) {
      cluster.leave(3);
      CHECK(cluster.running(3));
    }
  };
  bool logged = false;
  cluster.on_log = [&](std::size_t node, const LogRecord& record) { logged = logged || (node == 0 && record.text.rfind("Member n4 is dead", 0) == 0); };
  REQUIRE(cluster.start_all());
  REQUIRE(cluster.settle());
  const auto has = [&](const std::string& what) { return std::find(seen.begin(), seen.end(), what) != seen.end(); };

  cluster.kill(4);
  CHECK_FALSE(cluster.running(4));
  CHECK(cluster.snapshot(4) == nullptr);
  CHECK(cluster.run_until([&] { return has("n4 died"); }, 30s));
  CHECK(cluster.run_until([&] { return cluster.running(4); }, 1s));
  CHECK(logged);
  CHECK(cluster.settle());

  CHECK(cluster.broadcast(1, "orders", Bytes::copy_of("n3")));
  CHECK(cluster.run_until([&] { return !cluster.running(3); }, 10s));
  CHECK(cluster.run_until([&] { return has("n3 left"); }, 5s));

  cluster.pause(1);
  cluster.run_for(30s);
  CHECK(has("n1 died"));
  cluster.resume(1);
  CHECK(cluster.settle());
  cluster.power_off(2);
  CHECK(cluster.run_until([&] { return has("n2 died"); }, 60s));
  const std::size_t late = cluster.add_node();
  CHECK(cluster.size() == 6);
  REQUIRE(cluster.start(late));
  CHECK(cluster.settle());
  CHECK(has("n5 joined"));
  CHECK(cluster.violations().empty());
}

TEST_CASE("testing: partitions, cuts and paths do what they say", "[testing]") {
  testing::Cluster cluster({.nodes = 4, .seed = 5});
  std::vector<std::size_t> got;
  std::vector<Duration> latencies;
  cluster.on_message = [&](std::size_t node, const Message& message) {
    got.push_back(node);
    latencies.push_back(message.latency);
  };
  REQUIRE(cluster.start_all());
  REQUIRE(cluster.settle());
  const auto publish = [&](Duration time) {
    got.clear();
    latencies.clear();
    REQUIRE(cluster.broadcast(0, "t", Bytes::copy_of("x")));
    cluster.run_for(time);
    std::sort(got.begin(), got.end());
  };
  cluster.partition({{0, 1}, {2, 3}});
  publish(2s);
  CHECK(got == std::vector<std::size_t>{1});
  cluster.heal();
  CHECK(cluster.run_until([&] { return got.size() == 3; }, 60s));
  CHECK(cluster.settle());

  for (const std::size_t other : {1, 2, 3}) cluster.cut(0, other);
  publish(2s);
  CHECK(got.empty());
  for (const std::size_t other : {1, 2, 3}) cluster.cut(0, other, false);
  CHECK(cluster.run_until([&] { return got.size() == 3; }, 60s));
  CHECK(cluster.settle());

  cluster.set_path({.delay = 100ms, .jitter = {}});
  cluster.run_for(60s);  // the tree gets used to it
  publish(2s);
  REQUIRE(got.size() == 3);
  CHECK(*std::min_element(latencies.begin(), latencies.end()) >= 90ms);
  CHECK(cluster.violations().empty());
}

TEST_CASE("testing: a wrong clock is seen, and what cannot be simulated is refused by name", "[testing]") {
  testing::Cluster cluster({.nodes = 3, .seed = 2, .config = [](std::string name) {
                              Config config = Config::lan(std::move(name));
                              if (config.name == "n1") config.http = "127.0.0.1:0";
                              if (config.name == "n2") config.tree.max_message_size = 0;
                              return config;
                            }});
  CHECK(cluster.start(0));
  CHECK(said(cluster.start(1)) == "http is set: it is not simulated, or the cluster's own");
  CHECK(said(cluster.start(2)).find("max_message_size") != std::string::npos);
  CHECK_FALSE(cluster.start_all());
  CHECK(said(cluster.broadcast(0, "", Bytes::copy_of("x"))) != "");
  CHECK(said(cluster.broadcast(0, "t", Bytes::copy_of(std::string(2 << 20, 'x')))).find("max_message_size is") != std::string::npos);

  testing::Cluster skewed({.nodes = 3, .seed = 2});
  skewed.set_wall_offset(2, 40s);
  REQUIRE(skewed.start_all());
  REQUIRE(skewed.settle());
  skewed.run_for(30s);
  const auto snapshot = skewed.snapshot(0);
  bool seen = false;
  for (const LinkInfo& link : snapshot->links)
    if (link.peer == "n2") seen = link.clock_offset_s > 35 && link.clock_offset_s < 45;
  CHECK(seen);
}
