#include "log_limiter.hpp"

#include "codes.hpp"

namespace plumvine {

void LogLimiter::write(LogRecord record, std::string_view subject, Timestamp now) {
  if (!wants(record.level)) return;
  std::pair<std::string, std::string> key{record.code, subject};
  if (entries_.size() >= kEntriesMax && !entries_.contains(key)) entries_.clear();
  auto [it, fresh] = entries_.try_emplace(std::move(key), Entry{now, 0, 0});
  Entry& entry = it->second;
  std::uint64_t suppressed = 0;
  if (!fresh && entry.since + kPeriod <= now) {
    suppressed = entry.suppressed;
    entry = Entry{now, 0, 0};
  }
  if (entry.lines >= (subject.empty() ? kBurstAny : kBurst)) {
    ++entry.suppressed;
    return;
  }
  ++entry.lines;
  if (suppressed != 0) {
    sink_({record.level, record.component, code::kSuppressed,
           std::to_string(suppressed) + " lines of " + std::string{record.code} + " were held back", {{"code", std::string{record.code}}, {"count", std::to_string(suppressed)}}});
  }
  sink_(record);
}

}  // namespace plumvine
