#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <plumvine/config.hpp>

#include "transport/tls/credentials.hpp"

namespace plumvine::uv {

/// Reads and checks the files that `tls_cert`, `tls_key` and `tls_ca` name. Errc::system where one cannot be read, else
/// Errc::invalid_argument; the message begins with the key and names the file.
Result<std::shared_ptr<const tls::Credentials>> load_tls(const Config& config);

/// `a1b2c3d4e5f60718, good until 2027-01-31T12:00:00Z`: a certificate for people.
std::string describe(const tls::Credentials& credentials);

/// Notices that one of the files was written or replaced. Loop thread only.
class TlsWatch {
 public:
  /// How often to look.
  static constexpr std::uint64_t kIntervalMs = 1000;

  explicit TlsWatch(const Config& config) { follow(config); }
  /// These files from now on, as they are now.
  void follow(const Config& config);
  /// They differ from what was last followed or told, and have not changed since the look before: nobody is writing them.
  bool changed();

 private:
  /// Time of change, size and number of each file; zeros where there is none.
  using Stamp = std::array<std::int64_t, 12>;
  [[nodiscard]] Stamp look() const;

  std::array<std::string, 3> paths_;
  Stamp told_{};
  Stamp last_{};
};

}  // namespace plumvine::uv
