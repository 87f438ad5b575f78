#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <plumvine/config.hpp>

#include "log_file.hpp"
#include "options.hpp"
#include "transport/log_limiter.hpp"

namespace plumvine::agent {

/// Writes log records to standard error or a file, one line each: `TIME LEVEL COMPONENT [CODE] TEXT`, or JSON; those that are events of
/// kind security to another file as well. Any thread.
///
/// A reader that does not keep up must not stop the node: a line that standard error cannot take at once is
/// dropped, and their number is told in the next line that goes through. So is a line that a file does not take (no room); why is
/// said on standard error, once until it takes lines again.
class Logger {
 public:
  Logger(LogFormat format, LogLevel level) : format_(format), level_(level) {}
  /// Files of `options` are opened, or opened again. On a failure, which names the key, lines go on to the file before.
  Status open_files(const Options& options);
  /// What the node says; it knows its levels. `shown`: the log wants it, not only the file for events of kind security.
  void write(const LogRecord& record, bool shown = true);
  /// A line of the agent's own, if its level is one of those that are written. Repetitions are held back as those of the node are, before they get here.
  void line(LogLevel level, std::string_view code, std::string text);
  void set_level(LogLevel level) { level_ = level; }
  void set_format(LogFormat format) { format_ = format; }

 private:
  /// A file, and what it did not take.
  struct Target {
    LogFile file;
    std::uint64_t dropped = 0;
  };
  [[nodiscard]] std::string render(const LogRecord& record) const;
  void put_to(Target& target, std::string_view key, const LogRecord& record);
  std::atomic<LogFormat> format_;
  std::atomic<LogLevel> level_;
  std::atomic<std::uint64_t> dropped_{0};
  std::mutex files_mutex_;  // of these two
  Target log_, security_;
  std::mutex mutex_;  // of the limiter
  LogLimiter limiter_{[this](const LogRecord& record) { write(record); }, LogLevel::trace};
};

}  // namespace plumvine::agent
