#include <catch2/catch.hpp>

#include <plumvine/health.hpp>

#include <sim/sim_cluster.hpp>

using namespace plumvine;
using namespace plumvine::sim;
using namespace std::chrono_literals;

namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

/// A cluster that has formed.
struct Formed {
  SimCluster cluster;
  explicit Formed(ClusterOptions options) : cluster(std::move(options)) {
    cluster.start_all();
    const bool formed = cluster.run_until([this] { return cluster.settled(); }, 60s);
    INFO(joined(cluster.unrest()));
    REQUIRE(formed);
  }
  SimCluster* operator->() { return &cluster; }

  /// Everything that one has, all have, within `limit`; then all is at rest; and no rule was ever broken.
  void require_rest(Duration limit) {
    const bool delivered = cluster.run_until([this] { return cluster.settled() && cluster.all_delivered(); }, limit);
    {
      INFO(joined(cluster.unrest()));
      CHECK(delivered);
    }
    const bool rest = cluster.run_until([this] { return cluster.unrest().empty(); }, 30s);
    {
      INFO(joined(cluster.unrest()));
      CHECK(rest);
    }
    cluster.check_now();
    INFO(joined(cluster.violations()));
    CHECK(cluster.violations().empty());
  }
};

ClusterOptions lan(std::size_t nodes, std::uint64_t seed) {
  ClusterOptions options;
  options.nodes = nodes;
  options.seed = seed;
  return options;
}

}  // namespace

TEST_CASE("killed, stopped and terminated members and a late joiner cost nobody a message", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 7));
  CAPTURE(seed);
  Formed c(lan(5, seed));
  for (std::size_t i = 0; i < 3; ++i) c->start_traffic(i, 100, 300);
  c->run_for(3s);

  // SIGKILL of a publisher: what any survivor has, all survivors have within 10 s.
  const InstanceId killed = c->node(2).instance();
  c->kill(2);
  const bool agreed = c->run_until([&] {
    std::uint64_t most = 0;
    std::uint64_t least = UINT64_MAX;
    for (std::size_t i : c->live()) {
      const std::uint64_t have = c->deliveries().deliveries_at(c->node(i).instance(), killed);
      most = std::max(most, have);
      least = std::min(least, have);
    }
    return most > 0 && most == least;
  }, 10s);
  CHECK(agreed);
  // memberlist's LAN bounds for five members: a probe interval or two, then at most 4 x 6 x 1 s of suspicion.
  CHECK(c->run_until([&] { return c->state_of(0, 2) == MemberState::dead && c->state_of(4, 2) == MemberState::dead; }, 30s));

  // SIGSTOP for 20 s, while a sixth member joins.
  c->pause(3);
  c->run_for(5s);
  const std::size_t sixth = c->add_node();
  c->start(sixth);
  c->run_for(15s);
  const auto meanwhile = c->state_of(0, 3);
  REQUIRE(meanwhile);
  CHECK((*meanwhile == MemberState::suspect || *meanwhile == MemberState::dead));
  c->resume(3);
  c->run_for(10s);

  // SIGTERM: `left` everywhere within 3 s.
  c->leave(1);
  const bool left = c->run_until([&] {
    for (std::size_t i : c->live()) {
      if (c->state_of(i, 1) != MemberState::left) return false;
    }
    return true;
  }, 3s);
  CHECK(left);
  c->run_for(2s);
  c->stop_all_traffic();
  c.require_rest(30s);
  CHECK(c->deliveries().deliveries_at(c->node(sixth).instance()) > 0);
  CHECK(c->lost_events() == 0);
}

