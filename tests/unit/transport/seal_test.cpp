// Links under a keyring: the handshake, what does not open, and clusters of drivers with the right key, a wrong one, none.
#include "transport/link_seal.hpp"

#include "cluster.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

using Buffer = std::vector<std::byte>;

Bytes key_of(char fill) { return Bytes::copy_of(std::string(32, fill)); }
std::shared_ptr<Keyring> ring_of(const std::vector<Bytes>& keys) { return make_keyring(keys).value(); }

/// Both ends of one link.
struct Ends {
  LinkSeal dialler;
  LinkSeal acceptor;
  bool good = true;

  Ends(std::shared_ptr<Keyring> a, std::shared_ptr<Keyring> b, std::uint64_t rekey = LinkSeal::kRekeyRecords,
       std::uint64_t other = 0)
      : dialler(std::move(a), true, false, rekey), acceptor(std::move(b), false, false, other == 0 ? rekey : other) {
    Buffer text, answer, nothing;
    good = acceptor.receive(dialler.opening(), text, answer) && dialler.receive(answer, nothing, nothing);
    CHECK(as_text(text) == wire::preface().text());
    CHECK(dialler.ready());
    CHECK_FALSE(acceptor.ready());
  }
};

Bytes record(LinkSeal& from, std::string_view text) {
  const Bytes piece = Bytes::copy_of(text);
  return from.seal({&piece, 1});
}

/// What `to` makes of the bytes; nullopt if it refuses them.
std::optional<std::string> got(LinkSeal& to, BytesView bytes) {
  Buffer text, answer;
  if (!to.receive(bytes, text, answer)) return std::nullopt;
  CHECK(answer.empty());
  return std::string(as_text(text));
}

std::string key_text(char fill) { return format_key(key_of(fill).view()); }

}  // namespace

