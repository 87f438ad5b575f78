#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <span>
#include <unordered_map>

#include <plumvine/stats.hpp>

#include "loop.hpp"
#include "socket.hpp"
#include "transport/transport.hpp"

namespace plumvine::uv {

/// Stream connections on own non-blocking sockets under `uv_poll_t`, so that a write takes many buffers without
/// holding a reference and a read goes straight into the driver's buffer.
///
/// Work per turn is bounded: so many accepted connections, so many bytes read per connection. Out of descriptors
/// the listener refuses the waiting connection with a descriptor kept for that, and never spins.
class TcpStreams {
 public:
  TcpStreams(UvLoop& loop, Fd listener, TransportStats& stats);
  ~TcpStreams();
  TcpStreams(const TcpStreams&) = delete;
  TcpStreams& operator=(const TcpStreams&) = delete;

  using Admit = std::function<bool(const Endpoint& from)>;
  void admit(Admit admit) { admit_ = std::move(admit); }
  void bind(TransportEvents* events) noexcept { events_ = events; }
  Status start();

  void dial(ConnId id, const Endpoint& to);
  std::size_t write(ConnId id, std::span<const Bytes> batch);
  void close(ConnId id, CloseMode mode);
  void pause_reading(ConnId id, bool paused);

 private:
  struct Stream;
  struct Lingering;

  void accept_some();
  void listen_again();
  /// Out of descriptors: takes one connection off the queue and refuses it. False: not even that is possible.
  bool refuse_one();
  void adopt(Fd fd, const Endpoint& from);
  Stream* find(ConnId id);
  Status watch(Stream& stream);
  void update(Stream& stream);
  void ready(Stream& stream, int status, int events);
  void connected(Stream& stream);
  void read_some(Stream& stream);
  void fail(ConnId id, Error why);
  void fail_soon(Stream& stream, Error why);
  void linger(Fd fd);

  UvLoop& loop_;
  TransportEvents* events_ = nullptr;
  Admit admit_;
  TransportStats& stats_;
  Fd listener_;
  Fd spare_;  ///< given up for a moment when descriptors run out
  Handle<uv_poll_t> listen_poll_;
  Handle<uv_timer_t> listen_pause_;
  std::unordered_map<ConnId, std::unique_ptr<Stream>> streams_;
  std::unordered_map<int, std::unique_ptr<Lingering>> lingering_;
  std::uint64_t next_accepted_ = 2;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace plumvine::uv
