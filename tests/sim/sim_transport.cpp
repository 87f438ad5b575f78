#include "sim_transport.hpp"

#include <utility>

#include <plumtree/wire.hpp>

namespace plumvine::sim {

namespace {
constexpr int kReadsPerTurn = 16;  // of one stream, so that a fast one does not starve others
}

void SimTransport::send_packet(const Endpoint& to, Bytes packet) {
  stats_.udp_sent_bytes += packet.size();
  network_.send_packet(host_, to, packet);
}

void SimTransport::dial(ConnId conn, const Endpoint& to) {
  known_.insert(conn);
  network_.dial(host_, conn, to);
}

std::size_t SimTransport::write(ConnId conn, std::span<const Bytes> batch) {
  if (const auto it = meddled_.find(conn); it != meddled_.end() && !write_rest(conn, it->second)) return 0;
  const std::size_t n = network_.write(host_, conn, batch);
  stats_.tcp_sent_bytes += n;
  if (reads_) {
    std::size_t wanted = 0;
    for (const Bytes& bytes : batch) wanted += bytes.size();
    Meddled& stream = meddled_[conn];
    if (!std::exchange(stream.begun, true) && !batch.empty() && !batch[0].empty() && batch[0].data()[0] == wire::kLinkMagic) stream.link = true;
    stream.whole = n == wanted;
  }
  return n;
}

void SimTransport::write_batch(ConnId conn, std::span<const Bytes> batch) {
  for (const Bytes& bytes : batch) stats_.quic.sent_bytes += bytes.size();
  ++stats_.quic.batches_sent;
  network_.write_batch(host_, conn, batch);
}

std::size_t SimTransport::interject(const Bytes& frame) {
  std::size_t links = 0;
  for (auto& [conn, stream] : meddled_) {
    if (!stream.link || !stream.begun || !stream.whole || !stream.rest.empty() || !known_.contains(conn)) continue;
    stream.rest = frame;
    (void)write_rest(conn, stream);
    ++links;
  }
  return links;
}

bool SimTransport::write_rest(ConnId conn, Meddled& stream) {
  if (!stream.rest.empty()) stream.rest = stream.rest.slice(network_.write(host_, conn, std::span{&stream.rest, 1}));
  return stream.rest.empty();
}

void SimTransport::close(ConnId conn, CloseMode mode) {
  known_.erase(conn);
  paused_.erase(conn);
  meddled_.erase(conn);
  held_.erase(conn);
  network_.close(host_, conn, mode);
}

void SimTransport::pause_reading(ConnId conn, bool paused) {
  if (!known_.contains(conn)) return;
  if (paused) {
    paused_.insert(conn);
  } else if (paused_.erase(conn) > 0) {
    readable(conn);
    for (Item& item : std::exchange(held_[conn], {})) ready_.push_back(std::move(item));
    held_.erase(conn);
  }
}

void SimTransport::resolve(const HostPort& name) {
  Item item{.what = Ready::resolved};
  item.name = name;
  ready_.push_back(std::move(item));
  wake_();
}

void SimTransport::packet_arrived(const Endpoint& from, const Bytes& packet) {
  if (packet_bytes_ + packet.size() > network_.limits().packet_buffer) return;
  packet_bytes_ += packet.size();
  packets_.emplace_back(from, packet);
  wake_();
}

ConnId SimTransport::accepted(const Endpoint& from) {
  const ConnId conn{next_accepted_ += 2};
  unaccepted_.insert(conn);
  ready_.push_back({.what = Ready::accepted, .conn = conn, .from = from});
  wake_();
  return conn;
}

void SimTransport::readable(ConnId conn) {
  if (read_posted_.insert(conn)) post(Ready::readable, conn);
}

void SimTransport::batch_arrived(ConnId conn, Bytes batch) {
  Item item{.what = Ready::batch, .conn = conn};
  item.batch = std::move(batch);
  ready_.push_back(std::move(item));
  wake_();
}

void SimTransport::refused(ConnId conn, const Error& why) {
  Item item{.what = Ready::refused, .conn = conn};
  item.why = why;
  ready_.push_back(std::move(item));
  wake_();
}

bool SimTransport::poll(TransportEvents& process, std::size_t budget) {
  for (; budget > 0 && !packets_.empty(); --budget) {
    const auto [from, packet] = std::move(packets_.front());
    packets_.pop_front();
    packet_bytes_ -= packet.size();
    stats_.udp_received_bytes += packet.size();
    process.on_packet(from, packet.view());
  }
  // Streams that become readable again inside this turn wait for the next one.
  for (std::size_t n = ready_.size(); n > 0 && budget > 0; --n, --budget) {
    const Item item = std::move(ready_.front());
    ready_.pop_front();
    switch (item.what) {
      case Ready::accepted:
        unaccepted_.erase(item.conn);
        known_.insert(item.conn);
        process.on_accepted(item.conn, item.from);
        break;
      case Ready::connected:
        if (known_.contains(item.conn)) process.on_connected(item.conn);
        break;
      case Ready::readable:
        read_posted_.erase(item.conn);
        read_stream(item.conn, process);
        break;
      case Ready::writable:
        if (const auto it = meddled_.find(item.conn); it != meddled_.end() && !write_rest(item.conn, it->second)) break;
        if (known_.contains(item.conn)) process.on_writable(item.conn);
        break;
      case Ready::batch:
        read_batch(item, process);
        break;
      case Ready::refused:
        if (known_.erase(item.conn) > 0) process.on_closed(item.conn, item.why);
        break;
      case Ready::resolved: {
        std::vector<Endpoint> found;
        if (auto it = names_.find(item.name.host); it != names_.end()) {
          found.push_back(it->second);
          if (item.name.has_port) found.back().port = item.name.port;
        } else {
          const std::string port = std::to_string(item.name.has_port ? item.name.port : 7946);
          if (auto literal = Endpoint::parse(item.name.host + ":" + port)) found.push_back(*literal);
        }
        process.on_resolved(item.name, found);
        break;
      }
    }
  }
  return !idle();
}

/// What of the stream was here before it is read before it.
void SimTransport::read_batch(Item item, TransportEvents& process) {
  if (network_.unread(host_, item.conn) > 0) read_stream(item.conn, process);
  if (!known_.contains(item.conn)) return;
  if (paused_.contains(item.conn)) return held_[item.conn].push_back(std::move(item));
  if (network_.unread(host_, item.conn) > 0) {
    ready_.push_back(std::move(item));
    return wake_();
  }
  ++stats_.quic.batches_received;
  stats_.quic.received_bytes += item.batch.size();
  process.on_batch(item.conn, std::move(item.batch));
}

void SimTransport::read_stream(ConnId conn, TransportEvents& process) {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (!known_.contains(conn) || paused_.contains(conn)) return;
    if (network_.unread(host_, conn) == 0) {
      const auto end = network_.end_of(host_, conn);
      if (end == SimNetwork::StreamEnd::open) return;
      close(conn, CloseMode::flush);
      const bool reset = end == SimNetwork::StreamEnd::reset;
      process.on_closed(conn, reset ? Error{Errc::system, "connection reset"} : Error{Errc::system, "end of stream"});
      return;
    }
    const std::span<std::byte> into = process.read_buffer(conn);
    const std::size_t n = network_.read(host_, conn, into);
    stats_.tcp_received_bytes += n;
    if (reads_ && n > 0) {
      Meddled& stream = meddled_[conn];
      if (into[0] == wire::kLinkMagic && !stream.begun) stream.link = true;
      if (stream.link) reads_(conn, into.first(n));
    }
    process.on_read(conn, n);
  }
  if (known_.contains(conn)) readable(conn);
}

}  // namespace plumvine::sim
