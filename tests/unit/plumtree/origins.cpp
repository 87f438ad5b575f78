// Signed origins: whose broadcasts are taken, and what becomes of forged, changed, old and unsigned ones.
#include <catch2/catch.hpp>

#include "plumtree/signing.hpp"
#include "single.hpp"
#include "support/signer.hpp"

using namespace plumvine;
using namespace plumvine::test;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr std::int64_t kWall = 1'700'000'000'000'000;

/// One node that judges signatures; neighbours 1 to 3 are played by the test, and say that they look at signatures.
struct Judging : Single {
  explicit Judging(SignOrigins mode = SignOrigins::require, const TopicConfigs& topics = {}, TreeConfig config = {})
      : Single(with(std::move(config), mode), 0, topics, Signer("n0", 99).tools) {
    tree.set_wall(kWall, now);
    for (std::uint32_t i = 1; i <= 3; ++i) link(i, true);
    drain();
  }
  static TreeConfig with(TreeConfig config, SignOrigins mode) {
    config.sign_origins = mode;
    return config;
  }
  void link(std::uint32_t i, bool verifies) {
    tree.peer_up(peer(i), {instance(i), "n" + std::to_string(i), std::chrono::milliseconds{1}, verifies}, now);
  }
  void knows(const Signer& who, bool proven = false) { tree.origin_key(who.name, who.tools.own, proven, now); }
  [[nodiscard]] std::int64_t wall() const { return kWall + (now - at(Duration{0})).count() / 1000; }
  [[nodiscard]] std::uint64_t refused(OriginRefused why) { return tree.stats(now).origins_refused[why]; }
  [[nodiscard]] std::uint64_t marks() { return tree.stats(now).frames_rejected[FrameReject::bad_signature]; }
  /// Nothing of it was delivered, passed on or stored.
  void took_nothing() {
    drain();
    CHECK(delivered.empty());
    CHECK(to<frame::Gossip>().empty());
    CHECK(to<frame::IHave>().empty());
    CHECK(tree.stats(now).store_messages == 0);
  }
};

frame::Gossip signed_run(const Signer& who, Sequence first, const std::vector<std::string>& texts, std::int64_t at_us) {
  frame::Gossip g = who.message(first, at_us);
  frame::Joined joined = join(bytes_of(texts));
  g.run = joined.run;
  g.payload = std::move(joined.bytes);
  return who.sign(std::move(g), at_us);
}

const Signer& victim() {
  static const Signer signer("v", 1);
  return signer;
}
const Signer& mad() {
  static const Signer signer("m", 2);
  return signer;
}

}  // namespace

TEST_CASE("what its origin has signed is delivered, and passed on with the signature", "[origins]") {
  Judging s;
  s.knows(victim());
  const frame::Gossip one = victim().message(1, s.wall());
  s.receive(1, one);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  const auto passed = s.first<frame::Gossip>();
  CHECK(passed.signature == one.signature);
  CHECK(frame::is_signed_by(victim().tools, passed));
  CHECK(s.tree.stats(s.now).verified_frames == 1);
  // A copy costs no second look.
  s.receive(2, one);
  s.drain();
  CHECK(s.tree.stats(s.now).verified_frames == 1);
  CHECK(s.tree.stats(s.now).duplicate == 1);
}

TEST_CASE("what is published here is signed as it leaves, and pulls bring the same signature", "[origins]") {
  Judging s;
  s.tree.publish(1, "t", Bytes::copy_of("mine"), false, s.now);
  s.drain();
  const auto sent = s.first<frame::Gossip>();
  const Signer self("n0", 99);
  REQUIRE(sent.signature);
  CHECK(sent.id.origin == self.instance);
  CHECK(frame::is_signed_by(self.tools, sent));
  CHECK(sent.signature->at_us == kWall);
  CHECK(s.tree.stats(s.now).signed_frames == 1);
  s.receive(3, frame::Pull{{{self.instance, {{1, 1}}}}});
  s.drain();
  CHECK(s.first<frame::Gossip>().signature == sent.signature);
  CHECK(s.tree.stats(s.now).signed_frames == 1);
}

