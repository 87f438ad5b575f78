#include <catch2/catch.hpp>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <sim/sim_network.hpp>
#include <sim/sim_transport.hpp>

using namespace plumvine;
using namespace plumvine::sim;
using namespace std::chrono_literals;

namespace {

/// A process that writes down what happens and reads everything.
struct Recorder final : TransportEvents {
  std::vector<std::string> packets;
  std::vector<std::string> events;
  std::map<ConnId, std::string> read;
  std::vector<std::byte> buffer = std::vector<std::byte>(4096);
  void on_packet(const Endpoint&, BytesView packet) override { packets.emplace_back(as_text(packet)); }
  void on_connected(ConnId conn) override { note("connected", conn); }
  void on_accepted(ConnId conn, const Endpoint&) override { note("accepted", conn); }
  std::span<std::byte> read_buffer(ConnId) override { return buffer; }
  void on_read(ConnId conn, std::size_t n) override { read[conn] += as_text(BytesView{buffer.data(), n}); }
  std::vector<std::string> batches;
  void on_batch(ConnId, Bytes batch) override { batches.emplace_back(batch.text()); }
  void on_writable(ConnId conn) override { note("writable", conn); }
  void on_closed(ConnId conn, const Error& why) override { note("closed: " + why.message, conn); }
  void on_resolved(const HostPort&, const std::vector<Endpoint>& found) override {
    events.push_back("resolved " + std::to_string(found.size()));
  }
  void note(const std::string& what, ConnId conn) {
    events.push_back(what + " " + std::to_string(static_cast<std::uint64_t>(conn)));
  }
  [[nodiscard]] bool saw(const std::string& what) const {
    for (const std::string& event : events) {
      if (event.rfind(what, 0) == 0) return true;
    }
    return false;
  }
};

/// Two hosts with a process each; a process takes its turn as soon as something waits, unless it is stopped.
struct Pair {
  SimTime time;
  Trace trace;
  SimNetwork network{time, trace, Rng{7}};
  HostNames names;
  struct Process {
    Recorder recorder;
    std::unique_ptr<SimTransport> transport;
    HostId host{};
    bool stopped = false;
    bool awake = false;
  } a, b;

  Pair() {
    start(a, "10.0.0.1:7946");
    start(b, "10.0.0.2:7946");
  }
  void start(Process& p, const char* address) {
    p.host = network.add_host(*Endpoint::parse(address));
    begin(p);
  }
  void begin(Process& p) {
    p.transport = std::make_unique<SimTransport>(network, p.host, names, [this, &p] { wake(p); });
    network.process_started(p.host, *p.transport);
  }
  void wake(Process& p) {
    if (p.awake) return;
    p.awake = true;
    time.after(10us, [this, &p] {
      p.awake = false;
      if (p.stopped || !p.transport) return;
      if (p.transport->poll(p.recorder, 100)) wake(p);
    });
  }
  void go_on(Process& p) {
    p.stopped = false;
    wake(p);
  }
  const Endpoint& address(const Process& p) const { return network.address(p.host); }
  /// Writes all of `text`, waiting for room as a driver does.
  std::size_t write(Process& p, ConnId conn, const std::string& text) {
    const Bytes bytes = Bytes::copy_of(std::string_view(text));
    return p.transport->write(conn, std::span(&bytes, 1));
  }
};

constexpr ConnId kDialled{1};
constexpr ConnId kAccepted{2};

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 31 % 26);
  return text;
}

}  // namespace

TEST_CASE("packets arrive late, get lost and come twice as the path says", "[sim]") {
  Pair net;
  net.network.set_default_path({.delay = 10ms, .jitter = 1ms, .loss = 0.3, .duplicate = 0.1});
  for (int i = 0; i < 2000; ++i) {
    net.a.transport->send_packet(net.address(net.b), Bytes::copy_of(std::string_view("x")));
    net.time.run_for(1ms);
  }
  net.time.run_for(100ms);
  // 2000 x 0.7 x 1.1 = 1540; five standard deviations are about 130.
  CHECK(net.b.recorder.packets.size() > 1400);
  CHECK(net.b.recorder.packets.size() < 1680);
}

