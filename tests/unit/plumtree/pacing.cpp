#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
/// Credit of `sizes` payloads of `gossip()` for the peer.
constexpr std::int64_t kOne = 64 + 7;
frame::Progress progress(Sequence watermark, InstanceId origin) { return {{{origin, watermark}}}; }
/// Without what is only told again.
std::vector<Sequence> acks(Single& s) {
  std::vector<Sequence> out;
  while (auto output = s.tree.poll_output()) {
    auto* acked = std::get_if<tree::Acked>(&*output);
    if (acked != nullptr && acked->up_to != s.acked) out.push_back(s.acked = acked->up_to);
  }
  return out;
}
std::vector<std::pair<std::uint32_t, Sequence>> reports(const Single& s) {
  std::vector<std::pair<std::uint32_t, Sequence>> out;
  for (const auto& [to, frame] : s.sent) {
    if (const auto* p = std::get_if<frame::Progress>(&frame)) out.emplace_back(to, p->entries[0].watermark);
  }
  return out;
}
using Reports = std::vector<std::pair<std::uint32_t, Sequence>>;
}  // namespace

// ---- Credit

TEST_CASE("a peer without credit is owed the message and gets it when there is credit again", "[credit]") {
  Single s({}, 2);
  s.tree.set_credit(peer(2), 2 * kOne, s.now);
  for (Sequence i = 1; i <= 5; ++i) s.receive(1, gossip(i));
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 2});
  s.tree.set_credit(peer(2), kOne, s.now);
  s.drain();
  REQUIRE(s.to<frame::Gossip>() == Peers{2});
  CHECK(s.first<frame::Gossip>().id.sequence == 3);
  s.tree.set_credit(peer(2), 0, s.now);
  s.drain();
  CHECK(s.sent.empty());
  s.tree.set_credit(peer(2), 100 * kOne, s.now);
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 2});
}

TEST_CASE("what the peer has got meanwhile is not sent when it has credit again", "[credit]") {
  Single s({}, 2);
  s.tree.set_credit(peer(2), 0, s.now);
  for (Sequence i = 1; i <= 4; ++i) s.receive(1, gossip(i));
  s.receive(2, frame::IHave{kSharedTree, {{instance(50), {{1, 1}}}}});
  s.receive(2, gossip(2));
  s.receive(2, progress(3, instance(50)));
  s.drain();
  s.tree.set_credit(peer(2), 100 * kOne, s.now);
  s.drain();
  REQUIRE(s.to<frame::Gossip>() == Peers{2});
  CHECK(s.first<frame::Gossip>().id.sequence == 4);
}

TEST_CASE("pulled copies wait for credit, too", "[credit]") {
  Single s({}, 2);
  for (Sequence i = 1; i <= 3; ++i) s.receive(1, gossip(i));
  s.drain();
  s.tree.set_credit(peer(2), 0, s.now);
  s.receive(2, frame::Pull{{{instance(50), {{1, 3}}}}});
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  s.tree.set_credit(peer(2), 100 * kOne, s.now);
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 2, 2});
  CHECK(s.first<frame::Gossip>().pulled);
}

TEST_CASE("a peer that became lazy gets announcements of what it was owed", "[credit]") {
  TreeConfig config;
  config.tree_rule = TreeConfig::Rule::classic;
  Single s(config, 2);
  s.tree.set_credit(peer(2), 0, s.now);
  for (Sequence i = 1; i <= 3; ++i) s.receive(1, gossip(i));
  s.receive(2, frame::Prune{kSharedTree});
  s.drain();
  s.tree.set_credit(peer(2), 100 * kOne, s.now);
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  REQUIRE_FALSE(s.to<frame::IHave>().empty());
  CHECK(s.first<frame::IHave>().ids == std::vector<frame::OriginRanges>{{instance(50), {{1, 3}}}});
}

