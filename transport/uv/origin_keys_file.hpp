#pragma once

#include <cstdint>
#include <functional>
#include <plumvine/result.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.hpp"
#include "handle.hpp"
#include "transport/crypto/ed25519.hpp"

namespace plumvine::uv {

/// In the data directory: whose broadcasts are signed with which key, so that a member that starts again does not take
/// the first key that it hears for the member's.
inline constexpr std::string_view kOriginKeysFile = "origin-keys.json";
/// Of the file: 65,536 keys with the longest names.
inline constexpr std::size_t kOriginKeysFileMax = std::size_t{64} << 20;

/// Members of the cluster `label`. Names that are not UTF-8 are left out.
std::string format_origin_keys(std::string_view label, const std::vector<frame::KeptKey>& keys);
/// Errc::invalid_argument for what is no such file, Errc::not_found for one of another cluster.
Result<std::vector<frame::KeptKey>> parse_origin_keys(std::string_view json, std::string_view label);

/// Keeps the file up to date: a second after a change, and once an hour so that keys do not grow old. Loop thread only.
class OriginKeysFile {
 public:
  using Keys = std::function<std::vector<frame::KeptKey>()>;
  using Log = std::function<void(std::string)>;

  /// `keys` tells what is known now; `log` gets a failure, once until it works again.
  OriginKeysFile(uv_loop_t* loop, std::string path, std::string label, Keys keys, Log log);

  /// What is known has this version now.
  void look(std::uint64_t version);
  /// Writes a last time: the node ends. The loop goes on until it is done.
  void finish();

 private:
  void arm(std::uint64_t ms);

  AtomicFile file_;
  std::string label_;
  Keys keys_;
  Log log_;
  Handle<uv_timer_t> timer_;
  std::uint64_t version_ = 0;
  bool due_soon_ = false;
  bool failed_ = false;
};

}  // namespace plumvine::uv
