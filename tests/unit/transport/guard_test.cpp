// Who is kept out: blocks, the graylist, addresses that open too many connections.
#include "transport/guard.hpp"

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {
Endpoint spot(const char* text) { return *Endpoint::parse(text); }
}  // namespace

TEST_CASE("blocks are of addresses, networks, names and identities, and each keeps its kind out", "[guard]") {
  Guard guard;
  const Timestamp now{0};
  CHECK(guard.block("10.0.0.3", {}, now).value() == "10.0.0.3/32");
  CHECK(guard.block("10.1.0.0/16", {}, now).value() == "10.1.0.0/16");
  CHECK(guard.block("fd00::1", {}, now).value() == "fd00::1/128");
  CHECK(guard.block("[fd00::2]", {}, now).value() == "fd00::2/128");
  CHECK(guard.block("name:mad", {}, now).value() == "name:mad");
  CHECK(guard.block("identity:plumvine://blue/eve", {}, now).value() == "identity:plumvine://blue/eve");
  CHECK(guard.blocks(spot("10.0.0.3:99"), Blocked::packet, now) != nullptr);
  CHECK(guard.blocks(spot("10.1.200.3:99"), Blocked::packet, now) != nullptr);
  CHECK(guard.blocks(spot("10.0.0.4:99"), Blocked::packet, now) == nullptr);
  CHECK(guard.blocks(spot("[fd00::2]:1"), Blocked::connection, now) != nullptr);
  CHECK(guard.blocks_name("mad", Blocked::link, now) != nullptr);
  CHECK(guard.blocks_name("eve", Blocked::link, now) == nullptr);
  CHECK(guard.blocks_identity({"bob", "eve"}, Blocked::connection, now) != nullptr);
  CHECK(guard.blocks_identity({"mad"}, Blocked::connection, now) == nullptr);
  CHECK(guard.blocked()[Blocked::packet] == 2);
  CHECK(guard.blocked()[Blocked::connection] == 2);
  CHECK(guard.block_infos(now)[0].refused == 1);
  for (const char* bad : {"", "10.0.0.300", "host.example", "name:", "identity:", "identity:plumvine://blue", "10.0.0.0/40"}) {
    INFO(bad);
    const auto refused = guard.block(bad, {}, now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::invalid_argument);
  }
  CHECK(guard.unblock("10.0.0.3").value() == "10.0.0.3/32");
  CHECK(guard.blocks(spot("10.0.0.3:99"), Blocked::packet, now) == nullptr);
  CHECK(guard.unblock("10.0.0.3").error().code == Errc::not_found);
}

TEST_CASE("a block ends when its time is over, and another order moves its end", "[guard]") {
  Guard guard;
  const Timestamp now{0};
  REQUIRE(guard.block("name:x", 10s, now));
  REQUIRE(guard.block("name:y", {}, now));
  CHECK(guard.next(now) == now + 10s);
  CHECK(guard.blocks_name("x", Blocked::link, now + 9s) != nullptr);
  CHECK(guard.blocks_name("x", Blocked::link, now + 10s) == nullptr);
  REQUIRE(guard.block("name:x", 60s, now + 5s));
  CHECK(guard.block_infos(now + 5s).size() == 2);
  CHECK(guard.expire(now + 64s).empty());
  CHECK(guard.expire(now + 65s) == std::vector<std::string>{"name:x"});
  CHECK(guard.orders(now + 65s).size() == 1);
  CHECK_FALSE(guard.orders(now + 65s)[0].left);
  CHECK_FALSE(guard.block("name:z", Duration{0}, now));
}

TEST_CASE("blocks are bounded", "[guard]") {
  Guard guard;
  for (std::size_t i = 0; i < Guard::kBlocksMax; ++i) REQUIRE(guard.block("name:" + std::to_string(i), {}, {}));
  CHECK(guard.block("name:one too many", {}, {}).error().code == Errc::limit_reached);
  CHECK(guard.block("name:7", 5s, {}));
}

