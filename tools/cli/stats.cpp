// Rates and quantiles of the last hour at most, without Prometheus.
#include "stats.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <plumvine/config.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "table.hpp"
#include "top_view.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kLargestBound = 10;  // seconds, of all histograms of time

struct Named {
  const char* key;
  const char* shown;
  const char* metric;
};
constexpr std::array kCounters{Named{"published", "published", "plumtree_messages_broadcast_total"},
                               Named{"delivered", "delivered", "plumtree_messages_delivered_total"},
                               Named{"duplicates", "duplicates", "plumtree_messages_duplicate_total"},
                               Named{"lost", "lost", "plumtree_messages_lost_total"}};
constexpr std::array kHistograms{Named{"delivery_latency_ms", "delivery latency", "plumtree_delivery_latency_seconds"},
                                 Named{"graft_latency_ms", "graft latency", "plumtree_graft_latency_seconds"},
                                 Named{"handler_ms", "handler", "plumvine_handler_seconds"},
                                 Named{"loop_stall_ms", "loop stall", "plumvine_loop_stall_seconds"}};

/// Seconds since 1970 of `2026-01-31T12:00:00.000Z`.
std::optional<double> seconds_of(const std::string& text) {
  std::tm tm{};
  int ms = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d.%dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
    return std::nullopt;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  return static_cast<double>(timegm(&tm)) + ms / 1000.0;
}

double rounded(double number) { return std::round(number * 1000) / 1000; }

/// Over all labels.
double total(const Series& series, const std::string& name) {
  double sum = 0;
  for (auto it = series.lower_bound(name); it != series.end() && it->first.starts_with(name); ++it)
    if (it->first.size() == name.size() || it->first[name.size()] == '{') sum += it->second;
  return sum;
}

struct Begin {
  Series series;
  double at_s;
};

/// The metrics as they were at `wanted_s`, or as soon after that as is remembered; nothing where that is the start of the agent.
std::optional<Begin> begin_of(const Json& history, double wanted_s, double started_s) {
  Begin out{{}, started_s};
  if (wanted_s <= started_s) return out;
  bool first = true;
  for (const Json& sample : history.at("samples")) {
    const auto at = seconds_of(sample.at("time").get<std::string>());
    if (!at) return std::nullopt;
    if (*at > wanted_s && !first) break;
    for (const Json& change : sample.at("changed"))
      out.series[history.at("series").at(change.at(0).get<std::size_t>()).get<std::string>()] = change.at(1).get<double>();
    out.at_s = *at;
    first = false;
  }
  return out;
}

Json quantiles(const Series& before, const Series& after, const std::string& metric) {
  const double count = total(after, metric + "_count") - total(before, metric + "_count");
  const double sum = total(after, metric + "_sum") - total(before, metric + "_sum");
  Json out{{"count", count}, {"mean", nullptr}, {"p50", nullptr}, {"p95", nullptr}, {"p99", nullptr}};
  if (count <= 0) return out;
  out["mean"] = rounded(sum / count * 1000);
  for (const auto& [key, q] : {std::pair{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}) out[key] = rounded(quantile(before, after, metric, q) * 1000);
  return out;
}

std::string quantile_text(const Json& value) {
  if (!value.is_number()) return "-";
  const double ms = value.get<double>();
  return ms >= kLargestBound * 1000 ? fmt::format(">= {:.0f}", kLargestBound * 1000) : fmt::format("{:.3f}", ms);
}

}  // namespace

std::optional<std::string> stats_json(std::string_view history_text, std::string_view metrics, double uptime_s, double window_s) try {
  const Json history = Json::parse(history_text);
  const auto now_s = seconds_of(history.at("now").get<std::string>());
  if (!now_s) return std::nullopt;
  const auto begin = begin_of(history, *now_s - window_s, *now_s - uptime_s);
  if (!begin) return std::nullopt;
  const Series after = parse_metrics(metrics);
  const double over_s = *now_s - begin->at_s;
  Json out{{"window_s", rounded(window_s)}, {"over_s", rounded(over_s)}};
  for (const Named& row : kCounters) {
    const double grown = total(after, row.metric) - total(begin->series, row.metric);
    out[row.key] = {{"count", grown}, {"per_s", over_s > 0 ? Json(rounded(grown / over_s)) : Json(nullptr)}};
  }
  for (const Named& row : kHistograms) out[row.key] = quantiles(begin->series, after, row.metric);
  return out.dump();
} catch (const Json::exception&) {
  return std::nullopt;
}

std::string stats_text(std::string_view text) {
  const Json json = Json::parse(text);
  std::string out = fmt::format("over {} s{}\n", json.at("over_s").dump(), json.at("over_s") < json.at("window_s") ? ": no more is remembered" : "");
  Table counters({"WHAT", "COUNT", "PER SECOND"});
  for (const Named& row : kCounters) {
    const Json& value = json[row.key];
    counters.row({row.shown, fmt::format("{:.0f}", value.at("count").get<double>()),
                  value.at("per_s").is_number() ? fmt::format("{:.3f}", value.at("per_s").get<double>()) : "-"});
  }
  Table times({"TIME", "COUNT", "MEAN ms", "P50 ms", "P95 ms", "P99 ms"});
  for (const Named& row : kHistograms) {
    const Json& value = json[row.key];
    times.row({row.shown, fmt::format("{:.0f}", value.at("count").get<double>()), value.at("mean").is_number() ? fmt::format("{:.3f}", value.at("mean").get<double>()) : "-",
               quantile_text(value.at("p50")), quantile_text(value.at("p95")), quantile_text(value.at("p99"))});
  }
  return out + counters.text() + '\n' + times.text();
}

int stats(const Call& call) {
  const auto window = parse_duration(call.window.empty() ? "1h" : call.window);
  if (!window || *window <= Duration{0} || *window > std::chrono::hours{1})
    return complain(kUsage, fmt::format("--window: '{}' is not a time from above 0 to 1h: so long the metrics are remembered", call.window));
  Client client(call.http);
  std::array<std::string, 3> bodies;
  std::size_t n = 0;
  for (const char* path : {"/healthz", "/debug/history", "/metrics"}) {
    const auto answer = client.get(path);
    if (!answer) return complain(kUnreachable, client.error());
    if (answer->status != 200 && n > 0) return complain(kBad, words_of(*answer));  // an unhealthy node answers with 503
    bodies[n++] = answer->body;
  }
  const Json health = Json::parse(bodies[0], nullptr, false);
  if (!health.is_object() || !health.contains("uptime_s") || !health.at("uptime_s").is_number()) return complain(kBad, "GET /healthz does not say how long the agent has been running");
  const auto json = stats_json(bodies[1], bodies[2], health.at("uptime_s").get<double>(), to_seconds(*window));
  if (!json) return complain(kBad, "GET /debug/history is not readable: is the agent of another version?");
  put(call.json ? *json : stats_text(*json));
  return kGood;
}

}  // namespace plumvine::cli
