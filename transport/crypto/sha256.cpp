#include "sha256.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <array>

#include <fmt/format.h>

#include <plumvine/detail/check.hpp>

namespace plumvine {

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  PLUMVINE_CHECK(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data(), bytes.size(), digest.data()) == 0, "SHA-256 failed");
  std::string out;
  for (const unsigned char byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace plumvine
