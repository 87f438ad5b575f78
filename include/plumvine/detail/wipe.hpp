#pragma once

#include <cstring>  // with the C library's explicit_bzero
#include <string>

namespace plumvine {

/// Overwrites a secret before its memory is given back, in a way that the compiler does not take out, and empties it. Copies elsewhere
/// are not found: keep secrets in few places.
inline void wipe(std::string& secret) noexcept {
  if (!secret.empty()) explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

/// A text that is wiped when it goes out of scope.
class Wiped {
 public:
  explicit Wiped(std::string& secret) noexcept : secret_(secret) {}
  ~Wiped() { wipe(secret_); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  std::string& secret_;
};

}  // namespace plumvine
