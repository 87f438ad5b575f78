// Packets inside TLS. Who opens a stream for packets says its own port in two bytes, big-endian; from then on both ends write
// packets, each behind its length in two bytes.
#include <algorithm>
#include <utility>

#include "protocols.hpp"
#include "tls_transport.hpp"

namespace plumvine::tls {
namespace {

constexpr std::size_t kPacketMax = 65535;
constexpr std::size_t kHead = 2;

std::array<std::byte, kHead> two_bytes(std::size_t number) {
  return {static_cast<std::byte>(number >> 8 & 0xff), static_cast<std::byte>(number & 0xff)};
}

std::size_t number_of(BytesView two) { return static_cast<std::size_t>(two[0]) << 8 | static_cast<std::size_t>(two[1]); }

}  // namespace

void TlsTransport::send_packet(const Endpoint& to, Bytes packet) {
  if (options_.seals()) return below_.send_packet(to, std::move(packet));
  if (packet.size() > kPacketMax || to.port == 0) {
    ++counts_.packets_dropped;
    return;
  }
  const auto known = lanes_.find(to);
  ConnPtr conn = known == lanes_.end() ? nullptr : find(known->second);
  if (!conn) {
    make_room();
    const ConnId id{next_lane_};
    next_lane_ += 2;
    Conn& made = open(id, to, true);
    made.lane = std::make_unique<Lane>();
    made.lane->peer = to;
    made.lane->used = host_.now();
    lanes_[to] = id;
    timers_.set(id, host_.now() + options_.handshake_timeout);
    arm();
    conn = find(id);
    put(*conn, packet);
    below_.dial(id, to);
    return;
  }
  put(*conn, packet);
}

/// Closes the stream that was not used for longest, if there are as many as may be.
void TlsTransport::make_room() {
  std::size_t count = 0;
  ConnPtr oldest;
  for (const auto& [id, conn] : conns_) {
    if (!conn->lane || conn->closing) continue;
    ++count;
    if (!oldest || conn->lane->used < oldest->lane->used || (conn->lane->used == oldest->lane->used && conn->id < oldest->id)) oldest = conn;
  }
  if (count >= kPacketStreamsMax) shut(*oldest, CloseMode::flush);
}

void TlsTransport::put(Conn& conn, const Bytes& packet) {
  Lane& lane = *conn.lane;
  lane.used = host_.now();
  lane.waiting.push_back(packet);
  lane.waiting_bytes += packet.size();
  for (; lane.waiting_bytes > kLaneMax && lane.waiting.size() > 1; ++counts_.packets_dropped) {
    lane.waiting_bytes -= lane.waiting.front().size();
    lane.waiting.pop_front();
  }
  if (conn.up) flush_lane(conn);
}

void TlsTransport::lane_up(Conn& conn) {
  conn.lane->used = host_.now();
  timers_.set(conn.id, host_.now() + kPacketStreamIdle);
  arm();
  if (!conn.dialled) return;
  (void)conn.session->write(two_bytes(options_.port));
  flush_sink(conn);
  flush_lane(conn);
}

void TlsTransport::flush_lane(Conn& conn) {
  Lane& lane = *conn.lane;
  while (!lane.waiting.empty() && conn.pending.empty() && !conn.closing) {
    const Bytes packet = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    lane.waiting_bytes -= packet.size();
    std::vector<std::byte> framed(kHead + packet.size());
    std::ranges::copy(two_bytes(packet.size()), framed.begin());
    std::ranges::copy(packet.view(), framed.begin() + kHead);
    if (!conn.session->write(framed)) return;  // the next read finds out why
    flush_sink(conn);
  }
}

void TlsTransport::lane_read(const ConnPtr& conn) {
  std::array<std::byte, 4096> room;
  Lane& lane = *conn->lane;  // `conn` holds it
  while (!conn->gone && !conn->closing) {
    const std::size_t n = conn->session->read(room);
    if (n == 0) return;
    flush_sink(*conn);
    lane.used = host_.now();
    lane.in.insert(lane.in.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(n));
    std::size_t at = 0;
    if (lane.peer.port == 0 && lane.in.size() >= kHead) {
      lane.peer = conn->remote;
      lane.peer.port = static_cast<std::uint16_t>(number_of(lane.in));
      at = kHead;
      // Answers take the same way. A stream of our own to that address is not given up for it.
      if (!lanes_.contains(lane.peer)) lanes_[lane.peer] = conn->id;
    }
    while (!conn->gone && lane.peer.port != 0 && lane.in.size() - at >= kHead) {
      const std::size_t size = number_of(BytesView(lane.in).subspan(at));
      if (lane.in.size() - at - kHead < size) break;
      const Bytes packet = Bytes::copy_of(BytesView(lane.in).subspan(at + kHead, size));
      at += kHead + size;
      events_->on_private_packet(lane.peer, packet.view());
    }
    lane.in.erase(lane.in.begin(), lane.in.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

/// The connection ends: what waits for it is lost, as packets may be.
void TlsTransport::lane_lost(Conn& conn) {
  counts_.packets_dropped += conn.lane->waiting.size();
  if (const auto it = lanes_.find(conn.lane->peer); it != lanes_.end() && it->second == conn.id) lanes_.erase(it);
}

void TlsTransport::lane_due(Conn& conn, Timestamp now) {
  const Timestamp end = conn.lane->used + kPacketStreamIdle;
  if (end <= now) return shut(conn, CloseMode::flush);
  timers_.set(conn.id, end);
}

void TlsTransport::on_packet(const Endpoint& from, BytesView packet) {
  if (options_.has_key()) return events_->on_packet(from, packet);
  complain(from, false, TlsReject::clear_packet, "its packet is outside of TLS, and there is no gossip key that could have sealed it");
}

}  // namespace plumvine::tls
