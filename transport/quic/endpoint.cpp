#include "endpoint.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "stateless.hpp"

namespace plumvine::quic {

QuicEndpoint::QuicEndpoint(Common common, EndpointOptions options,
                           std::function<std::shared_ptr<const tls::Credentials>()> credentials, PacketSink& sink,
                           EndpointEvents& events)
    : common_(std::move(common)),
      options_(options),
      credentials_(std::move(credentials)),
      sink_(sink),
      events_(events),
      room_(Connection::kBurst) {
  common_.tickets = &ticket_key_;
  common_.replays = &replays_;
}

QuicEndpoint::~QuicEndpoint() = default;

QuicEndpoint::ConnPtr QuicEndpoint::find(ConnId id) const {
  const auto it = conns_.find(id);
  return it == conns_.end() ? nullptr : it->second;
}

QuicEndpoint::Conn& QuicEndpoint::open(ConnId id, const Endpoint& remote, bool dialled) {
  auto conn = std::make_shared<Conn>();
  conn->id = id;
  conn->remote = remote;
  conn->dialled = dialled;
  return *(conns_[id] = std::move(conn));
}

void QuicEndpoint::erase(Conn& conn) {
  add_numbers(conn);
  for (const Cid& cid : conn.cids) by_cid_.erase(cid);
  timers_.cancel(conn.id);
  dirty_.erase(conn.id);
  conns_.erase(conn.id);
}

void QuicEndpoint::mark(ConnId id) {
  dirty_.insert(id);
  if (!flushing_) events_.quic_pending();
}

void QuicEndpoint::cid_added(const Cid& cid) {
  // Ours are random; one that a client chose may be there already and stays whose it is.
  if (by_cid_.emplace(cid, current_->id).second) current_->cids.push_back(cid);
}

void QuicEndpoint::cid_retired(const Cid& cid) {
  if (std::erase(current_->cids, cid) > 0) by_cid_.erase(cid);
}

std::size_t QuicEndpoint::half_open() const {
  return static_cast<std::size_t>(std::count_if(conns_.begin(), conns_.end(), [](const auto& entry) {
    const Conn& conn = *entry.second;
    return !conn.dialled && conn.quic->state() <= Connection::State::up && !conn.quic->handshake_done();
  }));
}

// ---- packets ----

void QuicEndpoint::receive(const Path& path, Ecn ecn, BytesView datagram, Timestamp now) {
  counts_.received_bytes += datagram.size();
  const Outside outside = look_at(datagram);
  if (outside.kind == Outside::Kind::broken) return counts_.rejected.add(QuicReject::malformed);
  const auto known = by_cid_.find(outside.dcid);
  if (known == by_cid_.end()) return stranger(path, ecn, datagram, now);
  const ConnPtr conn = find(known->second);
  current_ = conn.get();
  conn->quic->receive(path, ecn, datagram, now);
  current_ = nullptr;
  mark(conn->id);
}

bool QuicEndpoint::may_answer(Timestamp now) {
  if (now - answers_since_ >= std::chrono::seconds{1}) {
    answers_since_ = now;
    answers_ = 0;
  }
  if (answers_ < kAnswersPerSecond) {
    ++answers_;
    return true;
  }
  counts_.rejected.add(QuicReject::limit);
  return false;
}

/// It may open one more connection without proving its address: whoever writes another's address must not use up what
/// `quic_admits` grants that one.
bool QuicEndpoint::is_fresh(const Endpoint& remote, Timestamp now) {
  if (now - fresh_since_ >= std::chrono::seconds{1}) {
    fresh_since_ = now;
    fresh_.clear();
  }
  const std::string host = remote.host();
  if (fresh_.size() >= kFreshAddressesMax && !fresh_.contains(host)) return false;
  std::uint32_t& opened = fresh_[host];
  if (opened >= kFreshPerSecond) return false;
  ++opened;
  return true;
}

void QuicEndpoint::answer(const Path& path, const std::vector<std::byte>& packet) {
  if (packet.empty() || blocked_) return;
  counts_.sent_bytes += packet.size();
  blocked_ = !sink_.send(path, Ecn::none, packet, packet.size());
}

/// Whoever does not know a connection any more says so in a packet that looks like any other and names none: the one
/// that it is for knows it by its end (RFC 9000, section 10.3.1).
bool QuicEndpoint::is_reset(const Path& path, Ecn ecn, BytesView datagram, Timestamp now) {
  if (datagram.size() > kResetMax) return false;
  for (const auto& [id, conn] : conns_) {
    if (conn->quic->state() > Connection::State::up || conn->quic->path().remote != path.remote) continue;
    current_ = conn.get();
    conn->quic->receive(path, ecn, datagram, now);
    current_ = nullptr;
    if (conn->quic->state() <= Connection::State::up) continue;
    mark(id);
    return true;
  }
  return false;
}

/// A packet of no connection that is known.
void QuicEndpoint::stranger(const Path& path, Ecn ecn, BytesView datagram, Timestamp now) {
  const Outside outside = look_at(datagram);
  if (outside.kind == Outside::Kind::other_version) {
    counts_.rejected.add(QuicReject::unknown_version);
    if (datagram.size() < kFirstMin || !may_answer(now)) return;
    ++counts_.versions_sent;
    return answer(path, version_packet(datagram, common_.random));
  }
  if (outside.kind == Outside::Kind::short_header) {
    if (is_reset(path, ecn, datagram, now)) return;
    counts_.rejected.add(QuicReject::unknown_connection);
    const auto reset = reset_packet(outside.dcid, datagram.size(), common_.reset_secret, common_.random);
    if (reset.empty() || !may_answer(now)) return;
    ++counts_.resets_sent;
    return answer(path, reset);
  }
  auto first = first_packet(datagram);
  if (!first) return counts_.rejected.add(QuicReject::unknown_connection);
  const TokenVerdict token = check_token(*first, path.remote, common_.token_secret, now);
  if (token == TokenVerdict::bad) {
    counts_.rejected.add(QuicReject::bad_token);
    if (may_answer(now)) answer(path, refusal_packet(*first, false));
    return;
  }
  const bool proved = token == TokenVerdict::good;
  if (!events_.quic_admits(path.remote, proved)) {
    counts_.rejected.add(QuicReject::not_admitted);
    if (may_answer(now)) answer(path, refusal_packet(*first, true));
    return;
  }
  const std::size_t waiting = half_open();
  const bool full = waiting >= options_.half_open_max || conns_.size() >= options_.connections_max;
  if (!proved && (full || waiting >= options_.retry_from || !is_fresh(path.remote, now))) {
    if (!may_answer(now)) return;
    ++counts_.retries;
    return answer(path, retry_packet(*first, path.remote, common_.token_secret, common_.random, now));
  }
  if (full) {
    counts_.rejected.add(QuicReject::limit);
    if (may_answer(now)) answer(path, refusal_packet(*first, true));
    return;
  }
  next_accepted_ += 2;
  Conn& conn = open(ConnId{next_accepted_}, path.remote, false);
  conn.admitted = proved;
  current_ = &conn;
  conn.quic = Connection::accept(common_, credentials_(), path, *first, *this, now);
  if (conn.quic) {
    conn.quic->receive(path, ecn, datagram, now);
    mark(conn.id);
  } else {
    counts_.rejected.add(QuicReject::malformed);
    erase(conn);
  }
  current_ = nullptr;
}

// ---- what happened ----

void QuicEndpoint::flush(Timestamp now) {
  flushing_ = true;
  // What is marked meanwhile, by whoever is told, waits for the next flush if it has had its turn.
  std::set<ConnId> later;
  std::set<ConnId> done;
  while (!dirty_.empty()) {
    const ConnId id = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    if (!done.insert(id).second)
      later.insert(id);
    else if (const ConnPtr conn = find(id))
      settle(conn, now);
  }
  flushing_ = false;
  dirty_.swap(later);
  if (!dirty_.empty()) events_.quic_pending();
}

void QuicEndpoint::settle(const ConnPtr& conn, Timestamp now) {
  using State = Connection::State;
  Connection& quic = *conn->quic;
  current_ = nullptr;
  if (!conn->admitted && !conn->shut && quic.state() == State::up && quic.handshake_done()) {
    conn->admitted = true;
    if (!events_.quic_admits(conn->remote, true)) {
      counts_.rejected.add(QuicReject::not_admitted);
      quic.refuse(now);
    }
  }
  if (quic.state() == State::up && !conn->told && !conn->shut) {
    conn->told = true;
    conn->names = quic.peer_names();
    events_.quic_up(conn->id, conn->remote, conn->dialled, conn->names);
  }
  if (quic.state() == State::up && !conn->counted && quic.handshake_done()) {
    conn->counted = true;
    counts_.handshakes.add(quic.early()     ? QuicHandshake::early
                           : quic.resumed() ? QuicHandshake::resumed
                                            : QuicHandshake::full);
  }
  keep_tickets(*conn);
  if (conn->told && !conn->shut) {
    for (const Bytes& bytes : quic.take_datagrams()) {
      ++counts_.datagrams_received;
      if (!conn->shut) events_.quic_datagram(conn->id, conn->remote, bytes.view());
    }
    deliver(conn);
  }
  if (conn->shut) {
    std::array<std::byte, 4096> nobody;
    while (quic.read(nobody) > 0 || quic.take_batch()) {
    }
  }
  if (!conn->shut && quic.at_end() && quic.state() == State::up) {
    report_end(*conn);
    quic.close(false, now);
  }
  if (!conn->shut && quic.state() > State::up && (!quic.unread() || !conn->told)) report_end(*conn);
  if (!blocked_) {
    current_ = conn.get();
    blocked_ = !quic.write(sink_, room_, now);
    current_ = nullptr;
  }
  if (!conn->shut && quic.state() > State::up && !quic.unread()) report_end(*conn);
  const bool told = !conn->shut && conn->told;
  if (told && ((conn->wants_room && quic.has_room()) || (conn->wants_arrived && quic.batches_arrived()))) {
    conn->wants_room = conn->wants_arrived = false;
    events_.quic_writable(conn->id);
  }
  const std::uint64_t sent_before = conn->seen.sent_bytes;
  add_numbers(*conn);
  // Whoever goes on sending to a connection that is over keeps nothing of it alive.
  if (quic.state() > State::up && now >= quic.expiry()) quic.due(now);
  if (quic.state() == State::gone && conn->shut) return erase(*conn);
  if (!conns_.contains(conn->id)) return;
  // Something may be overdue that cannot be sent, as when a new way is to be tried and the window is full: no reason to
  // spin.
  constexpr Duration kPatience = std::chrono::milliseconds{1};
  Timestamp wake = quic.expiry();
  if (wake <= now && conn->seen.sent_bytes == sent_before) wake = now + kPatience;
  timers_.set(conn->id, std::min(wake, conn->shut_at));
}

void QuicEndpoint::deliver(const ConnPtr& conn) {
  while (!conn->shut && !conn->paused && conn->quic->readable() > 0) {
    const std::span<std::byte> room = events_.quic_buffer(conn->id);
    if (conn->shut) return;
    events_.quic_read(conn->id, conn->quic->read(room));
  }
  while (!conn->shut && !conn->paused) {
    auto batch = conn->quic->take_batch();
    if (!batch) return;
    events_.quic_batch(conn->id, std::move(*batch));
  }
}

/// Whoever is concerned is told, once.
void QuicEndpoint::report_end(Conn& conn) {
  conn.shut = true;
  const bool open = conn.quic->state() == Connection::State::up;
  const Connection::End why =
      open ? Connection::End{.text = "connection closed by the other side", .graceful = true} : conn.quic->end();
  events_.quic_ended(conn.id, conn.remote, conn.dialled, conn.told, why);
}

void QuicEndpoint::keep_tickets(Conn& conn) {
  if (!conn.dialled) return;
  auto ticket = conn.quic->take_ticket();
  Bytes token = conn.quic->take_token();
  if (!ticket && token.empty()) return;
  if (known_.size() >= kTicketsMax && !known_.contains(conn.remote)) known_.erase(known_.begin());
  Known& known = known_[conn.remote];
  if (ticket) known.ticket = std::move(*ticket);
  if (!token.empty()) known.token = std::move(token);
  events_.quic_learnt();
}

std::vector<KnownEnd> QuicEndpoint::known() const {
  std::vector<KnownEnd> ends;
  for (const auto& [address, known] : known_) ends.push_back({address, known.ticket, known.token});
  return ends;
}

void QuicEndpoint::remember(std::vector<KnownEnd> ends) {
  for (KnownEnd& end : ends)
    if (known_.size() < kTicketsMax)
      known_.try_emplace(end.address, Known{std::move(end.ticket), std::move(end.token)});
}

void QuicEndpoint::add_numbers(Conn& conn) {
  const Connection::Numbers now = conn.quic ? conn.quic->numbers() : conn.seen;
  counts_.migrations += now.migrations - conn.seen.migrations;
  counts_.early_refused += now.early_refused - conn.seen.early_refused;
  counts_.datagrams_dropped += now.datagrams_dropped - conn.seen.datagrams_dropped;
  counts_.batches_sent += now.batches_sent - conn.seen.batches_sent;
  counts_.batches_received += now.batches_received - conn.seen.batches_received;
  counts_.sent_bytes += now.sent_bytes - conn.seen.sent_bytes;
  conn.seen = now;
}

// ---- time ----

void QuicEndpoint::due(Timestamp now) {
  while (const auto id = timers_.pop_due(now)) {
    const ConnPtr conn = find(*id);
    if (!conn) continue;
    current_ = conn.get();
    if (now >= conn->shut_at && conn->quic->state() <= Connection::State::up) conn->quic->close(true, now);
    conn->shut_at = kNever;
    conn->quic->due(now);
    current_ = nullptr;
    dirty_.insert(*id);
  }
  flush(now);
}

void QuicEndpoint::sink_ready(Timestamp now) {
  blocked_ = false;
  for (const auto& [id, conn] : conns_) dirty_.insert(id);
  flush(now);
}

// ---- from the driver ----

void QuicEndpoint::dial(ConnId id, const Path& path, Timestamp now) {
  Conn& conn = open(id, path.remote, true);
  Known known;
  if (const auto it = known_.find(path.remote); it != known_.end()) {
    // Each is used once, so that nobody can tell that two connections are of one member.
    known = std::move(it->second);
    known_.erase(it);
    events_.quic_learnt();
  }
  current_ = &conn;
  conn.quic = Connection::dial(common_, credentials_(), path, known.ticket ? &*known.ticket : nullptr,
                               known.token.view(), *this, now);
  current_ = nullptr;
  mark(id);
}

std::size_t QuicEndpoint::write(ConnId id, std::span<const Bytes> batch) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut) return 0;
  const std::size_t taken = conn->quic->push(batch);
  std::size_t offered = 0;
  for (const Bytes& bytes : batch) offered += bytes.size();
  if (taken < offered) conn->wants_room = true;
  mark(id);
  return taken;
}

