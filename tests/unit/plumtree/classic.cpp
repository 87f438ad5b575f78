#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
TreeConfig classic() {
  TreeConfig config;
  config.tree_rule = TreeConfig::Rule::classic;
  return config;
}
}  // namespace

TEST_CASE("a first copy goes to the eager peers but its sender, and only then to the handler", "[classic]") {
  Single s(classic());
  s.receive(1, gossip(1));
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2, 3});
  CHECK(s.order == "sd");
  CHECK(s.first<frame::Gossip>().round == 2);
}

TEST_CASE("a duplicate makes its sender lazy, an answer to a pull does not", "[classic]") {
  Single s(classic());
  s.receive(1, gossip(1));
  s.drain();
  s.receive(2, gossip(1, 1, true));
  s.drain();
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
  s.receive(2, gossip(1));
  s.drain();
  CHECK(s.to<frame::Prune>() == Peers{2});
  CHECK(s.tree.role(peer(2)) == PeerRole::lazy);
  CHECK(s.tree.stats(s.now).duplicate == 2);
  CHECK(s.tree.stats(s.now).prune_sent == 1);
}

TEST_CASE("the last eager link is never pruned by us, and replaced when a peer prunes it", "[classic]") {
  Single s(classic());
  s.receive(1, gossip(1));
  for (const std::uint32_t from : {1U, 2U, 3U}) s.receive(from, gossip(1));
  s.drain();
  CHECK(s.tree.role(peer(3)) == PeerRole::eager);
  s.receive(3, frame::Prune{kSharedTree});
  s.drain();
  CHECK(s.tree.role(peer(3)) == PeerRole::lazy);
  CHECK(s.tree.role(peer(1)) == PeerRole::eager);  // the nearest
  CHECK(s.to<frame::Graft>() == Peers{1});
}

TEST_CASE("lazy peers get an announcement with the hops of a copy", "[classic]") {
  Single s(classic());
  s.receive(3, frame::Prune{kSharedTree});
  s.receive(1, gossip(1, 4));
  s.advance(milliseconds{6});
  s.drain();
  CHECK(s.to<frame::IHave>() == Peers{3});
  const auto& ihave = std::get<frame::IHave>(s.sent.back().second);
  CHECK(ihave.round == 5);
  CHECK(ihave.ids == std::vector<frame::OriginRanges>{{instance(50), {{1, 1}}}});
}

TEST_CASE("an announcement that is not followed by its payload grafts the announcer", "[classic]") {
  Single s(classic());
  s.receive(2, frame::Prune{kSharedTree});
  s.drain();
  s.receive(2, frame::IHave{kSharedTree, {{instance(50), {{1, 1}}}}, 3});
  CHECK(s.tree.stats(s.now).pending_grafts == 1);
  s.advance(seconds{1});
  s.drain();
  REQUIRE_FALSE(s.to<frame::Graft>().empty());
  CHECK(s.to<frame::Graft>().front() == 2);
  const auto graft = s.first<frame::Graft>();
  CHECK(graft.attach);
  CHECK(graft.ids == std::vector<frame::OriginRanges>{{instance(50), {{1, 1}}}});
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
}

TEST_CASE("a graft makes its sender eager and gets the payload as a pulled copy", "[classic]") {
  Single s(classic());
  s.receive(2, frame::Prune{kSharedTree});
  s.receive(1, gossip(1));
  s.drain();
  s.receive(2, frame::Graft{kSharedTree, true, {{instance(50), {{1, 1}, {7, 8}}}}});
  s.drain();
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
  CHECK(s.to<frame::Gossip>() == Peers{2});
  CHECK(s.first<frame::Gossip>().pulled);
  CHECK(s.to<frame::Gone>() == Peers{2});
  CHECK(std::get<frame::Gone>(s.sent[1].second).ids == std::vector<frame::OriginRanges>{{instance(50), {{7, 8}}}});
}

TEST_CASE("a shorter way by the threshold swaps two links", "[classic]") {
  Single s(classic());
  s.receive(2, frame::Prune{kSharedTree});
  s.receive(1, gossip(1, 6));
  s.drain();
  SECTION("announced after the payload") {
    s.receive(2, frame::IHave{kSharedTree, {{instance(50), {{1, 1}}}}, 4});
    s.drain();
    CHECK(s.sent.empty());  // two hops are below the threshold of three
    s.receive(2, frame::IHave{kSharedTree, {{instance(50), {{1, 1}}}}, 3});
    s.drain();
  }
  SECTION("announced before the payload") {
    s.receive(2, frame::IHave{kSharedTree, {{instance(50), {{2, 2}}}}, 3});
    s.drain();
    s.receive(1, gossip(2, 6));
    s.drain();
  }
  CHECK(s.to<frame::Graft>() == Peers{2});
  CHECK(s.to<frame::Prune>() == Peers{1});
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
  CHECK(s.tree.role(peer(1)) == PeerRole::lazy);
  CHECK(s.logs.back() == "Demoting peer n1 to lazy (optimization threshold reached)");
}

