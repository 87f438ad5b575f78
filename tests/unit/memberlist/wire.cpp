// memberlist's tests of message handling, by their names. See docs/memberlist-tests.md.
#include "lone.hpp"

using namespace plumvine;
using namespace plumvine::test;
using wire::MessageType;

namespace {

/// A machine whose own news is no longer gossiped, so that answers go out alone.
void quiet(Lone& lone) {
  for (int i = 0; i < 200 && lone.machine.stats().gossip_queue_length > 0; ++i) lone.wait(200ms);
  lone.sent.clear();
}

SwimConfig still() {
  SwimConfig config;
  config.probe_interval = 1h;
  config.push_pull_interval = 0s;
  return config;
}

std::uint32_t ack_in(const Sent& datagram) {
  wire::Scratch scratch;
  wire::Ack ack;
  const Bytes body = datagram.body(MessageType::ack).value_or(Bytes{});
  return wire::decode_body(body.view(), ack, scratch) ? ack.sequence : 0;
}

constexpr swim::StreamId kAccepted{5};

Lone& with_request(Lone& lone, const wire::Buffer& request) {
  lone.machine.stream_accepted(kAccepted, Lone::at(3), lone.now);
  lone.machine.stream_received(kAccepted, BytesView(request), lone.now);
  lone.drain();
  return lone;
}

}  // namespace

TEST_CASE("HandleCompoundPing", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  const Bytes one = wire::encoded(wire::Ping{42, "me", {}, 0, {}}), two = wire::encoded(wire::Ping{43, "", {}, 0, {}}),
              three = wire::encoded(wire::Ping{44, "me", {}, 0, {}});
  const std::vector<BytesView> parts{one.view(), two.view(), three.view()};
  lone.packet(wire::pack("", parts), Lone::at(2));
  REQUIRE(lone.sent.size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    CHECK(ack_in(lone.sent[i]) == 42 + i);
    CHECK(lone.sent[i].to == Lone::at(2));
  }
}

TEST_CASE("HandlePing, HandlePing_WrongNode", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  const Bytes source = Lone::at(2).raw();
  lone.receive(wire::Ping{42, "me", source.view(), 7946, "n2"}, Lone::at(2));
  REQUIRE(lone.sent.size() == 1);
  CHECK(ack_in(lone.sent[0]) == 42);
  CHECK(lone.sent[0].to == Lone::at(2));
  lone.sent.clear();
  lone.receive(wire::Ping{43, "me-bad", source.view(), 7946, "n2"}, Lone::at(2));
  CHECK(lone.sent.empty());
  CHECK(lone.machine.stats().rejected[PacketReject::wrong_name] == 1);
}

TEST_CASE("HandleIndirectPing", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  lone.alive(3);
  quiet(lone);
  const Bytes target = Lone::at(2).raw(), source = Lone::at(3).raw();
  lone.receive(wire::IndirectPing{100, target.view(), 7946, "n2", false, source.view(), 7946, "n3"}, Lone::at(3));
  REQUIRE(lone.sent.size() == 1);
  CHECK(lone.sent[0].to == Lone::at(2));
  const auto [sequence, name] = Lone::ping_in(lone.sent[0]);
  CHECK(name == "n2");
  CHECK(sequence != 100);
  lone.sent.clear();
  lone.ack(sequence, 2);
  REQUIRE(lone.sent.size() == 1);
  CHECK(lone.sent[0].to == Lone::at(3));
  CHECK(ack_in(lone.sent[0]) == 100);  // the asker's number
}

TEST_CASE("SendMsg_Piggyback", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  lone.alive(3);
  lone.receive(wire::Ping{42, "me", {}, 0, {}}, Lone::at(2));
  REQUIRE(lone.sent.size() == 1);
  REQUIRE(lone.sent[0].parts.size() == 2);
  CHECK(lone.sent[0].parts[0].first == MessageType::ack);
  CHECK(lone.sent[0].parts[1].first == MessageType::alive);
}

