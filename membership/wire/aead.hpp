#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <plumvine/bytes.hpp>

namespace plumvine {

/// One AES-GCM key, ready for use (16, 24 or 32 bytes select AES-128, 192, 256). Not thread-safe.
class AeadKey {
 public:
  static constexpr std::size_t kNonceSize = 12;
  static constexpr std::size_t kTagSize = 16;

  virtual ~AeadKey() = default;
  /// Writes ciphertext and tag, `plain.size() + kTagSize` bytes, to `out`. The nonce must be new for this key.
  virtual void seal(BytesView nonce, BytesView aad, BytesView plain, std::byte* out) = 0;
  /// Writes `sealed.size() - kTagSize` bytes to `out` and returns true if the tag is right. Else what stands at
  /// `out` means nothing.
  [[nodiscard]] virtual bool open(BytesView nonce, BytesView aad, BytesView sealed, std::byte* out) = 0;
};

/// The cryptography that the machines need, injected: they know no crypto library and no random device.
///
/// Whoever implements it answers for the nonces: no two calls of `random` may give the same bytes, not even in
/// two runs of the program. Only the simulator, whose keys guard nothing, draws them from a seed.
class Aead {
 public:
  virtual ~Aead() = default;
  /// Null for a secret of another length than 16, 24 or 32 bytes.
  [[nodiscard]] virtual std::unique_ptr<AeadKey> key(BytesView secret) = 0;
  virtual void random(std::span<std::byte> out) = 0;
  /// HKDF with SHA-256 (RFC 5869): bytes that only those know who know `secret`.
  virtual void derive(BytesView secret, BytesView salt, BytesView info, std::span<std::byte> out) = 0;
};

}  // namespace plumvine
