#include "transport/uv/loop.hpp"

#include "support/pch.hpp"
#include "support/uv_fixture.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

struct Recorder final : LoopEvents {
  uv::UvLoop* loop = nullptr;
  std::function<void()> timer = {};
  std::function<void()> deferred = {};
  int timers = 0;
  int deferrals = 0;
  void on_timer() override {
    ++timers;
    if (timer) timer();
  }
  void on_deferred() override {
    ++deferrals;
    if (deferred) deferred();
  }
};

struct LoopSetup : test::LoopFixture {
  uv::UvLoop under{&loop};
  Recorder events;
  LoopSetup() {
    events.loop = &under;
    under.bind(&events);
  }
};

}  // namespace

TEST_CASE("a deadline is never early", "[loop]") {
  LoopSetup f;
  for (int i = 0; i < 20; ++i) {
    const Timestamp due = f.under.now() + Duration{1'300'000 + i * 77'777};
    Timestamp fired;
    f.events.timer = [&] { fired = f.under.now(); };
    const int before = f.events.timers;
    f.under.arm(due);
    REQUIRE(f.run_until([&] { return f.events.timers > before; }));
    CHECK(fired >= due);
  }
}

TEST_CASE("a later deadline replaces an earlier one, and never cancels", "[loop]") {
  LoopSetup f;
  const Timestamp start = f.under.now();
  f.under.arm(start + 1ms);
  f.under.arm(start + 30ms);
  REQUIRE(f.run_until([&] { return f.events.timers == 1; }));
  CHECK(f.under.now() >= start + 30ms);
  f.under.arm(f.under.now() + 1ms);
  f.under.arm(kNever);
  CHECK_FALSE(f.run_until([&] { return f.events.timers == 2; }, 20ms));
}

TEST_CASE("a deadline in the past, armed by the timer itself, leaves others their turn", "[loop]") {
  LoopSetup f;
  bool other = false;
  f.events.timer = [&] {
    if (!other) f.under.arm(f.under.now() - 1ms);
  };
  f.events.deferred = [&] { other = true; };
  f.under.arm(f.under.now() - 1ms);
  f.under.defer();
  CHECK(f.run_until([&] { return other; }));
}

TEST_CASE("deferred work runs once per turn, however often it was asked for", "[loop]") {
  LoopSetup f;
  f.under.defer();
  f.under.defer();
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK(f.events.deferrals == 1);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK(f.events.deferrals == 1);
}

TEST_CASE("work deferred while flushing needs no event from outside", "[loop]") {
  LoopSetup f;
  f.events.deferred = [&] {
    if (f.events.deferrals < 5) f.under.defer();
  };
  f.under.defer();
  while (f.events.deferrals < 5) uv_run(&f.loop, UV_RUN_ONCE);  // would hang if a turn waited
  CHECK(f.events.deferrals == 5);
}

TEST_CASE("an idle loop sleeps", "[loop]") {
  LoopSetup f;
  int turns = 0;
  f.under.on_turn([&] { ++turns; });
  f.under.soon([] {});
  f.under.defer();
  f.under.arm(f.under.now() + 60ms);
  while (f.events.timers == 0) uv_run(&f.loop, UV_RUN_ONCE);
  CHECK(turns <= 12);  // two looks per turn: the task, the deferral, the timer and one in reserve
}

TEST_CASE("a turn costs those nothing that have nothing to do in it", "[loop]") {
  LoopSetup f;
  uv::UvLoop idle{&f.loop};
  int turns = 0, idle_turns = 0;
  f.under.on_turn([&] { ++turns; });
  idle.on_turn([&] { ++idle_turns; });
  f.events.deferred = [&] { f.under.defer(); };
  f.under.defer();
  while (turns < 100) uv_run(&f.loop, UV_RUN_ONCE);
  CHECK(idle_turns == 0);
  idle.turns();
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK(idle_turns == 1);
}

TEST_CASE("one of several on a loop may go while the others are flushed", "[loop]") {
  test::LoopFixture f;
  std::vector<std::unique_ptr<uv::UvLoop>> all;
  for (int i = 0; i < 4; ++i) all.push_back(std::make_unique<uv::UvLoop>(&f.loop));
  int ran = 0;
  all[0]->soon([&] {
    ++ran;
    all[1].reset();
  });
  all[1]->soon([&] { FAIL("it is gone"); });
  all[2]->soon([&] { ++ran; });
  all[3]->soon([&] {
    ++ran;
    all.clear();  // the last one of them takes what they share with it
  });
  CHECK(uv_run(&f.loop, UV_RUN_DEFAULT) == 0);
  CHECK(ran == 3);
  uv::UvLoop another{&f.loop};
  bool again = false;
  another.soon([&] { again = true; });
  CHECK(f.run_until([&] { return again; }));
}

TEST_CASE("a task never runs inside the call that asks for it", "[loop]") {
  LoopSetup f;
  bool ran = false;
  f.under.soon([&] { ran = true; });
  CHECK_FALSE(ran);
  CHECK(f.run_until([&] { return ran; }));
}

TEST_CASE("a loop may be destroyed by its own task", "[loop]") {
  test::LoopFixture f;
  auto under = std::make_unique<uv::UvLoop>(&f.loop);
  under->soon([&] { under.reset(); });
  CHECK(uv_run(&f.loop, UV_RUN_DEFAULT) == 0);
  CHECK_FALSE(under);
}

TEST_CASE("a busy turn is seen as a stall", "[loop]") {
  LoopSetup f;
  f.events.timer = [&] {
    const Timestamp end = f.under.now() + 30ms;
    while (f.under.now() < end) {
    }
  };
  f.under.arm(f.under.now() + 1ms);
  REQUIRE(f.run_until([&] { return f.events.timers == 1; }));
  uv_run(&f.loop, UV_RUN_NOWAIT);
  LoopStats stats;
  f.under.report(stats);
  CHECK(stats.max_stall >= 30ms);
  CHECK(stats.stalls.count() >= 1);
}

TEST_CASE("what took most of a long turn is to blame for it", "[loop]") {
  LoopSetup f;
  LoopStats stats;
  // A turn of at least this time, of which parts have taken shares.
  const auto turn = [&](std::chrono::milliseconds busy, std::vector<std::pair<std::string, double>> parts) {
    f.events.timer = [&f, busy, parts] {
      const Timestamp start = f.under.now();
      while (f.under.now() < start + busy) {
      }
      const auto spent = static_cast<double>((f.under.now() - start).count());
      for (const auto& [what, share] : parts) f.under.spent(what, static_cast<std::uint64_t>(share * spent));
    };
    const int before = f.events.timers;
    f.under.arm(f.under.now() + 1ms);
    REQUIRE(f.run_until([&] { return f.events.timers > before; }));
    uv_run(&f.loop, UV_RUN_NOWAIT);
    f.under.report(stats);
  };
  turn(40ms, {{"a", 0.3}, {"b", 0.9}, {"c", 0.4}});
  CHECK(stats.max_stall_in == "b");
  turn(stats.max_stall / 1ms * 1ms + 20ms, std::vector<std::pair<std::string, double>>(100, {"often", 0.007}));
  CHECK(stats.max_stall_in == "often");
  turn(stats.max_stall / 1ms * 1ms + 500ms, {{"d", 0.2}});  // for most of it nobody accounts
  CHECK(stats.max_stall_in.empty());
}

TEST_CASE("the loop's time is told by what it did, and what is timed inside something else counts once", "[loop]") {
  LoopSetup f;
  const auto spin = [&](Duration span) {
    const Timestamp until = f.under.now() + span;
    while (f.under.now() < until) {}
    return static_cast<std::uint64_t>(span.count());
  };
  f.events.timer = [&] {
    const std::uint64_t handler = spin(20ms);
    f.under.carve(LoopPhase::handlers, handler);
    spin(10ms);
    const uv::Turns::Span inner{f.under.meter(), LoopPhase::http};
    spin(5ms);
  };
  f.under.arm(f.under.now());
  REQUIRE(f.run_until([&] { return f.events.timers == 1; }));
  f.run_until([] { return false; }, 5ms);  // the turn ends
  LoopStats stats;
  f.under.report(stats);
  const auto seconds = [&](LoopPhase phase) { return static_cast<double>(stats.phases[phase]) / 1e9; };
  CHECK(stats.phases[LoopPhase::handlers] == 20'000'000);
  CHECK(seconds(LoopPhase::timers) >= 0.010);
  CHECK(seconds(LoopPhase::http) >= 0.005);
  CHECK(stats.phases[LoopPhase::packets] == 0);
  CHECK(stats.phases[LoopPhase::store] == 0);
}

TEST_CASE("waiting is not being busy", "[loop]") {
  LoopSetup f;
  f.under.arm(f.under.now() + 1200ms);
  while (f.events.timers == 0) uv_run(&f.loop, UV_RUN_ONCE);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  LoopStats stats;
  f.under.report(stats);
  CHECK(stats.busy_ratio < 0.5);
}
