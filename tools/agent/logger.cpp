#include "logger.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plumvine::agent {
namespace {

std::string now_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

std::string_view upper(LogLevel level) {
  constexpr std::string_view names[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
  return names[static_cast<std::size_t>(level)];
}

// A peer's name may hold any bytes; a log line stays one line.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) out += fmt::format("\\x{:02x}", byte);
    else out += c;
  }
  return out;
}

}  // namespace

void Logger::write(const LogRecord& record) const {
  if (record.level > level_) return;
  std::string line;
  if (format_ == LogFormat::json) {
    nlohmann::ordered_json json{{"time", now_text()}, {"level", upper(record.level)}, {"component", std::string(record.component)},
                                {"code", std::string(record.code)}, {"message", record.text}};
    line = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  } else {
    line = fmt::format("{} {} {} [{}] {}\n", now_text(), upper(record.level), record.component, record.code, one_line(record.text));
  }
  // One write keeps the line whole beside other writers; a broken standard error is no reason to stop.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace plumvine::agent
