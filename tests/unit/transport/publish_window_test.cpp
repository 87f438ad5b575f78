#include "transport/publish_window.hpp"

#include <deque>

#include "support/pch.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

/// A publisher with everything to say, and members that take so many bytes a second after `distance`.
struct Saturated {
  PublishWindow window{8 * kMiB, 65536};
  std::uint64_t message = 1000;
  double bytes_per_s = 50e6;
  Duration distance = 1ms;
  Timestamp now{};
  Timestamp free_at{};
  std::deque<std::pair<Sequence, Timestamp>> under_way = {};
  Sequence sequence = 0;
  std::uint64_t done = 0;

  void run(Duration span) {
    for (const Timestamp end = now + span; now < end; now = now + 100us) {
      while (!under_way.empty() && under_way.front().second <= now) {
        window.acked(under_way.front().first, now);
        under_way.pop_front();
        done += message;
      }
      while (window.has_room(message, now)) {
        window.published(++sequence, message, now);
        free_at = std::max(free_at, now) + Duration{static_cast<std::int64_t>(1e9 * static_cast<double>(message) / bytes_per_s)};
        under_way.emplace_back(sequence, free_at + distance);
      }
      window.refused();
    }
  }
  /// Of what the members could take.
  [[nodiscard]] double used(Duration span) {
    done = 0;
    run(span);
    return static_cast<double>(done) / (bytes_per_s * to_seconds(span));
  }
};

}  // namespace

TEST_CASE("one message always fits, then the bounds hold", "[window]") {
  PublishWindow window{1000, 3};
  CHECK(window.has_room(5000, {}));
  window.published(1, 900, {});
  CHECK_FALSE(window.has_room(101, {}));
  CHECK(window.has_room(100, {}));
  window.published(2, 1, {});
  window.published(3, 1, {});
  CHECK_FALSE(window.has_room(1, {}));
  CHECK(window.messages() == 3);
  CHECK(window.bytes() == 902);
  window.acked(2, Timestamp{} + 1ms);
  CHECK(window.has_room(1, Timestamp{} + 1ms));
  CHECK(window.messages() == 1);
  window.clear();
  CHECK(window.bytes() == 0);
}

TEST_CASE("small messages count as what they cost, and a burst is taken whole at first and after a pause", "[window]") {
  Saturated s;
  s.message = 10;
  s.bytes_per_s = 200'000;
  const auto fill = [&] {
    std::uint64_t count = 0;
    for (; s.window.has_room(10, s.now); ++count) s.window.published(++s.sequence, 10, s.now);
    return count;
  };
  CHECK(fill() == 65536);
  s.window.acked(s.sequence, s.now);
  s.run(10s);
  CHECK(s.window.window() < kMiB);
  CHECK(s.window.messages() <= s.window.window() / PublishWindow::kLeastCost);
  s.window.acked(s.sequence, s.now);
  s.now = s.now + PublishWindow::kPause;
  s.window.published(++s.sequence, 10, s.now);
  CHECK(fill() == 65535);
}

TEST_CASE("a saturating publisher uses the members' pace and keeps the queue short", "[window]") {
  Saturated s;
  s.distance = GENERATE(as<Duration>{}, 1ms, 20ms, 100ms);
  s.bytes_per_s = GENERATE(5e6, 50e6);
  s.message = GENERATE(as<std::uint64_t>{}, 1000, 60000);
  CAPTURE(s.distance.count(), s.bytes_per_s, s.message);
  s.run(5s);
  CHECK(s.used(20s) > 0.9);
  // What is waited beside the way itself: about the target or a quarter of the way, one step of growth, and what is under way
  // while the way is measured.
  const double floor = static_cast<double>(std::max(PublishWindow::kFloor, 5 * s.message)) / s.bytes_per_s;
  const double target = to_seconds(std::max<Duration>(PublishWindow::kTarget, s.distance / 4));
  const double step = static_cast<double>(PublishWindow::kStep) / s.bytes_per_s;
  CHECK(to_seconds(s.window.delay() - s.distance) < std::max(floor, floor / 2 + 2 * target + step));
}

TEST_CASE("a window that was large gives way when members become slower", "[window]") {
  Saturated s;
  s.run(5s);
  s.bytes_per_s = 5e6;
  s.run(5s);
  CHECK(s.window.delay() < 60ms);
  CHECK(s.used(5s) > 0.9);
}

