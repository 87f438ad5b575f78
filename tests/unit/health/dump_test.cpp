#include <ctime>

#include <nlohmann/json.hpp>

#include "health/dump.hpp"
#include "health/json_text.hpp"
#include "support/pch.hpp"
#include "support/snapshots.hpp"

using namespace plumvine;
using nlohmann::json;
using test::cluster;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

std::vector<std::string> keys_of(const std::string& text) {
  std::vector<std::string> keys;
  const auto object = nlohmann::ordered_json::parse(text);
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

std::vector<std::string> keys_of(const nlohmann::ordered_json& object) {
  return keys_of(object.dump());
}

using Keys = std::vector<std::string>;

std::string line(std::string_view payload, std::string_view origin = "n1") {
  Message m;
  m.id = {InstanceId{0xabc}, 7};
  m.origin = origin;
  m.topic = "t";
  m.payload = Bytes::copy_of(payload);
  m.hops = 2;
  return dump::message_json(m);
}

}  // namespace

TEST_CASE("a printed line has the documented fields in order", "[dump]") {
  CHECK(
      line("x\"\\\n\x01y") ==
      R"({"topic":"t","origin":"n1","id":"0000000000000abc-7","seq":7,"hops":2,"size":6,"payload":"x\"\\\n\u0001y"})");
  CHECK(line("") == R"({"topic":"t","origin":"n1","id":"0000000000000abc-7","seq":7,"hops":2,"size":0,"payload":""})");
  CHECK(line("\xff\xfe") ==
        R"({"topic":"t","origin":"n1","id":"0000000000000abc-7","seq":7,"hops":2,"size":2,"payload_base64":"//4="})");
  Message m;
  CHECK(json::parse(dump::message_json(m, "c1"))["cursor"] == "c1");
}

TEST_CASE("payloads come back byte for byte, as text or as base64", "[dump]") {
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  CHECK(json::parse(line(every)).contains("payload_base64"));
  const std::string valid = "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xbf" + std::string(1, '\0') + "\x7f\t\r\n\b\f\x1f/";
  CHECK(json::parse(line(valid))["payload"].get<std::string>() == valid);
}

