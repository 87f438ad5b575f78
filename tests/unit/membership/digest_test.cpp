// Table exchanges by digest between two of our own members, down to the bytes: what they cost, what they bring, who refuses.
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "membership/member_table.hpp"
#include "membership/push_pull.hpp"
#include "membership/table_digest.hpp"
#include "membership/wire/stream.hpp"
#include "transport/crypto/gnutls_aead.hpp"

using namespace plumvine;
using namespace std::chrono_literals;
namespace wire = plumvine::swim::wire;

namespace {

constexpr std::array<std::byte, 6> kVersions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};

struct Around {
  std::string label;
  bool key = false;
  bool compression = false;
};

Endpoint endpoint(std::size_t i) {
  return *Endpoint::parse("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + ":7946");
}
std::string name(std::size_t i) { return "n" + std::to_string(i); }
Bytes meta(std::size_t i, bool digests) {
  Tags tags{{std::string(kTagInstance), to_string(InstanceId{i + 1})}};
  if (digests) tags.emplace(kTagDigest, "1");
  return encode_tags(tags);
}

/// A member's table and its streams, nothing else of it.
struct Side {
  Side(std::size_t number, const Around& around, std::uint64_t seed)
      : core(config(around), identity(number, around), Rng{seed}), table(core),
        streams(core, table, [this](const swim::StreamResult& result, Timestamp) { results.push_back(result); }) {
    table.announce_self(core.identity.meta, now);
  }
  static SwimConfig config(const Around& around) {
    SwimConfig config;
    config.enable_compression = around.compression;
    return config;
  }
  static swim::Identity identity(std::size_t number, const Around& around) {
    const Endpoint self = endpoint(number);
    return {name(number), self.raw(), self.port, meta(number, true), around.label,
            around.key ? make_keyring({Bytes::copy_of(std::string(32, 'k'))}).value() : nullptr};
  }
  void alive(std::size_t i, std::uint32_t incarnation, bool digests = false) {
    const Endpoint at = endpoint(i);
    const Bytes raw = at.raw();
    const Bytes its_meta = meta(i + 1000 * (incarnation - 1), digests);
    table.alive({incarnation, name(i), raw.view(), at.port, its_meta.view(), BytesView(kVersions)}, now);
  }
  /// Name to state, incarnation and metadata.
  [[nodiscard]] auto view() const {
    std::map<std::string, std::tuple<MemberState, std::uint32_t, std::string>> all;
    for (const auto& record : table.records()) {
      const Member& m = record->member;
      all[m.name] = {m.state, static_cast<std::uint32_t>(m.incarnation), std::string(m.meta.text())};
    }
    return all;
  }

  Timestamp now{1'000'000'000};
  swim::Core core;
  swim::MemberTable table;
  std::vector<swim::StreamResult> results;
  swim::Streams streams;
};

/// Two members, 0 and 1, and the one connection between them.
struct Pair {
  explicit Pair(const Around& around = {}, std::uint64_t seed = 1) : sides{Side(0, around, seed), Side(1, around, seed + 1)} {}

  /// The periodic exchange of member 0 with member 1, both ways to its end.
  void exchange() {
    dial();
    while (pass(0) || pass(1)) {
    }
  }
  /// Until member 0 has chosen member 1 and sent its request.
  void dial() {
    for (int i = 0; i < 10000; ++i) {
      sides[0].streams.tick(sides[0].now);
      while (auto output = sides[0].core.outbox.poll()) {
        const auto* open = std::get_if<swim::OpenStream>(&*output);
        if (open == nullptr) continue;
        if (!(open->to == endpoint(1))) {
          sides[0].streams.closed(open->id, sides[0].now, false);
          continue;
        }
        return connect(open->id);
      }
    }
    FAIL("member 0 never chooses member 1");
  }
  void connect(swim::StreamId id) {
    ids[0] = id;
    ids[1] = swim::StreamId{++last};
    sides[1].streams.accepted(ids[1], endpoint(0), sides[1].now);
    sides[0].streams.connected(id, sides[0].now);
  }
  /// Delivers what one side has put out, in two pieces. A stream that it opens anew is connected.
  bool pass(int from) {
    bool any = false;
    Side& other = sides[1 - from];
    while (auto output = sides[from].core.outbox.poll()) {
      if (const auto* data = std::get_if<swim::SendStream>(&*output)) {
        any = true;
        sent.push_back(data->data.size());
        const std::size_t half = data->data.size() / 2;
        for (const Bytes& piece : {data->data.slice(0, half), data->data.slice(half)})
          other.streams.received(ids[1 - from], piece.view(), other.now);
      } else if (std::holds_alternative<swim::CloseStream>(*output)) {
        any = true;
        other.streams.closed(ids[1 - from], other.now, false);
      } else if (const auto* open = std::get_if<swim::OpenStream>(&*output)) {
        any = true;
        connect(open->id);
      }
    }
    return any;
  }
  void same_tables(std::size_t members) {
    for (Side& side : sides)
      for (std::size_t i = 0; i < members; ++i) side.alive(i, 1, i < 2);
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const std::size_t n : sent) sum += n;
    return sum;
  }
  const SwimStats& stats(int side) { return sides[side].core.stats; }

  Side sides[2];
  swim::StreamId ids[2]{};
  std::uint64_t last = 0;
  std::vector<std::size_t> sent;
};

/// News of anybody, the same for each pair that is given the same seed.
void random_tables(Pair& pair, std::uint64_t seed, bool digests) {
  Rng rng{seed};
  const std::size_t members = 2 + rng.below(120);
  for (Side& side : pair.sides) {
    for (std::size_t i = 0; i < members; ++i) {
      if (i >= 2 && rng.chance(0.2)) continue;  // not heard of
      const auto incarnation = static_cast<std::uint32_t>(i < 2 ? 1 : 1 + rng.below(rng.chance(0.8) ? 1 : 3));
      if (!side.table.is_self(name(i))) side.alive(i, incarnation, i < 2 && digests);
      const std::string subject = name(i);
      switch (rng.below(8)) {
        case 0:
          if (&side == &pair.sides[1] || i != 1) side.table.suspect({incarnation, subject, "somebody"}, side.now);
          break;
        case 1:
          if (i >= 2) side.table.dead({incarnation, subject, "somebody"}, side.now);
          break;
        case 2:
          if (i >= 2) side.table.dead({incarnation, subject, subject}, side.now);
          break;
        default: break;
      }
    }
  }
}

wire::Buffer table_of_none() {
  wire::Buffer out;
  wire::encode(wire::PushPullHeader{}, out);
  return out;
}

}  // namespace

