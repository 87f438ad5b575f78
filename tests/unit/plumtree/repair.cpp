#include <array>

#include <catch2/catch.hpp>

#include <plumvine/detail/interval_set.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
frame::DigestEntry entry(Sequence watermark, Sequence floor = 0, std::vector<SequenceRange> above = {}) {
  return {instance(50), "n50", watermark, floor, std::move(above)};
}
frame::Digest digest(frame::DigestEntry e) { return {false, true, true, true, {std::move(e)}}; }
using Ids = std::vector<frame::OriginRanges>;
Ids ids(Sequence first, Sequence last) { return {{instance(50), {{first, last}}}}; }

/// How many ids one pull asks for.
std::uint64_t count(const Ids& list) {
  std::uint64_t sum = 0;
  for (const auto& one : list) {
    for (const auto& range : one.ranges) sum += range.last - range.first + 1;
  }
  return sum;
}
}  // namespace

// ---- Digests and bulk pulls

TEST_CASE("both ends of a new link say what they have", "[digest]") {
  Single s({}, 1);
  s.receive(1, gossip(1));
  s.receive(1, gossip(3));
  s.drain();
  s.up(2);
  s.drain();
  REQUIRE(s.to<frame::Digest>() == Peers{2});
  const auto& d = std::get<frame::Digest>(s.sent.back().second);
  CHECK(d.synced);
  CHECK(d.first);
  CHECK(d.last);
  CHECK_FALSE(d.reply_wanted);
  REQUIRE(d.entries.size() == 1);
  CHECK(d.entries[0] == entry(1, 0, {{3, 3}}));
}

TEST_CASE("a large digest is cut into frames that fit", "[digest]") {
  Single s({}, 1);
  for (std::uint64_t o = 0; o < 1500; ++o) {
    auto g = gossip(1);
    g.id.origin = InstanceId{5000 + o};
    g.origin = "origin-" + std::to_string(o);
    s.receive(1, g);
  }
  s.drain();
  s.up(2);
  s.drain();
  std::size_t entries = 0;
  std::size_t frames = 0;
  for (const auto& [to, frame] : s.sent) {
    if (const auto* d = std::get_if<frame::Digest>(&frame)) {
      CHECK(d->entries.size() <= 512);
      CHECK(d->first == (frames == 0));
      entries += d->entries.size();
      CHECK(d->last == (entries == 1500));
      ++frames;
    }
  }
  CHECK(entries == 1500);
  CHECK(frames >= 3);
}

TEST_CASE("what a digest shows and the tree does not bring is pulled", "[digest]") {
  Single s({}, 2);
  s.receive(1, gossip(1));
  s.receive(1, gossip(4));
  s.drain();
  s.receive(2, digest(entry(5, 2, {{8, 9}})));
  CHECK(s.tree.stats(s.now).missing_messages == 9 - 2);
  s.drain();
  CHECK(s.to<frame::Pull>().empty());  // it may be on its way
  s.advance(milliseconds{300});
  s.drain();
  REQUIRE(s.to<frame::Pull>() == Peers{2});
  CHECK(s.first<frame::Pull>().ids == Ids{{instance(50), {{3, 3}, {5, 5}, {8, 9}}}});  // 2 is gone there
  for (const Sequence sequence : std::initializer_list<Sequence>{3, 5, 8, 9}) s.receive(2, gossip(sequence, 1, true));
  s.drain();
  CHECK(s.order.find('d') != std::string::npos);
  CHECK(s.tree.stats(s.now).sync_recovered == 4);
}

TEST_CASE("a digest exchange by order asks all neighbours or one, and what they have is pulled", "[digest]") {
  Single s({});
  CHECK(s.tree.resync({}, s.now) == 3);
  s.drain();
  CHECK(s.to<frame::Digest>() == Peers{1, 2, 3});
  CHECK(s.first<frame::Digest>().reply_wanted);
  CHECK(s.tree.resync(peer(2), s.now) == 1);
  s.drain();
  CHECK(s.to<frame::Digest>() == Peers{2});
  CHECK(s.tree.resync(peer(9), s.now) == 0);
  CHECK_FALSE(s.tree.digest_at(peer(2)));
  s.advance(milliseconds{5});
  s.receive(2, digest(entry(3)));
  CHECK(s.tree.digest_at(peer(2)) == s.now);
  CHECK_FALSE(s.tree.digest_at(peer(1)));
  s.advance(seconds{1});
  s.drain();
  CHECK(s.to<frame::Pull>() == Peers{2});
  CHECK(s.tree.stats(s.now).sync_rounds == 4);
}

