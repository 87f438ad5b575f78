#include <queue>

#include <plumvine/detail/rng.hpp>
#include <plumtree/overlay.hpp>

#include "support/pch.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

namespace {

PeerId peer(std::size_t i) { return PeerId{static_cast<std::uint32_t>(i)}; }
std::size_t index(PeerId id) { return static_cast<std::size_t>(id); }
InstanceId instance(std::size_t i) { return InstanceId{mix64(i + 1)}; }
std::string name(std::size_t i) { return "node-" + std::to_string(i); }

std::vector<Candidate> candidates(const std::set<std::size_t>& members, std::size_t self) {
  std::vector<Candidate> out;
  for (const auto i : members)
    if (i != self) out.push_back({peer(i), instance(i), name(i)});
  return out;
}

std::set<std::size_t> first(std::size_t n) {
  std::set<std::size_t> out;
  for (std::size_t i = 0; i < n; ++i) out.insert(i);
  return out;
}

/// One overlay at index 0 whose outputs a test looks at.
struct One {
  TreeConfig tree;
  LinkConfig link;
  Timestamp now{1'000'000'000};
  std::optional<Overlay> overlay;

  explicit One(std::function<void(TreeConfig&, LinkConfig&)> change = nullptr) {
    if (change) change(tree, link);
    overlay.emplace(tree, link, instance(0), name(0), Rng{7});
  }
  void members(std::size_t n) { overlay->set_candidates(candidates(first(n), 0), now); }
  std::vector<PeerId> dials() {
    std::vector<PeerId> out;
    drops.clear();
    while (auto output = overlay->poll_output()) {
      if (const auto* dial = std::get_if<overlay::Dial>(&*output)) out.push_back(dial->peer);
      else if (const auto* drop = std::get_if<overlay::Drop>(&*output)) drops.push_back(drop->peer);
    }
    return out;
  }
  void advance(Duration d) {
    const Timestamp end = now + d;
    while (overlay->next_timeout() <= end) {
      REQUIRE(overlay->next_timeout() > now - 1ns);
      now = std::max(now, overlay->next_timeout());
      overlay->handle_timeout(now);
      const auto after = overlay->next_timeout();
      REQUIRE(after > now);  // no busy loop
      for (const auto dialled : dials()) seen.push_back({now, dialled});
    }
    now = end;
  }
  std::vector<PeerId> drops;
  std::vector<std::pair<Timestamp, PeerId>> seen;
};

/// Many overlays on a network where a dial takes 1 ms and fails when the other side is down or has no room.
struct World {
  struct Event {
    Timestamp at;
    std::uint64_t number;
    std::size_t from, to;
    bool operator<(const Event& other) const { return std::tie(other.at, other.number) < std::tie(at, number); }
  };
  std::vector<Overlay> nodes;
  std::vector<bool> up;
  std::vector<std::set<std::size_t>> links;
  std::priority_queue<Event> dialled;
  std::uint64_t counter = 0;
  std::uint64_t dials = 0;
  Timestamp now{1'000'000'000};
  TreeConfig tree;

  explicit World(std::size_t n) : up(n, true), links(n) {
    for (std::size_t i = 0; i < n; ++i) nodes.emplace_back(tree, LinkConfig{}, instance(i), name(i), Rng{i});
  }
  std::set<std::size_t> alive() const {
    std::set<std::size_t> out;
    for (std::size_t i = 0; i < up.size(); ++i)
      if (up[i]) out.insert(i);
    return out;
  }
  void drain(std::size_t i) {
    while (auto output = nodes[i].poll_output()) {
      if (const auto* dial = std::get_if<overlay::Dial>(&*output)) {
        ++dials;
        dialled.push({now + 1ms, ++counter, i, index(dial->peer)});
      } else if (const auto* drop = std::get_if<overlay::Drop>(&*output)) {
        unlink(i, index(drop->peer));
      }
    }
  }
  void unlink(std::size_t a, std::size_t b) {
    if (links[a].erase(b) == 0) return;
    links[b].erase(a);
    if (up[a]) nodes[a].link_down(peer(b), now);
    if (up[b]) nodes[b].link_down(peer(a), now);
    if (up[a]) drain(a);
    if (up[b]) drain(b);
  }
  void arrive(const Event& event) {
    const auto [at, number, from, to] = event;
    if (!up[from] || links[from].contains(to)) return;
    if (!up[to] || !nodes[to].accepts(peer(from))) {
      nodes[from].dial_failed(peer(to), now);
    } else {
      links[from].insert(to);
      links[to].insert(from);
      nodes[from].link_up(peer(to), true, now);
      nodes[to].link_up(peer(from), false, now);
      drain(to);
    }
    drain(from);
  }
  void tell(const std::set<std::size_t>& members) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (!up[i]) continue;
      nodes[i].set_candidates(candidates(members, i), now);
      drain(i);
    }
  }
  void run(Duration d) {
    const Timestamp end = now + d;
    for (;;) {
      Timestamp next = dialled.empty() ? kNever : dialled.top().at;
      for (std::size_t i = 0; i < nodes.size(); ++i)
        if (up[i]) next = std::min(next, nodes[i].next_timeout());
      if (next > end) break;
      now = std::max(now, next);
      while (!dialled.empty() && dialled.top().at <= now) {
        const Event event = dialled.top();
        dialled.pop();
        arrive(event);
      }
      for (std::size_t i = 0; i < nodes.size(); ++i)
        if (up[i] && nodes[i].next_timeout() <= now) {
          nodes[i].handle_timeout(now);
          drain(i);
        }
    }
    now = end;
  }
  void crash(std::size_t i) {
    up[i] = false;
    for (const auto j : std::set<std::size_t>(links[i])) unlink(i, j);
  }
  /// Hops from one node to all others; -1 where there is no way.
  std::vector<int> hops(std::size_t from) const {
    std::vector<int> out(nodes.size(), -1);
    std::queue<std::size_t> open;
    open.push(from);
    out[from] = 0;
    while (!open.empty()) {
      const auto at = open.front();
      open.pop();
      for (const auto to : links[at])
        if (out[to] < 0) {
          out[to] = out[at] + 1;
          open.push(to);
        }
    }
    return out;
  }
  bool connected() const {
    const auto members = alive();
    const auto distance = hops(*members.begin());
    return std::all_of(members.begin(), members.end(), [&](std::size_t i) { return distance[i] >= 0; });
  }
  double mean_links() const {
    double sum = 0;
    for (const auto i : alive()) sum += static_cast<double>(links[i].size());
    return sum / static_cast<double>(alive().size());
  }
};

}  // namespace