TEST_CASE("packets overtake each other only where the path reorders", "[sim]") {
  for (const double share : {0.0, 0.3}) {
    Pair net;
    net.network.set_default_path({.delay = 1ms, .jitter = 0ms, .reorder = share, .reorder_delay = 5ms});
    for (int i = 0; i < 200; ++i) {
      net.a.transport->send_packet(net.address(net.b), Bytes::copy_of(std::to_string(1000 + i)));
      net.time.run_for(200us);
    }
    net.time.run_for(100ms);
    REQUIRE(net.b.recorder.packets.size() == 200);
    CHECK(std::is_sorted(net.b.recorder.packets.begin(), net.b.recorder.packets.end()) == (share == 0.0));
  }
}

TEST_CASE("a stream carries bytes in order through partial writes, small buffers and loss", "[sim]") {
  Pair net;
  net.network.set_default_path({.delay = 2ms, .jitter = 1ms, .loss = 0.05, .bandwidth = 10'000'000});
  net.network.set_limits({.send_buffer = 20000, .receive_buffer = 10000, .partial_io = 0.5});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(2s);
  REQUIRE(net.a.recorder.saw("connected 1"));
  REQUIRE(net.b.recorder.saw("accepted 2"));
  const std::string sent = pattern(300000);
  std::size_t done = 0;
  for (int i = 0; i < 5000 && done < sent.size(); ++i) {
    done += net.write(net.a, kDialled, sent.substr(done));
    net.time.run_for(20ms);
  }
  net.a.transport->close(kDialled, CloseMode::flush);
  net.time.run_for(30s);
  CHECK(done == sent.size());
  CHECK(net.b.recorder.read[kAccepted] == sent);
  CHECK(net.b.recorder.saw("closed: end of stream 2"));
  CHECK(net.a.recorder.saw("writable 1"));
  CHECK(net.network.connections() == 0);
}

TEST_CASE("batches beside a stream wait for nothing that was lost, and its end waits for them", "[sim]") {
  Pair net;
  net.network.set_default_path({.delay = 10ms, .jitter = 0ms, .loss = 0.3, .resend = 25ms});
  net.network.set_limits({.partial_io = 0, .batches = true});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(20s);
  REQUIRE(net.b.recorder.saw("accepted 2"));
  CHECK_FALSE(net.a.transport->batch_room(kDialled, 1));
  net.write(net.a, kDialled, "begin");
  net.time.run_for(5s);
  REQUIRE(net.a.transport->batch_room(kDialled, 5).value_or(0) > 0);
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back("batch " + std::to_string(1000 + i));
    net.a.transport->write_batch(kDialled, std::vector<Bytes>{Bytes::copy_of("batch "), Bytes::copy_of(std::to_string(1000 + i))});
    net.time.run_for(1ms);
  }
  CHECK_FALSE(net.a.transport->batches_arrived(kDialled));
  net.a.transport->close(kDialled, CloseMode::flush);
  net.time.run_for(5s);
  auto& came = net.b.recorder.batches;
  CHECK_FALSE(std::is_sorted(came.begin(), came.end()));
  std::sort(came.begin(), came.end());
  CHECK(came == sent);
  CHECK(net.b.recorder.saw("closed: end of stream 2"));
  CHECK(net.network.counters().batches == 100);
}

TEST_CASE("a cut path holds batches back until it heals, and room for them is bounded", "[sim]") {
  Pair net;
  net.network.set_default_path({.delay = 1ms, .jitter = 0ms});
  net.network.set_limits({.send_buffer = 10000, .partial_io = 0, .batches = true});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  net.network.cut(net.a.host, net.b.host, true);
  int written = 0;
  for (; net.a.transport->batch_room(kDialled, 0).value_or(0) > 0; ++written)
    net.a.transport->write_batch(kDialled, std::vector<Bytes>{Bytes::copy_of(pattern(3000))});
  CHECK(written == 4);
  net.time.run_for(10s);
  CHECK(net.b.recorder.batches.empty());
  CHECK_FALSE(net.a.recorder.saw("writable"));
  net.network.heal();
  net.time.run_for(1s);
  CHECK(net.b.recorder.batches == std::vector<std::string>(4, pattern(3000)));
  CHECK(net.a.recorder.saw("writable 1"));
  CHECK(net.a.transport->batches_arrived(kDialled));
}