TEST_CASE("payloads beside lossy streams all arrive, through a kill, a stop, a leave and a partition", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  ClusterOptions options = lan(6, seed);
  options.path = {.delay = 15ms, .jitter = 5ms, .loss = 0.03, .resend = 35ms, .reorder = 0.1};
  options.kernel.batches = true;
  Formed c(options);
  for (std::size_t i = 0; i < 3; ++i) c->start_traffic(i, 50, i == 2 ? 20'000 : 300);
  c->run_for(5s);
  CHECK(c->network().counters().batches > 500);
  c->kill(5);
  c->run_for(3s);
  c->pause(4);
  c->run_for(3s);
  c->resume(4);
  c->partition({{0, 1}, {2, 3, 4}});
  c->run_for(10s);
  c->heal();
  c->run_for(10s);
  c->start(5);
  c->leave(1);
  c->run_for(10s);
  c->stop_all_traffic();
  c.require_rest(60s);
  CHECK(c->lost_events() == 0);
}

TEST_CASE("all seeds dead and restarted on their addresses: one cluster again within 30 s", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 9));
  CAPTURE(seed);
  Formed c(lan(7, seed));
  const std::size_t traffic = 5;
  c->start_traffic(traffic, 20);
  c->run_for(2s);
  c->kill(0);
  c->run_for(c->now().ns % 2 == 0 ? 0s : 1s);
  c->kill(1);
  // Long enough that they are declared dead, and once even dropped from the tables.
  c->run_for(seed % 2 == 0 ? 20s : 90s);
  c->start(0);
  c->start(1);
  const bool whole = c->run_until([&] { return c->live().size() == 7 && c->settled(); }, 30s);
  {
    INFO(joined(c->unrest()));
    CHECK(whole);
  }
  c->stop_all_traffic();
  c.require_rest(30s);
}

TEST_CASE("two halves apart for a minute under traffic are whole within 45 s", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 7));
  CAPTURE(seed);
  const std::size_t nodes = seed % 2 == 0 ? 6 : 9;
  Formed c(lan(nodes, seed));
  std::vector<std::size_t> left, right;
  for (std::size_t i = 0; i < nodes; ++i) ((i * 7 + seed) % nodes < nodes / 2 ? left : right).push_back(i);
  for (std::size_t i = 0; i < nodes; ++i) c->start_traffic(i, 10, 200);
  c->run_for(3s);
  c->partition({left, right});
  c->run_for(60s);
  // Long dropped from the tables, and still missed.
  CHECK(c->state_of(left[0], right[0]) == MemberState::dead);
  for (std::size_t i = 0; i < nodes; ++i) CHECK(c->node(i).snapshot()->partition != PartitionState::healthy);
  c->heal();
  const Timestamp healed = c->now();
  c->run_until([&] { return c->settled(); }, 45s);
  c->stop_all_traffic();
  c.require_rest(healed + 45s - c->now());
  CHECK(c->lost_events() == 0);
}

TEST_CASE("a member that was cut off comes back, and nobody is blamed for what its table says", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 7));
  CAPTURE(seed);
  const std::size_t nodes = seed % 2 == 0 ? 7 : 4;
  Formed c(lan(nodes, seed));
  std::vector<std::size_t> rest;
  for (std::size_t i = 1; i < nodes; ++i) rest.push_back(i);
  c->partition({{0}, rest});
  c->run_for(seed < 4 ? 28s : 60s);
  REQUIRE(c->state_of(1, 0) == MemberState::dead);
  c->heal();
  c.require_rest(45s);
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto snapshot = c->node(i).snapshot();
    for (const AccuserInfo& accuser : snapshot->accusers) FAIL(i << " blames " << accuser.name << " for " << accuser.accused);
  }
}

TEST_CASE("a member that leaves and comes back starts at now and has no hole", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 5));
  CAPTURE(seed);
  Formed c(lan(5, seed));
  c->start_traffic(0, 50);
  c->start_traffic(1, 50);
  c->run_for(3s);
  c->leave(4);
  REQUIRE(c->run_until([&] { return !c->node(4).running(); }, 10s));
  c->run_for(5s);
  const std::uint64_t before = c->deliveries().published_by(c->node(0).instance());
  c->start(4);
  c->run_for(10s);
  c->stop_all_traffic();
  c.require_rest(30s);
  const std::uint64_t got = c->deliveries().deliveries_at(c->node(4).instance(), c->node(0).instance());
  CHECK(got > 0);
  CHECK(got <= c->deliveries().published_by(c->node(0).instance()) - before + 50);  // not the past
}

