#include "session.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <plumvine/detail/check.hpp>

#include "alerts.hpp"
#include "credentials_handles.hpp"
#include "handles.hpp"

namespace plumvine::tls {

struct Session::Library {
  SessionHandle session;

  static Session& owner(gnutls_session_t session) { return *static_cast<Session*>(gnutls_session_get_ptr(session)); }
  static ssize_t push(gnutls_transport_ptr_t self, const giovec_t* parts, int count) {
    ssize_t size = 0;
    for (int i = 0; i < count; ++i) {
      static_cast<Session*>(self)->sink_.append({static_cast<const std::byte*>(parts[i].iov_base), parts[i].iov_len});
      size += static_cast<ssize_t>(parts[i].iov_len);
    }
    return size;
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* data, std::size_t size) {
    auto& session = *static_cast<Session*>(self);
    const std::size_t n = session.pull({static_cast<std::byte*>(data), size});
    if (n > 0) return static_cast<ssize_t>(n);
    gnutls_transport_set_errno(session.library_->session.get(), EAGAIN);
    return -1;
  }
  static int pull_timeout(gnutls_transport_ptr_t self, unsigned) {
    const auto& session = *static_cast<Session*>(self);
    return session.kept_at_ < session.kept_.size() || !session.fresh_.empty() ? 1 : 0;
  }
  static int verify(gnutls_session_t session) { return owner(session).judge_peer() ? 0 : -1; }
  static int ticket(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
    owner(session).ticket_came_ = true;
    return 0;
  }
};

namespace {

constexpr const char* kPriorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-FFDHE2048:-GROUP-FFDHE3072:-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192";

/// Parsed once; the library's object is for reading only.
gnutls_priority_t priorities() {
  static const gnutls_priority_t parsed = [] {
    gnutls_priority_t made = nullptr;
    PLUMVINE_CHECK(gnutls_priority_init(&made, kPriorities, nullptr) == 0, "GnuTLS has no TLS 1.3");
    return made;
  }();
  return parsed;
}

}  // namespace

void Sink::append(BytesView bytes) {
  if (capacity_ - size_ < bytes.size()) {
    const std::size_t wanted = std::max(2 * capacity_, std::max<std::size_t>(size_ + bytes.size(), std::size_t{96} * 1024));
    std::shared_ptr<std::byte[]> larger = std::make_shared_for_overwrite<std::byte[]>(wanted);
    if (size_ > 0) std::memcpy(larger.get(), block_.get(), size_);
    block_ = std::move(larger);
    capacity_ = wanted;
  }
  std::memcpy(block_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

TicketKey::TicketKey() {
  gnutls_datum_t key{};
  PLUMVINE_CHECK(gnutls_session_ticket_key_generate(&key) == 0, "no random numbers for a ticket key");
  key_ = take_text(key);
}
TicketKey::~TicketKey() { gnutls_memset(key_.data(), 0, key_.size()); }

Session::Session(std::shared_ptr<const Credentials> credentials, SessionOptions options, Sink& sink)
    : credentials_(std::move(credentials)), options_(std::move(options)), sink_(sink), library_(std::make_unique<Library>()) {
  const bool server = options_.role == Role::server;
  const unsigned flags = (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_AUTO_SEND_TICKET;
  gnutls_session_t raw = nullptr;
  PLUMVINE_CHECK(gnutls_init(&raw, flags) == 0, "out of memory");
  library_->session.reset(raw);
  gnutls_session_set_ptr(raw, this);
  gnutls_transport_set_ptr(raw, this);
  gnutls_transport_set_vec_push_function(raw, Library::push);
  gnutls_transport_set_pull_function(raw, Library::pull);
  gnutls_transport_set_pull_timeout_function(raw, Library::pull_timeout);
  gnutls_handshake_set_timeout(raw, 0);
  PLUMVINE_CHECK(gnutls_priority_set(raw, priorities()) == 0, "priorities");
  PLUMVINE_CHECK(gnutls_credentials_set(raw, GNUTLS_CRD_CERTIFICATE, credentials_->handles_->session.get()) == 0, "credentials");
  gnutls_session_set_verify_function(raw, Library::verify);
  if (server) {
    gnutls_certificate_server_set_request(raw, GNUTLS_CERT_REQUIRE);
    if (options_.tickets != nullptr) {
      const gnutls_datum_t key = datum(options_.tickets->bytes());
      gnutls_session_ticket_enable_server(raw, &key);
    }
  } else {
    gnutls_handshake_set_hook_function(raw, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST, Library::ticket);
    if (!options_.resume.empty()) (void)gnutls_session_set_data(raw, options_.resume.data(), options_.resume.size());
  }
  std::vector<gnutls_datum_t> known;
  for (const std::string& protocol : options_.protocols) {
    known.push_back(datum(protocol));
    if (!server) break;
  }
  if (!known.empty()) gnutls_alpn_set_protocols(raw, known.data(), static_cast<unsigned>(known.size()), 0);
}

Session::~Session() = default;

void Session::feed(BytesView ciphertext) {
  keep_rest();
  fresh_ = ciphertext;
}

void Session::keep_rest() {
  if (kept_at_ == kept_.size()) {
    kept_.clear();
    kept_at_ = 0;
  }
  kept_.insert(kept_.end(), fresh_.begin(), fresh_.end());
  fresh_ = {};
  if (kept_.empty() && kept_.capacity() > kRecordMax) kept_.shrink_to_fit();
}

std::size_t Session::pull(std::span<std::byte> room) {
  const BytesView old{kept_.data() + kept_at_, kept_.size() - kept_at_};
  const BytesView from = old.empty() ? fresh_ : old;
  const std::size_t n = std::min(room.size(), from.size());
  if (n == 0) return 0;
  std::memcpy(room.data(), from.data(), n);
  if (old.empty()) fresh_ = fresh_.subspan(n);
  else kept_at_ += n;
  return n;
}

Session::State Session::advance() {
  const gnutls_session_t raw = library_->session.get();
  while (state_ == State::handshaking && !shaken_) {
    const int status = gnutls_handshake(raw);
    if (status == GNUTLS_E_SUCCESS) shaken();
    else if (status == GNUTLS_E_AGAIN || status == GNUTLS_E_INTERRUPTED) break;
    else if (gnutls_error_is_fatal(status) != 0) fail_with(status);
  }
  // A ticket comes with nothing that could be read, so somebody has to look for it.
  if (state_ == State::handshaking && shaken_ && !ticket_came_) {
    std::byte nothing{};
    for (std::size_t before = SIZE_MAX; state_ == State::handshaking && !ticket_came_;) {
      const std::size_t left = kept_.size() - kept_at_ + fresh_.size();
      if (left == 0 || left == before) break;
      before = left;
      const ssize_t n = gnutls_record_recv(raw, &nothing, 1);
      if (n > 0) fail(TlsReject::protocol, "it sends data before it says that it takes our certificate");
      else if (n < 0 && n != GNUTLS_E_AGAIN && n != GNUTLS_E_INTERRUPTED && gnutls_error_is_fatal(static_cast<int>(n)) != 0)
        fail_with(static_cast<int>(n));
      else if (n == 0 && !ticket_came_) fail(TlsReject::protocol, "it closed the connection before it had judged our certificate");
    }
  }
  if (state_ == State::handshaking && shaken_ && ticket_came_) state_ = State::up;
  return state_;
}

/// Our part is done: a server has judged the client and says so by a ticket.
void Session::shaken() {
  const gnutls_session_t raw = library_->session.get();
  shaken_ = true;
  resumed_ = gnutls_session_is_resumed(raw) != 0;
  // No certificates are sent where a ticket is used: what it remembers is judged as if they were.
  if (!judged_ && !judge_peer()) return fail(peer_.why, peer_.text);
  gnutls_datum_t chosen{};
  if (gnutls_alpn_get_selected_protocol(raw, &chosen) == 0)
    protocol_.assign(reinterpret_cast<const char*>(chosen.data), chosen.size);
  if (options_.role != Role::server) return;
  if (const int status = gnutls_session_ticket_send(raw, 1, 0); status < 0) return fail_with(status);
  ticket_came_ = true;
}

bool Session::judge_peer() {
  unsigned count = 0;
  const gnutls_datum_t* const chain = gnutls_certificate_get_peers(library_->session.get(), &count);
  peer_chain_.clear();
  for (unsigned i = 0; chain != nullptr && i < count; ++i)
    peer_chain_.emplace_back(reinterpret_cast<const char*>(chain[i].data), chain[i].size);
  peer_ = options_.judge(peer_chain_, options_.role == Role::server ? Role::client : Role::server);
  judged_ = true;
  return peer_.good();
}

void Session::fail(TlsReject why, std::string text) {
  if (state_ == State::failed) return;
  gnutls_alert_send(library_->session.get(), GNUTLS_AL_FATAL, static_cast<gnutls_alert_description_t>(alert_for(why)));
  state_ = State::failed;
  failure_ = why;
  failure_text_ = std::move(text);
}

void Session::fail_with(int status) {
  const gnutls_session_t raw = library_->session.get();
  if (judged_ && !peer_.good()) return fail(peer_.why, peer_.text);
  state_ = State::failed;
  failure_ = TlsReject::protocol;
  if (status == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    const auto alert = gnutls_alert_get(raw);
    failure_text_ = explain_alert(alert);
    if (!failure_text_.empty()) {
      failure_ = TlsReject::refused_by_peer;
      return;
    }
    failure_text_ = "it ended TLS: " + name_of_alert(alert);
    return;
  }
  (void)gnutls_alert_send_appropriate(raw, status);
  switch (status) {
    case GNUTLS_E_CERTIFICATE_REQUIRED:
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
      failure_ = TlsReject::no_certificate;
      failure_text_ = "it shows no certificate";
      return;
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET: failure_text_ = "it does not speak TLS 1.3"; return;
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_NO_COMMON_KEY_SHARE:
    case GNUTLS_E_NO_PRIORITIES_WERE_SET: failure_text_ = "it has no cipher or group in common with us"; return;
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_UNEXPECTED_PACKET: failure_text_ = "it sends what is no TLS"; return;
    case GNUTLS_E_PREMATURE_TERMINATION: failure_text_ = "the connection broke off"; return;
    default: failure_text_ = std::string("TLS failed: ") + gnutls_strerror(status);
  }
}

std::size_t Session::read(std::span<std::byte> room) {
  if (state_ != State::up) return 0;
  const gnutls_session_t raw = library_->session.get();
  // After a ticket the library says "again" although there is more: it goes on as long as it takes something.
  for (std::size_t before = SIZE_MAX;;) {
    const ssize_t n = gnutls_record_recv(raw, room.data(), room.size());
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) {
      state_ = State::ended;
      return 0;
    }
    if (n != GNUTLS_E_AGAIN && n != GNUTLS_E_INTERRUPTED) {
      const int status = static_cast<int>(n);
      if (gnutls_error_is_fatal(status) != 0) {
        fail_with(status);
        return 0;
      }
      if (status == GNUTLS_E_REHANDSHAKE) {
        fail(TlsReject::protocol, "it asks for another handshake");
        return 0;
      }
    }
    const std::size_t left = kept_.size() - kept_at_ + fresh_.size();
    if (left == 0 || left == before) return 0;
    before = left;
  }
}

bool Session::write(BytesView plaintext) {
  while (!plaintext.empty() && state_ == State::up) {
    const std::size_t size = std::min(plaintext.size(), kRecordMax);
    const ssize_t n = gnutls_record_send(library_->session.get(), plaintext.data(), size);
    if (n < 0) {
      if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) continue;  // the sink takes everything
      fail_with(static_cast<int>(n));
      return false;
    }
    plaintext = plaintext.subspan(static_cast<std::size_t>(n));
  }
  return state_ == State::up;
}

void Session::end() {
  if (state_ == State::up || state_ == State::ended) (void)gnutls_bye(library_->session.get(), GNUTLS_SHUT_WR);
  else if (state_ == State::handshaking) (void)gnutls_alert_send(library_->session.get(), GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED);
}

void Session::revoke(const Judgement& judgement) { fail(judgement.why, judgement.text); }

Bytes Session::take_ticket() {
  if (!std::exchange(ticket_came_, false) || options_.role != Role::client) {
    return {};
  }
  gnutls_datum_t data{};
  if (gnutls_session_get_data2(library_->session.get(), &data) < 0) return {};
  const std::string text = take_text(data);
  return Bytes::copy_of(text);
}

}  // namespace plumvine::tls
