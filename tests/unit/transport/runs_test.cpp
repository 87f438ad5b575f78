// What is published at one time goes in runs, and what must go alone does.
#include <string>

#include "cluster.hpp"
#include "support/runs.hpp"
#include "transport/runs.hpp"

using namespace plumvine;
using namespace plumvine::test;

TEST_CASE("what is large, reserved, encoded, or gives way goes alone", "[runs]") {
  Config config = Config::lan("a");
  const Bytes small = Bytes::copy_of("x");
  CHECK(joins_runs(config, "t", small));
  config.topics["live"].overflow = Overflow::drop_newest;
  config.topics["latest"].overflow = Overflow::drop_oldest;
  config.topics["held"].overflow = Overflow::hold;
  for (const char* topic : {"t", "held", "serf.x"}) CHECK(joins_runs(config, topic, small));
  for (const char* topic : {"live", "latest", "_inside"}) CHECK(!joins_runs(config, topic, small));
  CHECK(joins_runs(config, "t", Bytes::copy_of(std::string(frame::kRunMessageBytesMax, 'x'))));
  CHECK(!joins_runs(config, "t", Bytes::copy_of(std::string(frame::kRunMessageBytesMax + 1, 'x'))));
  CHECK(!joins_runs(config, "t", frame::Payload{small, frame::Encoding::lz4, 100}));
}

TEST_CASE("a run takes a quarter of what store and cache hold, at most", "[runs]") {
  TreeConfig config;
  CHECK(run_bounds(config).messages == frame::kRunMessagesMax);
  CHECK(run_bounds(config).bytes == 64 * 1024);
  config.message_cache_max_size = 40;
  config.message_cache_max_bytes = 1000;
  CHECK(run_bounds(config).messages == 10);
  CHECK(run_bounds(config).bytes == 250);
}

TEST_CASE("a handler is told of one message of a run after the other, and where it is", "[runs]") {
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
  from.driver->publish(1, "t", join(bytes_of({"a", "bc", ""})));
  from.sequence = 3;
  from.publish("d");
  REQUIRE(cluster.run_until([&] { return to.messages.size() == 4 && cluster[2].messages.size() == 4; }, 5s));
  CHECK(to.texts() == std::vector<std::string>{"a", "bc", "", "d"});
  CHECK(ahead == std::vector<Sequence>{1, 2, 3, 4});
  CHECK(held == std::vector<std::size_t>{1, 2, 3, 4});
  REQUIRE(cluster.run_until([&] { return from.acked == 4; }, 5s));
  cluster.check_invariants();
}