TEST_CASE("a stopped member catches up by itself, to the last message", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 7));
  CAPTURE(seed);
  Formed c(lan(5, seed));
  for (std::size_t i = 0; i < 3; ++i) c->start_traffic(i, 100, 1000);
  c->run_for(2s);
  const auto victim = static_cast<std::size_t>(seed % 5);
  c->pause(victim);
  c->run_for(20s);
  c->resume(victim);
  c->run_for(3s);
  c->stop_all_traffic();
  c.require_rest(30s);
  CHECK(c->lost_events() == 0);
}

TEST_CASE("a slow reader paces publishers for lag_grace, is passed then, and gets everything later", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  ClusterOptions options = lan(5, seed);
  options.tune = [](Config& config) {
    config.tree.pace_window_messages = 200;
    config.tree.lag_grace = 2s;
  };
  Formed c(options);
  c->node(4).command([](Driver& driver) { driver.pause_delivery(true); });
  c->start_traffic(0, 500, 1000);
  c->run_for(1500ms);
  // Paced: the window is full and the rest waits in the publisher.
  CHECK(c->node(0).published() <= 200 + c->node(0).acked());
  CHECK(c->node(0).acked() < 100);
  CHECK(c->node(0).publish_queue() > 0);
  c->run_for(10s);
  // Passed: the others have gone on without it.
  CHECK(c->node(0).published() > 2000);
  CHECK(c->deliveries().deliveries_at(c->node(4).instance()) < 10);
  c->stop_traffic(0);
  c->node(4).command([](Driver& driver) { driver.pause_delivery(false); });
  c.require_rest(30s);
  CHECK(c->deliveries().deliveries_at(c->node(4).instance()) == c->node(0).published());
}

TEST_CASE("a saturating publisher loses nothing over narrow links", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  ClusterOptions options = lan(5, seed);
  options.path.bandwidth = 2'000'000;
  // What a window holds must fit through a link within lag_grace, or all members are passed for slow ones.
  options.tune = [](Config& config) {
    config.tree.pace_window_bytes = 1 << 20;
    config.tree.sync_max_bytes = 32 << 20;
  };
  Formed c(options);
  // Ten times what the links carry, in payloads of 20 kB; the publisher is held back by its pace.
  c->start_traffic(0, 1000, 20000);
  c->run_for(20s);
  c->stop_all_traffic();
  const bool published = c->run_until([&] { return c->node(0).publish_queue() == 0; }, 60s);
  CHECK(published);
  c.require_rest(60s);
  CHECK(c->lost_events() == 0);
  // At least a third of what one link can carry reaches everybody.
  CHECK(c->deliveries().deliveries_at(c->node(4).instance()) > 20 * 2'000'000 / 20000 / 3);
}

TEST_CASE("packet loss of one to five per cent declares nobody dead", "[sim][figures]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  const double loss = GENERATE(0.01, 0.05);
  CAPTURE(seed, loss);
  ClusterOptions options = lan(10, seed);
  options.path = {.delay = 1ms, .jitter = 1ms, .loss = loss, .duplicate = 0.01, .reorder = 0.02};
  Formed c(options);
  c->start_traffic(0, 20);
  c->start_traffic(7, 20);
  c->run_for(120s);
  CHECK(c->false_deaths() == 0);
  c->stop_all_traffic();
  c.require_rest(30s);
  CHECK(c->lost_events() == 0);
}

TEST_CASE("a machine that loses power is noticed, and its place is taken by its next process", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  Formed c(lan(5, seed));
  c->start_traffic(1, 50);
  c->run_for(2s);
  c->power_off(3);
  CHECK(c->run_until([&] { return c->state_of(0, 3) == MemberState::dead; }, 30s));
  c->run_for(5s);
  c->start(3);
  c->run_for(15s);
  c->stop_all_traffic();
  c.require_rest(30s);
}

