#include <nlohmann/json.hpp>

#include "health/codes.hpp"
#include "support/pch.hpp"
#include "support/snapshots.hpp"
#include "transport/uv/doctor.hpp"
#include "transport/uv/memory_audit.hpp"

using namespace plumvine;
using Json = nlohmann::json;
using Codes = std::vector<std::string>;

namespace {

std::string says(std::initializer_list<const char*> codes, bool label = true) {
  HealthReport report;
  report.version = "1.0";
  for (const char* code : codes) report.reasons.push_back({.code = code, .evidence = {{"who", std::string("x")}, {"n", 2.5}}});
  Config config = Config::lan("a");
  if (label) config.cluster = "blue";
  config.encrypt = "AAAAAAAAAAAAAAAAAAAAAA==";
  return uv::findings_answer(report, config);
}

Answered gathered(std::vector<std::pair<std::string, std::string>> answers, std::vector<std::string> missing = {}) {
  Answered out;
  for (auto& [member, text] : answers) out.answers.push_back({member, Bytes::copy_of(text)});
  out.missing = std::move(missing);
  return out;
}

Codes codes_of(const Json& list) {
  Codes out;
  for (const auto& one : list) out.push_back(one["code"]);
  return out;
}

}  // namespace

TEST_CASE("every reason of health has its place in the doctor's order", "[doctor]") {
  for (const auto& row : health::codes()) {
    INFO(row.code);
    if (row.severity != HealthStatus::healthy) CHECK(uv::rank_of(row.code) < uv::rank_of("PV2999"));
  }
}

TEST_CASE("nothing is found where all members are well", "[doctor]") {
  const auto found = uv::diagnose("a", says({}), gathered({{"b", says({})}}));
  CHECK(found.well);
  const Json json = Json::parse(found.json);
  CHECK(json["findings"].empty());
  CHECK(json["notes"].empty());
  CHECK(json["asked"] == 2);
  CHECK(json["answered"] == 2);
}

TEST_CASE("causes stand before what follows from them, with everybody's evidence", "[doctor]") {
  const auto found = uv::diagnose("a", says({"PV2005", "PV2102"}), gathered({{"c", says({"PV2012", "PV2005"})}, {"b", says({"PV2005"})}}));
  CHECK_FALSE(found.well);
  const Json json = Json::parse(found.json);
  CHECK(codes_of(json["findings"]) == Codes{"PV2012", "PV2005", "PV2102"});
  CHECK(json["findings"][1]["reported_by"] == Json({"a", "b", "c"}));
  CHECK(json["findings"][0]["evidence"]["c"] == Json({{"who", "x"}, {"n", 2.5}}));
  CHECK(json["findings"][0]["component"] == "membership");
  CHECK_FALSE(json["findings"][0]["remedy"].get<std::string>().empty());
}

TEST_CASE("a stranger that was not heard of late stands behind what is wrong now", "[doctor]") {
  const auto heard = [](double last_s, std::initializer_list<const char*> others = {}) {
    Json answer = Json::parse(says(others));
    answer["reasons"].push_back({{"code", "PV2302"}, {"evidence", {{"from", "10.9.9.9:1"}, {"last_s", last_s}}}});
    return answer.dump();
  };
  const auto found = [](const std::string& own, const std::string& other) {
    return codes_of(Json::parse(uv::diagnose("a", own, gathered({{"b", other}})).json)["findings"]);
  };
  CHECK(found(heard(12, {"PV2005"}), says({})) == Codes{"PV2005", "PV2302"});
  CHECK(found(heard(9, {"PV2005"}), says({})) == Codes{"PV2302", "PV2005"});
  CHECK(found(heard(12, {"PV2005"}), heard(2)) == Codes{"PV2302", "PV2005"});  // another still hears it
  CHECK(found(heard(40), heard(50)) == Codes{"PV2302"});
}

