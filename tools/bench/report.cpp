#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <ostream>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plumvine::bench {
namespace {

using nlohmann::json;

/// What the lines of one point have, before it is put together.
struct Lines {
  std::vector<json> good;
  std::vector<std::string> errors;
};
/// Ours come first among those of one size.
using Key = std::tuple<std::string, std::uint64_t, std::uint64_t, bool, std::string>;

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return {values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2, values.front(), values.back()};
}

/// Of the numbers under the first of these names that is there.
std::optional<Spread> spread_of(const std::vector<json>& lines, std::initializer_list<const char*> names) {
  std::vector<double> values;
  for (const json& line : lines) {
    for (const char* name : names) {
      const auto found = line.find(name);
      if (found == line.end() || !found->is_number()) continue;
      values.push_back(found->get<double>());
      break;
    }
  }
  if (values.empty()) return std::nullopt;
  return spread(std::move(values));
}

Point point_of(const Key& key, const Lines& lines) {
  Point point;
  bool theirs = false;
  std::tie(point.mode, point.members, point.size, theirs, point.who) = key;
  point.ours = !theirs;
  point.failed = lines.errors.size();
  point.runs = lines.good.size() + lines.errors.size();
  if (!lines.errors.empty()) point.error = lines.errors.front();
  if (lines.good.empty()) return point;
  point.deliveries_per_s = *spread_of(lines.good, {"deliv_per_s"});
  point.megabytes_per_s = *spread_of(lines.good, {"mb_per_s"});
  point.cpu_per_million = *spread_of(lines.good, {"cpu_s_per_mdeliv"});
  point.p50_us = spread_of(lines.good, {"p50_us", "lat_p50_us"});
  point.p99_us = spread_of(lines.good, {"p99_us", "lat_p99_us"});
  point.complete = spread_of(lines.good, {"complete"})->least;
  point.gaps = static_cast<std::uint64_t>(spread_of(lines.good, {"gaps"})->most);
  point.dups = static_cast<std::uint64_t>(spread_of(lines.good, {"dups"})->most);
  return point;
}

/// The name of the first field that is missing or of the wrong type; null: none.
const char* missing_field(const json& line) {
  for (const char* name : {"peer", "variant"})
    if (!line.contains(name) || !line[name].is_string()) return name;
  for (const char* name : {"n", "size"})
    if (!line.contains(name) || !line[name].is_number_unsigned()) return name;
  if (!line["mode"].is_string()) return "mode";
  if (line.contains("error")) return line["error"].is_string() ? nullptr : "error";
  for (const char* name : {"deliv_per_s", "mb_per_s", "cpu_s_per_mdeliv", "complete", "gaps", "dups"})
    if (!line.contains(name) || !line[name].is_number()) return name;
  return nullptr;
}

/// A cell of a table: what would end it, or begin something, stands for itself.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '<' || c == '[') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

std::string cell(const Spread& values, std::uint64_t runs) {
  if (runs < 2) return short_number(values.median);
  return fmt::format("{} [{} to {}]", short_number(values.median), short_number(values.least), short_number(values.most));
}

}  // namespace

std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.3g}k", value / 1e3);
  if (value >= 1e3) return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}", value);
}

Result<std::vector<Point>> read_points(const std::vector<std::string>& files, std::ostream& notes) {
  std::map<Key, Lines> all;
  for (const std::string& file : files) {
    std::ifstream in{file, std::ios::binary};
    if (!in) return Error{Errc::not_found, "cannot read '" + file + "'"};
    std::uint64_t number = 0, others = 0;
    for (std::string text; std::getline(in, text);) {
      ++number;
      if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
      const json line = json::parse(text, nullptr, false);
      if (!line.is_object()) return Error{Errc::malformed, fmt::format("{}:{}: not a JSON object", file, number)};
      if (!line.contains("mode")) {
        ++others;
        continue;
      }
      if (const char* name = missing_field(line))
        return Error{Errc::malformed, fmt::format("{}:{}: field {} is missing or of the wrong type", file, number, name)};
      const auto peer = line["peer"].get<std::string>(), variant = line["variant"].get<std::string>();
      Lines& lines = all[{line["mode"].get<std::string>(), line["n"].get<std::uint64_t>(), line["size"].get<std::uint64_t>(), peer != "plumvine",
                          variant.empty() ? peer : peer + ' ' + variant}];
      if (line.contains("error")) lines.errors.push_back(line["error"].get<std::string>());
      else lines.good.push_back(line);
    }
    if (in.bad()) return Error{Errc::system, "cannot read '" + file + "'"};
    if (others != 0) notes << file << ": " << others << " lines of other measurements are left out\n";
  }
  if (all.empty()) return Error{Errc::not_found, "no measurement in these files: lines with the field mode are needed"};
  std::vector<Point> points;
  for (const auto& [key, lines] : all) points.push_back(point_of(key, lines));
  return points;
}

std::string markdown(const std::vector<Point>& points) {
  std::string out;
  const Point* before = nullptr;
  for (const Point& point : points) {
    if (before == nullptr || before->mode != point.mode || before->members != point.members) {
      std::string what = "Mode " + cell(point.mode);
      if (point.mode == "one") what = "One publisher";
      if (point.mode == "all") what = "All publish";
      if (point.mode == "lat") what = "One publisher at a fixed rate";
      out += fmt::format("{}### {}, {} members\n\n| bytes | program | runs | deliveries/s | MB/s | CPU s per million | complete | gaps | dups | p50 µs | p99 µs |\n"
                         "|---|---|---|---|---|---|---|---|---|---|---|\n",
                         before == nullptr ? "" : "\n", what, point.members);
    }
    before = &point;
    out += fmt::format("| {} | {} | {}/{} ", point.size, point.ours ? "**" + cell(point.who) + "**" : cell(point.who), point.runs - point.failed, point.runs);
    if (!point.measured()) {
      out += fmt::format("| {} | | | | | | | |\n", cell(point.error));
      continue;
    }
    const std::uint64_t runs = point.runs - point.failed;
    out += fmt::format("| {} | {} | {} | {:.5f} | {} | {} | {} | {} |\n", cell(point.deliveries_per_s, runs), cell(point.megabytes_per_s, runs),
                       cell(point.cpu_per_million, runs), point.complete, point.gaps, point.dups, point.p50_us ? cell(*point.p50_us, runs) : "",
                       point.p99_us ? cell(*point.p99_us, runs) : "");
  }
  return out;
}

}  // namespace plumvine::bench
