#include "vectors.hpp"

#include <algorithm>
#include <map>

#include "membership/swim.hpp"
#include "membership/wire/packet.hpp"

using namespace plumvine;
using namespace plumvine::test;
using namespace plumvine::swim::wire;

namespace {

std::string hex_of(const Part& part) {
  const std::byte type{static_cast<std::uint8_t>(part.type)};
  return to_hex({&type, 1}) + to_hex(part.body);
}

bool has_layer(const json& v, std::string_view layer) {
  return std::any_of(v["layers"].begin(), v["layers"].end(), [&](const json& l) { return l == layer; });
}

/// What a member of this cluster counts when it gets the datagram.
SwimStats stats_after(const std::string& label, const Bytes& packet, std::shared_ptr<Keyring> ring = {}, bool verify = true) {
  const Endpoint self = *Endpoint::parse("127.0.0.9:7946");
  SwimConfig config;
  config.gossip_verify_incoming = verify;
  swim::Swim machine(config, {"node-b", self.raw(), self.port, {}, label, std::move(ring)}, Rng{1});
  machine.start({});
  machine.handle_packet(*Endpoint::parse("127.0.0.1:9"), packet.view(), {});
  return machine.stats();
}

}  // namespace

TEST_CASE("datagrams are taken apart as they were put together", "[packet]") {
  Unpacker unpacker;
  for (const std::string file : {"memberlist-0.2.2-packets.jsonl", "memberlist-head-packets.jsonl"}) {
    for (const json& v : load(file)) {
      INFO(file << " " << v["id"]);
      const std::string label = v.value("label", "");
      const Bytes packet = bytes_of(v["hex"]);
      std::shared_ptr<Keyring> ring;
      if (has_layer(v, "encrypt")) {
        const SwimStats stats = stats_after(label, packet);  // without a key
        CHECK(stats.rejected[PacketReject::encrypted] == 1);
        CHECK(stats.rejected.total() == 1);
        ring = ring_of(v["keyring"]);
      }
      CountedReasons<PacketReject> rejected;
      std::vector<std::string> got;
      for (const Part& part : unpacker.unpack(packet.view(), Opening{label, ring.get()}, rejected)) got.push_back(hex_of(part));
      std::vector<std::string> wanted;
      std::size_t empty = 0;
      if (v.value("library_misparses", false)) {
        // The older library takes its own compound apart wrongly; the bytes are those of the newer one.
        for (int i = 0; i < 255; ++i) wanted.push_back(to_hex(as_bytes(std::string{'\x08', static_cast<char>(i)})));
      } else if (has_layer(v, "compound")) {
        for (const auto& part : v["parts"]) {
          if (part == "") ++empty;
          else wanted.push_back(part);
        }
      } else {
        wanted.push_back(v["payload"]);
      }
      CHECK(got == wanted);
      CHECK(rejected[PacketReject::empty] == empty);
      CHECK(rejected.total() == empty);
    }
  }
}

TEST_CASE("our layers have the bytes of memberlist's, whatever they are", "[packet]") {
  std::map<std::string, std::size_t> compared;
  for (const std::string file : {"memberlist-0.2.2-packets.jsonl", "memberlist-head-packets.jsonl"}) {
    for (const json& v : load(file)) {
      INFO(file << " " << v["id"]);
      Layers layers;
      const std::string label = v.value("label", "");
      layers.label = label;
      layers.compress = v["id"].get<std::string>().find("compressed") != std::string::npos;
      layers.crc = has_layer(v, "crc");
      std::shared_ptr<Keyring> ring;
      if (has_layer(v, "encrypt")) {
        ring = ring_of(v["keyring"], bytes_of(v["nonce"]));
        layers.keyring = ring.get();
        layers.version = static_cast<SealVersion>(v["enc_version"].get<int>());
      }
      CHECK(to_hex(wrap_packet(layers, bytes_of(v["payload"]).view()).view()) == v["hex"]);
      for (const json& layer : v["layers"]) ++compared[layer];
    }
  }
  for (const char* layer : {"label", "encrypt", "crc", "compress", "compound"}) {
    INFO(layer);
    CHECK(compared[layer] > 10);
  }
}

TEST_CASE("our compounds have the bytes of memberlist's", "[packet]") {
  std::size_t compared = 0;
  for (const json& v : load("memberlist-head-packets.jsonl")) {
    std::vector<Bytes> messages;
    if (v.contains("parts"))
      for (const auto& part : v["parts"]) messages.push_back(bytes_of(part));
    else
      messages.push_back(bytes_of(v["payload"]));
    const bool sendable = messages.size() <= kCompoundPartsMax && v["id"].get<std::string>().find("compound-1/") != 0 &&
                          std::none_of(messages.begin(), messages.end(), [](const Bytes& m) { return m.empty(); });
    if (!sendable) continue;  // one message goes bare, an empty one never
    std::vector<BytesView> views;
    for (const Bytes& message : messages) views.push_back(message.view());
    INFO(v["id"]);
    CHECK(to_hex(pack(Layers{}, views).view()) == v["payload"]);
    ++compared;
  }
  CHECK(compared > 20);
}

TEST_CASE("bad datagrams are dropped where memberlist drops them", "[packet]") {
  std::size_t with_keys = 0;
  Unpacker unpacker;
  for (const std::string file : {"memberlist-0.2.2-ingest.jsonl", "memberlist-head-ingest.jsonl"}) {
    for (const json& v : load(file)) {
      INFO(file << " " << v["id"]);
      const std::string label = v.value("label", "");
      const Bytes packet = bytes_of(v["hex"]);
      if (v.value("skip_inbound_label_check", false)) continue;  // for transports that strip labels; we have none
      const auto ring = v["keyring"].empty() ? nullptr : ring_of(v["keyring"]);
      const bool verify = v["verify_incoming"];
      CountedReasons<PacketReject> rejected;
      std::vector<std::string> users;
      for (const Part& part : unpacker.unpack(packet.view(), Opening{label, ring.get(), verify}, rejected))
        if (part.type == MessageType::user) users.push_back(to_hex(part.body));
      std::sort(users.begin(), users.end());
      CHECK(json(users) == v["delivered_user"]);
      const SwimStats stats = stats_after(label, packet, ring, verify);
      const bool complained = !v["log"].is_null() || v.contains("panic");
      CHECK((stats.rejected.total() > 0) == complained);
      if (!ring) continue;
      ++with_keys;
      const bool plain = v["id"].get<std::string>().rfind("plain-to-encrypted", 0) == 0;
      CHECK(stats.plaintext_frames == (plain ? 1 : 0));
      CHECK(stats.rejected[PacketReject::plaintext] == (plain && verify ? 1 : 0));
    }
  }
  CHECK(with_keys > 20);
}

TEST_CASE("layers nested too deep are dropped and counted", "[packet]") {
  Buffer message{std::byte{8}, std::byte{'x'}};
  for (int depth = 0; depth < 40; ++depth) {
    Buffer outer{std::byte{7}, std::byte{1}, static_cast<std::byte>(message.size() >> 8), static_cast<std::byte>(message.size())};
    outer.insert(outer.end(), message.begin(), message.end());
    message = outer;
    Unpacker unpacker;
    CountedReasons<PacketReject> rejected;
    const auto parts = unpacker.unpack(message, "", rejected);
    INFO(depth + 1 << " layers");
    CHECK(parts.size() == (depth < kLayersMax ? 1 : 0));
    CHECK(rejected[PacketReject::too_deep] == (depth < kLayersMax ? 0 : 1));
  }
}
