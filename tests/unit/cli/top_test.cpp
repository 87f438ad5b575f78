#include <nlohmann/json.hpp>

#include "support/pch.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/top_view.hpp"

using namespace plumvine::cli;

namespace {

std::string histogram(int one, int two, int all) {
  const auto line = [](const char* bound, int count) { return "h_bucket{le=\"" + std::string(bound) + "\"} " + std::to_string(count) + "\n"; };
  return line("1", one) + line("2", two) + line("10", two) + line("+Inf", all);
}

}  // namespace

TEST_CASE("metrics are read by name and labels", "[top]") {
  const Series series = parse_metrics("# HELP a b\n# TYPE a counter\na 3\nb{x=\"y z\"} 0.5\nc 1e3\nbroken\n");
  CHECK(series == Series{{"a", 3}, {"b{x=\"y z\"}", 0.5}, {"c", 1000}});
}

TEST_CASE("percentiles are of what came between two samples", "[top]") {
  const Series before = parse_metrics(histogram(100, 100, 100));
  const Series after = parse_metrics(histogram(100, 110, 110));
  CHECK(quantile(before, after, "h", 0.5) == 1.5);
  CHECK(quantile(before, after, "h", 0.99, true) == 2);
  CHECK(quantile(before, before, "h", 0.5) < 0);
  CHECK(quantile(before, after, "no", 0.5) < 0);
  CHECK(quantile({}, parse_metrics(histogram(0, 0, 5)), "h", 0.5) == 10);  // above the last bound
}

TEST_CASE("rates are of the time between two samples, and unknown after a restart", "[top]") {
  TopSample before, after;
  before.at_s = 10;
  after.at_s = 12;
  before.metrics = {{"plumtree_messages_delivered_total", 100}, {"plumtree_messages_duplicate_total", 9}};
  after.metrics = {{"plumtree_messages_delivered_total", 150}, {"plumtree_messages_duplicate_total", 1}, {"plumvine_memory_bytes{what=\"store\"}", 2048}};
  after.health = R"({"name":"a","version":"1","status":"healthy","message":"healthy: alone","uptime_s":5})";
  after.peers = R"({"links":[{"peer":"b","role":"eager","direction":"outbound","rtt_ms":null,"queue_bytes":2048,"queue_messages":3,"sent_bytes":1,"received_bytes":2,"score":1}]})";
  const std::string made = top_json(before, after);
  const auto json = nlohmann::json::parse(made);
  CHECK(json["delivered_per_s"] == 25);
  CHECK(json["duplicates_per_s"].is_null());
  CHECK(json["hops"]["p50"].is_null());
  CHECK(json["memory_bytes"]["store"] == 2048);
  const std::string text = top_text(made);
  CHECK(text.find("0.0 published, 25.0 delivered, - duplicates (over 2.0 s)") != std::string::npos);
  CHECK(text.find("b     eager  outbound   -       2.0 KiB  3 ") != std::string::npos);
  CHECK(text.find("store 2.0 KiB") != std::string::npos);
}

TEST_CASE("states have colours, other words none", "[top]") {
  CHECK(coloured("alive") == "\x1b[32malive\x1b[0m");
  CHECK(coloured("suspect") == "\x1b[33msuspect\x1b[0m");
  CHECK(coloured("blocked") == "\x1b[31mblocked\x1b[0m");
  CHECK(coloured("alive-1") == "alive-1");
  CHECK(progress_line("bundle", 3, 12, "x") == "bundle [#####               ]  3/12 x");
}
