// Links at the edges: crossed dials, strangers, limits. One end is a node, the other often spoken by hand.
#include <string>

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
const Endpoint kNode = *Endpoint::parse("10.0.0.1:7946");

frame::Hello hello_of(std::string name, InstanceId instance) {
  return {.name = std::move(name), .instance = instance};
}
}  // namespace

TEST_CASE("crossed dials leave one link, whoever has the smaller instance", "[link]") {
  const bool first_smaller = GENERATE(true, false);
  const Duration latency = GENERATE(1ms, 7ms, 40ms);
  TestCluster cluster;
  cluster.net.latency = latency;
  cluster.add("a", {}, InstanceId{first_smaller ? 10U : 20U});
  cluster.add("b", {}, InstanceId{first_smaller ? 20U : 10U});
  REQUIRE(cluster.settle(1));
  cluster.run_for(5s);
  for (int i = 0; i < 2; ++i) {
    const auto links = cluster[static_cast<std::size_t>(i)].snapshot()->links;
    REQUIRE(links.size() == 1);
    CHECK(links[0].state == LinkState::up);
  }
  CHECK(cluster[0].snapshot()->links[0].outbound != cluster[1].snapshot()->links[0].outbound);
  cluster[0].publish("m");
  cluster.run_for(1s);
  CHECK(cluster[1].messages.size() == 1);
  cluster.check_invariants();
}

TEST_CASE("a link of another cluster is refused and counted", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a", [](Config& c) { c.cluster = "blue"; });
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  REQUIRE(raw.connected);
  raw.write(wire::preface());
  frame::Hello hello = hello_of("x", InstanceId{5});
  hello.cluster = "red";
  raw.send(hello);
  cluster.run_for(100ms);
  REQUIRE(raw.first<frame::Bye>());
  CHECK(raw.first<frame::Bye>()->why == frame::Bye::Why::wrong_cluster);
  CHECK(a.snapshot()->tree.frames_rejected[FrameReject::wrong_label] == 1);
  cluster.run_for(5s);
  CHECK(raw.closed);
  CHECK(a.snapshot()->links.empty());
}

TEST_CASE("a stranger is heard out for a while, then told that it is not accepted", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(wire::preface());
  raw.send(hello_of("stranger", InstanceId{5}));
  cluster.run_for(1s);
  CHECK_FALSE(raw.closed);
  CHECK(raw.frames.empty());
  cluster.run_for(10s);
  REQUIRE(raw.first<frame::Bye>());
  CHECK(raw.first<frame::Bye>()->why == frame::Bye::Why::not_accepted);
  CHECK(raw.closed);
  CHECK(a.links().empty());
}

TEST_CASE("a stranger that says more than its greeting is closed", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(wire::preface());
  raw.send(frame::Prune{TreeId{1}});
  cluster.run_for(3s);
  CHECK(raw.closed);
  CHECK(a.snapshot()->tree.frames_rejected[FrameReject::unexpected] == 1);
}

TEST_CASE("a link with our own name or another version is refused", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(wire::preface());
  frame::Hello hello = hello_of("a", InstanceId{5});
  frame::Bye::Why why = frame::Bye::Why::not_accepted;
  SECTION("our name") {}
  SECTION("another version") {
    hello.name = "x";
    hello.version = 2;
    why = frame::Bye::Why::incompatible;
  }
  raw.send(hello);
  cluster.run_for(100ms);
  REQUIRE(raw.first<frame::Bye>());
  CHECK(raw.first<frame::Bye>()->why == why);
  CHECK(a.snapshot()->tree.frames_rejected[FrameReject::bad_hello] == 1);
}

TEST_CASE("a connection that does not greet is closed in time", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  SECTION("says nothing") { cluster.run_for(10ms); }
  SECTION("says only the preface") {
    cluster.run_for(10ms);
    raw.write(wire::preface());
  }
  cluster.run_for(4s);
  CHECK_FALSE(raw.closed);
  cluster.run_for(2s);
  CHECK(raw.closed);
  CHECK(a.snapshot()->transport.connections_refused == 1);
}

TEST_CASE("a connection that speaks neither protocol is closed at once", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(Bytes::copy_of("GET / HTTP/1.1\r\n\r\n"));
  cluster.run_for(100ms);
  CHECK(raw.closed);
  CHECK(a.snapshot()->tree.frames_rejected[FrameReject::malformed] == 1);
}

