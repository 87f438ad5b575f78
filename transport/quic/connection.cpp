#include "connection.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "connection_impl.hpp"

namespace plumvine::quic {

// ---- packets ----

void Connection::receive(const Path& path, Ecn ecn, BytesView packet, Timestamp now) {
  Library& l = *library_;
  l.clock = now;
  if (l.state == State::closing) {
    // Each time it takes twice as many packets to hear the end again (RFC 9000, section 10.2.1).
    ++l.came_after;
    if ((l.came_after & (l.came_after - 1)) == 0) l.say_last = true;
    return;
  }
  if (!l.alive()) return;
  const std::optional<Path> seen = l.inward(path);
  if (!seen) return;
  l.newest_came = false;
  const int status = l.read(*seen, ecn, packet, now);
  if (status == 0 && l.newest_came && l.server() && path.local.address == l.local.address) l.announce(true, now);
  if (status == 0 && l.newest_came && seen->remote != path.remote) l.follow(path.remote, now);
  if (status == 0) return l.finish_if_done(now);
  if (status == NGTCP2_ERR_DRAINING) return l.ended_by_peer(now);
  if (status == NGTCP2_ERR_DROP_CONN || status == NGTCP2_ERR_RETRY)
    return l.stop(State::gone, {.text = "its first packets make no sense", .refused = TlsReject::protocol}, now);
  l.fail(status, now);
}

void Connection::Library::open_stream() {
  if (stream >= 0 || server()) return;
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(conn, &id, nullptr) == 0) stream = id;
}

/// There is a batch with a stream to send. The other end allows more streams as it takes batches.
bool Connection::Library::open_batch() {
  if (batches_out.opened() || !batches_out.pending()) return batches_out.opened();
  std::int64_t id = -1;
  if (ngtcp2_conn_open_uni_stream(conn, &id, nullptr) != 0) return false;
  batches_out.open(id);
  ++numbers.batches_sent;
  return true;
}

ngtcp2_ssize Connection::Library::write_packet(ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* to,
                                               std::size_t room, Timestamp now) {
  while (!datagrams_out.empty()) {
    const Bytes& bytes = datagrams_out.front();
    const bool fits = bytes.size() + kDatagramHead <= ngtcp2_conn_get_path_max_tx_udp_payload_size(conn);
    const ngtcp2_vec vec{const_cast<std::uint8_t*>(raw(bytes.view())), bytes.size()};
    int taken = 0;
    const ngtcp2_ssize n = !fits ? NGTCP2_ERR_INVALID_ARGUMENT
                                 : ngtcp2_conn_writev_datagram(conn, path, info, to, room, &taken,
                                                               NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, 1, stamp(now));
    const bool refused = n == NGTCP2_ERR_INVALID_ARGUMENT || n == NGTCP2_ERR_INVALID_STATE;
    if (refused) ++numbers.datagrams_dropped;
    if (taken != 0 || refused) datagrams_out.pop_front();
    if (n != NGTCP2_ERR_WRITE_MORE && !refused) return n;
  }
  bool stream_blocked = false, batches_blocked = false;
  for (;;) {
    const Offer offer = next_offer(stream_blocked, batches_blocked);
    std::array<ngtcp2_vec, std::tuple_size_v<decltype(offer.views)>> vecs;
    for (std::size_t i = 0; i < offer.count; ++i)
      vecs[i] = {const_cast<std::uint8_t*>(raw(offer.views[i])), offer.views[i].size()};
    const std::uint32_t flags = (offer.last ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE) |
                                (offer.stream >= 0 ? NGTCP2_WRITE_STREAM_FLAG_MORE : NGTCP2_WRITE_STREAM_FLAG_NONE);
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize n = ngtcp2_conn_writev_stream(conn, path, info, to, room, &taken, flags, offer.stream, vecs.data(),
                                                     offer.count, stamp(now));
    if (taken >= 0) went(offer, static_cast<std::size_t>(taken));
    if (n == NGTCP2_ERR_WRITE_MORE) continue;
    if (offer.stream >= 0 &&
        (n == NGTCP2_ERR_STREAM_DATA_BLOCKED || n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND)) {
      (offer.stream == stream ? stream_blocked : batches_blocked) = true;
      continue;
    }
    return n;
  }
}

