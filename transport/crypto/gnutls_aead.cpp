#include "gnutls_aead.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <utility>

#include <plumvine/detail/check.hpp>

#include "membership/keyring.hpp"

namespace plumvine {
namespace {

gnutls_datum_t datum(BytesView bytes) {
  // GnuTLS takes what it only reads without const.
  return {const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data())), static_cast<unsigned>(bytes.size())};
}

class GnutlsKey final : public AeadKey {
 public:
  explicit GnutlsKey(gnutls_aead_cipher_hd_t handle) : handle_(handle) {}
  ~GnutlsKey() override { gnutls_aead_cipher_deinit(handle_); }
  GnutlsKey(const GnutlsKey&) = delete;
  GnutlsKey& operator=(const GnutlsKey&) = delete;

  void seal(BytesView nonce, BytesView aad, BytesView plain, std::byte* out) override {
    std::size_t size = plain.size() + kTagSize;
    const int status = gnutls_aead_cipher_encrypt(handle_, nonce.data(), nonce.size(), aad.data(), aad.size(), kTagSize,
                                                  plain.data(), plain.size(), out, &size);
    PLUMVINE_CHECK(status == 0 && size == plain.size() + kTagSize, "sealing failed");
  }

  bool open(BytesView nonce, BytesView aad, BytesView sealed, std::byte* out) override {
    if (sealed.size() < kTagSize) return false;
    std::size_t size = sealed.size() - kTagSize;
    std::byte nothing{};  // GnuTLS wants an address even where there is nothing to write
    return gnutls_aead_cipher_decrypt(handle_, nonce.data(), nonce.size(), aad.data(), aad.size(), kTagSize, sealed.data(),
                                      sealed.size(), size == 0 ? &nothing : out, &size) == 0;
  }

 private:
  gnutls_aead_cipher_hd_t handle_;
};

class GnutlsAead final : public Aead {
 public:
  explicit GnutlsAead(std::function<void(std::span<std::byte>)> random) : random_(std::move(random)) {}

  std::unique_ptr<AeadKey> key(BytesView secret) override {
    gnutls_cipher_algorithm_t algorithm = GNUTLS_CIPHER_UNKNOWN;
    if (secret.size() == 16) algorithm = GNUTLS_CIPHER_AES_128_GCM;
    if (secret.size() == 24) algorithm = GNUTLS_CIPHER_AES_192_GCM;
    if (secret.size() == 32) algorithm = GNUTLS_CIPHER_AES_256_GCM;
    if (algorithm == GNUTLS_CIPHER_UNKNOWN) return nullptr;
    const gnutls_datum_t raw = datum(secret);
    gnutls_aead_cipher_hd_t handle = nullptr;
    PLUMVINE_CHECK(gnutls_aead_cipher_init(&handle, algorithm, &raw) == 0, "GnuTLS has no AES-GCM");
    return std::make_unique<GnutlsKey>(handle);
  }

  void random(std::span<std::byte> out) override {
    if (random_) return random_(out);
    PLUMVINE_CHECK(gnutls_rnd(GNUTLS_RND_NONCE, out.data(), out.size()) == 0, "no random bytes");
  }

  void derive(BytesView secret, BytesView salt, BytesView info, std::span<std::byte> out) override {
    const gnutls_datum_t raw_secret = datum(secret), raw_salt = datum(salt), raw_info = datum(info);
    std::byte extracted[32];
    const gnutls_datum_t key{reinterpret_cast<unsigned char*>(extracted), sizeof extracted};
    const bool done = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &raw_secret, &raw_salt, extracted) == 0 &&
                      gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &raw_info, out.data(), out.size()) == 0;
    gnutls_memset(extracted, 0, sizeof extracted);
    PLUMVINE_CHECK(done, "deriving a key failed");
  }

 private:
  std::function<void(std::span<std::byte>)> random_;
};

}  // namespace

std::array<std::byte, 16> gmac_checksum(BytesView bytes) {
  static constexpr std::array<std::byte, 16> kKey{};
  static constexpr std::array<std::byte, AeadKey::kNonceSize> kNonce{};
  const gnutls_datum_t raw = datum(BytesView{kKey});
  gnutls_aead_cipher_hd_t handle = nullptr;
  PLUMVINE_CHECK(gnutls_aead_cipher_init(&handle, GNUTLS_CIPHER_AES_128_GCM, &raw) == 0, "GnuTLS has no AES-GCM");
  std::array<std::byte, 16> tag{};
  // The tag of an empty text is that of the data that goes with it.
  GnutlsKey{handle}.seal(BytesView{kNonce}, bytes, {}, tag.data());
  return tag;
}

std::shared_ptr<Aead> make_gnutls_aead(std::function<void(std::span<std::byte>)> random) {
  return std::make_shared<GnutlsAead>(std::move(random));
}

Result<std::shared_ptr<Keyring>> make_keyring(const std::vector<Bytes>& keys, std::function<void(std::span<std::byte>)> random) {
  auto ring = std::make_shared<Keyring>(make_gnutls_aead(std::move(random)));
  if (auto taken = ring->replace(keys); !taken) return taken.error();
  return ring;
}

}  // namespace plumvine
