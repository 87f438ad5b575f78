#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "transport/loop.hpp"
#include "transport/transport.hpp"

namespace plumvine::test {

class MemoryNet;

/// One direction of a stream in memory.
struct MemoryPipe {
  std::vector<std::byte> arrived;    ///< at the receiver, not read yet
  std::size_t in_flight = 0;
  bool wants_room = false;           ///< the writer was refused something
  bool ended = false;                ///< the writer closed; what arrived is still read
  std::uint64_t arrived_ever = 0;
  std::size_t batches = 0;           ///< on their way beside the stream
  bool wants_arrived = false;        ///< the writer is told when there are none
};

/// A stream between two hosts. `ends[0]` dialled.
struct MemoryStream {
  struct End {
    class MemoryHost* host = nullptr;
    ConnId id{};
    bool open = false;
    MemoryPipe in;
  };
  End ends[2];
};

/// Loop and transport of one node in a `MemoryNet`.
class MemoryHost final : public Loop, public Transport {
 public:
  MemoryHost(MemoryNet& net, Endpoint address) : net_(net), address_(address) {}

  /// Who gets the events. Before any of them.
  template <class Events>
  void attach(Events& events) {
    loop_events_ = &events;
    transport_events_ = &events;
  }
  [[nodiscard]] const Endpoint& address() const { return address_; }

  Timestamp now() override;
  std::int64_t wall_us() override;
  void arm(Timestamp deadline) override;
  void defer() override;

  void send_packet(const Endpoint& to, Bytes packet) override;
  void dial(ConnId conn, const Endpoint& to) override;
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override;
  std::optional<std::size_t> batch_room(ConnId conn, std::uint64_t after) override;
  void write_batch(ConnId conn, std::span<const Bytes> batch) override;
  bool batches_arrived(ConnId conn) override;
  void close(ConnId conn, CloseMode mode) override;
  void pause_reading(ConnId conn, bool paused) override;
  void resolve(const HostPort& name) override;
  const TransportStats& stats() const override { return stats_; }

  /// While stalled, nothing is read from streams.
  void stall(bool stalled);
  /// As a stopped process: nothing runs, what happens meanwhile is noticed at the end of it.
  void freeze(bool frozen);
  std::int64_t wall_offset_us = 0;
  /// Largest batch that was written at once.
  std::size_t pieces_max = 0;
  /// Bytes that one direction holds before the writer is refused.
  std::size_t window = 64 * 1024;

 private:
  friend class MemoryNet;
  void pump(ConnId id);
  void event(std::function<void()> work) {
    if (!alive_) return;
    if (frozen_) {
      postponed_.push_back(std::move(work));
    } else {
      work();
    }
  }
  void drop_all(bool tell);

  MemoryNet& net_;
  Endpoint address_;
  LoopEvents* loop_events_ = nullptr;
  TransportEvents* transport_events_ = nullptr;
  TransportStats stats_;
  std::map<ConnId, std::pair<std::shared_ptr<MemoryStream>, int>> streams_;
  std::set<ConnId> paused_;
  std::uint64_t next_accepted_ = 2;
  std::uint64_t timer_ = 0;
  bool deferred_ = false;
  bool stalled_ = false;
  bool alive_ = true;
  bool frozen_ = false;
  std::vector<std::function<void()>> postponed_;
};

/// Virtual time and a network in memory: constant latency, streams with a window, dead hosts, cut pairs. Repeatable.
class MemoryNet {
 public:
  /// A new host; it takes the place of a dead one at the same address.
  MemoryHost& add_host(const std::string& address) {
    const Endpoint endpoint = *Endpoint::parse(address);
    std::unique_ptr<MemoryHost>& host = hosts_[endpoint];
    if (host) former_.push_back(std::move(host));
    host = std::make_unique<MemoryHost>(*this, endpoint);
    return *host;
  }
  /// The host vanishes; with `reset`, its streams are reset, else others only stop to hear from it.
  void kill(MemoryHost& host, bool reset = true) {
    host.alive_ = false;
    host.drop_all(reset);
  }
  /// Packets, dials and stream bytes between hosts for which it is true are lost or held back.
  std::function<bool(const Endpoint&, const Endpoint&)> blocked = [](const Endpoint&, const Endpoint&) { return false; };
  /// Packets alone.
  std::function<bool(const Endpoint&, const Endpoint&)> packets_blocked = [](const Endpoint&, const Endpoint&) { return false; };

