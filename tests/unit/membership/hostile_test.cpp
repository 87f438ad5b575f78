// Packets and streams that mean no good: none changes what a member believes, each is counted by its reason.
// docs/bad-inputs.md has the table for people.
#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "../memberlist/lone.hpp"
#include "membership/keyring.hpp"
#include "membership/push_pull.hpp"
#include "membership/wire/lzw.hpp"
#include "transport/crypto/gnutls_aead.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

std::shared_ptr<Keyring> ring(char fill) { return make_keyring({Bytes::copy_of(std::string(32, fill))}).value(); }

/// Everything that a member believes, as text.
std::string beliefs(const swim::Swim& machine) {
  std::string out;
  for (const Member* m : machine.members()) {
    out += m->name + ' ' + m->endpoint().to_string() + ' ' + std::string(to_string(m->state)) + ' ' +
           std::to_string(static_cast<std::uint32_t>(m->incarnation)) + ' ' + std::string(m->meta.text());
    for (const std::uint8_t version : m->versions) out += '.' + std::to_string(version);
    out += '\n';
  }
  return out;
}

/// A member that knows two others, with or without a key.
struct Target {
  explicit Target(std::shared_ptr<Keyring> keyring = nullptr, SwimConfig config = {})
      : machine(config, {"me", Lone::at(1).raw(), 7946, Bytes::copy_of("mine"), "blue", keyring}, Rng{5}), layers{"blue", false, false, keyring.get()} {
    machine.start({});
    for (int i : {2, 3}) packet(sealed(alive(i)));
    REQUIRE(machine.members().size() == 3);
  }
  static Bytes alive(int i, std::uint32_t incarnation = 1) {
    static constexpr std::array<std::byte, 6> kVersions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
    const Bytes address = Lone::at(i).raw();
    return wire::encoded(wire::Alive{incarnation, Lone::name(i), address.view(), 7946, {}, BytesView(kVersions)});
  }
  [[nodiscard]] Bytes sealed(const Bytes& message) const { return wire::wrap_packet(layers, message.view()); }
  void packet(const Bytes& bytes) {
    machine.handle_packet(Lone::at(9), bytes.view(), {});
    while (machine.poll_output()) {}
  }
  /// A stream that brings these bytes and then ends, or hangs until its deadline.
  void stream(const Bytes& bytes, bool ends = true) {
    const swim::StreamId id{++last_stream};
    machine.stream_accepted(id, Lone::at(9), now);
    machine.stream_received(id, bytes.view(), now);
    if (ends) machine.stream_closed(id, now);
    while (machine.poll_output()) {}
  }

  swim::Swim machine;
  wire::Layers layers;
  Timestamp now{};
  std::uint64_t last_stream = 0;
};