TEST_CASE("IngestPacket_EmptyMessage, HandleCommand", "[memberlist]") {
  Lone lone(still());
  lone.packet(Bytes{}, Lone::at(2));
  CHECK(lone.machine.stats().rejected[PacketReject::empty] == 1);
  lone.packet(Bytes::copy_of(std::string("\x07\x01\x00\x00", 4)), Lone::at(2));  // a compound of one empty part
  CHECK(lone.machine.stats().rejected[PacketReject::empty] == 2);
  CHECK(lone.sent.empty());
}

TEST_CASE("IngestPacket_CRC", "[memberlist]") {
  Lone lone(still());
  std::string packet("\x0c\x00\x00\x00\x00", 5);
  packet += wire::encoded(wire::Ping{42, "me", {}, 0, {}}).text();
  lone.packet(Bytes::copy_of(packet), Lone::at(2));
  CHECK(lone.machine.stats().rejected[PacketReject::bad_crc] == 1);
  CHECK(lone.sent.empty());
}

TEST_CASE("RawSendUdp_CRC", "[memberlist]") {
  SwimConfig config = still();
  config.enable_compression = false;
  Lone lone(config);
  lone.alive(2, 1, "", 5);
  lone.alive(3, 1, "", 4);
  lone.sent.clear();
  lone.wait(2s);
  std::size_t with = 0, without = 0;
  for (const Sent& datagram : lone.sent) {
    const bool checked = datagram.packet.view()[0] == static_cast<std::byte>(MessageType::crc);
    INFO(datagram.to.to_string());
    CHECK(checked == (datagram.to == Lone::at(2)));  // who knows version 5 takes checksums
    ++(checked ? with : without);
    std::vector<Bytes> whole;
    for (const auto& [type, body] : datagram.parts)
      whole.push_back(Bytes::copy_of(std::string(1, static_cast<char>(type)) + std::string(body.text())));
    const std::vector<BytesView> parts = [&] {
      std::vector<BytesView> views;
      for (const Bytes& message : whole) views.push_back(message.view());
      return views;
    }();
    CHECK(datagram.packet.size() == wire::pack("", parts).size() + (checked ? 5 : 0));
  }
  CHECK(with > 0);
  CHECK(without > 0);
  lone.sent.clear();
  lone.receive(wire::Ping{42, "me", {}, 0, {}}, Lone::at(9));  // of nobody whom we know
  REQUIRE(lone.sent.size() == 1);
  CHECK(lone.sent[0].packet.view()[0] != static_cast<std::byte>(MessageType::crc));
}

TEST_CASE("LabelOverhead", "[memberlist]") {
  for (const auto& [label, size] : {std::pair(std::string_view(""), 0U), {"a", 3U}, {"abcdefg", 9U}}) {
    wire::Buffer header;
    wire::append_label(label, header);
    CHECK(header.size() == size);
  }
}

TEST_CASE("Join_protocolVersions, Join_Protocol_Compatibility", "[memberlist]") {
  Lone lone(still());
  wire::Buffer request;
  wire::encode(wire::PushPullHeader{5, 0, true}, request);
  for (const int current : {1, 2, 3, 4, 5}) {
    const std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, static_cast<std::byte>(current), std::byte{2}, std::byte{5}, std::byte{4}};
    const Bytes address = Lone::at(10 + current).raw();
    const std::string name = Lone::name(10 + current);
    wire::encode(wire::PushNodeState{name, address.view(), 7946, {}, 1, 0, versions}, request);
  }
  with_request(lone, request);
  for (const int current : {1, 2, 3, 4, 5}) CHECK(lone.state(10 + current) == MemberState::alive);
  CHECK(lone.machine.stats().push_pulls[PushPullResult::in_ok] == 1);
  CHECK(lone.machine.stats().rejected.total() == 0);
  REQUIRE(lone.streamed.size() == 1);  // and they get our table
}

TEST_CASE("Create_protocolVersion", "[memberlist]") {
  Lone lone(still());
  CHECK(lone.machine.self().versions == Versions{1, 5, 2, 2, 5, 4});
}