TEST_CASE("an exchange by digest leaves the tables that a whole exchange leaves", "[swim][digest]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Pair by_digest({}, seed), whole({}, seed);
    random_tables(by_digest, seed, true);
    random_tables(whole, seed, false);
    by_digest.exchange();
    whole.exchange();
    CHECK(by_digest.stats(0).digests.total() == 1);
    CHECK(whole.stats(0).digests.total() == 0);
    for (int side : {0, 1}) {
      auto view = by_digest.sides[side].view(), expected = whole.sides[side].view();
      REQUIRE(view.size() == expected.size());
      for (auto& [who, row] : view) {
        // Their own metadata tells how they exchange; who is accused refutes before it sends its rows.
        if (who == name(0) || who == name(1)) continue;
        CAPTURE(side, who);
        CHECK(row == expected[who]);
      }
    }
    CHECK(by_digest.sides[1].view()[name(0)] == by_digest.sides[0].view()[name(0)]);
    for (int side : {0, 1}) {
      CHECK(by_digest.stats(side).rejected.total() == 0);
      CHECK(by_digest.stats(side).push_pulls[side == 0 ? PushPullResult::out_ok : PushPullResult::in_ok] == 1);
    }
  }
}

TEST_CASE("the table of a member that was cut off says little against those that were heard meanwhile", "[swim][digest]") {
  Pair pair({}, 7);
  Side& side = pair.sides[0];
  constexpr std::size_t kMembers = 13;
  for (std::size_t i = 1; i < kMembers; ++i) side.alive(i, 1, false);
  for (std::size_t i = 1; i < 7; ++i) side.table.find(name(i))->seen_at = side.now - 4s;
  for (std::size_t i = 1; i < kMembers; ++i) {
    const std::string subject = name(i);
    wire::PushNodeState row{};
    row.name = subject;
    row.incarnation = 1;
    row.state = static_cast<std::uint8_t>(MemberState::dead);
    side.table.merge(row, side.now, "who was away");
  }
  // Six were heard; of the other six a third of the table is believed.
  CHECK(pair.stats(0).doubted[Doubted::heard] == 6);
  CHECK(pair.stats(0).doubted[Doubted::too_many] == 2);
  CHECK(pair.stats(0).suspicions == 4);
}