TEST_CASE("the graylist doubles its time up to an hour, and forgives after one", "[guard]") {
  Guard guard;
  Timestamp now{0};
  CHECK(guard.punish("mad", "10.0.0.9:1", "malformed", 30s, now) == 30s);
  CHECK(guard.is_gray("mad", now + 29s));
  CHECK_FALSE(guard.is_gray("mad", now + 30s));
  CHECK_FALSE(guard.is_gray("sane", now));
  CHECK(guard.punish("mad", "10.0.0.9:1", "rate", 30s, (now = now + 40s)) == 60s);
  CHECK(guard.punish("mad", "10.0.0.9:1", "rate", 30s, (now = now + 100s)) == 120s);
  const auto list = guard.graylist(now);
  REQUIRE(list.size() == 1);
  CHECK(list[0].peer == "mad");
  CHECK(list[0].times == 3);
  CHECK(list[0].reason == "rate");
  CHECK(list[0].left_s == 120);
  for (int i = 0; i < 20; ++i) CHECK(guard.punish("mad", "", "rate", 30s, (now = now + 100s)) <= Guard::kGrayMax);
  CHECK(guard.graylist(now)[0].left_s == 3600);
  CHECK(guard.punish("mad", "", "rate", 30s, (now = now + std::chrono::hours{3})) == 30s);
  for (int i = 0; i < 1000; ++i) guard.punish("m" + std::to_string(i), "", "rate", 30s, now);
  CHECK(guard.graylist(now).size() == Guard::kGrayEntriesMax);
}

TEST_CASE("one address opens so many connections in a second, others and this machine are not touched", "[guard]") {
  Guard guard;
  Timestamp now{0};
  int taken = 0;
  for (int i = 0; i < 5000; ++i) taken += guard.admits(spot("10.0.0.9:1"), 100, now) ? 1 : 0;
  CHECK(taken == 500);
  CHECK(guard.admits(spot("10.0.0.8:1"), 100, now));
  for (int i = 0; i < 5000; ++i) REQUIRE(guard.admits(spot("127.0.0.1:1"), 100, now));
  now = now + 1s;
  taken = 0;
  for (int i = 0; i < 5000; ++i) taken += guard.admits(spot("10.0.0.9:1"), 100, now) ? 1 : 0;
  CHECK(taken == 100);
  for (int i = 0; i < 5000; ++i) REQUIRE(guard.admits(spot("10.0.0.9:1"), 0, now));
}

TEST_CASE("a blocked member loses its link, its packets and its broadcasts, until the block is taken back", "[guard]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  TestNode& b = cluster.add("b");
  TestNode& c = cluster.add("c");
  REQUIRE(cluster.settle(2));
  REQUIRE(a.driver->block("name:c", {}));
  CHECK(a.logged("warn node PV1512 Blocked by an operator here: name:c"));
  cluster.run_for(5s);
  CHECK(a.links() == std::vector<std::string>{"b"});
  CHECK(b.links() == std::vector<std::string>{"a", "c"});
  a.messages.clear();
  c.publish("from c");
  b.publish("from b");
  cluster.run_for(5s);
  CHECK(a.texts() == std::vector<std::string>{"from b"});
  CHECK(a.snapshot()->transport.blocked[Blocked::broadcast] == 1);
  CHECK(a.snapshot()->transport.blocked[Blocked::link] > 0);
  REQUIRE(a.driver->unblock("name:c"));
  CHECK(cluster.run_until([&] { return a.links().size() == 2; }, 60s));
  c.publish("again");
  cluster.run_for(5s);
  CHECK(a.texts() == std::vector<std::string>{"from b", "again"});
  CHECK(a.driver->unblock("name:c").error().code == Errc::not_found);
}

TEST_CASE("a blocked address is not heard, and may come back when the time is over", "[guard]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a");
  TestNode& b = cluster.add("b");
  REQUIRE(cluster.settle(1));
  REQUIRE(a.driver->block(b.host.address().host(), 20s));
  CHECK(a.links().empty());
  CHECK_FALSE(a.driver->admits(b.host.address()));
  cluster.run_for(10s);
  CHECK(a.links().empty());
  CHECK(a.snapshot()->transport.blocked[Blocked::packet] > 0);
  CHECK(a.snapshot()->blocks.size() == 1);
  cluster.run_for(15s);
  CHECK(a.snapshot()->blocks.empty());
  CHECK(a.logged("No longer blocked, its time is over"));
  CHECK(cluster.run_until([&] { return a.links().size() == 1 && b.links().size() == 1; }, 120s));
}

namespace {

/// A member that runs our software and also writes whatever it likes on its connections.
struct MadMember final : LoopEvents, TransportEvents {
  TestNode& node;
  Driver& driver;
  std::vector<ConnId> conns;
  explicit MadMember(TestNode& n) : node(n), driver(*n.driver) { node.host.attach(*this); }

  void send(const Frame& frame, int times = 1) {
    const wire::Encoded encoded = wire::encode(frame);
    for (const ConnId conn : conns) {
      for (int i = 0; i < times; ++i) {
        node.host.write(conn, std::span{&encoded.head, 1});
        if (!encoded.payload.empty()) node.host.write(conn, std::span{&encoded.payload, 1});
      }
    }
  }
  void write(const Bytes& bytes) {
    for (const ConnId conn : conns) node.host.write(conn, std::span{&bytes, 1});
  }

