#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <plumvine/config.hpp>

#include "options.hpp"

namespace plumvine::agent {

/// Writes log records to standard error, one line each: `TIME LEVEL COMPONENT [CODE] TEXT`, or JSON. Any thread.
///
/// A reader that does not keep up must not stop the node: a line that standard error cannot take at once is
/// dropped, and their number is told in the next line that goes through.
class Logger {
 public:
  Logger(LogFormat format, LogLevel level) : format_(format), level_(level) {}
  void write(const LogRecord& record);
  void line(LogLevel level, std::string_view code, std::string text) { write({level, "agent", code, std::move(text)}); }
  void set_level(LogLevel level) { level_ = level; }
  void set_format(LogFormat format) { format_ = format; }

 private:
  [[nodiscard]] std::string render(const LogRecord& record) const;
  std::atomic<LogFormat> format_;
  std::atomic<LogLevel> level_;
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace plumvine::agent
