#pragma once

#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>
#include <string>
#include <vector>

#include "anti_replay.hpp"
#include "transport/tls/handles.hpp"
#include "transport/tls/session.hpp"

namespace plumvine::quic {

struct AntiReplay::Library {
  gnutls_anti_replay_t handle = nullptr;
};

struct HandshakeOptions {
  tls::Role role = tls::Role::client;
  tls::Judge judge;
  const tls::TicketKey* tickets = nullptr;  ///< server; outlives the handshake
  AntiReplay* replays = nullptr;            ///< server; null: no early data. Outlives the handshake
  Bytes resume = {};  ///< client: what `Handshake::ticket` gave for an earlier connection with the same end
};

/// The TLS 1.3 side of one QUIC connection: who we are, whom we trust, tickets. Both ends show certificates, or a
/// ticket remembers them; either way the other end is judged, as on TCP. For the sources of this folder.
class Handshake {
 public:
  Handshake(std::shared_ptr<const tls::Credentials> credentials, HandshakeOptions options);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  [[nodiscard]] gnutls_session_t session() const noexcept { return session_.get(); }
  /// Whose packets it is about; set before the first of them.
  void attach(ngtcp2_conn* connection) noexcept { connection_ = connection; }
  /// Judges whoever showed its certificates, or whom the ticket remembers; false: it is refused. Once; further calls
  /// repeat the result.
  bool judge();
  /// Our part of it is done. A server gives the client a ticket.
  bool finish();

  [[nodiscard]] const tls::Judgement& peer() const noexcept { return peer_; }
  [[nodiscard]] bool judged() const noexcept { return judged_; }
  [[nodiscard]] const std::vector<std::string>& chain() const noexcept { return chain_; }
  [[nodiscard]] bool resumed() const;
  /// Both ends have agreed that the early data count.
  [[nodiscard]] bool early_accepted() const;
  /// A client begins by an earlier connection's ticket.
  [[nodiscard]] bool resuming() const noexcept { return resuming_; }
  /// A ticket has come that was not asked for yet.
  [[nodiscard]] bool has_ticket() const noexcept { return ticket_came_; }
  Bytes take_ticket();

 private:
  static int verify(gnutls_session_t session);
  static int on_hello(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                      const gnutls_datum_t* message);
  static int on_ticket(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t* message);

  std::shared_ptr<const tls::Credentials> credentials_;
  HandshakeOptions options_;
  ngtcp2_conn* connection_ = nullptr;
  ngtcp2_crypto_conn_ref reference_{};
  tls::SessionHandle session_;
  bool resuming_ = false;
  bool judged_ = false;
  bool ticket_came_ = false;
  tls::Judgement peer_;
  std::vector<std::string> chain_;
};

}  // namespace plumvine::quic
