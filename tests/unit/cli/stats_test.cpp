#include <nlohmann/json.hpp>

#include "support/pch.hpp"
#include "tools/cli/stats.hpp"

using namespace plumvine::cli;
using nlohmann::json;

namespace {

/// Two samples at 12:00:00 and 12:00:10, asked for at 12:00:20.
constexpr const char* kHistory = R"({"interval_s":10,"now":"2026-01-31T12:00:20.000Z","left_off":0,
  "series":["plumtree_messages_delivered_total","plumtree_messages_lost_total{reason=\"expired\"}","plumtree_messages_lost_total{reason=\"evicted\"}",
    "plumvine_handler_seconds_bucket{le=\"0.1\"}","plumvine_handler_seconds_bucket{le=\"10\"}","plumvine_handler_seconds_bucket{le=\"+Inf\"}","plumvine_handler_seconds_sum","plumvine_handler_seconds_count"],
  "samples":[{"time":"2026-01-31T12:00:00.000Z","changed":[[0,100],[1,1],[2,0],[3,50],[4,50],[5,50],[6,1],[7,50]]},
             {"time":"2026-01-31T12:00:10.000Z","changed":[[0,150],[3,60],[4,60],[5,60],[6,2],[7,60]]}]})";
constexpr const char* kNow =
    "plumtree_messages_delivered_total 350\nplumtree_messages_lost_total{reason=\"expired\"} 2\nplumtree_messages_lost_total{reason=\"evicted\"} 4\n"
    "plumtree_messages_lost_totality 99\n"
    "plumvine_handler_seconds_bucket{le=\"0.1\"} 70\nplumvine_handler_seconds_bucket{le=\"10\"} 70\nplumvine_handler_seconds_bucket{le=\"+Inf\"} 80\n"
    "plumvine_handler_seconds_sum 203\nplumvine_handler_seconds_count 80\n";

json over(double window_s, double uptime_s = 3600) { return json::parse(stats_json(kHistory, kNow, uptime_s, window_s).value()); }

}  // namespace

TEST_CASE("rates are of the window, from the last sample before it on", "[stats]") {
  const json last = over(10);
  CHECK(last["over_s"] == 10);
  CHECK(last["delivered"] == json{{"count", 200}, {"per_s", 20}});
  CHECK(last["lost"]["count"] == 5);  // over all reasons
  CHECK(over(15)["over_s"] == 20);    // the sample of 12:00:00 is the last one before
  CHECK(over(15)["delivered"]["count"] == 250);
}

TEST_CASE("a window longer than what is remembered says how long it is", "[stats]") {
  CHECK(over(3000)["over_s"] == 20);
  CHECK(over(3000)["window_s"] == 3000);
  CHECK_THAT(stats_text(over(3000).dump()), Catch::Contains("over 20.0 s: no more is remembered"));
  CHECK_THAT(stats_text(over(20).dump()), !Catch::Contains("no more"));
}

TEST_CASE("a window that begins before the agent did begins with nothing", "[stats]") {
  const json all = over(3000, 25);
  CHECK(all["over_s"] == 25);
  CHECK(all["delivered"] == json{{"count", 350}, {"per_s", 14}});
  CHECK(all["handler_ms"]["count"] == 80);
}

TEST_CASE("quantiles are of what was observed in the window", "[stats]") {
  const json last = over(10);
  CHECK(last["handler_ms"]["count"] == 20);
  CHECK(last["handler_ms"]["mean"] == 10'050);
  CHECK(last["handler_ms"]["p50"] == 100);
  CHECK(last["handler_ms"]["p99"] == 10'000);  // above the last bound
  CHECK(last["graft_latency_ms"] == json{{"count", 0}, {"mean", nullptr}, {"p50", nullptr}, {"p95", nullptr}, {"p99", nullptr}});
  const std::string text = stats_text(last.dump());
  CHECK_THAT(text, Catch::Contains("delivered   200    20.000"));
  CHECK_THAT(text, Catch::Contains("handler           20     10050.000  100.000  >= 10000  >= 10000"));
  CHECK_THAT(text, Catch::Contains("loop stall        0      -"));
}

TEST_CASE("a history that is none is no statistic", "[stats]") {
  for (const char* bad : {"", "[]", "{}", R"({"now":"today","series":[],"samples":[]})", R"({"now":"2026-01-31T12:00:20.000Z","series":[],"samples":[{"time":"2026-01-31T12:00:00.000Z","changed":[[0,1]]}]})"})
    CHECK_FALSE(stats_json(bad, "", 3600, 60));
}
