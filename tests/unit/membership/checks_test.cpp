// Checks of the ways to a member, on an operator's word.
#include "membership/checks.hpp"

#include "cluster.hpp"
#include "transport/crypto/gnutls_aead.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// Node i checks n<j>; what it found.
ReachCheck check(Cluster& c, std::size_t i, std::size_t j) {
  c.checks(i).clear();
  c.with(i, [&](swim::Swim& swim) { REQUIRE(swim.check(Cluster::name(j), c.now())); });
  REQUIRE(c.run_until(2s, [&] { return !c.checks(i).empty(); }));
  return c.checks(i)[0];
}

}  // namespace

TEST_CASE("a check of a member that is well takes two round trips", "[checks]") {
  Cluster c = joined(3);
  const Timestamp begun = c.now();
  const ReachCheck found = check(c, 0, 1);
  CHECK(c.now() - begun < 100ms);
  CHECK(found.member == "n1");
  REQUIRE(found.udp);
  CHECK(*found.udp < 5ms);
  CHECK(found.tcp);
  CHECK(found.tcp_problem.empty());
  CHECK(found.heard);
}

TEST_CASE("packets that are lost in one direction only are heard at one end", "[checks]") {
  Cluster c = joined(2);
  c.packets_pass = [](std::size_t from, std::size_t to) { return !(from == 0 && to == 1); };
  c.with(1, [&](swim::Swim& swim) { REQUIRE(swim.check("n0", c.now())); });
  const ReachCheck here = check(c, 0, 1);
  CHECK(!here.udp);
  CHECK(here.tcp);
  CHECK(here.heard);  // n1 pings, too
  REQUIRE(c.run_until(2s, [&] { return !c.checks(1).empty(); }));
  CHECK(!c.checks(1)[0].udp);
  CHECK(c.checks(1)[0].tcp);
  CHECK(!c.checks(1)[0].heard);
}

TEST_CASE("a lost packet is no closed way", "[checks]") {
  Cluster c = joined(2);
  std::size_t dropped = 0;
  c.packets_pass = [&](std::size_t from, std::size_t) { return from != 0 || ++dropped > 1; };
  const ReachCheck found = check(c, 0, 1);
  CHECK(found.udp);
}

TEST_CASE("a check finds the largest packet that gets there", "[checks]") {
  Cluster c = joined(2);
  const ReachCheck open = check(c, 0, 1);
  CHECK(open.packet_bytes_tried == 1472);
  CHECK(open.packet_bytes == 1472);
  CHECK(c.packet_bytes_max == 1472);
  c.packet_fits = [](std::size_t from, std::size_t, std::size_t bytes) { return from != 0 || bytes <= 1280; };
  const ReachCheck narrow = check(c, 0, 1);
  CHECK(narrow.udp);
  CHECK(narrow.packet_bytes == 1232);
  CHECK(check(c, 1, 0).packet_bytes == 1472);  // the other way is open
}

TEST_CASE("the size of a padded packet is exact with a label and a key, too", "[checks]") {
  SwimConfig config;
  config.udp_buffer_size = 9000;
  config.enable_compression = true;
  Cluster c(2, 1, config);
  c.label = "blue";
  c.keyring = make_keyring({Bytes::copy_of(std::string(16, 'k'))}).value();
  c.start_all();
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  const ReachCheck found = check(c, 0, 1);
  CHECK(found.packet_bytes == 9000);
  CHECK(c.packet_bytes_max == 9000);
}

TEST_CASE("a check of a member that is gone says what failed, and changes nothing", "[checks]") {
  Cluster c = joined(3);
  c.kill(2);
  const ReachCheck gone = check(c, 0, 2);
  CHECK(!gone.udp);
  CHECK(!gone.tcp);
  CHECK(gone.tcp_problem == "it cannot be connected to");
  CHECK(!gone.heard);
  c.connected = [](std::size_t a, std::size_t b) { return a + b != 1; };
  const ReachCheck cut = check(c, 0, 1);
  CHECK(cut.tcp_problem == "connecting to it took too long");
}

TEST_CASE("checks are of members, and bounded", "[checks]") {
  Cluster c = joined(2);
  c.with(0, [&](swim::Swim& swim) {
    CHECK(swim.check("nobody", c.now()).error().code == Errc::not_found);
    CHECK(swim.check("n0", c.now()).error().code == Errc::invalid_argument);
    CHECK(swim.check("n1", c.now()));
    CHECK(swim.check("n1", c.now()));
  });
  REQUIRE(c.run_until(2s, [&] { return !c.checks(0).empty(); }));
  c.run(2s);
  CHECK(c.checks(0).size() == 1);

  Cluster many = joined(swim::Checks::kMax + 2);
  many.with(0, [&](swim::Swim& swim) {
    for (std::size_t i = 1; i <= swim::Checks::kMax; ++i) CHECK(swim.check(Cluster::name(i), many.now()));
    CHECK(swim.check(Cluster::name(swim::Checks::kMax + 1), many.now()).error().code == Errc::limit_reached);
  });
}
