#pragma once

#include <string>

#include <plumvine/result.hpp>

namespace plumvine::bench {

/// Certificates of one run: an authority of its own and one certificate and key for each member, in a new directory that goes with the object.
class Certificates {
 public:
  Certificates() = default;
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  /// For members `n0`, `n1` and so on. Errc::system where the directory cannot be made or written.
  Status make(unsigned members);
  /// Empty before `make`.
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

 private:
  std::string directory_;
};

}  // namespace plumvine::bench
