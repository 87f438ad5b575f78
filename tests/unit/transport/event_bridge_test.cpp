#include "support/pch.hpp"

#include <plumvine/topic.hpp>

#include "transport/event_bridge.hpp"

using namespace plumvine;

namespace {

Bytes bytes(std::string_view text) { return Bytes::copy_of(text); }

std::size_t fired(EventBridge& bridge) {
  std::size_t n = 0;
  while (bridge.poll_fire()) ++n;
  return n;
}
std::size_t published(EventBridge& bridge, Timestamp now) {
  std::size_t n = 0;
  while (bridge.poll_publish(now)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a bridge alone acts at once", "[bridge]") {
  EventBridge bridge;
  const Timestamp now{0};
  bridge.event(5, "deploy", bytes("v1"), now);
  CHECK(published(bridge, now) == 1);
  bridge.broadcast("deploy", bytes("v2"), Duration{0}, now);
  CHECK(fired(bridge) == 1);
  CHECK(bridge.next_timeout() == kNever);
}

TEST_CASE("a second bridge acts only if the first one did not", "[bridge]") {
  EventBridge bridge;
  bridge.set_rank(1, 2, Timestamp{0});
  Timestamp now{0};
  bridge.event(5, "deploy", bytes("v1"), now);
  bridge.broadcast("stop", bytes("x"), Duration{0}, now);
  CHECK(published(bridge, now) == 0);
  CHECK(fired(bridge) == 0);
  SECTION("it did") {
    bridge.carried(5, "deploy", bytes("v1").view());
    bridge.event(6, "stop", bytes("x"), now);
    CHECK(bridge.next_timeout() == kNever);
  }
  SECTION("it did not") {
    bridge.carried(4, "deploy", bytes("v1").view());  // another one
    now = now + EventBridge::kStep + EventBridge::kEcho;
    bridge.handle_timeout(now);
    CHECK(published(bridge, now) == 1);
    CHECK(fired(bridge) == 1);
  }
}

TEST_CASE("two bridges that both take themselves for the first fire one event", "[bridge]") {
  // `second` has not heard of `newcomer`, or has, or the other way round; all sides of one broadcast and its echo.
  struct Row { std::size_t rank, bridges; };
  const Row second = GENERATE(Row{0, 1}, Row{1, 2}), newcomer = GENERATE(Row{0, 2}, Row{0, 1});
  INFO(second.rank << " of " << second.bridges << ", " << newcomer.rank << " of " << newcomer.bridges);
  Timestamp now{0};
  EventBridge old_one, new_one;
  old_one.set_rank(second.rank, second.bridges, now - EventBridge::kSettle);
  new_one.set_rank(newcomer.rank, newcomer.bridges, now);
  old_one.broadcast("deploy", bytes("v1"), Duration{0}, now);
  new_one.broadcast("deploy", bytes("v1"), Duration{0}, now);
  std::size_t events = 0;
  for (const Timestamp end = now + EventBridge::kStep * 4; now < end; now = now + std::chrono::milliseconds{100}) {
    for (EventBridge* bridge : {&old_one, &new_one}) {
      bridge->handle_timeout(now);
      const std::size_t more = fired(*bridge);
      events += more;
      if (more > 0) (bridge == &old_one ? new_one : old_one).event(7, "deploy", bytes("v1"), now);
    }
  }
  CHECK(events == 1);
  CHECK(published(old_one, now) == 0);
  CHECK(published(new_one, now) == 0);
  // Later it is the first indeed.
  new_one.broadcast("deploy", bytes("v2"), Duration{0}, now);
  CHECK(fired(new_one) == 1);
}

TEST_CASE("a first bridge that gets a broadcast late stands last", "[bridge]") {
  EventBridge bridge;
  bridge.set_rank(0, 2, Timestamp{0} - EventBridge::kSettle);
  Timestamp now{0};
  bridge.broadcast("deploy", bytes("v1"), EventBridge::kStep, now);  // the second one has fired it by now
  CHECK(fired(bridge) == 0);
  SECTION("the other's event comes") {
    bridge.event(7, "deploy", bytes("v1"), now);
    CHECK(bridge.next_timeout() == kNever);
  }
  SECTION("nobody had it") {
    now = bridge.next_timeout();
    CHECK(now - Timestamp{0} <= EventBridge::kSettle);
    bridge.handle_timeout(now);
    CHECK(fired(bridge) == 1);
  }
}

TEST_CASE("a late broadcast does not wait where there is one bridge", "[bridge]") {
  EventBridge bridge;
  bridge.broadcast("deploy", bytes("v1"), EventBridge::kSettle, Timestamp{0});
  CHECK(fired(bridge) == 1);
}

TEST_CASE("a bridge that was stopped while it waited reads first what came meanwhile", "[bridge]") {
  EventBridge bridge;
  bridge.set_rank(1, 2, Timestamp{0} - EventBridge::kSettle);
  Timestamp now{0};
  bridge.broadcast("deploy", bytes("v1"), Duration{0}, now);
  now = now + EventBridge::kStep + EventBridge::kStopped;
  bridge.handle_timeout(now);
  CHECK(fired(bridge) == 0);
  SECTION("the first one's event is there") {
    bridge.event(7, "deploy", bytes("v1"), now);
    CHECK(bridge.next_timeout() == kNever);
  }
  SECTION("nothing is there") {
    now = bridge.next_timeout();
    bridge.handle_timeout(now);
    CHECK(fired(bridge) == 1);
  }
}

TEST_CASE("the event that a broadcast became is not carried back", "[bridge]") {
  EventBridge bridge;
  bridge.set_rank(GENERATE(0U, 1U), 2, Timestamp{0} - EventBridge::kSettle);
  Timestamp now{0};
  bridge.event(5, "deploy", bytes("v1"), now);      // another bridge was faster,
  bridge.broadcast("deploy", bytes("v1"), Duration{0}, now);     // and the broadcast comes behind its event
  now = now + EventBridge::kStep * 3;
  bridge.handle_timeout(now);
  CHECK(published(bridge, now) == 0);
  CHECK(fired(bridge) == 0);
}

TEST_CASE("what the node does not take is published later", "[bridge]") {
  EventBridge bridge;
  Timestamp now{0};
  bridge.event(5, "deploy", bytes("v1"), now);
  auto message = bridge.poll_publish(now);
  REQUIRE(message);
  bridge.refused(std::move(*message), now);
  CHECK(!bridge.poll_publish(now));
  CHECK(bridge.next_timeout() == now + EventBridge::kRetry);
  CHECK(published(bridge, now + EventBridge::kRetry) == 1);
}

TEST_CASE("waiting events are bounded and those dropped are counted", "[bridge]") {
  EventBridge bridge;
  bridge.set_rank(1, 2, Timestamp{0});
  for (std::size_t i = 0; i < EventBridge::kWaitingMax + 5; ++i) bridge.event(i, "e", bytes("x"), Timestamp{0});
  CHECK(bridge.dropped() == 5);
}

TEST_CASE("an event is delivered once", "[bridge]") {
  DeliveredEvents delivered;
  CHECK(delivered.add(1, {1, 2}));
  CHECK(!delivered.add(1, {1, 2}));
  CHECK(delivered.add(2, {1, 2}));
  CHECK(delivered.add(1, {1, 3}));
}

TEST_CASE("only what a topic may be called becomes one", "[bridge]") {
  CHECK(check_topic("serf.deploy"));
  CHECK(check_topic("serf.\xc3\xbc\xe2\x82\xac"));
  for (const std::string bad : {std::string{}, std::string("_serf"), std::string("a\nb"), std::string("\xff"), std::string("\xc3"),
                                std::string("\xc2\x80"), std::string("\xed\xa0\x80"), std::string(129, 'a')})
    CHECK(!check_topic(bad));
}
