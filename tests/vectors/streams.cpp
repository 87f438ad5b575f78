#include "vectors.hpp"

#include <cctype>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "membership/swim.hpp"
#include "membership/wire/stream.hpp"

using namespace plumvine;
using namespace plumvine::test;
using namespace plumvine::swim::wire;

namespace {

StreamReader read(const json& direction, bool expect_label, const Opening& opening, std::size_t piece) {
  StreamReader reader(expect_label, opening);
  const Bytes all = bytes_of(direction["hex"]);
  for (std::size_t at = 0; at < all.size(); at += piece) reader.feed(all.slice(at, piece).view());
  return reader;
}

const std::set<std::string> kComplaints{"remote state is encrypted and encryption is not configured",
                                        "encryption is configured but remote state is not encrypted",
                                        "no installed keys could decrypt the message"};

json row_of(const PushNodeState& m) {
  const auto hex = [](BytesView b) { return b.data() == nullptr ? json(nullptr) : json(to_hex(b)); };
  return {{"Name", m.name}, {"Addr", hex(m.address)}, {"Port", m.port}, {"Meta", hex(m.meta)},
          {"Incarnation", m.incarnation}, {"State", m.state}, {"Vsn", hex(m.versions)}};
}

void check_rows(const StreamReader& reader, const json& rows, const json& user_state, bool with_ports) {
  Scratch scratch;
  PushPullRows got(reader.body(), scratch);
  for (const json& wanted : rows) {
    const auto row = got.next();
    REQUIRE(row);
    json expected = wanted;
    if (expected["Meta"].is_null() && row->meta.data() != nullptr) expected["Meta"] = "";  // recorded after decoding
    if (!with_ports) expected["Port"] = row->port;  // who speaks version 1 puts its own port in place of those it reads
    CHECK(row_of(*row) == expected);
  }
  CHECK(!got.next());
  CHECK(got.ok());
  CHECK(to_hex(got.user_state()) == user_state.get<std::string>());
}

}  // namespace

TEST_CASE("streams are read to their end in pieces of any size", "[stream]") {
  const std::size_t piece = GENERATE(1, 7, 100, 1 << 20);
  for (const std::string file : {"memberlist-0.2.2-streams.jsonl", "memberlist-head-streams.jsonl"}) {
    for (const json& v : load(file)) {
      const std::string id = v["id"];
      if (id.rfind("error.", 0) == 0) continue;
      INFO(file << " " << id << " in pieces of " << piece);
      const std::string label = v.value("label", "");
      const std::size_t step = v["request"]["hex"].get<std::string>().size() > 20000 ? std::max<std::size_t>(piece, 97) : piece;
      const bool with_ports = v["protocol_version"].get<int>() > 1;
      Opening opening{label};
      std::shared_ptr<Keyring> ring;
      if (v.contains("key")) {
        StreamReader without = read(v["request"], true, opening, step);
        CHECK(without.feed({}) == StreamReader::Progress::failed);
        CHECK(without.failure() == PacketReject::encrypted);
        ring = ring_of(std::vector<json>{v["key"]});
        opening.keyring = ring.get();
      }
      StreamReader request = read(v["request"], true, opening, step);
      const Bytes message = bytes_of(v["request"]["message"]);
      CHECK(request.feed({}) == StreamReader::Progress::done);
      CHECK(request.type() == static_cast<MessageType>(message.data()[0]));
      if (v.contains("request_nodes")) check_rows(request, v["request_nodes"], v["request_user_state"], with_ports);
      CHECK((request.type() == MessageType::user) == v.contains("user_payload"));
      if (v.contains("user_payload")) CHECK(to_hex(request.body()) == v["user_payload"].get<std::string>());
      if (request.type() == MessageType::ping) CHECK(to_hex(request.body()) == to_hex(message.slice(1).view()));
      if (!v.contains("reply") || v["reply"]["hex"] == "") continue;
      StreamReader reply = read(v["reply"], false, opening, step);
      CHECK(reply.feed({}) == StreamReader::Progress::done);
      if (v.contains("reply_nodes")) check_rows(reply, v["reply_nodes"], v["reply_user_state"], with_ports);
    }
  }
}

