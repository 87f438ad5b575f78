#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

#include "socket.hpp"

namespace plumvine::uv {

/// A member as it is remembered over restarts.
struct KnownPeer {
  std::string name;
  Endpoint endpoint;
  std::int64_t seen_s = 0;  ///< alive at this time, seconds since 1970
  friend bool operator==(const KnownPeer&, const KnownPeer&) = default;
};

/// Who was away for longer is not remembered any more.
inline constexpr std::int64_t kPeerKeptS = std::int64_t{7} * 24 * 3600;

/// `peers.json`: the members of the cluster `label`. Names that are not UTF-8 are left out.
std::string format_peers(std::string_view label, const std::vector<KnownPeer>& peers);
/// Reads it back: at most `max` peers, those that were seen last. Errc::invalid_argument for what is no such file,
/// Errc::not_found for one of another cluster. Peers seen more than `kPeerKeptS` before `now_s` are left out.
Result<std::vector<KnownPeer>> parse_peers(std::string_view json, std::string_view label, std::size_t max, std::int64_t now_s);

/// Where one node keeps what shall outlive it. Locked while this object lives, so that two processes never share it.
class DataDir {
 public:
  /// Makes the directory (mode 0700) if it is missing. Errc::system names the path, and who holds it if somebody does.
  static Result<std::unique_ptr<DataDir>> open(const std::string& path);
  /// As `open`, for a tool that looks at a stopped member's files: the directory must be there, and what it can lock.
  static Result<std::unique_ptr<DataDir>> visit(const std::string& path);

  [[nodiscard]] std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  /// Why nothing can be written here, although it can be read; empty: nothing is known against it.
  [[nodiscard]] const std::string& read_only() const noexcept { return read_only_; }
  /// Moves a file that cannot be understood out of the way. Where it is now, in words.
  std::string set_aside(std::string_view name) const;

 private:
  explicit DataDir(std::string path) : path_(std::move(path)) {}
  /// `advice`: what to do where somebody else holds it.
  static Result<std::unique_ptr<DataDir>> lock(const std::string& path, const char* advice);
  std::string path_;
  std::string read_only_;
  Fd lock_;
};

}  // namespace plumvine::uv
