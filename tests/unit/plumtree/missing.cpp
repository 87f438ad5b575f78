#include <catch2/catch.hpp>

#include "plumtree/lazy_queue.hpp"
#include "plumtree/missing.hpp"

using namespace plumvine;
using namespace plumvine::tree;

namespace {
MessageId id(Sequence sequence) { return {InstanceId{1}, sequence}; }
Timestamp ms(std::int64_t n) { return Timestamp{} + milliseconds{n}; }
}  // namespace

TEST_CASE("the first announcement of an id starts its only timer", "[missing]") {
  MissingSet missing;
  CHECK(missing.next() == kNever);
  CHECK(missing.announce(id(1), 3, kSharedTree, 2, ms(0), ms(10)));
  CHECK(missing.announce(id(1), 4, kSharedTree, 1, ms(5), ms(15)));
  CHECK(missing.announce(id(1), 4, kSharedTree, 1, ms(6), ms(16)));
  CHECK(missing.size() == 1);
  CHECK(missing.next() == ms(10));
  CHECK_FALSE(missing.pop_due(ms(9)));
  CHECK(missing.pop_due(ms(10)) == id(1));
  CHECK(missing.next() == kNever);
  CHECK(missing.find(id(1))->announcers.size() == 2);
  missing.arm(id(1), *missing.find(id(1)), ms(30));
  CHECK(missing.next() == ms(30));
}

TEST_CASE("an id that arrived has no timer any more", "[missing]") {
  MissingSet missing;
  missing.announce(id(1), 3, kSharedTree, 0, ms(0), ms(10));
  missing.announce(id(2), 3, kSharedTree, 0, ms(0), ms(20));
  const auto entry = missing.take(id(1));
  REQUIRE(entry);
  CHECK(entry->first == ms(0));
  CHECK_FALSE(missing.take(id(1)));
  CHECK(missing.next() == ms(20));
  CHECK(missing.pop_due(ms(50)) == id(2));
  CHECK_FALSE(missing.pop_due(ms(50)));
}

TEST_CASE("timers come up in order of deadline, then of setting", "[missing]") {
  MissingSet missing;
  for (const Sequence s : {5, 3, 9, 7}) missing.announce(id(s), 1, kSharedTree, 0, ms(0), ms(s == 9 ? 5 : 10));
  std::vector<Sequence> order;
  while (const auto due = missing.pop_due(ms(10))) order.push_back(due->sequence);
  CHECK(order == std::vector<Sequence>{9, 5, 3, 7});
}

TEST_CASE("a link that breaks takes its announcements along", "[missing]") {
  MissingSet missing;
  missing.announce(id(2), 1, kSharedTree, 0, ms(0), ms(10));
  missing.announce(id(1), 1, kSharedTree, 0, ms(0), ms(10));
  missing.announce(id(1), 2, kSharedTree, 0, ms(0), ms(10));
  missing.find(id(1))->target = 1;
  missing.find(id(2))->target = 1;
  CHECK(missing.link_down(1) == std::vector<MessageId>{id(1), id(2)});
  CHECK(missing.find(id(1))->announcers.size() == 1);
  CHECK(missing.find(id(2))->announcers.empty());
}

TEST_CASE("a lost range is forgotten", "[missing]") {
  MissingSet missing;
  for (Sequence s = 1; s <= 10; ++s) missing.announce(id(s), 1, kSharedTree, 0, ms(0), ms(10));
  missing.find(id(4))->target = 1;
  CHECK(missing.drop(InstanceId{1}, {3, 8}) == std::vector<MessageId>{id(4)});
  CHECK(missing.size() == 4);
  CHECK(missing.drop(InstanceId{2}, {1, 100}).empty());
  CHECK(missing.size() == 4);
}

TEST_CASE("missing ids are bounded, and so are the timers of those that came", "[missing]") {
  MissingSet missing;
  for (Sequence s = 1; s <= MissingSet::kMissingMax; ++s) REQUIRE(missing.announce(id(s), 1, kSharedTree, 0, ms(0), ms(10)));
  CHECK_FALSE(missing.announce(id(100'000), 1, kSharedTree, 0, ms(0), ms(10)));
  CHECK(missing.announce(id(1), 2, kSharedTree, 0, ms(0), ms(10)));
  for (Slot slot = 0; slot < 100; ++slot) missing.announce(id(2), slot, kSharedTree, 0, ms(0), ms(10));
  CHECK(missing.find(id(2))->announcers.size() == MissingSet::kAnnouncersMax);
  for (Sequence s = 1; s <= MissingSet::kMissingMax; ++s) missing.take(id(s));
  CHECK(missing.next() == kNever);
}

TEST_CASE("announcements wait in two lanes, each in order", "[lazy]") {
  LazyQueue queue;
  queue.push(LazyQueue::Lane::second, 1, ms(20));
  queue.push(LazyQueue::Lane::first, 2, ms(5));
  queue.push(LazyQueue::Lane::first, 3, ms(6));
  CHECK(queue.size() == 3);
  CHECK(queue.next() == ms(5));
  std::vector<Arrival> taken;
  const auto use = [&](Arrival arrival) { taken.push_back(arrival); };
  queue.take(ms(5), use);
  CHECK(taken == std::vector<Arrival>{2});
  CHECK(queue.next() == ms(6));
  queue.take(ms(100), use);
  CHECK(taken == std::vector<Arrival>{2, 3, 1});
  CHECK(queue.next() == kNever);
  CHECK(queue.size() == 0);
}