TEST_CASE("a node dials its ring successor and chords, half of its target rounded up", "[overlay]") {
  const std::size_t eager = GENERATE(1, 3, 4);
  const std::size_t lazy = GENERATE(0, 3, 4);
  One one([&](TreeConfig& tree, LinkConfig& link) {
    tree.eager_fanout = static_cast<std::uint32_t>(eager);
    tree.lazy_fanout = static_cast<std::uint32_t>(lazy);
    link.parallel_dials = 100;
  });
  one.members(100);
  const auto dials = one.dials();
  CHECK(dials.size() == (eager + lazy + 1) / 2);
  CHECK(dials == one.overlay->targets());

  std::size_t successor = 1;
  const auto distance = [](std::size_t i) {
    return overlay::ring_position(instance(i), name(i)) - overlay::ring_position(instance(0), name(0));
  };
  for (std::size_t i = 2; i < 100; ++i)
    if (distance(i) < distance(successor)) successor = i;
  CHECK(dials.front() == peer(successor));
}

TEST_CASE("without the ring only chords are dialled and nobody is protected", "[overlay]") {
  One one([](TreeConfig& tree, LinkConfig&) { tree.use_hash_ring = false; });
  one.members(50);
  const auto dials = one.dials();
  REQUIRE(dials.size() == 3);
  for (const auto p : dials) one.overlay->link_up(p, true, one.now);
  CHECK(one.overlay->protected_neighbors().empty());
}

TEST_CASE("the choice does not depend on the order of the members or on how it came about", "[overlay]") {
  One at_once;
  at_once.members(200);
  One one_by_one;
  for (std::size_t n = 1; n <= 200; ++n) one_by_one.members(n);
  One reversed;
  auto members = candidates(first(200), 0);
  std::reverse(members.begin(), members.end());
  reversed.overlay->set_candidates(members, reversed.now);
  CHECK(one_by_one.overlay->targets() == at_once.overlay->targets());
  CHECK(reversed.overlay->targets() == at_once.overlay->targets());
}

