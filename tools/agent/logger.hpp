#pragma once

#include <string>

#include <plumvine/config.hpp>

#include "options.hpp"

namespace plumvine::agent {

/// Writes log records to standard error, one line each: `TIME LEVEL COMPONENT [CODE] TEXT`, or JSON.
class Logger {
 public:
  explicit Logger(LogFormat format, LogLevel level) : format_(format), level_(level) {}
  void write(const LogRecord& record) const;
  void line(LogLevel level, std::string_view code, std::string text) const { write({level, "agent", code, std::move(text)}); }

 private:
  LogFormat format_;
  LogLevel level_;
};

}  // namespace plumvine::agent
