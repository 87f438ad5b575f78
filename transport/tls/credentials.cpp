#include "credentials.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "credentials_handles.hpp"
#include "transport/crypto/sha256.hpp"

namespace plumvine::tls {

namespace {

/// A certificate names few members; more than this is read no further.
constexpr unsigned kNamesMax = 64;
constexpr std::size_t kChainMax = 8;

Names names_of(gnutls_x509_crt_t cert) {
  Names names;
  for (unsigned i = 0; i < kNamesMax; ++i) {
    std::array<char, 1024> text{};
    std::size_t size = text.size();
    const int type = gnutls_x509_crt_get_subject_alt_name(cert, i, text.data(), &size, nullptr);
    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) break;
    if (type < 0) continue;  // longer than any name of ours, or of a kind unknown here
    std::string name(text.data(), size);
    if (type == GNUTLS_SAN_DNSNAME) {
      names.hosts.push_back(std::move(name));
    } else if (type == GNUTLS_SAN_URI) {
      if (auto member = parse_member_uri(name)) names.members.push_back(std::move(*member));
    }
  }
  return names;
}

std::string der(gnutls_x509_crt_t cert) {
  gnutls_datum_t block{};
  if (gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_DER, &block) < 0) return {};
  return take_text(block);
}

/// Short name of a certificate's subject or issuer, for messages; ASCII by RFC 4514.
std::string issuer_of(gnutls_x509_crt_t cert) {
  gnutls_datum_t block{};
  if (gnutls_x509_crt_get_issuer_dn3(cert, &block, 0) < 0) return "an issuer without a name";
  std::string text = take_text(block);
  std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e; }, '?');
  constexpr std::size_t kShown = 120;
  return "'" + (text.size() > kShown ? text.substr(0, kShown) + "..." : text) + "'";
}

/// Days and hours are enough for people.
std::string date(std::int64_t unix_s) {
  std::int64_t days = unix_s / 86400;
  const std::int64_t rest = unix_s - days * 86400;
  // Civil date of a day number, by eras of 400 years that begin in March.
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const std::int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, month, day, rest / 3600, rest / 60 % 60, rest % 60);
}

Judgement refused(TlsReject why, std::string text) {
  Judgement judgement;
  judgement.why = why;
  judgement.text = std::move(text);
  return judgement;
}

/// What the library says of a chain, in our terms; good where it says nothing.
Judgement explain_status(unsigned status, gnutls_x509_crt_t cert) {
  if (status == 0) return {};
  if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) != 0)
    return refused(TlsReject::unknown_ca, "its certificate is signed by " + issuer_of(cert) + ", which is none of our CAs (tls_ca)");
  if ((status & GNUTLS_CERT_EXPIRED) != 0)
    return refused(TlsReject::expired, "its certificate or its CA expired (" + date(gnutls_x509_crt_get_expiration_time(cert)) +
                                           "): renew it there");
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0)
    return refused(TlsReject::expired, "its certificate is not valid before " + date(gnutls_x509_crt_get_activation_time(cert)) +
                                           ": compare the clocks");
  if ((status & GNUTLS_CERT_PURPOSE_MISMATCH) != 0)
    return refused(TlsReject::unusable, "its certificate is not for both clients and servers (extended key usage)");
  if ((status & GNUTLS_CERT_INSECURE_ALGORITHM) != 0)
    return refused(TlsReject::unusable, "its certificate or its CA uses a weak key or signature");
  return refused(TlsReject::unknown_ca, "its certificate is not what " + issuer_of(cert) + " signed");
}

}  // namespace

Result<std::vector<std::string>> der_of(std::string_view pem) {
  std::vector<CertHandle> certs;
  if (const int status = read_certificates(pem, certs); status < 0)
    return {Errc::invalid_argument, std::string("no certificate in PEM: ") + gnutls_strerror(status)};
  std::vector<std::string> out;
  for (const CertHandle& cert : certs) out.push_back(der(cert.get()));
  return out;
}

Credentials::Credentials() : handles_(std::make_unique<Handles>()) {}
Credentials::~Credentials() { gnutls_memset(key_secret_.data(), 0, key_secret_.size()); }

Status Credentials::trust(std::string_view ca_pem) {
  std::vector<CertHandle> cas;
  if (const int status = read_certificates(ca_pem, cas); status < 0)
    return {Errc::invalid_argument, std::string("tls_ca: it holds no certificate in PEM: ") + gnutls_strerror(status)};
  gnutls_x509_trust_list_t list = nullptr;
  if (gnutls_x509_trust_list_init(&list, 0) < 0) return {Errc::invalid_argument, "tls_ca: out of memory"};
  handles_->trust.reset(list);
  std::string all;
  for (CertHandle& ca : cas) {
    all += der(ca.get());
    const gnutls_x509_crt_t raw = ca.release();
    if (gnutls_x509_trust_list_add_cas(list, &raw, 1, 0) < 1) return {Errc::invalid_argument, "tls_ca: a certificate in it cannot be used"};
  }
  ca_fingerprint_ = sha256_hex(all).substr(0, 16);
  return {};
}

Result<std::shared_ptr<const Credentials>> Credentials::for_judging(std::string_view ca_pem, const Self& self) {
  std::shared_ptr<Credentials> made(new Credentials);
  made->self_ = self;
  if (auto trusted = made->trust(ca_pem); !trusted) return trusted.error();
  return std::shared_ptr<const Credentials>(std::move(made));
}