std::optional<std::size_t> QuicEndpoint::batch_room(ConnId id, std::uint64_t after) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut) return std::nullopt;
  const auto room = conn->quic->batch_room(after);
  if (room && *room == 0) conn->wants_room = true;
  return room;
}

void QuicEndpoint::write_batch(ConnId id, std::span<const Bytes> batch) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut) return;
  conn->quic->push_batch(batch);
  mark(id);
}

bool QuicEndpoint::batches_arrived(ConnId id) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut || conn->quic->batches_arrived()) return true;
  conn->wants_arrived = true;
  return false;
}

void QuicEndpoint::close(ConnId id, CloseMode mode, Timestamp now) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut) return;
  conn->shut = true;
  if (mode == CloseMode::flush && conn->quic->state() == Connection::State::up) {
    conn->quic->finish();
    conn->shut_at = now + kCloseTime;
  } else if (conn->quic->state() <= Connection::State::up) {
    conn->quic->close(true, now);
  }
  mark(id);
}

void QuicEndpoint::pause_reading(ConnId id, bool paused) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut || conn->paused == paused) return;
  conn->paused = paused;
  if (!paused) mark(id);
}

bool QuicEndpoint::send_datagram(ConnId id, BytesView bytes) {
  const ConnPtr conn = find(id);
  if (!conn || conn->shut || !conn->quic->send_datagram(bytes)) return false;
  ++counts_.datagrams_sent;
  mark(id);
  return true;
}

