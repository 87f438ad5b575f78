#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <plumvine/result.hpp>

namespace plumvine::agent {

/// A log file that stays below a size: when a line does not fit any more, PATH becomes PATH.1, PATH.1 becomes PATH.2, and so on; the
/// oldest goes. Whoever moves files away by other means (logrotate) lets `open` be called again afterwards.
///
/// Made with mode 0640. Writes go to the system's cache, so they do not wait for the disk. Not thread-safe.
class LogFile {
 public:
  /// `bytes_max` of one file, above 0; `kept_max` older ones are kept.
  struct Limits {
    std::uint64_t bytes_max = 16ULL << 20;
    std::uint32_t kept_max = 5;
    friend bool operator==(const Limits&, const Limits&) = default;
  };

  LogFile() = default;
  ~LogFile() { close(); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  /// Appends to `path` from now on. On a failure, which names the path, everything stays as it was.
  Status open(std::string path, Limits limits);
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  /// A whole line. On a failure nothing of it counts as written.
  Status write(std::string_view line);

 private:
  Status rotate();

  std::string path_;
  Limits limits_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace plumvine::agent
