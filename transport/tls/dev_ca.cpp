#include "dev_ca.hpp"

#include <gnutls/crypto.h>

#include <array>

#include "handles.hpp"
#include "identity.hpp"

namespace plumvine::tls {
namespace {

Error library_error(std::string_view what, int status) { return {Errc::system, std::string(what) + ": " + gnutls_strerror(status)}; }

/// The first failure of a chain of calls; what follows it is passed over by the caller.
class Steps {
 public:
  void operator()(std::string_view what, int status) {
    if (status < 0 && !failed_) failed_ = library_error(what, status);
  }
  [[nodiscard]] const std::optional<Error>& failed() const { return failed_; }

 private:
  std::optional<Error> failed_;
};

struct KeyPair {
  KeyHandle key;
  CertHandle cert;
};

/// A key of its own and a certificate with what all have in common.
KeyPair begin(Steps& step, const std::string& common_name, std::int64_t from_s, std::int64_t until_s) {
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_crt_t cert = nullptr;
  step("key", gnutls_x509_privkey_init(&key));
  step("certificate", gnutls_x509_crt_init(&cert));
  KeyPair made{KeyHandle(key), CertHandle(cert)};
  if (step.failed()) return made;
  step("key", gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
  step("version", gnutls_x509_crt_set_version(cert, 3));
  std::array<unsigned char, 16> serial{};
  step("random", gnutls_rnd(GNUTLS_RND_NONCE, serial.data(), serial.size()));
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
  step("serial", gnutls_x509_crt_set_serial(cert, serial.data(), serial.size()));
  step("validity", gnutls_x509_crt_set_activation_time(cert, static_cast<time_t>(from_s)));
  step("validity", gnutls_x509_crt_set_expiration_time(cert, static_cast<time_t>(until_s)));
  // A common name has at most 64 characters.
  const std::string cn = common_name.substr(0, 64);
  step("name", gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, cn.data(), static_cast<unsigned>(cn.size())));
  step("key", gnutls_x509_crt_set_key(cert, key));
  std::array<unsigned char, 64> id{};
  std::size_t size = id.size();
  step("key id", gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA1, id.data(), &size));
  step("key id", gnutls_x509_crt_set_subject_key_id(cert, id.data(), size));
  return made;
}

Result<Issued> finish(Steps& step, const KeyPair& made) {
  Issued issued;
  gnutls_datum_t text{};
  if (!step.failed()) step("certificate", gnutls_x509_crt_export2(made.cert.get(), GNUTLS_X509_FMT_PEM, &text));
  if (!step.failed()) issued.cert = take_text(text);
  if (!step.failed()) step("key", gnutls_x509_privkey_export2_pkcs8(made.key.get(), GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &text));
  if (!step.failed()) issued.key = take_text(text);
  if (step.failed()) return *step.failed();
  return issued;
}

}  // namespace

Result<DevCa> DevCa::create(std::string_view common_name, std::int64_t from_s, std::int64_t until_s) {
  Steps step;
  const KeyPair made = begin(step, std::string(common_name), from_s, until_s);
  if (!step.failed()) {
    step("constraints", gnutls_x509_crt_set_basic_constraints(made.cert.get(), 1, 0));
    step("usage", gnutls_x509_crt_set_key_usage(made.cert.get(), GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    step("signature", gnutls_x509_crt_sign2(made.cert.get(), made.cert.get(), made.key.get(), GNUTLS_DIG_SHA256, 0));
  }
  auto issued = finish(step, made);
  if (!issued) return issued.error();
  return DevCa(std::move(*issued));
}

Result<DevCa> DevCa::open(Issued stored) {
  std::vector<CertHandle> certs;
  if (const int status = read_certificates(stored.cert, certs); status < 0)
    return Error{Errc::invalid_argument, std::string("no certificate in PEM: ") + gnutls_strerror(status)};
  if (gnutls_x509_crt_get_ca_status(certs.front().get(), nullptr) <= 0) return Error{Errc::invalid_argument, "the certificate is none of a CA"};
  return DevCa(std::move(stored));
}

Result<Issued> DevCa::issue(const Wish& wish) const {
  Steps step;
  std::vector<CertHandle> ca;
  step("CA", read_certificates(own_.cert, ca));
  gnutls_x509_privkey_t raw = nullptr;
  step("CA key", gnutls_x509_privkey_init(&raw));
  const KeyHandle ca_key(raw);
  const gnutls_datum_t text = datum(own_.key);
  step("CA key", gnutls_x509_privkey_import2(raw, &text, GNUTLS_X509_FMT_PEM, nullptr, 0));
  if (step.failed()) return *step.failed();
  const KeyPair made = begin(step, wish.name, wish.from_s, wish.until_s);
  if (!step.failed()) {
    const gnutls_x509_crt_t cert = made.cert.get();
    const bool labelled = !wish.label.empty();
    const std::string san = labelled ? member_uri(wish.label, wish.name) : wish.name;
    step("constraints", gnutls_x509_crt_set_basic_constraints(cert, 0, -1));
    step("usage", gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE));
    step("purpose", gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_SERVER, 0));
    step("purpose", gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_CLIENT, 0));
    step("name", gnutls_x509_crt_set_subject_alt_name(cert, labelled ? GNUTLS_SAN_URI : GNUTLS_SAN_DNSNAME, san.data(),
                                                      static_cast<unsigned>(san.size()), GNUTLS_FSAN_SET));
    std::array<unsigned char, 64> id{};
    std::size_t size = id.size();
    step("CA key id", gnutls_x509_crt_get_subject_key_id(ca.front().get(), id.data(), &size, nullptr));
    step("CA key id", gnutls_x509_crt_set_authority_key_id(cert, id.data(), size));
    step("signature", gnutls_x509_crt_sign2(cert, ca.front().get(), raw, GNUTLS_DIG_SHA256, 0));
  }
  return finish(step, made);
}

}  // namespace plumvine::tls
