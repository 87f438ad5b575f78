#include "handshake.hpp"

#include <plumvine/detail/check.hpp>

#include "ngtcp2.hpp"
#include "transport/tls/credentials_handles.hpp"
#include "transport/tls/protocols.hpp"

namespace plumvine::quic {
namespace {

constexpr std::string_view kPriorities =
    "%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"
    "-GROUP-FFDHE2048:-GROUP-FFDHE3072:-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192";

/// Parsed once; the library's object is for reading only.
gnutls_priority_t priorities() {
  static const gnutls_priority_t parsed = [] {
    gnutls_priority_t made = nullptr;
    PLUMVINE_CHECK(gnutls_priority_init(&made, kPriorities.data(), nullptr) == 0, "GnuTLS has no TLS 1.3");
    return made;
  }();
  return parsed;
}

int note_flight(void* self, std::time_t expires, const gnutls_datum_t* key, const gnutls_datum_t*) {
  const std::string_view flight(reinterpret_cast<const char*>(key->data), key->size);
  return static_cast<AntiReplay*>(self)->note(flight, expires) ? 0 : GNUTLS_E_DB_ENTRY_EXISTS;
}

}  // namespace

AntiReplay::AntiReplay() : library_(std::make_unique<Library>()) {
  PLUMVINE_CHECK(gnutls_anti_replay_init(&library_->handle) == 0, "out of memory");
  gnutls_anti_replay_set_window(library_->handle, kWindowMs);
  gnutls_anti_replay_set_ptr(library_->handle, this);
  gnutls_anti_replay_set_add_function(library_->handle, note_flight);
}

AntiReplay::~AntiReplay() {
  gnutls_anti_replay_deinit(library_->handle);
}

bool AntiReplay::note(std::string_view flight, std::int64_t expires_s) {
  // All stay for the same time, so what expired is known by what comes.
  constexpr std::int64_t kKeptS = 2 * kWindowMs / 1000 + 1;
  while (!by_expiry_.empty() && by_expiry_.begin()->first < expires_s - kKeptS) {
    seen_.erase(by_expiry_.begin()->second);
    by_expiry_.erase(by_expiry_.begin());
  }
  if (seen_.contains(flight)) {
    ++replays_;
    return false;
  }
  if (seen_.size() >= kSeenMax) {
    ++overflows_;
    return false;
  }
  seen_.emplace(flight);
  by_expiry_.emplace(expires_s, flight);
  return true;
}

Handshake::Handshake(std::shared_ptr<const tls::Credentials> credentials, HandshakeOptions options)
    : credentials_(std::move(credentials)), options_(std::move(options)) {
  const bool server = options_.role == tls::Role::server;
  unsigned flags = (server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT) | GNUTLS_NO_END_OF_EARLY_DATA;
  if (!server || options_.replays != nullptr) flags |= GNUTLS_ENABLE_EARLY_DATA;
  gnutls_session_t raw_session = nullptr;
  PLUMVINE_CHECK(gnutls_init(&raw_session, flags) == 0, "out of memory");
  session_.reset(raw_session);
  PLUMVINE_CHECK(gnutls_priority_set(raw_session, priorities()) == 0, "priorities");
  const int configured = server ? ngtcp2_crypto_gnutls_configure_server_session(raw_session)
                                : ngtcp2_crypto_gnutls_configure_client_session(raw_session);
  PLUMVINE_CHECK(configured == 0, "TLS cannot be used for QUIC");
  reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
    return static_cast<Handshake*>(reference->user_data)->connection_;
  };
  reference_.user_data = this;
  gnutls_session_set_ptr(raw_session, &reference_);
  PLUMVINE_CHECK(gnutls_credentials_set(raw_session, GNUTLS_CRD_CERTIFICATE, tls::presented(*credentials_)) == 0,
                 "credentials");
  gnutls_session_set_verify_function(raw_session, verify);
  if (server) {
    gnutls_handshake_set_hook_function(raw_session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_POST, on_hello);
    gnutls_certificate_server_set_request(raw_session, GNUTLS_CERT_REQUIRE);
    if (options_.tickets != nullptr) {
      const gnutls_datum_t key = tls::datum(options_.tickets->bytes());
      gnutls_session_ticket_enable_server(raw_session, &key);
    }
    if (options_.replays != nullptr) {
      gnutls_anti_replay_enable(raw_session, options_.replays->library().handle);
      gnutls_record_set_max_early_data_size(raw_session,
                                            0xffffffffU);  // QUIC has limits of its own, RFC 9001, section 4.6.1
    }
  } else {
    gnutls_handshake_set_hook_function(raw_session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST, on_ticket);
    resuming_ = !options_.resume.empty() &&
                gnutls_session_set_data(raw_session, options_.resume.data(), options_.resume.size()) == 0;
  }
  const gnutls_datum_t protocol = tls::datum(tls::kStreams);
  gnutls_alpn_set_protocols(raw_session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
}

Handshake::~Handshake() = default;

int Handshake::verify(gnutls_session_t session) {
  auto* const reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  return static_cast<Handshake*>(reference->user_data)->judge() ? 0 : -1;
}

/// A client says what it allows in its first message (RFC 9001, section 8.2). The library looks for that at the end
/// only, and takes it for a mistake of ours when it has to send something before.
int Handshake::on_hello(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  auto* const reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  ngtcp2_conn* const connection = static_cast<Handshake*>(reference->user_data)->connection_;
  const bool said = ngtcp2_conn_get_remote_transport_params(connection) != nullptr;
  return said ? 0 : GNUTLS_E_MISSING_EXTENSION;
}

int Handshake::on_ticket(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  auto* const reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  static_cast<Handshake*>(reference->user_data)->ticket_came_ = true;
  return 0;
}

bool Handshake::judge() {
  if (std::exchange(judged_, true)) return peer_.good();
  unsigned count = 0;
  const gnutls_datum_t* const chain = gnutls_certificate_get_peers(session_.get(), &count);
  for (unsigned i = 0; chain != nullptr && i < count; ++i)
    chain_.emplace_back(reinterpret_cast<const char*>(chain[i].data), chain[i].size);
  peer_ = options_.judge(chain_, options_.role == tls::Role::server ? tls::Role::client : tls::Role::server);
  return peer_.good();
}

bool Handshake::finish() {
  // No certificates are sent where a ticket is used: what it remembers is judged as if they were.
  if (!judge()) return false;
  if (options_.role == tls::Role::server && options_.tickets != nullptr)
    (void)gnutls_session_ticket_send(session_.get(), 1, 0);
  return true;
}

bool Handshake::resumed() const {
  return gnutls_session_is_resumed(session_.get()) != 0;
}
bool Handshake::early_accepted() const {
  return (gnutls_session_get_flags(session_.get()) & GNUTLS_SFLAGS_EARLY_DATA) != 0;
}

Bytes Handshake::take_ticket() {
  if (!std::exchange(ticket_came_, false)) return {};
  gnutls_datum_t data{};
  if (gnutls_session_get_data2(session_.get(), &data) < 0) return {};
  return Bytes::copy_of(tls::take_text(data));
}

}  // namespace plumvine::quic