TEST_CASE("half-open connections are bounded", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a", [](Config& c) { c.link.half_open_max = 4; });
  MemoryHost& host = cluster.net.add_host("10.0.0.9:7946");
  struct Crowd final : LoopEvents, TransportEvents {
    std::set<std::uint64_t> closed;
    std::array<std::byte, 64> buffer{};
    void on_timer() override {}
    void on_deferred() override {}
    void on_packet(const Endpoint&, BytesView) override {}
    void on_connected(ConnId) override {}
    void on_accepted(ConnId, const Endpoint&) override {}
    std::span<std::byte> read_buffer(ConnId) override { return buffer; }
    void on_read(ConnId, std::size_t) override {}
    void on_writable(ConnId) override {}
    void on_closed(ConnId id, const Error&) override { closed.insert(static_cast<std::uint64_t>(id)); }
    void on_resolved(const HostPort&, const std::vector<Endpoint>&) override {}
  } crowd;
  host.attach(crowd);
  for (std::uint64_t i = 0; i < 10; ++i) host.dial(ConnId{i * 2 + 1}, kNode);
  cluster.run_for(100ms);
  CHECK(crowd.closed.size() == 6);
  CHECK(a.snapshot()->transport.connections_refused == 6);
  // Who says nothing for a second gives way to who comes.
  cluster.run_for(1s);
  TestNode& b = cluster.add("b");
  REQUIRE(cluster.run_until([&] { return b.links() == std::vector<std::string>{"a"}; }, 2s));
  CHECK(crowd.closed.size() > 6);
  cluster.run_for(6s);
  CHECK(crowd.closed.size() == 10);
}

TEST_CASE("a member that is learned late is accepted while it waits", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(wire::preface());
  raw.send(hello_of("b", InstanceId{77}));
  cluster.run_for(1s);
  REQUIRE(raw.frames.empty());
  cluster.add("b", {}, InstanceId{77});
  REQUIRE(cluster.run_until([&] { return raw.first<frame::Hello>() != nullptr; }, 2s));
  CHECK(raw.first<frame::Hello>()->name == "a");
  CHECK(raw.first<frame::Hello>()->instance == a.snapshot()->instance);
}

TEST_CASE("bytes after the end of a link are dropped, not kept", "[link]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  MemoryHost& host = cluster.net.add_host("10.0.0.9:7946");
  host.window = 64 << 20;
  RawPeer raw{host};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(wire::preface());
  raw.write(Bytes::copy_of(std::string(8 << 20, '\xff')));
  cluster.run_for(3s);
  CHECK(raw.closed);
  CHECK(a.snapshot()->tree.frames_rejected.total() == 1);
}

TEST_CASE("a neighbour that breaks the protocol is closed and backed off from", "[link]") {
  TestCluster cluster;
  cluster.add_many(2);
  REQUIRE(cluster.settle(1));
  TestNode& a = cluster[0];
  const auto up_events = a.peers.size();
  // Somebody claims to be b, from b's host, on a new connection: it replaces or is refused, then sends rubbish.
  const InstanceId b = cluster[1].snapshot()->instance;
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(kNode);
  cluster.run_for(10ms);
  raw.write(wire::preface());
  raw.send(hello_of("b", b));
  cluster.run_for(10ms);
  raw.write(Bytes::copy_of(std::string("\x00\x00\x00\x02\xff\xff", 6)));
  cluster.run_for(10s);
  CHECK(raw.closed);
  CHECK(a.snapshot()->tree.frames_rejected[FrameReject::malformed] >= 1);
  REQUIRE(cluster.settle(1));
  CHECK(a.peers.size() >= up_events);
  cluster[0].publish("still here");
  cluster.run_for(6s);
  CHECK(cluster[1].messages.size() == 1);
  cluster.check_invariants();
}

TEST_CASE("a silent neighbour is dropped after idle_timeout", "[link]") {
  TestCluster cluster;
  cluster.add_many(3);
  REQUIRE(cluster.settle(2));
  // Only the streams between a and b are cut: membership, by way of c and packets, still holds both alive.
  cluster.net.kill(cluster[1].host, false);
  auto gone = std::move(cluster.nodes[1]);
  cluster.nodes.erase(cluster.nodes.begin() + 1);
  cluster.run_for(16s);
  CHECK(cluster[0].links() == std::vector<std::string>{"c"});
  CHECK(cluster[1].links() == std::vector<std::string>{"a"});
  cluster.check_invariants();
}
