#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/detail/key_text.hpp>
#include <plumvine/result.hpp>

#include "wire/aead.hpp"

namespace plumvine {

/// How memberlist seals: version 0 pads to 16 bytes, version 1 does not. Who speaks protocol version 1 sends version 0.
enum class SealVersion : std::uint8_t { padded = 0, bare = 1 };

/// The gossip keys in order; the first is primary. Sealing uses the primary, opening tries all in order, so that
/// keys can be changed while members have different ones. Without a key nothing is sealed.
///
/// The rules are memberlist's. Bound: `kKeysMax` keys. Not thread-safe; shared by the membership and the links of
/// one node.
class Keyring {
 public:
  /// Version, nonce and tag around a sealed text.
  static constexpr std::size_t kOverhead = 1 + AeadKey::kNonceSize + AeadKey::kTagSize;

  explicit Keyring(std::shared_ptr<Aead> aead) : aead_(std::move(aead)) {}

  /// Appends a key; one that is there stays where it is. The first key becomes primary.
  Status add(const Bytes& key);
  /// Makes an installed key primary.
  Status use(const Bytes& key);
  /// Takes a key away; the primary is refused, an unknown one is no error.
  Status remove(const Bytes& key);
  /// Takes all of `keys` instead of what there is; on an error nothing changes.
  Status replace(const std::vector<Bytes>& keys);

  [[nodiscard]] bool empty() const noexcept { return keys_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  /// The secrets, primary first.
  [[nodiscard]] std::vector<Bytes> secrets() const;
  [[nodiscard]] bool contains(const Bytes& key) const;
  [[nodiscard]] bool is_primary(const Bytes& key) const { return !keys_.empty() && keys_.front().secret == key; }
  /// A short name of a key for people, which says nothing about the key: 8 hex digits.
  [[nodiscard]] std::string name_of(const Bytes& key) const;
  [[nodiscard]] Aead& aead() const noexcept { return *aead_; }

  /// Size of `plain` bytes once sealed.
  [[nodiscard]] static std::size_t sealed_size(std::size_t plain, SealVersion version = SealVersion::bare) noexcept {
    return kOverhead + (version == SealVersion::bare ? plain : (plain / 16 + 1) * 16);
  }
  /// Appends version, nonce, ciphertext and tag to `out`. There must be a key. Sealed with the key `with` if that is in
  /// the ring, so that somebody can read the answer who has no other; else with the primary.
  void seal(BytesView aad, BytesView plain, std::vector<std::byte>& out, SealVersion version = SealVersion::bare,
            const Bytes& with = {});
  /// Appends the plain text of a blob to `out` if one of the keys fits and the padding is right. The key that fitted;
  /// empty: none.
  [[nodiscard]] Bytes open(BytesView aad, BytesView blob, std::vector<std::byte>& out);

 private:
  struct Entry {
    Bytes secret;
    std::unique_ptr<AeadKey> key;
  };
  std::vector<Entry>::iterator find(const Bytes& key);
  Result<Entry> make(const Bytes& secret);

  std::shared_ptr<Aead> aead_;
  std::vector<Entry> keys_;
};

}  // namespace plumvine
