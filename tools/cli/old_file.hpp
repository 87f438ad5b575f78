#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace plumvine::cli {

/// Takes away the file or the link at `path`; what a link points to stays. What is neither, a device for example, stays: why, then. Nothing there is fine.
inline std::optional<std::string> remove_old(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  if (type == std::filesystem::file_type::not_found) return std::nullopt;
  if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::symlink) return path + " is no file, and stays: name another one";
  if (std::filesystem::remove(path, error)) return std::nullopt;
  return path + " cannot be overwritten: " + error.message();
}

}  // namespace plumvine::cli