TEST_CASE("our streams have the bytes of memberlist's", "[stream]") {
  std::size_t sealed = 0, compressed = 0;
  for (const std::string file : {"memberlist-0.2.2-streams.jsonl", "memberlist-head-streams.jsonl"}) {
    for (const json& v : load(file)) {
      if (v["id"].get<std::string>().rfind("error.", 0) == 0) continue;
      const std::string label = v.value("label", "");
      for (const std::string direction : {"request", "reply"}) {
        if (!v.contains(direction) || v[direction]["hex"] == "") continue;
        INFO(file << " " << v["id"] << " " << direction);
        const json& d = v[direction];
        Layers layers{label, v["compressed"].get<bool>()};
        std::shared_ptr<Keyring> ring;
        if (v.contains("key")) {
          ring = ring_of(std::vector<json>{v["key"]}, bytes_of(d["nonce"]));
          layers.keyring = ring.get();
          layers.version = static_cast<SealVersion>(v["enc_version"].get<int>());
        }
        CHECK(to_hex(wrap_stream(layers, direction == "request", bytes_of(d["message"]).view()).view()) == d["hex"]);
        sealed += layers.sealed() ? 1 : 0;
        compressed += layers.compress ? 1 : 0;
      }
    }
  }
  CHECK(sealed > 50);
  CHECK(compressed > 20);
}

TEST_CASE("mismatched settings end a stream with the right reason", "[stream]") {
  const std::map<std::string, std::pair<std::string, PacketReject>> wanted{
      {"error.server-plain-client-encrypts", {"", PacketReject::encrypted}},
      {"error.labels-differ", {"two", PacketReject::wrong_label}},
      {"error.label-missing", {"two", PacketReject::wrong_label}},
      {"error.label-unexpected", {"", PacketReject::wrong_label}},
  };
  std::size_t seen = 0;
  for (const json& v : load("memberlist-head-streams.jsonl")) {
    const auto it = wanted.find(v["id"]);
    if (it == wanted.end()) continue;
    INFO(it->first);
    ++seen;
    StreamReader reader(true, it->second.first);
    CHECK(reader.feed(bytes_of(v["request"]["hex"]).view()) == StreamReader::Progress::failed);
    CHECK(reader.failure() == it->second.second);
  }
  CHECK(seen == wanted.size());
}

TEST_CASE("a stream sealed otherwise than ours is answered with memberlist's error", "[stream]") {
  const std::map<std::string, PacketReject> wanted{
      {"error.server-plain-client-encrypts", PacketReject::encrypted},
      {"error.server-encrypts-client-plain", PacketReject::plaintext},
      {"error.keys-differ", PacketReject::undecryptable},
  };
  std::size_t seen = 0;
  for (const json& v : load("memberlist-head-streams.jsonl")) {
    const auto it = wanted.find(v["id"]);
    if (it == wanted.end()) continue;
    INFO(v["id"]);
    ++seen;
    std::shared_ptr<Keyring> ring;
    // The nonce stands behind type, length and version.
    if (v.contains("reply_key")) ring = ring_of(std::vector<json>{v["reply_key"]}, bytes_of(v["reply"]["hex"]).slice(6, 12));
    const Endpoint self = *Endpoint::parse("127.0.0.9:7946");
    SwimConfig config;
    config.enable_compression = false;
    swim::Swim machine(config, {"node-b", self.raw(), self.port, {}, "", ring}, Rng{1});
    machine.start({});
    machine.stream_accepted(swim::StreamId{1}, *Endpoint::parse("127.0.0.1:9"), {});
    machine.stream_received(swim::StreamId{1}, bytes_of(v["request"]["hex"]).view(), {});
    std::optional<std::string> sent;
    bool closed = false;
    while (auto output = machine.poll_output()) {
      if (auto* data = std::get_if<swim::SendStream>(&*output)) sent = to_hex(data->data.view());
      closed = closed || std::holds_alternative<swim::CloseStream>(*output);
    }
    CHECK(sent == v["reply"]["hex"].get<std::string>());
    CHECK(closed);
    CHECK(machine.stats().rejected[it->second] == 1);
    CHECK(machine.stats().plaintext_frames == (it->second == PacketReject::plaintext ? 1 : 0));
  }
  CHECK(seen == wanted.size());
}

