#include <plumtree/wire.hpp>

#include "support/pch.hpp"
#include "support/random_frame.hpp"
#include "support/runs.hpp"

using namespace plumvine;
using namespace plumvine::frame;

namespace {

constexpr std::size_t kMessageMax = 1 << 20;
constexpr std::size_t kKinds = std::variant_size_v<Frame>;

/// The body as it arrives: one block, without the length.
Bytes body_of(const Frame& frame) {
  const auto encoded = wire::encode(frame);
  std::string all{encoded.head.text().substr(wire::kLengthSize)};
  all += encoded.payload.text();
  return Bytes::copy_of(all);
}

std::string hex(BytesView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const auto b : bytes) {
    out += kDigits[static_cast<unsigned>(b) >> 4];
    out += kDigits[static_cast<unsigned>(b) & 15];
  }
  return out;
}

/// Bytes from hex digits; spaces are for the reader.
Bytes from_hex(std::string_view text) {
  std::string out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      out += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  return Bytes::copy_of(out);
}

std::optional<FrameReject> rejected(const Bytes& body, std::size_t max = kMessageMax) {
  FrameReject reason = FrameReject::count_;
  const auto frame = wire::decode(body, max, &reason);
  if (frame) return std::nullopt;
  CHECK(frame.error().code == Errc::malformed);
  return reason;
}

Gossip a_gossip() {
  Gossip gossip;
  gossip.tree = TreeId{7};
  gossip.id = {InstanceId{0x0102}, 3};
  gossip.round = 2;
  gossip.published_us = -5;
  gossip.topic = "news";
  gossip.origin = "n1";
  gossip.payload = Bytes::copy_of("hello");
  return gossip;
}

/// Of a payload in two parts.
Gossip a_large() {
  Gossip gossip = a_gossip();
  gossip.payload = {};
  gossip.about = About{.size = kPartSize + 5, .encoded_size = kPartSize + 5, .first = 7};
  for (std::size_t i = 0; i < 16; ++i) gossip.about->checksum[i] = static_cast<std::byte>(i);
  return gossip;
}

/// Of messages with these payloads.
Gossip a_run(const std::vector<std::string>& texts) {
  Gossip gossip = a_gossip();
  Joined joined = test::join(test::bytes_of(texts));
  gossip.run = joined.run;
  gossip.payload = std::move(joined.bytes);
  return gossip;
}

}  // namespace

