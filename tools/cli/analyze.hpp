#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>

namespace plumvine::cli {

/// Counts log lines of plumvined by code: text or JSON, also behind what a service manager puts before them; events as `plumvine --json events` prints
/// them as well. Bounds: codes that this version does not know are kept `kUnknownMax` of, the lines of others only counted.
class LogCount {
 public:
  static constexpr std::size_t kUnknownMax = 256;
  struct Row {
    std::string code;
    LogLevel severity = LogLevel::trace;  ///< the worst that was seen
    std::uint64_t count = 0;
    std::string first, last;              ///< times, as they are written
    std::string_view cause, remedy;       ///< empty: this version does not know the code
  };

  void line(std::string_view text);
  /// A line that was not looked at for its length.
  void too_long() { ++lines_, ++too_long_; }
  /// Worst first, then by count, then by code.
  [[nodiscard]] std::vector<Row> rows() const;
  [[nodiscard]] std::string json() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::uint64_t coded() const noexcept { return coded_; }

 private:
  std::map<std::string, Row, std::less<>> rows_;
  std::size_t unknown_ = 0;
  std::uint64_t lines_ = 0, coded_ = 0, too_long_ = 0, other_codes_ = 0;
};

}  // namespace plumvine::cli
