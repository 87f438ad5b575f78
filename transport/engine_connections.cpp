// Connections of every kind: opening, telling apart, reading, writing, closing. What links say is in engine_links.cpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include "codes.hpp"
#include "engine_impl.hpp"
#include "membership/wire/messages.hpp"
#include "plumtree/wire.hpp"

namespace plumvine {

/// Bytes that a ping may go along with: more of them would make the round trip look long.
constexpr std::size_t kPingAlongMax = 512;

Connection* Engine::Impl::find(ConnId id) {
  const auto it = conns_.find(id);
  return it == conns_.end() ? nullptr : it->second.get();
}
const Connection* Engine::Impl::find(ConnId id) const {
  const auto it = conns_.find(id);
  return it == conns_.end() ? nullptr : it->second.get();
}

Connection& Engine::Impl::open(ConnId id, ConnKind kind, const Endpoint& remote) {
  auto conn = std::make_unique<Connection>();
  conn->id = id;
  conn->kind = kind;
  conn->remote = remote;
  return *(conns_[id] = std::move(conn));
}

/// Forgets the connection. The object lives until the current input is done.
void Engine::Impl::discard(Connection& conn) {
  conn.closed = true;
  conn_timers_.cancel(conn.id);
  fail_directs(conn);
  bury_counts(conn);
  if (conn.kind == ConnKind::membership) streams_.erase(conn.stream);
  if (const auto it = conns_.find(conn.id); it != conns_.end()) {
    graveyard_.push_back(std::move(it->second));
    conns_.erase(it);
  }
  touch();
}

void Engine::Impl::close_now(Connection& conn, CloseMode mode) {
  actions_.push(engine::Close{conn.id, mode});
  discard(conn);
}

void Engine::Impl::mark(Connection& conn) {
  if (conn.closed || std::exchange(conn.dirty, true)) return;
  dirty_conns_.push_back(conn.id);
}

/// Accepted connections that are not (or no more) of use: the ones that `half_open_max` bounds.
std::size_t Engine::Impl::half_open() const {
  return static_cast<std::size_t>(std::count_if(conns_.begin(), conns_.end(), [](const auto& entry) {
    const Connection& conn = *entry.second;
    if (conn.kind == ConnKind::unknown) return true;
    return conn.link && !conn.link->outbound() && conn.link->state() != LinkState::up;
  }));
}

/// Closes the connection that has been open for longest without a byte. False: all of them are new or have said something.
bool Engine::Impl::make_room() {
  constexpr Duration kSilentMin = std::chrono::seconds{1};  // who dials speaks at once
  const auto silent = std::find_if(conns_.begin(), conns_.end(), [&](const auto& entry) {
    const Connection& conn = *entry.second;
    return conn.kind == ConnKind::unknown && now_ + config_.link.handshake_timeout - conn_timers_.deadline(conn.id) >= kSilentMin;
  });
  if (silent == conns_.end()) return false;
  ++refused_;
  close_now(*silent->second, CloseMode::abort);
  return true;
}

void Engine::Impl::accepted(ConnId id, const Endpoint& from) {
  touch();
  if (guard_.any_blocks() && guard_.blocks(from, Blocked::connection, now_)) {  // of a transport that did not ask `admits`
    ++refused_;
    actions_.push(engine::Close{id, CloseMode::abort});
    return;
  }
  if (half_open() >= config_.link.half_open_max && !make_room()) {
    ++refused_;
    log(LogLevel::warn, "link", code::kHalfOpenLimit, "half_open_max",
        "Refusing a connection from " + from.to_string() + ": " + std::to_string(config_.link.half_open_max) +
            " others have not greeted yet (half_open_max)",
        {{"address", from.to_string()}});
    actions_.push(engine::Close{id, CloseMode::abort});
    return;
  }
  Connection& conn = open(id, ConnKind::unknown, from);
  conn.connected = true;
  conn_timers_.set(id, now_ + config_.link.handshake_timeout);
}

void Engine::Impl::open_stream(swim::StreamId stream, const Endpoint& to, std::string expected) {
  const ConnId id{next_conn_};
  next_conn_ += 2;
  Connection& conn = open(id, ConnKind::membership, to);
  conn.stream = stream;
  conn.expected = std::move(expected);
  streams_[stream] = id;
  actions_.push(engine::Dial{id, to});
}

void Engine::Impl::connected(ConnId id) {
  touch();
  Connection* conn = find(id);
  if (!conn) return;
  conn->connected = true;
  mark(*conn);
  if (conn->kind == ConnKind::membership) {
    if (!conn->closing) swim_->stream_connected(conn->stream, now_);
  } else if (conn->link) {
    swim_->answered_elsewhere(now_);
    conn->link->connected(now_);
    if (conn->link->seal) return put_bytes(*conn, conn->link->seal->opening());
    put(*conn, {wire::preface(), {}}, Lane::control);
    greet(*conn);
  }
}

std::span<std::byte> Engine::Impl::read_buffer(ConnId id) {
  Connection* conn = find(id);
  if (conn && conn->link && !conn->link->seal && !conn->closing) return conn->link->decoder.buffer();
  if (!scratch_) scratch_ = chunks_.take();
  return {scratch_.get(), ChunkPool::kChunkSize};
}

void Engine::Impl::packet(const Endpoint& from, BytesView packet, bool secured) {
  if (guard_.any_blocks() && guard_.blocks(from, Blocked::packet, now_)) return;
  heard_ = now_;
  swim_->handle_packet(from, packet, now_, secured);
  touch();
}

void Engine::Impl::read(ConnId id, std::size_t bytes) {
  touch();
  if (bytes > 0) heard_ = now_;
  Connection* conn = find(id);
  // What comes after the end of the conversation is read and dropped.
  if (!conn || bytes == 0 || conn->closing) return;
  if (conn->link && !conn->link->seal) return read_link(*conn, bytes);
  auto scratch = std::exchange(scratch_, nullptr);
  const BytesView view{scratch.get(), bytes};
  if (conn->kind == ConnKind::unknown) classify(*conn, view);
  if (conn->link) {
    conn->link->received(bytes, now_);
    if (conn->link->seal) read_sealed(*conn, view);
    else feed(*conn, view);
    if (conn->link->greeted()) seen(*conn);
  } else if (conn->kind == ConnKind::membership && !conn->closed) {
    swim_->stream_received(conn->stream, view, now_);
  }
  chunks_.give(std::move(scratch));
}

/// The first byte tells a link from a membership stream.
void Engine::Impl::classify(Connection& conn, BytesView first) {
  constexpr std::byte kLastStreamType{13};
  constexpr std::byte kLabelType{244};
  constexpr std::byte kTlsHandshake{22};
  constexpr auto kDigestType = static_cast<std::byte>(swim::wire::MessageType::digest);
  const std::byte byte = first.front();
  if (byte == wire::kLinkMagic) {
    const Timestamp deadline = conn_timers_.deadline(conn.id);
    conn.kind = ConnKind::link;
    conn.link = std::make_unique<Link>(config_.link, false, chunks_, config_.tree.max_message_size, now_);
    conn.link->set_deadline(deadline);
    if (seals_links()) seal_inbound(conn);
    return;
  }
  if (byte > kLastStreamType && byte != kLabelType && byte != kDigestType) {
    rejected_.add(FrameReject::malformed);
    if (byte == kTlsHandshake && !identity_.tls) {
      const std::string where = conn.remote.to_string();
      log(LogLevel::warn, "link", code::kTlsNotHere, conn.remote.host(),
          "Closing a connection from " + where + ": it speaks TLS, and TLS is off here (tls_cert, tls_key, tls_ca)", {{"address", where}});
      return close_now(conn, CloseMode::abort);
    }
    log(LogLevel::info, "link", code::kStrangeStream, "", "Closing a connection that speaks neither protocol");
    close_now(conn, CloseMode::abort);
    return;
  }
  if (streams_.size() >= kStreamsMax) {
    ++refused_;
    close_now(conn, CloseMode::abort);
    return;
  }
  conn_timers_.cancel(conn.id);
  conn.kind = ConnKind::membership;
  conn.stream = swim::StreamId{static_cast<std::uint64_t>(conn.id)};
  streams_[conn.stream] = conn.id;
  swim_->stream_accepted(conn.stream, conn.remote, now_);
}

void Engine::Impl::read_link(Connection& conn, std::size_t bytes) {
  conn.link->received(bytes, now_);
  conn.link->decoder.advance(bytes);
  take_frames(conn);
  seen(conn);
}

/// Payloads came beside the stream. An end sends them so after it has heard that we have its greeting, so none comes before that.
void Engine::Impl::batch(ConnId id, const Bytes& frames) {
  touch();
  heard_ = now_;
  Connection* conn = find(id);
  if (!conn || conn->closing || !conn->link) return;
  conn->link->received(frames.size(), now_);
  take_batch(*conn, frames);
  if (!conn->closed && conn->link->greeted()) seen(*conn);
}

/// Hands over bytes that were read elsewhere.
void Engine::Impl::feed(Connection& conn, BytesView bytes) {
  while (!bytes.empty() && !conn.closed) {
    const std::span<std::byte> room = conn.link->decoder.buffer();
    const std::size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    conn.link->decoder.advance(n);
    bytes = bytes.subspan(n);
    take_frames(conn);
  }
}

void Engine::Impl::writable(ConnId id) {
  touch();
  if (Connection* conn = find(id)) {
    conn->queue.unblock();
    mark(*conn);
  }
}

void Engine::Impl::closed(ConnId id, const Error& why) {
  touch();
  Connection* conn = find(id);
  if (!conn) return;
  if (conn->kind == ConnKind::membership && !conn->closing) swim_->stream_closed(conn->stream, now_, why.code == Errc::timed_out);
  if (conn->link) {
    if (conn->link->state() == LinkState::up) {
      link_down(*conn, why.message);
      swim_->broke_off(conn->link->name, now_);
    } else {
      not_reached(*conn, why.message);
    }
  }
  discard(*conn);
}

void Engine::Impl::put(Connection& conn, wire::Encoded frame, Lane lane, std::optional<PayloadTag> payload) {
  if (conn.closed || (conn.link && !conn.link->may_send())) return;
  if (log_.wants(LogLevel::trace)) trace(conn, "to", frame);
  conn.queue.push(std::move(frame), lane, payload);
  mark(conn);
}

/// What its queue counted is added up; what still waits in it goes with the link.
void Engine::Impl::bury_counts(const Connection& conn) {
  add_counts(queue_counts_, conn.queue);
  for (std::size_t i = 0; i < CountedReasons<Priority>::kSize; ++i) {
    const auto lane = static_cast<Priority>(i);
    queue_counts_.dropped.add(lane, conn.queue.waiting(lane));
  }
}

void Engine::Impl::add_counts(QueueStats& sum, const SendQueue& queue) {
  for (std::size_t i = 0; i < CountedReasons<Priority>::kSize; ++i) {
    const auto lane = static_cast<Priority>(i);
    sum.enqueued.add(lane, queue.enqueued()[lane]);
    sum.dequeued.add(lane, queue.dequeued()[lane]);
    sum.dropped.add(lane, queue.dropped()[lane]);
  }
}

void Engine::Impl::put_control(Connection& conn, const Frame& frame) { put(conn, wire::encode(frame), Lane::control); }

/// What goes out anyway takes along a ping that is due soon.
void Engine::Impl::ping_along(Connection& conn) {
  const auto ping = conn.link->ping_along(now_, wall_us_);
  if (!ping) return;
  put_control(conn, *ping);
  set_timer(conn);
}

void Engine::Impl::flush(Transport& transport) {
  std::vector<ConnId> dirty = std::move(dirty_conns_);
  dirty_conns_.clear();
  for (ConnId id : dirty) {
    Connection* conn = find(id);
    if (!conn) continue;
    if (conn->connected && conn->link && conn->queue.bytes() <= kPingAlongMax) ping_along(*conn);
    conn->dirty = false;
    if (!conn->connected) continue;
    after_flush(*conn, conn->queue.flush(transport, id));
  }
  if (!dirty_conns_.empty()) return;
  dirty.clear();
  dirty_conns_ = std::move(dirty);  // for its memory
}

void Engine::Impl::after_flush(Connection& conn, std::size_t written) {
  if (conn.link) {
    conn.link->sent_bytes += written;
    if (conn.link->state() == LinkState::up) {
      if (conn.queue.bytes() > config_.link.queue_max_bytes) {
        log(LogLevel::warn, "link", code::kQueueFull, conn.link->name,
            "Closing the link to " + conn.link->name + ": " + std::to_string(conn.queue.bytes()) +
                " bytes wait for it (queue_max_bytes)",
            {{"peer", conn.link->name}, {"bytes", std::to_string(conn.queue.bytes())}});
        ++queues_overflowed_;
        break_link(conn, "its send queue overflowed");
        return;
      }
      give_credit(conn);
    }
  }
  if (conn.closing && conn.queue.empty()) close_now(conn, CloseMode::flush);
}

/// A part larger than the high watermark still goes out when nothing else waits.
std::int64_t Engine::Impl::full_credit() const {
  constexpr std::uint64_t kHead = 4096;
  const std::uint64_t largest = std::min<std::uint64_t>(config_.tree.max_message_size, frame::kPartSize) + kHead;
  return static_cast<std::int64_t>(std::max(config_.link.queue_high_bytes, largest));
}

/// Below the low watermark the tree may fill the queue up to the high one; above it what it was told runs out.
void Engine::Impl::give_credit(Connection& conn) {
  Link& link = *conn.link;
  if (conn.queue.bytes() > config_.link.queue_low_bytes) return;
  const std::int64_t credit = full_credit() - static_cast<std::int64_t>(conn.queue.bytes());
  if (credit == link.credit) return;
  link.credit = credit;
  tree_.set_credit(*link.peer, credit, now_);
  touch();
}

void Engine::Impl::on_deadline(ConnId id) {
  Connection* conn = find(id);
  if (!conn) return;
  if (conn->link) return link_due(*conn);
  if (conn->kind == ConnKind::unknown) ++refused_;
  close_now(*conn, CloseMode::abort);
}

void Engine::Impl::stop() {
  for (auto& [id, conn] : conns_) actions_.push(engine::Close{id, CloseMode::flush});
  conns_.clear();
  streams_.clear();
  conn_timers_.clear();
  dirty_conns_.clear();
  for (auto& [name, known] : known_) {
    if (known.peer) peers_[*known.peer].link = peers_[*known.peer].dialling = kNoConn;
  }
  links_up_ = 0;
}

}  // namespace plumvine