TEST_CASE("every frame has the bytes that WIRE.md describes", "[wire]") {
  struct Row {
    const char* name;
    Frame frame;
    const char* body;
  };
  const std::vector<Row> rows{
      {"hello", Hello{1, "c", "n1", InstanceId{0x0102030405060708}}, "95 01 01 a163 a26e31 cf0102030405060708"},
      {"gossip", a_gossip(), "9a 02 07 cd0102 03 02 fb c2 a46e657773 a26e31 c405 68656c6c6f"},
      {"ihave", IHave{TreeId{0}, {{InstanceId{9}, {{5, 7}, {10, 10}}}}, Round{2}}, "94 03 00 91 92 09 94 05 02 03 00 02"},
      {"graft", Graft{TreeId{300}, true, {}}, "94 04 cd012c c3 90"},
      {"prune", Prune{TreeId{0x12345}}, "92 05 ce00012345"},
      {"beacon", Beacon{TreeId{1}, 2, 200}, "94 06 01 02 ccc8"},
      {"digest", Digest{true, false, true, false, {{InstanceId{9}, "n1", 4, 1, {{6, 6}}}}},
       "96 07 c3 c2 c3 c2 91 95 09 a26e31 04 01 92 06 00"},
      {"pull", Pull{{{InstanceId{9}, {{1, UINT64_MAX}}}}}, "92 08 91 92 09 92 01 cffffffffffffffffe"},
      {"gone", Gone{{}}, "92 09 90"},
      {"progress", Progress{{{InstanceId{9}, 0}}}, "92 0a 91 92 09 00"},
      {"ping", Ping{1, -33, 128}, "94 0b 01 d0df cc80"},
      {"pong", Pong{1, INT64_MIN, -32769, -129}, "95 0c 01 d38000000000000000 d2ffff7fff d1ff7f"},
      {"bye", Bye{Bye::Why::misbehaved}, "92 0d 06"},
      {"forget", Forget{{{"m", 3, 1000, "a"}}}, "92 0e 91 94 a1 6d 03 cd 03 e8 a1 61"},
      {"ack_request", AckRequest{InstanceId{9}, 3, {{5, 7}, {10, 10}}}, "94 0f 09 03 94 05 02 03 00"},
      {"acks", Acks{InstanceId{9}, {{InstanceId{8}, {{5, 5}}}}}, "93 10 09 91 92 08 92 05 00"},
      {"visit", Visit{{1, "c", "n1", InstanceId{9}}}, "95 11 01 a163 a26e31 09"},
      {"direct", Direct{2, Bytes::copy_of("hello")}, "93 12 02 c405 68656c6c6f"},
      {"direct_ack", DirectAck{2}, "92 13 02"},
      {"ask", Ask{InstanceId{9}, 2, 3, 1, Bytes::copy_of("hello")}, "96 15 09 02 03 01 c405 68656c6c6f"},
      {"answers", Answers{InstanceId{9}, 2, {{InstanceId{8}, Bytes::copy_of("yes")}, {InstanceId{7}, {}}}},
       "94 16 09 02 92 92 08 c403 796573 92 07 c400"},
      {"described", a_large(), "9f 14 07 cd0102 03 02 fb c2 a46e657773 a26e31 00 ce00020005 ce00020005 07 c410 000102030405060708090a0b0c0d0e0f c400"},
      {"a run of one size", a_run({"ab", "cd", "ef"}), "9c 17 07 cd0102 03 02 fb c2 a46e657773 a26e31 03 c3 c406 616263646566"},
      {"a run of several", a_run({"abc", "", "d"}), "9c 17 07 cd0102 03 02 fb c2 a46e657773 a26e31 03 c2 c40a 0003 0000 0001 61626364"},
      {"a run of nothing", a_run({"", ""}), "9c 17 07 cd0102 03 02 fb c2 a46e657773 a26e31 02 c3 c400"},
  };
  REQUIRE(rows.size() == kKinds + 4);
  for (const auto& row : rows) {
    INFO(row.name);
    const bool gossip = std::holds_alternative<Gossip>(row.frame);
    CHECK(wire::name_of(row.frame) == (gossip ? "gossip" : row.name));
    const auto expected = from_hex(row.body);
    CHECK(hex(body_of(row.frame).view()) == hex(expected.view()));
    const auto back = wire::decode(expected, kMessageMax);
    REQUIRE(back);
    CHECK(*back == row.frame);
  }
}

TEST_CASE("the preface is the magic, the name and the version", "[wire]") {
  CHECK(hex(wire::preface().view()) == "d6707601");
}

TEST_CASE("the length in front counts the body, payload included", "[wire]") {
  const auto encoded = wire::encode(a_gossip());
  const auto body = body_of(a_gossip());
  CHECK(hex(encoded.head.slice(0, 4).view()) == "00000019");
  CHECK(body.size() == 0x19);
  CHECK(encoded.size() == 4 + body.size());
  CHECK(wire::head_size(a_gossip()) == body.size() - 5);
}

TEST_CASE("any frame decodes to itself", "[wire]") {
  Rng rng{1};
  for (std::size_t i = 0; i < 13000; ++i) {
    const Frame frame = test::any_frame(rng, i, 1 + rng.below(12));
    const Bytes body = body_of(frame);
    const auto back = wire::decode(body, kMessageMax);
    INFO(wire::name_of(frame) << " " << hex(body.view()));
    REQUIRE(back);
    REQUIRE(*back == frame);
    REQUIRE(hex(body_of(*back).view()) == hex(body.view()));
  }
}

TEST_CASE("a payload is neither copied when sent nor when received", "[wire]") {
  const auto gossip = a_gossip();
  CHECK(wire::encode(gossip).payload.data() == gossip.payload.data());
  const auto body = body_of(gossip);
  const auto back = wire::decode(body, kMessageMax);
  CHECK(std::get<Gossip>(*back).payload.data() == body.data() + body.size() - 5);
}