TEST_CASE("a member cannot make broadcasts in another's name", "[origins]") {
  Judging s;
  s.knows(victim());
  s.knows(mad());
  OriginRefused why = OriginRefused::bad_signature;
  SECTION("with its own key and instance under the other's name") {
    frame::Gossip forged = mad().message(1, s.wall());
    forged.origin = "v";
    s.receive(1, mad().sign(forged, s.wall()));
  }
  SECTION("with the other's instance and name, and its own key") {
    frame::Gossip forged = victim().message(1, s.wall());
    s.receive(1, mad().sign(forged, s.wall()));
  }
  SECTION("with the other's instance under its own name") {
    frame::Gossip forged = mad().message(1, s.wall());
    forged.id.origin = victim().instance;
    s.receive(1, mad().sign(forged, s.wall()));
  }
  SECTION("with a new key of its own for the other's name, and the instance that follows from it") {
    const Signer other("v", 77);
    s.receive(1, other.message(1, s.wall()));
    why = OriginRefused::other_key;
  }
  SECTION("without a signature") {
    frame::Gossip forged = victim().message(1, s.wall());
    forged.signature = {};
    s.receive(1, forged);
    why = OriginRefused::unsigned_;
  }
  SECTION("with a signature of the other's for something else") {
    frame::Gossip forged = victim().message(1, s.wall(), "something else");
    forged.signature = victim().message(1, s.wall()).signature;
    s.receive(1, forged);
  }
  s.took_nothing();
  CHECK(s.refused(why) == 1);
  // It takes nothing from the member itself.
  s.receive(2, victim().message(1, s.wall()));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
}

TEST_CASE("whatever of a signed broadcast is changed on the way is found", "[origins]") {
  Judging s;
  s.knows(victim());
  const frame::Gossip good = victim().message(5, s.wall());
  std::vector<frame::Gossip> changed(8, good);
  const auto with = [&](auto change) {
    frame::Signature signature = *good.signature;
    change(signature);
    return frame::Signed{signature};
  };
  changed[0].payload = Bytes::copy_of("Payload");
  changed[1].topic = "T";
  changed[2].id.sequence = 6;
  changed[3].origin = "w";
  changed[4].signature = with([](frame::Signature& f) { f.at_us += 1; });
  changed[5].signature = with([](frame::Signature& f) { f.by.epoch += 1; });
  changed[6].signature = with([](frame::Signature& f) { f.bytes[40] ^= std::byte{1}; });
  changed[7] = Signer("v", 1, 1000, "another cluster").message(5, s.wall());
  for (const frame::Gossip& gossip : changed) s.receive(1, gossip);
  s.took_nothing();
  CHECK(s.refused(OriginRefused::bad_signature) == changed.size());
  // Of one out of eight its instance says that it is not even of this cluster.
  const auto named = s.tree.refused_origins(s.now);
  REQUIRE(!named.empty());
  CHECK(named[0].origin == "v");
  CHECK(named[0].reason == "bad_signature");
  CHECK(named[0].peer == "n1");
  // What relays change is not signed: who has it, by which tree, when on their clocks.
  frame::Gossip relayed = good;
  relayed.round = 7;
  relayed.tree = TreeId{123};
  relayed.published_us = -5;
  relayed.pulled = true;
  s.receive(2, relayed);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{5});
}

TEST_CASE("what an encoded payload says of itself is signed, too", "[origins]") {
  Judging s;
  s.knows(victim());
  frame::Gossip g = victim().message(1, s.wall(), "encoded");
  frame::About about;
  about.encoding = frame::Encoding::lz4;
  about.size = 100;
  about.encoded_size = g.payload.size();
  about.checksum = sum_up(as_bytes(std::string(as_text(BytesView{sum_up(g.payload.view())}))));
  g.about = about;
  g = victim().sign(g, s.wall());
  frame::Gossip larger = g;
  larger.about->size = 1000;
  s.receive(1, larger);
  s.took_nothing();
  CHECK(s.refused(OriginRefused::bad_signature) == 1);
  s.receive(1, g);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
}