TEST_CASE("Create_checkBroadcastQueueMetrics", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  CHECK(lone.machine.stats().gossip_queue_length == 0);
  for (const int i : {3, 4, 5}) lone.alive(i);
  CHECK(lone.machine.stats().gossip_queue_length == 3);
  quiet(lone);
  CHECK(lone.machine.stats().gossip_queue_length == 0);
}

TEST_CASE("DecodeCompound_Trunc, DecodeCompound_NumberOfPartsOverflow", "[memberlist]") {
  Lone lone(still());
  lone.alive(2);
  quiet(lone);
  const Bytes ping = wire::encoded(wire::Ping{42, "", {}, 0, {}});
  const std::vector<BytesView> parts(3, ping.view());
  const Bytes whole = wire::pack("", parts);
  lone.packet(Bytes::copy_of(whole.view().first(whole.size() - 3)), Lone::at(2));
  CHECK(lone.sent.size() == 2);  // those before the cut count
  CHECK(lone.machine.stats().rejected[PacketReject::malformed] == 1);
  lone.packet(Bytes::copy_of(std::string("\x07\x80", 2)), Lone::at(2));
  CHECK(lone.machine.stats().rejected[PacketReject::malformed] == 2);
}

TEST_CASE("TCPPushPull", "[memberlist]") {
  Lone lone(still());
  lone.alive(2, 1);
  lone.suspect(2, 1, "n3");
  wire::Buffer request;
  wire::encode(wire::PushPullHeader{3, 0, false}, request);
  const std::array<std::byte, 6> versions{std::byte{1}, std::byte{5}, std::byte{2}, std::byte{2}, std::byte{5}, std::byte{4}};
  for (const int i : {2, 3, 4}) {
    const Bytes address = Lone::at(i).raw();
    const std::string name = Lone::name(i);
    wire::encode(wire::PushNodeState{name, address.view(), 7946, {}, i == 2 ? 4U : 1U, 0, versions}, request);
  }
  with_request(lone, request);
  REQUIRE(lone.streamed.size() == 1);
  wire::StreamReader reader(false, "");
  REQUIRE(reader.feed(lone.streamed[0].second.view()) == wire::StreamReader::Progress::done);
  wire::Scratch scratch;
  wire::PushPullRows rows(reader.body(), scratch);
  std::map<std::string, std::pair<std::uint32_t, std::int64_t>> replied;
  while (const auto row = rows.next()) replied[std::string(row->name)] = {row->incarnation, row->state};
  // The answer shows the table as it was before the request was merged.
  CHECK(replied.size() == 2);
  CHECK(replied.count("me") == 1);
  CHECK(replied["n2"] == std::pair{std::uint32_t{1}, std::int64_t{1}});
  CHECK(lone.state(2) == MemberState::alive);
  CHECK(lone.state(4) == MemberState::alive);
}

TEST_CASE("TCPPing, the side that is called", "[memberlist]") {
  Lone lone(still());
  wire::Buffer request;
  SECTION("by its name") {
    wire::encode(wire::Ping{23, "me", {}, 0, {}}, request);
    with_request(lone, request);
    REQUIRE(lone.streamed.size() == 1);
    CHECK(lone.streamed[0].second == wire::wrap_stream({.compress = true}, false, wire::encoded(wire::Ack{23, {}}).view()));
  }
  SECTION("by another name") {
    wire::encode(wire::Ping{23, "other", {}, 0, {}}, request);
    with_request(lone, request);
    CHECK(lone.streamed.empty());
  }
  CHECK(lone.closed == std::vector{kAccepted});
}

TEST_CASE("ReadRemoteState_Limits, ReadUserMsg_Limit", "[memberlist]") {
  Lone lone(still());
  wire::Buffer request;
  SECTION("rows") { wire::encode(wire::PushPullHeader{10'000'000, 0, false}, request); }
  SECTION("user state") { wire::encode(wire::PushPullHeader{0, 30'000'000, false}, request); }
  SECTION("user message") { wire::encode(wire::UserHeader{30'000'000}, request); }
  with_request(lone, request);
  CHECK(lone.closed == std::vector{kAccepted});
  CHECK(lone.streamed.empty());
  CHECK(lone.machine.stats().rejected.total() == 1);
}