TEST_CASE("a body cut short or followed by anything is malformed", "[wire]") {
  Rng rng{2};
  for (std::size_t i = 0; i < 40 * kKinds; ++i) {
    const Bytes body = body_of(test::any_frame(rng, i, 3));
    for (std::size_t size = 0; size < body.size(); ++size)
      REQUIRE(rejected(Bytes::copy_of(body.slice(0, size).view())) == FrameReject::malformed);
    REQUIRE(rejected(Bytes::copy_of(std::string(body.text()) + '\0')) == FrameReject::malformed);
  }
}

TEST_CASE("what breaks a bound is refused with its reason", "[wire]") {
  struct Row {
    const char* name;
    std::string body;
    FrameReject reason;
    const char* why;
  };
  const auto list = [](std::size_t n, std::string_view item) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += item;
    return out;
  };
  const auto malformed = FrameReject::malformed;
  const std::string sum = "c410" + list(16, "00");
  const std::vector<Row> rows{
      {"nothing", "", malformed, "the bytes end too early"},
      {"no array", "01", malformed, "not an array"},
      {"an empty array", "90", malformed, "the bytes end too early"},
      {"a type that is no number", "91 a0", malformed, "not a number"},
      {"type 0", "92 00 01", FrameReject::unknown_type, "unknown type"},
      {"a type of a later version", "93 7f c0 c0", FrameReject::unknown_type, "unknown type"},
      {"a type of many bits", "91 cfffffffffffffffff", FrameReject::unknown_type, "unknown type"},
      {"a field too few", "91 05", malformed, "wrong number of fields"},
      {"a field too many", "93 05 01 01", malformed, "wrong number of fields"},
      {"a negative tree", "92 05 ff", malformed, "not a number"},
      {"a text for a number", "92 05 a131", malformed, "not a number"},
      {"a number for a boolean", "94 04 01 01 90", malformed, "not a boolean"},
      {"a binary for a text", "95 01 01 c40163 a26e31 01", malformed, "not a text"},
      {"a text for a payload", "9a 02 07 01 03 02 00 c2 a0 a0 a0", malformed, "not a binary"},
      {"a version above 255", "95 01 cd0100 a0 a0 01", malformed, "a number is too large"},
      {"instance 0", "95 01 01 a0 a0 00", malformed, "an origin is 0"},
      {"a cluster of 256 bytes", "95 01 01 da0100" + list(256, "61") + "a0 01", malformed, "a text is too long"},
      {"a name of 129 bytes", "95 01 01 a0 d981" + list(129, "61") + "01", malformed, "a text is too long"},
      {"a topic of 129 bytes", "9a 02 07 01 03 02 00 c2 d981" + list(129, "61") + "a0 c400", malformed, "a text is too long"},
      {"a text that claims 4 GiB", "95 01 01 dbffffffff 61", malformed, "a text is too long"},
      {"origin 0", "9a 02 07 00 03 02 00 c2 a0 a0 c400", malformed, "an origin is 0"},
      {"sequence 0", "9a 02 07 01 00 02 00 c2 a0 a0 c400", malformed, "a sequence is 0"},
      {"a round above 65535", "9a 02 07 01 01 ce00010000 00 c2 a0 a0 c400", malformed, "a number is too large"},
      {"a time above 63 bits", "9a 02 07 01 01 02 cf8000000000000000 c2 a0 a0 c400", malformed, "a number is too large"},
      {"a payload longer than the body", "9a 02 07 01 01 02 00 c2 a0 a0 c402 61", malformed, "payload of another length"},
      {"a payload shorter than the body", "9a 02 07 01 01 02 00 c2 a0 a0 c401 6161", malformed, "payload of another length"},
      {"a payload that claims 4 GiB", "9a 02 07 01 01 02 00 c2 a0 a0 c6ffffffff", FrameReject::too_large, "payload too large"},
      {"a gossip with the fields of a description", "9f 02 07 01 03 02 00 c2 a0 a0 00 06 06 00" + sum + "c400", malformed, "wrong number of fields"},
      {"a description that is not there", "9a 14 07 01 03 02 00 c2 a0 a0 c400", malformed, "wrong number of fields"},
      {"a short checksum", "9f 14 07 01 03 02 00 c2 a0 a0 01 06 05 00 c40f" + list(15, "00") + "c405 6161616161", malformed, "a checksum of another length"},
      {"an encoding of a later version", "9f 14 07 01 03 02 00 c2 a0 a0 02 06 05 00" + sum + "c405 6161616161", FrameReject::unknown_type, "unknown encoding"},
      {"an encoding of many bits", "9f 14 07 01 03 02 00 c2 a0 a0 cfffffffffffffffff 06 05 00" + sum + "c405 6161616161", FrameReject::unknown_type, "unknown encoding"},
      {"nothing to describe", "9f 14 07 01 03 02 00 c2 a0 a0 00 05 05 00" + sum + "c405 6161616161", malformed, "sizes that do not fit the encoding"},
      {"plain with two sizes", "9f 14 07 01 03 02 00 c2 a0 a0 00 ce00020006 ce00020005 01" + sum + "c400", malformed, "sizes that do not fit the encoding"},
      {"encoded, and not smaller", "9f 14 07 01 03 02 00 c2 a0 a0 01 05 05 00" + sum + "c405 6161616161", malformed, "sizes that do not fit the encoding"},
      {"in parts, and it would fit a frame", "9f 14 07 01 03 02 00 c2 a0 a0 00 ce00020000 ce00020000 01" + sum + "c400", malformed, "parts of a payload that fits a frame"},
      {"in one frame, and it does not fit", "9f 14 07 01 03 02 00 c2 a0 a0 01 ce00020006 ce00020005 00" + sum + "c405 6161616161", malformed, "parts of a payload that fits a frame"},
      {"in parts, with a payload", "9f 14 07 01 03 02 00 c2 a0 a0 00 ce00020005 ce00020005 01" + sum + "c404 61616161", malformed, "a payload of another size"},
      {"encoded, with another size", "9f 14 07 01 03 02 00 c2 a0 a0 01 06 05 00" + sum + "c404 61616161", malformed, "a payload of another size"},
      {"a part in parts", "9f 14 07 cf8000000000000001 03 02 00 c2 a0 a0 00 ce00020005 ce00020005 01" + sum + "c400", malformed, "a part that is in parts itself"},
      {"a part of nobody", "9a 02 07 cf8000000000000000 01 02 00 c2 a0 a0 c400", malformed, "an origin is 0"},
      {"a hello of an instance with the bit of parts", "95 01 01 a163 a26e31 cf8000000000000001", malformed, "an instance with the bit of parts"},
      {"too large in parts", "9f 14 07 01 03 02 00 c2 a0 a0 00 ce40000000 ce40000000 01" + sum + "c400", FrameReject::too_large, "payload too large"},
      {"small, and decodes to too much", "9f 14 07 01 03 02 00 c2 a0 a0 01 cfffffffffffffffff 05 00" + sum + "c405 6161616161", FrameReject::too_large, "payload too large"},
      {"a run without its fields", "9a 17 07 01 03 02 00 c2 a0 a0 c400", malformed, "wrong number of fields"},
      {"a run of one", "9c 17 07 01 03 02 00 c2 a0 a0 01 c3 c401 61", malformed, "a run of fewer than two"},
      {"a run of none", "9c 17 07 01 03 02 00 c2 a0 a0 00 c3 c400", malformed, "a run of fewer than two"},
      {"a run of 1025", "9c 17 07 01 03 02 00 c2 a0 a0 cd0401 c3 c400", malformed, "a number is too large"},
      {"a run of parts", "9c 17 07 cf8000000000000001 03 02 00 c2 a0 a0 02 c3 c400", malformed, "a run of parts"},
      {"a run beyond the last sequence", "9c 17 07 01 cffffffffffffffffe 02 00 c2 a0 a0 03 c3 c400", malformed, "sequences beyond the last one"},
      {"a run of one size that does not divide", "9c 17 07 01 03 02 00 c2 a0 a0 02 c3 c403 616263", malformed, "sizes that do not fit a run"},
      {"a run whose sizes are cut short", "9c 17 07 01 03 02 00 c2 a0 a0 02 c2 c403 000161", malformed, "sizes that do not fit a run"},
      {"a run whose sizes say too much", "9c 17 07 01 03 02 00 c2 a0 a0 02 c2 c405 0001 0002 61", malformed, "sizes that do not fit a run"},
      {"a run whose sizes say too little", "9c 17 07 01 03 02 00 c2 a0 a0 02 c2 c407 0001 0000 616161", malformed, "sizes that do not fit a run"},
      {"a run of one size in the longer form", "9c 17 07 01 03 02 00 c2 a0 a0 02 c2 c406 0001 0001 6161", malformed, "sizes that do not fit a run"},
      {"a run with a message above 16 KiB", "9c 17 07 01 03 02 00 c2 a0 a0 02 c3 c58002" + list(0x8002, "61"), malformed, "sizes that do not fit a run"},
      {"a run that claims 4 GiB", "9c 17 07 01 03 02 00 c2 a0 a0 02 c3 c6ffffffff", FrameReject::too_large, "payload too large"},
      {"a lone number among ranges", "92 08 91 92 09 91 05", malformed, "ranges come in pairs"},
      {"ranges that touch 0", "92 08 91 92 09 92 00 05", malformed, "ranges must ascend, be disjoint and start above 0"},
      {"ranges that overlap", "92 08 91 92 09 94 05 02 00 01", malformed, "ranges must ascend, be disjoint and start above 0"},
      {"a range that ends beyond 64 bits", "92 08 91 92 09 92 02 cfffffffffffffffff", malformed, "ranges must ascend, be disjoint and start above 0"},
      {"a range that starts beyond 64 bits", "92 08 91 92 09 94 02 cffffffffffffffff0 cfffffffffffffffff 00", malformed, "ranges must ascend, be disjoint and start above 0"},
      {"a digest range at the watermark", "96 07 c3 c2 c3 c2 91 95 09 a0 04 01 92 04 00", malformed, "ranges must ascend, be disjoint and start above 0"},
      {"an id of three parts", "92 08 91 93 09 90 90", malformed, "an array of another length"},
      {"1025 origins", "92 08 dc0401" + list(1025, "92 09 90"), malformed, "too many entries"},
      {"4 billion origins", "92 08 ddffffffff 92 09 90", malformed, "too many entries"},
      {"4097 ranges", "92 08 91 92 09 dc2002" + list(4097, "02 00"), malformed, "too many ranges"},
      {"4097 ranges of two origins", "92 08 92 92 09 dc1000" + list(2048, "02 00") + "92 08 dc1002" + list(2049, "02 00"), malformed, "too many ranges"},
      {"4 billion ranges", "92 08 91 92 09 ddfffffffe 05 02", malformed, "too many ranges"},
      {"1025 progress entries", "92 0a dc0401" + list(1025, "92 09 00"), malformed, "too many entries"},
      {"a bye for no known reason", "92 0d 07", malformed, "a number is too large"},
      {"an order to forget nobody", "92 0e 91 94 a0 03 00 a1 61", malformed, "a name is empty"},
      {"too many orders to forget", "92 0e dc 00 41" + std::string(3 * 65 * 5, '0'), malformed, "too many orders"},
      {"a body above 64 KiB", "92 05 01" + list(65536, "00"), FrameReject::too_large, "longer than 64 KiB"},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    CHECK(rejected(from_hex(row.body)) == row.reason);
    const auto error = wire::decode(from_hex(row.body), kMessageMax).error();
    CHECK(error.message == std::string("frame: ") + row.why);
  }
}

