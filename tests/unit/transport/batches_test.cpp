// Payloads beside the streams of links: which go there, what must not overtake them, and what comes there that should not.
#include "cluster.hpp"
#include "transport/batch_reader.hpp"
#include "transport/send_queue.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// Writes down what goes on the stream and beside it.
struct Sink final : Transport {
  std::string stream;
  std::vector<std::string> batches;
  std::optional<std::size_t> room = 100'000;
  std::uint64_t arrived = UINT64_MAX;
  bool all_arrived = true;
  std::size_t write(ConnId, std::span<const Bytes> pieces) override {
    std::size_t n = 0;
    for (const Bytes& piece : pieces) stream += piece.text(), n += piece.size();
    return n;
  }
  std::optional<std::size_t> batch_room(ConnId, std::uint64_t after) override { return arrived < after ? std::nullopt : room; }
  void write_batch(ConnId, std::span<const Bytes> pieces) override {
    batches.emplace_back();
    for (const Bytes& piece : pieces) batches.back() += piece.text();
  }
  bool batches_arrived(ConnId) override { return all_arrived; }
  void send_packet(const Endpoint&, Bytes) override {}
  void dial(ConnId, const Endpoint&) override {}
  void close(ConnId, CloseMode) override {}
  void pause_reading(ConnId, bool) override {}
  void resolve(const HostPort&) override {}
  const TransportStats& stats() const override { return stats_; }
  TransportStats stats_;
};

wire::Encoded frame_of(char c, std::size_t head, std::size_t payload = 0) {
  return {Bytes::copy_of(std::string(head, c)), Bytes::copy_of(std::string(payload, c))};
}

/// A queue of a link whose beginning has arrived.
struct Beside {
  SendQueue queue;
  Sink sink;
  Beside() {
    queue.use_batches();
    queue.push(frame_of('o', 5), Lane::control);
    flush();
    REQUIRE(sink.stream == "ooooo");
    sink.stream.clear();
  }
  void flush() { queue.flush(sink, ConnId{1}); }
};

}  // namespace

TEST_CASE("payloads go beside the stream, all else on it", "[batches]") {
  Beside f;
  f.queue.push(frame_of('p', 3, 4), Lane::normal);
  f.queue.push(frame_of('c', 3), Lane::control);
  f.queue.push(frame_of('h', 3, 4), Lane::high);
  f.queue.push(frame_of('e', 2), Lane::last);
  f.flush();
  CHECK(f.sink.stream == "cccee");
  REQUIRE(f.sink.batches.size() == 1);
  CHECK(f.sink.batches[0].size() == 14);
  CHECK(f.queue.empty());
  CHECK(f.queue.messages() == 0);
}

TEST_CASE("payloads stay on the stream until what a link begins with has arrived", "[batches]") {
  SendQueue queue;
  Sink sink;
  sink.arrived = 7;
  queue.push(frame_of('g', 4), Lane::control);
  queue.flush(sink, ConnId{1});
  queue.use_batches();
  queue.push(frame_of('d', 4), Lane::control);
  queue.push(frame_of('p', 3, 1), Lane::normal);
  queue.flush(sink, ConnId{1});
  CHECK(sink.stream == "ggggddddpppp");
  queue.push(frame_of('q', 3, 1), Lane::normal);
  queue.flush(sink, ConnId{1});
  CHECK(sink.stream == "ggggddddppppqqqq");
  sink.arrived = 12;
  queue.push(frame_of('r', 3, 1), Lane::normal);
  queue.flush(sink, ConnId{1});
  CHECK(sink.stream == "ggggddddppppqqqq");
  CHECK(sink.batches == std::vector<std::string>{"rrrr"});
}