TEST_CASE("the three modes: off passes on, sign lets pass what is not signed, require does not", "[origins]") {
  const auto mode = GENERATE(SignOrigins::off, SignOrigins::sign, SignOrigins::require);
  INFO(to_string(mode));
  Judging s(mode);
  s.knows(victim());
  frame::Gossip bare = victim().message(1, s.wall());
  bare.signature = {};
  frame::Gossip wrong = victim().message(2, s.wall());
  wrong.payload = Bytes::copy_of("changed");
  const frame::Gossip good = victim().message(3, s.wall());
  for (const frame::Gossip& gossip : {bare, wrong, good}) s.receive(1, gossip);
  s.drain();
  const std::vector<Sequence> off{1, 2, 3}, sign{1, 3}, require{3};
  CHECK(s.delivered == (mode == SignOrigins::off ? off : mode == SignOrigins::sign ? sign : require));
  bool passed = false;
  for (const auto& [who, frame] : s.sent) {
    const auto* gossip = std::get_if<frame::Gossip>(&frame);
    if (gossip && gossip->id.sequence == 3) passed = gossip->signature == good.signature;
  }
  CHECK(passed);
}

TEST_CASE("recorded broadcasts are refused by age and by the run of their origin", "[origins]") {
  TreeConfig config;
  config.signed_max_age = hours{1};
  config.sync_window = minutes{5};
  Judging s(SignOrigins::require, {}, config);
  const auto us = [](Duration duration) { return duration.count() / 1000; };
  s.knows(victim());
  s.receive(1, victim().message(1, s.wall() - us(hours{1}) - 1));
  s.took_nothing();
  CHECK(s.refused(OriginRefused::too_old) == 1);
  s.receive(1, victim().message(1, s.wall() + us(hours{1}) + 1));
  s.took_nothing();
  CHECK(s.refused(OriginRefused::from_future) == 1);
  s.receive(1, victim().message(1, INT64_MIN));
  s.took_nothing();
  CHECK(s.refused(OriginRefused::too_old) == 2);
  // The member starts anew. What the earlier run published may be repaired for twice `sync_window`.
  const Signer later("v", 1, 2000);
  s.receive(1, later.message(1, s.wall()));
  s.receive(1, victim().message(7, s.wall() - us(minutes{10})));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 7});
  s.delivered.clear();
  s.receive(1, victim().message(8, s.wall() - us(minutes{10}) - 1));
  s.drain();
  CHECK(s.delivered.empty());
  CHECK(s.refused(OriginRefused::old_instance) == 1);
  // The same broadcast again is a copy, whatever its age.
  s.receive(2, victim().message(7, s.wall() - us(minutes{10})));
  s.drain();
  CHECK(s.delivered.empty());
  CHECK(s.tree.stats(s.now).duplicate == 1);
  CHECK(s.marks() == 0);  // nobody is to blame for a late one
}

TEST_CASE("what is too old to be taken is not asked for again, and reported as lost", "[origins]") {
  Judging s;
  s.knows(victim());
  s.receive(1, victim().message(1, s.wall()));
  frame::IHave ihave;
  ihave.ids = {{victim().instance, {{2, 2}}}};
  s.receive(1, ihave);
  s.drain();
  CHECK(s.tree.stats(s.now).missing_messages == 1);
  s.receive(1, victim().message(2, s.wall() - std::int64_t{2} * 3600 * 1'000'000));
  s.drain();
  CHECK(s.tree.stats(s.now).missing_messages == 0);
  REQUIRE(s.lost.size() == 1);
  CHECK(s.lost[0].range == SequenceRange{2, 2});
  CHECK(s.lost[0].reason == LossReason::expired);
}