TEST_CASE("two ends with a common key understand each other, in pieces of any size", "[seal]") {
  Ends ends(ring_of({key_of('n'), key_of('o')}), ring_of({key_of('o'), key_of('n')}));
  REQUIRE(ends.good);
  const Bytes first = record(ends.dialler, "hello");
  CHECK(first.text().find("hello") == std::string_view::npos);
  CHECK(got(ends.acceptor, first.view()) == "hello");
  CHECK(ends.acceptor.ready());
  CHECK(ends.acceptor.secret() == key_of('n'));  // the dialler's primary
  const std::string large(200'000, 'x');
  const Bytes sealed = record(ends.acceptor, large);
  CHECK(sealed.size() == large.size() + 4 * LinkSeal::kRecordOverhead);
  std::string whole;
  for (std::size_t at = 0; at < sealed.size(); at += 7919) whole += got(ends.dialler, sealed.slice(at, 7919).view()).value_or("?");
  CHECK(whole == large);
  CHECK(got(ends.acceptor, record(ends.dialler, "again").view()) == "again");
}

TEST_CASE("records that were touched, repeated, swapped, cut out or reflected do not open", "[seal]") {
  const std::string how = GENERATE("touched", "repeated", "swapped", "cut out", "reflected", "too long", "empty");
  Ends ends(ring_of({key_of('k')}), ring_of({key_of('k')}));
  const Bytes first = record(ends.dialler, "one"), second = record(ends.dialler, "two"), third = record(ends.dialler, "three");
  INFO(how);
  if (how == "touched") {
    Buffer bytes(first.data(), first.data() + first.size());
    bytes[6] ^= std::byte{1};
    CHECK_FALSE(got(ends.acceptor, bytes));
    CHECK(ends.acceptor.failure() == FrameReject::undecryptable);
    CHECK_FALSE(got(ends.acceptor, first.view()));  // it is over
    return;
  }
  if (how == "swapped") {
    CHECK_FALSE(got(ends.acceptor, second.view()));
    return;
  }
  REQUIRE(got(ends.acceptor, first.view()) == "one");
  if (how == "repeated") CHECK_FALSE(got(ends.acceptor, first.view()));
  if (how == "cut out") CHECK_FALSE(got(ends.acceptor, third.view()));
  if (how == "reflected") CHECK_FALSE(got(ends.dialler, first.view()));
  if (how == "too long") {
    CHECK_FALSE(got(ends.acceptor, as_bytes(std::string_view("\0\x01\0\x11", 4))));
    CHECK(ends.acceptor.failure() == FrameReject::too_large);
  }
  if (how == "empty") {
    CHECK_FALSE(got(ends.acceptor, as_bytes(std::string_view("\0\0\0\x10", 4))));
    CHECK(ends.acceptor.failure() == FrameReject::malformed);
  }
}

TEST_CASE("each direction of a link gets a new key after so many records, and the old one opens nothing more",
          "[seal]") {
  Ends ends(ring_of({key_of('k')}), ring_of({key_of('k')}), 3);
  std::vector<Bytes> sealed;
  for (int i = 0; i < 20; ++i) {
    sealed.push_back(record(ends.dialler, "the same"));
    CHECK(got(ends.acceptor, sealed.back().view()) == "the same");
  }
  // Nonces begin again with each key: were it the same key, the fourth record would be the first.
  for (std::size_t i = 0; i < sealed.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(sealed[i] != sealed[j]);
  // The other direction counts for itself.
  CHECK(got(ends.dialler, record(ends.acceptor, "back").view()) == "back");
  CHECK_FALSE(got(ends.acceptor, sealed[0].view()));
  // Who goes on with the key from before understands nothing.
  Ends old(ring_of({key_of('k')}), ring_of({key_of('k')}), 3, 1000);
  for (int i = 0; i < 3; ++i) CHECK(got(old.acceptor, record(old.dialler, "x").view()) == "x");
  CHECK_FALSE(got(old.acceptor, record(old.dialler, "x").view()));
  CHECK(old.acceptor.failure() == FrameReject::undecryptable);
}

TEST_CASE("with an end of a version that never changes keys the first key stays", "[seal]") {
  const bool dialler_is_old = GENERATE(true, false);
  LinkSeal dialler(ring_of({key_of('k')}), true, false, dialler_is_old ? 0 : 3);
  LinkSeal acceptor(ring_of({key_of('k')}), false, false, dialler_is_old ? 3 : 0);
  Buffer text, answer, nothing;
  REQUIRE(acceptor.receive(dialler.opening(), text, answer));
  REQUIRE(dialler.receive(answer, nothing, nothing));
  for (int i = 0; i < 20; ++i) {
    CHECK(got(acceptor, record(dialler, "there").view()) == "there");
    CHECK(got(dialler, record(acceptor, "back").view()) == "back");
  }
  CHECK_FALSE(dialler.rekeys());
  CHECK_FALSE(acceptor.rekeys());
}

TEST_CASE("nobody on the way can keep two ends from changing keys", "[seal]") {
  LinkSeal dialler(ring_of({key_of('k')}), true, false, 3), acceptor(ring_of({key_of('k')}), false, false, 3);
  Buffer opening = dialler.opening(), text, answer, nothing;
  opening.back() ^= std::byte{1};  // the mark is the end of the random
  REQUIRE(acceptor.receive(opening, text, answer));
  REQUIRE(dialler.receive(answer, nothing, nothing));
  CHECK(dialler.rekeys());
  CHECK_FALSE(got(acceptor, record(dialler, "x").view()));
  CHECK(acceptor.failure() == FrameReject::undecryptable);
}

TEST_CASE("a recorded connection opens nothing on another one, and another key nothing at all", "[seal]") {
  Ends then(ring_of({key_of('k')}), ring_of({key_of('k')}));
  const Bytes recorded = record(then.dialler, "hello");
  const Buffer opening = then.dialler.opening();
  LinkSeal later(ring_of({key_of('k')}), false, false);
  Buffer text, answer;
  REQUIRE(later.receive(opening, text, answer));
  CHECK_FALSE(got(later, recorded.view()));
  Ends strangers(ring_of({key_of('a')}), ring_of({key_of('b'), key_of('c')}));
  CHECK_FALSE(got(strangers.acceptor, record(strangers.dialler, "hello").view()));
  CHECK(strangers.acceptor.failure() == FrameReject::undecryptable);
}

TEST_CASE("a link in clear is refused or taken as `gossip_verify_incoming` says", "[seal]") {
  const Bytes preface = wire::preface();
  LinkSeal strict(ring_of({key_of('k')}), false, false);
  CHECK_FALSE(got(strict, preface.view()));
  CHECK(strict.failure() == FrameReject::plaintext);
  LinkSeal lenient(ring_of({key_of('k')}), false, true);
  CHECK(got(lenient, preface.slice(0, 2).view()) == "");
  CHECK(got(lenient, preface.slice(2).view()) == preface.text());
  CHECK(lenient.in_clear());
  CHECK(got(lenient, as_bytes("more")) == "more");
  LinkSeal stranger(ring_of({key_of('k')}), false, true);
  CHECK_FALSE(got(stranger, as_bytes("\xd6xyz")));
}

TEST_CASE("nodes with one key link and deliver payloads of all sizes", "[seal]") {
  TestCluster cluster;
  for (const char* name : {"a", "b", "c"}) cluster.add(name, [](Config& c) { c.encrypt = key_text('k'); });
  REQUIRE(cluster.run_until([&] { return cluster[0].links().size() == 2 && cluster[1].ready() && cluster[2].ready(); }, 20s));
  const std::string secret = "a small one";
  cluster[0].publish(secret);
  cluster[1].publish(std::string(300'000, 'z'));
  REQUIRE(cluster.run_until([&] { return cluster[2].messages.size() == 2 && cluster[0].messages.size() == 1; }, 10s));
  CHECK(cluster[2].texts()[0].size() + cluster[2].texts()[1].size() == secret.size() + 300'000);
  for (auto& node : cluster.nodes) CHECK(node->snapshot()->tree.frames_rejected.total() == 0);
  cluster.check_invariants();
}

TEST_CASE("a node with another key or none links to nobody", "[seal]") {
  TestCluster cluster;
  cluster.add("a", [](Config& c) { c.encrypt = key_text('k'); });
  cluster.add("b", [](Config& c) { c.encrypt = key_text('k'); });
  cluster.add("wrong", [](Config& c) { c.encrypt = key_text('x'); });
  cluster.add("none");
  REQUIRE(cluster.run_until([&] { return cluster[0].links() == std::vector<std::string>{"b"}; }, 20s));
  cluster[0].publish("m");
  cluster.run_for(20s);
  CHECK(cluster[1].texts() == std::vector<std::string>{"m"});
  for (const std::size_t i : {2, 3}) {
    CHECK(cluster[i].links().empty());
    CHECK(cluster[i].messages.empty());
  }
  CHECK(cluster[0].links() == std::vector<std::string>{"b"});
}

TEST_CASE("a connection that greets in clear gets no answer where there is a key", "[seal]") {
  TestCluster cluster;
  TestNode& a = cluster.add("a", [](Config& c) { c.encrypt = key_text('k'); });
  RawPeer raw{cluster.net.add_host("10.0.0.9:7946")};
  raw.dial(*Endpoint::parse("10.0.0.1:7946"));
  cluster.run_for(10ms);
  REQUIRE(raw.connected);
  raw.write(wire::preface());
  cluster.run_for(100ms);
  CHECK(raw.closed);
  CHECK(a.snapshot()->tree.frames_rejected[FrameReject::plaintext] == 1);
  CHECK(a.logged("PV1213"));
}

TEST_CASE("keys change under live links, a link on a removed key is made anew", "[seal]") {
  TestCluster cluster;
  cluster.add("a", [](Config& c) { c.encrypt = key_text('o'); });
  cluster.add("b", [](Config& c) { c.encrypt = key_text('o'); });
  REQUIRE(cluster.run_until([&] { return cluster[0].links().size() == 1 && cluster[1].ready(); }, 20s));
  const auto both = [&](const std::vector<Bytes>& keys) {
    for (auto& node : cluster.nodes) CHECK(node->driver->set_keys(keys));
    cluster.run_for(1s);
  };
  both({key_of('o'), key_of('n')});
  both({key_of('n'), key_of('o')});
  const auto downs = [&] {
    return std::count_if(cluster[0].peers.begin(), cluster[0].peers.end(), [](const PeerEvent& e) { return e.kind == PeerEvent::Kind::down; });
  };
  CHECK(downs() == 0);
  both({key_of('n')});
  CHECK(downs() == 1);
  REQUIRE(cluster.run_until([&] { return cluster[0].links().size() == 1 && cluster[1].links().size() == 1; }, 20s));
  cluster[0].publish("m");
  CHECK(cluster.run_until([&] { return cluster[1].messages.size() == 1; }, 10s));
  CHECK_FALSE(cluster[0].driver->set_keys({}));
  CHECK_FALSE(cluster[0].driver->set_keys({Bytes::copy_of("short")}));
  cluster.check_invariants();
}

TEST_CASE("a cluster in clear gets its first key while it runs, and nobody is lost", "[seal]") {
  TestCluster cluster;
  cluster.add_many(5);
  REQUIRE(cluster.settle(4));
  const auto every = [&](bool incoming, bool outgoing) {
    for (auto& node : cluster.nodes) {
      CHECK(node->driver->set_keys({key_of('k')}, KeyRules{.verify_incoming = incoming, .verify_outgoing = outgoing, .kept = true}));
      node->peers.clear();
      cluster.run_for(2s);  // one member after another
    }
  };
  const auto clear_frames = [&] {
    std::vector<std::uint64_t> all;
    for (auto& node : cluster.nodes) all.push_back(node->snapshot()->swim.plaintext_frames);
    return all;
  };
  const auto downs = [&](std::size_t i) {
    return std::count_if(cluster[i].peers.begin(), cluster[i].peers.end(), [](const PeerEvent& e) { return e.kind == PeerEvent::Kind::down; });
  };
  every(false, false);
  cluster.run_for(5s);
  for (std::size_t i = 0; i < 5; ++i) CHECK(downs(i) == 0);
  for (const std::uint64_t count : clear_frames()) CHECK(count > 0);
  std::size_t least = 4;
  for (auto& node : cluster.nodes) CHECK(node->driver->set_keys({key_of('k')}, KeyRules{.verify_incoming = false, .verify_outgoing = true}));
  REQUIRE(cluster.run_until([&] {
    for (auto& node : cluster.nodes) least = std::min(least, node->links().size());
    return std::all_of(cluster.nodes.begin(), cluster.nodes.end(), [](const auto& node) { return node->peers.size() >= 2; });
  }, 30s));
  CHECK(least >= 1);
  cluster.run_for(10s);
  REQUIRE(cluster.settle(4));
  const auto before = clear_frames();
  cluster.run_for(10s);
  CHECK(clear_frames() == before);
  every(true, true);
  for (std::size_t i = 0; i < 5; ++i) CHECK(downs(i) == 0);
  cluster[0].publish("m");
  REQUIRE(cluster.run_until([&] { return std::all_of(cluster.nodes.begin() + 1, cluster.nodes.end(), [](const auto& n) { return n->messages.size() == 1; }); }, 10s));
  cluster.run_for(30s);
  CHECK(clear_frames() == before);
  for (auto& node : cluster.nodes) {
    CHECK_FALSE(node->logged("PV1101"));
    CHECK_FALSE(node->logged("PV1102"));
    CHECK(node->snapshot()->swim.rejected.total() == 0);
    CHECK(node->snapshot()->tree.frames_rejected.total() == 0);
  }
  TestNode& outsider = cluster.add("outsider");
  cluster.run_for(20s);
  CHECK(outsider.links().empty());
  CHECK(cluster[0].snapshot()->members.size() == 5);
  cluster.check_invariants();
}