Bytes hex(std::string_view text) {
  std::string out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1])));
  return Bytes::copy_of(out);
}
Bytes joined(const Bytes& a, const Bytes& b) { return Bytes::copy_of(std::string(a.text()) + std::string(b.text())); }
/// Behind the label of the target.
Bytes labelled(const Bytes& bytes) { return joined(hex("f404626c7565"), bytes); }
Bytes zeros_compressed(std::size_t size) {
  wire::Buffer out;
  wire::append_compressed(BytesView(wire::Buffer(size)), out);
  return Bytes::copy_of(out);
}
Bytes nested_compounds(int depth) {
  Bytes message = Target::alive(4);
  for (int i = 0; i < depth; ++i) {
    const auto size = message.size();
    const std::string head{7, 1, static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
    message = joined(Bytes::copy_of(head), message);
  }
  return message;
}

struct Row {
  const char* what;
  Bytes bytes;
  PacketReject reason;
};

/// Gives one input to a fresh target: nothing changes, and the reason alone is counted, once.
template <class Give>
void expect_rejected(const Row& row, Target target, Give give) {
  INFO(row.what);
  const std::string before = beliefs(target.machine);
  const std::uint64_t rejected = target.machine.stats().rejected[row.reason];
  const std::uint64_t total = target.machine.stats().rejected.total();
  give(target);
  CHECK(beliefs(target.machine) == before);
  CHECK(target.machine.stats().rejected[row.reason] == rejected + 1);
  CHECK(target.machine.stats().rejected.total() == total + 1);
}

std::vector<Row> bad_packets() {
  using enum PacketReject;
  const Bytes alive = Target::alive(4);
  const auto without_end = [&](std::size_t cut) { return alive.slice(0, alive.size() - cut); };
  std::vector<Row> rows{
      {"nothing", Bytes{}, empty},
      {"a label and nothing else", labelled({}), empty},
      {"no label", alive, wrong_label},
      {"another label", joined(hex("f403726564"), alive), wrong_label},
      {"a label cut off", hex("f404626c"), malformed},
      {"a label of no bytes", hex("f400"), malformed},
      {"a type that nobody has", labelled(hex("c8")), unknown_type},
      {"a sealed message, and no key", wire::wrap_packet({"blue", false, false, ring('x').get()}, alive.view()), encrypted},
      {"a message cut off", labelled(without_end(3)), malformed},
      {"a map of four billion pairs", labelled(hex("04dfffffffff")), malformed},
      {"a text of four billion bytes", labelled(hex("0481a44e6f6465dbffffffff")), malformed},
      {"an extension type", labelled(hex("04c70101")), malformed},
      {"arrays in arrays without end", labelled(joined(hex("0481a161"), Bytes::copy_of(std::string(60000, '\x91')))), malformed},
      {"a compound of lengths beyond its end", labelled(hex("0702ffffffff")), malformed},
      {"a compound without its lengths", labelled(hex("07ff0001")), malformed},
      {"compounds in compounds", labelled(nested_compounds(6)), too_deep},
      {"a datagram above 64 KiB", Bytes::copy_of(std::string(65537, '\1')), too_large},
      {"a wrong checksum", labelled(joined(hex("0c00000000"), alive)), bad_crc},
      {"another compression", labelled(hex("0982a4416c676f01a3427566a20102")), compressed_malformed},
      {"broken compression", labelled(hex("0982a4416c676f00a3427566a4ffffffff")), compressed_malformed},
      {"five megabytes in a few hundred bytes", labelled(zeros_compressed(5 << 20)), compressed_too_large},
      {"an alive member without address", labelled(wire::encoded(wire::Alive{1, "n4", {}, 7946, {}, {}})), malformed},
      {"a ping for somebody else", labelled(wire::encoded(wire::Ping{7, "n8", {}, 0, {}})), wrong_name},
      {"impossible versions", labelled(wire::encoded(wire::Alive{1, "n4", as_bytes("\x0a\x01\x01\x01"), 7946, {}, as_bytes("\x05\x01\x02\x02\x05\x04")})),
       incompatible_version},
  };
  return rows;
}

}  // namespace

TEST_CASE("answers to what nobody asked change nothing and are counted", "[swim][hostile]") {
  Target t;
  const std::string before = beliefs(t.machine);
  t.packet(labelled(wire::encoded(wire::Ack{77, {}})));
  t.packet(labelled(wire::encoded(wire::Nack{78})));
  CHECK(beliefs(t.machine) == before);
  CHECK(t.machine.stats().unasked == 2);
  CHECK(t.machine.stats().rejected.total() == 0);
}

TEST_CASE("no malformed packet changes anything, and each is counted by its reason", "[swim][hostile]") {
  for (const Row& row : bad_packets()) expect_rejected(row, Target(), [&](Target& t) { t.packet(row.bytes); });
  SwimConfig narrow;
  narrow.members_max = 3;
  expect_rejected({"a member too many", labelled(Target::alive(4)), PacketReject::table_full}, Target(nullptr, narrow),
                  [](Target& t) { t.packet(labelled(Target::alive(4))); });
  SwimConfig fenced;
  fenced.cidrs_allowed = {*Network::parse("10.0.0.2/31"), *Network::parse("10.0.0.9/32")};
  expect_rejected({"a member at an address that is not allowed", {}, PacketReject::not_allowed}, Target(nullptr, fenced),
                  [](Target& t) { t.packet(labelled(Target::alive(4))); });
}

