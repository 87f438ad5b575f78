// memberlist's tests of the broadcast queue, by its names. See docs/memberlist-tests.md.
#include "lone.hpp"
#include "membership/broadcast_queue.hpp"

using namespace plumvine;
using namespace plumvine::swim;

namespace {

Bytes text(char c, std::size_t size) { return Bytes::copy_of(std::string(size, c)); }

std::string taken(BroadcastQueue& queue, std::size_t overhead, std::size_t limit, std::size_t members = 10) {
  std::vector<Bytes> out;
  queue.take(overhead, limit, members, SIZE_MAX, out);
  std::string letters;
  for (const Bytes& item : out) letters += item.text()[0];
  return letters;
}

}  // namespace

TEST_CASE("LimitedBroadcastLess", "[memberlist]") {
  BroadcastQueue queue(4, 100);
  queue.queue("short", text('s', 10));
  queue.queue("long", text('l', 50));
  queue.queue("old", text('o', 20));
  queue.queue("new", text('n', 20));
  CHECK(taken(queue, 0, 1000) == "lnos");  // longer first, then the newer of equal ones
  queue.queue("late", text('x', 5));
  CHECK(taken(queue, 0, 1000) == "xlnos");  // fewest transmissions first
}

TEST_CASE("TransmitLimited_Queue, Broadcast_Invalidates, Broadcast_Message", "[memberlist]") {
  BroadcastQueue queue(1, 100);
  queue.queue("test", text('1', 10));
  queue.queue("foo", text('2', 10));
  queue.queue("bar", text('3', 10));
  CHECK(queue.size() == 3);
  CHECK(taken(queue, 0, 10) == "3");
  queue.queue("test", text('4', 10));  // replaces the first, and is the newest
  CHECK(queue.size() == 3);
  CHECK(taken(queue, 0, 1000).substr(0, 2) == "42");
}

TEST_CASE("TransmitLimited_GetBroadcasts", "[memberlist]") {
  BroadcastQueue queue(3, 100);
  for (const char* name : {"test", "foo", "bar", "baz"}) queue.queue(name, text(name[0], 18));
  CHECK(taken(queue, 2, 80).size() == 4);
  CHECK(taken(queue, 3, 80).size() == 3);
}

TEST_CASE("TransmitLimited_GetBroadcasts_Limit", "[memberlist]") {
  BroadcastQueue queue(1, 100);
  for (const char* name : {"test", "foo", "bar", "baz"}) queue.queue(name, text(name[0], 18));
  // Ten members: each message is sent twice.
  CHECK(taken(queue, 3, 80).size() == 3);
  CHECK(taken(queue, 3, 80).size() == 3);
  CHECK(taken(queue, 3, 80).size() == 2);
  CHECK(taken(queue, 3, 80).empty());
  CHECK(queue.empty());
}

TEST_CASE("TransmitLimited_Prune", "[memberlist]") {
  BroadcastQueue queue(1, 100);
  queue.watch_all();
  const auto first = queue.queue("test", text('1', 10));
  const auto second = queue.queue("foo", text('2', 10));
  queue.queue("bar", text('3', 10));
  queue.queue("baz", text('4', 10));
  queue.prune(2);
  CHECK(queue.size() == 2);
  auto finished = queue.take_finished();
  std::sort(finished.begin(), finished.end());
  CHECK(finished == std::vector<BroadcastQueue::Ticket>{first, second});
}

TEST_CASE("TransmitLimited_ordering", "[memberlist]") {
  BroadcastQueue queue(6, 100);
  std::string wanted;
  for (const char c : {'a', 'b', 'c', 'd', 'e'}) {  // queued later = sent less often, so it comes first
    queue.queue(std::string(1, c), text(c, 10));
    (void)taken(queue, 0, 1000, 1000);
    wanted.insert(wanted.begin(), c);
  }
  CHECK(taken(queue, 0, 1000, 1000) == wanted);
}