TEST_CASE("more than fits into what is owed is left to a digest", "[credit]") {
  Single s({}, 2);
  s.tree.set_credit(peer(2), 0, s.now);
  for (Sequence i = 1; i <= 1100; ++i) s.receive(1, gossip(2 * i));
  s.drain();
  s.tree.set_credit(peer(2), 1'000'000, s.now);
  s.drain();
  CHECK(s.to<frame::Gossip>().size() == 1024);
  CHECK(s.to<frame::Digest>() == Peers{2});
}

// ---- Progress

TEST_CASE("delivery is reported to the neighbour that feeds us", "[pacing]") {
  Single s({}, 2);
  s.receive(1, gossip(1));
  s.receive(1, gossip(2));
  s.advance(milliseconds{20});
  s.drain();
  CHECK(reports(s) == Reports{{1, 2}});
  s.advance(seconds{1});
  s.drain();
  CHECK(reports(s).empty());  // only what is new
}

TEST_CASE("a report does not wait once much has come", "[pacing]") {
  Single s({}, 2);
  s.receive(1, gossip(1));
  s.advance(milliseconds{20});
  s.drain();
  for (Sequence i = 2; i <= 257; ++i) s.receive(1, gossip(i));
  s.advance(Duration{0});
  s.drain();
  CHECK(reports(s) == Reports{{1, 257}});
}

TEST_CASE("a neighbour behind us that keeps up holds the report back, one that lags does not", "[pacing]") {
  TreeConfig config;
  config.lag_grace = seconds{2};
  Single s(config, 3);
  s.receive(1, gossip(1));
  s.receive(2, progress(0, instance(50)));
  s.advance(milliseconds{20});
  s.drain();
  CHECK(reports(s) == Reports{{1, 0}});  // somebody is here, and has nothing yet
  s.receive(2, progress(1, instance(50)));
  s.advance(milliseconds{20});
  s.drain();
  CHECK(reports(s) == Reports{{1, 1}});
  s.receive(1, gossip(2));
  s.advance(seconds{1});
  s.drain();
  CHECK(reports(s).empty());
  s.advance(milliseconds{1200});
  s.drain();
  CHECK(reports(s) == Reports{{1, 2}});
}

TEST_CASE("the report of a neighbour behind us is handed on at once", "[pacing]") {
  Single s({}, 2);
  s.receive(1, gossip(1));
  s.receive(2, progress(0, instance(50)));
  s.advance(milliseconds{20});
  s.drain();
  s.receive(2, progress(1, instance(50)));
  s.advance(Duration{0});
  s.drain();
  CHECK(reports(s) == Reports{{1, 1}});
}

TEST_CASE("a neighbour that feeds us does not hold us back", "[pacing]") {
  Single s({}, 2);
  s.receive(1, gossip(1));
  s.receive(1, progress(0, instance(50)));
  s.advance(milliseconds{20});
  s.drain();
  CHECK(reports(s) == Reports{{1, 1}});
}

TEST_CASE("the feeding neighbour changes after several first copies, and is released", "[pacing]") {
  Single s({}, 2);
  s.receive(1, gossip(1));
  s.advance(milliseconds{20});
  s.drain();
  s.receive(2, gossip(2));
  s.receive(1, gossip(3));
  s.advance(milliseconds{20});
  s.drain();
  CHECK(reports(s) == Reports{{1, 3}});
  for (Sequence i = 4; i <= 7; ++i) s.receive(2, gossip(i));
  s.advance(milliseconds{20});
  s.drain();
  CHECK(reports(s) == Reports{{1, UINT64_MAX}, {2, 7}});
}