TEST_CASE("who is silent is a finding, who does not understand is a note", "[doctor]") {
  const auto found = uv::diagnose("a", says({}), gathered({{"old", ""}, {"odd", R"({"version":"1.0","settings":{},"reasons":[{"code":7}]})"}}, {"z", "y"}));
  const Json json = Json::parse(found.json);
  CHECK(codes_of(json["findings"]) == Codes{"PV2015"});
  CHECK(json["findings"][0]["evidence"]["a"]["who"] == Json({"y", "z"}));
  CHECK(json["asked"] == 5);
  CHECK(json["answered"] == 1);
  CHECK(codes_of(json["notes"]) == Codes{"PV2905"});
  CHECK(json["notes"][0]["detail"] == "old, odd");
}

TEST_CASE("advice is a note and no finding", "[doctor]") {
  std::string other = says({});
  const auto version = other.find("1.0");
  other.replace(version, 3, "1.1");
  const auto rule = other.find("rooted");
  REQUIRE(rule != std::string::npos);
  other.replace(rule, 6, "classic");
  const auto found = uv::diagnose("a", says({}, false), gathered({{"b", other}}));
  CHECK(found.well);
  const Json json = Json::parse(found.json);
  CHECK(codes_of(json["notes"]) == Codes{"PV2901", "PV2903", "PV2904"});
  CHECK(json["notes"][0]["detail"] == "a");
  CHECK(json["notes"][1]["detail"] == "1.0 at a; 1.1 at b");
  CHECK(json["notes"][2]["detail"] == "tree_rule: classic at b; rooted at a");
}

namespace {

MemoryStats memory(std::uint64_t resident_mb, std::uint64_t store_mb = 0, std::uint64_t mailbox_mb = 0) {
  MemoryStats stats;
  stats.resident = resident_mb << 20;
  stats.parts.add(MemoryPart::store, store_mb << 20);
  stats.parts.add(MemoryPart::mailbox, mailbox_mb << 20);
  return stats;
}

MemoryStats later(const uv::MemoryAudit& audit, std::int64_t at_ms, MemoryStats now) {
  audit.judge(at_ms, now);
  return now;
}

}  // namespace

TEST_CASE("a store that fills within the preset's bounds is no growth", "[memory]") {
  uv::MemoryAudit audit{Config::lan("a")};
  audit.note(0, memory(20));
  CHECK(later(audit, 9'000, memory(200)).gained == 0);  // too soon to say
  CHECK(later(audit, 20'000, memory(110, 64)).gained == 0);
  const auto leak = later(audit, 20'000, memory(120, 40));
  CHECK(leak.gained == std::uint64_t{40} << 20);
  CHECK(leak.gained_s == 20);
  CHECK(leak.gaining == MemoryPart::count_);
  CHECK(later(audit, 61'000, memory(400)).gained == 0);  // over more than a minute
}

TEST_CASE("a part that was given more room is named", "[memory]") {
  Config config = Config::lan("a");
  config.tree.sync_max_bytes = std::uint64_t{4} << 30;
  uv::MemoryAudit audit{config};
  audit.note(0, memory(20));
  audit.note(10'000, memory(60, 30));
  const auto grown = later(audit, 30'000, memory(220, 180));
  CHECK(grown.gained == std::uint64_t{200} << 20);
  CHECK(grown.gaining == MemoryPart::store);
}

TEST_CASE("an old key is a note that names it, and changes nothing else", "[doctor]") {
  HealthReport report;
  report.version = "1.0";
  Config config = Config::lan("a");
  config.health.key_age_warning = std::chrono::hours{24 * 30};
  const auto at = [&](double days) { return uv::findings_answer(report, config, {{.name = "ab12cd34", .primary = true, .age_s = days * 86400}}); };
  const auto noted = [](const std::string& answer) {
    const Json found = Json::parse(uv::diagnose("a", answer, {}).json);
    CHECK(found["well"] == true);
    for (const Json& note : found["notes"])
      if (note["code"] == "PV2906") return note["detail"].get<std::string>();
    return std::string{};
  };
  CHECK(noted(at(29)).empty());
  CHECK(noted(at(31)) == "a (ab12cd34, 31 days)");
  config.health.key_age_warning = Duration{0};
  CHECK(noted(at(31)).empty());
}
