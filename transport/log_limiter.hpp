#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <plumvine/config.hpp>
#include <plumvine/time.hpp>

namespace plumvine {

/// Writes log lines up to a level and holds back repetitions: in each `kPeriod` there are `kBurst` lines of one code about
/// one subject (a member's name), and `kBurstAny` of one code without a subject. How many were held back is written before
/// the next line that passes.
/// Bounds: `kEntriesMax` keys; beyond it the table starts anew.
class LogLimiter {
 public:
  static constexpr std::uint32_t kBurst = 5;
  static constexpr std::uint32_t kBurstAny = 50;
  static constexpr Duration kPeriod = std::chrono::seconds{10};
  static constexpr std::size_t kEntriesMax = 1024;

  LogLimiter(LogSink sink, LogLevel level) : sink_(std::move(sink)), level_(level) {}

  void set_level(LogLevel level) { level_ = level; }
  [[nodiscard]] bool wants(LogLevel level) const noexcept { return sink_ && level <= level_; }
  void write(LogRecord record, std::string_view subject, Timestamp now);

 private:
  struct Entry {
    Timestamp since;
    std::uint32_t lines = 0;
    std::uint64_t suppressed = 0;
  };
  LogSink sink_;
  LogLevel level_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace plumvine
