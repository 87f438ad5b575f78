#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <plumvine/result.hpp>

namespace plumvine::tls {

/// A certificate and its key, PEM.
struct Issued {
  std::string cert;
  std::string key;
};

/// A private certificate authority for trials and tests: ECDSA P-256, made by `plumvine tls dev-ca`. For more than a trial take one
/// that keeps its key elsewhere.
class DevCa {
 public:
  /// What a certificate says, and for how long. Times are Unix seconds.
  struct Wish {
    std::string name;          ///< of the member
    std::string label = {};    ///< of its cluster
    std::int64_t from_s = 0;
    std::int64_t until_s = 0;
  };
  /// A new authority. Errc::system where the library refuses.
  static Result<DevCa> create(std::string_view common_name, std::int64_t from_s, std::int64_t until_s);
  /// One from before.
  static Result<DevCa> open(Issued stored);

  /// A certificate for client and server with the name that `Credentials` wants, and a new key.
  [[nodiscard]] Result<Issued> issue(const Wish& wish) const;
  [[nodiscard]] const Issued& own() const noexcept { return own_; }

 private:
  explicit DevCa(Issued own) : own_(std::move(own)) {}
  Issued own_;
};

}  // namespace plumvine::tls
