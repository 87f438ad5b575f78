#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <plumvine/config.hpp>

#include "options.hpp"
#include "transport/log_limiter.hpp"

namespace plumvine::agent {

/// Writes log records to standard error, one line each: `TIME LEVEL COMPONENT [CODE] TEXT`, or JSON. Any thread.
///
/// A reader that does not keep up must not stop the node: a line that standard error cannot take at once is
/// dropped, and their number is told in the next line that goes through.
class Logger {
 public:
  Logger(LogFormat format, LogLevel level) : format_(format), level_(level) {}
  /// What the node says; it knows its levels.
  void write(const LogRecord& record);
  /// A line of the agent's own, if its level is one of those that are written. Repetitions are held back as those of the node are, before they get here.
  void line(LogLevel level, std::string_view code, std::string text);
  void set_level(LogLevel level) { level_ = level; }
  void set_format(LogFormat format) { format_ = format; }

 private:
  [[nodiscard]] std::string render(const LogRecord& record) const;
  std::atomic<LogFormat> format_;
  std::atomic<LogLevel> level_;
  std::atomic<std::uint64_t> dropped_{0};
  std::mutex mutex_;  // of the limiter
  LogLimiter limiter_{[this](const LogRecord& record) { write(record); }, LogLevel::trace};
};

}  // namespace plumvine::agent
