#include <nlohmann/json.hpp>

#include "support/pch.hpp"
#include "tools/cli/analyze.hpp"

using namespace plumvine;
using plumvine::cli::LogCount;

TEST_CASE("lines are counted by code, with the first and the last time and the worst level", "[analyze]") {
  LogCount count;
  count.line("2026-01-31T12:00:02.000Z WARN membership [PV1102] Member d is dead, declared by a");
  count.line("2026-01-31T12:00:01.000Z INFO link [PV1201] Link to b is up");
  count.line("2026-01-31T12:00:03.000Z INFO link [PV1201] Link to c is up");
  count.line("2026-01-31T12:00:05.000Z WARN health [PV2005] Health is degraded: x");
  count.line("2026-01-31T12:00:06.000Z INFO health [PV2005] Over: x");
  count.line("2026-01-31T12:00:07.000Z WARN health [PV2005] Health is degraded: x");
  count.line("plumvined ready name=a");
  const auto rows = count.rows();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].code == "PV2005");  // as bad as PV1102, and more often
  CHECK(rows[0].count == 3);
  CHECK(rows[0].severity == LogLevel::warn);
  CHECK(rows[0].first == "2026-01-31T12:00:05.000Z");
  CHECK(rows[0].last == "2026-01-31T12:00:07.000Z");
  CHECK(rows[1].code == "PV1102");
  CHECK(rows[2].code == "PV1201");
  const auto json = nlohmann::json::parse(count.json());
  CHECK(json["lines"] == 7);
  CHECK(json["without_code"] == 1);
  CHECK(json["codes"][1]["cause"] == "a member is dead");
  const std::string text = count.text();
  CHECK_THAT(text, Catch::Contains("7 lines, 3 codes; 1 lines have none"));
  CHECK_THAT(text, Catch::Contains("\nPV1102: Nobody heard of it"));
  CHECK_THAT(text, !Catch::Contains("\nPV1201: "));  // nothing is to be done
}

TEST_CASE("lines are found in JSON, in events, and behind what a service manager writes", "[analyze]") {
  struct Row {
    const char* line;
    LogLevel severity;
  };
  for (const Row& row : {Row{R"({"time":"2026-01-31T12:00:00.000Z","level":"WARN","component":"membership","code":"PV1102","message":"x","fields":{}})", LogLevel::warn},
                         Row{R"({"id":"00000000000000ab-1","time":"2026-01-31T12:00:00.000Z","severity":"error","kind":"member","code":"PV1102","text":"x"})", LogLevel::error},
                         Row{"Jan 31 13:00:00 host plumvined[7]: 2026-01-31T12:00:00.000Z DEBUG membership [PV1102] x", LogLevel::debug},
                         Row{R"(host plumvined: {"time":"2026-01-31T12:00:00.000Z","level":"TRACE","code":"PV1102"})", LogLevel::trace}}) {
    INFO(row.line);
    LogCount count;
    count.line(row.line);
    REQUIRE(count.rows().size() == 1);
    CHECK(count.rows()[0].severity == row.severity);
    CHECK(count.rows()[0].first == "2026-01-31T12:00:00.000Z");
  }
}

TEST_CASE("what only looks like a line has no code", "[analyze]") {
  LogCount count;
  for (const char* line : {"", " [PV1102]", "2026-01-31T12:00:00.000Z LOUD x [PV1102] y", "yesterday WARN x [PV1102] y", "2026-01-31T12:00:00.000Z WARN x [PV110] y",
                           "2026-01-31T12:00:00.000Z WARN x [PV11023] y", "{\"code\":\"PV1102\"}", "{", "[PV1102", "2026-01-31T12:00:00.000Z WARN x (PV1102) y"})
    count.line(line);
  CHECK(count.coded() == 0);
  CHECK(count.rows().empty());
}

TEST_CASE("codes of other versions are kept, but not without end", "[analyze]") {
  LogCount count;
  for (int i = 0; i < 2000; ++i) count.line("2026-01-31T12:00:00.000Z WARN x [PV" + std::to_string(7000 + i) + "] y");
  count.too_long();
  CHECK(count.rows().size() == LogCount::kUnknownMax);
  CHECK_THAT(count.text(), Catch::Contains("not known to this version") && Catch::Contains("1744 lines have further codes") && Catch::Contains("1 lines are above 64 KiB"));
}
