#include "vectors.hpp"

#include <set>
#include <string>

#include "membership/wire/codec.hpp"
#include "membership/wire/lzw.hpp"
#include "membership/wire/packet.hpp"

using namespace plumvine;
using namespace plumvine::test;
using namespace plumvine::swim::wire;

namespace {

/// A byte string as the vectors write it: null for nil.
json hex_or_null(BytesView bytes) { return bytes.data() == nullptr ? json(nullptr) : json(to_hex(bytes)); }

json fields(const Ping& m) {
  return {{"SeqNo", m.sequence}, {"Node", m.node}, {"SourceAddr", hex_or_null(m.source_address)},
          {"SourcePort", m.source_port}, {"SourceNode", m.source_node}};
}
json fields(const IndirectPing& m) {
  return {{"SeqNo", m.sequence}, {"Target", hex_or_null(m.target)}, {"Port", m.port}, {"Node", m.node}, {"Nack", m.nack},
          {"SourceAddr", hex_or_null(m.source_address)}, {"SourcePort", m.source_port}, {"SourceNode", m.source_node}};
}
json fields(const Ack& m) { return {{"SeqNo", m.sequence}, {"Payload", hex_or_null(m.payload)}}; }
json fields(const Nack& m) { return {{"SeqNo", m.sequence}}; }
json fields(const Suspect& m) { return {{"Incarnation", m.incarnation}, {"Node", m.node}, {"From", m.from}}; }
json fields(const Dead& m) { return {{"Incarnation", m.incarnation}, {"Node", m.node}, {"From", m.from}}; }
json fields(const Alive& m) {
  return {{"Incarnation", m.incarnation}, {"Node", m.node}, {"Addr", hex_or_null(m.address)}, {"Port", m.port},
          {"Meta", hex_or_null(m.meta)}, {"Vsn", hex_or_null(m.versions)}};
}
json fields(const ErrorReply& m) { return {{"Error", m.text}}; }
json fields(const PushPullHeader& m) {
  return {{"Nodes", m.nodes}, {"UserStateLen", m.user_state_size}, {"Join", m.join}};
}
json fields(const UserHeader& m) { return {{"UserMsgLen", m.size}}; }
json fields(const PushNodeState& m) {
  return {{"Name", m.name}, {"Addr", hex_or_null(m.address)}, {"Port", m.port}, {"Meta", hex_or_null(m.meta)},
          {"Incarnation", m.incarnation}, {"State", m.state}, {"Vsn", hex_or_null(m.versions)}};
}

/// What decoding a body gave: the fields, and the message encoded again.
struct Decoded {
  bool accepted = false;
  json values;
  std::string again;
};

template <class Message>
Decoded decode_as(BytesView body) {
  Message message;
  Scratch scratch;
  if (!decode_body(body, message, scratch)) return {};
  Buffer again;
  encode(message, again);
  return {true, fields(message), to_hex(again)};
}

Decoded decode_named(const std::string& type, BytesView body) {
  if (type == "ping") return decode_as<Ping>(body);
  if (type == "indirectPing" || type == "indirectPingReq") return decode_as<IndirectPing>(body);
  if (type == "ackResp") return decode_as<Ack>(body);
  if (type == "nackResp") return decode_as<Nack>(body);
  if (type == "suspect") return decode_as<Suspect>(body);
  if (type == "alive") return decode_as<Alive>(body);
  if (type == "dead") return decode_as<Dead>(body);
  if (type == "errResp") return decode_as<ErrorReply>(body);
  if (type == "pushPullHeader") return decode_as<PushPullHeader>(body);
  if (type == "userMsgHeader") return decode_as<UserHeader>(body);
  if (type == "pushNodeState") return decode_as<PushNodeState>(body);
  FAIL("unknown type " << type);
  return {};
}

}  // namespace

TEST_CASE("every message of memberlist is decoded, and encoded as the older one encodes it", "[codec]") {
  for (const std::string file : {"memberlist-0.2.2-messages.jsonl", "memberlist-head-messages.jsonl"}) {
    for (const json& v : load(file)) {
      if (v["type"] == "user") continue;  // no msgpack inside; below
      INFO(file << " " << v["id"]);
      const Bytes message = bytes_of(v["hex"]);
      const Decoded got = decode_named(v["type"], v["type_byte"].is_null() ? message.view() : message.view().subspan(1));
      REQUIRE(got.accepted);
      CHECK(got.values == v["fields"]);
      if (file == "memberlist-0.2.2-messages.jsonl") CHECK(got.again == v["hex"]);
    }
  }
}

