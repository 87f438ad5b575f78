#pragma once

#include <sys/socket.h>

#include <array>
#include <functional>
#include <memory>

#include <plumvine/bytes.hpp>
#include <plumvine/stats.hpp>

#include "handle.hpp"
#include "loop.hpp"
#include "socket.hpp"

namespace plumvine::uv {

/// Packets on one bound, non-blocking socket under `uv_poll_t`.
///
/// Receives in batches (recvmmsg), a bounded number per loop turn; the rest waits in the kernel for the next turn.
/// Sends at once; a packet that the system refuses is dropped and counted (SWIM repeats itself).
class UdpSocket {
 public:
  using OnPacket = std::function<void(const Endpoint&, BytesView)>;

  /// `meter`, if there is one, gets the time that batches take.
  UdpSocket(uv_loop_t* loop, Fd fd, TransportStats& stats, OnPacket on_packet, std::shared_ptr<Turns> meter = {});
  ~UdpSocket();
  /// False with the system's error when the loop cannot watch the socket.
  Status start();
  void send(const Endpoint& to, BytesView packet);

 private:
  static constexpr unsigned kBatch = 32;
  static constexpr unsigned kBatchesPerTurn = 4;
  static constexpr std::size_t kPacketMax = 65536;
  struct Buffers;

  void readable();
  bool receive_batch();

  uv_loop_t* loop_;
  Fd fd_;
  int family_ = AF_INET6;
  Handle<uv_poll_t> poll_;
  TransportStats& stats_;
  OnPacket on_packet_;
  std::shared_ptr<Turns> meter_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace plumvine::uv
