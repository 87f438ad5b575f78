#include "top_view.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "table.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

double value(const Series& series, std::string_view name) {
  const auto it = series.find(name);
  return it == series.end() ? 0 : it->second;
}

/// Cumulative counts by upper bound, of what came between the two.
std::vector<std::pair<double, double>> buckets(const Series& before, const Series& after, std::string_view histogram) {
  const std::string prefix = fmt::format("{}_bucket{{le=\"", histogram);
  std::vector<std::pair<double, double>> out;
  for (auto it = after.lower_bound(prefix); it != after.end() && it->first.starts_with(prefix); ++it) {
    const std::string bound = it->first.substr(prefix.size());
    out.emplace_back(bound.starts_with("+Inf") ? std::numeric_limits<double>::infinity() : std::strtod(bound.c_str(), nullptr),
                     it->second - value(before, it->first));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Json rounded(double number, double scale = 1) { return number < 0 ? Json(nullptr) : Json(std::round(number * scale * 1000) / 1000); }

Json rate(const TopSample& before, const TopSample& after, std::string_view counter) {
  const double seconds = after.at_s - before.at_s, grown = value(after.metrics, counter) - value(before.metrics, counter);
  return seconds <= 0 || grown < 0 ? Json(nullptr) : rounded(grown / seconds);  // it falls when the agent starts again
}

std::string shown(const Json& number, const char* unit = "") {
  return number.is_number() ? fmt::format("{:.{}f}{}", number.get<double>(), number.get<double>() >= 100 ? 0 : 1, unit) : "-";
}

std::string size_text(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(units)) bytes /= 1024, ++unit;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, units[unit]);
}

}  // namespace

Series parse_metrics(std::string_view exposition) {
  Series out;
  while (!exposition.empty()) {
    const auto end = exposition.find('\n');
    const std::string_view line = exposition.substr(0, end);
    exposition = end == std::string_view::npos ? std::string_view{} : exposition.substr(end + 1);
    const auto space = line.rfind(' ');
    if (line.empty() || line[0] == '#' || space == std::string_view::npos) continue;
    out.insert_or_assign(std::string(line.substr(0, space)), std::strtod(std::string(line.substr(space + 1)).c_str(), nullptr));
  }
  return out;
}

double quantile(const Series& before, const Series& after, std::string_view histogram, double q, bool whole) {
  const auto all = buckets(before, after, histogram);
  if (all.empty() || all.back().second <= 0) return -1;
  const double wanted = q * all.back().second;
  double low = 0, below = 0;
  for (const auto& [bound, count] : all) {
    if (count >= wanted && count > 0) {
      if (std::isinf(bound)) return low;  // nothing is known above the last bound
      return whole || count == below ? bound : low + (bound - low) * (wanted - below) / (count - below);
    }
    low = bound;
    below = count;
  }
  return low;
}

std::string top_json(const TopSample& before, const TopSample& after) {
  const Json health = Json::parse(after.health, nullptr, false), peers = Json::parse(after.peers, nullptr, false);
  Json out;
  for (const char* key : {"name", "version", "status", "message", "uptime_s"})
    out[key] = health.is_object() && health.contains(key) ? health.at(key) : Json(nullptr);
  for (const char* state : {"alive", "suspect", "dead", "left"})
    out["members"][state] = value(after.metrics, fmt::format("swim_members{{state=\"{}\"}}", state));
  out["over_s"] = rounded(after.at_s - before.at_s);
  out["published_per_s"] = rate(before, after, "plumtree_messages_broadcast_total");
  out["delivered_per_s"] = rate(before, after, "plumtree_messages_delivered_total");
  out["duplicates_per_s"] = rate(before, after, "plumtree_messages_duplicate_total");
  for (const auto& [key, q] : {std::pair{"p50", 0.5}, {"p99", 0.99}}) {
    out["hops"][key] = rounded(quantile(before.metrics, after.metrics, "plumtree_message_hops", q, true));
    out["latency_ms"][key] = rounded(quantile(before.metrics, after.metrics, "plumtree_delivery_latency_seconds", q), 1000);
  }
  out["loop_busy"] = rounded(value(after.metrics, "plumvine_loop_busy_ratio"));
  auto& memory = out["memory_bytes"] = Json::object();
  for (const auto& [what, metric] : {std::pair{"cache", "plumtree_cache_bytes"}, {"queues", "plumvine_queue_bytes"},
                                     {"large payloads", "plumvine_large_partial_bytes"}, {"metric history", "plumvine_recorded_bytes"}})
    memory[what] = value(after.metrics, metric);
  constexpr std::string_view kMemory = "plumvine_memory_bytes{what=\"";
  for (auto it = after.metrics.lower_bound(kMemory); it != after.metrics.end() && it->first.starts_with(kMemory); ++it)
    memory[it->first.substr(kMemory.size(), it->first.size() - kMemory.size() - 2)] = it->second;
  out["links"] = Json::array();
  for (const auto& link : peers.at("links")) {
    Json row;
    for (const char* key : {"peer", "role", "direction", "rtt_ms", "queue_bytes", "queue_messages", "sent_bytes", "received_bytes", "score"})
      row[key] = link.at(key);
    out["links"].push_back(std::move(row));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string top_text(std::string_view json) {
  const Json top = Json::parse(json);
  const auto text = [&](const char* key) { return top.at(key).is_string() ? top.at(key).get<std::string>() : std::string("-"); };
  std::string out = fmt::format("{} {}, up {} s\n{}\n\n", dump::printable(text("name")), text("version"), shown(top.at("uptime_s")),
                                dump::printable(text("message")));
  const auto& members = top.at("members");
  out += fmt::format("members     {:.0f} alive, {:.0f} suspect, {:.0f} dead, {:.0f} left\n", members.at("alive").get<double>(),
                     members.at("suspect").get<double>(), members.at("dead").get<double>(), members.at("left").get<double>());
  out += fmt::format("per second  {} published, {} delivered, {} duplicates (over {} s)\n", shown(top.at("published_per_s")),
                     shown(top.at("delivered_per_s")), shown(top.at("duplicates_per_s")), shown(top.at("over_s")));
  out += fmt::format("hops        p50 {}, p99 {}\n", shown(top.at("hops").at("p50")), shown(top.at("hops").at("p99")));
  out += fmt::format("latency     p50 {}, p99 {}\n", shown(top.at("latency_ms").at("p50"), " ms"), shown(top.at("latency_ms").at("p99"), " ms"));
  out += fmt::format("loop        {:.1f} % busy\n", top.at("loop_busy").get<double>() * 100);
  std::string memory;
  for (const auto& [what, bytes] : top.at("memory_bytes").items())
    memory += fmt::format("{}{} {}", memory.empty() ? "" : ", ", what, size_text(bytes.get<double>()));
  out += fmt::format("memory      {}\n\n", memory);
  Table links({"PEER", "ROLE", "DIRECTION", "RTT ms", "QUEUE", "MESSAGES", "SENT", "RECEIVED", "SCORE"});
  for (const auto& link : top.at("links")) {
    links.row({link.at("peer").get<std::string>(), link.at("role").get<std::string>(), link.at("direction").get<std::string>(),
               link.at("rtt_ms").is_number() ? fmt::format("{:.2f}", link.at("rtt_ms").get<double>()) : "-", size_text(link.at("queue_bytes").get<double>()),
               link.at("queue_messages").dump(), size_text(link.at("sent_bytes").get<double>()), size_text(link.at("received_bytes").get<double>()),
               fmt::format("{:.2f}", link.at("score").get<double>())});
  }
  return out + links.text();
}

}  // namespace plumvine::cli
