#include "cluster.hpp"

#include <thread>

using namespace plumvine;
using namespace plumvine::test;

TEST_CASE("two nodes join, and each hears the other", "[node]") {
  Cluster c{2};
  auto first = c.nodes[0]->broadcast("from zero");
  auto second = c.nodes[1]->broadcast("from one");
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->sequence == 1);
  CHECK(first->origin == c.nodes[0]->instance());
  CHECK(c.exactly_once({*first, *second}));
  CHECK(c.journals[1]->read([](const Journal& j) { return j.texts; }) == std::vector<std::string>{"from zero"});
  CHECK(c.nodes[0]->peer_count() == 1);
}

TEST_CASE("five nodes deliver what many threads publish, exactly once", "[node]") {
  Cluster c{5};
  std::mutex mutex;
  std::vector<MessageId> ids;
  std::vector<std::thread> publishers;
  for (std::size_t n = 0; n < 3; ++n)
    for (int t = 0; t < 2; ++t)
      publishers.emplace_back([&, n, t] {
        for (int i = 0; i < 200; ++i) {
          auto id = c.nodes[n]->broadcast("t" + std::to_string(t), Bytes::copy_of(std::to_string(i)), {.wait = 20s});
          const std::lock_guard lock{mutex};
          if (id) ids.push_back(*id);
        }
      });
  for (auto& publisher : publishers) publisher.join();
  CHECK(ids.size() == 1200);
  CHECK(c.exactly_once(ids));
  std::set<MessageId> distinct(ids.begin(), ids.end());
  CHECK(distinct.size() == ids.size());
}

TEST_CASE("payloads of any size arrive unchanged", "[node]") {
  Cluster c{3};
  std::vector<MessageId> ids;
  std::set<std::string> sent;
  for (const std::size_t size : {0, 1, 511, 16 * 1024, 64 * 1024 + 1, 1 << 20}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + size);
    auto id = c.nodes[1]->broadcast("big", Bytes::copy_of(std::string_view{text}), {.wait = 20s});
    REQUIRE(id);
    ids.push_back(*id);
    sent.insert(text);
  }
  REQUIRE(c.exactly_once(ids));
  for (const std::size_t n : {0U, 2U}) {
    const auto texts = c.journals[n]->read([](const Journal& j) { return j.texts; });
    CHECK((std::set<std::string>(texts.begin(), texts.end()) == sent));
  }
}

TEST_CASE("a node that stops without a word is dead elsewhere, and the others go on", "[node]") {
  Cluster c{4};
  c.nodes[2]->stop();
  for (const std::size_t n : {0U, 1U, 3U})
    CHECK(c.journals[n]->wait([](const Journal& j) {
      const auto it = j.last_event.find("n2");
      return it != j.last_event.end() && it->second == MemberEvent::Kind::died;
    }));
  c.nodes[2].reset();
  auto id = c.nodes[3]->broadcast("still here");
  REQUIRE(id);
  CHECK(c.exactly_once({*id}));
}

TEST_CASE("a node that leaves is left elsewhere, and may come back", "[node]") {
  Cluster c{3};
  REQUIRE(c.nodes[1]->leave(10s));
  CHECK(c.nodes[1]->broadcast("x").error().code == Errc::stopped);
  for (const std::size_t n : {0U, 2U})
    CHECK(eventually([&] { return state_of(*c.nodes[n], "n1") == MemberState::left; }));
  REQUIRE(c.nodes[1]->rejoin());
  for (auto& node : c.nodes) CHECK(eventually([&] { return alive_members(*node) == 3; }));
  auto id = c.nodes[1]->broadcast("back");
  REQUIRE(id);
  CHECK(c.exactly_once({*id}));
}

TEST_CASE("a later joiner gets what is published from then on", "[node]") {
  Cluster c{2};
  auto before = c.nodes[0]->broadcast("early");
  REQUIRE(before);
  REQUIRE(c.exactly_once({*before}));
  Node& late = c.add();
  REQUIRE(eventually([&] { return alive_members(late) == 3 && late.snapshot()->not_ready_reason.empty(); }));
  auto after = c.nodes[0]->broadcast("late");
  REQUIRE(after);
  CHECK(c.exactly_once({*after}));
  CHECK(c.journals[2]->read([](const Journal& j) { return j.texts; }) == std::vector<std::string>{"late"});
}

TEST_CASE("seeds may be named, and given later", "[node]") {
  Cluster c{1};
  Node& other = c.add([](Config& config) { config.seeds = {}; });
  const std::string port = std::to_string(c.nodes[0]->address().port);
  CHECK(other.join({"not a host:port:1"}).error().code == Errc::invalid_argument);
  REQUIRE(other.join({"localhost:" + port}));
  CHECK(eventually([&] { return alive_members(other) == 2; }));
}

TEST_CASE("tags and metadata reach other members, and too many are refused with what is left", "[node]") {
  Cluster c{2};
  REQUIRE(c.nodes[0]->set_tags({{"role", "db"}}));
  CHECK(eventually([&] {
    const auto snapshot = c.nodes[1]->snapshot();
    for (const auto& info : snapshot->members)
      if (const Tags tags = info.tags(); info.member.name == "n0" && tags.contains("role")) return tags.at("role") == "db";
    return false;
  }));
  CHECK_FALSE(c.nodes[0]->set_tags({{"role", std::string(600, 'x')}}));
}

TEST_CASE("an idle node hardly wakes up", "[node]") {
  Cluster c{2};
  const auto before = c.nodes[0]->snapshot()->loop.busy_ratio;
  CHECK(before < 0.5);
  // The state is made on demand: two reads within 250 ms see the same object.
  const auto first = c.nodes[0]->snapshot();
  CHECK(c.nodes[0]->snapshot() == first);
}
