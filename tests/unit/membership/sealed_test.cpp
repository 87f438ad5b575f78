// Members with keys: who gets in, what is counted, how keys change and a cluster gets its first one.
#include <catch2/catch.hpp>

#include "cluster.hpp"
#include "transport/crypto/gnutls_aead.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

Bytes key_of(char fill, std::size_t size = 32) { return Bytes::copy_of(std::string(size, fill)); }
std::shared_ptr<Keyring> ring_of(const std::vector<Bytes>& keys) { return make_keyring(keys).value(); }

}  // namespace

TEST_CASE("members with one key form a cluster, whatever its length", "[swim][sealed]") {
  const std::size_t size = GENERATE(16, 24, 32);
  Cluster c(5);
  c.keyring = ring_of({key_of('k', size)});
  if (size == 24) c.label = "blue";
  c.start_all();
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  c.kill(3);
  CHECK(c.run_until(60s, [&] { return c.everyone_says(3, MemberState::dead); }));
  for (const std::size_t i : {0, 1, 2, 4}) {
    CHECK(c.node(i).stats().rejected.total() == 0);
    CHECK(c.node(i).stats().plaintext_frames == 0);
  }
}

TEST_CASE("sealed datagrams keep to the size that is configured", "[swim][sealed]") {
  SwimConfig config;
  config.enable_compression = false;
  Cluster c(60, 1, config);
  c.keyring = ring_of({key_of('k')});
  c.start_all();
  REQUIRE(c.run_until(30s, [&] { return c.one_view(); }));
  // memberlist's budget passes over the checksum and the length of the first message.
  CHECK(c.packet_bytes_max <= config.udp_buffer_size + 7);
  CHECK(c.packet_bytes_max > 1000);
}

TEST_CASE("who has another key or none is alone, and counted by reason", "[swim][sealed]") {
  Cluster c(5);
  c.keyring = ring_of({key_of('k')});
  for (const std::size_t i : {0, 1, 2}) c.start(i, {0});
  c.keyring = ring_of({key_of('x')});
  c.start(3, {0});
  c.keyring = nullptr;
  c.start(4, {0});
  c.run(60s);
  for (const std::size_t i : {0, 1, 2}) {
    for (const std::size_t j : {0, 1, 2}) CHECK(c.state(i, j) == MemberState::alive);
    for (const std::size_t j : {3, 4}) {
      CHECK(c.state(i, j) == std::nullopt);
      CHECK(c.state(j, i) == std::nullopt);
    }
  }
  CHECK_FALSE(c.node(3).joined());
  CHECK_FALSE(c.node(4).joined());
  const SwimStats& seed = c.node(0).stats();
  CHECK(seed.rejected[PacketReject::undecryptable] > 0);  // node 3
  CHECK(seed.rejected[PacketReject::plaintext] > 0);      // node 4
  CHECK(seed.plaintext_frames == seed.rejected[PacketReject::plaintext]);
  CHECK(std::any_of(c.logs(0).begin(), c.logs(0).end(), [](const LogRecord& r) { return r.code == "PV1120"; }));
  // The error reply is sealed with the seed's key, so node 4 sees an envelope that it cannot open.
  CHECK(c.node(4).stats().rejected[PacketReject::encrypted] > 0);
}

TEST_CASE("a key is changed under a running cluster without anybody noticing", "[swim][sealed]") {
  Cluster c(4);
  const Bytes old_key = key_of('o', 16), new_key = key_of('n');
  std::vector<std::shared_ptr<Keyring>> rings;
  for (std::size_t i = 0; i < 4; ++i) {
    rings.push_back(c.keyring = ring_of({old_key}));
    c.start(i, {0});
  }
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  for (auto& ring : rings) {
    CHECK(ring->add(new_key));
    c.run(2s);
  }
  for (auto& ring : rings) {
    CHECK(ring->use(new_key));
    c.run(2s);
  }
  for (auto& ring : rings) {
    CHECK(ring->remove(old_key));
    c.run(2s);
  }
  c.run(30s);
  CHECK(c.one_view());
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(c.node(i).stats().rejected.total() == 0);
    CHECK(c.node(i).stats().suspicions == 0);
  }
}

TEST_CASE("a cluster in clear gets a key by three rounds of restarts", "[swim][sealed]") {
  // Plain members; then a key that is neither sent nor asked for; then sent; then asked for.
  SwimConfig config;
  config.gossip_verify_incoming = config.gossip_verify_outgoing = false;
  Cluster c(4, 1, config);
  const auto ring = ring_of({key_of('k')});
  c.start_all();
  REQUIRE(c.run_until(5s, [&] { return c.one_view(); }));
  const auto round = [&](bool outgoing, bool incoming) {
    c.keyring = ring;
    c.reconfigure([=](SwimConfig& s) {
      s.gossip_verify_outgoing = outgoing;
      s.gossip_verify_incoming = incoming;
    });
    for (std::size_t i = 0; i < 4; ++i) {
      c.kill(i);
      c.start(i, {i == 0 ? std::size_t{1} : std::size_t{0}});
      CHECK(c.run_until(30s, [&] { return c.one_view(); }));
    }
  };
  round(false, false);
  CHECK(c.node(0).stats().plaintext_frames > 0);
  round(true, false);
  round(true, true);
  c.run(10s);
  const auto before = c.node(0).stats().plaintext_frames;
  c.run(30s);
  CHECK(c.node(0).stats().plaintext_frames == before);
  CHECK(c.node(0).stats().rejected.total() == 0);
}