TEST_CASE("the largest of everything is accepted", "[wire]") {
  Gossip gossip = a_gossip();
  gossip.tree = TreeId{UINT64_MAX};
  gossip.id = {InstanceId{UINT64_MAX}, UINT64_MAX};
  gossip.round = UINT16_MAX;
  gossip.published_us = INT64_MIN;
  gossip.topic.assign(wire::kTopicMax, 't');
  gossip.origin.assign(wire::kNameMax, 'o');
  gossip.payload = Bytes::copy_of(std::string(kPartSize, 'p'));
  CHECK(wire::decode(body_of(gossip), kPartSize));
  CHECK(rejected(body_of(gossip), kPartSize - 1) == FrameReject::too_large);
  CHECK(wire::head_size(gossip) <= wire::kGossipHeadMax);
  Gossip run = a_run(std::vector<std::string>(kPartSize / kRunMessageBytesMax, std::string(kRunMessageBytesMax, 'r')));
  run.topic = gossip.topic;
  run.origin = gossip.origin;
  CHECK(wire::decode(body_of(run), kRunMessageBytesMax));
  CHECK(rejected(body_of(run), kRunMessageBytesMax - 1) == FrameReject::too_large);
  run.run.count = kRunMessagesMax;
  CHECK(wire::head_size(run) <= wire::kGossipHeadMax);
  CHECK(wire::decode(body_of(a_run(std::vector<std::string>(kRunMessagesMax, "r"))), 1));
  gossip.id.origin = InstanceId{INT64_MAX};
  gossip.payload = {};
  gossip.about = About{.size = kMessageMax, .encoded_size = kMessageMax, .first = UINT64_MAX};
  CHECK(wire::decode(body_of(gossip), kMessageMax));
  CHECK(rejected(body_of(gossip), kMessageMax - 1) == FrameReject::too_large);
  CHECK(wire::head_size(gossip) <= wire::kGossipHeadMax);

  IHave ihave{TreeId{1}, {}};
  for (std::size_t i = 0; i < wire::kEntriesMax; ++i) {
    ihave.ids.push_back({InstanceId{i + 1}, {}});
    for (std::size_t k = 1; k <= wire::kRangesMax / wire::kEntriesMax; ++k) ihave.ids.back().ranges.push_back({2 * k, 2 * k});
  }
  const auto back = wire::decode(body_of(ihave), 0);
  REQUIRE(back);
  CHECK(*back == Frame{ihave});
}