TEST_CASE("a batch has some packets' worth, or one frame", "[batches]") {
  Beside f;
  for (int i = 0; i < 100; ++i) f.queue.push(frame_of('s', 20, 980), Lane::normal);
  f.queue.push(frame_of('L', 20, 60'000), Lane::normal);
  f.queue.push(frame_of('s', 20, 980), Lane::normal);
  f.flush();
  std::size_t sum = 0;
  for (const std::string& batch : f.sink.batches) {
    CHECK((batch.size() <= SendQueue::kBesideBytes || batch == std::string(60'020, 'L')));
    sum += batch.size();
  }
  CHECK(sum == 161'020);
  CHECK(f.sink.batches.size() == 9);
  CHECK(f.sink.stream.empty());
}

TEST_CASE("a frame that no batch may have goes on the stream, alone", "[batches]") {
  Beside f;
  f.sink.room = 1000;
  f.queue.push(frame_of('L', 20, 2000), Lane::normal);
  f.queue.push(frame_of('s', 20, 30), Lane::normal);
  f.flush();
  CHECK(f.sink.stream == std::string(2020, 'L'));
  CHECK(f.sink.batches == std::vector<std::string>{std::string(50, 's')});
}

TEST_CASE("without room for a batch payloads wait, and control frames do not", "[batches]") {
  Beside f;
  f.sink.room = 0;
  f.queue.push(frame_of('p', 3, 4), Lane::normal);
  f.queue.push(frame_of('c', 3), Lane::control);
  f.flush();
  CHECK(f.sink.stream == "ccc");
  CHECK(f.sink.batches.empty());
  CHECK(f.queue.blocked());
  CHECK(f.queue.bytes() == 7);
  f.sink.room = 1000;
  f.queue.unblock();
  f.flush();
  CHECK(f.sink.batches == std::vector<std::string>{"ppppppp"});
  CHECK(f.sink.stream == "ccc");
}

TEST_CASE("what ends a conversation waits until all batches have arrived", "[batches]") {
  Beside f;
  f.sink.all_arrived = false;
  f.queue.push(frame_of('p', 3, 4), Lane::normal);
  f.queue.push(frame_of('e', 2), Lane::last);
  f.flush();
  CHECK(f.sink.batches.size() == 1);
  CHECK(f.sink.stream.empty());
  CHECK(f.queue.blocked());
  CHECK(f.queue.bytes() == 2);
  f.sink.all_arrived = true;
  f.queue.unblock();
  f.flush();
  CHECK(f.sink.stream == "ee");
  CHECK(f.queue.empty());
}

TEST_CASE("priorities share batches by their weights", "[batches]") {
  Beside f;
  for (int i = 0; i < 300; ++i) {
    f.queue.push(frame_of('l', 20, 980), Lane::low);
    f.queue.push(frame_of('c', 20, 980), Lane::critical);
  }
  f.flush();
  const std::string early = f.sink.batches[0] + f.sink.batches[1] + f.sink.batches[2];
  CHECK(std::count(early.begin(), early.end(), 'c') > 3 * std::count(early.begin(), early.end(), 'l'));
  CHECK(std::count(early.begin(), early.end(), 'l') > 0);
}

TEST_CASE("a batch is read frame by frame, and only payloads may be in it", "[batches]") {
  const auto bytes_of = [](const Frame& frame) {
    const wire::Encoded encoded = wire::encode(frame);
    return std::string(encoded.head.text()) + std::string(encoded.payload.text());
  };
  const auto gossip = [](Sequence sequence, std::string text) {
    return frame::Gossip{.id = {InstanceId{7}, sequence}, .topic = "t", .origin = "x", .payload = Bytes::copy_of(text)};
  };
  const std::string two = bytes_of(gossip(1, "one")) + bytes_of(gossip(2, "two"));
  FrameReject reason{};
  BatchReader good{Bytes::copy_of(two), 1000};
  CHECK(std::get<frame::Gossip>(*good.next(reason)).payload.text() == "one");
  CHECK(std::get<frame::Gossip>(*good.next(reason)).payload.text() == "two");
  CHECK(good.done());

  struct Row {
    const char* name;
    std::string bytes;
    FrameReject reason;
  };
  const std::string unknown("\0\0\0\x02\x91\x7f", 6);
  for (const Row& row : {Row{"nothing", "", FrameReject::malformed}, Row{"half a length", std::string("\0\0", 2), FrameReject::malformed},
                         Row{"half a frame", two.substr(0, 20), FrameReject::malformed},
                         Row{"another frame", bytes_of(frame::Prune{}), FrameReject::unexpected},
                         Row{"too large for this end", bytes_of(gossip(1, std::string(1001, 'x'))), FrameReject::too_large},
                         Row{"noise", std::string("\0\0\0\x04\xff\xff\xff\xff", 8), FrameReject::malformed}}) {
    INFO(row.name);
    BatchReader reader{Bytes::copy_of(row.bytes), 1000};
    CHECK_FALSE(reader.next(reason));
    CHECK(reason == row.reason);
    CHECK(reader.done());
  }
  BatchReader newer{Bytes::copy_of(unknown + bytes_of(gossip(3, "after"))), 1000};
  CHECK_FALSE(newer.next(reason));
  CHECK(reason == FrameReject::unknown_type);
  REQUIRE_FALSE(newer.done());
  CHECK(std::get<frame::Gossip>(*newer.next(reason)).payload.text() == "after");
}

TEST_CASE("whatever batches overtake, all members deliver everything once, in order where it is asked for", "[batches]") {
  TestCluster cluster;
  Rng rng{42};
  cluster.net.batch_delay = [&rng] { return rng.chance(0.2) ? rng.jitter(300ms) : Duration{0}; };
  const auto fifo = [](Config& config) {
    TopicConfig topic;
    topic.order = Order::fifo;
    config.topics["fifo"] = topic;
  };
  for (const char* name : {"a", "b", "c", "d", "e"}) cluster.add(name, fifo);
  REQUIRE(cluster.settle(4));
  cluster.run_for(25s);
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back("m" + std::to_string(i));
    cluster[static_cast<std::size_t>(i) % 2].publish(expected.back(), "fifo");
    if (i % 50 == 0) cluster[0].publish(std::string(200'000, 'x'), "large");
    cluster.run_for(10ms);
  }
  cluster.run_for(20s);
  CHECK(cluster.net.batches > 300);
  for (std::size_t i = 2; i < 5; ++i) {
    INFO(i);
    CHECK(cluster[i].messages.size() == 306);
    for (const int publisher : {0, 1}) {
      std::vector<std::string> got, wanted;
      for (const auto& [id, text] : cluster[i].messages)
        if (text[0] == 'm' && std::stoi(text.substr(1)) % 2 == publisher) got.push_back(text);
      for (std::size_t k = static_cast<std::size_t>(publisher); k < expected.size(); k += 2) wanted.push_back(expected[k]);
      CHECK(got == wanted);
    }
    CHECK(cluster[i].lost.empty());
    CHECK(cluster[i].driver->check_invariants().empty());
  }
}

TEST_CASE("who leaves has its batches arrive before its goodbye", "[batches]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  TestNode& b = cluster.add("b");
  cluster.net.batch_delay = [] { return Duration{0}; };
  REQUIRE(cluster.settle(1));
  a.publish("first");
  cluster.run_for(10s);
  cluster.net.batch_delay = [] { return Duration{700ms}; };
  a.publish("last words");
  a.driver->leave();
  cluster.run_for(5s);
  CHECK(b.texts() == std::vector<std::string>{"first", "last words"});
  CHECK(b.lost.empty());
  CHECK(a.leaves_done == 1);
}
