#include "net.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
using namespace plumvine::test;

namespace {

/// A pair whose dialler has written something that has arrived, so that batches may go.
struct BatchPair : QuicPair {
  ConnId other{};
  void open() {
    other = connect();
    a.write(kDial, "greeting");
    REQUIRE(run_until([&] { return room(8).value_or(0) > 0; }));
  }
  std::optional<std::size_t> room(std::uint64_t after = 0) { return a.endpoint->batch_room(kDial, after); }
  void batch(const std::string& text) {
    REQUIRE(room().value_or(0) >= text.size());
    a.endpoint->write_batch(kDial, std::vector<Bytes>{Bytes::copy_of(text)});
  }
  void flush() { a.endpoint->flush(now); }
  std::vector<std::string>& batches() { return b.streams[other].batches; }
  std::string& stream() { return b.streams[other].received; }
  /// The next `count` datagrams of the dialler with a payload do not arrive.
  void lose(int count) {
    drop = [this, count](const Flown& flown) mutable { return flown.path.local == a.address && flown.bytes.size() > 200 && count-- > 0; };
  }
};

std::string all_of(const std::vector<std::string>& batches) {
  std::string text;
  for (const std::string& batch : batches) text += batch;
  return text;
}

}  // namespace

TEST_CASE("a batch that is lost holds up neither the next one nor the stream", "[quic]") {
  BatchPair f;
  f.open();
  const std::string first = noise(1000), second = noise(900);
  f.lose(1);
  f.batch(first);
  f.flush();
  f.batch(second);
  f.a.write(QuicPair::kDial, " and more");
  const Timestamp begin = f.now;
  REQUIRE(f.run_until([&] { return f.batches().size() == 1 && f.stream() == "greeting and more"; }));
  CHECK(f.now - begin == f.delay);
  CHECK((f.batches()[0] == second));
  REQUIRE(f.run_until([&] { return f.batches().size() == 2; }));
  CHECK((f.batches()[1] == first));
  CHECK(f.now - begin >= 3 * f.delay);
  CHECK(f.a.stats().batches_sent == 2);
  CHECK(f.b.stats().batches_received == 2);
  CHECK(f.b.stats().batches_sent == 0);
}

TEST_CASE("batches go when the beginning of the stream has arrived", "[quic]") {
  BatchPair f;
  f.other = f.connect();
  f.lose(1);
  f.a.write(QuicPair::kDial, noise(1000));
  f.flush();
  CHECK(f.room().value_or(0) == quic::Connection::kBatchMax);
  CHECK_FALSE(f.room(1000));
  const Timestamp begin = f.now;
  REQUIRE(f.run_until([&] { return f.room(1000).has_value(); }));
  CHECK(f.now - begin >= 3 * f.delay);
  CHECK_FALSE(f.room(1001));
}

TEST_CASE("an end that does not know batches gets none, and sends none to whoever knows them", "[quic]") {
  struct Old : QuicNet {
    QuicNode a{*this, "10.0.0.1:4001", QuicPair::authority().credentials("a")};
    QuicNode old{*this, "10.0.0.2:4002", QuicPair::authority().credentials("b"), {}, 0};
  } f;
  f.a.endpoint->dial(ConnId{1}, {f.a.address, f.old.address}, f.now);
  REQUIRE(f.run_until([&] { return f.a.streams[ConnId{1}].up && f.old.accepted.size() == 1; }));
  f.run_for(1s);
  CHECK_FALSE(f.a.endpoint->batch_room(ConnId{1}, 0));
  CHECK(f.old.endpoint->batch_room(f.old.accepted[0], 0).value_or(0) > 0);
  f.a.write(ConnId{1}, "on the stream");
  REQUIRE(f.run_until([&] { return f.old.streams[f.old.accepted[0]].received == "on the stream"; }));
}

TEST_CASE("no batch goes before both ends have proved themselves", "[quic]") {
  BatchPair f;
  f.connect();
  f.run_for(1s);  // the ticket comes
  f.dial(ConnId{3});
  f.flush();
  REQUIRE(f.a.streams[ConnId{3}].up);
  CHECK_FALSE(f.a.endpoint->batch_room(ConnId{3}, 0));
  f.a.write(ConnId{3}, "early");
  REQUIRE(f.run_until([&] { return f.b.accepted.size() == 2; }));
  CHECK_FALSE(f.b.endpoint->batch_room(f.b.accepted[1], 0));  // the client has shown only a ticket, which may be a replay
  REQUIRE(f.run_until([&] { return f.b.endpoint->batch_room(f.b.accepted[1], 0).has_value(); }));
  CHECK(f.a.endpoint->batch_room(ConnId{3}, 0));
  CHECK(f.a.stats().handshakes[QuicHandshake::early] == 1);
}

