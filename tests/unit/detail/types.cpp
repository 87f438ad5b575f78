#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "support/pch.hpp"

using namespace plumvine;

namespace {

std::string parsed(std::string_view text) {
  const auto endpoint = Endpoint::parse(text);
  return endpoint ? endpoint->to_string() : "error";
}

}  // namespace

TEST_CASE("instances and message ids are read as they are written", "[detail][types]") {
  CHECK(to_string(InstanceId{0x1234}) == "0000000000001234");
  CHECK(to_string(MessageId{InstanceId{UINT64_MAX}, 17}) == "ffffffffffffffff-17");
  REQUIRE(parse_instance("0000000000001234"));
  CHECK(*parse_instance("0000000000001234") == InstanceId{0x1234});
  const auto id = parse_message_id("ffffffffffffffff-18446744073709551615");
  REQUIRE(id);
  CHECK(*id == MessageId{InstanceId{UINT64_MAX}, UINT64_MAX});
  for (const auto* bad : {"", "1234", "000000000000123G", "00000000000012AB", "00000000000000000", " 00000000000001234"})
    CHECK_FALSE(parse_instance(bad));
  for (const auto* bad : {"", "0000000000001234", "0000000000001234-", "0000000000001234-0", "0000000000001234-x",
                          "0000000000001234-1-2", "0000000000001234-18446744073709551616", "-1", "0000000000001234--1"})
    CHECK_FALSE(parse_message_id(bad));
}

TEST_CASE("endpoints are read and written, IPv4 in either spelling", "[detail][types]") {
  CHECK(parsed("10.0.0.1:7946") == "10.0.0.1:7946");
  CHECK(parsed("[::ffff:10.0.0.1]:7946") == "10.0.0.1:7946");
  CHECK(parsed("[fe80::1]:1") == "[fe80::1]:1");
  CHECK(parsed("0.0.0.0:0") == "0.0.0.0:0");
  CHECK(*Endpoint::parse("[::ffff:10.0.0.1]:7946") == *Endpoint::parse("10.0.0.1:7946"));
  for (const auto* bad : {"", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.256:1", "fe80::1",
                          "[fe80::1]", "[fe80::1:1", "fe80::1]:1", "localhost:1", "10.0.0.1:1x", " 10.0.0.1:1"})
    CHECK(parsed(bad) == "error");
}

TEST_CASE("endpoints know what kind they are", "[detail][types]") {
  const auto is = [](std::string_view text) { return *Endpoint::parse(text); };
  CHECK(is("127.1.2.3:1").is_loopback());
  CHECK(is("[::1]:1").is_loopback());
  CHECK_FALSE(is("10.0.0.1:1").is_loopback());
  CHECK_FALSE(is("[::]:1").is_loopback());
  CHECK(is("0.0.0.0:1").is_unspecified());
  CHECK(is("[::]:1").is_unspecified());
  CHECK_FALSE(is("[::1]:1").is_unspecified());
  CHECK(is("0.0.0.0:1").is_v4());
  CHECK_FALSE(is("[::]:1").is_v4());
}