TEST_CASE("integers are read in any width that msgpack has", "[wire]") {
  const Frame prune = Prune{TreeId{5}};
  for (const char* five : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005", "d10005", "d200000005",
                           "d30000000000000005"}) {
    INFO(five);
    const auto back = wire::decode(from_hex(std::string("92 05 ") + five), 0);
    REQUIRE(back);
    CHECK(*back == prune);
  }
  const auto ping = wire::decode(from_hex("dd00000004 cc0b d10001 d3ffffffffffffffff ce00000080"), 0);
  REQUIRE(ping);
  CHECK(*ping == Frame{Ping{1, -1, 128}});
}

TEST_CASE("the first bytes of a gossip tell where its payload lies", "[wire]") {
  Rng rng{3};
  for (int i = 0; i < 300; ++i) {
    const Frame frame = test::any_frame(rng, 1, 2);
    const Bytes body = body_of(frame);
    const std::size_t head = wire::head_size(frame);
    for (std::size_t size = 0; size <= body.size(); ++size) {
      const auto peek = wire::peek_gossip(body.slice(0, size).view());
      REQUIRE(peek.state == (size < head ? wire::GossipPeek::State::need_more : wire::GossipPeek::State::gossip));
      if (size < head) continue;
      REQUIRE(peek.payload_offset == head);
      REQUIRE(peek.payload_size == body.size() - head);
    }
  }
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    if (kind == 1) continue;
    CHECK(wire::peek_gossip(body_of(test::any_frame(rng, kind)).view()).state == wire::GossipPeek::State::not_gossip);
  }
  // A head that breaks a bound is not worth waiting for.
  CHECK(wire::peek_gossip(from_hex("9a 02 07 00").view()).state == wire::GossipPeek::State::not_gossip);
}