TEST_CASE("equal tables of a thousand cost some hundred bytes, one other row a few thousand", "[swim][digest]") {
  const bool compression = GENERATE(false, true);
  Pair pair({.compression = compression});
  pair.same_tables(1000);
  pair.exchange();
  CHECK(pair.sent.size() == 2);
  CHECK(pair.bytes() < 900);
  CHECK(pair.stats(0).digests[DigestResult::equal] == 1);
  CHECK(pair.stats(0).table_rows_sent + pair.stats(1).table_rows_sent == 0);
  pair.sent.clear();
  pair.sides[0].alive(500, 2);
  pair.sides[1].alive(1000, 1);
  pair.exchange();
  CHECK(pair.sent.size() == 3);
  CHECK(pair.bytes() < 4000);
  CHECK(pair.stats(0).digests[DigestResult::differing] == 1);
  CHECK(pair.stats(0).table_rows_sent == 1);  // not what member 1 has just shown to have
  CHECK(pair.stats(1).table_rows_sent < 50);
  CHECK(pair.sides[0].view() == pair.sides[1].view());
}

TEST_CASE("a digest passes label, key and compression", "[swim][digest]") {
  const auto around = GENERATE(Around{"blue", false, false}, Around{"", true, false}, Around{"blue", true, true});
  Pair pair(around);
  pair.same_tables(100);
  pair.sides[0].alive(200, 1);
  pair.sides[1].alive(201, 1);
  pair.exchange();
  CHECK(pair.sides[0].view() == pair.sides[1].view());
  CHECK(pair.stats(0).digests[DigestResult::differing] == 1);
  CHECK(pair.stats(0).rejected.total() + pair.stats(1).rejected.total() == 0);
}

TEST_CASE("user state goes with a digest, both ways, whether tables differ or not", "[swim][digest]") {
  const bool differ = GENERATE(false, true);
  Pair pair;
  pair.same_tables(20);
  if (differ) pair.sides[0].alive(30, 1);
  pair.sides[0].core.user_state = Bytes::copy_of("of zero");
  pair.sides[1].core.user_state = Bytes::copy_of("of one");
  std::vector<std::string> told;
  pair.dial();
  for (bool more = true; more;) {
    more = false;
    for (int side : {0, 1}) {
      auto& outbox = pair.sides[side].core.outbox;
      std::vector<swim::Output> rest;
      while (auto output = outbox.poll()) {
        if (const auto* state = std::get_if<swim::UserState>(&*output)) told.emplace_back(state->state.text());
        else rest.push_back(std::move(*output));
      }
      for (auto& output : rest) outbox.push(std::move(output));
      more = pair.pass(side) || more;
    }
  }
  std::sort(told.begin(), told.end());
  CHECK(told == std::vector<std::string>{"of one", "of zero"});
}