void QuicEndpoint::shutdown(Timestamp now) {
  for (const auto& [id, conn] : conns_) {
    current_ = conn.get();
    if (!blocked_) blocked_ = !conn->quic->write(sink_, room_, now);
    if (conn->quic->state() <= Connection::State::up) conn->quic->close(false, now);
    if (!blocked_) blocked_ = !conn->quic->write(sink_, room_, now);
  }
  current_ = nullptr;
}

bool QuicEndpoint::answered(ConnId id) const {
  const ConnPtr conn = find(id);
  return conn && conn->quic->handshake_done();
}

void QuicEndpoint::refused(const Endpoint& remote, Timestamp now) {
  for (const auto& [id, conn] : conns_) {
    if (!conn->dialled || conn->remote != remote || conn->quic->handshake_done()) continue;
    conn->quic->give_up("connection refused", now);
    mark(id);
  }
}

void QuicEndpoint::migrate(const Endpoint& gone, const std::function<std::optional<Endpoint>(const Endpoint&)>& local,
                           Timestamp now) {
  for (const auto& [id, conn] : conns_) {
    if (conn->quic->state() != Connection::State::up) continue;
    const Path path = conn->quic->path();
    // Who was dialled answers from where it was dialled, while it can.
    if (!conn->dialled && path.local.address != gone.address) continue;
    const auto from = local(path.remote);
    if (!from || *from == path.local || !conn->quic->migrate(*from, now)) continue;
    mark(id);
  }
}

void QuicEndpoint::judge_all(Timestamp now) {
  if (!known_.empty()) events_.quic_learnt();
  known_.clear();
  for (const auto& [id, conn] : conns_) {
    if (conn->quic->state() != Connection::State::up || !conn->quic->handshake_done()) continue;
    const tls::Judgement judgement =
        common_.judge(conn->quic->peer_chain(), conn->dialled ? tls::Role::server : tls::Role::client);
    // An end that let its certificate run out is not cut off: it will find nobody else to talk to.
    if (judgement.good() || judgement.why == TlsReject::expired) continue;
    conn->quic->revoke(judgement, now);
    mark(id);
  }
}

void QuicEndpoint::count(QuicStats& stats) const {
  stats = counts_;
  stats.on = true;
  for (const auto& [id, conn] : conns_) stats.batch_bytes += conn->quic->batch_bytes();
  stats.replays = replays_.replays() + replays_.overflows();
  stats.connections = static_cast<std::uint64_t>(std::count_if(conns_.begin(), conns_.end(), [](const auto& entry) {
    return entry.second->quic->state() == Connection::State::up;
  }));
}

}  // namespace plumvine::quic
