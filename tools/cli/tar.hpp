#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/result.hpp>

namespace plumvine::cli {

/// Sizes from here on do not fit a header.
inline constexpr std::uint64_t kTarFileMax = std::uint64_t{8} << 30;
/// What stands before the bytes of a file in a tar archive (POSIX ustar): names of at most 100 bytes, sizes below `kTarFileMax`; mode 0600, owner 0.
std::string tar_header(std::string_view name, std::uint64_t size, std::int64_t mtime_s);
/// What stands behind them.
std::string tar_padding(std::uint64_t size);
/// What ends an archive.
std::string tar_end();

/// Puts files into a tar archive, in memory.
class Tar {
 public:
  /// Bounds as of `tar_header`.
  void add(std::string_view name, std::string_view content, std::int64_t mtime_s);
  /// The whole archive, ended; nothing may be added afterwards.
  std::string finish();

 private:
  std::string out_;
};

struct TarEntry {
  std::string name;
  std::string_view content;
};
/// The files in an archive; folders are passed over. Errc::invalid_argument where it is damaged, cut off, or has anything else in it.
Result<std::vector<TarEntry>> read_tar(std::string_view archive);

/// The same bytes as a gzip file. Empty where that fails for lack of memory.
std::string gzip(std::string_view bytes);

}  // namespace plumvine::cli