TEST_CASE("an hour of churn: no gauge drifts and memory stays bounded", "[sim]") {
  const std::uint64_t seed = GENERATE(1, 2);
  CAPTURE(seed);
  ClusterOptions options = lan(6, seed);
  options.check_every = 256;
  Formed c(options);
  Rng rng{seed * 977};
  for (std::size_t i = 0; i < 6; ++i) c->start_traffic(i, 0.5, 200);
  const Timestamp end = c->now() + 3600s;
  while (c->now() < end && c->violations().empty()) {
    c->run_for(15s + rng.jitter(30s));
    const auto victim = static_cast<std::size_t>(rng.below(6));
    SimNode& node = c->node(victim);
    if (!node.running()) {
      c->start(victim);
      c->start_traffic(victim, 0.5, 200);
    } else if (node.paused()) {
      c->resume(victim);
    } else if (c->live().size() > 3) {
      const std::uint64_t what = rng.below(3);
      if (what == 0) c->kill(victim);
      else if (what == 1) c->pause(victim);
      else c->leave(victim);
    }
  }
  for (std::size_t i = 0; i < 6; ++i) {
    if (!c->node(i).running()) c->start(i);
    if (c->node(i).paused()) c->resume(i);
  }
  c->stop_all_traffic();
  c.require_rest(60s);
  for (const auto& snapshot : c->snapshots()) {
    const auto up = static_cast<std::uint64_t>(
        std::count_if(snapshot->links.begin(), snapshot->links.end(), [](const LinkInfo& link) { return link.state == LinkState::up; }));
    std::uint64_t eager = 0;
    for (const LinkInfo& link : snapshot->links) eager += link.state == LinkState::up && link.role == PeerRole::eager ? 1 : 0;
    CHECK(eager >= 1);
    CHECK(up <= 5);
    CHECK(snapshot->tree.peers_added - snapshot->tree.peers_removed == up);
    CHECK(snapshot->tree.ihave_queued == 0);
    CHECK(snapshot->members.size() <= 6);
  }
  for (std::size_t i = 0; i < 6; ++i) CHECK(c->node(i).open_connections() <= 8);
}

TEST_CASE("the classic rule delivers everything through a kill and a stop too", "[sim]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  ClusterOptions options = lan(7, seed);
  options.tune = [](Config& config) { config.tree.tree_rule = TreeConfig::Rule::classic; };
  Formed c(options);
  for (std::size_t i = 0; i < 3; ++i) c->start_traffic(i, 50, 300);
  c->run_for(2s);
  c->kill(6);
  c->pause(5);
  c->run_for(10s);
  c->resume(5);
  c->run_for(3s);
  c->stop_all_traffic();
  c.require_rest(30s);
}

TEST_CASE("twenty nodes over a wide area with loss form one cluster and deliver", "[sim]") {
  ClusterOptions options = lan(20, 3);
  options.preset = [](std::string name) { return Config::wan(std::move(name)); };
  options.path = {.delay = 20ms, .jitter = 20ms, .loss = 0.02};
  Formed c(options);
  for (std::size_t i = 0; i < 20; ++i) c->start_traffic(i, 5, 300);
  c->run_for(20s);
  c->stop_all_traffic();
  c.require_rest(60s);
}

TEST_CASE("a cluster with a key forms, delivers through a kill, and locks out who has another key", "[sim]") {
  ClusterOptions options = lan(7, 3);
  options.tune = [](Config& config) {
    config.encrypt = config.name == "n6" ? "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=" : "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
  };
  SimCluster c(std::move(options));
  c.start_all();
  const auto links = [&](std::size_t i) {
    const auto snapshot = c.node(i).snapshot();
    return std::count_if(snapshot->links.begin(), snapshot->links.end(), [](const LinkInfo& l) { return l.state == LinkState::up; });
  };
  c.run_for(20s);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(links(i) > 0);
    CHECK_FALSE(c.state_of(i, 6).has_value());
  }
  CHECK(links(6) == 0);
  CHECK(c.node(6).snapshot()->members.size() == 1);
  CHECK(c.node(0).snapshot()->swim.rejected[PacketReject::undecryptable] > 0);
  c.kill(6);
  std::vector<std::size_t> got(6, 0);
  c.on_delivered = [&](std::size_t node, const Message&) { ++got.at(node); };
  for (std::size_t i = 0; i < 3; ++i) c.start_traffic(i, 50, 300);
  c.run_for(2s);
  c.kill(5);
  c.run_for(2s);
  c.stop_all_traffic();
  const bool delivered = c.run_until([&] { return c.all_delivered(); }, 60s);
  INFO(joined(c.unrest()));
  CHECK(delivered);
  CHECK(got[4] > 400);
  CHECK(c.violations().empty());
}

