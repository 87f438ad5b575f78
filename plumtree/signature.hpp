#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <plumvine/bytes.hpp>
#include <plumvine/types.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "run.hpp"

/// Signed origins: what proves of a gossip that it comes from the member that it names. Nothing here knows a crypto
/// library; `SignTools` are injected.
///
/// A gossip is signed once where it is published, and whoever passes it on passes the signature on with it. A run is
/// signed as one: the signature covers its bytes and the root of a hash tree over its messages (Merkle 1987), so that a
/// message that leaves the run still has a proof of its own.
namespace plumvine::frame {

inline constexpr std::size_t kHashSize = 32;
using Hash = std::array<std::byte, kHashSize>;
/// Of Ed25519 (RFC 8032).
using PublicKey = std::array<std::byte, 32>;
using SignatureBytes = std::array<std::byte, 64>;

/// Which key a member signs with, and since when this run of it does. Later epochs are larger.
struct OriginKey {
  PublicKey key{};
  std::uint64_t epoch = 0;
  friend bool operator==(const OriginKey&, const OriginKey&) = default;
};

/// Whose key is which, as it is kept over a restart.
struct KeptKey {
  std::string member;
  OriginKey key;
  bool proven = false;       ///< by the certificate of a connection, not only told
  std::int64_t seen_us = 0;  ///< it was known then, microseconds since 1970
  friend bool operator==(const KeptKey&, const KeptKey&) = default;
};

/// What is injected for signing and for judging signatures.
struct SignTools {
  /// SHA-256. Null: this node neither signs nor judges.
  std::function<Hash(BytesView)> hash = {};
  std::function<bool(const PublicKey&, BytesView text, const SignatureBytes&)> verify = {};
  std::function<SignatureBytes(BytesView text)> sign = {};  ///< with `own`
  OriginKey own = {};
  std::string cluster = {};
};

/// A message that was taken out of a signed run: the run, and the hashes beside the way from the message up to the
/// root.
struct Cut {
  Sequence first = 0;
  Run run;
  std::vector<Hash> path;
  friend bool operator==(const Cut&, const Cut&) = default;
};
/// The longest such way.
inline constexpr std::size_t kPathMax = 10;
static_assert(kRunMessagesMax <= std::size_t{1} << kPathMax);

/// What a gossip carries of it.
struct Signature {
  OriginKey by;
  std::int64_t at_us = 0;  ///< when it was published, by the origin's wall clock
  SignatureBytes bytes{};
  /// Of a run the root over its messages; of a message out of a run the hash of the run's bytes; else zeros.
  Hash other{};
  std::optional<Cut> cut = {};
  friend bool operator==(const Signature&, const Signature&) = default;
};

/// Shared by all who hold the gossip; compares by what it says. Null: not signed.
class Signed {
 public:
  Signed() = default;
  Signed(Signature signature) : signature_(std::make_shared<const Signature>(std::move(signature))) {}
  explicit operator bool() const noexcept { return signature_ != nullptr; }
  const Signature& operator*() const noexcept { return *signature_; }
  const Signature* operator->() const noexcept { return signature_.get(); }
  friend bool operator==(const Signed& a, const Signed& b) {
    return a.signature_ == b.signature_ || (a && b && *a.signature_ == *b.signature_);
  }

 private:
  std::shared_ptr<const Signature> signature_;
};

struct Gossip;

/// The instance of a member that signs: it follows from name and key, so nobody else can have it, and nobody can claim
/// the instance of another. 63 bits of SHA-256.
[[nodiscard]] InstanceId instance_of(const SignTools& tools, std::string_view name, const OriginKey& by);

/// Signs a gossip as it leaves its origin, published at this time by its wall clock.
[[nodiscard]] Signature sign(const SignTools& tools, const Gossip& gossip, std::int64_t at_us);
/// The signature is of this gossip, its key made it, and its instance belongs to key and name. Whether the key is the
/// member's is another matter.
[[nodiscard]] bool is_signed_by(const SignTools& tools, const Gossip& gossip);

/// Takes messages out of a signed run with their proofs. The run's signature was found right.
class RunProofs {
 public:
  RunProofs(const SignTools& tools, const Gossip& run);
  /// The root over its messages is the one that was signed. Else the origin itself made it wrong, and no message can be
  /// passed on alone.
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] Signature of(std::uint32_t index) const;

 private:
  const Gossip* run_;
  Hash whole_{};
  std::vector<std::vector<Hash>> levels_;
  bool good_ = false;
};

/// As metadata carries it, in base64.
[[nodiscard]] std::string to_text(const OriginKey& key);
[[nodiscard]] std::optional<OriginKey> parse_origin_key(std::string_view text);
/// A short name of a key for people: 16 hex digits of it.
[[nodiscard]] std::string name_of(const PublicKey& key);

}  // namespace plumvine::frame
