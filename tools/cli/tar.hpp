#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace plumvine::cli {

/// Puts files into a tar archive (POSIX ustar), in memory.
class Tar {
 public:
  /// Names of at most 100 bytes, sizes below 8 GiB; mode 0600, owner 0.
  void add(std::string_view name, std::string_view content, std::int64_t mtime_s);
  /// The whole archive, ended; nothing may be added afterwards.
  std::string finish();

 private:
  std::string out_;
};

/// The same bytes as a gzip file. Empty where that fails for lack of memory.
std::string gzip(std::string_view bytes);

}  // namespace plumvine::cli
