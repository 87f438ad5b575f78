#include "compare.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <sim/report.hpp>

namespace plumvine::sim {

namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_number_float()) return number(value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Result<std::string> compare_reports(const std::string& before, const std::string& after) {
  const Json a = Json::parse(before, nullptr, false);
  if (a.is_discarded() || !a.is_object()) return {Errc::malformed, "the first file is not a JSON object"};
  const Json b = Json::parse(after, nullptr, false);
  if (b.is_discarded() || !b.is_object()) return {Errc::malformed, "the second file is not a JSON object"};
  std::string out;
  char line[200];
  std::snprintf(line, sizeof line, "%-26s %20s %20s %10s\n", "", "before", "after", "change");
  out += line;
  auto row = [&](const std::string& name, const Json& x, const Json& y) {
    if (x.is_null() && y.is_null()) return;
    if (x.is_object() || y.is_object()) return;
    std::string change;
    if (x.is_number() && y.is_number()) {
      const double from = x.get<double>();
      const double to = y.get<double>();
      char text[32];
      if (from == to) {
        change = "=";
      } else if (from != 0) {
        std::snprintf(text, sizeof text, "%+.1f %%", (to - from) / from * 100);
        change = text;
      } else {
        change = "new";
      }
    } else {
      change = x == y ? "=" : "differs";
    }
    std::snprintf(line, sizeof line, "%-26s %20s %20s %10s\n", name.c_str(), shown(x).c_str(), shown(y).c_str(), change.c_str());
    out += line;
  };
  const auto rows = [&](const Json& x, const Json& y) {
    for (const auto& [name, value] : x.items()) row(name, value, y.contains(name) ? y[name] : Json());
    for (const auto& [name, value] : y.items()) {
      if (!x.contains(name)) row(name, Json(), value);
    }
  };
  rows(a, b);
  rows(a.value("notes", Json::object()), b.value("notes", Json::object()));
  return out;
}

}  // namespace plumvine::sim
