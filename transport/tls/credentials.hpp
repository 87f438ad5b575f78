#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>

#include "identity.hpp"

namespace plumvine::tls {

/// What `tls_cert`, `tls_key` and `tls_ca` hold: PEM. The certificate's own chain may follow it.
struct PemTexts {
  std::string cert;
  std::string key;
  std::string ca;
};

/// Who we are: what our certificate must say.
struct Self {
  std::string name;
  std::string label;
};

/// What was found out of another's certificate.
struct Judgement {
  /// `TlsReject::count_`: it is good.
  TlsReject why = TlsReject::count_;
  std::string text;                 ///< for a log line; empty if good
  std::vector<std::string> names;   ///< of members that the holder may be, if good
  std::int64_t expires_s = 0;       ///< Unix time
  bool by_older_ca = false;         ///< only a CA that is on its way out vouches for it
  [[nodiscard]] bool good() const noexcept { return why == TlsReject::count_; }
};

/// What an end of a connection is: the `server` accepted it.
enum class Role : std::uint8_t { client, server };

/// A member's certificate, its key and the CAs that it trusts. Immutable; sessions share it, and new ones take the newest.
/// May be made, used and destroyed on any thread.
class Credentials {
 public:
  /// Everything that others would refuse is refused here, in words that name the file's key and the remedy: texts that are no
  /// PEM, a key of another certificate, no name of ours in it, dates that do not include now, an issuer that the CAs do not
  /// include, no right to be client and server. Errc::invalid_argument.
  static Result<std::shared_ptr<const Credentials>> load(const PemTexts& pem, const Self& self);
  /// CAs alone, for `judge` by the label of `self`; no session can use it. Errc::invalid_argument.
  static Result<std::shared_ptr<const Credentials>> for_judging(std::string_view ca_pem, const Self& self);
  ~Credentials();
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  /// Judges a chain (DER, the holder's own first) by these CAs, the clock, and the label of our cluster.
  [[nodiscard]] Judgement judge(const std::vector<std::string>& chain_der, Role role) const;
  /// The same with a second opinion: where only the CA is unknown, `older` is asked, too.
  [[nodiscard]] Judgement judge(const std::vector<std::string>& chain_der, Role role, const Credentials* older) const;

  [[nodiscard]] const Self& self() const noexcept { return self_; }
  /// The chain as it is sent, DER, our own certificate first.
  [[nodiscard]] const std::vector<std::string>& chain() const noexcept { return chain_; }
  /// Unix time from and until which our chain is good.
  [[nodiscard]] std::int64_t valid_from_s() const noexcept { return valid_from_s_; }
  [[nodiscard]] std::int64_t expires_s() const noexcept { return expires_s_; }
  /// Known to whoever has the private key only, and the same after a restart with it.
  [[nodiscard]] const std::string& key_secret() const noexcept { return key_secret_; }
  /// The first eight bytes of the certificate's SHA-256, in hex; of the CAs' as well.
  [[nodiscard]] const std::string& fingerprint() const noexcept { return fingerprint_; }
  [[nodiscard]] const std::string& ca_fingerprint() const noexcept { return ca_fingerprint_; }

 private:
  friend class Session;
  friend struct CredentialsAccess;
  struct Handles;
  Credentials();
  Status trust(std::string_view ca_pem);

  Self self_;
  std::unique_ptr<Handles> handles_;
  std::vector<std::string> chain_;
  std::int64_t valid_from_s_ = 0;
  std::int64_t expires_s_ = 0;
  std::string fingerprint_;
  std::string ca_fingerprint_;
  std::string key_secret_;
};

/// Certificates of a PEM text as DER, in order. Errc::invalid_argument where there is none.
Result<std::vector<std::string>> der_of(std::string_view pem);

}  // namespace plumvine::tls