TEST_CASE("a broadcast waits for its origin's key, for a while and within bounds", "[origins]") {
  Judging s;
  s.receive(1, victim().message(1, s.wall()));
  s.receive(1, victim().message(2, s.wall()));
  s.receive(2, mad().message(1, s.wall()));
  s.took_nothing();
  CHECK(s.tree.stats(s.now).unknown_key_waiting == 3);
  s.knows(victim());
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2});
  CHECK(s.tree.stats(s.now).unknown_key_waiting == 1);
  s.advance(tree::Signing::kKeyWait);
  s.drain();
  CHECK(s.tree.stats(s.now).unknown_key_waiting == 0);
  CHECK(s.refused(OriginRefused::unknown_key) == 1);
  for (Sequence i = 1; i <= tree::Signing::kWaitingMax + 5; ++i) s.receive(1, mad().message(i, s.wall()));
  CHECK(s.tree.stats(s.now).unknown_key_waiting == tree::Signing::kWaitingMax);
  CHECK(s.refused(OriginRefused::unknown_key) == 6);
  s.tree.peer_down(peer(1), s.now);
  CHECK(s.tree.stats(s.now).unknown_key_waiting == 0);
}

TEST_CASE("a member's first key stays until the name is forgotten or a certificate proves another", "[origins]") {
  Judging s;
  const Signer other("v", 77);
  s.knows(victim());
  s.knows(other);
  s.receive(1, other.message(1, s.wall()));
  s.took_nothing();
  CHECK(s.refused(OriginRefused::other_key) == 1);
  CHECK(s.tree.stats(s.now).keys_refused == 1);
  const auto named = s.tree.refused_origins(s.now);
  CHECK(std::any_of(named.begin(), named.end(),
                    [](const auto& one) { return one.origin == "v" && one.reason == "key_changed"; }));
  SECTION("forgotten") {
    s.tree.forget_key("v");
    s.knows(other);
  }
  SECTION("proven") {
    s.knows(other, true);
    s.knows(victim());  // what is only told does not take it back
  }
  s.receive(1, other.message(1, s.wall()));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  // Nobody changes ours.
  s.tree.forget_key("n0");
  s.tree.origin_key("n0", other.tools.own, true, s.now);
  CHECK(s.tree.stats(s.now).keys_refused >= 2);
}

TEST_CASE("keys of an earlier run count like those that were heard", "[origins][kept]") {
  Judging s;
  const Signer other("v", 77);
  const std::int64_t hour_us = std::int64_t{3600} * 1'000'000;
  s.tree.recall_key({"v", victim().tools.own, false, s.wall() - hour_us}, s.now);
  // Whoever is heard first is not believed.
  s.knows(other);
  s.receive(1, other.message(1, s.wall()));
  s.took_nothing();
  CHECK(s.refused(OriginRefused::other_key) == 1);
  CHECK(s.tree.stats(s.now).keys_refused == 1);
  s.receive(1, victim().message(1, s.wall()));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
  // Kept again with the time at which it was known, now once it is heard.
  CHECK(s.tree.keep_keys(s.now) == std::vector<frame::KeptKey>{{"v", victim().tools.own, false, s.wall() - hour_us}});
  const auto version = s.tree.keys_version();
  s.knows(victim());
  CHECK(s.tree.keep_keys(s.now) == std::vector<frame::KeptKey>{{"v", victim().tools.own, false, s.wall()}});
  CHECK(s.tree.keys_version() == version);  // nothing to write at once
  s.knows(victim(), true);
  CHECK(s.tree.keep_keys(s.now).at(0).proven);
  CHECK(s.tree.keys_version() != version);
  // An epoch from before stays, so that earlier runs are known as such.
  Judging later;
  const Signer second("v", 1, 2000);
  later.tree.recall_key({"v", second.tools.own, false, later.wall()}, later.now);
  later.knows(victim());
  later.receive(1, victim().message(1, later.wall() - 3 * hour_us / 4));
  later.took_nothing();
  CHECK(later.refused(OriginRefused::old_instance) == 1);
}