TEST_CASE("who does not know digests gets the whole table at once, and for an hour", "[swim][digest]") {
  Pair pair;
  pair.same_tables(50);
  pair.sides[0].alive(60, 1);
  pair.dial();
  const std::string how = GENERATE("closes", "complains", "says something else");
  Side& opener = pair.sides[0];
  while (opener.core.outbox.poll()) {
  }
  if (how == "closes") {
    opener.streams.closed(pair.ids[0], opener.now, false);
  } else {
    wire::Buffer answer;
    if (how == "complains") wire::encode(wire::ErrorReply{"what is that"}, answer);
    else wire::encode(wire::Ack{1, {}}, answer);
    opener.streams.received(pair.ids[0], answer, opener.now);
  }
  CHECK(pair.stats(0).digests[DigestResult::refused] == 1);
  CHECK(pair.stats(0).push_pulls[PushPullResult::out_ok] == 0);
  while (pair.pass(0) || pair.pass(1)) {
  }
  CHECK(pair.stats(0).push_pulls[PushPullResult::out_ok] == 1);
  CHECK(pair.sides[1].view().contains(name(60)));
  const auto digests = [&] { return pair.stats(0).digests.total(); };
  opener.now = opener.now + 59min;
  pair.exchange();
  CHECK(digests() == 1);
  opener.now = opener.now + 2min;
  pair.exchange();
  CHECK(digests() == 2);
}

TEST_CASE("a dial that fails says nothing about digests", "[swim][digest]") {
  Pair pair;
  pair.same_tables(2);
  pair.sides[0].streams.tick(pair.sides[0].now);
  std::size_t opened = 0;
  while (auto output = pair.sides[0].core.outbox.poll()) {
    const auto* open = std::get_if<swim::OpenStream>(&*output);
    if (open == nullptr) continue;
    ++opened;
    pair.sides[0].streams.closed(open->id, pair.sides[0].now, false);
  }
  CHECK(opened == 1);
  CHECK(pair.stats(0).digests.total() == 0);
  CHECK(pair.stats(0).push_pulls[PushPullResult::out_failed] == 1);
}

TEST_CASE("bad digests change nothing and are counted by reason", "[swim][digest]") {
  Pair pair;
  pair.same_tables(10);
  Side& side = pair.sides[1];
  const auto before = side.view();
  const auto offer = [&](const wire::Buffer& bytes) {
    const swim::StreamId id{++pair.last};
    side.streams.accepted(id, endpoint(0), side.now);
    side.streams.received(id, bytes, side.now);
    side.streams.closed(id, side.now, false);
  };
  const auto digest = [](std::size_t hash_bytes, std::int64_t user_state) {
    const std::vector<std::byte> hashes(hash_bytes);
    wire::Buffer out;
    wire::encode(wire::Digest{1, hashes, user_state}, out);
    return out;
  };
  struct Bad {
    std::string what;
    wire::Buffer bytes;
    PacketReject reason;
  };
  wire::Buffer cut = digest(64, 0);
  cut.resize(40);
  const Bad bad = GENERATE_COPY(values<Bad>({
      {"no bucket", digest(0, 0), PacketReject::malformed},
      {"buckets not by eights", digest(12, 0), PacketReject::malformed},
      {"too many buckets", digest(8192, 0), PacketReject::malformed},
      {"more user state than memberlist takes", digest(64, 1 << 30), PacketReject::too_large},
      {"cut off", cut, PacketReject::malformed},
      {"user state cut off", digest(64, 10), PacketReject::malformed},
  }));
  CAPTURE(bad.what);
  offer(bad.bytes);
  CHECK(side.core.stats.rejected[bad.reason] == 1);
  CHECK(side.core.stats.push_pulls[PushPullResult::in_failed] == 1);
  CHECK(side.view() == before);
}

