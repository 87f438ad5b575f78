// What an operator orders: links made eager, caches trimmed.
#include <catch2/catch.hpp>

#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
const TreeId kTree{77};

/// A settled tree with peer 1 as parent, 2 and 3 lazy.
void settle(Single& s, std::uint64_t epoch = 1) {
  s.receive(1, frame::Beacon{kTree, epoch, 1000});
  s.advance(milliseconds{50});
  s.drain();
}
TreeConfig classic() {
  TreeConfig config;
  config.tree_rule = TreeConfig::Rule::classic;
  return config;
}
}  // namespace

TEST_CASE("a promoted link is eager both ways, in every epoch, though copies come twice", "[rooted][operations]") {
  Single s({});
  CHECK_FALSE(s.tree.promote(peer(2), s.now));  // there is no tree yet
  settle(s);
  REQUIRE(s.tree.role(peer(2)) == PeerRole::lazy);
  CHECK(s.tree.promote(peer(2), s.now));
  s.drain();
  CHECK(s.to<frame::Graft>() == Peers{2});
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
  CHECK(s.tree.role(peer(3)) == PeerRole::lazy);
  auto message = gossip(1);
  message.tree = kTree;
  s.receive(1, message);
  s.drain();
  CHECK(s.to<frame::Gossip>() == Peers{2});
  for (Sequence n = 2; n < 20; ++n) {
    message.id.sequence = n;
    s.receive(1, message);
    s.receive(2, message);
    s.drain();
    CHECK(s.to<frame::Prune>().empty());
  }
  s.receive(1, frame::Beacon{kTree, 2, 1000});
  s.drain();
  CHECK(s.to<frame::Graft>() == Peers{1, 2});
  s.advance(milliseconds{50});
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
  s.receive(2, frame::Prune{kTree});  // it has no room for us
  s.drain();
  CHECK(s.tree.role(peer(2)) == PeerRole::lazy);
}

TEST_CASE("a promotion ends with its link, and needs one", "[rooted][operations]") {
  Single s({});
  settle(s);
  CHECK_FALSE(s.tree.promote(peer(9), s.now));
  CHECK(s.tree.promote(peer(2), s.now));
  s.tree.peer_down(peer(2), s.now);
  s.up(2);
  settle(s, 2);
  CHECK(s.tree.role(peer(2)) == PeerRole::lazy);
}

TEST_CASE("under the paper's rule a promotion is a graft", "[classic][operations]") {
  Single s(classic());
  s.receive(2, frame::Prune{kSharedTree});
  s.drain();
  REQUIRE(s.tree.role(peer(2)) == PeerRole::lazy);
  CHECK(s.tree.promote(peer(2), s.now));
  s.drain();
  CHECK(s.to<frame::Graft>() == Peers{2});
  CHECK(s.tree.role(peer(2)) == PeerRole::eager);
}

TEST_CASE("trimming drops what every neighbour has and nothing that anybody may need", "[operations]") {
  Cluster c(3);
  c.link(0, 1);
  c.link(1, 2);
  c.members();
  c.run(seconds{5});
  for (int i = 0; i < 10; ++i) c.publish(0, "0123456789");
  c.run(seconds{1});
  REQUIRE(c.all_have(0, 10));
  const auto trim = [&](std::uint32_t n) {
    const Trimmed freed = c.nodes[n].tree->trim(c.now);
    c.drain(n);
    return freed;
  };
  CHECK(trim(1).messages == 0);  // younger than message_cache_ttl
  c.run(seconds{70});
  c.members(1);
  CHECK(trim(1).messages == 0);  // a member is dead
  c.members();
  const Trimmed freed = trim(1);
  CHECK(freed.messages == 10);
  CHECK(freed.bytes == 100);
  CHECK(c.stats(1).store_messages == 0);
  CHECK(c.stats(0).store_messages == 10);
  CHECK(trim(1).messages == 0);

  // A neighbour that lacks it keeps it here.
  c.drop = [](std::uint32_t, std::uint32_t to, const Frame&) { return to == 2; };
  c.publish(0, "lost on its way");
  c.run(seconds{70});
  CHECK(c.got(2, 0).size() == 10);
  CHECK(trim(1).messages == 0);
  CHECK(c.stats(1).store_messages == 1);
  c.drop = {};
  c.run(seconds{60});
  CHECK(c.all_have(0, 11));
}
