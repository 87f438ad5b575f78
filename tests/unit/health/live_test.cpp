#include <nlohmann/json.hpp>

#include "health/live.hpp"
#include "support/pch.hpp"
#include "support/snapshots.hpp"

using namespace plumvine;
using nlohmann::json;

TEST_CASE("the dashboard's state has health, links, totals and distributions", "[live]") {
  auto s = test::cluster();
  s.tree.delivered = 12;
  s.tree.lost.add(Loss::expired);
  s.tree.lost.add(Loss::evicted);
  s.origins.push_back({.missing = 3});
  s.transport.udp_sent_bytes = 5;
  s.transport.tcp_sent_bytes = 7;
  s.tree.delivery_latency.observe(0.004);
  s.tree.message_hops.observe(2);
  const auto state = json::parse(dump::live_json(s, assess(s, {})));
  CHECK(state["at_ms"] == 100'000);
  CHECK(state["health"]["status"] == "healthy");
  CHECK(state["peers"]["eager"] == json({"b"}));
  CHECK(state["totals"]["delivered"] == 12);
  CHECK(state["totals"]["lost"] == 2);
  CHECK(state["totals"]["missing"] == 3);
  CHECK(state["totals"]["sent_bytes"] == 12);
  for (const char* name : {"latency", "hops"}) CHECK(state[name]["counts"].size() == state[name]["le"].size() + 1);
  CHECK(state["latency"]["le"][3] == 0.005);
  CHECK(state["latency"]["counts"][3] == 1);
  CHECK(state["hops"]["counts"][1] == 1);
  CHECK(state["hops"]["sum"] == 2);
}

TEST_CASE("of the members only what has changed is told, and who is gone", "[live]") {
  auto s = test::cluster();
  s.members[1].member.meta = encode_tags({{std::string{kTagZone}, "za"}});
  s.members[1].rtt_s = 0.0015;
  s.members[1].member.since = {2'000'000'000};
  dump::MemberRows rows;
  const auto first = json::parse(rows.update(s));
  CHECK(first["whole"] == false);
  CHECK(first["rows"].size() == 4);
  CHECK(first["rows"][0]["self"] == true);
  CHECK(first["rows"][1] == json{{"name", "b"}, {"addr", "10.0.0.1:7946"}, {"state", "alive"}, {"since_ms", 2000}, {"rtt_ms", 1.5}, {"incarnation", 0},
                                 {"zone", "za"}, {"accused_by", json::array()}, {"link", true}, {"self", false}});
  CHECK(first["rows"][2]["rtt_ms"].is_null());

  s.at = s.at + std::chrono::seconds{5};  // time alone changes nothing
  CHECK(rows.update(s).empty());
  s.members[1].member.state = MemberState::suspect;
  s.members[1].accused_by = {"c", "d\""};
  s.members.pop_back();
  const auto then = json::parse(rows.update(s));
  REQUIRE(then["rows"].size() == 1);
  CHECK(then["rows"][0]["state"] == "suspect");
  CHECK(then["rows"][0]["accused_by"] == json({"c", "d\""}));
  CHECK(then["gone"] == json({"d"}));

  const auto whole = json::parse(rows.whole());
  CHECK(whole["whole"] == true);
  CHECK(whole["rows"].size() == 3);
}

TEST_CASE("names of members are text in JSON, whatever bytes they have", "[live]") {
  auto s = test::sole();
  s.members.push_back(test::member("\xff<b>\"\n", MemberState::alive));
  dump::MemberRows rows;
  CHECK(json::parse(rows.update(s))["rows"][1]["name"] == "\xEF\xBF\xBD<b>\"\n");
}