TEST_CASE("UTF-8 is what RFC 3629 says it is", "[dump]") {
  for (const char* good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "12345678\xc3\xa9"}) {
    CAPTURE(good);
    CHECK(dump::is_utf8(good));
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x8c", "12345678\xff", "\xc3(", "\xe2(\xa1"}) {
    CAPTURE(bad);
    CHECK_FALSE(dump::is_utf8(bad));
  }
  CHECK(dump::to_utf8("a\xff"
                      "b") ==
        "a\xef\xbf\xbd"
        "b");
}

TEST_CASE("300,000 lines are written in well under two seconds", "[dump]") {
  Message m;
  m.origin = "node-1";
  m.topic = "demo";
  m.payload = Bytes::copy_of(std::string(200, 'x'));
  std::size_t bytes = 0;
  const auto start = std::clock();
  for (int i = 0; i < 300'000; ++i) bytes += dump::message_json(m).size();
  const double cpu_s = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  CHECK(bytes > 300'000 * 200);
  CHECK(cpu_s < (kInstrumented ? 20 : 2));
}

TEST_CASE("members have the documented fields", "[dump]") {
  auto s = cluster();
  auto& b = s.members[1];
  b.member.incarnation = Incarnation{4};
  b.member.since = {98'500'000'000};
  b.member.meta = encode_tags({{"role", "web"}});
  b.rtt_s = 0.0015;
  s.members[2].member.name = "bad\xff";
  const auto members = nlohmann::ordered_json::parse(dump::members_json(s));
  REQUIRE(members.size() == 4);
  CHECK(keys_of(members[1]) ==
        Keys{"name", "addr", "port", "state", "incarnation", "meta", "tags", "rtt_ms", "link", "self", "since_s",
             "packets", "incompatible", "accused_by"});
  CHECK(members[0]["self"] == true);
  CHECK(members[0]["rtt_ms"].is_null());
  CHECK(members[1]["addr"] == "10.0.0.1");
  CHECK(members[1]["port"] == 7946);
  CHECK(members[1]["state"] == "alive");
  CHECK(members[1]["incarnation"] == 4);
  CHECK(members[1]["meta"] == "/4Gkcm9sZaN3ZWI=");
  CHECK(members[1]["tags"]["role"] == "web");
  CHECK(members[1]["rtt_ms"] == 1.5);
  CHECK(members[1]["since_s"] == 1.5);
  CHECK(members[2]["name"] == "bad\xef\xbf\xbd");
}

TEST_CASE("every established link is in exactly one of eager and lazy", "[dump]") {
  auto s = cluster();
  s.links.push_back(test::link("d", PeerRole::lazy, LinkState::dialling));
  s.links[0].graft_timeout_s = 0.0125;
  s.links[0].up_s = 61.25;
  const auto peers = nlohmann::ordered_json::parse(dump::peers_json(s));
  CHECK(peers["self"] == "a");
  CHECK(peers["eager"] == json::array({"b"}));
  CHECK(peers["lazy"] == json::array({"c"}));
  CHECK(peers["protected"] == json::array({"b"}));
  REQUIRE(peers["links"].size() == 2);
  CHECK(peers["unestablished"][0]["state"] == "dialling");
  const auto keys = keys_of(peers["links"][0]);
  const Keys documented{"peer",        "role",           "state",      "direction",      "rtt_ms",      "score",
                        "queue_bytes", "queue_messages", "sent_bytes", "received_bytes", "last_frame_s", "up_s"};
  CHECK(peers["links"][0]["up_s"] == 61.25);
  CHECK(peers["unestablished"][0]["up_s"].is_null());
  CHECK(peers["links"][0]["graft_timeout_ms"] == 12.5);
  CHECK(peers["links"][1]["graft_timeout_ms"].is_null());
  CHECK(Keys(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(documented.size())) == documented);
}

TEST_CASE("the health report has the documented fields and nesting", "[dump]") {
  auto s = cluster();
  s.partition = PartitionState::partial;
  const auto report = assess(s, {});
  const auto text = dump::health_json(report);
  CHECK(keys_of(text) == Keys{"status", "message", "reasons", "version", "name", "uptime_s", "peer_health",
                              "delivery_health", "cache_health", "loop_health"});
  const auto parsed = nlohmann::ordered_json::parse(text);
  CHECK(parsed["status"] == "degraded");
  CHECK(keys_of(parsed["reasons"][0]) == Keys{"code", "severity", "component", "evidence", "remedy"});
  CHECK(parsed["reasons"][0]["evidence"]["members_alive"] == 4);
  CHECK(keys_of(parsed["peer_health"]) == Keys{"eager_count", "lazy_count", "protected_count", "total_peers",
                                               "target_eager", "members_alive", "members_suspect", "members_dead",
                                               "partition"});
  CHECK(keys_of(parsed["delivery_health"]) == Keys{"pending_grafts", "graft_failure_rate", "duplicate_rate",
                                                   "missing_messages", "oldest_missing_s", "delivered_total"});
  CHECK(keys_of(parsed["cache_health"]) ==
        Keys{"messages", "capacity", "bytes", "bytes_capacity", "ttl_s", "utilization"});
  CHECK(keys_of(parsed["loop_health"]) == Keys{"busy_ratio", "max_stall_ms"});
  CHECK(json::parse(dump::health_json(report, "loop"))["status"] == "healthy");
}

TEST_CASE("tree, lag, configuration and errors are objects of their own", "[dump]") {
  auto s = cluster();
  s.trees.push_back(
      {.tree = TreeId{0xab}, .root = "a", .epoch = 3, .settled = true, .parent = "", .eager = {"b"}, .lazy = {"c"}});
  s.origins.push_back(
      {.instance = InstanceId{1}, .name = "b", .highest = 9, .delivered = 7, .missing = 2, .age_s = 0.5});
  const auto tree = json::parse(dump::tree_json(s));
  CHECK(tree["trees"][0]["tree"] == "00000000000000ab");
  CHECK(tree["trees"][0]["parent"].is_null());
  CHECK(tree["trees"][0]["eager"] == json::array({"b"}));
  const auto lag = json::parse(dump::lag_json(s));
  CHECK(lag["origins"][0]["highest"] == 9);
  CHECK(lag["origins"][0]["missing"] == 2);
  CHECK(lag["origins"][0]["age_s"] == 0.5);
  CHECK(lag["large"] == json::array());
  s.large.push_back({.id = {InstanceId{1}, 4}, .origin = "b", .topic = "t", .parts_here = 2, .parts = 9, .bytes_here = 200, .bytes = 900, .age_s = 1.5});
  CHECK(json::parse(dump::lag_json(s))["large"][0] == json::parse(R"({"id":"0000000000000001-4","origin":"b","topic":"t","parts_here":2,
      "parts":9,"bytes_here":200,"bytes":900,"age_s":1.5})"));
  const auto config = json::parse(dump::config_json(Config::lan("a")));
  CHECK(config["preset"] == "lan");
  CHECK(config["probe_interval"] == "1s");
  Config told = Config::lan("a"), in_force = told;
  in_force.bind = "[::]:7946";
  in_force.advertise = "10.0.0.1:7946";
  told.origins["advertise"] = "flag --advertise";
  const auto origins = json::parse(dump::config_origins_json(told, in_force));
  CHECK(origins["bind"] == json{{"value", "[::]:7946"}, {"origin", "chosen at start"}});
  CHECK(origins["advertise"] == json{{"value", "10.0.0.1:7946"}, {"origin", "flag --advertise"}});
  CHECK(origins["probe_interval"]["origin"] == "preset lan");
  CHECK(json::parse(dump::error_json("bad", "m\xff", "h"))["error"]["message"] == "m\xef\xbf\xbd");
  const auto state = json::parse(dump::state_json(s, assess(s, {}), Config::lan("a")));
  CHECK(state["members"].size() == 4);
  CHECK(state["config"]["preset"] == "lan");
  Snapshot with_topic;
  with_topic.topics = {{"prices", {.priority = Priority::high, .order = Order::fifo}, 3, 4}};
  const auto topics = json::parse(dump::state_json(with_topic, assess(with_topic, {}), Config::lan("a")))["topics"];
  CHECK(topics.dump() ==
        R"([{"order":"fifo","overflow":"pace","priority":"high","published":3,"received":4,"topic":"prices"}])");
}