TEST_CASE("no more peers are eager than allowed", "[classic]") {
  TreeConfig config = classic();
  config.max_eager_peers = 2;
  Single s(config, 4);
  const auto eager = [&] {
    std::size_t count = 0;
    for (std::uint32_t i = 1; i <= 4; ++i) count += s.tree.role(peer(i)) == PeerRole::eager;
    return count;
  };
  CHECK(eager() == 2);
  s.receive(4, frame::Graft{kSharedTree, true, {}});
  s.drain();
  CHECK(eager() == 2);
  CHECK(s.tree.role(peer(4)) == PeerRole::eager);
  CHECK(s.to<frame::Prune>() == Peers{2});  // the slower of the two before
}

TEST_CASE("announcements go to so many lazy peers at most", "[classic]") {
  TreeConfig config = classic();
  config.max_lazy_peers = 1;
  Single s(config, 4);
  for (const std::uint32_t i : {2U, 3U, 4U}) s.receive(i, frame::Prune{kSharedTree});
  s.receive(1, gossip(1));
  s.advance(milliseconds{6});
  s.drain();
  CHECK(s.to<frame::IHave>().size() == 1);
}

TEST_CASE("grafts are answered at a limited rate", "[classic]") {
  TreeConfig config = classic();
  config.graft_rate_limit_burst = 3;
  config.graft_rate_limit_per_second = 10;
  Single s(config);
  s.receive(2, frame::Prune{kSharedTree});
  for (Sequence i = 1; i <= 10; ++i) s.receive(1, gossip(i));
  s.advance(milliseconds{10});
  s.drain();
  for (Sequence i = 1; i <= 5; ++i) s.receive(2, frame::Graft{kSharedTree, false, {{instance(50), {{i, i}}}}});
  s.drain();
  CHECK(s.to<frame::Gossip>().size() == 3);
  CHECK(s.tree.stats(s.now).rate_limited[RateLimited::graft] == 2);
  s.advance(milliseconds{100});
  s.receive(2, frame::Graft{kSharedTree, false, {{instance(50), {{6, 6}}}}});
  s.drain();
  CHECK(s.to<frame::Gossip>().size() == 1);
}

TEST_CASE("one id is asked of one announcer at a time, each in its turn, and then given up", "[classic]") {
  TreeConfig config = classic();
  config.graft_max_retries = 2;
  Single s(config, 3);
  for (const std::uint32_t i : {3U, 2U}) s.receive(i, frame::IHave{kSharedTree, {{instance(50), {{1, 1}}}}, 1});
  s.advance(seconds{4});
  s.drain();
  CHECK(s.to<frame::Graft>() == Peers{2, 3, 2, 3});  // nearest first
  const auto& stats = s.tree.stats(s.now);
  CHECK(stats.graft_sent == 1);
  CHECK(stats.graft_retries == 3);
  CHECK(stats.graft_failed == 1);
  CHECK(stats.pending_grafts == 0);
  CHECK(stats.missing_messages == 1);
  CHECK(std::count(s.logs.begin(), s.logs.end(), "Graft failed for message " + to_string(MessageId{instance(50), 1}) + " after 3 retries") == 1);
}

TEST_CASE("an announcer that has dropped the payload is not asked again", "[classic]") {
  Single s(classic());
  for (const std::uint32_t i : {2U, 3U}) s.receive(i, frame::IHave{kSharedTree, {{instance(50), {{1, 1}}}}, 1});
  s.advance(s.tree.next_timeout() - s.now);
  s.drain();
  REQUIRE(s.to<frame::Graft>() == Peers{2});
  s.receive(2, frame::Gone{{{instance(50), {{1, 1}}}}});
  s.advance(Duration{0});
  s.drain();
  CHECK(s.to<frame::Graft>() == Peers{3});
  s.receive(3, gossip(1, 1, true));
  s.drain();
  const auto& stats = s.tree.stats(s.now);
  CHECK(stats.graft_success == 1);
  CHECK(stats.graft_latency.count() == 1);
  CHECK(stats.pending_grafts == 0);
}