TEST_CASE("a kept key goes by its age, by an order, and by one that was given meanwhile", "[origins][kept]") {
  Judging s;
  const Signer other("v", 77);
  const auto us = [](Duration duration) { return duration.count() / 1000; };
  const auto recall = [&](Duration ago) { s.tree.recall_key({"v", victim().tools.own, false, s.wall() - us(ago)}, s.now); };
  const std::uint64_t none = s.tree.stats(s.now).origin_keys;
  SECTION("too old when it is read") {
    recall(tree::Signing::kKeptFor + seconds{1});
    CHECK(s.tree.stats(s.now).origin_keys == none);
  }
  SECTION("too old as time goes on") {
    recall(tree::Signing::kKeptFor - minutes{1});
    CHECK(s.tree.keep_keys(s.now).size() == 1);
    s.advance(minutes{2});
    CHECK(s.tree.keep_keys(s.now).empty());
  }
  SECTION("by an order here") {
    recall(hours{1});
    CHECK(s.tree.forget_key("v"));
    CHECK_FALSE(s.tree.forget_key("v"));
  }
  SECTION("by an order that was given after it was known") {
    recall(hours{1});
    CHECK_FALSE(s.tree.forget_recalled_key("v", s.now - hours{2}));
    s.knows(other);
    CHECK(s.tree.stats(s.now).keys_refused == 1);
    CHECK_FALSE(s.tree.refused_origins(s.now).empty());
    CHECK(s.tree.forget_recalled_key("v", s.now - minutes{30}));
    CHECK(s.tree.refused_origins(s.now).empty());
  }
  SECTION("not by such an order once it was heard again") {
    recall(hours{1});
    s.knows(victim());
    CHECK_FALSE(s.tree.forget_recalled_key("v", s.now));
    CHECK(s.tree.forget_key("v"));
  }
  CHECK(s.tree.stats(s.now).origin_keys == none);
  s.knows(other);
  s.receive(1, other.message(1, s.wall()));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
}

TEST_CASE("where there is no room for keys those of an earlier run give way, the oldest first", "[origins][kept]") {
  const TreeConfig config = Judging::with({}, SignOrigins::require);
  tree::Signing s(config, "n0", Signer("n0", 99).tools);
  s.set_wall(kWall, at(Duration{0}));
  const auto key = [](std::uint64_t i) { return frame::OriginKey{{}, i}; };
  for (std::uint64_t i = 1; i < tree::Signing::kKeysMax; ++i) {
    const std::string name = "m" + std::to_string(i);
    if (i <= 2) s.recall_key({name, key(i), false, kWall - static_cast<std::int64_t>(i) * 1'000'000}, at(Duration{0}));
    else CHECK(s.tell_key(name, key(i), false) == tree::KeyTold::fresh);
  }
  CHECK(s.keys() == tree::Signing::kKeysMax);
  s.recall_key({"late", key(1), false, kWall}, at(Duration{0}));
  CHECK(s.key_of("late") == nullptr);
  CHECK(s.tell_key("new", key(1), false) == tree::KeyTold::fresh);
  CHECK(s.key_of("m2") == nullptr);
  CHECK(s.key_of("m1") != nullptr);
  CHECK(s.tell_key("newer", key(1), false) == tree::KeyTold::fresh);
  CHECK(s.tell_key("newest", key(1), false) == tree::KeyTold::no_room);
  CHECK(s.no_room() == 4);
  CHECK(s.keys() == tree::Signing::kKeysMax);
}