TEST_CASE("what follows a digest is checked as any table", "[swim][digest]") {
  Pair pair;
  pair.same_tables(10);
  pair.sides[0].alive(20, 1);
  pair.dial();
  REQUIRE(pair.pass(0));
  Side& called = pair.sides[1];
  SECTION("nothing comes") {
    called.streams.closed(pair.ids[1], called.now, false);
    CHECK(called.core.stats.push_pulls[PushPullResult::in_failed] == 1);
  }
  SECTION("nothing comes in time") {
    called.streams.due(static_cast<std::uint64_t>(pair.ids[1]), called.now);
    CHECK(called.core.stats.rejected[PacketReject::timed_out] == 1);
    CHECK(called.core.stats.push_pulls[PushPullResult::in_failed] == 1);
  }
  SECTION("something else comes") {
    wire::Buffer ping;
    wire::encode(wire::Ping{1, name(1), {}, 0, {}}, ping);
    called.streams.received(pair.ids[1], ping, called.now);
    CHECK(called.core.stats.rejected[PacketReject::unknown_type] == 1);
    CHECK(called.core.stats.push_pulls[PushPullResult::in_failed] == 1);
  }
  SECTION("incompatible rows come") {
    wire::Buffer rows;
    wire::encode(wire::PushPullHeader{1, 0, false}, rows);
    const Bytes raw = endpoint(9).raw();
    constexpr std::array<std::byte, 6> odd{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
    wire::encode(wire::PushNodeState{"odd", raw.view(), 7946, {}, 1, 0, BytesView(odd)}, rows);
    called.streams.received(pair.ids[1], rows, called.now);
    CHECK(called.core.stats.rejected[PacketReject::incompatible_version] == 1);
    CHECK(called.core.stats.push_pulls[PushPullResult::in_failed] == 1);
    CHECK_FALSE(called.view().contains("odd"));
  }
  CHECK_FALSE(called.view().contains(name(20)));
}

TEST_CASE("an answer that marks other buckets than there are is refused", "[swim][digest]") {
  Pair pair;
  pair.same_tables(10);
  pair.dial();
  Side& opener = pair.sides[0];
  const auto before = opener.view();
  const std::uint64_t failed = pair.stats(0).push_pulls[PushPullResult::out_failed];
  opener.streams.received(pair.ids[0], table_of_none(), opener.now);
  CHECK(opener.core.stats.rejected[PacketReject::malformed] == 1);
  CHECK(opener.core.stats.push_pulls[PushPullResult::out_failed] == failed + 1);
  CHECK(opener.view() == before);
}

TEST_CASE("a member that is called dead by the other side refutes within the exchange", "[swim][digest]") {
  Pair pair;
  pair.same_tables(10);
  pair.sides[1].table.suspect({1, name(0), name(7)}, pair.sides[1].now);
  REQUIRE(std::get<0>(pair.sides[1].view()[name(0)]) == MemberState::suspect);
  pair.exchange();
  CHECK(std::get<0>(pair.sides[1].view()[name(0)]) == MemberState::alive);
  CHECK(pair.sides[0].table.local_incarnation() == 2);
}

TEST_CASE("rows fall into as many buckets as suit the table", "[swim][digest]") {
  using swim::TableDigest;
  CHECK(TableDigest::buckets_for(1) == 16);
  CHECK(TableDigest::buckets_for(1000) == 128);
  CHECK(TableDigest::buckets_for(65536) == wire::kBucketsMax);
  for (std::size_t n = 0; n < 20000; n += 7) CHECK(TableDigest::buckets_for(n) % 8 == 0);
}

TEST_CASE("after a join tables are compared soon, then after pauses that double", "[swim][digest]") {
  Pair pair;
  Side& side = pair.sides[0];
  pair.same_tables(2);
  const auto pause = [&] { return side.core.timers.next() - side.now; };
  const Duration interval = side.core.config.push_pull_interval, gossip = side.core.config.gossip_interval;
  side.streams.start(side.now);
  CHECK(pause() >= interval);
  for (Duration about = gossip; about <= interval / 16; about *= 2) {
    side.streams.tick_early(about == gossip, side.now);
    CHECK(pause() >= about / 2);
    CHECK(pause() <= about * 3 / 2);
  }
  // News again: soon again.
  side.streams.tick_early(true, side.now);
  CHECK(pause() <= gossip * 3 / 2);
  // Whoever compares sets the full period before.
  side.streams.tick(side.now);
  for (int i = 0; i < 10; ++i) side.streams.tick_early(false, side.now);
  side.streams.tick(side.now);
  side.streams.tick_early(false, side.now);
  side.core.timers.cancel({swim::TimerKind::stream, swim::kOwnStream | 1});
  CHECK(pause() == interval);
}