TEST_CASE("IsValidAddressDefaults, IsValidAddressOverride", "[detail][types]") {
  const auto in = [](std::string_view network, const std::string& host) {
    return Network::parse(network)->contains(*Endpoint::parse(host + ":1"));
  };
  CHECK(in("10.0.0.0/8", "10.255.1.2"));
  CHECK_FALSE(in("10.0.0.0/8", "11.0.0.1"));
  CHECK(in("10.1.2.3/31", "10.1.2.2"));
  CHECK_FALSE(in("10.1.2.3/31", "10.1.2.4"));
  CHECK(in("127.0.0.1/32", "127.0.0.1"));
  CHECK_FALSE(in("127.0.0.1/32", "127.0.0.2"));
  CHECK(in("0.0.0.0/0", "192.168.0.1"));
  CHECK_FALSE(in("0.0.0.0/0", "[2001:db8::1]"));
  CHECK(in("::/0", "[2001:db8::1]"));
  CHECK(in("2001:db8::/33", "[2001:db8:7fff::1]"));
  CHECK_FALSE(in("2001:db8::/33", "[2001:db8:8000::1]"));
  CHECK(in("10.0.0.0/8", "[::ffff:10.2.3.4]"));
  CHECK(Network::parse("10.1.2.3/8")->to_string() == "10.0.0.0/8");
  CHECK(Network::parse("fd00::1/16")->to_string() == "fd00::/16");
  for (const auto* bad : {"", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/8x", "name/8"})
    CHECK_FALSE(Network::parse(bad));
}

TEST_CASE("raw addresses have 4 or 16 bytes", "[detail][types]") {
  for (const auto* text : {"10.1.2.3:7946", "[2001:db8::5]:7946"}) {
    const auto endpoint = *Endpoint::parse(text);
    const auto raw = endpoint.raw();
    CHECK(raw.size() == (endpoint.is_v4() ? 4 : 16));
    CHECK(*Endpoint::from_raw(raw.view(), 7946) == endpoint);
  }
  CHECK_FALSE(Endpoint::from_raw({}, 1));
  CHECK_FALSE(Endpoint::from_raw(as_bytes("12345"), 1));
  Member member;
  member.address = Bytes::copy_of("12345");
  CHECK(member.endpoint().is_unspecified());
}

TEST_CASE("hosts and ports are read as people write them", "[detail][types]") {
  struct Row {
    const char* text;
    const char* host;
    std::uint16_t port;
    bool has_port, srv;
  };
  for (const auto& row : {Row{"node1", "node1", 0, false, false}, Row{"node1:80", "node1", 80, true, false},
                          Row{"10.0.0.1:0", "10.0.0.1", 0, true, false}, Row{"fe80::1", "fe80::1", 0, false, false},
                          Row{"[fe80::1]", "fe80::1", 0, false, false}, Row{"[fe80::1]:80", "fe80::1", 80, true, false},
                          Row{"host_1.a-b", "host_1.a-b", 0, false, false}, Row{"[fe80::1%eth0]:80", "fe80::1%eth0", 80, true, false},
                          Row{"srv+_p._tcp.example", "_p._tcp.example", 0, false, true}}) {
    INFO(row.text);
    const auto parts = HostPort::parse(row.text);
    REQUIRE(parts);
    CHECK(parts->host == row.host);
    CHECK(parts->port == row.port);
    CHECK(parts->has_port == row.has_port);
    CHECK(parts->srv == row.srv);
    const auto again = HostPort::parse(parts->to_string());
    REQUIRE(again);
    CHECK(again->to_string() == parts->to_string());
  }
  for (const auto* bad : {"", ":80", "[]", "[fe80::1", "[fe80::1]80", "node1:", "node1:x", "node1:65536", "srv+", "srv+a:80", "a b", "a]:b:c", "a[b",
                          "[srv+f1]:1", "[node1]:80", ":::", "a:b:c", "x:y:z", "host_bad!", "a\nb", "\x1b[31m", "10.0.0.1:80:80", "[::g]:1"})
    CHECK_FALSE(HostPort::parse(bad));
  CHECK_FALSE(HostPort::parse(std::string_view{"10.0.0.1\0x:80", 13}));
  CHECK_FALSE(Endpoint::parse(std::string_view{"10.0.0.1\0x:80", 13}));
}

TEST_CASE("tags are read as they are written", "[detail][tags]") {
  Tags tags{{"role", "db"}, {"", ""}, {"long", std::string(300, 'x')}};
  for (int i = 0; i < 20; ++i) tags["k" + std::to_string(i)] = std::to_string(i);
  CHECK(decode_tags(encode_tags(tags).view()) == tags);
  CHECK(decode_tags(encode_tags({}).view()).empty());
  CHECK(decode_tags({}).empty());
  CHECK(decode_tags(as_bytes("plain text")) == Tags{{"role", "plain text"}});
  CHECK(decode_tags(as_bytes(std::string_view{"\xff\x81\xa1k\xa1v", 6})) == Tags{{"k", "v"}});
}

TEST_CASE("broken tags give what could be read", "[detail][tags]") {
  CHECK(decode_tags(as_bytes("\xff")).empty());
  CHECK(decode_tags(as_bytes("\xff\xdf\xff\xff\xff\xff")).empty());
  CHECK(decode_tags(as_bytes(std::string_view{"\xff\x82\xa1k\xa1v\xa5x", 8})) == Tags{{"k", "v"}});
  CHECK(decode_tags(as_bytes("\xff\x81\xdb\xff\xff\xff\xff")).empty());
}

TEST_CASE("names of enumerators are distinct", "[detail][types]") {
  const auto distinct = [](auto... values) {
    return std::set<std::string_view>{to_string(values)...}.size() == sizeof...(values);
  };
  CHECK(distinct(MemberState::alive, MemberState::suspect, MemberState::dead, MemberState::left));
  CHECK(distinct(PeerRole::eager, PeerRole::lazy));
  CHECK(distinct(LossReason::evicted, LossReason::expired, LossReason::slow_consumer, LossReason::history_gap));
  std::set<std::string_view> rejects;
  for (std::size_t i = 0; i < CountedReasons<FrameReject>::kSize; ++i) rejects.insert(to_string(static_cast<FrameReject>(i)));
  CHECK(rejects.size() == CountedReasons<FrameReject>::kSize);
  std::set<std::string_view> packets;
  for (std::size_t i = 0; i < CountedReasons<PacketReject>::kSize; ++i) packets.insert(to_string(static_cast<PacketReject>(i)));
  CHECK(packets.size() == CountedReasons<PacketReject>::kSize);
}
