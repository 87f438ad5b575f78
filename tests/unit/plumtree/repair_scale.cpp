// Repair between two members that retain ten million messages. Hidden: it takes gigabytes; `unit_plumtree "[scale]"`.
#include <chrono>
#include <deque>
#include <iostream>

#include "plumtree/tree.hpp"
#include "plumtree/wire.hpp"

#include "support/pch.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

/// Two trees with one link between them; each frame takes a millisecond. Counts what goes over it.
struct Pair {
  struct Side {
    Tree tree;
    std::uint64_t delivered = 0;
    std::uint64_t control_bytes = 0;
    std::uint64_t payloads = 0;
    std::uint64_t lost = 0;
  };
  std::array<Side, 2> sides;
  Timestamp now = Timestamp{} + 1s;
  bool linked = false;
  std::deque<std::tuple<Timestamp, int, Frame>> wire;

  static TreeConfig config(std::uint64_t messages) {
    TreeConfig c;
    c.sync_max_messages = 2 * messages;
    c.sync_max_bytes = 1ULL << 40;
    c.sync_window = std::chrono::hours{24};
    return c;
  }
  static InstanceId instance(int n) { return InstanceId{0x1000U + static_cast<std::uint64_t>(n)}; }
  static PeerId other(int n) { return PeerId{static_cast<std::uint32_t>(n) ^ 1U}; }

  explicit Pair(std::uint64_t messages)
      : sides{Side{Tree{config(messages), instance(0), "a", Rng{1}, LogLevel::error}},
              Side{Tree{config(messages), instance(1), "b", Rng{2}, LogLevel::error}}} {
    for (int n : {0, 1}) {
      at(n).tree.start_alone(now);
      at(n).tree.set_members({.alive = {instance(0), instance(1)}, .dead = 0}, now);
      drain(n);
    }
  }
  Side& at(int n) { return sides[static_cast<std::size_t>(n)]; }

  void drain(int n) {
    while (auto output = at(n).tree.poll_output()) {
      if (std::holds_alternative<tree::Deliver>(*output)) ++at(n).delivered;
      if (auto* lost = std::get_if<tree::Lost>(&*output)) at(n).lost += lost->range.last - lost->range.first + 1;
      auto* send = std::get_if<tree::Send>(&*output);
      if (send == nullptr || !linked) continue;
      if (std::holds_alternative<frame::Gossip>(send->frame)) ++at(n).payloads;
      else at(n).control_bytes += wire::encode(send->frame).size();
      wire.emplace_back(now + 1ms, n ^ 1, std::move(send->frame));
    }
  }
  void link(bool up) {
    linked = up;
    wire.clear();
    for (int n : {0, 1}) {
      if (up) at(n).tree.peer_up(other(n), {instance(n ^ 1), n == 0 ? "b" : "a", 2ms}, now);
      else at(n).tree.peer_down(other(n), now);
    }
    drain(0);
    drain(1);
  }
  void publish(int n, Sequence sequence) {
    at(n).tree.publish(sequence, "t", payload_, false, now);
    drain(n);
  }
  /// Until nothing is under way and `done`, or the time is over.
  template <class Done>
  void run(Duration span, Done done) {
    const Timestamp end = now + span;
    while (now < end && !(wire.empty() && done())) {
      Timestamp next = wire.empty() ? kNever : std::get<0>(wire.front());
      for (int n : {0, 1}) next = std::min(next, at(n).tree.next_timeout());
      now = std::max(now, std::min(next, end));
      while (!wire.empty() && std::get<0>(wire.front()) <= now) {
        auto [due, to, frame] = std::move(wire.front());
        wire.pop_front();
        at(to).tree.handle_frame(other(to), std::move(frame), now);
        drain(to);
      }
      for (int n : {0, 1}) {
        if (at(n).tree.next_timeout() <= now) at(n).tree.handle_timeout(now);
        drain(n);
      }
    }
  }

 private:
  Bytes payload_ = Bytes::copy_of("12345678");
};

void report(const char* what, Pair& pair, std::uint64_t control_before, std::chrono::steady_clock::time_point began) {
  std::cout << what << ": " << pair.at(0).control_bytes + pair.at(1).control_bytes - control_before << " bytes of control frames, "
            << std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count() << " ms\n";
}

}  // namespace

TEST_CASE("repair does not care how many messages are retained, or how many differ", "[.scale]") {
  const std::uint64_t n = GENERATE(100'000, 10'000'000);
  std::cout << "--- " << n << " messages\n";
  Pair pair(n);
  Sequence sequence = 0;
  const auto control = [&] { return pair.at(0).control_bytes + pair.at(1).control_bytes; };

  auto began = std::chrono::steady_clock::now();
  while (sequence < n) pair.publish(0, ++sequence);
  report("published alone", pair, control(), began);

  std::uint64_t before = control();
  began = std::chrono::steady_clock::now();
  pair.link(true);
  pair.run(1h, [&] { return pair.at(1).delivered == n; });
  report("all of them differ, until repaired", pair, before, began);
  CHECK(pair.at(1).delivered == n);
  CHECK(pair.at(0).payloads == n);

  pair.link(false);
  before = control();
  began = std::chrono::steady_clock::now();
  pair.link(true);
  pair.run(11s, [] { return false; });
  report("none differs: a new link and two comparisons", pair, before, began);
  CHECK(control() - before < 2000);

  pair.link(false);
  for (int i = 0; i < 10; ++i) pair.publish(0, ++sequence);
  before = control();
  began = std::chrono::steady_clock::now();
  pair.link(true);
  pair.run(1min, [&] { return pair.at(1).delivered == sequence; });
  report("ten differ, until repaired", pair, before, began);
  CHECK(pair.at(1).delivered == sequence);
  CHECK(pair.at(0).payloads == sequence);
  CHECK(pair.at(1).lost == 0);
}
