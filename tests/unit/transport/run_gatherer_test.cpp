// What is published at one time goes in runs, and what must go alone does.
#include <string>

#include "cluster.hpp"
#include "transport/run_gatherer.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

struct Gathered {
  explicit Gathered(const std::function<void(Config&)>& adjust = {}) {
    if (adjust) adjust(config);
  }
  void add(std::size_t count, std::size_t bytes = 10, const std::string& topic = "t") {
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes payload = Bytes::copy_of(std::string(bytes, 'x'));
      if (gatherer.takes(topic, payload)) {
        gatherer.add(next++, topic, payload);
      } else {
        gatherer.flush();
        out.emplace_back(next, next);
        ++next;
      }
    }
  }
  Config config = Config::lan("a");
  std::vector<std::pair<Sequence, Sequence>> out;
  std::vector<std::size_t> sizes;
  RunGatherer gatherer{config, [this](Sequence first, const std::string&, const frame::Payload& payload) {
                         out.emplace_back(first, first + payload.run.count - 1);
                         sizes.push_back(payload.bytes.size());
                       }};
  Sequence next = 1;
};
using Ranges = std::vector<std::pair<Sequence, Sequence>>;

}  // namespace

TEST_CASE("broadcasts of one topic at one time are a run", "[gatherer]") {
  Gathered g;
  g.add(1);
  g.gatherer.flush();
  g.add(5);
  g.add(2, 10, "u");
  g.add(1);
  g.gatherer.flush();
  g.gatherer.flush();
  CHECK(g.out == Ranges{{1, 1}, {2, 6}, {7, 8}, {9, 9}});
  CHECK(g.sizes == std::vector<std::size_t>{10, 50, 20, 10});
}

TEST_CASE("a run is bounded in messages and bytes", "[gatherer]") {
  Gathered many;
  many.add(2500, 1);
  many.gatherer.flush();
  CHECK(many.out == Ranges{{1, 1024}, {1025, 2048}, {2049, 2500}});
  Gathered large;
  large.add(9, frame::kRunMessageBytesMax);
  large.gatherer.flush();
  CHECK(large.out == Ranges{{1, 3}, {4, 6}, {7, 9}});
  for (const std::size_t size : large.sizes) CHECK(size <= RunGatherer::kBytesMax);
  Gathered small_cache{[](Config& config) { config.tree.message_cache_max_size = 40; }};
  small_cache.add(25);
  small_cache.gatherer.flush();
  CHECK(small_cache.out == Ranges{{1, 10}, {11, 20}, {21, 25}});
}

TEST_CASE("what is large, reserved, encoded, or gives way goes alone", "[gatherer]") {
  Gathered g{[](Config& config) { config.topics["live"].overflow = Overflow::drop_newest; }};
  g.add(2);
  g.add(1, frame::kRunMessageBytesMax + 1);
  g.add(2);
  g.add(2, 10, "live");
  g.add(2, 10, "_inside");
  CHECK(g.out == Ranges{{1, 2}, {3, 3}, {4, 5}, {6, 6}, {7, 7}, {8, 8}, {9, 9}});
  CHECK(!g.gatherer.takes("t", frame::Payload{Bytes::copy_of("x"), frame::Encoding::lz4, 100}));
}

TEST_CASE("a handler is told of one message of a run after the other, and where it is", "[gatherer]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  TestNode& from = cluster[0];
  TestNode& to = cluster[1];
  std::vector<Sequence> ahead;  // told, as the position says while one is at hand
  std::vector<std::size_t> held;
  to.on_message = [&](const Message& message) {
    Sequence last = 0;
    const Cursor told = to.driver->position();
    for (const auto& [origin, set] : told.origins())
      if (origin == message.id.origin) last = set.back().last;
    ahead.push_back(last);
    held.push_back(to.driver->held_ids().size());
  };
  const std::vector<Bytes> payloads{Bytes::copy_of("a"), Bytes::copy_of("bc"), Bytes::copy_of("")};
  from.driver->publish(1, "t", frame::join(payloads));
  from.sequence = 3;
  from.publish("d");
  REQUIRE(cluster.run_until([&] { return to.messages.size() == 4 && cluster[2].messages.size() == 4; }, 5s));
  CHECK(to.texts() == std::vector<std::string>{"a", "bc", "", "d"});
  CHECK(ahead == std::vector<Sequence>{1, 2, 3, 4});
  CHECK(held == std::vector<std::size_t>{1, 2, 3, 4});
  REQUIRE(cluster.run_until([&] { return from.acked == 4; }, 5s));
  cluster.check_invariants();
}
