#include "transport/send_queue.hpp"

#include <string>

#include "support/pch.hpp"

using namespace plumvine;

namespace {

/// Takes `room` bytes in all and records what it was given.
struct Sink final : Transport {
  std::size_t room = SIZE_MAX;
  std::string taken;
  std::vector<std::size_t> pieces;
  std::vector<const std::byte*> places;

  std::size_t write(ConnId, std::span<const Bytes> batch) override {
    pieces.push_back(batch.size());
    std::size_t n = 0;
    for (const Bytes& piece : batch) {
      places.push_back(piece.data());
      const std::size_t part = std::min(room, piece.size());
      taken += piece.slice(0, part).text();
      room -= part;
      n += part;
    }
    return n;
  }
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

}  // namespace

TEST_CASE("control frames overtake data frames", "[queue]") {
  SendQueue queue;
  Sink sink;
  queue.push(frame_of('d', 10, 1000), Lane::normal);
  queue.push(frame_of('c', 5), Lane::control);
  CHECK(queue.bytes() == 1015);
  CHECK(queue.messages() == 2);
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken == std::string(5, 'c') + std::string(1010, 'd'));
  CHECK(queue.empty());
  CHECK(queue.messages() == 0);
}

TEST_CASE("payloads that the far end has are taken out, and nothing else", "[queue]") {
  SendQueue queue;
  Sink sink;
  const auto id = [](Sequence sequence) { return MessageId{InstanceId{7}, sequence}; };
  queue.push(frame_of('a', 10, 1000), Lane::low, PayloadTag{id(1)});
  queue.push(frame_of('b', 10, 1000), Lane::low, PayloadTag{id(2)});
  queue.push(frame_of('c', 5), Lane::control);
  queue.push(frame_of('d', 10, 1000), Lane::normal, PayloadTag{id(3)});
  const std::vector<MessageId> there{id(1), id(3), id(9)};
  CHECK(queue.take_out(there) == 2);
  CHECK(queue.take_out(there) == 0);
  CHECK(queue.bytes() == 1015);
  CHECK(queue.messages() == 2);
  CHECK(queue.waiting(Priority::low) == 1);
  CHECK(queue.waiting(Priority::normal) == 0);
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken == std::string(5, 'c') + std::string(1010, 'b'));
  CHECK(queue.empty());
}

TEST_CASE("small frames are joined, large payloads go by reference", "[queue]") {
  SendQueue queue;
  Sink sink;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    queue.push(frame_of(c, 20, 30), Lane::normal);
    expected += std::string(50, c);
  }
  const wire::Encoded large = frame_of('L', 20, 100000);
  queue.push(large, Lane::normal);
  expected += std::string(100020, 'L');
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken == expected);
  CHECK(sink.pieces == std::vector<std::size_t>{3});
  CHECK(sink.places.back() == large.payload.data());
}

TEST_CASE("a refused rest is written later, without a gap", "[queue]") {
  SendQueue queue;
  Sink sink;
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    queue.push(frame_of(c, 7, 3000), Lane::normal);
    expected += std::string(3007, c);
  }
  std::size_t left = expected.size();
  for (const std::size_t room : std::initializer_list<std::size_t>{0, 1, 6, 3001, 10000, 50000, 1 << 20}) {
    sink.room = room;
    left -= queue.flush(sink, ConnId{1});
    CHECK(queue.bytes() == left);
    if (left != 0) CHECK(queue.blocked());
    CHECK(queue.flush(sink, ConnId{1}) == 0);
    queue.unblock();
  }
  CHECK(sink.taken == expected);
  CHECK(queue.messages() == 0);
}