  [[nodiscard]] Timestamp now() const { return now_; }
  void run_for(Duration duration) {
    const Timestamp until = now_ + duration;
    while (!queue_.empty() && queue_.begin()->first.first <= until) step();
    now_ = until;
  }
  /// Runs until `done`, at most `limit`; returns `done()`.
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const Timestamp until = now_ + limit;
    while (!done()) {
      if (queue_.empty() || queue_.begin()->first.first > until) {
        now_ = until;
        return done();
      }
      step();
    }
    return true;
  }
  void at(Timestamp when, std::function<void()> work) {
    queue_.emplace(std::pair{std::max(when, now_), ++counter_}, std::move(work));
  }
  void after(Duration delay, std::function<void()> work) { at(now_ + delay, std::move(work)); }

  Duration latency = std::chrono::milliseconds{1};
  /// How much later than bytes on a stream the next batch comes. Null: connections take no batches.
  std::function<Duration()> batch_delay = {};
  std::uint64_t batches = 0;  ///< that were written
  std::int64_t wall_base_us = 1'700'000'000'000'000;

 private:
  friend class MemoryHost;
  void step() {
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().first;
    node.mapped()();
  }
  MemoryHost* find(const Endpoint& endpoint) {
    const auto it = hosts_.find(endpoint);
    return it == hosts_.end() || !it->second->alive_ ? nullptr : it->second.get();
  }