TEST_CASE("error replies of the older and the newest memberlist are read, and have the bytes that we would send", "[stream]") {
  std::size_t seen = 0;
  for (const std::string file : {"memberlist-0.2.2-streams.jsonl", "memberlist-head-streams.jsonl"}) {
    for (const json& v : load(file)) {
      if (v["id"].get<std::string>().rfind("error.", 0) != 0 || v["reply"]["hex"] == "") continue;
      INFO(file << " " << v["id"]);
      ++seen;
      const Bytes whole = bytes_of(v["reply"]["hex"]);
      std::shared_ptr<Keyring> ring;
      if (v.contains("reply_key")) ring = ring_of(std::vector<json>{v["reply_key"]}, whole.slice(6, 12));
      StreamReader reader(false, Opening{"", ring.get()});
      REQUIRE(reader.feed(whole.view()) == StreamReader::Progress::done);
      REQUIRE(reader.type() == MessageType::error);
      ErrorReply error;
      Scratch scratch;
      REQUIRE(decode_body(reader.body(), error, scratch));
      Buffer again;
      encode(error, again);
      CHECK(to_hex(wrap_stream(Layers{"", false, false, ring.get()}, false, again).view()) == v["reply"]["hex"].get<std::string>());
      // Ours are those of the newest; the older one begins them with capitals.
      std::string text(error.text);
      text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
      CHECK(kComplaints.contains(text));
    }
  }
  CHECK(seen == 6);
}

TEST_CASE("what cannot become a message ends the stream", "[stream]") {
  const auto failure = [](std::string_view hex) -> std::optional<PacketReject> {
    StreamReader reader(true, "");
    if (reader.feed(from_hex(hex).view()) != StreamReader::Progress::failed) return std::nullopt;
    return reader.failure();
  };
  CHECK(failure("63") == PacketReject::unknown_type);
  CHECK(failure("04") == PacketReject::unknown_type);
  CHECK(failure("06c1") == PacketReject::malformed);
  CHECK(failure("0682a54e6f646573ffac5573657253746174654c656e00") == PacketReject::too_large);        // -1 rows
  CHECK(failure("0682a54e6f646573ce00100001ac5573657253746174654c656e00") == PacketReject::too_large);  // 1048577
  CHECK(failure("0682a54e6f64657300ac5573657253746174654c656ece01400001") == PacketReject::too_large);  // 20 MiB + 1
  CHECK(failure("0881aa557365724d73674c656ece01400001") == PacketReject::too_large);
  CHECK(failure("0982a4416c676f01a3427566a20102") == PacketReject::compressed_malformed);
  CHECK(failure("0982a4416c676f00a3427566a3000302") == PacketReject::empty);
  CHECK(failure("0682a54e6f64657301ac5573657253746174654c656e00") == std::nullopt);  // waits for its row
}

TEST_CASE("an envelope is bounded, and what is in it must be whole", "[stream]") {
  const auto ring = ring_of(std::vector<json>{"000102030405060708090a0b0c0d0e0f"});
  const auto failure = [&](const Bytes& bytes) -> std::optional<PacketReject> {
    StreamReader reader(true, Opening{"", ring.get()});
    if (reader.feed(bytes.view()) != StreamReader::Progress::failed) return std::nullopt;
    return reader.failure();
  };
  const auto sealed = [&](std::string_view hex) { return wrap_stream(Layers{"", false, false, ring.get()}, true, from_hex(hex).view()); };
  CHECK(failure(from_hex("0a01400001")) == PacketReject::too_large);  // 20 MiB + 1
  CHECK(failure(from_hex("0a01400000")) == std::nullopt);
  CHECK(failure(from_hex("0a00000000")) == PacketReject::undecryptable);
  CHECK(failure(sealed("")) == PacketReject::empty);
  CHECK(failure(sealed("0682a54e6f64657301ac5573657253746174654c656e00")) == PacketReject::malformed);  // its row is missing
  CHECK(failure(sealed("0881aa557365724d73674c656e02ff")) == PacketReject::malformed);
  CHECK(failure(sealed("0982a4416c676f00a34275")) == PacketReject::malformed);
  CHECK(failure(sealed("0a0000000000")) == PacketReject::unknown_type);
  CHECK(failure(sealed("63")) == PacketReject::unknown_type);
}