TEST_CASE("a publisher has room again when those behind it have delivered", "[pacing]") {
  Single s({}, 2);
  const auto publish = [&](Sequence sequence) { s.tree.publish(sequence, "t", Bytes::copy_of("x"), false, s.now); };
  publish(1);
  s.advance(milliseconds{20});
  CHECK(acks(s) == std::vector<Sequence>{1});  // nobody has reported yet
  s.receive(1, progress(1, instance(0)));
  s.receive(2, progress(0, instance(0)));
  publish(2);
  publish(3);
  s.advance(milliseconds{500});
  CHECK(acks(s).empty());
  s.receive(1, progress(3, instance(0)));
  s.receive(2, progress(2, instance(0)));
  CHECK(acks(s) == std::vector<Sequence>{2});
  SECTION("what has not changed is told again each tenth of a second") {
    s.advance(milliseconds{500});
    std::vector<Sequence> told;
    while (auto output = s.tree.poll_output()) {
      if (auto* acked = std::get_if<tree::Acked>(&*output)) told.push_back(acked->up_to);
    }
    CHECK(told.size() >= 4);
    CHECK(told.size() <= 6);
    CHECK(std::count(told.begin(), told.end(), 2) == static_cast<std::ptrdiff_t>(told.size()));
  }
  SECTION("one that lags for longer than the grace is passed") {
    s.advance(seconds{2});
    CHECK(acks(s) == std::vector<Sequence>{3});
  }
  SECTION("one that is gone does not count") {
    s.tree.peer_down(peer(2), s.now);
    CHECK(acks(s) == std::vector<Sequence>{3});
  }
  SECTION("one that is fed by another does not count") {
    s.receive(2, progress(UINT64_MAX, instance(0)));
    CHECK(acks(s) == std::vector<Sequence>{3});
  }
}

TEST_CASE("where all lag the publisher goes as fast as the furthest comes on", "[pacing]") {
  Single s({}, 2);
  const auto publish = [&](Sequence sequence) { s.tree.publish(sequence, "t", Bytes::copy_of("x"), false, s.now); };
  for (Sequence i = 1; i <= 10; ++i) publish(i);
  s.receive(1, progress(1, instance(0)));
  s.receive(2, progress(2, instance(0)));
  CHECK(acks(s) == std::vector<Sequence>{1});
  s.advance(milliseconds{1500});
  s.receive(2, progress(3, instance(0)));
  s.receive(1, progress(2, instance(0)));
  CHECK(acks(s) == std::vector<Sequence>{2});
  s.advance(seconds{1});  // all that they lack is older than the grace
  CHECK(acks(s) == std::vector<Sequence>{3});
  s.receive(2, progress(5, instance(0)));
  CHECK(acks(s) == std::vector<Sequence>{5});
  s.advance(milliseconds{1900});
  CHECK(acks(s).empty());
  s.advance(milliseconds{200});  // nobody came any further
  CHECK(acks(s) == std::vector<Sequence>{10});
}

TEST_CASE("a publisher waits for the first report where others are", "[pacing]") {
  Single s({}, 2);
  s.tree.set_members({.alive = {instance(0), instance(1), instance(2)}}, s.now);
  for (Sequence i = 1; i <= 5; ++i) s.tree.publish(i, "t", Bytes::copy_of("x"), false, s.now);
  s.advance(milliseconds{500});
  CHECK(acks(s).empty());
  SECTION("then goes by it") {
    s.receive(1, progress(3, instance(0)));
    CHECK(acks(s) == std::vector<Sequence>{3});
  }
  SECTION("for no longer than for one that lags") {
    s.advance(seconds{2});
    CHECK(acks(s) == std::vector<Sequence>{5});
  }
}

TEST_CASE("a publisher alone has room at once", "[pacing]") {
  Single s({}, 0);
  s.tree.publish(1, "t", Bytes::copy_of("x"), false, s.now);
  CHECK(acks(s) == std::vector<Sequence>{1});
}

TEST_CASE("a congested eager link holds the publisher until it lags", "[pacing]") {
  Single s({}, 2);
  s.tree.set_credit(peer(2), kOne, s.now);
  for (Sequence i = 1; i <= 3; ++i) s.tree.publish(i, "t", Bytes::copy_of("payload"), false, s.now);
  s.advance(milliseconds{200});
  CHECK(acks(s) == std::vector<Sequence>{1});
  s.advance(seconds{2});
  CHECK(acks(s) == std::vector<Sequence>{3});
}

