// A neighbour that sends what is well-formed and absurd: it costs little, harms nobody else, and is named.
#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

frame::Digest told_by_digest(Sequence watermark) { return {false, true, true, true, {{instance(50), "n50", watermark, 0, {}}}}; }
frame::IHave announced(Sequence first, Sequence last) {
  frame::IHave ihave;
  ihave.ids = {{instance(50), {{first, last}}}};
  return ihave;
}
frame::Gone vanished(Sequence first, Sequence last) { return {{{instance(50), {{first, last}}}}}; }

/// What the tree has against neighbour `who`.
std::vector<FrameReject> marks(Tree& tree, std::uint32_t who) {
  std::vector<FrameReject> out;
  while (auto output = tree.poll_output()) {
    if (const auto* one = std::get_if<tree::Misbehaved>(&*output); one && one->peer == peer(who)) out.push_back(one->what);
  }
  return out;
}

/// Neighbours 2 and 3 say every second what there really is: `highest` messages.
void honest_seconds(Single& s, int seconds, Sequence highest) {
  for (int i = 0; i < seconds; ++i) {
    s.advance(std::chrono::seconds{1});
    for (const std::uint32_t who : {2u, 3u}) s.receive(who, told_by_digest(highest));
  }
}

}  // namespace

TEST_CASE("messages that only one neighbour tells of silence nobody: they are forgotten, and the neighbour is named", "[abuse]") {
  const bool says_gone = GENERATE(false, true);
  Single s({}, 3);
  for (const std::uint32_t who : {1u, 2u, 3u}) s.receive(who, gossip(1));
  s.receive(1, announced(2, 1'000'000));
  s.receive(1, told_by_digest(1'000'000));
  if (says_gone) s.receive(1, vanished(2, 1'000'000));
  s.drain();
  CHECK(s.tree.stats(s.now).missing_messages > 0);
  honest_seconds(s, 60, 1);
  s.drain();
  CHECK(s.lost.empty());
  CHECK(s.tree.stats(s.now).missing_messages == 0);
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::unconfirmed] == 1);
  CHECK(std::any_of(s.logs.begin(), s.logs.end(), [](const std::string& line) { return line.find("Neighbour n1 told of messages up to 1000000") == 0; }));
  // Said again it is not heard again, and is no further mark: it may have been the only one that really knew them.
  for (int i = 0; i < 30; ++i) {
    honest_seconds(s, 1, 1);
    s.receive(1, told_by_digest(1'000'000));
    s.receive(1, announced(2, 1'000'000));
  }
  s.drain();
  CHECK(s.tree.stats(s.now).missing_messages == 0);
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::unconfirmed] == 1);
  s.delivered.clear();
  for (Sequence next = 2; next <= 5; ++next) s.receive(2, gossip(next));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{2, 3, 4, 5});
}

TEST_CASE("what one neighbour told of alone is lost when another one tells of it, too", "[abuse]") {
  Single s({}, 3);
  for (const std::uint32_t who : {1u, 2u, 3u}) s.receive(who, gossip(1));
  s.receive(1, told_by_digest(3));
  s.receive(1, vanished(2, 3));
  honest_seconds(s, 60, 1);
  s.drain();
  CHECK(s.lost.empty());
  REQUIRE(s.tree.stats(s.now).frames_rejected[FrameReject::unconfirmed] == 1);
  for (int i = 0; i < 60; ++i) {
    s.advance(std::chrono::seconds{1});
    for (const std::uint32_t who : {1u, 2u}) {
      s.receive(who, told_by_digest(3));
      s.receive(who, vanished(2, 3));
    }
  }
  s.drain();
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{2, 3});
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::unconfirmed] == 1);
}

TEST_CASE("what two neighbours tell of and nobody holds is lost, as before", "[abuse]") {
  Single s({}, 3);
  for (const std::uint32_t who : {1u, 2u, 3u}) s.receive(who, gossip(1));
  for (const std::uint32_t who : {1u, 2u}) {
    s.receive(who, told_by_digest(3));
    s.receive(who, vanished(2, 3));
  }
  s.drain();
  for (int i = 0; i < 60; ++i) s.advance(std::chrono::seconds{1});
  s.drain();
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{2, 3});
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::unconfirmed] == 0);
}

TEST_CASE("a flood of control frames is cut off at the limit and is a mark against its sender", "[abuse]") {
  TreeConfig config;
  config.control_rate_limit_per_second = 1000;
  Single s(config, 2);
  for (int i = 0; i < 10'000; ++i) s.receive(1, frame::Prune{});
  const auto against = marks(s.tree, 1);
  const auto stats = s.tree.stats(s.now);
  CHECK(stats.rate_limited[RateLimited::control] == 8000);
  CHECK(against.size() == 8000 / 256);
  CHECK(std::count(against.begin(), against.end(), FrameReject::rate) == 8000 / 256);
  // Neither payloads nor another neighbour are touched, and a second later it may speak again.
  s.receive(1, gossip(1));
  s.receive(2, announced(2, 2));
  s.advance(std::chrono::seconds{1});
  s.receive(1, announced(3, 3));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  CHECK(s.tree.stats(s.now).rate_limited[RateLimited::control] == 8000);
}

TEST_CASE("without a limit control frames are not counted", "[abuse]") {
  TreeConfig config;
  config.control_rate_limit_per_second = 0;
  Single s(config, 1);
  for (int i = 0; i < 10'000; ++i) s.receive(1, frame::Prune{});
  CHECK(s.tree.stats(s.now).rate_limited[RateLimited::control] == 0);
}

TEST_CASE("forged origins push each other out, members stay", "[abuse]") {
  TreeConfig config;
  config.origins_max = 64;
  config.sync_window = std::chrono::seconds{1};
  config.message_cache_ttl = std::chrono::seconds{1};
  Single s(config, 2);
  TreeMembers members;
  members.alive = {instance(0), instance(1), instance(2), instance(50)};
  std::sort(members.alive.begin(), members.alive.end());
  s.tree.set_members(members, s.now);
  s.receive(2, gossip(1));
  s.drain();
  std::uint64_t forged = 100'000;
  for (int second = 0; second < 30; ++second) {
    s.advance(std::chrono::seconds{2});
    for (int i = 0; i < 100; ++i) {
      auto g = gossip(1);
      g.id.origin = InstanceId{forged += 2};
      g.origin = "forged";
      s.receive(1, g);
    }
    s.drain();
  }
  const auto stats = s.tree.stats(s.now);
  CHECK(stats.rate_limited[RateLimited::origin] > 2000);
  CHECK(stats.seen_evictions > 0);
  s.delivered.clear();
  s.receive(2, gossip(1));  // still known as seen
  s.receive(2, gossip(2));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{2});
}