/// The stream goes first: it has few bytes where batches are taken.
Connection::Library::Offer Connection::Library::next_offer(bool stream_blocked, bool batches_blocked) {
  Offer offer;
  const auto add_up = [&offer] {
    for (std::size_t i = 0; i < offer.count; ++i) offer.bytes += offer.views[i].size();
  };
  if (stream >= 0 && !stream_blocked) {
    offer.count = out.gather(offer.views);
    add_up();
    // That nothing follows is said when everything beside the stream has arrived, too.
    offer.last = fin_wanted && !fin_sent && batches_out.empty() && offer.bytes == out.waiting();
    if (offer.count > 0 || offer.last) offer.stream = stream;
  }
  if (offer.stream < 0 && !batches_blocked && open_batch()) {
    offer.stream = batches_out.stream();
    offer.count = batches_out.gather(offer.views, offer.last);
    add_up();
  }
  return offer;
}

void Connection::Library::went(const Offer& offer, std::size_t taken) {
  const bool ended = offer.last && taken == offer.bytes;
  if (offer.stream == stream) {
    out.sent(taken);
    if (ended) fin_sent = true;
  } else {
    batches_out.sent(taken, ended);
  }
}

bool Connection::write(PacketSink& sink, std::span<std::byte> room, Timestamp now) {
  Library& l = *library_;
  l.clock = now;
  if (l.state == State::closing && std::exchange(l.say_last, false))
    return sink.send(l.last_path, Ecn::none,
                     {reinterpret_cast<const std::byte*>(l.last_words.data()), l.last_words.size()},
                     l.last_words.size());
  if (!l.alive()) return true;
  l.open_stream();
  const std::size_t quantum = std::clamp<std::size_t>(ngtcp2_conn_get_send_quantum(l.conn), 2 * kPacketMax, kCallMax);
  Path way;
  Ecn ecn = Ecn::none;
  std::size_t used = 0, segment = 0, total = 0;
  bool open = true;
  const auto flush = [&] {
    if (used > 0) open = sink.send(way, ecn, room.first(used), segment);
    used = segment = 0;
  };
  while (open && total < quantum) {
    if (used + kPacketMax > room.size()) flush();
    ngtcp2_path_storage storage;
    ngtcp2_path_storage_zero(&storage);
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize n =
        l.write_packet(&storage.path, &info, reinterpret_cast<std::uint8_t*>(room.data()) + used, kPacketMax, now);
    if (n < 0) {
      flush();
      l.fail(static_cast<int>(n), now);
      if (std::exchange(l.say_last, false))
        return sink.send(l.last_path, Ecn::none,
                         {reinterpret_cast<const std::byte*>(l.last_words.data()), l.last_words.size()},
                         l.last_words.size()) &&
               open;
      return open;
    }
    if (n == 0) break;
    const auto size = static_cast<std::size_t>(n);
    total += size;
    l.numbers.sent_bytes += size;
    const Path path = l.outward(storage.path);
    const auto mark = static_cast<Ecn>(info.ecn & 3);
    if (segment > 0 && (!(path == way) || mark != ecn || size > segment)) {
      const std::size_t at = used;
      flush();
      std::memmove(room.data(), room.data() + at, size);
    }
    if (segment == 0) {
      segment = size;
      way = path;
      ecn = mark;
    }
    used += size;
    if (size < segment) flush();
  }
  flush();
  ngtcp2_conn_update_pkt_tx_time(l.conn, stamp(now));
  if (l.alive()) l.last_path = l.outward(*ngtcp2_conn_get_path(l.conn));
  if (total > 0) l.announce(false, now);
  return open;
}

Timestamp Connection::expiry() const {
  const Library& l = *library_;
  if (l.state == State::gone) return Timestamp{0};
  if (!l.alive()) return l.gone_at;
  const ngtcp2_tstamp at = ngtcp2_conn_get_expiry(l.conn);
  return at >= static_cast<ngtcp2_tstamp>(kNever.ns) ? kNever : Timestamp{static_cast<std::int64_t>(at)};
}

void Connection::due(Timestamp now) {
  Library& l = *library_;
  l.clock = now;
  if (!l.alive()) {
    if (now >= l.gone_at) l.state = State::gone;
    return;
  }
  const int status = ngtcp2_conn_handle_expiry(l.conn, stamp(now));
  if (status == 0) return;
  if (status == NGTCP2_ERR_IDLE_CLOSE)
    return l.stop(State::gone, {.code = Errc::timed_out, .text = "nothing was heard for too long"}, now);
  if (status == NGTCP2_ERR_HANDSHAKE_TIMEOUT)
    return l.stop(State::gone,
                  {.code = Errc::timed_out, .text = "no QUIC handshake in time", .refused = TlsReject::timed_out}, now);
  l.fail(status, now);
}

// ---- stream and datagrams ----

