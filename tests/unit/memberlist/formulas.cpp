// memberlist's tests of formulas and small functions, by its names. See docs/memberlist-tests.md.
#include <cmath>
#include <set>

#include <plumvine/detail/rng.hpp>

#include "lone.hpp"
#include "membership/awareness.hpp"
#include "membership/broadcast_queue.hpp"
#include "membership/core.hpp"
#include "membership/member_table.hpp"
#include "membership/push_pull.hpp"
#include "membership/suspicion.hpp"

using namespace plumvine;
using namespace plumvine::swim;
using namespace plumvine::test;

TEST_CASE("SuspicionTimeout", "[memberlist]") {
  for (const auto& [n, ms] : {std::pair{5, 1000}, {10, 1000}, {50, 1698}, {100, 2000}, {500, 2698}, {1000, 3000}}) {
    INFO(n);
    CHECK(suspicion_timeout(3, static_cast<std::size_t>(n), 1s) == 3 * std::chrono::milliseconds{ms});
  }
}

TEST_CASE("RetransmitLimit", "[memberlist]") {
  CHECK(retransmit_limit(3, 0) == 0);
  CHECK(retransmit_limit(3, 1) == 3);
  CHECK(retransmit_limit(3, 99) == 6);
}

TEST_CASE("PushPullScale", "[memberlist]") {
  for (std::size_t n = 0; n <= 128; ++n) {
    INFO(n);
    CHECK(push_pull_scaled(1s, n) == (n <= 32 ? 1 : n <= 64 ? 2 : 3) * Duration{1s});
  }
}

TEST_CASE("Suspicion_remainingSuspicionTime", "[memberlist]") {
  const auto left = [](std::uint32_t confirmations, Duration elapsed) {
    return suspicion_remaining(confirmations, 3, elapsed, 2s, 30s);
  };
  CHECK(left(0, 0s) == 30s);
  CHECK(left(1, 2s) == 14s);
  CHECK(left(2, 3s) == 4810ms);
  CHECK(left(3, 4s) == -2s);
  CHECK(left(4, 5s) == -3s);
  CHECK(left(5, 10s) == -8s);
}

TEST_CASE("Suspicion_Timer", "[memberlist]") {
  struct Case { std::vector<const char*> confirmed; Duration lasts; std::uint32_t news; };
  const std::vector<Case> cases{{{}, 2s, 0},
                                {{"me", "foo"}, 1250ms, 1},
                                {{"me", "foo", "foo", "foo"}, 1250ms, 1},
                                {{"me", "foo", "bar"}, 811ms, 2},
                                {{"me", "foo", "bar", "baz"}, 500ms, 3},
                                {{"me", "foo", "bar", "baz", "zoo"}, 500ms, 3}};
  for (const Case& c : cases) {
    const Timestamp start = Timestamp{} + 7s;
    Suspicion suspicion("me", 3, 500ms, 2s, start);
    std::uint32_t news = 0;
    for (const char* accuser : c.confirmed) news += suspicion.confirm(accuser, start) ? 1 : 0;
    CHECK(news == c.news);
    CHECK(suspicion.confirmations() == c.news);
    CHECK(suspicion.deadline() - start == c.lasts);
  }
}

TEST_CASE("Suspicion_Timer_ZeroK", "[memberlist]") {
  Suspicion suspicion("me", 0, 25ms, 30s, Timestamp{});
  CHECK_FALSE(suspicion.confirm("foo", Timestamp{}));
  CHECK(suspicion.deadline() == Timestamp{} + 25ms);
}

TEST_CASE("Suspicion_Timer_Immediate", "[memberlist]") {
  // A confirmation so late that nothing is left of the time: the death follows at once, or rather, here, when the
  // member has had a quarter of the least time to answer what it may hear of only now.
  SwimConfig config;
  config.suspicion_mult = 3;
  config.stall_threshold = 1h;  // the sleep below is no stall
  Lone lone(config);
  for (int i = 2; i <= 4; ++i) lone.alive(i);
  lone.suspect(2, 1, "n3");
  lone.now = lone.now + 10s;  // of 18 s without confirmation, 3 s with one
  lone.suspect(2, 1, "n4");
  lone.wait(740ms);
  CHECK(lone.state(2) == MemberState::suspect);
  lone.wait(10ms);
  CHECK(lone.state(2) == MemberState::dead);
  lone.suspect(2, 1, "n5");
  lone.wait(60s);
  const auto deaths = std::count_if(lone.events.begin(), lone.events.end(), [](const MemberEvent& e) {
    return e.kind == MemberEvent::Kind::died && e.member.name == "n2";
  });
  CHECK(deaths == 1);
}