TEST_CASE("bandwidth bounds how fast a stream is", "[sim]") {
  Pair net;
  net.network.set_default_path({.delay = 1ms, .jitter = 0ms, .bandwidth = 100'000});
  net.network.set_limits({.partial_io = 0});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  CHECK(net.write(net.a, kDialled, pattern(200000)) == 200000);
  net.time.run_for(1s);
  CHECK(net.b.recorder.read[kAccepted].size() <= 110000);
  net.time.run_for(1200ms);
  CHECK(net.b.recorder.read[kAccepted].size() == 200000);
}

TEST_CASE("a dial to a dead process is refused at once, to an absent machine only after two minutes", "[sim]") {
  Pair net;
  net.network.process_died(net.b.host);
  net.b.transport.reset();
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(50ms);
  CHECK(net.a.recorder.saw("closed: connection refused 1"));
  net.network.set_power(net.b.host, false);
  net.a.transport->dial(ConnId{3}, net.address(net.b));
  net.time.run_for(60s);
  CHECK_FALSE(net.a.recorder.saw("closed: no answer 3"));
  net.time.run_for(80s);
  CHECK(net.a.recorder.saw("closed: no answer 3"));
  CHECK(net.network.connections() == 0);
}

TEST_CASE("a cut swallows bytes silently and gives them back when it heals", "[sim]") {
  Pair net;
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  net.network.partition({{net.a.host}, {net.b.host}});
  net.write(net.a, kDialled, "held up");
  net.a.transport->send_packet(net.address(net.b), Bytes::copy_of(std::string_view("gone")));
  net.time.run_for(20s);
  CHECK(net.b.recorder.read[kAccepted].empty());
  CHECK_FALSE(net.a.recorder.saw("closed"));
  net.network.heal();
  net.time.run_for(21s);
  CHECK(net.b.recorder.read[kAccepted] == "held up");
  CHECK(net.b.recorder.packets.empty());
}

TEST_CASE("a stream stays in order when its path is cut while several segments and its end are under way", "[sim]") {
  // The path heals before the second segment, before the end of the stream, or when all that was under way is back.
  const Duration cut_for = GENERATE(Duration{8ms}, Duration{22ms}, Duration{1s});
  CAPTURE(to_seconds(cut_for));
  Pair net;
  net.network.set_limits({.partial_io = 0});
  net.network.set_default_path({.delay = 10ms, .jitter = 0ms, .bandwidth = 10'000'000});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  const std::string sent = pattern(200'000);  // four segments, 6.5 ms each
  REQUIRE(net.write(net.a, kDialled, sent) == sent.size());
  net.a.transport->close(kDialled, CloseMode::flush);
  net.time.run_for(12ms);
  net.network.partition({{net.a.host}, {net.b.host}});
  net.time.run_for(cut_for);
  net.network.heal();
  net.time.run_for(60s);
  const std::string& read = net.b.recorder.read[kAccepted];
  CHECK(read.size() == sent.size());
  CHECK(std::equal(read.begin(), read.end(), sent.begin(), sent.end()));
  CHECK(net.b.recorder.saw("closed: end of stream 2"));
}

TEST_CASE("a killed process ends its streams, and what it had written still arrives", "[sim]") {
  Pair net;
  net.network.set_limits({.partial_io = 0});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  net.write(net.a, kDialled, "last words");
  net.network.process_died(net.a.host);
  net.a.transport.reset();
  net.time.run_for(1s);
  CHECK(net.b.recorder.read[kAccepted] == "last words");
  CHECK(net.b.recorder.saw("closed: end of stream 2"));
}

TEST_CASE("a machine that lost power answers with a reset when it is back", "[sim]") {
  Pair net;
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  net.network.set_power(net.b.host, false);
  net.b.transport.reset();
  net.time.run_for(5s);
  CHECK_FALSE(net.a.recorder.saw("closed"));
  net.write(net.a, kDialled, "anybody there?");
  net.time.run_for(5s);
  CHECK_FALSE(net.a.recorder.saw("closed"));
  net.network.set_power(net.b.host, true);
  net.begin(net.b);
  net.time.run_for(25s);
  CHECK(net.a.recorder.saw("closed: connection reset 1"));
  CHECK(net.network.connections() == 0);
}

TEST_CASE("while a process is stopped its kernel takes bytes until its buffers are full", "[sim]") {
  Pair net;
  net.network.set_limits({.send_buffer = 1000, .receive_buffer = 3000, .packet_buffer = 50, .partial_io = 0});
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  net.b.stopped = true;
  std::size_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    taken += net.write(net.a, kDialled, std::string(200, 'z'));
    net.a.transport->send_packet(net.address(net.b), Bytes::copy_of(std::string_view("0123456789")));
    net.time.run_for(10ms);
  }
  CHECK(taken >= 3000);
  CHECK(taken <= 4000);
  CHECK(net.b.recorder.packets.empty());
  net.go_on(net.b);
  net.time.run_for(1s);
  CHECK(net.b.recorder.packets.size() == 5);
  CHECK(net.b.recorder.read[kAccepted].size() == taken);
  CHECK(net.a.recorder.saw("writable 1"));
}

TEST_CASE("a stopped process accepts only as many dials as its backlog holds", "[sim]") {
  Pair net;
  net.network.set_limits({.backlog = 3});
  net.b.stopped = true;
  for (std::uint64_t i = 0; i < 5; ++i) net.a.transport->dial(ConnId{2 * i + 1}, net.address(net.b));
  net.time.run_for(500ms);
  CHECK(std::count_if(net.a.recorder.events.begin(), net.a.recorder.events.end(),
                      [](const std::string& e) { return e.rfind("connected", 0) == 0; }) == 3);
  net.go_on(net.b);
  net.time.run_for(5s);
  CHECK(net.a.recorder.saw("connected 7"));
  CHECK(net.a.recorder.saw("connected 9"));
}

TEST_CASE("closing with unread bytes resets the far end", "[sim]") {
  Pair net;
  net.a.transport->dial(kDialled, net.address(net.b));
  net.time.run_for(1s);
  net.b.transport->pause_reading(kAccepted, true);
  net.write(net.a, kDialled, "nobody reads this");
  net.time.run_for(1s);
  CHECK(net.b.recorder.read[kAccepted].empty());
  net.b.transport->close(kAccepted, CloseMode::flush);
  net.time.run_for(1s);
  CHECK(net.a.recorder.saw("closed: connection reset 1"));
  CHECK_FALSE(net.b.recorder.saw("closed"));
}

TEST_CASE("names resolve from the table, literals by themselves, others to nothing", "[sim]") {
  Pair net;
  net.names["db"] = *Endpoint::parse("10.9.9.9:1");
  for (const char* name : {"db:77", "10.0.0.2", "nowhere"}) net.a.transport->resolve(*HostPort::parse(name));
  net.time.run_for(1s);
  CHECK(net.a.recorder.events == std::vector<std::string>{"resolved 1", "resolved 1", "resolved 0"});
}

TEST_CASE("the same seed gives the same trace, another seed another", "[sim]") {
  auto hash_of = [](std::uint64_t seed) {
    SimTime time;
    Trace trace;
    SimNetwork network{time, trace, Rng{seed}};
    HostNames names;
    network.set_default_path({.loss = 0.2});
    const HostId a = network.add_host(*Endpoint::parse("10.0.0.1:1"));
    const HostId b = network.add_host(*Endpoint::parse("10.0.0.2:1"));
    SimTransport from{network, a, names, [] {}};
    SimTransport to{network, b, names, [] {}};
    network.process_started(a, from);
    network.process_started(b, to);
    for (int i = 0; i < 50; ++i) from.send_packet(network.address(b), Bytes::copy_of(std::to_string(i)));
    time.run_for(1s);
    return trace.hash();
  };
  CHECK(hash_of(1) == hash_of(1));
  CHECK(hash_of(1) != hash_of(2));
}