bool Connection::has_room() const {
  const Library& l = *library_;
  return l.alive() && !l.fin_wanted && l.waiting() < kWaitingMax && l.held() < kSendMax;
}

std::size_t Connection::push(std::span<const Bytes> batch) {
  Library& l = *library_;
  std::size_t taken = 0;
  for (const Bytes& bytes : batch) {
    if (!has_room()) break;
    const std::size_t room = std::min(kWaitingMax - l.waiting(), kSendMax - l.held());
    const Bytes part = bytes.slice(0, room);
    l.out.push(part);
    taken += part.size();
    if (part.size() < bytes.size()) break;
  }
  return taken;
}

std::size_t Connection::read(std::span<std::byte> room) {
  Library& l = *library_;
  const std::size_t n = l.in.read(room);
  if (n > 0 && l.alive()) {
    (void)ngtcp2_conn_extend_max_stream_offset(l.conn, l.stream, n);
    ngtcp2_conn_extend_max_offset(l.conn, n);
  }
  return n;
}

std::size_t Connection::readable() const {
  return library_->in.size();
}
bool Connection::unread() const {
  return library_->in.size() > 0 || library_->batches_in.ready();
}
bool Connection::at_end() const {
  return (library_->fin_came || library_->end.graceful) && !unread();
}

std::optional<std::size_t> Connection::batch_room(std::uint64_t after) const {
  const Library& l = *library_;
  // Before both ends have proved themselves, what is sent may be a replay, or be read by whoever replays.
  const bool open = l.alive() && !l.fin_wanted && handshake_done() && l.arrived >= after;
  const ngtcp2_transport_params* const theirs = open ? ngtcp2_conn_get_remote_transport_params(l.conn) : nullptr;
  if (theirs == nullptr || theirs->initial_max_streams_uni == 0) return std::nullopt;
  return has_room() ? std::min<std::uint64_t>(kBatchMax, theirs->initial_max_stream_data_uni) : 0;
}

void Connection::push_batch(std::span<const Bytes> batch) {
  if (library_->alive()) library_->batches_out.push(batch);
}

bool Connection::batches_arrived() const {
  return library_->batches_out.empty();
}

std::optional<Bytes> Connection::take_batch() {
  Library& l = *library_;
  if (!l.batches_in.ready()) return std::nullopt;
  Bytes batch = l.batches_in.pop();
  if (l.alive()) {
    ngtcp2_conn_extend_max_offset(l.conn, batch.size());
    ngtcp2_conn_extend_max_streams_uni(l.conn, 1);
  }
  return batch;
}

std::size_t Connection::batch_bytes() const {
  return library_->batches_in.held();
}

bool Connection::send_datagram(BytesView bytes) {
  Library& l = *library_;
  if (l.state != State::up || ngtcp2_conn_get_handshake_completed(l.conn) == 0 ||
      l.datagrams_out.size() >= kDatagramsMax)
    return false;
  if (bytes.size() + kDatagramHead > ngtcp2_conn_get_path_max_tx_udp_payload_size(l.conn)) return false;
  const ngtcp2_transport_params* const theirs = ngtcp2_conn_get_remote_transport_params(l.conn);
  if (theirs == nullptr || theirs->max_datagram_frame_size < bytes.size() + kDatagramHead) return false;
  l.datagrams_out.push_back(Bytes::copy_of(bytes));
  return true;
}

std::vector<Bytes> Connection::take_datagrams() {
  return std::exchange(library_->datagrams_in, {});
}

// ---- what is known ----

Connection::State Connection::state() const noexcept {
  return library_->state;
}
const Connection::End& Connection::end() const noexcept {
  return library_->end;
}
tls::Role Connection::role() const noexcept {
  return library_->role;
}
Path Connection::path() const {
  return library_->last_path;
}
const std::vector<std::string>& Connection::peer_chain() const {
  return library_->handshake.chain();
}
bool Connection::resumed() const {
  return library_->handshake.resumed();
}
bool Connection::early() const noexcept {
  return library_->early;
}
bool Connection::handshake_done() const {
  return ngtcp2_conn_get_handshake_completed(library_->conn) != 0;
}
const std::vector<std::string>& Connection::peer_names() const {
  return library_->handshake.judged() ? library_->handshake.peer().names : library_->early_names;
}

Connection::Numbers Connection::numbers() const {
  Numbers n = library_->numbers;
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(library_->conn, &stat);
  n.rtt = Duration{static_cast<std::int64_t>(stat.smoothed_rtt)};
  return n;
}

}  // namespace plumvine::quic
