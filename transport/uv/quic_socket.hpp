#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <plumvine/stats.hpp>
#include <vector>

#include "loop.hpp"
#include "socket.hpp"
#include "transport/quic/path.hpp"

namespace plumvine::uv {

/// The UDP port of QUIC and its timer. Tells each packet's local address and ECN bits, sends from a chosen address with
/// chosen bits, lets the kernel cut bursts into packets and put arrived ones together where it can (GSO, GRO), and
/// never fragments. The timer is exact to less than a millisecond, since packets are paced. Loop thread only.
class QuicSocket final : public quic::PacketSink {
 public:
  struct Events {
    std::function<void(const quic::Path&, quic::Ecn, BytesView)> packet;
    std::function<void()> batch_end;  ///< after the packets of one turn
    std::function<void()> room;       ///< after `send` said that there is none
    std::function<void()> due;
    std::function<void(const Endpoint&)> refused;     ///< nobody listens there, as its host says
    std::function<void(const Endpoint&)> local_gone;  ///< an address of ours cannot be sent from any more
  };

  QuicSocket(UvLoop& loop, Fd fd, Events events);
  ~QuicSocket() override;
  QuicSocket(const QuicSocket&) = delete;
  QuicSocket& operator=(const QuicSocket&) = delete;

  Status start();
  [[nodiscard]] const Endpoint& address() const noexcept { return address_; }
  /// Where packets to `to` go from, by the routes of the system; nothing where there is no way.
  [[nodiscard]] std::optional<Endpoint> local_for(const Endpoint& to) const;
  bool send(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment) override;
  void wake_at(Timestamp deadline);
  [[nodiscard]] std::uint64_t send_errors() const noexcept { return send_errors_; }
  /// The kernel cuts bursts. Tests turn it off to see that it goes without.
  void use_gso(bool on) noexcept { gso_ = on; }
  [[nodiscard]] bool gso() const noexcept { return gso_; }

 private:
  static constexpr unsigned kBatch = 16;
  static constexpr unsigned kBatchesPerTurn = 4;
  static constexpr std::size_t kReceiveMax = 65536;
  struct Burst {
    quic::Path path;
    quic::Ecn ecn;
    std::vector<std::byte> bytes;
    std::size_t segment;
  };
  struct Buffers;

  void ready(int events);
  void readable();
  bool receive_batch();
  void read_errors();
  void watch();
  /// Sends what fits from the front of `packets`; what is left. Errors count as sent: they are lost.
  BytesView send_some(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment);
  int send_one(const quic::Path& path, quic::Ecn ecn, BytesView packets, std::size_t segment, bool pinned);
  void flush_waiting();

  UvLoop& loop_;
  Fd fd_;
  Fd timer_;
  int family_;
  Endpoint address_;
  Events events_;
  Handle<uv_poll_t> poll_;
  Handle<uv_poll_t> timer_poll_;
  std::unique_ptr<Buffers> buffers_;
  std::deque<Burst> waiting_;  ///< what the kernel had no room for: `send` has said so, so few come
  bool gso_ = true;
  std::uint64_t send_errors_ = 0;
  Timestamp armed_ = kNever;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace plumvine::uv
