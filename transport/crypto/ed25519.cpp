#include "ed25519.hpp"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <memory>
#include <plumvine/detail/check.hpp>
#include <utility>

namespace plumvine {
namespace {

struct FreePrivate {
  void operator()(gnutls_privkey_t key) const { gnutls_privkey_deinit(key); }
};
struct FreePublic {
  void operator()(gnutls_pubkey_t key) const { gnutls_pubkey_deinit(key); }
};
using Private = std::unique_ptr<std::remove_pointer_t<gnutls_privkey_t>, FreePrivate>;
using Public = std::unique_ptr<std::remove_pointer_t<gnutls_pubkey_t>, FreePublic>;

gnutls_datum_t as_datum(BytesView bytes) {
  // GnuTLS takes what it only reads without const.
  return {const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data())),
          static_cast<unsigned>(bytes.size())};
}

Private new_private() {
  gnutls_privkey_t key = nullptr;
  PLUMVINE_CHECK(gnutls_privkey_init(&key) == 0, "no memory for a key");
  return Private{key};
}
Public new_public() {
  gnutls_pubkey_t key = nullptr;
  PLUMVINE_CHECK(gnutls_pubkey_init(&key) == 0, "no memory for a key");
  return Public{key};
}

std::string pem_of(gnutls_privkey_t key) {
  gnutls_x509_privkey_t exported = nullptr;
  PLUMVINE_CHECK(gnutls_privkey_export_x509(key, &exported) == 0, "a key cannot be written");
  gnutls_datum_t text{};
  const int status =
      gnutls_x509_privkey_export2_pkcs8(exported, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &text);
  gnutls_x509_privkey_deinit(exported);
  PLUMVINE_CHECK(status == 0, "a key cannot be written");
  std::string pem(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_memset(text.data, 0, text.size);
  gnutls_free(text.data);
  return pem;
}

frame::Hash sha256(BytesView bytes) {
  frame::Hash hash{};
  PLUMVINE_CHECK(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data(), bytes.size(), hash.data()) == 0,
                 "GnuTLS has no SHA-256");
  return hash;
}

bool verify(const frame::PublicKey& key, BytesView text, const frame::SignatureBytes& signature) {
  const Public handle = new_public();
  const gnutls_datum_t point = as_datum(key), signed_text = as_datum(text), bytes = as_datum(signature);
  if (gnutls_pubkey_import_ecc_raw(handle.get(), GNUTLS_ECC_CURVE_ED25519, &point, nullptr) != 0) return false;
  return gnutls_pubkey_verify_data2(handle.get(), GNUTLS_SIGN_EDDSA_ED25519, 0, &signed_text, &bytes) >= 0;
}

Result<frame::PublicKey> public_of(gnutls_privkey_t key) {
  const Error wrong{Errc::invalid_argument, "no Ed25519 key in PEM (PKCS #8)"};
  if (gnutls_privkey_get_pk_algorithm(key, nullptr) != GNUTLS_PK_EDDSA_ED25519) return wrong;
  const Public handle = new_public();
  gnutls_datum_t point{};
  if (gnutls_pubkey_import_privkey(handle.get(), key, 0, 0) != 0 ||
      gnutls_pubkey_export_ecc_raw2(handle.get(), nullptr, &point, nullptr, GNUTLS_EXPORT_FLAG_NO_LZ) != 0)
    return wrong;
  frame::PublicKey out{};
  const bool fits = point.size == out.size();
  if (fits) std::copy_n(reinterpret_cast<const std::byte*>(point.data), out.size(), out.begin());
  gnutls_free(point.data);
  if (!fits) return wrong;
  return out;
}

}  // namespace

std::string make_origin_key() {
  const Private key = new_private();
  PLUMVINE_CHECK(gnutls_privkey_generate(key.get(), GNUTLS_PK_EDDSA_ED25519, 0, 0) == 0, "GnuTLS makes no Ed25519 key");
  return pem_of(key.get());
}

std::string make_origin_key(const std::array<std::byte, 32>& seed) {
  // RFC 8410, section 7: version, algorithm 1.3.101.112, and the 32 bytes.
  static constexpr std::array<unsigned char, 16> kFront{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                        0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
  std::array<std::byte, kFront.size() + 32> der{};
  std::transform(kFront.begin(), kFront.end(), der.begin(), [](unsigned char byte) { return std::byte{byte}; });
  std::copy(seed.begin(), seed.end(), der.begin() + kFront.size());
  const Private key = new_private();
  const gnutls_datum_t raw = as_datum(der);
  PLUMVINE_CHECK(gnutls_privkey_import_x509_raw(key.get(), &raw, GNUTLS_X509_FMT_DER, nullptr, 0) == 0,
                 "a seed makes no key");
  return pem_of(key.get());
}

frame::SignTools make_judging_tools(std::string cluster) {
  frame::SignTools tools;
  tools.hash = sha256;
  tools.verify = verify;
  tools.cluster = std::move(cluster);
  return tools;
}

Result<frame::SignTools> make_sign_tools(std::string_view pem, std::uint64_t epoch, std::string cluster) {
  const std::shared_ptr<std::remove_pointer_t<gnutls_privkey_t>> key{new_private().release(), FreePrivate{}};
  const gnutls_datum_t text = as_datum(as_bytes(pem));
  if (gnutls_privkey_import_x509_raw(key.get(), &text, GNUTLS_X509_FMT_PEM, nullptr, 0) != 0)
    return {Errc::invalid_argument, "no Ed25519 key in PEM (PKCS #8)"};
  auto point = public_of(key.get());
  if (!point) return point.error();
  frame::SignTools tools = make_judging_tools(std::move(cluster));
  tools.own = {*point, epoch};
  tools.sign = [key](BytesView what) {
    const gnutls_datum_t data = as_datum(what);
    gnutls_datum_t made{};
    frame::SignatureBytes out{};
    PLUMVINE_CHECK(gnutls_privkey_sign_data2(key.get(), GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &made) == 0 &&
                       made.size == out.size(),
                   "signing failed");
    std::copy_n(reinterpret_cast<const std::byte*>(made.data), out.size(), out.begin());
    gnutls_free(made.data);
    return out;
  };
  return tools;
}

}  // namespace plumvine