TEST_CASE("no malformed stream changes anything, and each is counted by its reason", "[swim][hostile]") {
  using enum PacketReject;
  const std::vector<Row> rows{
      {"no label", hex("0682a54e6f64657300ac5573657253746174654c656e00"), wrong_label},
      {"another label", joined(hex("f403726564"), hex("06")), wrong_label},
      {"a type that nobody has", labelled(hex("63")), unknown_type},
      {"a message for packets", labelled(Target::alive(4)), unknown_type},
      {"an envelope, and no key", labelled(hex("0a00000010")), encrypted},
      {"a table cut off", labelled(hex("0682a54e6f64657302ac5573657253746174654c656e00")), malformed},
      {"a table of minus one rows", labelled(hex("0682a54e6f646573ffac5573657253746174654c656e00")), too_large},
      {"a table of a million rows", labelled(hex("0682a54e6f646573ce00100001ac5573657253746174654c656e00")), too_large},
      {"20 MiB of an application's state", labelled(hex("0682a54e6f64657300ac5573657253746174654c656ece01400001")), too_large},
      {"a user message above 20 MiB", labelled(hex("0881aa557365724d73674c656ece01400001")), too_large},
      {"another compression", labelled(hex("0982a4416c676f01a3427566a20102")), compressed_malformed},
      {"fifty megabytes in a few kilobytes", labelled(zeros_compressed(50 << 20)), compressed_too_large},
  };
  for (const Row& row : rows) expect_rejected(row, Target(), [&](Target& t) { t.stream(row.bytes); });
  SwimConfig calm;
  calm.probe_interval = 1h;  // the others are silent, and stay alive for this test
  expect_rejected({"a stream that never goes on", {}, timed_out}, Target(nullptr, calm), [](Target& t) {
    t.stream(labelled(hex("06")), false);
    t.now = t.now + SwimConfig{}.tcp_timeout + 1s;
    while (t.machine.next_timeout() <= t.now) t.machine.handle_timeout(t.machine.next_timeout());
  });
  expect_rejected({"a hundred and twenty-nine streams at once", {}, stream_limit}, Target(), [](Target& t) {
    for (std::uint64_t i = 0; i < 129; ++i) t.machine.stream_accepted(swim::StreamId{++t.last_stream}, Lone::at(9), t.now);
  });
}

TEST_CASE("streams that hang give way to one that speaks", "[swim][hostile]") {
  SwimConfig calm;
  calm.probe_interval = 1h;
  Target t(nullptr, calm);
  const Bytes one_byte = hex("f4");
  const auto open = [&] {
    const swim::StreamId id{++t.last_stream};
    t.machine.stream_accepted(id, Lone::at(9), t.now);
    return id;
  };
  const auto closed = [&] {
    std::vector<std::uint64_t> ids;
    while (auto output = t.machine.poll_output())
      if (const auto* close = std::get_if<swim::CloseStream>(&*output)) ids.push_back(static_cast<std::uint64_t>(close->id));
    return ids;
  };
  const auto refused = [&] { return t.machine.stats().rejected[PacketReject::stream_limit]; };
  for (int i = 0; i < 128; ++i) t.machine.stream_received(open(), one_byte.view(), t.now);
  CHECK(closed().empty());
  open();  // at once: none of the others has had its time
  CHECK(closed() == std::vector<std::uint64_t>{129});
  CHECK(refused() == 1);
  t.now = t.now + swim::Streams::kSilentMin;
  t.machine.stream_received(swim::StreamId{1}, hex("04").view(), t.now);  // goes on
  const swim::StreamId honest = open();
  CHECK(closed() == std::vector<std::uint64_t>{2});
  CHECK(refused() == 2);
  wire::Buffer table;
  wire::encode(wire::PushPullHeader{1, 0, true}, table);
  const Bytes address = Lone::at(4).raw();
  wire::encode(wire::PushNodeState{"n4", address.view(), 7946, {}, 1, 0, as_bytes("\x01\x05\x02\x02\x05\x04")}, table);
  t.machine.stream_received(honest, labelled(Bytes::copy_of(table)).view(), t.now);
  CHECK(t.machine.find("n4") != nullptr);
}

