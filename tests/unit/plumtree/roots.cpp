#include <catch2/catch.hpp>

#include "plumtree/roots.hpp"
#include "single.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
TreeMembers many(std::uint32_t n) {
  TreeMembers members;
  for (std::uint32_t i = 0; i < n; ++i) members.alive.push_back(instance(i));
  return members;
}
const TreeId kOwn{static_cast<std::uint64_t>(instance(0))};

/// Publishes every `pause` for `span`.
void publish(Single& s, Sequence& sequence, Duration pause, Duration span) {
  for (Duration done{0}; done < span; done += pause) {
    s.tree.publish(++sequence, "t", Bytes::copy_of("x"), false, s.now);
    s.advance(pause);
  }
}
TreeId last_tree(const Single& s) {
  TreeId tree{};
  for (const auto& [to, frame] : s.sent) {
    if (const auto* gossip = std::get_if<frame::Gossip>(&frame)) tree = gossip->tree;
  }
  return tree;
}
}  // namespace

TEST_CASE("one root below 1,000 members, twelve from there on, unless a number is set", "[roots]") {
  CHECK(tree::choose_roots(many(999), 0).size() == 1);
  CHECK(tree::choose_roots(many(1000), 0).size() == 12);
  CHECK(tree::choose_roots(many(1000), 3).size() == 3);
  CHECK(tree::choose_roots(many(2), 3).size() == 2);
  CHECK(tree::choose_roots(many(0), 0).empty());
}

TEST_CASE("a member that goes changes the roots only if it was one", "[roots]") {
  TreeMembers members = many(1500);
  const auto before = tree::choose_roots(members, 0);
  for (std::size_t i = 0; i < 100; ++i) {
    TreeMembers fewer = members;
    const TreeId gone{static_cast<std::uint64_t>(fewer.alive[i])};
    fewer.alive.erase(fewer.alive.begin() + static_cast<std::ptrdiff_t>(i));
    const auto after = tree::choose_roots(fewer, 0);
    std::size_t kept = 0;
    for (const TreeId root : before) kept += std::count(after.begin(), after.end(), root) > 0 ? 1 : 0;
    CHECK(kept == before.size() - (std::count(before.begin(), before.end(), gone) > 0 ? 1 : 0));
  }
}

TEST_CASE("each of the 24 largest zones has a root of its own", "[roots]") {
  TreeMembers members = many(300);
  for (std::uint32_t i = 0; i < 300; ++i) members.zones.push_back("z" + std::to_string(i < 290 ? i % 24 : 24 + i % 2));
  const auto roots = tree::choose_roots(members, 0);
  REQUIRE(roots.size() == 24);
  std::set<std::string> zones;
  for (const TreeId root : roots) {
    for (std::size_t i = 0; i < 300; ++i) {
      if (static_cast<std::uint64_t>(members.alive[i]) == static_cast<std::uint64_t>(root)) zones.insert(members.zones[i]);
    }
  }
  CHECK(zones.size() == 24);
  CHECK(zones.count("z24") + zones.count("z25") == 0);
  CHECK(tree::choose_roots(members, 2).size() == 2);  // a number that is set counts more
}

TEST_CASE("who publishes once a second becomes a root, and stops when silent", "[roots]") {
  Single s({});
  Sequence sequence = 0;
  publish(s, sequence, milliseconds{900}, seconds{9});
  s.drain();
  CHECK(last_tree(s) == kSharedTree);
  publish(s, sequence, milliseconds{900}, seconds{8});
  s.drain();
  CHECK(s.first<frame::Beacon>().tree == kOwn);
  CHECK(last_tree(s) == kOwn);
  // Beacons until a minute of silence.
  s.advance(seconds{55});
  s.drain();
  CHECK_FALSE(s.to<frame::Beacon>().empty());
  s.advance(seconds{15});
  s.drain();
  s.advance(seconds{60});
  s.drain();
  CHECK(s.to<frame::Beacon>().empty());
}

TEST_CASE("a sender that was silent for long goes on with its epochs", "[roots]") {
  Single s({});
  Sequence sequence = 0;
  const auto last_epoch = [&] {
    std::uint64_t epoch = 0;
    for (const auto& [to, frame] : s.sent) {
      const auto* beacon = std::get_if<frame::Beacon>(&frame);
      if (beacon != nullptr && beacon->tree == kOwn) epoch = beacon->epoch;
    }
    return epoch;
  };
  publish(s, sequence, milliseconds{500}, seconds{30});
  s.drain();
  const std::uint64_t before = last_epoch();
  REQUIRE(before >= 2);
  s.advance(seconds{300});  // forgets even its own tree; others may not
  s.drain();
  REQUIRE(s.tree.views(s.now).front().tree == kSharedTree);
  publish(s, sequence, milliseconds{500}, seconds{14});
  s.drain();
  CHECK(last_epoch() > before);
}

