#include "vectors.hpp"

#include <algorithm>

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
SwimStats stats_after(const std::string& label, const Bytes& packet) {
  const Endpoint self = *Endpoint::parse("127.0.0.9:7946");
  swim::Swim machine({}, {"node-b", self.raw(), self.port, {}, label}, Rng{1});
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
      if (has_layer(v, "encrypt")) {
        const SwimStats stats = stats_after(label, packet);
        CHECK(stats.rejected[PacketReject::encrypted] == 1);
        CHECK(stats.rejected.total() == 1);
        continue;
      }
      CountedReasons<PacketReject> rejected;
      std::vector<std::string> got;
      for (const Part& part : unpacker.unpack(packet.view(), label, rejected)) got.push_back(hex_of(part));
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

TEST_CASE("our datagrams have the bytes of memberlist's", "[packet]") {
  std::size_t compared = 0;
  for (const json& v : load("memberlist-head-packets.jsonl")) {
    if (has_layer(v, "encrypt") || has_layer(v, "crc") || has_layer(v, "compress")) continue;
    std::vector<Bytes> messages;
    if (has_layer(v, "compound"))
      for (const auto& part : v["parts"]) messages.push_back(bytes_of(part));
    else
      messages.push_back(bytes_of(v["payload"]));
    const bool sendable = messages.size() <= kCompoundPartsMax && v["id"].get<std::string>().find("compound-1/") != 0 &&
                          std::none_of(messages.begin(), messages.end(), [](const Bytes& m) { return m.empty(); });
    if (!sendable) continue;  // one message goes bare, an empty one never
    std::vector<BytesView> views;
    for (const Bytes& message : messages) views.push_back(message.view());
    INFO(v["id"]);
    CHECK(to_hex(pack(v.value("label", ""), views).view()) == v["hex"]);
    ++compared;
  }
  CHECK(compared > 20);
}

TEST_CASE("bad datagrams are dropped where memberlist drops them", "[packet]") {
  Unpacker unpacker;
  for (const std::string file : {"memberlist-0.2.2-ingest.jsonl", "memberlist-head-ingest.jsonl"}) {
    for (const json& v : load(file)) {
      INFO(file << " " << v["id"]);
      const std::string id = v["id"];
      const std::string label = v.value("label", "");
      const Bytes packet = bytes_of(v["hex"]);
      if (v.value("skip_inbound_label_check", false)) continue;  // for transports that strip labels; we have none
      const bool sealed = id.find("enc") != std::string::npos && id.find("plain-to-encrypted") == std::string::npos &&
                          id.find("encrypt-type") == std::string::npos;
      if (sealed) {
        CHECK(stats_after(label, packet).rejected[PacketReject::encrypted] == 1);
        continue;
      }
      if (!v["keyring"].empty() && !v["verify_incoming"].get<bool>()) continue;
      if (!v["keyring"].empty()) {  // a member with keys refuses these; a member without treats them as any other
        CHECK(stats_after(label, packet).rejected.total() <= 1);
        continue;
      }
      CountedReasons<PacketReject> rejected;
      std::vector<std::string> users;
      for (const Part& part : unpacker.unpack(packet.view(), label, rejected))
        if (part.type == MessageType::user) users.push_back(to_hex(part.body));
      std::sort(users.begin(), users.end());
      CHECK(json(users) == v["delivered_user"]);
      const SwimStats stats = stats_after(label, packet);
      const bool complained = !v["log"].is_null() || v.contains("panic");
      CHECK((stats.rejected.total() > 0) == complained);
    }
  }
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