TEST_CASE("a run is the same run twice", "[sim]") {
  auto hash_of = [](std::uint64_t seed) {
    SimCluster c(lan(4, seed));
    c.start_all();
    c.start_traffic(0, 50);
    c.run_for(5s);
    c.kill(3);
    c.run_for(10s);
    return c.trace().hash();
  };
  CHECK(hash_of(11) == hash_of(11));
  CHECK(hash_of(11) != hash_of(12));
}

TEST_CASE("members of three zones far apart: a root in each, and near links that stay", "[sim]") {
  constexpr std::size_t kNodes = 24;
  const auto zone = [](std::size_t node) { return node % 3; };
  ClusterOptions options = lan(kNodes, 1);
  options.tune = [](Config& config) {
    config.tree.zone = "zone-" + std::to_string(std::stoul(config.name.substr(1)) % 3);
  };
  SimCluster cluster(options);
  PathQuality far;
  far.delay = 30ms;
  for (std::size_t a = 0; a < kNodes; ++a) {
    for (std::size_t b = 0; b < kNodes; ++b) {
      if (zone(a) != zone(b)) cluster.network().set_path(cluster.node(a).host(), cluster.node(b).host(), far);
    }
  }
  cluster.start_all();
  REQUIRE(cluster.run_until([&] { return cluster.settled(); }, 60s));
  cluster.run_for(90s);

  std::set<std::size_t> root_zones;
  std::size_t near = 0;
  for (const auto& snapshot : cluster.snapshots()) {
    const std::size_t node = std::stoul(snapshot->name.substr(1));
    std::size_t settled = 0;
    for (const TreeInfo& tree : snapshot->trees) {
      if (!tree.settled || tree.root.empty()) continue;
      ++settled;
      root_zones.insert(zone(std::stoul(tree.root.substr(1))));
    }
    CHECK(settled >= 3);
    for (const LinkInfo& link : snapshot->links) {
      if (zone(std::stoul(link.peer.substr(1))) == zone(node)) {
        ++near;
        break;
      }
    }
  }
  CHECK(root_zones.size() == 3);
  CHECK(near == kNodes);  // by chance one in nine would have none
  const std::uint64_t before = cluster.link_changes();
  cluster.run_for(60s);
  CHECK(cluster.link_changes() - before <= 4);
  CHECK(cluster.violations().empty());
}

TEST_CASE("a machine whose clock is wrong is named by all, itself included, until it is set", "[sim]") {
  const std::int64_t offset_s = GENERATE(40, -40);
  CAPTURE(offset_s);
  Formed c(lan(7, 5));
  const auto blamed = [&](std::size_t node) -> std::string {
    const auto snapshot = c->node(node).snapshot();
    for (const HealthReason& reason : assess(*snapshot, HealthConfig{}).reasons)
      if (reason.code == "PV2013") return std::get<std::string>(reason.evidence[0].second);
    return {};
  };
  for (std::size_t i = 0; i < 7; ++i) CHECK(blamed(i).empty());
  c->kill(3);
  c->set_wall_offset(3, seconds{offset_s});
  c->start(3);
  CHECK(c->run_until([&] { return blamed(3) == "n3"; }, 30s));
  const auto accusers = [&] {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < 7; ++i) {
      if (i == 3 || blamed(i).empty()) continue;
      ++seen;
      CHECK(blamed(i).starts_with(offset_s > 0 ? "n3 (+" : "n3 (-"));
    }
    return seen;
  };
  CHECK(c->run_until([&] { return accusers() >= 3; }, 30s));
  c->kill(3);
  c->set_wall_offset(3, seconds{0});
  c->start(3);
  CHECK(c->run_until([&] { return c->settled(); }, 60s));
  for (std::size_t i = 0; i < 7; ++i) CHECK(blamed(i).empty());
}