TEST_CASE("batches of all sizes arrive once each, whatever is lost, doubled and reordered", "[quic]") {
  BatchPair f;
  f.open();
  f.loss_percent = 5;
  f.double_percent = 5;
  f.jitter = 8ms;
  std::vector<std::string> sent;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < 400; ++i) sent.push_back(noise(i % 40 == 39 ? 130'000 : 1 + i * 37 % 9000) + std::to_string(i) + ";");
  std::size_t next = 0;
  REQUIRE(f.run_until([&] {
    while (next < sent.size() && f.room().value_or(0) > 0) {
      bytes += sent[next].size();
      f.batch(sent[next++]);
    }
    f.flush();
    return next == sent.size() && f.a.endpoint->batches_arrived(QuicPair::kDial);
  }));
  // Those that waited together may have been joined.
  std::string all = all_of(f.batches());
  CHECK(all.size() == bytes);
  for (const std::string& one : sent) CHECK((all.find(one) != std::string::npos));
  CHECK(f.b.stats().batch_bytes == 0);
}

TEST_CASE("half of a batch is counted until the rest comes, and goes with the connection", "[quic]") {
  BatchPair f;
  f.open();
  const std::string text = noise(4000);  // four packets
  int datagrams = 0;
  f.drop = [&](const Flown& flown) { return flown.path.local == f.a.address && flown.bytes.size() > 200 && ++datagrams >= 3; };
  f.batch(text);
  f.run_for(2 * f.delay);
  CHECK(f.batches().empty());
  const std::uint64_t half = f.b.stats().batch_bytes;
  CHECK(half > 1000);
  CHECK(half < text.size());
  SECTION("the rest comes") {
    f.drop = {};
    REQUIRE(f.run_until([&] { return f.batches().size() == 1; }));
    CHECK((f.batches()[0] == text));
    CHECK(f.b.stats().batch_bytes == 0);
  }
  SECTION("the connection ends") {
    f.drop = {};
    f.a.endpoint->close(QuicPair::kDial, CloseMode::abort, f.now);
    REQUIRE(f.run_until([&] { return f.b.streams[f.other].ended; }));
    CHECK(f.batches().empty());
    CHECK(f.b.stats().batch_bytes == 0);
  }
}

TEST_CASE("who is not read is not sent more batches than the window, and goes on when it is", "[quic]") {
  BatchPair f;
  f.open();
  f.b.endpoint->pause_reading(f.other, true);
  const std::string text = noise(50'000);
  std::size_t written = 0;
  const auto fill = [&] {
    for (; f.room().value_or(0) > 0; written += text.size()) f.batch(text);
    f.flush();
  };
  (void)f.run_until([&] { return fill(), false; }, 20s);
  CHECK(written <= quic::Connection::kWindow + quic::Connection::kWaitingMax + text.size());
  CHECK(f.b.stats().batch_bytes <= quic::Connection::kWindow);
  CHECK(f.b.stats().batch_bytes > quic::Connection::kWindow / 2);
  CHECK(f.batches().empty());
  CHECK(f.a.endpoint->write(QuicPair::kDial, std::vector<Bytes>{Bytes::copy_of("x")}) == 0);  // one bound for both
  f.b.endpoint->pause_reading(f.other, false);
  REQUIRE(f.run_until([&] {
    if (written < 8'000'000) fill();
    return written >= 8'000'000 && f.a.endpoint->batches_arrived(QuicPair::kDial);
  }));
  CHECK(all_of(f.batches()).size() == written);
  CHECK(f.a.streams[QuicPair::kDial].writable > 0);
}

TEST_CASE("small batches that wait for a stream are joined, and all arrive", "[quic]") {
  BatchPair f;
  f.open();
  f.drop = [](const Flown&) { return true; };
  for (int i = 0; i < 2000; ++i) {
    f.batch(std::to_string(i) + ";");
    f.flush();
    f.now = f.now + 100us;
  }
  CHECK(f.a.stats().batches_sent <= 256);
  f.drop = {};
  REQUIRE(f.run_until([&] { return f.a.endpoint->batches_arrived(QuicPair::kDial); }));
  const std::string all = ";" + all_of(f.batches());
  for (int i = 0; i < 2000; ++i) CHECK((all.find(";" + std::to_string(i) + ";") != std::string::npos));
  CHECK(f.a.stats().batches_sent < 600);
}

TEST_CASE("what says the end waits for the batches, and closing with flush brings them over", "[quic]") {
  BatchPair f;
  f.open();
  f.lose(1);
  f.batch(noise(1000));
  f.flush();
  CHECK_FALSE(f.a.endpoint->batches_arrived(QuicPair::kDial));
  const int before = f.a.streams[QuicPair::kDial].writable;
  REQUIRE(f.run_until([&] { return f.a.streams[QuicPair::kDial].writable > before; }));
  CHECK(f.batches().size() == 1);
  CHECK(f.a.endpoint->batches_arrived(QuicPair::kDial));

  f.loss_percent = 20;
  std::size_t sent = 1000;
  for (int i = 0; i < 20; ++i, sent += 5000) f.batch(noise(5000));
  f.a.endpoint->close(QuicPair::kDial, CloseMode::flush, f.now);
  REQUIRE(f.run_until([&] { return f.b.streams[f.other].ended; }));
  CHECK(f.b.streams[f.other].end.graceful);
  CHECK(all_of(f.batches()).size() == sent);
}