TEST_CASE("gossip-head-max bytes are always enough to decide", "[wire]") {
  Rng rng{4};
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = i % 3 == 0 ? "\x9a\x02" : i % 3 == 1 ? "\x9f\x14" : "\x9c\x17";
    while (bytes.size() < wire::kGossipHeadMax) bytes += static_cast<char>(rng.below(256));
    if (wire::peek_gossip(as_bytes(bytes)).state == wire::GossipPeek::State::need_more) FAIL("undecided");
  }
  // Everything in its widest form.
  std::string wide = "\xdd" + std::string("\0\0\0\x0a", 4) + "\xcf" + std::string("\0\0\0\0\0\0\0\x02", 8);
  for (int i = 0; i < 5; ++i) wide += "\xcf" + std::string("\0\0\0\0\0\0\0\x01", 8);
  wide += "\xc2";
  for (int i = 0; i < 2; ++i) wide += "\xdb" + std::string("\0\0\0\x80", 4) + std::string(128, 'x');
  wide += "\xc6" + std::string("\0\0\0\0", 4);
  REQUIRE(wide.size() <= wire::kGossipHeadMax);
  const std::size_t kMore = 4 * 9 + 5 + 16;  // of a part
  CHECK(wide.size() + kMore <= wire::kGossipHeadMax);
  CHECK(wire::peek_gossip(as_bytes(wide)).state == wire::GossipPeek::State::gossip);
}

