#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/timer_queue.hpp>
#include <plumvine/stats.hpp>

#include "session.hpp"
#include "transport/log_limiter.hpp"
#include "transport/transport.hpp"
#include "trust.hpp"

namespace plumvine::tls {

/// What the filter needs of the node that it works in.
struct TransportHost {
  std::function<Timestamp()> now;
  /// Calls `TlsTransport::due` at this time, in place of an earlier wish; kNever: not at all.
  std::function<void(Timestamp)> wake_at;
  /// Runs a task in a later turn.
  std::function<void(std::function<void()>)> soon;
  LogSink log;
  LogLevel log_level = LogLevel::info;
  /// Who is connected by other ways must be judged anew; may be empty.
  std::function<void()> trust_changed = {};
};

struct TransportOptions {
  Duration handshake_timeout;
  std::size_t half_open_max = 256;
  /// Where our own port is: who opens a stream for packets tells it, so that these come from there.
  std::uint16_t port = 0;
  /// What we send in packets is sealed by a gossip key: then it goes in packets, else inside TLS.
  std::function<bool()> seals;
  /// There is a gossip key, so packets that come may be sealed.
  std::function<bool()> has_key;
};

/// TLS 1.3 for all streams of another transport, both ends with certificates, and for packets that nothing else seals.
///
/// Towards the driver it is a `Transport` whose connections appear when both ends have judged each other; towards the transport
/// below it is its events. Streams in clear are refused. Packets travel below as they are where a gossip key seals them;
/// else in streams of their own, one for each address, kept for a while: a packet that finds no room there is dropped, as
/// packets are. A packet in clear that comes from below is dropped where there is no key, and marked as to be sealed where there is.
///
/// Bounds: one output buffer of about 80 KiB a connection, `kPacketStreamsMax` streams for packets with `kLaneMax` bytes
/// each, `kTicketsMax` tickets. One thread.
class TlsTransport final : public Transport, public TransportEvents {
 public:
  static constexpr std::size_t kPacketStreamsMax = 512;
  static constexpr std::size_t kLaneMax = std::size_t{64} * 1024;
  static constexpr std::size_t kTicketsMax = 1024;
  static constexpr Duration kPacketStreamIdle = std::chrono::seconds{60};

  TlsTransport(Transport& below, std::shared_ptr<const Credentials> credentials, TransportOptions options, TransportHost host);
  ~TlsTransport() override;

  /// Who is told, before anything happens.
  void bind(TransportEvents* events) noexcept { events_ = events; }
  /// New connections use these; those that stand go on. CAs that these do not include are good for `overlap` yet, then who
  /// is connected by them only is cut off.
  void replace(std::shared_ptr<const Credentials> credentials, Duration overlap);
  [[nodiscard]] const Trust& trust() const noexcept { return trust_; }
  void due();

  // Transport
  void send_packet(const Endpoint& to, Bytes packet) override;
  void dial(ConnId conn, const Endpoint& to) override;
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override;
  void close(ConnId conn, CloseMode mode) override;
  void pause_reading(ConnId conn, bool paused) override;
  void resolve(const HostPort& name) override { below_.resolve(name); }
  const TransportStats& stats() const override;

  // TransportEvents, from below
  void on_packet(const Endpoint& from, BytesView packet) override;
  void on_connected(ConnId conn) override;
  void on_accepted(ConnId conn, const Endpoint& from) override;
  std::span<std::byte> read_buffer(ConnId conn) override;
  void on_read(ConnId conn, std::size_t bytes) override;
  void on_writable(ConnId conn) override;
  void on_closed(ConnId conn, const Error& why) override;
  void on_resolved(const HostPort& name, const std::vector<Endpoint>& endpoints) override { events_->on_resolved(name, endpoints); }

 private:
  /// Packets over one connection, both ways.
  struct Lane {
    Endpoint peer;                 ///< whose packets they are; port 0: not told yet
    std::deque<Bytes> waiting;     ///< for the handshake, or for room
    std::size_t waiting_bytes = 0;
    std::vector<std::byte> in;     ///< the beginning of a packet
    Timestamp used;
  };
  struct Conn {
    ConnId id{};
    Endpoint remote;
    bool dialled = false;
    bool up = false;               ///< the driver knows it, or it is a lane
    bool gone = false;
    bool closing = false;          ///< for the driver it is closed; the rest goes out
    bool paused = false;
    bool wants_room = false;       ///< the driver waits for `on_writable`
    std::unique_ptr<Session> session;
    Bytes pending;                 ///< ciphertext that below had no room for
    std::unique_ptr<Lane> lane;
  };
  using ConnPtr = std::shared_ptr<Conn>;

  // tls_transport.cpp
  [[nodiscard]] ConnPtr find(ConnId id) const;
  Conn& open(ConnId id, const Endpoint& remote, bool dialled);
  void drop(Conn& conn);
  void begin_session(Conn& conn, Role role);
  void pump(const ConnPtr& conn);
  void settled(Conn& conn);
  void remember_ticket(Conn& conn);
  void deliver(const ConnPtr& conn);
  void finish(Conn& conn, const Error& why);
  void failed(Conn& conn);
  void refuse(Conn& conn, TlsReject why, const std::string& text);
  void flush_sink(Conn& conn);
  bool flush_pending(Conn& conn);
  void shut(Conn& conn, CloseMode mode);
  void judge_all();
  void arm();
  [[nodiscard]] std::size_t half_open() const;
  bool drop_silent();
  void complain(const Endpoint& who, bool dialled, TlsReject why, const std::string& text);

  // packets.cpp
  Lane* lane_to(const Endpoint& to);
  void make_room();
  void put(Conn& conn, const Bytes& packet);
  void lane_up(Conn& conn);
  void lane_read(const ConnPtr& conn);
  void flush_lane(Conn& conn);
  void lane_lost(Conn& conn);
  void lane_due(Conn& conn, Timestamp now);

  Transport& below_;
  TransportEvents* events_ = nullptr;
  Trust trust_;
  TransportOptions options_;
  TransportHost host_;
  LogLimiter log_;
  TicketKey ticket_key_;
  Sink sink_;                                    ///< empty whenever somebody else is called
  std::shared_ptr<std::byte[]> scratch_;
  std::unordered_map<ConnId, ConnPtr> conns_;
  std::map<Endpoint, ConnId> lanes_;             ///< the connection that takes packets for an address
  std::map<Endpoint, Bytes> tickets_;
  TimerQueue<ConnId> timers_;
  std::uint64_t next_lane_ = (std::uint64_t{1} << 63) | 1;
  mutable TransportStats stats_;
  TlsStats counts_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace plumvine::tls