TEST_CASE("a control frame waits for one batch at most", "[queue]") {
  SendQueue queue;
  Sink sink;
  for (int i = 0; i < 100; ++i) queue.push(frame_of('d', 10, 20000), Lane::normal);
  sink.room = 5000;
  queue.flush(sink, ConnId{1});
  queue.push(frame_of('c', 5), Lane::control);
  queue.unblock();
  sink.room = SIZE_MAX;
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken.find('c') < SendQueue::kBatchBytes + 20010);
  for (std::size_t pieces : sink.pieces) CHECK(pieces <= SendQueue::kBatchPieces);
}

TEST_CASE("payloads share the link by their priority, and the lowest still moves", "[queue][priority]") {
  SendQueue queue;
  Sink sink;
  for (int i = 0; i < 400; ++i) {
    for (const auto& [c, lane] : {std::pair{'L', Lane::low}, {'N', Lane::normal}, {'H', Lane::high}, {'C', Lane::critical}}) {
      queue.push(frame_of(c, 10, 990), lane, PayloadTag{{InstanceId{1}, 1}, 0});
    }
  }
  sink.room = 290'000;  // ten shares of 29
  queue.flush(sink, ConnId{1});
  const auto bytes_of = [&](char c) { return std::count(sink.taken.begin(), sink.taken.end(), c); };
  CHECK(bytes_of('C') == Approx(160'000).margin(2000));
  CHECK(bytes_of('H') == Approx(80'000).margin(2000));
  CHECK(bytes_of('N') == Approx(40'000).margin(2000));
  CHECK(bytes_of('L') == Approx(10'000).margin(2000));
  sink.room = SIZE_MAX;
  queue.unblock();
  queue.flush(sink, ConnId{1});
  CHECK(queue.empty());
  for (const Priority lane : {Priority::critical, Priority::high, Priority::normal, Priority::low}) {
    CHECK(queue.enqueued()[lane] == 400);
    CHECK(queue.dequeued()[lane] == 400);
    CHECK(queue.waiting(lane) == 0);
  }
}

TEST_CASE("an urgent payload overtakes a full queue of others", "[queue][priority]") {
  SendQueue queue;
  Sink sink;
  for (int i = 0; i < 1000; ++i) queue.push(frame_of('L', 10, 990), Lane::low);
  sink.room = 1;
  queue.flush(sink, ConnId{1});
  queue.unblock();
  queue.push(frame_of('C', 10, 990), Lane::critical);
  sink.room = SIZE_MAX;
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken.find('C') <= SendQueue::kBatchBytes + 1000);  // after the batch under way
}

TEST_CASE("older payloads of a topic give way, those of others stay in order", "[queue][overflow]") {
  SendQueue queue;
  Sink sink;
  const auto put = [&](char c, Sequence sequence, std::uint32_t topic) {
    queue.push(frame_of(c, 10, 990), Lane::normal, PayloadTag{{InstanceId{1}, sequence}, topic});
  };
  put('a', 1, 7);
  put('b', 2, 8);
  put('c', 3, 7);
  put('d', 4, 7);
  CHECK(queue.make_room(Lane::normal, 9, 1).empty());
  CHECK(queue.make_room(Lane::normal, 7, 4000).empty());  // all of them would not do
  CHECK(queue.messages() == 4);
  const auto gone = queue.make_room(Lane::normal, 7, 1500);
  CHECK(gone == std::vector<MessageId>{{InstanceId{1}, 1}, {InstanceId{1}, 3}});
  CHECK(queue.bytes() == 2000);
  CHECK(queue.dropped()[Priority::normal] == 2);
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken == std::string(1000, 'b') + std::string(1000, 'd'));
}

TEST_CASE("the end of a conversation comes after everything else", "[queue]") {
  SendQueue queue;
  Sink sink;
  queue.push(frame_of('E', 5), Lane::last);
  queue.push(frame_of('L', 10, 990), Lane::low);
  queue.push(frame_of('C', 10, 990), Lane::critical);
  queue.flush(sink, ConnId{1});
  CHECK(sink.taken == std::string(1000, 'C') + std::string(1000, 'L') + "EEEEE");
}