TEST_CASE("a decoded gossip refers to the payload where it lies, which its first bytes tell", "[wire]") {
  Rng rng{5};
  for (int i = 0; i < 2000; ++i) {
    const Frame frame = test::any_frame(rng, 1, 3);
    const Bytes body = body_of(frame);
    const std::size_t head = wire::head_size(frame);
    const auto decoded = wire::decode(body, kMessageMax);
    REQUIRE(decoded);
    const Bytes& payload = std::get<Gossip>(*decoded).payload;
    const wire::GossipPeek peek = wire::peek_gossip(body.slice(0, head).view());
    REQUIRE(peek.payload_offset == head);
    REQUIRE(peek.payload_size == payload.size());
    if (!payload.empty()) REQUIRE(payload.data() == body.data() + head);

    FrameReject reason = FrameReject::count_;
    const Run run = std::get<Gossip>(frame).run;
    const std::size_t most = run.count > 1 ? largest_in(run, payload.view()).value() : payload.size();
    if (most == 0) continue;
    REQUIRE_FALSE(wire::decode(body, most - 1, &reason));
    REQUIRE(reason == FrameReject::too_large);
  }
}

TEST_CASE("only a gossip refers to the memory that it was decoded from", "[wire]") {
  Rng rng{7};
  std::size_t gossips = 0;
  for (int i = 0; i < 4000; ++i) {
    const Bytes body = body_of(test::any_frame(rng, static_cast<std::size_t>(i)));
    const std::shared_ptr<std::byte[]> block = std::make_shared<std::byte[]>(body.size());
    std::copy(body.data(), body.data() + body.size(), block.get());
    const auto decoded = wire::decode(Bytes::adopt(block, 0, body.size()), kMessageMax);
    REQUIRE(decoded);
    const bool gossip = std::holds_alternative<Gossip>(*decoded);
    gossips += gossip ? 1 : 0;
    if (!gossip) REQUIRE(block.use_count() == 1);
  }
  CHECK(gossips > 0);
  CHECK(gossips < 4000);
}

TEST_CASE("mutated bytes are refused or mean a frame that means the same again", "[wire]") {
  Rng rng{6};
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < 100000; ++i) {
    std::string bytes{body_of(test::any_frame(rng, i, 3)).text()};
    for (std::uint64_t k = 0; k <= rng.below(3); ++k) {
      const auto at = rng.below(bytes.size());
      if (rng.chance(0.7)) bytes[at] = static_cast<char>(rng.below(256));
      else if (rng.chance(0.5)) bytes.erase(at, 1 + rng.below(4));
      else bytes.insert(at, 1, static_cast<char>(rng.below(256)));
      if (bytes.empty()) bytes = "x";
    }
    const auto frame = wire::decode(Bytes::copy_of(bytes), kMessageMax);
    if (!frame) continue;
    ++accepted;
    const auto again = wire::decode(body_of(*frame), kMessageMax);
    REQUIRE(again);
    REQUIRE(*again == *frame);
  }
  CHECK(accepted > 1000);
}