TEST_CASE("who publishes rarely borrows a tree, and so does the sender when there are many", "[roots]") {
  Single rare({});
  Sequence sequence = 0;
  publish(rare, sequence, milliseconds{1500}, seconds{60});
  rare.drain();
  CHECK(rare.to<frame::Beacon>().empty());

  Single crowded({});
  for (std::uint64_t i = 0; i < 32; ++i) crowded.receive(1, frame::Beacon{TreeId{100 + i}, 1, 1000});
  sequence = 0;
  publish(crowded, sequence, milliseconds{500}, seconds{16});
  crowded.drain();
  for (const auto& [to, frame] : crowded.sent) {
    if (const auto* beacon = std::get_if<frame::Beacon>(&frame)) CHECK(beacon->tree != kOwn);
  }
  CHECK(last_tree(crowded) != kSharedTree);
}

TEST_CASE("a slow parent whose link loses packets gets a second one beside it", "[roots]") {
  const TreeId tree{77};
  Single s({}, 0);
  for (std::uint32_t i = 1; i <= 3; ++i) {
    s.tree.peer_up(peer(i), {instance(i), "n" + std::to_string(i), milliseconds{40}}, s.now);
  }
  const auto epoch = [&](std::uint64_t number) {
    s.receive(1, frame::Beacon{tree, number, 1000});
    s.receive(2, frame::Beacon{tree, number, 2000});
    s.receive(3, frame::Beacon{tree, number, 90000});  // farther than we are: perhaps through us
    s.advance(milliseconds{200});
  };
  const auto second = [&]() -> std::optional<PeerId> {
    for (const auto& view : s.tree.views(s.now)) {
      if (view.tree == tree) return view.second;
    }
    return std::nullopt;
  };
  const auto zones_of = [&](std::size_t members, std::size_t zones) {
    TreeMembers told;
    for (std::uint32_t i = 0; i < members; ++i) {
      told.alive.push_back(instance(i));
      if (zones > 0) told.zones.push_back("z" + std::to_string(i % zones));
    }
    s.tree.set_members(told, s.now);
    s.drain();
  };
  zones_of(8, 2);
  epoch(1);
  epoch(2);
  CHECK_FALSE(second());
  s.tree.set_rtt(peer(1), milliseconds{40}, milliseconds{95}, Duration{0}, s.now);
  s.drain();
  CHECK(second() == peer(2));  // at once: the next epoch may be half a minute off
  // Where most links are slow each payload would come twice.
  for (const std::size_t zones : {std::size_t{0}, std::size_t{3}}) {
    zones_of(8, zones);
    epoch(3 + zones);
    CHECK_FALSE(second());
  }
  zones_of(8, 2);
  epoch(7);
  s.drain();
  CHECK(second() == peer(2));
  CHECK(s.to<frame::Graft>() == Peers{1, 2});
  epoch(8);
  s.drain();
  CHECK(second() == peer(2));
  CHECK(s.to<frame::Prune>().empty());
  // Its copies come down and are nobody's fault; ours do not go up to it.
  auto message = gossip(1);
  message.tree = tree;
  s.receive(1, message);
  s.receive(2, message);
  s.drain();
  CHECK(s.to<frame::Gossip>().empty());
  CHECK(s.to<frame::Prune>().empty());
  for (int i = 0; i < 150; ++i) s.tree.set_rtt(peer(1), milliseconds{40}, milliseconds{40}, Duration{0}, s.now);
  epoch(9);
  s.drain();
  CHECK_FALSE(second());
  CHECK(s.to<frame::Prune>() == Peers{2});
}