TEST_CASE("who is marked for a wrong signature: who made it, and who says that it looks", "[origins]") {
  Judging s;
  s.knows(victim());
  frame::Gossip wrong = victim().message(1, s.wall());
  wrong.payload = Bytes::copy_of("changed");
  s.receive(1, wrong);
  CHECK(s.marks() == 1);
  // Neighbour 4 passes on what it does not look at: marked only when it is much, since it costs us time.
  s.link(4, false);
  for (int i = 0; i < 31; ++i) s.receive(4, wrong);
  CHECK(s.marks() == 1);
  s.receive(4, wrong);
  CHECK(s.marks() == 2);
  // An origin's own link.
  s.tree.peer_up(peer(5), {victim().instance, "v", std::chrono::milliseconds{1}, false}, s.now);
  s.receive(5, wrong);
  CHECK(s.marks() == 3);
  // Keys and ages depend on what each one knows: no mark.
  s.receive(1, Signer("v", 77).message(1, s.wall()));
  s.receive(1, mad().message(1, 0));
  s.drain();
  CHECK(s.marks() == 3);
}

TEST_CASE("a name that somebody's digest gave an instance does not stay", "[origins]") {
  Judging s;
  s.knows(victim());
  s.receive(1, frame::Digest{false, true, true, true, {{victim().instance, "somebody else", 0, 0, {}}}});
  s.receive(2, victim().message(1, s.wall()));
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].origin == "v");
  CHECK(frame::is_signed_by(victim().tools, s.first<frame::Gossip>()));
}

TEST_CASE("a neighbour of a version before signatures gets broadcasts without them", "[origins][compatibility]") {
  const auto mode = GENERATE(SignOrigins::off, SignOrigins::sign, SignOrigins::require);
  Judging s(mode);
  s.tree.peer_up(peer(4), {instance(4), "n4", std::chrono::milliseconds{1}, false, false}, s.now);
  s.drain();
  s.knows(victim());
  const auto passed = [&](Sequence sequence) {
    std::map<std::uint32_t, frame::Signed> out;
    for (const auto& [who, frame] : s.sent) {
      const auto* gossip = std::get_if<frame::Gossip>(&frame);
      if (gossip && gossip->id.sequence == sequence) out[who] = gossip->signature;
    }
    return out;
  };
  const frame::Gossip one = victim().message(7, s.wall());
  s.receive(1, one);
  s.receive(4, frame::Graft{kSharedTree, false, {{victim().instance, {{7, 7}}}}});
  s.receive(2, frame::Pull{{{victim().instance, {{7, 7}}}}});
  s.drain();
  auto who = passed(7);
  REQUIRE(who.contains(4));
  REQUIRE(who.contains(2));
  CHECK_FALSE(who[4]);
  CHECK(who[2] == one.signature);
  // Ours, and a run.
  s.tree.publish(1, "t", join(bytes_of({"a", "bb"})), false, s.now);
  s.receive(4, frame::Pull{{{Signer("n0", 99).instance, {{1, 2}}}}});
  s.receive(3, frame::Pull{{{Signer("n0", 99).instance, {{1, 2}}}}});
  s.drain();
  who = passed(1);
  REQUIRE(who.contains(4));
  REQUIRE(who.contains(3));
  CHECK_FALSE(who[4]);
  CHECK(static_cast<bool>(who[3]) == (mode != SignOrigins::off));
}

TEST_CASE("what a neighbour of a version before passes on has lost its signature, and comes again from another", "[origins][compatibility]") {
  const auto mode = GENERATE(SignOrigins::sign, SignOrigins::require);
  Judging s(mode);
  s.tree.peer_up(peer(4), {instance(4), "n4", std::chrono::milliseconds{1}, false, false}, s.now);
  s.knows(victim());
  frame::Gossip bare = victim().message(1, s.wall());
  bare.signature = {};
  s.receive(4, bare);
  s.drain();
  CHECK(s.delivered.size() == (mode == SignOrigins::sign ? 1 : 0));
  CHECK(s.refused(OriginRefused::unsigned_) == (mode == SignOrigins::sign ? 0 : 1));
  CHECK(s.marks() == 0);  // it is not to blame
  s.receive(2, victim().message(1, s.wall()));
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1});
}

