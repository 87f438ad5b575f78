// Log files of plumvined: what is in them, the worst first, and what to do about it.
#include "analyze.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "commands.hpp"
#include "table.hpp"
#include "tools/agent/publisher.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLineMax = 64 * 1024;

struct Logged {
  std::string time, code;
  LogLevel severity;
};

std::optional<LogLevel> level_of(std::string_view word) {
  for (const LogLevel level : {LogLevel::error, LogLevel::warn, LogLevel::info, LogLevel::debug, LogLevel::trace}) {
    const std::string_view name = to_string(level);
    const bool same = word.size() == name.size() && std::equal(word.begin(), word.end(), name.begin(), [](char a, char b) {
                        return std::tolower(static_cast<unsigned char>(a)) == b;
                      });
    if (same) return level;
  }
  return std::nullopt;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_code(std::string_view word) { return word.size() == 6 && word.starts_with("PV") && std::all_of(word.begin() + 2, word.end(), is_digit); }
/// `2026-01-31T12:00:00.000Z`
bool is_time(std::string_view word) { return word.size() == 24 && is_digit(word[0]) && word[4] == '-' && word[10] == 'T' && word[23] == 'Z'; }

/// Takes the last word off.
std::string_view last_word(std::string_view& text) {
  const auto blank = text.rfind(' ');
  const std::string_view word = blank == std::string_view::npos ? text : text.substr(blank + 1);
  text = text.substr(0, blank == std::string_view::npos ? 0 : blank);
  return word;
}

/// `TIME LEVEL COMPONENT [CODE] …`, whatever stands before.
std::optional<Logged> text_line(std::string_view line) {
  for (auto at = line.find(" [PV"); at != std::string_view::npos; at = line.find(" [PV", at + 1)) {
    const std::string_view code = line.substr(at + 2, 6);
    if (!is_code(code) || line.substr(at + 8, 1) != "]") continue;
    std::string_view head = line.substr(0, at);
    (void)last_word(head);  // the component
    const auto level = level_of(last_word(head));
    const std::string_view time = last_word(head);
    if (level && is_time(time)) return Logged{std::string(time), std::string(code), *level};
  }
  return std::nullopt;
}

/// A log line, or an event, as JSON.
std::optional<Logged> json_line(std::string_view line) {
  const auto begin = line.find('{');
  if (begin == std::string_view::npos) return std::nullopt;
  const Json json = Json::parse(line.substr(begin), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto word = [&](const char* key) { return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string{}; };
  const auto level = level_of(word(json.contains("level") ? "level" : "severity"));
  if (!level || !is_code(word("code")) || !is_time(word("time"))) return std::nullopt;
  return Logged{word("time"), word("code"), *level};
}

const Explained* known(std::string_view code) {
  const auto& all = all_codes();
  const auto row = std::find_if(all.begin(), all.end(), [&](const Explained& one) { return one.code == code; });
  return row == all.end() ? nullptr : &*row;
}

/// Feeds every line of a file; false: it cannot be read, as errno says.
bool read_lines(int fd, LogCount& count) {
  agent::LineSplitter splitter(kLineMax);
  const auto line = [&](const Bytes& text) { count.line(text.text()); };
  const auto skipped = [&](std::uint64_t) { count.too_long(); };
  std::string buffer(256 * 1024, '\0');
  for (;;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      splitter.finish(line, skipped);
      return n == 0;
    }
    splitter.feed({buffer.data(), static_cast<std::size_t>(n)}, line, skipped);
  }
}

}  // namespace

void LogCount::line(std::string_view text) {
  ++lines_;
  auto logged = text_line(text);
  if (!logged) logged = json_line(text);
  if (!logged) return;
  ++coded_;
  auto row = rows_.find(logged->code);
  if (row == rows_.end()) {
    const Explained* code = known(logged->code);
    if (code == nullptr && unknown_ == kUnknownMax) return void(++other_codes_);
    unknown_ += code == nullptr ? 1 : 0;
    row = rows_.emplace(logged->code, Row{}).first;
    row->second.code = logged->code;
    row->second.first = logged->time;
    if (code != nullptr) row->second.cause = code->cause, row->second.remedy = code->remedy;
  }
  Row& counted = row->second;
  ++counted.count;
  counted.severity = std::min(counted.severity, logged->severity);
  counted.first = std::min(counted.first, logged->time);
  counted.last = std::max(counted.last, logged->time);
}

std::vector<LogCount::Row> LogCount::rows() const {
  std::vector<Row> out;
  for (const auto& [code, row] : rows_) out.push_back(row);
  std::sort(out.begin(), out.end(), [](const Row& a, const Row& b) {
    return std::tuple{a.severity, b.count, std::string_view(a.code)} < std::tuple{b.severity, a.count, std::string_view(b.code)};
  });
  return out;
}

std::string LogCount::json() const {
  Json codes = Json::array();
  for (const Row& row : rows()) {
    codes.push_back({{"code", row.code}, {"severity", to_string(row.severity)}, {"count", row.count}, {"first", row.first}, {"last", row.last},
                     {"cause", row.cause}, {"remedy", row.remedy}});
  }
  return Json{{"lines", lines_}, {"without_code", lines_ - coded_ - too_long_}, {"too_long", too_long_}, {"of_other_codes", other_codes_}, {"codes", codes}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

std::string LogCount::text() const {
  const auto all = rows();
  std::string out = fmt::format("{} lines, {} codes; {} lines have none\n", lines_, all.size(), lines_ - coded_ - too_long_);
  if (too_long_ > 0) out += fmt::format("{} lines are above 64 KiB and were not looked at\n", too_long_);
  if (other_codes_ > 0) out += fmt::format("{} lines have further codes that this version does not know\n", other_codes_);
  Table table({"CODE", "SEVERITY", "COUNT", "FIRST", "LAST", "MEANING"});
  for (const Row& row : all) {
    table.row({row.code, std::string(to_string(row.severity)), std::to_string(row.count), row.first, row.last,
               row.cause.empty() ? "not known to this version" : std::string(row.cause)});
  }
  out += table.text();
  for (const Row& row : all)
    if (row.severity <= LogLevel::warn && !row.remedy.empty()) out += fmt::format("\n{}: {}", row.code, row.remedy);
  return out;
}

int analyze(const Call& call) {
  if (call.arguments.size() != 1) return complain(kUsage, "analyze FILE|-");
  const std::string& path = call.arguments[0];
  const int fd = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return complain(kBad, fmt::format("{}: {}", path, std::strerror(errno)));
  LogCount count;
  const bool read_all = read_lines(fd, count);
  const int error = errno;
  if (fd != STDIN_FILENO) close(fd);
  if (!read_all) return complain(kBad, fmt::format("{}: {}", path, std::strerror(error)));
  if (count.coded() == 0 && !call.json) return complain(kBad, fmt::format("{}: no line of plumvined's is in it", path));
  put(call.json ? count.json() : count.text());
  return count.coded() == 0 ? kBad : kGood;
}

}  // namespace plumvine::cli