TEST_CASE("metadata above 512 bytes is taken, and what is wrong in a row costs that row only", "[swim][hostile]") {
  constexpr auto kVersions = std::string_view("\x01\x05\x02\x02\x05\x04");
  const auto address = [](int i) { return Lone::at(i).raw(); };
  const auto alive = [&](int i, std::size_t meta) {
    return wire::encoded(wire::Alive{1, Lone::name(i), address(i).view(), 7946, as_bytes(std::string(meta, 'm')), as_bytes(kVersions)});
  };
  const auto meta = [](const swim::Swim& machine, const char* name) {
    const Member* member = machine.find(name);
    return member == nullptr ? std::optional<std::size_t>() : member->meta.size();
  };
  Target packets;
  packets.packet(labelled(alive(4, 513)));
  packets.packet(labelled(alive(5, wire::kMetaTakenMax)));
  packets.packet(labelled(alive(6, wire::kMetaTakenMax + 1)));
  CHECK(meta(packets.machine, "n4") == 513);
  CHECK(meta(packets.machine, "n5") == wire::kMetaTakenMax);
  CHECK_FALSE(meta(packets.machine, "n6"));
  CHECK(packets.machine.stats().rejected[PacketReject::malformed] == 1);

  Target tables;
  wire::Buffer table;
  wire::encode(wire::PushPullHeader{5, 0, true}, table);
  for (const auto& [i, size] : {std::pair(4, std::size_t{0}), {5, std::size_t{513}}, {6, wire::kMetaTakenMax + 1}, {7, std::size_t{9}}}) {
    const std::string name = Lone::name(i), text(size, 'm');
    wire::encode(wire::PushNodeState{name, address(i).view(), 7946, as_bytes(text), 1, 0, as_bytes(kVersions)}, table);
  }
  const Bytes wrong = hex("81a44e616d6505");  // its name is a number
  table.insert(table.end(), wrong.view().begin(), wrong.view().end());
  tables.stream(labelled(Bytes::copy_of(table)));
  CHECK(meta(tables.machine, "n4") == 0);
  CHECK(meta(tables.machine, "n5") == 513);
  CHECK_FALSE(meta(tables.machine, "n6"));
  CHECK(meta(tables.machine, "n7") == 9);
  CHECK(tables.machine.stats().rejected[PacketReject::malformed] == 2);
  CHECK(tables.machine.stats().push_pulls[PushPullResult::in_ok] == 1);

  // What goes beyond memberlist's bound is bounded in all.
  Target many;
  int taken = 0;
  for (int i = 4; i < 1000; ++i) {
    const std::string name = "m" + std::to_string(i), text(wire::kMetaTakenMax, 'm');
    many.packet(labelled(wire::encoded(wire::Alive{1, name, address(4).view(), 7946, as_bytes(text), as_bytes(kVersions)})));
    if (many.machine.find(name) != nullptr) ++taken;
  }
  CHECK(taken == 520);
  CHECK(many.machine.stats().rejected[PacketReject::too_large] == 996 - 520);
}

TEST_CASE("members at addresses that nobody can dial are not taken, the rest of their table is", "[swim][hostile]") {
  constexpr auto kVersions = std::string_view("\x01\x05\x02\x02\x05\x04");
  const std::vector<std::string> bad{"0.0.0.0:7946", "0.1.2.3:7946", "224.0.0.1:7946", "239.1.2.3:7946", "240.0.0.1:7946", "255.255.255.255:7946",
                                     "[::]:7946", "[ff02::1]:7946", "[fe80::1]:7946"};
  const auto alive = [&](const std::string& name, const Endpoint& at) {
    const Bytes address = at.raw();
    return labelled(wire::encoded(wire::Alive{1, name, address.view(), at.port, {}, as_bytes(kVersions)}));
  };
  for (const std::string& text : bad)
    expect_rejected({text.c_str(), alive("n4", *Endpoint::parse(text)), PacketReject::bad_address}, Target(),
                    [&](Target& t) { t.packet(alive("n4", *Endpoint::parse(text))); });
  // A member that is known keeps its address.
  Target moved;
  moved.packet(labelled(wire::encoded(wire::Alive{9, "n2", Endpoint::parse("224.0.0.1:7946")->raw().view(), 7946, {}, as_bytes(kVersions)})));
  CHECK(moved.machine.find("n2")->endpoint() == Lone::at(2));

  wire::Buffer table;
  wire::encode(wire::PushPullHeader{static_cast<std::int64_t>(bad.size()) + 2, 0, true}, table);
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const std::string name = "b" + std::to_string(i);
    const Bytes address = Endpoint::parse(bad[i])->raw();
    wire::encode(wire::PushNodeState{name, address.view(), 7946, {}, 1, 0, as_bytes(kVersions)}, table);
  }
  for (const std::string text : {"169.254.1.1:7946", "[fd00::1]:7946"}) {
    const Bytes address = Endpoint::parse(text)->raw();
    wire::encode(wire::PushNodeState{text, address.view(), 7946, {}, 1, 0, as_bytes(kVersions)}, table);
  }
  Target t;
  std::size_t said = 0;
  for (int round = 0; round < 2; ++round) {
    const swim::StreamId id{++t.last_stream};
    t.machine.stream_accepted(id, Lone::at(9), {});
    t.machine.stream_received(id, labelled(Bytes::copy_of(table)).view(), {});
    while (auto output = t.machine.poll_output())
      if (const auto* log = std::get_if<swim::Log>(&*output); log != nullptr && log->record.code == "PV1125") ++said;
  }
  CHECK(t.machine.members().size() == 5);
  CHECK(t.machine.stats().rejected[PacketReject::bad_address] == 2 * bad.size());
  CHECK(t.machine.stats().push_pulls[PushPullResult::in_ok] == 2);
  CHECK(said == bad.size());
}