  /// Beside the stream, in one piece.
  void write_batch(const Bytes& bytes) {
    for (const ConnId conn : conns) node.host.write_batch(conn, std::span{&bytes, 1});
  }

  void on_timer() override { driver.on_timer(); }
  void on_deferred() override { driver.on_deferred(); }
  void on_packet(const Endpoint& from, BytesView packet) override { driver.on_packet(from, packet); }
  void on_connected(ConnId conn) override {
    conns.push_back(conn);
    driver.on_connected(conn);
  }
  void on_accepted(ConnId conn, const Endpoint& from) override {
    conns.push_back(conn);
    driver.on_accepted(conn, from);
  }
  std::span<std::byte> read_buffer(ConnId conn) override { return driver.read_buffer(conn); }
  void on_read(ConnId conn, std::size_t bytes) override { driver.on_read(conn, bytes); }
  void on_batch(ConnId conn, Bytes batch) override { driver.on_batch(conn, std::move(batch)); }
  void on_writable(ConnId conn) override { driver.on_writable(conn); }
  void on_closed(ConnId conn, const Error& why) override {
    std::erase(conns, conn);
    driver.on_closed(conn, why);
  }
  void on_resolved(const HostPort& name, const std::vector<Endpoint>& found) override { driver.on_resolved(name, found); }
};

/// A greeting where there was one.
const frame::Hello kSecondHello{.name = "x", .instance = InstanceId{7}};

/// Four honest members, `a` publishing all the while, and one that does `mischief` each tenth of a second. The honest ones must deliver
/// everything once, keep each other alive, and name the fifth.
void expect_harmless(const std::function<void(MadMember&, TestNode& publisher, int round)>& mischief, bool named, SignOrigins sign = SignOrigins::off) {
  TestCluster cluster;
  const auto signs = [sign](Config& config) { config.tree.sign_origins = sign; };
  for (const char* name : {"a", "b", "c", "d"}) cluster.add(name, signs);
  TestNode& mad_node = cluster.add("mad", signs);
  MadMember mad(mad_node);
  REQUIRE(cluster.settle(4));
  cluster.run_for(25s);  // fresh members take over each other's starts until then
  TestNode& a = cluster[0];
  std::vector<std::string> expected;
  for (int round = 0; round < 100; ++round) {
    mischief(mad, a, round);
    expected.push_back("message " + std::to_string(round));
    a.publish(expected.back());
    cluster.run_for(100ms);
  }
  cluster.run_for(30s);
  a.publish("last");
  expected.emplace_back("last");
  cluster.run_for(5s);
  for (std::size_t i = 1; i < 4; ++i) {
    INFO("member " << i);
    std::vector<std::string> of_a;
    for (const auto& [id, text] : cluster[i].messages)
      if (text.starts_with("message ") || text == "last") of_a.push_back(text);
    if (sign == SignOrigins::require) {
      CHECK(std::none_of(cluster[i].messages.begin(), cluster[i].messages.end(), [](const auto& one) { return one.second == "forged"; }));
      CHECK(cluster[i].logged("warn tree PV1310 Refusing broadcast "));
      CHECK(cluster[i].snapshot()->tree.origins_refused[OriginRefused::bad_signature] > 0);
    }
    std::sort(of_a.begin(), of_a.end());
    auto wanted = expected;
    std::sort(wanted.begin(), wanted.end());
    CHECK(of_a == wanted);
    CHECK(std::none_of(cluster[i].lost.begin(), cluster[i].lost.end(), [&](const LostEvent& lost) { return lost.origin == "a"; }));
    const auto snapshot = cluster[i].snapshot();
    for (const MemberInfo& member : snapshot->members)
      if (member.member.name != "mad") CHECK(member.member.state == MemberState::alive);
    const auto links = cluster[i].links();
    for (const char* honest : {"a", "b", "c", "d"})
      if (snapshot->name != honest) CHECK(std::count(links.begin(), links.end(), honest) == 1);
    if (named) {
      REQUIRE(snapshot->graylist.size() == 1);
      CHECK(snapshot->graylist[0].peer == "mad");
      CHECK(snapshot->transport.graylisted > 0);
      CHECK(cluster[i].logged("warn link PV1226 Member mad at "));
    }
  }
}

}  // namespace

TEST_CASE("a member that floods control frames harms nobody and is named", "[guard]") {
  expect_harmless([](MadMember& mad, TestNode&, int) { mad.send(frame::Prune{}, 6000); }, true);
}

TEST_CASE("a member that breaks the rules of links harms nobody and is named", "[guard]") {
  expect_harmless([](MadMember& mad, TestNode&, int) { mad.send(kSecondHello, 4); }, true);
}