TEST_CASE("who announced a message before the parent brought it becomes the second one where none is nearer", "[roots]") {
  const TreeId tree{77};
  Single s({}, 0);
  for (std::uint32_t i = 1; i <= 3; ++i) {
    s.tree.peer_up(peer(i), {instance(i), "n" + std::to_string(i), milliseconds{i == 1 ? 80 : 1}}, s.now);
  }
  TreeMembers members;
  for (std::uint32_t i = 0; i < 8; ++i) {
    members.alive.push_back(instance(i));
    members.zones.push_back("z" + std::to_string(i % 2));
  }
  s.tree.set_members(members, s.now);
  const auto epoch = [&](std::uint64_t number) {
    s.receive(1, frame::Beacon{tree, number, 1000});
    s.advance(milliseconds{300});
  };
  const auto second = [&]() -> std::optional<PeerId> {
    for (const auto& view : s.tree.views(s.now)) {
      if (view.tree == tree) return view.second;
    }
    return std::nullopt;
  };
  epoch(1);
  s.receive(2, frame::Beacon{tree, 1, 41000});  // as far as we are: nobody can say that it does not hear through us
  epoch(2);
  const bool lossy = GENERATE(true, false);
  INFO("lossy " << lossy);
  s.tree.set_rtt(peer(1), milliseconds{80}, milliseconds{lossy ? 200 : 80}, Duration{0}, s.now);
  s.drain();
  CHECK_FALSE(second());

  s.receive(2, frame::IHave{tree, {{instance(50), {{1, 1}}}}, 0});
  s.advance(milliseconds{15});  // a quarter of the parent's 40 ms, and some jitter
  s.drain();
  CHECK(s.to<frame::Graft>() == (lossy ? Peers{2} : Peers{}));
  auto message = gossip(1, 1, true);
  message.tree = tree;
  s.receive(2, message);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  CHECK(second() == (lossy ? std::optional{peer(2)} : std::nullopt));
  CHECK(s.to<frame::Graft>() == (lossy ? Peers{2} : Peers{}));
  if (!lossy) return;
  // It says nothing of later epochs, since it is no nearer, and stays as long as what it has shown is fresh.
  for (std::uint64_t number = 3; number < 6; ++number) {
    s.advance(seconds{20});
    epoch(number);
  }
  s.drain();
  CHECK(second() == peer(2));
  s.advance(std::chrono::minutes{5});
  epoch(6);
  epoch(7);
  CHECK_FALSE(second());
}

TEST_CASE("what slow links lose together is held against each of them", "[roots]") {
  const TreeId tree{77};
  Single s({}, 0);
  for (std::uint32_t i = 1; i <= 6; ++i) {
    s.tree.peer_up(peer(i), {instance(i), "n" + std::to_string(i), milliseconds{40}}, s.now);
  }
  TreeMembers members;
  for (std::uint32_t i = 0; i < 8; ++i) {
    members.alive.push_back(instance(i));
    members.zones.push_back("z" + std::to_string(i % 2));
  }
  s.tree.set_members(members, s.now);
  s.receive(1, frame::Beacon{tree, 1, 1000});
  s.receive(2, frame::Beacon{tree, 1, 2000});
  s.advance(milliseconds{300});
  const auto second = [&]() -> std::optional<PeerId> {
    for (const auto& view : s.tree.views(s.now)) {
      if (view.tree == tree) return view.second;
    }
    return std::nullopt;
  };
  // The parent's link has delayed none of a few. One delay of another says nothing of it, some of all others do.
  const auto ping = [&](std::uint32_t i, bool delayed) {
    s.tree.set_rtt(peer(i), milliseconds{40}, milliseconds{delayed ? 95 : 40}, Duration{0}, s.now);
  };
  for (int round = 0; round < 20; ++round) {
    for (std::uint32_t i = 1; i <= 6; ++i) ping(i, i == 3 && round == 10);
  }
  ping(1, false);
  CHECK_FALSE(second());
  for (int round = 0; round < 20; ++round) {
    for (std::uint32_t i = 2; i <= 6; ++i) ping(i, round % 10 == 0);
  }
  ping(1, false);
  CHECK(second() == peer(2));
}

TEST_CASE("a root beats as much more rarely as there are more trees than four", "[roots]") {
  const std::uint64_t others = GENERATE(0U, 3U, 15U);
  Single s({});
  for (std::uint64_t i = 0; i < others; ++i) s.receive(1, frame::Beacon{TreeId{100 + i}, 1, 1000});
  s.tree.set_members({{instance(0)}, 0}, s.now);
  s.drain();
  s.advance(seconds{55});
  s.drain();
  std::uint64_t own = 0;
  for (const auto& [to, frame] : s.sent) {
    const auto* beacon = std::get_if<frame::Beacon>(&frame);
    if (beacon != nullptr && beacon->tree == kOwn && to == 1) ++own;
  }
  // One in about 5 s, or 20 s with sixteen trees.
  if (others < 4) {
    CHECK(own >= 11);
    CHECK(own <= 13);
  } else {
    CHECK(own >= 2);
    CHECK(own <= 3);
  }
}