Result<std::shared_ptr<const Credentials>> Credentials::load(const PemTexts& pem, const Self& self) {
  const auto bad = [](std::string_view field, std::string text) { return Error{Errc::invalid_argument, std::move(text)}.with(field); };
  std::vector<CertHandle> chain;
  if (const int status = read_certificates(pem.cert, chain); status < 0)
    return bad("tls_cert", std::string("it holds no certificate in PEM: ") + gnutls_strerror(status));
  if (chain.size() > kChainMax) return bad("tls_cert", fmt::format("it holds {} certificates, at most {}: our own and those between it and the CA", chain.size(), kChainMax));
  gnutls_x509_privkey_t raw_key = nullptr;
  gnutls_x509_privkey_init(&raw_key);
  const KeyHandle key(raw_key);
  const gnutls_datum_t key_text = datum(pem.key);
  if (const int status = gnutls_x509_privkey_import2(raw_key, &key_text, GNUTLS_X509_FMT_PEM, nullptr, 0); status < 0)
    return bad("tls_key", std::string("it holds no private key in PEM without a password: ") + gnutls_strerror(status));

  std::shared_ptr<Credentials> made(new Credentials);
  made->self_ = self;
  gnutls_certificate_credentials_t raw = nullptr;
  if (gnutls_certificate_allocate_credentials(&raw) < 0) return bad("tls_cert", "out of memory");
  made->handles_->session.reset(raw);
  std::vector<gnutls_x509_crt_t> list;
  for (const CertHandle& cert : chain) list.push_back(cert.get());
  if (const int status = gnutls_certificate_set_x509_key(raw, list.data(), static_cast<int>(list.size()), raw_key); status < 0) {
    return status == GNUTLS_E_CERTIFICATE_KEY_MISMATCH ? bad("tls_key", "it is not the key of the certificate in tls_cert")
                                                       : bad("tls_cert", gnutls_strerror(status));
  }
  if (auto trusted = made->trust(pem.ca); !trusted) return trusted.error();
  for (const CertHandle& cert : chain) made->chain_.push_back(der(cert.get()));
  made->key_secret_ = sha256_hex("plumvine, derived from the key of a certificate:" + pem.key);
  made->fingerprint_ = sha256_hex(made->chain_.front()).substr(0, 16);
  made->valid_from_s_ = gnutls_x509_crt_get_activation_time(list.front());
  made->expires_s_ = gnutls_x509_crt_get_expiration_time(list.front());
  for (const gnutls_x509_crt_t cert : list) made->expires_s_ = std::min<std::int64_t>(made->expires_s_, gnutls_x509_crt_get_expiration_time(cert));

  for (const Role role : {Role::client, Role::server}) {
    Judgement own = made->judge(made->chain_, role);
    if (own.why == TlsReject::wrong_cluster || (own.good() && std::find(own.names.begin(), own.names.end(), self.name) == own.names.end())) {
      const std::string wanted = self.label.empty() ? "DNS:" + self.name : "URI:" + member_uri(self.label, self.name);
      return bad("tls_cert", "it names " + describe(names_of(list.front())) + ", not us: issue one with the subject alternative name " + wanted);
    }
    if (own.why == TlsReject::unknown_ca)
      return bad("tls_cert", "it is signed by " + issuer_of(list.back()) + ", which is none of the CAs in tls_ca: others would refuse it");
    if (!own.good()) return bad("tls_cert", own.text);
  }
  return std::shared_ptr<const Credentials>(std::move(made));
}

Judgement Credentials::judge(const std::vector<std::string>& chain_der, Role role) const {
  if (chain_der.empty()) return refused(TlsReject::no_certificate, "it shows no certificate");
  std::vector<CertHandle> certs;
  std::vector<gnutls_x509_crt_t> list;
  for (const std::string& one : chain_der) {
    gnutls_x509_crt_t raw = nullptr;
    if (certs.size() == kChainMax || gnutls_x509_crt_init(&raw) < 0) return refused(TlsReject::unusable, "its chain is too long");
    certs.emplace_back(raw);
    const gnutls_datum_t text = datum(one);
    if (gnutls_x509_crt_import(raw, &text, GNUTLS_X509_FMT_DER) < 0) return refused(TlsReject::unusable, "its certificate cannot be read");
    list.push_back(raw);
  }
  unsigned status = 0;
  gnutls_typed_vdata_st purpose{};
  const std::string_view oid = role == Role::client ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
  purpose.type = GNUTLS_DT_KEY_PURPOSE_OID;
  purpose.data = reinterpret_cast<unsigned char*>(const_cast<char*>(oid.data()));
  if (gnutls_x509_trust_list_verify_crt2(handles_->trust.get(), list.data(), static_cast<unsigned>(list.size()), &purpose, 1, 0, &status, nullptr) < 0)
    return refused(TlsReject::unusable, "its certificate cannot be verified");
  Judgement judgement = explain_status(status, list.front());
  if (!judgement.good()) return judgement;
  const Names names = names_of(list.front());
  judgement.names = names_in(names, self_.label);
  judgement.expires_s = gnutls_x509_crt_get_expiration_time(list.front());
  if (!judgement.names.empty()) return judgement;
  const std::string ours = self_.label.empty() ? "our cluster has no label, so it must name a host (DNS)" : "our cluster is " + self_.label;
  return refused(TlsReject::wrong_cluster, "its certificate names " + describe(names) + "; " + ours);
}

Judgement Credentials::judge(const std::vector<std::string>& chain_der, Role role, const Credentials* older) const {
  Judgement judgement = judge(chain_der, role);
  if (judgement.why != TlsReject::unknown_ca || older == nullptr) return judgement;
  Judgement second = older->judge(chain_der, role);
  if (second.why == TlsReject::unknown_ca) return judgement;
  second.by_older_ca = second.good();
  return second;
}

}  // namespace plumvine::tls