TEST_CASE("a signed run is taken as one, and refused as one", "[origins][run]") {
  Judging s;
  s.knows(victim());
  const auto run = signed_run(victim(), 1, {"a", "bb", "ccc"}, s.wall());
  frame::Gossip changed = run;
  std::string bytes(run.payload.text());
  bytes.back() = 'x';
  changed.payload = Bytes::copy_of(bytes);
  s.receive(1, changed);
  changed = run;
  changed.id.sequence = 2;
  s.receive(1, changed);
  s.took_nothing();
  CHECK(s.refused(OriginRefused::bad_signature) == 2);
  s.receive(1, run);
  s.drain();
  CHECK(s.delivered == std::vector<Sequence>{1, 2, 3});
  CHECK(s.tree.stats(s.now).verified_frames == 1);
  CHECK(frame::is_signed_by(victim().tools, s.first<frame::Gossip>()));
}

TEST_CASE("messages out of a signed run have proofs of their own", "[origins][run]") {
  const auto count = GENERATE(2u, 3u, 5u, 8u, 17u, 1000u);
  std::vector<std::string> texts;
  for (std::uint32_t i = 0; i < count; ++i) texts.push_back(varied(1 + i % 40, i + 1));
  const auto run = signed_run(victim(), 100, texts, kWall);
  const frame::RunProofs proofs(victim().tools, run);
  REQUIRE(proofs.good());
  for (std::uint32_t i = 0; i < count; i += 1 + count / 20) {
    frame::Gossip one = run;
    one.run = {};
    one.id.sequence = 100 + i;
    one.payload = Bytes::copy_of(texts[i]);
    one.signature = proofs.of(i);
    CHECK(frame::is_signed_by(victim().tools, one));
    CHECK(one.signature->cut->path.size() <= frame::kPathMax);
    frame::Gossip moved = one;
    moved.id.sequence = i == 0 ? 101 : 99 + i;
    CHECK_FALSE(frame::is_signed_by(victim().tools, moved));
    frame::Gossip changed = one;
    changed.payload = Bytes::copy_of(texts[i] + "!");
    CHECK_FALSE(frame::is_signed_by(victim().tools, changed));
    frame::Signature longer = *one.signature;
    longer.cut->path.push_back({});
    changed = one;
    changed.signature = longer;
    CHECK_FALSE(frame::is_signed_by(victim().tools, changed));
  }
}

TEST_CASE("a node that takes a signed run apart passes its messages on so that others can judge them",
          "[origins][run]") {
  const auto mode = GENERATE(SignOrigins::off, SignOrigins::require);
  Judging cutting(mode);
  cutting.tree.validate("t");
  cutting.knows(victim());
  const auto run = signed_run(victim(), 1, {"a", "bb", "ccc", "dddd", "e"}, cutting.wall());
  cutting.receive(1, run);
  cutting.drain();
  REQUIRE(cutting.judged.size() == 5);
  std::vector<frame::Gossip> passed;
  for (const auto& message : cutting.judged) {
    cutting.tree.judged(message.id, message.id.sequence == 2 ? Verdict::reject : Verdict::accept, cutting.now);
    cutting.drain();
    for (const auto& [who, frame] : cutting.sent) {
      if (const auto* gossip = std::get_if<frame::Gossip>(&frame); gossip && who == 2) passed.push_back(*gossip);
    }
  }
  REQUIRE(passed.size() == 4);
  Judging next;
  next.knows(victim());
  for (const frame::Gossip& gossip : passed) next.receive(1, gossip);
  next.drain();
  CHECK(next.delivered == std::vector<Sequence>{1, 3, 4, 5});
  // The rest of the run, from somebody who has all of it.
  next.delivered.clear();
  next.receive(3, run);
  next.drain();
  CHECK(next.delivered == std::vector<Sequence>{2});
  CHECK(next.tree.stats(next.now).origins_refused.total() == 0);
}

