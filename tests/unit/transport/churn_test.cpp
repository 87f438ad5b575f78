// Nodes that come, go, break and are cut off at random, with the invariants checked all the way.
#include <string>

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// Twelve addresses, some of them occupied. The first is the seed and only ever restarts.
struct Churn {
  TestCluster cluster;
  Rng rng;
  std::vector<std::unique_ptr<TestNode>> gone;  ///< hosts in memory are never destroyed before the net
  std::set<std::pair<int, int>> cut;
  static constexpr std::size_t kNodes = 12;

  explicit Churn(std::uint64_t seed) : rng(seed) {
    cluster.seed = seed * 1000;
    cluster.net.blocked = [this](const Endpoint& a, const Endpoint& b) {
      return cut.contains({a.address[15], b.address[15]});
    };
    cluster.nodes.resize(kNodes);
    for (std::size_t i = 0; i < kNodes; ++i) start(i);
  }
  void start(std::size_t i) {
    const std::string address = "10.0.0." + std::to_string(i + 1) + ":7946";
    const std::string seed = "10.0.0." + std::to_string(i == 0 ? 2 : 1) + ":7946";
    auto nodes = std::move(cluster.nodes);
    cluster.nodes.clear();
    cluster.add_at(address, "n" + std::to_string(i), [&](Config& c) {
      c.seeds = {seed};
      c.log_level = LogLevel::warn;
    });
    nodes[i] = std::move(cluster.nodes.back());
    cluster.nodes = std::move(nodes);
  }
  void stop(std::size_t i) {
    cluster.net.kill(cluster[i].host, rng.chance(0.7));
    gone.push_back(std::move(cluster.nodes[i]));
  }
  void disturb() {
    const std::size_t i = rng.below(kNodes);
    switch (rng.below(5)) {
      case 0:
        if (cluster.nodes[i]) stop(i);
        break;
      case 1:
        if (cluster.nodes[i]) stop(i);
        start(i);
        break;
      case 2: {
        const auto a = static_cast<int>(i + 1);
        const auto b = static_cast<int>(rng.below(kNodes) + 1);
        cut.insert({a, b});
        if (rng.chance(0.7)) cut.insert({b, a});
        break;
      }
      case 3:
        cut.clear();
        break;
      case 4:
        if (cluster.nodes[i]) cluster[i].publish("m");
        break;
    }
  }
  void check() {
    for (const auto& node : cluster.nodes) {
      if (!node) continue;
      const auto broken = node->driver->check_invariants();
      INFO(node->host.address().to_string());
      CHECK(broken == std::vector<std::string>{});
    }
  }
};

}  // namespace

TEST_CASE("links stay consistent under churn, and everything meets again", "[churn]") {
  const char* wanted = std::getenv("PLUMVINE_CHURN_SEEDS");
  const int seeds = wanted ? std::atoi(wanted) : 4;
  for (int seed = 1; seed <= seeds; ++seed) {
    INFO("seed " << seed);
    Churn churn{static_cast<std::uint64_t>(seed)};
    for (int step = 0; step < 150; ++step) {
      churn.disturb();
      churn.cluster.run_for(churn.rng.jitter(step % 10 == 0 ? 4s : 300ms));
      churn.check();
    }
    churn.cut.clear();
    for (std::size_t i = 0; i < Churn::kNodes; ++i) {
      if (!churn.cluster.nodes[i]) churn.start(i);
    }
    const auto all_alive = [&] {
      for (const auto& node : churn.cluster.nodes) {
        const auto s = node->snapshot();
        if (!s->not_ready_reason.empty() || s->partition != PartitionState::healthy) return false;
        if (node->links().empty()) return false;
      }
      return true;
    };
    for (int i = 0; i < 240 && !all_alive(); ++i) churn.cluster.run_for(250ms);
    CHECK(all_alive());
    churn.cluster.run_for(5s);
    for (const auto& node : churn.cluster.nodes) node->messages.clear();
    churn.cluster[3].publish("the end");
    churn.cluster.run_for(11s);
    for (std::size_t i = 0; i < Churn::kNodes; ++i) {
      INFO("node " << i);
      const auto texts = churn.cluster[i].texts();
      CHECK(std::count(texts.begin(), texts.end(), "the end") == (i == 3 ? 0 : 1));
    }
    // A link is a link at both ends.
    for (const auto& node : churn.cluster.nodes) {
      for (const std::string& peer : node->links()) {
        const auto back = churn.cluster[std::stoul(peer.substr(1))].links();
        CHECK(std::count(back.begin(), back.end(), node->snapshot()->name) == 1);
      }
    }
    churn.check();
  }
}