TEST_CASE("a publisher with little to say keeps its window whatever the delay is", "[window]") {
  PublishWindow window{8 * kMiB, 65536};
  Timestamp now{};
  for (Sequence n = 1; n <= 100; ++n, now = now + 100ms) {
    window.published(n, 100, now);
    window.acked(n, now + (n % 2 == 0 ? 30ms : 1ms));
    REQUIRE(window.has_room(100, now));
  }
  CHECK(window.window() == 8 * kMiB);
}

TEST_CASE("where nothing waits for long a small window becomes large soon", "[window]") {
  Saturated s;
  s.distance = 20ms;
  s.bytes_per_s = 5e6;
  s.run(5s);
  CHECK(s.window.window() < kMiB);
  s.bytes_per_s = 200e6;
  s.run(1s);
  CHECK(s.used(1s) > 0.9);
}

TEST_CASE("a member that stands still does not make the window smaller, and only the bounds stop a publisher meanwhile", "[window]") {
  Saturated s;
  s.run(10s);
  while (!s.under_way.empty()) {
    s.now = std::max(s.now, s.under_way.front().second);
    s.window.acked(s.under_way.front().first, s.now);
    s.under_way.pop_front();
  }
  const std::uint64_t before = s.window.window();
  REQUIRE(before < 4 * kMiB);
  // Nothing is acknowledged for 2 s.
  const Sequence first = s.sequence + 1;
  while (s.window.has_room(1000, s.now)) s.window.published(++s.sequence, 1000, s.now);
  CHECK(s.window.bytes() <= before);
  CHECK_FALSE(s.window.half_free(s.now));
  s.now = s.now + PublishWindow::kStall + 1ms;
  CHECK(s.window.half_free(s.now));
  while (s.window.has_room(1000, s.now)) s.window.published(++s.sequence, 1000, s.now);
  CHECK(s.window.bytes() > 8 * kMiB - 1000);
  s.now = s.now + 2s;
  for (Sequence n = first; n <= s.sequence; ++n) s.window.acked(n, s.now = s.now + 10us);
  CHECK(s.window.window() == before);
}

TEST_CASE("a burst is as large as paths were seen to carry, also while a member stands still", "[window]") {
  Saturated s;
  s.bytes_per_s = 2.5e6;
  s.distance = 80ms;
  s.run(1ms);
  CHECK(s.window.bytes() <= PublishWindow::kBurst);
  CHECK(s.window.bytes() > PublishWindow::kBurst - 1000);
  // The last of it comes within `lag_grace`, and no later burst or stop makes more of it than that either.
  s.run(20s);
  s.under_way.clear();
  s.window.acked(s.sequence, s.now);
  s.now = s.now + PublishWindow::kPause;
  while (s.window.has_room(1000, s.now)) s.window.published(++s.sequence, 1000, s.now);
  CHECK(s.window.bytes() <= PublishWindow::kBurst);
  s.now = s.now + 1s;
  const std::uint64_t before = s.window.bytes();
  while (s.window.has_room(1000, s.now)) s.window.published(++s.sequence, 1000, s.now);
  const auto more = static_cast<double>(s.window.bytes() - before);
  CHECK(more > 2e6);
  CHECK(more < 3e6);

  Saturated fast;
  fast.bytes_per_s = 1e9;
  fast.message = 10000;
  fast.run(5s);
  fast.window.acked(fast.sequence, fast.now);
  fast.now = fast.now + PublishWindow::kPause;
  while (fast.window.has_room(1000, fast.now)) fast.window.published(++fast.sequence, 1000, fast.now);
  CHECK(fast.window.bytes() > 3 * kMiB);
}

TEST_CASE("a queue that stands for long is not taken for the way itself", "[window]") {
  Saturated s;
  s.distance = 30ms;
  s.bytes_per_s = 20e6;
  s.run(5min);
  CHECK(s.used(60s) > 0.9);
  CHECK(s.window.delay() < 55ms);
}

TEST_CASE("what is acknowledged before all have reported does not count as the way", "[window]") {
  PublishWindow window{8 * kMiB, 65536};
  Timestamp now{};
  // The nearest member reports first.
  window.published(1, 1000, now);
  window.acked(1, now);
  Saturated s;
  s.window = window;
  s.sequence = 1;
  s.now = now + 1ms;
  s.distance = 100ms;
  s.run(5s);
  CHECK(s.used(10s) > 0.9);
}