TEST_CASE("Awareness", "[memberlist]") {
  Awareness awareness(8);
  const std::vector<std::pair<int, std::uint32_t>> steps{{0, 0}, {-1, 0}, {-10, 0}, {1, 1}, {-1, 0}, {10, 7},
                                                         {-1, 6}, {-1, 5}, {-1, 4}, {-1, 3}, {-1, 2}, {-1, 1}, {-1, 0}, {-1, 0}};
  for (const auto& [delta, score] : steps) {
    awareness.apply(delta);
    CHECK(awareness.score() == score);
    CHECK(awareness.scale(1s) == (score + 1) * Duration{1s});
  }
}

TEST_CASE("RandomOffset, RandomOffset_Zero, ShuffleNodes", "[memberlist]") {
  Rng rng(3);
  std::set<std::uint64_t> drawn;
  for (int i = 0; i < 100; ++i) drawn.insert(rng.below(1ULL << 30));
  CHECK(drawn.size() == 100);
  CHECK(rng.below(1) == 0);
  std::vector<int> order{0, 1, 2, 3, 4, 5, 6, 7};
  const auto before = order;
  rng.shuffle(order);
  CHECK(order != before);
  CHECK(std::is_permutation(order.begin(), order.end(), before.begin()));
}

namespace {

struct Table {
  explicit Table(int members) : core({}, {"me", Lone::at(1).raw(), 7946, {}, ""}, Rng{11}), table(core) {
    table.announce_self({}, now);
    for (int i = 2; i <= members + 1; ++i) add(i);
  }
  void add(int i) {
    const Bytes address = Bytes::copy_of(std::array<std::byte, 4>{std::byte{10}, std::byte{0}, static_cast<std::byte>(i / 256),
                                                                  static_cast<std::byte>(i % 256)});
    table.alive({1, Lone::name(i), address.view(), 7946, {}, {}}, now);
  }
  Timestamp now = Timestamp{} + 1s;
  Core core;
  MemberTable table;
};

}  // namespace

TEST_CASE("KRandomNodes", "[memberlist]") {
  Table t(89);
  // Every third is alive.
  for (int i = 2; i <= 90; ++i) {
    if (i % 3 == 1) t.table.suspect({1, Lone::name(i), "n2"}, t.now);
    if (i % 3 == 2) t.table.dead({1, Lone::name(i), "n2"}, t.now);
  }
  const auto fits = [](const Record& r) { return r.member.state == MemberState::alive; };
  std::set<std::set<std::string>> draws;
  for (int draw = 0; draw < 3; ++draw) {
    std::set<std::string> names;
    for (const Record* r : t.table.random(3, fits)) {
      CHECK(r->member.state == MemberState::alive);
      CHECK(r->member.name != "me");
      names.insert(r->member.name);
    }
    CHECK(names.size() == 3);
    draws.insert(names);
  }
  CHECK(draws.size() == 3);

  Table few(7);
  const auto two = few.table.random(3, [](const Record& r) { return r.member.name == "n3" || r.member.name == "n7"; });
  CHECK(two.size() == 2);
}

TEST_CASE("MoveDeadNodes, ResetNodes", "[memberlist]") {
  // The dead and the left stay in the table for gossip_to_the_dead_time and go at the end of a pass after it.
  Table t(5);
  t.table.dead({1, "n2", "n3"}, t.now);
  t.table.dead({1, "n4", "n4"}, t.now);
  const auto pass = [&] {
    for (int i = 0; i < 12; ++i) (void)t.table.next_to_probe(t.now);
  };
  t.now = t.now + 29s;
  t.table.dead({1, "n5", "n3"}, t.now);
  pass();
  CHECK(t.table.find("n2") != nullptr);
  CHECK(t.table.find("n4") != nullptr);
  t.now = t.now + 2s;
  pass();
  CHECK(t.table.find("n2") == nullptr);
  CHECK(t.table.find("n4") == nullptr);
  CHECK(t.table.find("n5") != nullptr);  // recent
  CHECK(t.table.size() == 4);
}
