// Whom certificates name: the engine believes nobody else. The certificates themselves are tests/unit/tls.
#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// Between a host and its driver: everybody at the other end shows a certificate with these names.
struct Certified final : LoopEvents, TransportEvents {
  Driver& driver;
  std::vector<std::string> names;
  Certified(TestNode& node, std::vector<std::string> all) : driver(*node.driver), names(std::move(all)) { node.host.attach(*this); }

  void on_timer() override { driver.on_timer(); }
  void on_deferred() override { driver.on_deferred(); }
  void on_packet(const Endpoint& from, BytesView packet) override { driver.on_private_packet(from, packet); }
  void on_connected(ConnId conn) override {
    driver.on_identified(conn, names);
    driver.on_connected(conn);
  }
  void on_accepted(ConnId conn, const Endpoint& from) override {
    driver.on_accepted(conn, from);
    driver.on_identified(conn, names);
  }
  std::span<std::byte> read_buffer(ConnId conn) override { return driver.read_buffer(conn); }
  void on_read(ConnId conn, std::size_t bytes) override { driver.on_read(conn, bytes); }
  void on_writable(ConnId conn) override { driver.on_writable(conn); }
  void on_closed(ConnId conn, const Error& why) override { driver.on_closed(conn, why); }
  void on_resolved(const HostPort& name, const std::vector<Endpoint>& found) override { driver.on_resolved(name, found); }
};

std::uint64_t wrong_names(const TestNode& node) { return node.snapshot()->transport.tls.rejected[TlsReject::wrong_name]; }

}  // namespace

TEST_CASE("a link is made with whom the certificate names", "[identity]") {
  TestCluster cluster;
  cluster.tls = true;
  TestNode& a = cluster.add("a");
  const Certified at_a(a, {"x", "b"});
  TestNode& b = cluster.add("b");
  const Certified at_b(b, {"a"});
  REQUIRE(cluster.settle(1));
  CHECK(wrong_names(a) + wrong_names(b) == 0);
}

TEST_CASE("a member that was dialled and shows another's certificate gets no link", "[identity]") {
  TestCluster cluster;
  cluster.tls = true;
  TestNode& a = cluster.add("a", {}, InstanceId{10});
  const Certified at_a(a, {"mallory"});
  TestNode& b = cluster.add("b", {}, InstanceId{20});
  const Certified at_b(b, {"a"});
  cluster.run_for(20s);
  CHECK(a.links().empty());
  CHECK(b.links().empty());
  CHECK(wrong_names(a) > 0);
  CHECK(wrong_names(b) == 0);
  CHECK(a.logged("warn link PV1219 No connection to b at "));
  CHECK(a.logged("its certificate names mallory"));
}

TEST_CASE("who greets with a name that its certificate does not have is cut off", "[identity]") {
  TestCluster cluster;
  cluster.tls = true;
  TestNode& a = cluster.add("a");
  const Certified at_a(a, {"mallory"});
  const bool visits = GENERATE(false, true);
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(*Endpoint::parse("10.0.0.1:7946"));
  cluster.run_for(10ms);
  raw.write(wire::preface());
  const frame::Hello hello{.name = "b", .instance = InstanceId{5}};
  if (visits) raw.send(frame::Visit{hello});
  else raw.send(hello);
  cluster.run_for(100ms);
  CHECK(raw.closed);
  CHECK(wrong_names(a) == 1);
  CHECK(a.logged("it calls itself b, and its certificate names mallory"));
}

TEST_CASE("under TLS links need no key, and packets outside of it need one", "[identity]") {
  TestCluster cluster;
  cluster.tls = true;
  const auto keyed = [](Config& config) {
    config.encrypt = "MDEyMzQ1Njc4OWFiY2RlZg==";
    config.swim.gossip_verify_outgoing = false;  // as while a key is introduced
  };
  TestNode& a = cluster.add("a", keyed);
  const Certified at_a(a, {"b"});
  TestNode& b = cluster.add("b");  // no key yet: what it sends inside TLS is taken
  const Certified at_b(b, {"a"});
  CHECK(cluster.run_until([&] { return a.links().size() == 1 && b.links().size() == 1; }, 20s));
  CHECK(a.snapshot()->swim.plaintext_frames == 0);
  // The same packet outside of TLS is dropped.
  const std::uint64_t before = a.snapshot()->swim.rejected[PacketReject::plaintext];
  a.driver->on_packet(b.host.address(), as_bytes(std::string_view("\x08\x01", 2)));
  CHECK(a.snapshot()->swim.rejected[PacketReject::plaintext] == before + 1);
}

TEST_CASE("a TLS hello where TLS is off is told apart from other noise", "[identity]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(*Endpoint::parse("10.0.0.1:7946"));
  cluster.run_for(10ms);
  raw.write(Bytes::copy_of(std::string("\x16\x03\x01\x02\x00\x01", 6)));
  cluster.run_for(100ms);
  CHECK(raw.closed);
  CHECK(a.logged("warn link PV1225 "));
}
