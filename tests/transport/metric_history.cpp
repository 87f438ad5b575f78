#include "transport/uv/metric_history.hpp"

#include <nlohmann/json.hpp>

#include "support/pch.hpp"

using plumvine::uv::MetricHistory;
using nlohmann::json;

namespace {

/// Every series' value at every sample, put together as a reader does.
std::vector<std::map<std::string, double>> read(const MetricHistory& history) {
  const json all = json::parse(history.json(60'000));
  CHECK(all["interval_s"] == 10);
  CHECK(all["now"] == "1970-01-01T00:01:00.000Z");
  std::vector<std::map<std::string, double>> out;
  std::map<std::string, double> now;
  for (const auto& sample : all["samples"]) {
    for (const auto& change : sample["changed"]) now[all["series"][change[0].get<std::size_t>()]] = change[1];
    out.push_back(now);
  }
  return out;
}

}  // namespace

TEST_CASE("samples keep what changed, and give every value back", "[history]") {
  MetricHistory history;
  history.record("# HELP a x\n# TYPE a counter\na 1\nb{x=\"1 2\"} 2.5\n", 1'000);
  const auto first = history.bytes();
  history.record("a 1\nb{x=\"1 2\"} 2.5\n", 11'000);
  history.record("a 7\nb{x=\"1 2\"} 2.5\nc 1e+06\n", 21'000);
  using Values = std::map<std::string, double>;
  CHECK(read(history) == std::vector<Values>{{{"a", 1}, {"b{x=\"1 2\"}", 2.5}},
                                             {{"a", 1}, {"b{x=\"1 2\"}", 2.5}},
                                             {{"a", 7}, {"b{x=\"1 2\"}", 2.5}, {"c", 1e6}}});
  CHECK(json::parse(history.json(60'000))["samples"][2]["time"] == "1970-01-01T00:00:21.000Z");
  CHECK(json::parse(history.json(60'000))["samples"][1]["changed"].empty());
  CHECK(history.bytes() < 3 * first);
}

TEST_CASE("an hour is kept, and the oldest sample hands its values on", "[history]") {
  MetricHistory history;
  history.record("still 5\n", 0);
  for (int i = 1; i <= 1000; ++i) history.record("still 5\nmoves " + std::to_string(i) + "\n", i * 10'000);
  CHECK(history.samples() == MetricHistory::kSamplesMax);
  const auto samples = read(history);
  CHECK(samples.front() == std::map<std::string, double>{{"still", 5}, {"moves", 641}});
  CHECK(samples.back() == std::map<std::string, double>{{"still", 5}, {"moves", 1000}});
}

TEST_CASE("the bound in bytes holds when everything changes all the time", "[history]") {
  MetricHistory history;
  for (int i = 0; i < 400; ++i) {
    std::string text;
    for (int k = 0; k < 1000; ++k) text += "series_" + std::to_string(k) + " " + std::to_string(i * 1000 + k) + "\n";
    history.record(text, i * 10'000);
  }
  CHECK(history.bytes() <= MetricHistory::kBytesMax);
  CHECK(history.samples() < MetricHistory::kSamplesMax);
  CHECK(history.samples() > 50);
}

TEST_CASE("values of series that have no room are counted", "[history]") {
  MetricHistory history;
  std::string exposition;
  for (std::size_t i = 0; i < MetricHistory::kSeriesMax + 3; ++i) exposition += "series_" + std::to_string(i) + " 1\n";
  history.record(exposition, 1'000);
  const json all = json::parse(history.json(60'000));
  CHECK(all["series"].size() == MetricHistory::kSeriesMax);
  CHECK(all["left_off"] == 3);
}