  Timestamp now_{1'000'000'000};
  std::uint64_t counter_ = 0;
  std::map<std::pair<Timestamp, std::uint64_t>, std::function<void()>> queue_;
  std::map<Endpoint, std::unique_ptr<MemoryHost>> hosts_;
  std::vector<std::unique_ptr<MemoryHost>> former_;  ///< events may still name them
};

inline Timestamp MemoryHost::now() { return net_.now_; }
inline std::int64_t MemoryHost::wall_us() { return net_.wall_base_us + net_.now_.ns / 1000 + wall_offset_us; }

inline void MemoryHost::arm(Timestamp deadline) {
  const std::uint64_t number = ++timer_;
  if (deadline == kNever) return;
  net_.at(deadline, [this, number] {
    event([this, number] {
      if (timer_ == number) loop_events_->on_timer();
    });
  });
}

inline void MemoryHost::defer() {
  if (std::exchange(deferred_, true)) return;
  net_.after(Duration{0}, [this] {
    event([this] {
      deferred_ = false;
      loop_events_->on_deferred();
    });
  });
}

inline void MemoryHost::send_packet(const Endpoint& to, Bytes packet) {
  stats_.udp_sent_bytes += packet.size();
  net_.after(net_.latency, [this, to, packet] {
    MemoryHost* host = net_.find(to);
    if (!host || net_.blocked(address_, to) || net_.packets_blocked(address_, to)) return;
    host->event([host, from = address_, packet] { host->transport_events_->on_packet(from, packet.view()); });
  });
}

inline void MemoryHost::dial(ConnId conn, const Endpoint& to) {
  auto stream = std::make_shared<MemoryStream>();
  stream->ends[0].host = this;
  stream->ends[0].id = conn;
  stream->ends[0].open = true;
  streams_[conn] = {stream, 0};
  net_.after(net_.latency, [this, conn, to, stream] {
    if (!alive_ || !stream->ends[0].open || net_.blocked(address_, to)) return;
    MemoryHost* host = net_.find(to);
    if (!host) {
      net_.after(net_.latency, [this, conn, stream] {
        event([this, conn, stream] {
          if (!std::exchange(stream->ends[0].open, false)) return;
          streams_.erase(conn);
          transport_events_->on_closed(conn, {Errc::system, "connection refused"});
        });
      });
      return;
    }
    const ConnId accepted{host->next_accepted_};
    host->next_accepted_ += 2;
    stream->ends[1].host = host;
    stream->ends[1].id = accepted;
    stream->ends[1].open = true;
    host->streams_[accepted] = {stream, 1};
    host->event([host, stream, accepted, from = address_] {
      if (!stream->ends[1].open) return;
      host->transport_events_->on_accepted(accepted, from);
      host->pump(accepted);
    });
    net_.after(net_.latency, [this, conn, stream] {
      event([this, conn, stream] {
        if (stream->ends[0].open) transport_events_->on_connected(conn);
      });
    });
  });
}

inline std::size_t MemoryHost::write(ConnId conn, std::span<const Bytes> batch) {
  pieces_max = std::max(pieces_max, batch.size());
  const auto it = streams_.find(conn);
  if (it == streams_.end()) return 0;
  auto [stream, side] = it->second;
  MemoryStream::End& far = stream->ends[1 - side];
  const std::size_t used = far.in.arrived.size() + far.in.in_flight;
  std::size_t room = used < window ? window - used : 0;
  std::vector<std::byte> taken;
  std::size_t offered = 0;
  for (const Bytes& piece : batch) {
    offered += piece.size();
    const std::size_t n = std::min(room, piece.size());
    taken.insert(taken.end(), piece.data(), piece.data() + n);
    room -= n;
  }
  if (taken.size() < offered) far.in.wants_room = true;
  const std::size_t accepted = taken.size();
  stats_.tcp_sent_bytes += accepted;
  far.in.in_flight += accepted;
  if (accepted == 0) return 0;
  net_.after(net_.latency, [stream = stream, side = side, taken = std::move(taken)] {
    MemoryStream::End& end = stream->ends[1 - side];
    end.in.in_flight -= taken.size();
    end.in.arrived_ever += taken.size();
    if (!end.open || !end.host->alive_) return;
    end.in.arrived.insert(end.in.arrived.end(), taken.begin(), taken.end());
    end.host->pump(end.id);
  });
  return accepted;
}

inline std::optional<std::size_t> MemoryHost::batch_room(ConnId conn, std::uint64_t after) {
  const auto it = streams_.find(conn);
  if (!net_.batch_delay || it == streams_.end()) return std::nullopt;
  const MemoryPipe& pipe = it->second.first->ends[1 - it->second.second].in;
  return pipe.arrived_ever < after ? std::nullopt : std::optional{std::size_t{160} * 1024};
}

inline void MemoryHost::write_batch(ConnId conn, std::span<const Bytes> batch) {
  const auto it = streams_.find(conn);
  if (it == streams_.end()) return;
  auto [stream, side] = it->second;
  std::string joined;
  for (const Bytes& piece : batch) joined += piece.text();
  ++net_.batches;
  ++stream->ends[1 - side].in.batches;
  net_.after(net_.latency + (net_.batch_delay ? net_.batch_delay() : Duration{0}), [stream = stream, side = side, whole = Bytes::copy_of(joined)] {
    MemoryStream::End& end = stream->ends[1 - side];
    --end.in.batches;
    if (!end.open || !end.host->alive_) return;
    end.host->event([stream, side, whole] {
      MemoryStream::End& reader = stream->ends[1 - side];
      if (reader.open) reader.host->transport_events_->on_batch(reader.id, whole);
    });
    MemoryStream::End& writer = stream->ends[side];
    if (end.in.batches > 0 || !std::exchange(end.in.wants_arrived, false) || !writer.open) return;
    writer.host->event([stream, side] {
      MemoryStream::End& one = stream->ends[side];
      if (one.open) one.host->transport_events_->on_writable(one.id);
    });
  });
}

inline bool MemoryHost::batches_arrived(ConnId conn) {
  const auto it = streams_.find(conn);
  if (it == streams_.end()) return true;
  MemoryPipe& pipe = it->second.first->ends[1 - it->second.second].in;
  pipe.wants_arrived = pipe.batches > 0;
  return pipe.batches == 0;
}

/// Hands arrived bytes to the reader, and room to the writer.
inline void MemoryHost::pump(ConnId id) {
  for (;;) {
    const auto it = streams_.find(id);
    if (it == streams_.end() || stalled_ || frozen_ || paused_.contains(id)) return;
    auto [stream, side] = it->second;
    MemoryStream::End& near = stream->ends[side];
    MemoryStream::End& far = stream->ends[1 - side];
    if (far.host && net_.blocked(address_, far.host->address_)) {
      net_.after(std::chrono::milliseconds{200}, [this, id] { pump(id); });
      return;
    }
    if (near.in.arrived.empty()) {
      if (!near.in.ended || near.in.in_flight != 0) return;
      near.open = false;
      streams_.erase(it);
      transport_events_->on_closed(id, {Errc::system, "end of stream"});
      return;
    }
    const std::span<std::byte> space = transport_events_->read_buffer(id);
    const std::size_t n = std::min(space.size(), near.in.arrived.size());
    std::memcpy(space.data(), near.in.arrived.data(), n);
    near.in.arrived.erase(near.in.arrived.begin(), near.in.arrived.begin() + static_cast<std::ptrdiff_t>(n));
    stats_.tcp_received_bytes += n;
    if (std::exchange(near.in.wants_room, false)) {
      net_.after(net_.latency, [stream = stream, side = side] {
        MemoryStream::End& writer = stream->ends[1 - side];
        if (!writer.open) return;
        writer.host->event([stream, side] {
          MemoryStream::End& end = stream->ends[1 - side];
          if (end.open) end.host->transport_events_->on_writable(end.id);
        });
      });
    }
    transport_events_->on_read(id, n);
  }
}

inline void MemoryHost::close(ConnId conn, CloseMode mode) {
  const auto it = streams_.find(conn);
  if (it == streams_.end()) return;
  auto [stream, side] = it->second;
  streams_.erase(it);
  paused_.erase(conn);
  stream->ends[side].open = false;
  net_.after(net_.latency, [stream = stream, side = side, mode] {
    MemoryStream::End& far = stream->ends[1 - side];
    if (!far.open || !far.host->alive_) return;
    far.in.ended = true;
    if (mode == CloseMode::abort) {
      far.host->event([stream, side] {
        MemoryStream::End& end = stream->ends[1 - side];
        if (!std::exchange(end.open, false)) return;
        end.host->streams_.erase(end.id);
        end.host->transport_events_->on_closed(end.id, {Errc::system, "connection reset"});
      });
    } else {
      far.host->pump(far.id);
    }
  });
}

inline void MemoryHost::pause_reading(ConnId conn, bool paused) {
  if (paused) {
    paused_.insert(conn);
  } else if (paused_.erase(conn) != 0) {
    net_.after(Duration{0}, [this, conn] { pump(conn); });
  }
}

inline void MemoryHost::resolve(const HostPort& name) {
  net_.after(net_.latency, [this, name] {
    std::vector<Endpoint> endpoints;
    if (auto endpoint = Endpoint::parse(name.to_string())) endpoints.push_back(*endpoint);
    event([this, name, endpoints] { transport_events_->on_resolved(name, endpoints); });
  });
}

inline void MemoryHost::stall(bool stalled) {
  stalled_ = stalled;
  if (stalled) return;
  for (const auto& entry : streams_) net_.after(Duration{0}, [this, id = entry.first] { pump(id); });
}

inline void MemoryHost::freeze(bool frozen) {
  frozen_ = frozen;
  if (frozen) return;
  for (auto& work : std::exchange(postponed_, {})) net_.after(Duration{0}, [this, work = std::move(work)] { event(work); });
  stall(stalled_);
}

inline void MemoryHost::drop_all(bool tell) {
  std::vector<ConnId> ids;
  for (const auto& entry : streams_) ids.push_back(entry.first);
  for (ConnId id : ids) {
    if (tell) {
      close(id, CloseMode::abort);
    } else {
      auto [stream, side] = streams_[id];
      stream->ends[side].open = false;
      streams_.erase(id);
    }
  }
}

}  // namespace plumvine::test