TEST_CASE("bulk pulls keep to a window and never ask for an id twice", "[digest]") {
  Single s({}, 3);
  s.receive(1, gossip(1));
  s.receive(2, digest(entry(300'000)));
  s.receive(3, digest(entry(300'000)));
  std::map<std::uint32_t, std::vector<SequenceRange>> open;
  IntervalSet asked;
  std::uint64_t got = 1;
  for (int round = 0; round < 100'000 && got < 20'000; ++round) {
    s.advance(milliseconds{round == 0 ? 300 : 1});
    s.drain();
    for (const auto& [to, frame] : s.sent) {
      if (const auto* pull = std::get_if<frame::Pull>(&frame)) {
        CHECK(to != 1);
        CHECK(count(pull->ids) <= 256);
        CHECK(pull->ids.size() == 1);
        for (const auto& range : pull->ids[0].ranges) {
          REQUIRE(asked.add(range) == range.last - range.first + 1);
          open[to].push_back(range);
        }
      }
    }
    for (auto& [from, ranges] : open) {
      for (const auto& range : std::exchange(ranges, {})) {
        for (Sequence sequence = range.first; sequence <= range.last; ++sequence, ++got) s.receive(from, gossip(sequence, 1, true));
      }
    }
  }
  CHECK(got >= 20'000);
  CHECK(s.tree.stats(s.now).delivered == got);
  CHECK(s.tree.stats(s.now).duplicate == 0);
}

TEST_CASE("a neighbour that does not answer is passed over", "[digest]") {
  Single s({}, 2);
  s.receive(1, digest(entry(10)));
  s.advance(milliseconds{300});
  s.receive(2, digest(entry(10)));
  s.advance(milliseconds{300});
  s.drain();
  CHECK(s.to<frame::Pull>() == Peers{1});  // one request at a time for an id
  s.advance(seconds{2});
  s.drain();
  CHECK(s.to<frame::Pull>() == Peers{2});
  s.tree.peer_down(peer(2), s.now);
  s.advance(seconds{2});
  s.drain();
  CHECK(s.to<frame::Pull>() == Peers{1});
}

TEST_CASE("pulls are answered from the store, the rest is gone", "[digest]") {
  TreeConfig config;
  config.sync_max_messages = 3;
  Single s(config, 2);
  for (Sequence i = 1; i <= 5; ++i) s.receive(1, gossip(i));
  s.drain();
  s.receive(2, frame::Pull{ids(1, 6)});
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 2, 2});
  REQUIRE(s.to<frame::Gone>() == Peers{2});
  CHECK(std::get<frame::Gone>(s.sent.back().second).ids == Ids{{instance(50), {{1, 2}, {6, 6}}}});
  s.receive(2, frame::Pull{{{InstanceId{999}, {{1, UINT64_MAX}}}}});
  s.drain();
  CHECK(s.to<frame::Gone>() == Peers{2});
}

TEST_CASE("each interval one neighbour is asked for its digest, and answers", "[digest]") {
  Single s({}, 1);
  s.advance(seconds{11});
  s.drain();
  CHECK(s.to<frame::Digest>().size() >= 2);
  CHECK(s.tree.stats(s.now).sync_rounds >= 2);
  CHECK(s.first<frame::Digest>().reply_wanted);
  s.receive(1, frame::Digest{true, true, true, true, {}});
  s.receive(1, frame::Digest{true, true, true, true, {}});
  s.drain();
  REQUIRE(s.to<frame::Digest>() == Peers{1});  // at most ten a second
  CHECK_FALSE(s.first<frame::Digest>().reply_wanted);
}

TEST_CASE("a member that was away catches up with a hundred thousand messages", "[digest]") {
  TreeConfig config;
  config.sync_max_bytes = 1ULL << 30;
  Cluster c(3, config);
  c.link(0, 1);
  c.members();
  c.run(seconds{1});
  for (int i = 0; i < 100'000; ++i) c.publish(0);
  c.run(seconds{1});
  c.link(1, 2);
  c.link(2, 0);
  c.run(seconds{10});
  CHECK(c.all_have(0, 100'000));
  CHECK(c.stats(2).sync_recovered > 99'000);
  CHECK(c.sum(&TreeStats::duplicate) < 100);
}

TEST_CASE("two sides of a split get what was published on the other", "[digest]") {
  Cluster c(10);
  for (std::uint32_t i = 0; i < 4; ++i) c.link(i, i + 1);
  for (std::uint32_t i = 5; i < 9; ++i) c.link(i, i + 1);
  c.link(0, 4);
  c.link(5, 9);
  c.members();
  c.run(seconds{2});
  for (int i = 0; i < 300; ++i) {
    c.publish(1);
    c.publish(7);
    c.run(milliseconds{100});
  }
  c.link(2, 6);
  c.link(4, 9);
  c.run(seconds{5});
  CHECK(c.all_have(1, 300));
  CHECK(c.all_have(7, 300));
}

TEST_CASE("what the tree is about to bring is not pulled", "[digest]") {
  Single s({}, 2);
  // Announcements of 1 to 60 overtake payloads that come in order, one each 5 ms.
  s.receive(2, frame::IHave{kSharedTree, ids(1, 60)});
  s.receive(2, digest(entry(60)));
  for (Sequence sequence = 1; sequence <= 50; ++sequence) {
    s.receive(1, gossip(sequence));
    s.advance(milliseconds{5});
  }
  s.drain();
  CHECK(s.to<frame::Graft>().empty());
  CHECK(s.to<frame::Pull>().empty());
  // One is skipped: it was passed and will not come by itself. Then the flow ends: so with the rest.
  s.receive(1, gossip(52));
  s.advance(seconds{1});
  s.drain();
  IntervalSet asked;
  for (const auto& [to, frame] : s.sent) {
    const auto* graft = std::get_if<frame::Graft>(&frame);
    const auto* pull = std::get_if<frame::Pull>(&frame);
    if (graft == nullptr && pull == nullptr) continue;
    for (const auto& list : graft != nullptr ? graft->ids : pull->ids) {
      for (const auto& range : list.ranges) asked.add(range);
    }
  }
  CHECK(asked.list() == std::vector<SequenceRange>{{51, 51}, {53, 60}});
}

// ---- The first sync

TEST_CASE("a joiner starts at its neighbour's watermark and gets everything from there", "[sync]") {
  Cluster c(2);
  c.link(0, 1);
  c.members();
  for (int i = 0; i < 20; ++i) c.publish(0);
  c.run(seconds{1});
  const auto n = c.add({}, false);
  CHECK_FALSE(c.nodes[n].tree->synced());
  c.link(n, 1);
  c.run(milliseconds{1});
  c.publish(0);  // reaches the joiner while it asks
  c.run(seconds{1});
  CHECK(c.nodes[n].tree->synced());
  c.publish(0);
  c.run(seconds{1});
  auto got = c.got(n, 0);
  REQUIRE_FALSE(got.empty());
  CHECK(got.front() >= 20);
  CHECK(got.back() == 22);
  CHECK(got.size() == got.back() - got.front() + 1);
  CHECK(c.stats(n).missing_messages == 0);
  CHECK(c.nodes[n].lost.empty());
}

TEST_CASE("nothing is delivered before the first sync, and nothing twice after it", "[sync]") {
  Single s({}, 0);
  Tree fresh({}, instance(0), "n0", Rng{1});
  s.tree = std::move(fresh);
  s.up(1);
  s.drain();
  REQUIRE(s.to<frame::Digest>() == Peers{1});
  CHECK(s.first<frame::Digest>().reply_wanted);
  CHECK_FALSE(s.first<frame::Digest>().synced);
  for (const Sequence i : std::initializer_list<Sequence>{4, 5, 7}) s.receive(1, gossip(i));
  s.drain();
  CHECK(s.order.empty());
  s.receive(1, digest(entry(4)));
  s.drain();
  CHECK(s.tree.synced());
  CHECK(std::count(s.order.begin(), s.order.end(), 'd') == 2);
  CHECK(s.tree.stats(s.now).duplicate == 0);
  CHECK(s.tree.stats(s.now).missing_messages == 1);  // 6
}

TEST_CASE("an unanswered question for the start is asked again", "[sync]") {
  Single s({}, 0);
  s.tree = Tree({}, instance(0), "n0", Rng{1});
  s.up(1);
  s.up(2);
  s.advance(seconds{3});
  s.drain();
  CHECK(s.to<frame::Digest>().size() >= 6);
  CHECK_FALSE(s.tree.synced());
}

TEST_CASE("fresh members take each other's word after a second, until a synced one speaks", "[sync]") {
  Cluster c(0);
  c.add({}, false);
  c.add({}, false);
  c.link(0, 1);
  c.publish(0);
  c.run(milliseconds{900});
  CHECK_FALSE(c.nodes[0].tree->synced());
  c.run(milliseconds{400});
  CHECK(c.nodes[0].tree->synced());
  CHECK(c.nodes[1].tree->synced());
  c.publish(0);
  c.run(seconds{1});
  CHECK(c.got(1, 0).back() == 2);

  // They meet a cluster with a history: it is not theirs to hear.
  const auto old = c.add();
  for (int i = 0; i < 50; ++i) c.publish(old);
  c.run(seconds{1});
  c.link(old, 0);
  c.run(seconds{1});
  c.publish(old);
  c.run(seconds{8});
  CHECK(c.got(0, old) == std::vector<Sequence>{51});
  CHECK(c.got(1, old) == std::vector<Sequence>{51});
  CHECK(c.nodes[1].lost.empty());
}

TEST_CASE("whatever is held for the first sync is bounded", "[sync]") {
  Single s({}, 0);
  s.tree = Tree({}, instance(0), "n0", Rng{1});
  s.up(1);
  for (Sequence i = 1; i <= 5000; ++i) s.receive(1, gossip(i));
  CHECK(s.tree.stats(s.now).frames_rejected[FrameReject::unexpected] == 5000 - 4096);
  s.receive(1, digest(entry(0, 0, {{1, 5000}})));
  s.drain();
  CHECK(s.tree.stats(s.now).delivered == 4096);
  CHECK(s.tree.stats(s.now).missing_messages == 5000 - 4096);
}

// ---- Loss

TEST_CASE("what all neighbours have dropped is reported once, and the watermark moves on", "[loss]") {
  TreeConfig config;
  config.sync_interval = seconds{1};
  Single s(config, 2);
  s.receive(1, gossip(10));
  std::vector<tree::Lost> lost;
  const auto wait = [&](Duration duration) {
    for (const Timestamp end = s.now + duration; s.now < end;) {
      s.advance(milliseconds{500});
      while (auto output = s.tree.poll_output()) {
        if (auto* l = std::get_if<tree::Lost>(&*output)) lost.push_back(*l);
        if (auto* l = std::get_if<tree::Log>(&*output)) s.logs.push_back(l->record.text);
      }
    }
  };
  s.receive(1, digest(entry(10, 9)));
  SECTION("the other neighbour has them") {
    s.receive(2, digest(entry(10)));
    wait(seconds{20});
    CHECK(lost.empty());
    CHECK(s.tree.stats(s.now).missing_messages == 9);
    CHECK(s.tree.stats(s.now).oldest_missing >= seconds{15});
    CHECK(s.tree.origins()[1].age_s >= 15);
  }
  SECTION("nobody has them") {
    s.receive(2, digest(entry(10, 9)));
    wait(seconds{1});
    CHECK(lost.empty());
    wait(seconds{20});
    REQUIRE(lost.size() == 1);
    CHECK(lost[0].range == SequenceRange{1, 9});
    CHECK(lost[0].reason == LossReason::evicted);
    CHECK(lost[0].name == "n50");
    CHECK(s.logs.back() == "Lost messages 1 to 9 of n50: evicted");
    const auto& stats = s.tree.stats(s.now);
    CHECK(stats.lost[Loss::evicted] == 9);
    CHECK(stats.missing_messages == 0);
    CHECK(s.tree.origins()[1].delivered == 10);
    // Counts as seen from now on.
    s.receive(1, gossip(5));
    s.drain();
    CHECK(s.order.find('d') == std::string::npos);
  }
  SECTION("one says gone in answer to a pull") {
    s.receive(2, digest(entry(10)));
    wait(milliseconds{500});
    s.receive(2, frame::Gone{ids(1, 9)});
    wait(seconds{20});
    CHECK(lost.size() == 1);
  }
}

TEST_CASE("what is missing for longer than the window is given up", "[loss]") {
  TreeConfig config;
  config.sync_window = seconds{30};
  config.sync_interval = seconds{1};
  Single s(config, 1);
  s.receive(1, gossip(3));
  s.advance(seconds{20});
  s.receive(1, gossip(6));
  s.drain();
  s.advance(seconds{15});
  CHECK(s.tree.stats(s.now).lost[Loss::expired] == 2);
  s.advance(seconds{20});
  CHECK(s.tree.stats(s.now).lost[Loss::expired] == 4);
  CHECK(s.tree.stats(s.now).missing_messages == 0);
}

TEST_CASE("a message that only its crashed publisher's neighbour was told of is not lost while it can come", "[loss]") {
  TreeConfig config;
  config.sync_interval = seconds{1};
  Single s(config, 2);
  s.receive(1, frame::IHave{kSharedTree, ids(1, 1)});
  s.tree.peer_down(peer(1), s.now);
  s.receive(2, frame::Digest{false, true, true, true, {}});
  s.advance(seconds{60});
  CHECK(s.tree.stats(s.now).lost.total() == 0);
  s.receive(2, digest(entry(1)));
  s.drain();
  s.advance(seconds{1});
  s.drain();
  CHECK(s.to<frame::Pull>() == Peers{2});
}

// ---- What peers may not do

TEST_CASE("impossible frames are refused and counted", "[repair]") {
  Single s({}, 2);
  const auto rejected = [&](FrameReject what) { return s.tree.stats(s.now).frames_rejected[what]; };
  s.receive(1, gossip(0));
  CHECK(rejected(FrameReject::malformed) == 1);
  s.receive(1, gossip(UINT64_MAX));
  CHECK(rejected(FrameReject::sequence_jump) == 1);
  auto forged = gossip(1);
  forged.id.origin = instance(0);
  s.receive(1, forged);
  CHECK(rejected(FrameReject::unexpected) == 1);
  s.receive(1, frame::Hello{});
  CHECK(rejected(FrameReject::unexpected) == 2);
  s.receive(9, gossip(1));  // no link
  CHECK(rejected(FrameReject::unexpected) == 3);
  s.receive(1, frame::IHave{kSharedTree, {{instance(50), {{5, 3}}}}});
  s.receive(1, frame::IHave{kSharedTree, {{instance(50), {{1, UINT64_MAX}}}}});
  s.receive(1, frame::IHave{kSharedTree, {{instance(0), {{1, 1}}}}});
  CHECK(rejected(FrameReject::sequence_jump) == 4);
  s.receive(1, frame::Pull{{{instance(50), {{0, 3}}}}});
  CHECK(rejected(FrameReject::malformed) == 2);
  s.receive(1, digest(entry(UINT64_MAX)));
  CHECK(rejected(FrameReject::sequence_jump) == 5);
  auto nobody = gossip(1);
  nobody.id.origin = InstanceId{};
  s.receive(1, nobody);
  CHECK(rejected(FrameReject::malformed) == 3);
  s.drain();
  CHECK(s.order.find('d') == std::string::npos);
}

TEST_CASE("origins are bounded: the silent go first, those in the store stay", "[repair]") {
  TreeConfig config;
  config.origins_max = 3;
  config.sync_max_messages = 1;
  Single s(config, 2);
  const auto from = [&](std::uint64_t origin) {
    auto g = gossip(1);
    g.id.origin = InstanceId{origin};
    s.receive(1, g);
    s.now = s.now + milliseconds{1};
  };
  from(101);
  from(102);
  from(103);
  CHECK(s.tree.stats(s.now).seen_evictions == 1);
  CHECK(s.tree.stats(s.now).seen_origins == 3);
  CHECK(s.tree.stats(s.now).delivered == 3);

  TreeConfig roomy;
  roomy.origins_max = 3;
  Single t(roomy, 1);
  for (std::uint64_t o = 101; o <= 103; ++o) {
    auto g = gossip(1);
    g.id.origin = InstanceId{o};
    t.receive(1, g);
  }
  CHECK(t.tree.stats(t.now).frames_rejected[FrameReject::origin_limit] == 1);
  CHECK(t.tree.stats(t.now).delivered == 2);
}

TEST_CASE("any frame in any order breaks nothing", "[repair]") {
  for (const auto rule : {TreeConfig::Rule::rooted, TreeConfig::Rule::classic}) {
    std::uint64_t parts = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      TreeConfig config;
      config.tree_rule = rule;
      config.sync_max_messages = 50;
      config.origins_max = 6;
      config.trees_max = 3;
      config.sync_interval = seconds{1};
      TopicConfigs topics;
      topics["fifo"].order = Order::fifo;
      topics["fetched"].payloads = topics["passed"].payloads = Payloads::subscribers;
      topics["passed"].subscribe = false;
      Single s(config, 4, topics);
      Rng rng{seed};
      const auto range = [&] {
        const Sequence first = rng.below(40);
        return SequenceRange{first, first + rng.below(rng.chance(0.1) ? 1'000'000 : 10)};
      };
      const auto origin = [&] {
        const InstanceId publisher{rng.below(9)};
        return rng.chance(0.4) ? frame::parts_origin(publisher) : publisher;
      };
      const auto topic = [&] { return std::array{"t", "fifo", "fetched", "passed"}[rng.below(4)]; };
      const Bytes part = Bytes::copy_of(varied(frame::kPartSize)), last = Bytes::copy_of("x");
      const auto some = [&] { return Ids{{origin(), {range()}}}; };
      Sequence published = 0;
      for (int step = 0; step < 2000; ++step) {
        const auto from = static_cast<std::uint32_t>(1 + rng.below(4));
        const TreeId tree{rng.below(5)};
        switch (rng.below(16)) {
          case 0: s.receive(from, frame::IHave{tree, some(), static_cast<Round>(rng.below(9))}); break;
          case 1: s.receive(from, frame::Graft{tree, rng.chance(0.5), some()}); break;
          case 2: s.receive(from, frame::Prune{tree}); break;
          case 3: s.receive(from, frame::Beacon{tree, rng.below(9), rng.chance(0.2) ? UINT64_MAX : rng.below(9000)}); break;
          case 4: {
            const auto r = range();
            s.receive(from, frame::Digest{rng.chance(0.3), rng.chance(0.5), rng.chance(0.9), rng.chance(0.9),
                                          {{origin(), "x", rng.below(40), rng.below(60), {{r.first + 41, r.last + 41}}}}});
            break;
          }
          case 5: s.receive(from, frame::Pull{some()}); break;
          case 6: s.receive(from, frame::Gone{some()}); break;
          case 7: s.receive(from, frame::Progress{{{origin(), rng.chance(0.1) ? UINT64_MAX : rng.below(50)}}}); break;
          case 8: s.tree.publish(++published, topic(), rng.chance(0.1) ? Bytes::copy_of(varied(frame::kPartSize + 1)) : last, rng.chance(0.5), s.now); break;
          case 9: s.tree.set_credit(peer(from), static_cast<std::int64_t>(rng.below(400)) - 100, s.now); break;
          case 10: s.tree.pause_delivery(rng.chance(0.5), s.now); break;
          case 11:
            s.tree.peer_down(peer(from), s.now);
            if (rng.chance(0.8)) s.up(from);
            break;
          case 12: s.advance(milliseconds{static_cast<std::int64_t>(rng.below(900))}); break;
          default: {
            auto g = gossip(rng.below(60), static_cast<Round>(rng.below(9)), rng.chance(0.2));
            g.id.origin = origin();
            g.tree = tree;
            g.topic = topic();
            g.payload = rng.chance(0.5) ? part : last;
            if (rng.chance(0.3) && !frame::is_parts(g.id.origin)) {
              g.payload = {};
              g.about = frame::About{.size = frame::kPartSize + 1, .encoded_size = frame::kPartSize + 1, .first = 1 + rng.below(40)};
            }
            s.receive(from, std::move(g));
          }
        }
        s.drain();  // checks the invariants
      }
      const auto& stats = s.tree.stats(s.now);
      parts += stats.large_parts;
      CHECK(stats.store_messages <= 50);
      CHECK(stats.seen_origins <= 6);
    }
    CHECK(parts > 100);  // of all seeds: one whose few origins are all in the store takes none
  }
}