TEST_CASE("a saturating publisher follows the slowest member and passes a stopped one", "[pacing]") {
  Cluster c(6);
  c.ring(2);
  c.members();
  c.run(seconds{2});
  for (int i = 0; i < 50; ++i) {
    c.publish(0);
    c.run(milliseconds{5});
  }
  c.run(milliseconds{300});
  REQUIRE_FALSE(c.nodes[0].acked.empty());
  CHECK(c.nodes[0].acked.back() == 50);
  CHECK(std::is_sorted(c.nodes[0].acked.begin(), c.nodes[0].acked.end()));

  c.nodes[3].tree->pause_delivery(true, c.now);
  for (int i = 0; i < 10; ++i) c.publish(0);
  c.run(seconds{1});
  CHECK(c.nodes[0].acked.back() == 50);
  c.run(seconds{2});
  CHECK(c.nodes[0].acked.back() == 60);
}

// ---- Delivery

TEST_CASE("while delivery is paused messages are forwarded and kept, then come in order", "[pause]") {
  Single s({}, 2);
  s.tree.pause_delivery(true, s.now);
  for (const Sequence i : std::initializer_list<Sequence>{1, 3, 2}) s.receive(1, gossip(i));
  s.drain();
  CHECK(s.order == "sss");
  CHECK(s.tree.origins()[1].delivered == 0);
  s.advance(milliseconds{50});
  s.drain();
  CHECK(reports(s) == Reports{{1, 0}});
  s.tree.pause_delivery(false, s.now);
  s.receive(1, gossip(4));
  std::vector<Sequence> delivered;
  while (auto output = s.tree.poll_output()) {
    if (auto* d = std::get_if<tree::Deliver>(&*output)) {
      delivered.push_back(d->id.sequence);
      if (delivered.size() == 2) s.tree.pause_delivery(true, s.now);
    }
  }
  CHECK(delivered == std::vector<Sequence>{1, 3});
  CHECK(s.tree.origins()[1].delivered == 1);
  s.tree.pause_delivery(false, s.now);
  s.drain();
  CHECK(std::count(s.order.begin(), s.order.end(), 'd') == 2);
  CHECK(s.tree.origins()[1].delivered == 4);
  s.advance(milliseconds{50});
  s.drain();
  CHECK(reports(s) == Reports{{1, 4}});
}

TEST_CASE("what leaves the store before it was delivered is lost to a slow consumer", "[pause]") {
  TreeConfig config;
  config.sync_max_messages = 10;
  Single s(config, 2);
  s.tree.pause_delivery(true, s.now);
  for (Sequence i = 1; i <= 25; ++i) s.receive(1, gossip(i));
  s.tree.pause_delivery(false, s.now);
  std::vector<tree::Lost> lost;
  std::vector<Sequence> delivered;
  while (auto output = s.tree.poll_output()) {
    if (auto* l = std::get_if<tree::Lost>(&*output)) lost.push_back(*l);
    if (auto* d = std::get_if<tree::Deliver>(&*output)) delivered.push_back(d->id.sequence);
  }
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].range == SequenceRange{1, 15});
  CHECK(lost[0].reason == LossReason::slow_consumer);
  CHECK(delivered.size() == 10);
  CHECK(delivered.front() == 16);
  CHECK(s.tree.stats(s.now).lost[Loss::slow_consumer] == 15);
}

