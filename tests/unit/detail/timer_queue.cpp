#include <plumvine/detail/rng.hpp>
#include <plumvine/detail/timer_queue.hpp>

#include "support/pch.hpp"

using namespace plumvine;

TEST_CASE("timers come out by deadline, then by order of setting", "[detail][timer_queue]") {
  TimerQueue<std::string> timers;
  timers.set("c", {30});
  timers.set("b", {20});
  timers.set("a", {20});
  timers.set("d", {10});
  timers.set("d", {20});  // moved: now set last
  CHECK(timers.next() == Timestamp{20});
  CHECK_FALSE(timers.pop_due({19}));
  CHECK(timers.pop_due({25}) == "b");
  CHECK(timers.pop_due({25}) == "a");
  CHECK(timers.pop_due({25}) == "d");
  CHECK_FALSE(timers.pop_due({25}));
  CHECK(timers.deadline("c") == Timestamp{30});
  CHECK(timers.deadline("a") == kNever);
  timers.clear();
  CHECK(timers.empty());
  CHECK(timers.next() == kNever);
}

TEST_CASE("a timer queue behaves as a list searched from the front", "[detail][timer_queue]") {
  struct Entry {
    int key;
    Timestamp deadline;
  };
  Rng rng{5};
  for (int run = 0; run < 30; ++run) {
    TimerQueue<int> timers;
    std::vector<Entry> model;  // in order of setting
    for (int step = 0; step < 400; ++step) {
      const int key = static_cast<int>(rng.below(12));
      const Timestamp at{static_cast<std::int64_t>(rng.below(40))};
      const auto is_key = [key](const Entry& e) { return e.key == key; };
      switch (rng.below(4)) {
        case 0:
        case 1:
          timers.set(key, at);
          std::erase_if(model, is_key);
          model.push_back({key, at});
          break;
        case 2:
          timers.cancel(key);
          std::erase_if(model, is_key);
          break;
        default: {
          const auto due = std::min_element(model.begin(), model.end(),
                                            [](const Entry& a, const Entry& b) { return a.deadline < b.deadline; });
          const auto popped = timers.pop_due(at);
          if (due == model.end() || due->deadline > at) {
            REQUIRE_FALSE(popped);
          } else {
            REQUIRE(popped == due->key);
            model.erase(due);
          }
        }
      }
      const auto mine = std::find_if(model.begin(), model.end(), is_key);
      REQUIRE(timers.contains(key) == (mine != model.end()));
      REQUIRE(timers.deadline(key) == (mine == model.end() ? kNever : mine->deadline));
      REQUIRE(timers.size() == model.size());
      Timestamp next = kNever;
      for (const auto& entry : model) next = std::min(next, entry.deadline);
      REQUIRE(timers.next() == next);
    }
  }
}
