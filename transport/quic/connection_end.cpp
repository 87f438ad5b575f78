// How a connection ends: by us, by the other end, by time.
#include <utility>

#include "connection_impl.hpp"
#include "transport/tls/alerts.hpp"

namespace plumvine::quic {

void Connection::Library::stop(State next, End why, Timestamp now) {
  if (!alive()) return;
  state = next;
  end = std::move(why);
  end.answered = ngtcp2_conn_get_handshake_completed(conn) != 0;
  out = {};
  batches_out = {};
  if (!end.graceful && !fin_came) {
    in.clear();
    batches_in = {};
  }
  datagrams_out.clear();
  gone_at = now + Duration{static_cast<std::int64_t>(3 * ngtcp2_conn_get_pto(conn))};
}

void Connection::Library::say_end(const ngtcp2_connection_close_error& error, End why, Timestamp now) {
  if (!alive()) return;
  last_words.resize(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage storage;
  ngtcp2_path_storage_zero(&storage);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize n = ngtcp2_conn_write_connection_close(conn, &storage.path, &info, last_words.data(),
                                                            last_words.size(), &error, stamp(now));
  last_words.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  say_last = n > 0;
  if (n > 0) last_path = outward(storage.path);
  stop(n > 0 ? State::closing : State::draining, std::move(why), now);
}

/// A call of the library went wrong: the other end broke the protocol, or is refused.
void Connection::Library::fail(int status, Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  End why{.text = std::string("QUIC: ") + ngtcp2_strerror(status), .refused = TlsReject::protocol};
  if (handshake.judged() && !handshake.peer().good()) {
    why.text = handshake.peer().text;
    why.refused = handshake.peer().why;
    ngtcp2_connection_close_error_set_transport_error_tls_alert(
        &error, static_cast<std::uint8_t>(tls::alert_for(why.refused)), nullptr, 0);
  } else if (status == NGTCP2_ERR_CRYPTO) {
    const int alert = ngtcp2_conn_get_tls_alert(conn);
    if (alert == GNUTLS_A_CERTIFICATE_REQUIRED) {
      why.refused = TlsReject::no_certificate;
      why.text = "it shows no certificate";
    } else {
      why.text = "TLS failed: " + tls::name_of_alert(alert);
    }
    ngtcp2_connection_close_error_set_transport_error_tls_alert(&error, static_cast<std::uint8_t>(alert), nullptr, 0);
  } else if (status == NGTCP2_ERR_RECV_VERSION_NEGOTIATION) {
    why.text = "it speaks no version of QUIC that we do";
  } else {
    ngtcp2_connection_close_error_set_transport_error_liberr(&error, status, nullptr, 0);
  }
  if (ngtcp2_err_is_fatal(status) != 0 && status != NGTCP2_ERR_CALLBACK_FAILURE)
    return stop(State::draining, std::move(why), now);
  say_end(error, std::move(why), now);
}

void Connection::Library::ended_by_peer(Timestamp now) {
  End why{.text = "connection closed by the other side", .graceful = true};
  if (forgotten) {
    why = {.text = "connection reset by the other side, which does not know it any more"};
  } else {
    ngtcp2_connection_close_error error;
    ngtcp2_conn_get_connection_close_error(conn, &error);
    const bool application = error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
    const std::uint64_t code = error.error_code;
    if (application ? code != kDone : code == kApplicationError) {
      why = {.text = "connection reset by the other side"};
    } else if (!application && code >= kCryptoError && code < kCryptoError + 256) {
      const int alert = static_cast<int>(code - kCryptoError);
      const std::string about_us = tls::explain_alert(alert);
      why = {.text = about_us.empty() ? "it ended TLS: " + tls::name_of_alert(alert) : about_us,
             .refused = about_us.empty() ? TlsReject::protocol : TlsReject::refused_by_peer};
    } else if (!application && code == kConnectionRefused) {
      why = {.text = "connection refused: it has no room for more, or keeps this address out"};
    } else if (!application && code != 0) {
      why = {.text = "the other side ended the connection by QUIC error " + std::to_string(code),
             .refused = TlsReject::protocol};
    }
  }
  stop(State::draining, std::move(why), now);
}

void Connection::Library::finish_if_done(Timestamp now) {
  if (!fin_sent || out.held() > 0 || !alive()) return;
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_application_error(&error, kDone, nullptr, 0);
  say_end(error, {.text = "closed", .graceful = true}, now);
}

void Connection::finish() {
  library_->fin_wanted = true;
}

void Connection::close(bool reset, Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_application_error(&error, reset ? kReset : kDone, nullptr, 0);
  library_->clock = now;
  library_->say_end(error, {.text = "closed"}, now);
}

void Connection::refuse(Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_transport_error(&error, kConnectionRefused, nullptr, 0);
  library_->clock = now;
  library_->say_end(error, {.text = "not admitted here"}, now);
}

void Connection::give_up(const char* why, Timestamp now) {
  library_->stop(State::gone, {.code = Errc::timed_out, .text = why, .refused = TlsReject::timed_out}, now);
}

void Connection::revoke(const tls::Judgement& judgement, Timestamp now) {
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_transport_error_tls_alert(
      &error, static_cast<std::uint8_t>(tls::alert_for(judgement.why)), nullptr, 0);
  library_->clock = now;
  library_->say_end(error, {.text = judgement.text, .refused = judgement.why}, now);
}

}  // namespace plumvine::quic
