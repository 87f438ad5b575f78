// Where delivery begins in a process that joins, and what is known of what was had.
#include "single.hpp"

#include <catch2/catch.hpp>

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// Node 0 has published `count` messages; node 1 is its neighbour.
Cluster with_history(int count, TreeConfig config = {}) {
  Cluster c(2, config);
  c.link(0, 1);
  c.members();
  for (int i = 0; i < count; ++i) c.publish(0, "m" + std::to_string(i + 1));
  c.run(seconds{1});
  return c;
}

std::uint32_t join(Cluster& c, TreeStart start) {
  const auto n = c.add({}, false);
  c.nodes[n].tree->start_from(std::move(start), c.now);
  c.link(n, 1);
  c.run(seconds{3});
  return n;
}

std::vector<Sequence> numbers(Sequence first, Sequence last) {
  std::vector<Sequence> out;
  for (Sequence s = first; s <= last; ++s) out.push_back(s);
  return out;
}

std::vector<Sequence> sorted(std::vector<Sequence> list) {
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace

TEST_CASE("a joiner that starts with the window gets everything its neighbour still holds", "[tree][start]") {
  TreeConfig small;
  small.sync_max_messages = 30;
  const bool whole = GENERATE(true, false);
  Cluster c = with_history(100, whole ? TreeConfig{} : small);
  const auto n = join(c, {TreeStart::Mode::window, {}, {}});
  CHECK(sorted(c.got(n, 0)) == (whole ? numbers(1, 100) : numbers(71, 100)));
  CHECK(c.nodes[n].lost.empty());
  CHECK(c.stats(n).missing_messages == 0);
  c.publish(0);
  c.run(seconds{1});
  CHECK(c.got(n, 0).back() == 101);
}

TEST_CASE("a joiner that starts with a cursor gets everything that is not in it, once", "[tree][start]") {
  Cluster c = with_history(100);
  Cursor had;
  had.add(instance(0), {1, 40});
  had.add(instance(0), {43, 44});
  const auto n = join(c, {TreeStart::Mode::cursor, had, {}});
  auto expected = numbers(45, 100);
  expected.insert(expected.begin(), {41, 42});
  CHECK(sorted(c.got(n, 0)) == expected);
  CHECK(c.nodes[n].lost.empty());
  Cursor all;
  all.add(instance(0), {1, 100});
  CHECK(c.nodes[n].tree->position() == all);
}

TEST_CASE("an origin that a cursor does not know is delivered from its first message", "[tree][start]") {
  Cluster c = with_history(10);
  Cursor had;
  had.add(instance(77), {1, 5});
  const auto n = join(c, {TreeStart::Mode::cursor, had, {}});
  CHECK(sorted(c.got(n, 0)) == numbers(1, 10));
}

TEST_CASE("what no neighbour holds any more behind a cursor is reported as lost, once", "[tree][start]") {
  TreeConfig small;
  small.sync_max_messages = 30;
  small.sync_interval = milliseconds{500};
  Cluster c = with_history(100, small);
  Cursor had;
  had.add(instance(0), {1, 40});
  const auto n = c.add(small, false);
  c.nodes[n].tree->start_from({TreeStart::Mode::cursor, had, {}}, c.now);
  c.link(n, 1);
  c.run(seconds{10});
  CHECK(sorted(c.got(n, 0)) == numbers(71, 100));
  REQUIRE(c.nodes[n].lost.size() == 1);
  CHECK(c.nodes[n].lost[0].range == SequenceRange{41, 70});
  CHECK(c.nodes[n].lost[0].reason == LossReason::evicted);
}

TEST_CASE("broadcasts of a member's own earlier run are repaired and not delivered to it", "[tree][start]") {
  Cluster c = with_history(10);
  Cursor had;
  had.add(instance(0), {1, 4});
  const auto n = join(c, {TreeStart::Mode::cursor, had, {instance(0)}});
  CHECK(c.got(n, 0).empty());
  CHECK(c.stats(n).store_messages == 6);
  CHECK(c.nodes[n].tree->held_ids(false).empty());
  CHECK(c.stats(n).missing_messages == 0);
}

TEST_CASE("what waits for delivery is not in the position", "[tree][start]") {
  Single s({});
  s.receive(1, gossip(1));
  CHECK_FALSE(s.tree.position().contains({instance(50), 1}));
  s.drain();
  CHECK(s.tree.position().contains({instance(50), 1}));
  s.tree.pause_delivery(true, s.now);
  s.receive(1, gossip(2));
  s.drain();
  CHECK_FALSE(s.tree.position().contains({instance(50), 2}));
  CHECK(s.tree.held_ids(false) == std::vector<MessageId>{{instance(50), 1}});
  s.tree.pause_delivery(false, s.now);
  s.drain();
  CHECK(s.tree.position().contains({instance(50), 2}));
  CHECK(s.tree.held({instance(50), 2})->topic == "t");
  CHECK(s.tree.held({instance(50), 2})->origin == "n50");
  CHECK_FALSE(s.tree.held({instance(50), 3}).has_value());
}

TEST_CASE("what is held is given in the order of sequences of each origin", "[tree][start]") {
  Single s({});
  const auto of = [](std::uint32_t origin, Sequence sequence) {
    auto g = gossip(sequence);
    g.id.origin = instance(origin);
    return g;
  };
  for (const auto& g : {of(50, 3), of(51, 2), of(50, 1), of(51, 1), of(50, 2)}) s.receive(1, g);
  s.drain();
  CHECK(s.tree.held_ids(false) == std::vector<MessageId>{{instance(50), 1}, {instance(51), 1}, {instance(50), 2}, {instance(51), 2}, {instance(50), 3}});
}
