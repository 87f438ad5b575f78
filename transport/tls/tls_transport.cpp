#include "tls_transport.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "alerts.hpp"
#include "protocols.hpp"

namespace plumvine::tls {
namespace {

constexpr std::byte kHandshakeRecord{22};
constexpr std::size_t kScratchSize = std::size_t{64} * 1024;
/// Ciphertext that one write below gets.
constexpr std::size_t kBurst = std::size_t{64} * 1024;
/// The rest of a closed connection goes out within this time, or not at all.
constexpr Duration kCloseTime = std::chrono::seconds{5};

}  // namespace

TlsTransport::TlsTransport(Transport& below, std::shared_ptr<const Credentials> credentials, TransportOptions options,
                           TransportHost host)
    : below_(below),
      trust_(std::move(credentials)),
      options_(std::move(options)),
      host_(std::move(host)),
      log_(host_.log, host_.log_level),
      scratch_(std::make_shared_for_overwrite<std::byte[]>(kScratchSize)) {}

TlsTransport::~TlsTransport() {
  *alive_ = false;
}

TlsTransport::ConnPtr TlsTransport::find(ConnId id) const {
  const auto it = conns_.find(id);
  return it == conns_.end() ? nullptr : it->second;
}

TlsTransport::Conn& TlsTransport::open(ConnId id, const Endpoint& remote, bool dialled) {
  auto conn = std::make_shared<Conn>();
  conn->id = id;
  conn->remote = remote;
  conn->dialled = dialled;
  return *(conns_[id] = std::move(conn));
}

void TlsTransport::drop(Conn& conn) {
  conn.gone = true;
  if (conn.lane) lane_lost(conn);
  timers_.cancel(conn.id);
  conns_.erase(conn.id);
}

std::size_t TlsTransport::half_open() const {
  return static_cast<std::size_t>(std::count_if(
      conns_.begin(), conns_.end(), [](const auto& entry) { return !entry.second->dialled && !entry.second->up; }));
}

void TlsTransport::complain(const Endpoint& who, bool dialled, TlsReject why, const std::string& text) {
  counts_.rejected.add(why);
  const std::string where = who.to_string();
  LogRecord line{LogLevel::warn,
                 "link",
                 code_of(why),
                 (dialled ? "No TLS with " : "Refusing a connection from ") + where + ": " + text,
                 {{"address", where}, {"reason", std::string(to_string(why))}}};
  log_.write(std::move(line), who.host(), host_.now());
}

// ---- from the driver ----

void TlsTransport::dial(ConnId id, const Endpoint& to) {
  open(id, to, true);
  below_.dial(id, to);
}

std::size_t TlsTransport::write(ConnId id, std::span<const Bytes> batch) {
  const ConnPtr conn = find(id);
  if (!conn || !conn->up || conn->closing || conn->session->state() != Session::State::up) return 0;
  std::array<std::byte, Session::kRecordMax> joined;
  std::size_t joined_size = 0, taken = 0, next = 0, offset = 0;
  bool good = flush_pending(*conn);
  while (good && next < batch.size()) {
    // Whole records of a large piece as they are; the rest is joined.
    const BytesView rest = batch[next].view().subspan(offset);
    if (joined_size == 0 && rest.size() >= Session::kRecordMax) {
      good = conn->session->write(rest.first(Session::kRecordMax));
      offset += Session::kRecordMax;
      taken += Session::kRecordMax;
    } else {
      const std::size_t n = std::min(rest.size(), Session::kRecordMax - joined_size);
      if (n > 0) std::memcpy(joined.data() + joined_size, rest.data(), n);
      joined_size += n;
      offset += n;
      taken += n;
    }
    if (offset == batch[next].size()) {
      ++next;
      offset = 0;
    }
    if (joined_size == Session::kRecordMax || (joined_size > 0 && next == batch.size()))
      good = conn->session->write({joined.data(), std::exchange(joined_size, 0)});
    if (good && sink_.size() >= kBurst) {
      flush_sink(*conn);
      good = conn->pending.empty();
    }
  }
  if (joined_size > 0) (void)conn->session->write({joined.data(), joined_size});
  flush_sink(*conn);
  if (conn->session->state() == Session::State::failed) {
    host_.soon([this, alive = alive_, id] {
      const ConnPtr still = *alive ? find(id) : nullptr;
      if (still && !still->closing) failed(*still);
    });
  }
  if (next < batch.size()) conn->wants_room = true;
  return taken;
}

void TlsTransport::close(ConnId id, CloseMode mode) {
  if (const ConnPtr conn = find(id); conn && !conn->closing) shut(*conn, mode);
}

/// Nobody is told of this connection any more. What was taken still goes out, if `mode` says so.
void TlsTransport::shut(Conn& conn, CloseMode mode) {
  if (mode == CloseMode::flush && conn.session) {
    conn.session->end();
    flush_sink(conn);
    if (!conn.pending.empty()) {
      conn.closing = true;
      if (conn.paused) below_.pause_reading(conn.id, false);
      timers_.set(conn.id, host_.now() + kCloseTime);
      arm();
      return;
    }
  }
  const ConnId id = conn.id;
  drop(conn);
  below_.close(id, mode);
}

void TlsTransport::pause_reading(ConnId id, bool paused) {
  const ConnPtr conn = find(id);
  if (!conn || conn->closing || conn->paused == paused) return;
  conn->paused = paused;
  below_.pause_reading(id, paused);
  if (paused) return;
  // What was read before the pause may wait in the session; nothing from below would bring it up.
  host_.soon([this, alive = alive_, id] {
    if (!*alive) return;
    if (const ConnPtr still = find(id); still && still->up) pump(still);
  });
}

const TransportStats& TlsTransport::stats() const {
  stats_ = below_.stats();
  stats_.tls = counts_;
  stats_.tls.on = true;
  stats_.tls.sessions = static_cast<std::uint64_t>(
      std::count_if(conns_.begin(), conns_.end(), [](const auto& entry) { return entry.second->up; }));
  stats_.tls.packet_streams = static_cast<std::uint64_t>(std::count_if(
      conns_.begin(), conns_.end(), [](const auto& entry) { return entry.second->up && entry.second->lane; }));
  stats_.tls.certificate_expires_s = trust_.current()->expires_s();
  stats_.tls.certificate_from_s = trust_.current()->valid_from_s();
  stats_.tls.certificate = trust_.current()->fingerprint();
  return stats_;
}

// ---- from below ----

/// Closes the accepted connection that has been silent for longest. False: all of them are new or have said something.
bool TlsTransport::drop_silent() {
  constexpr Duration kSilentMin = std::chrono::seconds{1};  // who dials speaks at once
  const Conn* silent = nullptr;
  for (const auto& [id, conn] : conns_) {
    if (conn->dialled || conn->session || conn->closing) continue;
    if (silent == nullptr || timers_.deadline(id) < timers_.deadline(silent->id)) silent = conn.get();
  }
  if (silent == nullptr || host_.now() + options_.handshake_timeout - timers_.deadline(silent->id) < kSilentMin)
    return false;
  const ConnPtr conn = find(silent->id);
  complain(conn->remote, false, TlsReject::timed_out, "it says nothing, and others wait (half_open_max)");
  shut(*conn, CloseMode::abort);
  return true;
}

void TlsTransport::on_accepted(ConnId id, const Endpoint& from) {
  if (half_open() >= options_.half_open_max && !drop_silent()) {
    complain(from, false, TlsReject::limit,
             std::to_string(options_.half_open_max) + " others have not finished their handshake (half_open_max)");
    below_.close(id, CloseMode::abort);
    return;
  }
  open(id, from, false);
  timers_.set(id, host_.now() + options_.handshake_timeout);
  arm();
}

void TlsTransport::on_connected(ConnId id) {
  const ConnPtr conn = find(id);
  if (!conn) return;
  begin_session(*conn, Role::client);
  pump(conn);
}

void TlsTransport::begin_session(Conn& conn, Role role) {
  SessionOptions wanted{.role = role, .judge = [this](const std::vector<std::string>& chain, Role peer) {
                          return trust_.judge(chain, peer);
                        }};
  if (role == Role::server) {
    wanted.protocols = {std::string(kStreams), std::string(kPackets)};
    wanted.tickets = &ticket_key_;
  } else {
    wanted.protocols = {std::string(conn.lane ? kPackets : kStreams)};
    if (const auto ticket = tickets_.find(conn.remote); ticket != tickets_.end()) {
      wanted.resume = std::move(ticket->second);
      tickets_.erase(ticket);  // used once, so that nobody can tell that two connections are of one member
    }
  }
  conn.session = std::make_unique<Session>(trust_.current(), std::move(wanted), sink_);
}

std::span<std::byte> TlsTransport::read_buffer(ConnId) {
  return {scratch_.get(), kScratchSize};
}

void TlsTransport::on_read(ConnId id, std::size_t bytes) {
  const ConnPtr conn = find(id);
  if (!conn || conn->closing || bytes == 0) return;
  if (!conn->session) {
    if (scratch_[0] != kHandshakeRecord)
      return refuse(*conn, TlsReject::plaintext,
                    "it speaks in clear, and TLS is on here: set tls_cert, tls_key and tls_ca there, too");
    begin_session(*conn, Role::server);
  }
  conn->session->feed({scratch_.get(), bytes});
  pump(conn);
  if (!conn->gone) conn->session->keep_rest();
}

/// Goes on with whatever the session was given.
void TlsTransport::pump(const ConnPtr& conn) {
  if (!conn->up) {
    const Session::State state = conn->session->advance();
    flush_sink(*conn);
    if (state == Session::State::failed) return failed(*conn);
    if (state != Session::State::up) return;
    settled(*conn);
    if (conn->gone) return;
  }
  if (conn->lane)
    lane_read(conn);
  else
    deliver(conn);
  if (conn->gone || conn->closing) return;
  flush_sink(*conn);
  if (conn->session->state() == Session::State::failed) return failed(*conn);
  if (conn->session->state() == Session::State::ended)
    finish(*conn, {Errc::system, "connection closed by the other side"});
}

/// The session has come up: whose it is becomes known.
void TlsTransport::settled(Conn& conn) {
  conn.up = true;
  timers_.cancel(conn.id);
  counts_.handshakes.add(conn.session->resumed() ? TlsHandshake::resumed : TlsHandshake::full);
  remember_ticket(conn);
  if (!conn.dialled && conn.session->protocol() == kPackets) conn.lane = std::make_unique<Lane>();
  if (conn.lane) return lane_up(conn);
  const ConnId id = conn.id;
  if (!conn.dialled) events_->on_accepted(id, conn.remote);
  const ConnPtr still = find(id);
  if (!still || still->closing) return;
  events_->on_identified(id, still->session->peer().names);
  if (still->dialled && !still->gone && !still->closing) events_->on_connected(id);
}

void TlsTransport::remember_ticket(Conn& conn) {
  if (!conn.dialled) return;
  Bytes ticket = conn.session->take_ticket();
  if (ticket.empty()) return;
  if (tickets_.size() >= kTicketsMax && !tickets_.contains(conn.remote)) tickets_.erase(tickets_.begin());
  tickets_[conn.remote] = std::move(ticket);
}

void TlsTransport::deliver(const ConnPtr& conn) {
  while (!conn->gone && !conn->closing && !conn->paused) {
    const std::span<std::byte> room = events_->read_buffer(conn->id);
    if (conn->gone || conn->closing) return;
    const std::size_t n = conn->session->read(room);
    if (n == 0) return;
    flush_sink(*conn);
    events_->on_read(conn->id, n);
  }
}

void TlsTransport::on_writable(ConnId id) {
  const ConnPtr conn = find(id);
  if (!conn || !flush_pending(*conn)) return;
  if (conn->closing) {
    drop(*conn);
    below_.close(id, CloseMode::flush);
  } else if (conn->lane) {
    flush_lane(*conn);
  } else if (std::exchange(conn->wants_room, false)) {
    events_->on_writable(id);
  }
}

void TlsTransport::on_closed(ConnId id, const Error& why) {
  const ConnPtr conn = find(id);
  if (!conn) return;
  const bool told = conn->lane == nullptr && !conn->closing && (conn->up || conn->dialled);
  Error error = why;
  if (!conn->up && !conn->closing && conn->session) {
    error.message = "the connection ended during the TLS handshake (" + why.message + ")";
    if (conn->dialled) error.message += "; perhaps TLS is off there";
    complain(conn->remote, conn->dialled, TlsReject::protocol, error.message);
  }
  drop(*conn);
  if (told) events_->on_closed(id, error);
}

// ---- ends ----

/// The stream is over, in order or not: who is concerned is told.
void TlsTransport::finish(Conn& conn, const Error& why) {
  const ConnId id = conn.id;
  const bool told = conn.lane == nullptr && !conn.closing && (conn.up || conn.dialled);
  conn.up = false;
  shut(conn, CloseMode::flush);
  if (told) events_->on_closed(id, why);
}

void TlsTransport::failed(Conn& conn) {
  refuse(conn, conn.session->failure(), conn.session->failure_text());
}

void TlsTransport::refuse(Conn& conn, TlsReject why, const std::string& text) {
  complain(conn.remote, conn.dialled, why, text);
  finish(conn, {Errc::system, "TLS: " + text});
}

/// Passes on what the session wrote; what below has no room for waits.
void TlsTransport::flush_sink(Conn& conn) {
  if (sink_.size() == 0) return;
  if (!conn.pending.empty()) {
    std::string both(conn.pending.text());
    both.append(sink_.content().text());
    conn.pending = Bytes::copy_of(both);
    sink_.clear();
    return;
  }
  const Bytes content = sink_.content();
  const std::size_t n = conn.gone ? content.size() : below_.write(conn.id, {&content, 1});
  if (n < content.size()) conn.pending = Bytes::copy_of(content.slice(n).view());
  sink_.clear();
}

/// True when nothing waits any more.
bool TlsTransport::flush_pending(Conn& conn) {
  if (conn.pending.empty()) return true;
  conn.pending = conn.pending.slice(below_.write(conn.id, {&conn.pending, 1}));
  if (conn.pending.empty()) conn.pending = {};
  return conn.pending.empty();
}

// ---- time and change ----

void TlsTransport::replace(std::shared_ptr<const Credentials> credentials, Duration overlap) {
  trust_.replace(std::move(credentials), host_.now(), host_.now() + overlap);
  tickets_.clear();
  judge_all();
  arm();
}

/// Who is connected must be trusted still.
void TlsTransport::judge_all() {
  std::vector<ConnPtr> open;
  for (const auto& [id, conn] : conns_)
    if (conn->up && !conn->closing) open.push_back(conn);
  for (const ConnPtr& conn : open) {
    if (conn->gone || conn->session->state() != Session::State::up) continue;
    const Judgement judgement =
        trust_.judge(conn->session->peer_chain(), conn->session->role() == Role::server ? Role::client : Role::server);
    // An end that let its certificate run out is not cut off: it will find nobody else to talk to.
    if (judgement.good() || judgement.why == TlsReject::expired) continue;
    conn->session->revoke(judgement);
    flush_sink(*conn);
    failed(*conn);
  }
  if (host_.trust_changed) host_.trust_changed();
}

void TlsTransport::arm() {
  host_.wake_at(std::min(timers_.next(), trust_.next_expiry()));
}

void TlsTransport::due() {
  const Timestamp now = host_.now();
  while (const auto id = timers_.pop_due(now)) {
    const ConnPtr conn = find(*id);
    if (!conn) continue;
    if (conn->up && conn->lane) {
      lane_due(*conn, now);
    } else if (conn->closing) {
      drop(*conn);
      below_.close(*id, CloseMode::abort);
    } else {
      complain(conn->remote, conn->dialled, TlsReject::timed_out, "no TLS handshake within handshake_timeout");
      drop(*conn);
      below_.close(*id, CloseMode::abort);
    }
  }
  if (trust_.expire(now)) judge_all();
  arm();
}

}  // namespace plumvine::tls
