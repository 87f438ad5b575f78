#include "logger.hpp"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <tuple>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "health/json_text.hpp"
#include "transport/codes.hpp"

namespace plumvine::agent {
namespace {

// A pipe that polls writable takes this much at once, whole (PIPE_BUF of Linux).
constexpr std::size_t kLineMax = 4096;

std::string now_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

std::string_view upper(LogLevel level) {
  constexpr std::string_view names[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
  return names[static_cast<std::size_t>(level)];
}

std::string_view cut(std::string_view text) {
  return text.substr(0, kLineMax / 2);
}

/// What an event says beside its text. A field for which a line has no room is left out.
void append_fields(std::string& line, const LogFields& fields) {
  std::string field;
  for (const auto& [name, value] : fields) {
    field = line.back() == '{' ? "" : ",";
    dump::append_any(field, name);
    field += ':';
    dump::append_any(field, value);
    if (line.size() + field.size() + sizeof "}}\n" <= kLineMax) line += field;
  }
}

bool put(const std::string& line) {
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (poll(&ready, 1, 0) <= 0) return false;
  // Nobody reads any more: that is no reason to stop either.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  return true;
}

}  // namespace

std::string Logger::render(const LogRecord& record) const {
  const auto text = cut(record.text);
  if (format_ == LogFormat::text) {
    // A peer's name may hold any bytes; a log line stays one line.
    auto shown = dump::printable(text);
    if (shown.size() > kLineMax - 200) shown.resize(kLineMax - 200);
    return fmt::format("{} {} {} [{}] {}\n", now_text(), upper(record.level), record.component, record.code, shown);
  }
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","component":)", now_text(), upper(record.level));
  dump::append_any(line, record.component);
  line += ",\"code\":";
  dump::append_any(line, record.code);
  line += ",\"message\":";
  dump::append_any(line, dump::printable(text).size() > kLineMax - 200 ? text.substr(0, kLineMax / 8) : text);
  line += ",\"fields\":{";
  append_fields(line, record.fields);
  return line + "}}\n";
}

void Logger::line(LogLevel level, std::string_view code, std::string text) {
  if (level > level_) return;
  const Timestamp now{Duration{std::chrono::steady_clock::now().time_since_epoch()}.count()};
  const std::lock_guard lock(mutex_);
  limiter_.write({level, "agent", code, std::move(text)}, {}, now);
}

Status Logger::open_files(const Options& options) {
  const std::lock_guard lock(files_mutex_);
  for (const auto& [key, path, target] : {std::tuple{"log_file", &options.log_file, &log_}, {"security_log", &options.security_log, &security_}}) {
    if (path->empty()) {
      target->file.close();
    } else if (auto opened = target->file.open(*path, options.log_limits); !opened) {
      return opened.error().with(key);
    }
  }
  return {};
}

void Logger::put_to(Target& target, std::string_view key, const LogRecord& record) {
  if (target.dropped > 0) {
    const LogRecord note{LogLevel::warn, "agent", "PV5011", fmt::format("{} lines were dropped: {} did not take them", target.dropped, key)};
    if (target.file.write(render(note))) target.dropped = 0;
  }
  const auto written = target.file.write(render(record));
  if (written || target.dropped++ > 0) return;
  put(render({LogLevel::error, "agent", "PV5011", fmt::format("{}: {}; lines are dropped until it works again", key, written.error().message)}));
}

void Logger::write(const LogRecord& record, bool shown) {
  const std::unique_lock lock(files_mutex_);
  if (security_.file.is_open()) {
    const auto* row = code::find(record.code);
    if (row != nullptr && row->kind == EventKind::security) put_to(security_, "security_log", record);
  }
  if (!shown) return;
  if (log_.file.is_open()) return put_to(log_, "log_file", record);
  if (const auto dropped = dropped_.exchange(0); dropped > 0) {
    const LogRecord note{LogLevel::warn, "agent", "PV5009",
                         fmt::format("{} log lines were dropped: standard error did not take them", dropped)};
    if (!put(render(note))) dropped_ += dropped;
  }
  if (!put(render(record))) ++dropped_;
}

}  // namespace plumvine::agent