TEST_CASE("with a key, only what it seals changes anything", "[swim][hostile]") {
  const auto key = ring('k'), other = ring('x');
  const Bytes death = wire::encoded(wire::Dead{9, "n2", "n3"});
  for (const Bytes& message : {Target::alive(4), death, wire::encoded(wire::Suspect{9, "n2", "n3"})}) {
    expect_rejected({"in clear", {}, PacketReject::plaintext}, Target(key), [&](Target& t) { t.packet(labelled(message)); });
    const wire::Layers strange{"blue", false, false, other.get()};
    expect_rejected({"sealed by another key", {}, PacketReject::undecryptable}, Target(key),
                    [&](Target& t) { t.packet(wire::wrap_packet(strange, message.view())); });
    const wire::Layers moved{"red", false, false, key.get()};
    expect_rejected({"sealed by the key for another cluster", {}, PacketReject::undecryptable}, Target(key), [&](Target& t) {
      const Bytes red = wire::wrap_packet(moved, message.view());
      t.packet(labelled(red.slice(5)));  // the label is taken off and ours put on: it is part of what is sealed
    });
  }
  // The whole list of malformed packets is refused before anything of it is read.
  for (const Row& row : bad_packets()) {
    if (row.bytes.empty() || row.reason == PacketReject::wrong_label || !row.bytes.text().starts_with("\xf4\x04" "blue")) continue;
    Target t(key);
    const std::string before = beliefs(t.machine);
    INFO(row.what);
    t.packet(row.bytes);
    CHECK(beliefs(t.machine) == before);
    const auto& rejected = t.machine.stats().rejected;
    CHECK(rejected[PacketReject::plaintext] + rejected[PacketReject::undecryptable] == 1);
    CHECK(rejected.total() == 1);
  }
  Target t(key);
  t.packet(t.sealed(death));
  CHECK(t.machine.find("n2")->state == MemberState::dead);  // and so it would have worked
}

TEST_CASE("a sealed packet or stream that was touched anywhere is refused whole", "[swim][hostile]") {
  const auto key = ring('k');
  Target target(key);
  const std::string before = beliefs(target.machine);
  const Bytes packet = target.sealed(wire::encoded(wire::Dead{9, "n2", "n3"}));
  wire::Buffer table;
  wire::encode(wire::PushPullHeader{1, 0, true}, table);
  const Bytes address = Lone::at(4).raw();
  wire::encode(wire::PushNodeState{"n4", address.view(), 7946, {}, 1, 0, as_bytes("\x01\x05\x02\x02\x05\x04")}, table);
  const Bytes stream = wire::wrap_stream(target.layers, true, table);
  Rng rng{77};
  std::uint64_t given = 0;
  for (int round = 0; round < 4000; ++round) {
    for (const Bytes& whole : {packet, stream}) {
      std::string bytes(whole.text());
      switch (rng.below(4)) {
        case 0: bytes[rng.below(bytes.size())] ^= static_cast<char>(1 << rng.below(8)); break;
        case 1: bytes.resize(rng.below(bytes.size())); break;
        case 2: bytes.insert(rng.below(bytes.size()), 1 + rng.below(8), static_cast<char>(rng.below(256))); break;
        default:
          for (std::size_t i = 6; i < bytes.size(); ++i) bytes[i] = static_cast<char>(rng.below(256));
      }
      if (bytes.size() > whole.size() && bytes.starts_with(whole.text())) continue;  // only followed by something
      ++given;
      if (whole.text() == packet.text()) target.packet(Bytes::copy_of(bytes));
      else target.stream(Bytes::copy_of(bytes));
    }
  }
  CHECK(beliefs(target.machine) == before);
  // Nothing is dropped silently; a stream that ends before its first byte asked for nothing.
  CHECK(target.machine.stats().rejected.total() <= given);
  CHECK(target.machine.stats().rejected.total() >= given * 99 / 100);
}