TEST_CASE("a member that sends something else than payloads beside its streams harms nobody and is named", "[guard]") {
  expect_harmless([](MadMember& mad, TestNode&, int) { mad.write_batch(wire::encode(frame::Prune{}).head); }, true);
}

TEST_CASE("a member that sends noise beside its streams harms nobody and is named", "[guard]") {
  expect_harmless([](MadMember& mad, TestNode&, int) { mad.write_batch(Bytes::copy_of(std::string(64, '\xff'))); }, true);
}

TEST_CASE("a member that sends what cannot be read harms nobody and is named", "[guard]") {
  expect_harmless([](MadMember& mad, TestNode&, int) { mad.write(Bytes::copy_of(std::string(64, '\xff'))); }, true);
}

TEST_CASE("a member that forges origins and jumps harms nobody and is named", "[guard]") {
  expect_harmless(
      [](MadMember& mad, TestNode& publisher, int round) {
        frame::IHave ihave;
        const InstanceId of = publisher.snapshot()->instance;
        ihave.ids = {{of, {{static_cast<Sequence>(1000 + round * 100), Sequence{1} << (20 + round % 42)}}}};
        mad.send(ihave);
        frame::Gossip forged;
        forged.topic = "t";
        forged.origin = "nobody";
        forged.payload = Bytes::copy_of(std::string("forged"));
        for (std::uint64_t i = 0; i < 50; ++i) {
          forged.id = {frame::publisher_of(InstanceId{mix64(static_cast<std::uint64_t>(round) * 1000 + i + 1'000'000)}), 1};
          forged.round = 1;
          mad.send(forged);
        }
      },
      true);
}

TEST_CASE("a member that makes broadcasts in another's name is believed by nobody and is named where origins sign", "[guard][origins]") {
  expect_harmless(
      [](MadMember& mad, TestNode& publisher, int round) {
        // It knows a's instance and what it will publish next; it has a key of its own, and what a signed before.
        const Signer liar("a", 250, 7, "");
        const InstanceId of = publisher.snapshot()->instance;
        frame::Gossip forged;
        forged.topic = "t";
        forged.origin = "a";
        forged.round = 1;
        forged.id = {of, publisher.sequence + 1};
        forged.payload = Bytes::copy_of(std::string("forged"));
        mad.send(forged);
        mad.send(liar.sign(forged, 1));
        mad.send(liar.message(static_cast<Sequence>(round + 1), 1, "forged"));
        forged.origin = "mad";
        mad.send(liar.sign(forged, 1));
      },
      true, SignOrigins::require);
}

TEST_CASE("members learn each other's keys from metadata, and forget them with the name", "[guard][origins]") {
  TestCluster cluster;
  const auto signs = [](Config& config) { config.tree.sign_origins = SignOrigins::require; };
  for (const char* name : {"a", "b", "c"}) cluster.add(name, signs);
  REQUIRE(cluster.settle(2));
  CHECK(cluster[0].snapshot()->tree.origin_keys == 3);
  cluster[1].publish("hello");
  REQUIRE(cluster.run_until([&] { return cluster[0].texts().size() == 1 && cluster[2].texts().size() == 1; }, 10s));
  CHECK(cluster[0].snapshot()->tree.origins_refused.total() == 0);
  cluster[1].driver->leave();
  REQUIRE(cluster.run_until([&] { return cluster[1].leaves_done == 1; }, 20s));
  cluster.run_for(3s);
  CHECK(cluster[0].driver->forget("b"));
  cluster.run_for(3s);
  CHECK(cluster[0].snapshot()->tree.origin_keys == 2);
  CHECK(cluster[2].snapshot()->tree.origin_keys == 2);
}

TEST_CASE("who is on the graylist may link again when its time is over", "[guard]") {
  TestCluster cluster;
  cluster.add_many(2);
  TestNode& mad_node = cluster.add("mad");
  MadMember mad(mad_node);
  REQUIRE(cluster.settle(2));
  mad.send(kSecondHello, 20);
  cluster.run_for(2s);
  CHECK(cluster[0].links() == std::vector<std::string>{"b"});
  CHECK(cluster[0].snapshot()->graylist.at(0).left_s > 20);
  cluster.run_for(20s);
  CHECK(cluster[0].links() == std::vector<std::string>{"b"});
  CHECK(cluster.run_until([&] { return cluster[0].links().size() == 2; }, 60s));
  mad.send(kSecondHello, 20);
  cluster.run_for(2s);
  CHECK(cluster[0].snapshot()->graylist.at(0).times == 2);
  CHECK(cluster[0].snapshot()->graylist.at(0).left_s > 50);
}