TEST_CASE("a member that comes or goes changes few choices", "[overlay]") {
  std::size_t changed = 0;
  for (std::size_t gone = 1; gone < 100; ++gone) {
    One one;
    one.members(100);
    const auto before = one.overlay->targets();
    auto members = first(100);
    members.erase(gone);
    one.overlay->set_candidates(candidates(members, 0), one.now);
    const auto after = one.overlay->targets();
    const bool was_target = std::find(before.begin(), before.end(), peer(gone)) != before.end();
    for (const auto p : before) changed += std::find(after.begin(), after.end(), p) == after.end() ? 1 : 0;
    if (!was_target) CHECK(after == before);
  }
  CHECK(changed == 3);  // each of the three targets once, when it was the one that left
}

TEST_CASE("a failed chord is replaced by the next at once and tried again with growing waits", "[overlay]") {
  One one;
  one.members(100);
  const auto targets = one.overlay->targets();
  REQUIRE(one.dials() == targets);
  one.overlay->link_up(targets[0], true, one.now);
  one.overlay->link_up(targets[1], true, one.now);
  one.overlay->dial_failed(targets[2], one.now);
  const auto next = one.dials();
  REQUIRE(next.size() == 1);
  CHECK(std::find(targets.begin(), targets.end(), next[0]) == targets.end());
  one.overlay->link_up(next[0], true, one.now);
  one.overlay->link_up(peer(99), false, one.now);  // somebody dials us, as usual

  std::vector<Timestamp> tries{one.now};
  while (tries.size() < 12) {
    one.advance(1ms);
    for (const auto& [at, dialled] : one.seen) {
      REQUIRE(dialled == targets[2]);
      tries.push_back(at);
      one.overlay->dial_failed(dialled, one.now);
      CHECK(one.dials().empty());
    }
    one.seen.clear();
    REQUIRE(one.now < Timestamp{120'000'000'000});
  }
  Duration limit = one.link.backoff_min;
  for (std::size_t i = 1; i < tries.size(); ++i) {
    CHECK(tries[i] - tries[i - 1] >= limit / 2);
    CHECK(tries[i] - tries[i - 1] <= limit + 2ms);
    limit = std::min(2 * limit, one.link.backoff_max);
  }
}

TEST_CASE("a link that breaks is not dialled again at once, its place is taken", "[overlay]") {
  One one;
  one.members(100);
  const auto targets = one.overlay->targets();
  one.dials();
  for (const auto p : targets) one.overlay->link_up(p, true, one.now);
  REQUIRE(one.dials().empty());
  one.overlay->link_down(targets[1], one.now);
  const auto next = one.dials();
  REQUIRE(next.size() == 1);
  CHECK(next[0] != targets[1]);
  one.overlay->link_up(next[0], true, one.now);
  one.advance(200ms);
  REQUIRE(one.seen.size() == 1);
  CHECK(one.seen[0].second == targets[1]);
}

TEST_CASE("a node that nobody dials dials one more", "[overlay]") {
  One one;
  one.members(100);
  for (const auto p : one.dials()) one.overlay->link_up(p, true, one.now);
  one.advance(one.tree.maintenance_interval + one.tree.maintenance_jitter);
  REQUIRE(one.seen.size() == 1);
  const auto more = one.seen[0].second;
  const auto targets = one.overlay->targets();
  CHECK(std::find(targets.begin(), targets.end(), more) == targets.end());
  one.overlay->link_up(more, true, one.now);
  one.advance(1min);
  CHECK(one.seen.size() == 1);
}

TEST_CASE("no more than parallel_dials dials run at a time", "[overlay]") {
  One one([](TreeConfig& tree, LinkConfig& link) {
    tree.eager_fanout = 10;
    tree.lazy_fanout = 10;
    link.parallel_dials = 2;
  });
  one.members(100);
  auto running = one.dials();
  CHECK(running.size() == 2);
  std::size_t total = running.size();
  while (!running.empty()) {
    one.overlay->link_up(running.back(), true, one.now);
    running.pop_back();
    for (const auto p : one.dials()) {
      running.push_back(p);
      ++total;
    }
    CHECK(running.size() <= 2);
  }
  CHECK(total == 10);
}

TEST_CASE("a dial that never ends gives its place back", "[overlay]") {
  One one;
  one.members(2);
  REQUIRE(one.dials().size() == 1);
  one.advance(2 * one.link.handshake_timeout + one.link.backoff_min);
  CHECK(one.seen.size() == 1);
}

TEST_CASE("a node that reaches nobody tries everybody, but not everybody at once", "[overlay]") {
  One one;
  one.members(1000);
  std::set<PeerId> tried;
  std::size_t tries = 0;
  auto pending = one.dials();
  const auto end = one.now + 10s;
  while (one.now < end) {
    while (!pending.empty()) {
      const auto p = pending.back();
      pending.pop_back();
      tried.insert(p);
      ++tries;
      one.overlay->dial_failed(p, one.now);
      for (const auto more : one.dials()) pending.push_back(more);
    }
    one.advance(1ms);
    for (const auto& [at, dialled] : one.seen) pending.push_back(dialled);
    one.seen.clear();
  }
  CHECK(tries < 64 + 10 * 45);  // some at once, then parallel_dials per backoff_min
  CHECK(tried.size() > 24);

  // And it has not forgotten how to link: the first that answers is taken.
  one.advance(one.link.backoff_max);
  REQUIRE(!one.seen.empty());
  one.overlay->link_up(one.seen.back().second, true, one.now);
  CHECK(one.overlay->next_timeout() > one.now);
}

TEST_CASE("inbound links are accepted up to max_peers, ring neighbours always", "[overlay]") {
  One one([](TreeConfig& tree, LinkConfig&) { tree.max_peers = 8; });
  one.members(100);
  one.dials();
  const auto successor = one.overlay->targets().front();
  std::size_t linked = 0;
  for (std::size_t i = 1; linked < 8; ++i) {
    const auto targets = one.overlay->targets();
    if (std::find(targets.begin(), targets.end(), peer(i)) != targets.end()) continue;
    CHECK(one.overlay->accepts(peer(i)));
    one.overlay->link_up(peer(i), false, one.now);
    ++linked;
  }
  one.dials();
  std::size_t accepted = 0;
  for (std::size_t i = 20; i < 100; ++i) accepted += one.overlay->accepts(peer(i)) ? 1 : 0;
  CHECK(accepted <= 2);  // the successor and the predecessor, if among them
  CHECK(one.overlay->accepts(successor));

  // The successor comes in as the ninth: the least needed of the others is let go, once.
  one.overlay->link_up(successor, true, one.now);
  one.dials();
  REQUIRE(one.drops.size() == 1);
  CHECK(one.drops[0] != successor);
  const auto dropped = one.drops[0];
  one.overlay->link_down(dropped, one.now);
  one.advance(10s);
  CHECK(one.drops.empty());
}

TEST_CASE("protected neighbours are the linked ring neighbours, up to the bound", "[overlay]") {
  One one;
  one.members(100);
  one.dials();
  CHECK(one.overlay->protected_neighbors().empty());
  for (std::size_t i = 1; i < 100; ++i) one.overlay->link_up(peer(i), false, one.now);
  const auto both = one.overlay->protected_neighbors();
  REQUIRE(both.size() == 2);
  CHECK(both[0] == one.overlay->targets().front());
  // We are the successor of our predecessor.
  const auto members = first(100);
  const auto predecessor = index(both[1]);
  Overlay its(TreeConfig{}, LinkConfig{}, instance(predecessor), name(predecessor), Rng{1});
  its.set_candidates(candidates(members, predecessor), one.now);
  CHECK(its.targets().front() == peer(0));

  One single([](TreeConfig& tree, LinkConfig&) { tree.max_protected_neighbors = 1; });
  single.members(100);
  for (std::size_t i = 1; i < 20; ++i) single.overlay->link_up(peer(i), false, single.now);
  CHECK(single.overlay->protected_neighbors().size() <= 1);
}

TEST_CASE("links that churn made superfluous go one by one, down to the spare ones and never a chosen one", "[overlay]") {
  One one;
  one.members(300);
  one.dials();
  // Twenty links of ours that were chosen in another time.
  for (std::size_t i = 1; i <= 20; ++i) one.overlay->link_up(peer(i), true, one.now);
  one.dials();
  std::set<PeerId> dropped;
  for (int tick = 0; tick < 60; ++tick) {
    one.now = one.now + 3s;
    one.overlay->handle_timeout(one.now);
    one.dials();
    CHECK(one.drops.size() <= 1);
    for (const auto p : one.drops) {
      dropped.insert(p);
      one.overlay->link_down(p, one.now);
    }
  }
  const auto targets = one.overlay->targets();
  for (const auto p : targets) CHECK_FALSE(dropped.contains(p));
  CHECK(dropped.size() <= 12);  // 20 - (target 6 + 2 spare)
  CHECK(dropped.size() >= 9);   // some of the twenty would choose us
}

TEST_CASE("known members mean a link dialled or up", "[overlay]") {
  Rng rng{99};
  One one;
  std::set<PeerId> up, dialling;
  std::size_t n = 1;
  for (int step = 0; step < 5000; ++step) {
    switch (rng.below(5)) {
      case 0:
        n = 1 + rng.below(40);
        one.members(n);
        std::erase_if(up, [&](PeerId p) {
          if (index(p) < n) return false;
          one.overlay->link_down(p, one.now);
          return true;
        });
        break;
      case 1:
        for (const auto p : std::set<PeerId>(dialling)) {
          if (rng.chance(0.5)) {
            one.overlay->link_up(p, true, one.now);
            up.insert(p);
          } else {
            one.overlay->dial_failed(p, one.now);
          }
          dialling.erase(p);
        }
        break;
      case 2:
        if (!up.empty()) {
          const auto p = *up.begin();
          up.erase(p);
          one.overlay->link_down(p, one.now);
        }
        break;
      case 3:
        if (n > 1) {
          const auto p = peer(1 + rng.below(n - 1));
          if (one.overlay->accepts(p)) {
            one.overlay->link_up(p, false, one.now);
            up.insert(p);
            dialling.erase(p);
          }
        }
        break;
      default:
        one.advance(rng.jitter(3s));
        for (const auto& [at, dialled] : one.seen) dialling.insert(dialled);
        one.seen.clear();
    }
    for (const auto p : one.dials()) dialling.insert(p);
    for (const auto p : one.drops) {
      one.overlay->link_down(p, one.now);
      up.erase(p);
    }
    for (const auto p : one.dials()) dialling.insert(p);
    // Or all are waiting out a failure, and then the wake-up is near.
    if (n > 1 && up.empty() && dialling.empty()) CHECK(one.overlay->next_timeout() - one.now <= one.link.backoff_max);
    if (n > 1) CHECK(one.overlay->next_timeout() < kNever);
  }
}

TEST_CASE("graphs built by the rule are connected, shallow and of even degree", "[overlay][graph]") {
  struct Row {
    std::size_t nodes;
    double mean_links;
    std::size_t max_links;
    double mean_hops;
    int max_hops;
  };
  // The means measured on such graphs; the bounds leave room for the links that make up for missing dials.
  const auto row = GENERATE(Row{100, 5.9, 13, 2.7, 5}, Row{1000, 6.0, 14, 4.1, 7});
  World world(row.nodes);
  world.tell(first(row.nodes));
  world.run(20s);
  REQUIRE(world.connected());
  CHECK(world.mean_links() == Approx(row.mean_links).margin(0.4));
  std::size_t most = 0, least = SIZE_MAX;
  for (const auto& links : world.links) {
    most = std::max(most, links.size());
    least = std::min(least, links.size());
  }
  CHECK(most <= row.max_links);
  CHECK(least >= 4);
  double sum = 0;
  int worst = 0;
  for (std::size_t from = 0; from < 20; ++from)
    for (const auto distance : world.hops(from)) {
      sum += distance;
      worst = std::max(worst, distance);
    }
  CHECK(sum / static_cast<double>(20 * row.nodes) == Approx(row.mean_hops).margin(0.3));
  CHECK(worst <= row.max_hops);

  // It rests: without events nobody dials.
  const auto dials = world.dials;
  world.run(60s);
  CHECK(world.dials == dials);
}

TEST_CASE("members that join one after another end as one graph without hubs", "[overlay][graph]") {
  World world(200);
  for (std::size_t n = 2; n <= 200; ++n) {
    const auto members = first(n);
    for (std::size_t i = 0; i < n; ++i) {
      world.nodes[i].set_candidates(candidates(members, i), world.now);
      world.drain(i);
    }
    world.run(50ms);
  }
  world.run(120s);
  CHECK(world.connected());
  CHECK(world.mean_links() < 8.5);
  for (const auto& links : world.links) CHECK(links.size() <= 14);
}

TEST_CASE("after many members vanish at once the rest is one graph again", "[overlay][graph]") {
  const std::size_t nodes = GENERATE(100, 1000);
  const std::size_t percent = GENERATE(20, 60);
  World world(nodes);
  world.tell(first(nodes));
  world.run(10s);
  Rng rng{percent};
  for (std::size_t i = 0; i < nodes; ++i)
    if (rng.below(100) < percent) world.crash(i);
  // Nobody knows yet who is gone: places of the failed are taken by the next best meanwhile.
  world.run(3s);
  CHECK(world.connected());
  world.tell(world.alive());
  world.run(20s);
  CHECK(world.connected());
  for (const auto i : world.alive()) CHECK(world.links[i].size() >= 4);
  CHECK(world.mean_links() < 8.5);
}

TEST_CASE("where round trips differ, a node dials its successor, the nearest of its sample and a far chord", "[overlay]") {
  One one;
  one.members(500);
  const auto chords = one.overlay->targets();
  const auto sample = one.overlay->sample();
  REQUIRE(sample.size() == overlay::kSample);
  std::map<PeerId, Duration> rtts;
  for (std::size_t i = 0; i < sample.size(); ++i) rtts[sample[i]] = 100ms + i * 1ms;
  const PeerId near = sample[40];
  rtts[near] = 10ms;
  one.overlay->set_rtts(rtts, one.now);
  CHECK(one.overlay->targets() == std::vector<PeerId>{chords[0], near, chords[1]});

  // Noise changes nothing; a member that is clearly nearer takes the place.
  rtts[sample[50]] = 9ms;
  one.overlay->set_rtts(rtts, one.now);
  CHECK(one.overlay->targets()[1] == near);
  rtts[sample[50]] = 5ms;
  one.overlay->set_rtts(rtts, one.now);
  CHECK(one.overlay->targets()[1] == sample[50]);
}

TEST_CASE("round trips that are noise change near links once in five minutes at most", "[overlay]") {
  One one;
  one.members(500);
  const auto sample = one.overlay->sample();
  Rng rng{3};
  std::map<PeerId, Duration> rtts;
  int changes = 0;
  std::optional<PeerId> near;
  for (int i = 0; i < 1200; ++i) {  // 40 minutes
    for (const PeerId peer : sample) rtts[peer] = 1ms + rng.jitter(200ms);
    one.now = one.now + 2s;
    one.overlay->set_rtts(rtts, one.now);
    if (near != one.overlay->targets().at(1)) ++changes;
    near = one.overlay->targets().at(1);
  }
  CHECK(changes >= 6 + 7);
  CHECK(changes <= 6 + 8 + 1);

  // After a quiet while many may change again at once.
  one.now = one.now + 40min;
  changes = 0;
  for (int i = 0; i < 6; ++i) {
    for (const PeerId peer : sample) rtts[peer] = 100ms;
    rtts[sample[static_cast<std::size_t>(i)]] = 10ms;
    one.overlay->set_rtts(rtts, one.now);
    changes += one.overlay->targets().at(1) == sample[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  CHECK(changes == 6);
}

TEST_CASE("where everybody is about as near, round trips choose nothing", "[overlay]") {
  One one;
  one.members(500);
  const auto chords = one.overlay->targets();
  std::map<PeerId, Duration> rtts;
  for (const auto peer : one.overlay->sample()) rtts[peer] = 300us + index(peer) * 2us;
  one.overlay->set_rtts(rtts, one.now);
  CHECK(one.overlay->targets() == chords);
}

TEST_CASE("round trips are asked for at each check of the links, and seldom where they change nothing", "[overlay]") {
  One one;
  one.members(40);
  const auto asked_in = [&](Duration time, Duration nearest) {
    int asked = 0;
    for (const Timestamp end = one.now + time; one.overlay->next_timeout() < end;) {
      one.now = std::max(one.now, one.overlay->next_timeout());
      one.overlay->handle_timeout(one.now);
      while (auto output = one.overlay->poll_output()) {
        if (!std::holds_alternative<overlay::AskRtts>(*output)) continue;
        ++asked;
        std::map<PeerId, Duration> rtts;
        for (const PeerId peer : one.overlay->sample()) rtts[peer] = 100ms;
        rtts[one.overlay->sample().back()] = nearest;
        one.overlay->set_rtts(rtts, one.now);
      }
    }
    return asked;
  };
  // A check every two seconds or a little more.
  CHECK(asked_in(10s, 100ms) >= 2);
  CHECK(asked_in(5min, 100ms) <= 12);  // at last 15 checks apart
  CHECK(asked_in(1min, 10ms) >= 2);    // somebody is near now: looked at closely again
}
