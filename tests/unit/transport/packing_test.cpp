// Compressed payloads on their way from node to node.
#include <string>

#include "cluster.hpp"
#include "transport/packing.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "{\"host\":\"db-" + std::to_string(text.size() % 7) + "\",\"state\":\"alive\"},";
  text.resize(size);
  return text;
}

/// Three nodes, and what the first one publishes.
struct Trio : TestCluster {
  Trio() {
    add_many(3);
    REQUIRE(settle(2));
  }
  void publish(frame::Payload payload) {
    nodes[0]->driver->publish(next++, "t", std::move(payload));
  }
  Sequence next = 1;
};

}  // namespace

TEST_CASE("payloads are packed where that is wanted and worth it", "[packing]") {
  const Bytes text = Bytes::copy_of(text_of(5000));
  CHECK(pack(text, Compression::off).encoding == frame::Encoding::plain);
  CHECK(pack(Bytes::copy_of(text_of(200)), Compression::lz4).encoding == frame::Encoding::plain);
  const frame::Payload packed = pack(text, Compression::lz4);
  CHECK(packed.encoding == frame::Encoding::lz4);
  CHECK(packed.size == 5000);
  CHECK(packed.bytes.size() < 1000);
  CHECK(*unpack(packed) == text);
  CHECK(*unpack(pack(text, Compression::off)) == text);
}

TEST_CASE("compressed payloads, small and in parts, come as they were published", "[packing]") {
  const std::size_t size = GENERATE(300, 5000, 400'000, 1 << 20);
  Trio c;
  const std::string text = text_of(size);
  const frame::Payload packed = pack(Bytes::copy_of(text), Compression::lz4);
  c.publish(packed);
  c.publish(Bytes::copy_of(std::string_view{"after it"}));
  REQUIRE(c.run_until([&] { return c[1].messages.size() == 2 && c[2].messages.size() == 2; }, 10s));
  for (int i : {1, 2}) {
    const auto& messages = c[static_cast<std::size_t>(i)].messages;
    CHECK(messages[0].second == text);
    CHECK(messages[1].second == "after it");
    CHECK(c[static_cast<std::size_t>(i)].lost.empty());
  }
  const TreeStats stats = c[0].snapshot()->tree;
  CHECK(stats.compression_bytes_in == size);
  CHECK(stats.compression_bytes_saved == size - packed.bytes.size());
  // Who asks later gets it decoded, too.
  const auto held = c[1].driver->held(c[1].driver->held_ids().at(0));
  REQUIRE(held);
  CHECK(held->payload.bytes.text() == text);
  c.check_invariants();
}

TEST_CASE("a payload that cannot be decoded is reported once, and what follows comes", "[packing]") {
  Trio c;
  c.publish({Bytes::copy_of(std::string(500, 'x')), frame::Encoding::lz4, 5000});
  const frame::Payload good = pack(Bytes::copy_of(text_of(5000)), Compression::lz4);
  c.publish({good.bytes, frame::Encoding::lz4, 4999});
  c.publish(good);
  REQUIRE(c.run_until([&] { return c[1].messages.size() == 1 && c[2].messages.size() == 1 && c[1].lost.size() == 2; }, 10s));
  c.run_for(20s);
  for (int i : {1, 2}) {
    TestNode& node = c[static_cast<std::size_t>(i)];
    CHECK(node.messages.size() == 1);
    REQUIRE(node.lost.size() == 2);
    CHECK(node.lost[0].reason == LossReason::corrupt);
    CHECK(node.lost[0].range == SequenceRange{1, 1});
    CHECK(node.lost[1].range == SequenceRange{2, 2});
    CHECK(std::count_if(node.log.begin(), node.log.end(), [](const std::string& line) { return line.find("PV1305") != std::string::npos; }) == 2);
  }
  c.check_invariants();
}