TEST_CASE("latency is measured on our clock, whatever the clocks of others show", "[gossip]") {
  Single s({}, 2);
  s.advance(seconds{10});
  s.drain();
  // Peer 1's clock is an hour ahead; it got the message 30 ms after publishing.
  s.tree.set_rtt(peer(1), milliseconds{2}, milliseconds{2}, std::chrono::hours{1}, s.now);
  auto g = gossip(1, 2);
  g.published_us = s.now.ns / 1000 + std::int64_t{3600} * 1'000'000 - 30'000;
  s.receive(1, g);
  std::optional<tree::Deliver> delivered;
  std::optional<frame::Gossip> forwarded;
  while (auto output = s.tree.poll_output()) {
    if (auto* d = std::get_if<tree::Deliver>(&*output)) delivered = *d;
    if (auto* send = std::get_if<tree::Send>(&*output)) {
      if (auto* f = std::get_if<frame::Gossip>(&send->frame)) forwarded = *f;
    }
  }
  REQUIRE(delivered);
  CHECK(delivered->latency == milliseconds{30});
  CHECK(delivered->round == 2);
  REQUIRE(forwarded);
  CHECK(forwarded->published_us == s.now.ns / 1000 - 30'000);
  auto absurd = gossip(2);
  absurd.published_us = INT64_MIN;
  s.receive(1, absurd);
  auto future = gossip(3);
  future.published_us = INT64_MAX;
  s.receive(1, future);
  CHECK(s.tree.stats(s.now).delivery_latency.count() == 3);
  CHECK(s.tree.stats(s.now).from_future == 1);
  s.drain();
  CHECK(std::any_of(s.logs.begin(), s.logs.end(), [](const std::string& line) {
    return line.starts_with("Message " + to_string(gossip(3).id) + " of n50 says that it was published ");
  }));
  auto nearly = gossip(4);  // clocks are not compared that exactly
  nearly.published_us = s.now.ns / 1000 + std::int64_t{3600} * 1'000'000 + 900'000;
  s.receive(1, nearly);
  CHECK(s.tree.stats(s.now).from_future == 1);
}

TEST_CASE("while a neighbour's clock is not known its messages have no latency", "[gossip]") {
  Single s({}, 2);
  auto g = gossip(1);
  g.published_us = s.now.ns / 1000 - std::int64_t{7200} * 1'000'000;
  s.receive(1, g);
  std::optional<Duration> latency;
  while (auto output = s.tree.poll_output()) {
    if (auto* d = std::get_if<tree::Deliver>(&*output)) latency = d->latency;
  }
  CHECK(latency == Duration{0});
}

TEST_CASE("own and reserved messages are not counted as delivered", "[gossip]") {
  Single s({}, 1);
  s.tree.publish(1, "t", Bytes::copy_of("x"), true, s.now);
  auto probe = gossip(1);
  probe.topic = "_probe";
  s.receive(1, probe);
  s.receive(1, gossip(2));
  s.drain();
  CHECK(std::count(s.order.begin(), s.order.end(), 'd') == 3);
  CHECK(s.tree.stats(s.now).delivered == 1);
  CHECK(s.tree.stats(s.now).broadcast == 1);
}

TEST_CASE("own messages that leave the store while a member is dead are counted", "[gossip]") {
  TreeConfig config;
  config.sync_max_messages = 2;
  Single s(config, 1);
  for (Sequence i = 1; i <= 3; ++i) s.tree.publish(i, "t", Bytes::copy_of("x"), false, s.now);
  CHECK(s.tree.stats(s.now).partitioned == 0);
  s.tree.set_members({{instance(0), instance(1)}, 1}, s.now);
  s.tree.publish(4, "t", Bytes::copy_of("x"), false, s.now);
  for (Sequence i = 1; i <= 5; ++i) s.receive(1, gossip(i));  // not ours: not counted
  CHECK(s.tree.stats(s.now).partitioned == 3);
}

TEST_CASE("an idle cluster is quiet", "[tree]") {
  Cluster c(5);
  c.ring(2);
  c.members();
  c.publish(0);
  c.run(minutes{10});
  std::size_t frames = 0;
  c.watch = [&](std::uint32_t, std::uint32_t, const Frame&) { ++frames; };
  c.run(minutes{1});
  CHECK(frames < 5 * 60 * 4);
  CHECK(c.stats(1).store_messages == 0);
  CHECK(c.stats(1).cache_evictions[CacheEviction::ttl] == 1);
  CHECK(std::count(c.nodes[1].logs.begin(), c.nodes[1].logs.end(), "Evicting 1 messages from cache (TTL expired)") == 1);
}