TEST_CASE("a user message is its type and what the application gave", "[codec]") {
  std::size_t seen = 0;
  for (const std::string file : {"memberlist-0.2.2-messages.jsonl", "memberlist-head-messages.jsonl"}) {
    for (const json& v : load(file)) {
      if (v["type"] != "user") continue;
      INFO(file << " " << v["id"]);
      ++seen;
      const Bytes message = bytes_of(v["hex"]);
      Unpacker unpacker;
      CountedReasons<PacketReject> rejected;
      const auto parts = unpacker.unpack(message.view(), Opening{}, rejected);
      REQUIRE(parts.size() == 1);
      CHECK(parts[0].type == MessageType::user);
      CHECK(to_hex(parts[0].body) == v["fields"]["Payload"]);
      CHECK(rejected.total() == 0);
      Buffer typed{static_cast<std::byte>(MessageType::user)};
      const Bytes payload = bytes_of(v["fields"]["Payload"]);
      typed.insert(typed.end(), payload.view().begin(), payload.view().end());
      const BytesView only(typed);
      CHECK(to_hex(pack(Layers{}, {&only, 1}).view()) == v["hex"]);
    }
  }
  CHECK(seen == 8);
}

TEST_CASE("the decoder accepts what memberlist's accepts, the older one's and the newest's", "[codec]") {
  // Texts as msgpack's byte strings: the older one refuses them, the newest does not, nor do we.
  const std::set<std::string> newer{"ping.node-bin8", "ping.key-bin8"};
  std::size_t strange = 0;
  for (const json& v : load("memberlist-0.2.2-tolerance.jsonl")) {
    INFO("0.2.2 " << v["id"] << " " << v["note"]);
    const Decoded got = decode_named(v["type"], bytes_of(v["hex"]).view());
    if (newer.contains(v["id"])) {
      ++strange;
      CHECK(got.accepted);
      CHECK_FALSE(v["accepted"].get<bool>());
      continue;
    }
    CHECK(got.accepted == v["accepted"].get<bool>());
    if (got.accepted) CHECK(got.values == v["fields"]);
  }
  CHECK(strange == newer.size());
  for (const json& v : load("memberlist-head-tolerance.jsonl")) {
    INFO(v["id"] << " " << v["note"]);
    const Bytes body = bytes_of(v["hex"]);
    const Decoded got = decode_named(v["type"], body.view());
    CHECK(got.accepted == v["accepted"].get<bool>());
    if (got.accepted) CHECK(got.values == v["fields"]);
  }
}

TEST_CASE("every truncation of a message is refused, whatever was cut off", "[codec]") {
  for (const json& v : load("memberlist-0.2.2-messages.jsonl")) {
    if (v["type"] == "user") continue;
    const Bytes message = bytes_of(v["hex"]);
    const BytesView body = v["type_byte"].is_null() ? message.view() : message.view().subspan(1);
    if (body.size() > 300) continue;
    for (std::size_t size = 0; size < body.size(); ++size) {
      INFO(v["id"] << " cut to " << size);
      CHECK(!decode_named(v["type"], body.first(size)).accepted);
    }
  }
}

TEST_CASE("LZW has the bytes of Go's", "[lzw]") {
  for (const json& v : load("lzw.jsonl")) {
    INFO(v["id"]);
    std::vector<std::byte> out;
    lzw_encode(bytes_of(v["plain"]).view(), out);
    CHECK(to_hex(out) == v["lzw"]);
  }
}

TEST_CASE("LZW is undone byte for byte", "[lzw]") {
  for (const json& v : load("lzw.jsonl")) {
    INFO(v["id"]);
    const Bytes packed = bytes_of(v["lzw"]);
    const Bytes plain = bytes_of(v["plain"]);
    std::vector<std::byte> out;
    REQUIRE(lzw_decode(packed.view(), plain.size(), out) == LzwResult::ok);
    CHECK(as_text(out) == plain.text());
    if (plain.size() > 0) {
      out.clear();
      CHECK(lzw_decode(packed.view(), plain.size() - 1, out) == LzwResult::too_large);
      CHECK(out.size() < plain.size());
    }
    if (packed.size() > 3) {
      out.clear();
      CHECK(lzw_decode(packed.view().first(packed.size() - 2), SIZE_MAX / 2, out) == LzwResult::malformed);
    }
  }
}
