// Large payloads among small messages, in clusters of whole nodes while links and processes fail.
#include <catch2/catch.hpp>

#include <sim/sim_cluster.hpp>

using namespace plumvine;
using namespace plumvine::sim;
using namespace std::chrono_literals;

namespace {

ClusterOptions with_fifo(std::size_t nodes, std::uint64_t seed) {
  ClusterOptions options;
  options.nodes = nodes;
  options.seed = seed;
  options.tune = [](Config& config) {
    config.topics["events"].order = Order::fifo;
    config.tree.max_message_size = 8 << 20;
    config.tree.sync_max_bytes = 64 << 20;
  };
  options.kernel.send_buffer = options.kernel.receive_buffer = 128 << 10;
  options.path.delay = 5ms;
  options.path.bandwidth = 20'000'000;
  return options;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

/// Messages of each origin come in order at each process.
struct InOrder {
  explicit InOrder(SimCluster& c) {
    c.on_delivered = [this, &c](std::size_t node, const Message& message) {
      Sequence& before = last[{c.node(node).instance(), message.id.origin}];
      if (message.id.sequence <= before) ++out_of_order;
      before = message.id.sequence;
      if (message.payload.size() > frame::kPartSize) ++large;
    };
  }
  std::map<std::pair<InstanceId, InstanceId>, Sequence> last;
  std::uint64_t out_of_order = 0, large = 0;
};

void finish(SimCluster& c, const InOrder& order) {
  c.stop_all_traffic();
  const bool delivered = c.run_until([&] { return c.settled() && c.all_delivered(); }, 120s);
  INFO(joined(c.unrest()));
  CHECK(delivered);
  CHECK(order.out_of_order == 0);
  c.check_now();
  INFO(joined(c.violations()));
  CHECK(c.violations().empty());
  CHECK(c.deliveries().lost_count() == 0);
  for (const std::size_t node : c.live()) {
    const auto snapshot = c.node(node).snapshot();
    CHECK(snapshot->large.empty());
    CHECK(snapshot->tree.store_bytes <= 64u << 20);
  }
}

}  // namespace

TEST_CASE("large payloads arrive whole and in order with loss, a crash and a partition on their way", "[sim][large]") {
  const std::uint64_t seed = GENERATE(range(1, 4));
  CAPTURE(seed);
  auto options = with_fifo(8, seed);
  options.path.loss = 0.01;
  SimCluster c(options);
  c.start_all();
  REQUIRE(c.run_until([&] { return c.settled(); }, 60s));
  const InOrder order(c);
  c.start_traffic(0, 20, 200);
  c.start_traffic(1, 20, 200);
  c.run_for(1s);
  const auto under_way = [&](std::size_t node) { return [&c, node] { return !c.node(node).snapshot()->large.empty(); }; };

  c.publish(0, 6 << 20);
  REQUIRE(c.run_until(under_way(5), 20s, 1ms));
  c.kill(3);
  c.run_for(5s);
  c.publish(0, 6 << 20);
  REQUIRE(c.run_until(under_way(6), 20s, 1ms));
  c.partition({{0, 1, 2, 3}, {4, 5, 6, 7}});
  c.run_for(6s);
  c.publish(1, 3 << 20);
  c.run_for(2s);
  c.heal();
  c.start(3);
  c.run_for(5s);
  c.publish(2, 4 << 20);
  c.run_for(5s);
  finish(c, order);
  CHECK(order.large >= 4 * 6);
}

TEST_CASE("a small message overtakes a large one of another publisher", "[sim][large]") {
  auto options = with_fifo(6, 9);
  options.path.bandwidth = 2'000'000;
  SimCluster c(options);
  c.start_all();
  REQUIRE(c.run_until([&] { return c.settled(); }, 60s));
  double slowest = 0;
  std::uint64_t small = 0;
  c.on_delivered = [&](std::size_t, const Message& message) {
    if (message.payload.size() > frame::kPartSize) return;
    ++small;
    slowest = std::max(slowest, to_seconds(message.latency));
  };
  c.publish(0, 8 << 20);  // four seconds of each link
  for (int i = 0; i < 20; ++i) {
    c.run_for(100ms);
    c.publish(1, 100);
  }
  REQUIRE(c.run_until([&] { return c.settled() && c.all_delivered(); }, 120s));
  CHECK(small == 20 * 5);
  CAPTURE(slowest);
  CHECK(slowest < 1.0);
}