TEST_CASE("a run whose origin signed a wrong root cannot be taken apart, and its neighbour is not to blame",
          "[origins][run]") {
  Judging s;
  s.tree.validate("t");
  s.knows(victim());
  frame::Gossip run = victim().message(1, s.wall());
  frame::Joined joined = join(bytes_of({"a", "b"}));
  run.run = joined.run;
  run.payload = joined.bytes;
  // The origin signs what no tool of ours would: the hash of another root.
  frame::SignTools lying = victim().tools;
  lying.hash = [hash = lying.hash](BytesView bytes) {
    return bytes.size() == 2 * frame::kHashSize ? frame::Hash{} : hash(bytes);
  };
  run.signature = {};
  run.signature = frame::sign(lying, run, s.wall());
  REQUIRE(frame::is_signed_by(victim().tools, run));
  s.receive(1, run);
  s.took_nothing();
  CHECK(s.judged.empty());
  CHECK(s.refused(OriginRefused::bad_signature) == 1);
  CHECK(s.marks() == 0);
}

TEST_CASE("parts of a large payload are signed each, and are passed on before the payload is complete",
          "[origins][parts]") {
  TreeConfig config;
  config.max_message_size = 4 << 20;
  Judging publisher(SignOrigins::require, {}, config);
  const std::string text = varied(5 * frame::kPartSize + 77);
  publisher.tree.publish(1, "t", frame::Payload{Bytes::copy_of(text)}, false, publisher.now);
  std::vector<frame::Gossip> frames;
  publisher.drain();
  for (const auto& [who, frame] : publisher.sent) {
    if (const auto* gossip = std::get_if<frame::Gossip>(&frame); gossip && who == 1) frames.push_back(*gossip);
  }
  REQUIRE(frames.size() == 7);
  const Signer self("n0", 99);
  for (const frame::Gossip& gossip : frames) CHECK(frame::is_signed_by(self.tools, gossip));
  frame::Gossip swapped = frames[2];
  swapped.payload = frames[3].payload;
  CHECK_FALSE(frame::is_signed_by(self.tools, swapped));
  swapped = frames[2];
  ++swapped.id.sequence;
  CHECK_FALSE(frame::is_signed_by(self.tools, swapped));
}

TEST_CASE("signed parts are delivered as one payload, passed on each as it comes, and a forged one takes no place",
          "[origins][parts]") {
  TreeConfig config;
  config.max_message_size = 4 << 20;
  Judging s(SignOrigins::require, {}, config);
  s.knows(victim());
  const std::string text = varied(2 * frame::kPartSize + 77);
  frame::About about;
  about.size = about.encoded_size = text.size();
  about.first = 1;
  std::vector<frame::Gossip> parts;
  std::string sums;
  for (Sequence part = 1; part <= 3; ++part) {
    frame::Gossip g =
        victim().message(part, s.wall(), std::string_view{text}.substr(about.offset_of(part), about.bytes_of(part)));
    g.id.origin = frame::parts_origin(victim().instance);
    parts.push_back(victim().sign(g, s.wall()));
    const auto sum = sum_up(g.payload.view());
    sums += as_text(BytesView{sum});
  }
  about.checksum = sum_up(as_bytes(sums));
  frame::Gossip message = victim().message(1, s.wall(), "");
  message.about = about;
  message = victim().sign(message, s.wall());
  s.receive(1, message);
  s.receive(1, parts[0]);
  s.drain();
  std::size_t passed = 0;
  for (const auto& [who, frame] : s.sent) {
    const auto* gossip = std::get_if<frame::Gossip>(&frame);
    if (gossip && frame::is_parts(gossip->id.origin)) passed += gossip->signature == parts[0].signature ? 1 : 0;
  }
  CHECK(passed > 0);
  CHECK(s.delivered.empty());
  frame::Gossip forged = parts[1];
  forged.payload = Bytes::copy_of(std::string(frame::kPartSize, 'x'));
  s.receive(2, mad().sign(forged, s.wall()));
  CHECK(s.refused(OriginRefused::bad_signature) == 1);
  s.receive(1, parts[2]);
  s.receive(1, parts[1]);
  s.drain();
  REQUIRE(s.messages.size() == 1);
  CHECK(s.messages[0].payload.text() == text);
}
