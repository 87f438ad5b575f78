#include "report.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "trace.hpp"

namespace plumvine::sim {

namespace {

std::string show(double value) { return number(value); }
std::string show(std::uint64_t value) { return std::to_string(value); }

/// Calls `field(name, text)` for every field of the contract, in its order; missing values are "null".
template <class Field>
void each_field(const Report& r, const Field& field) {
  auto value = [&](const char* name, const auto& optional) { field(name, optional ? show(*optional) : std::string("null")); };
  field("scenario", '"' + r.scenario + '"');
  field("nodes", show(r.nodes));
  field("seed", show(r.seed));
  value("broadcasts", r.broadcasts);
  value("delivered", r.delivered);
  value("expected", r.expected);
  value("reliability", r.reliability);
  value("rmr", r.rmr);
  value("ldh_mean", r.ldh_mean);
  value("ldh_max", r.ldh_max);
  value("last_delivery_ms_p50", r.last_delivery_ms_p50);
  value("last_delivery_ms_p99", r.last_delivery_ms_p99);
  value("payload_bytes", r.payload_bytes);
  value("control_bytes", r.control_bytes);
  value("grafts", r.grafts);
  value("prunes", r.prunes);
  value("detect_ms_p50", r.detect_ms_p50);
  value("detect_ms_p99", r.detect_ms_p99);
  value("false_positives", r.false_positives);
  value("heal_ms", r.heal_ms);
  value("bytes_per_node_s", r.bytes_per_node_s);
  value("duplicates_per_message", r.duplicates_per_message);
  value("full_ms_p50", r.full_ms_p50);
  value("full_ms_p99", r.full_ms_p99);
  field("trace_hash", '"' + hex(r.trace_hash) + '"');
  value("wall_ms", r.wall_ms);
}

}  // namespace

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

std::optional<double> percentile(std::vector<double> values, double share) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

std::optional<double> mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::string Report::json() const {
  std::string out = "{";
  each_field(*this, [&](const char* name, const std::string& value) {
    if (out.size() > 1) out += ',';
    out += '"';
    out += name;
    out += "\":" + value;
  });
  out += ",\"notes\":{";
  for (std::size_t i = 0; i < notes.size(); ++i) out += (i == 0 ? "\"" : ",\"") + notes[i].first + "\":" + number(notes[i].second);
  return out + "}}";
}

std::string Report::text() const {
  std::string out;
  auto row = [&](const std::string& name, const std::string& value) {
    out += name + std::string(name.size() < 26 ? 26 - name.size() : 1, ' ') + value + '\n';
  };
  each_field(*this, [&](const char* name, const std::string& value) {
    if (value != "null") row(name, value);
  });
  for (const auto& [name, value] : notes) row(name, number(value));
  for (const std::string& violation : violations) row("VIOLATION", violation);
  return out;
}

}  // namespace plumvine::sim
