#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <plumvine/config.hpp>
#include <plumvine/detail/timer_queue.hpp>
#include <plumvine/stats.hpp>
#include <string>
#include <vector>

#include "endpoint.hpp"
#include "transport/log_limiter.hpp"
#include "transport/transport.hpp"

namespace plumvine::quic {

/// What the transport needs of the node that it works in.
struct TransportHost {
  std::function<Timestamp()> now;
  /// Calls `QuicTransport::due` at this time, in place of an earlier wish; kNever: not at all.
  std::function<void(Timestamp)> wake_at;
  /// Runs a task in a later turn.
  std::function<void(std::function<void()>)> soon;
  /// Which address of ours packets to there go from, with the port of QUIC; nothing where there is no way.
  std::function<std::optional<Endpoint>(const Endpoint& to)> local_for;
  /// What `QuicTransport::known` tells has changed; may be empty.
  std::function<void()> tickets_changed = {};
  /// Packets that the system did not take, so far.
  std::function<std::uint64_t()> send_errors;
  LogSink log;
  LogLevel log_level = LogLevel::info;
};

struct TransportOptions {
  /// Where our packets of membership come from, for those inside of connections.
  std::uint16_t packet_port = 0;
  /// What we send in packets is sealed by a gossip key, and needs no connection.
  std::function<bool()> seals;
  /// Whether a connection from there is taken, as of `Driver::admits`; without it all are.
  std::function<bool(const Endpoint& from, bool proved)> admits = {};
  /// A dial goes on over TCP when nobody has answered for so long.
  Duration patience = std::chrono::seconds{2};
  EndpointOptions endpoint = {};
};

/// Links over QUIC; everything else over the transport below, which has TLS.
///
/// A link is dialled over QUIC first. If nobody answers there, the same dial goes on over TCP. If somebody does
/// there, that is said, and for `kTcpFirst` (doubling up to `kTcpLongest`) further dials to that address do so at once.
/// A certificate that is refused is no reason to try TCP: it would be refused there, too. Packets of membership that no
/// gossip key seals travel as datagrams inside of a link's connection, if there is one to their address and they fit;
/// else below. Bounds: those of `QuicEndpoint`; `kAvoidedMax` addresses remembered. One thread.
class QuicTransport final : public Transport, public TransportEvents, private EndpointEvents {
 public:
  static constexpr Duration kTcpFirst = std::chrono::seconds{10};
  static constexpr Duration kTcpLongest = std::chrono::minutes{10};
  static constexpr std::size_t kAvoidedMax = 1024;

  QuicTransport(Transport& below, Common common, std::function<std::shared_ptr<const tls::Credentials>()> credentials,
                PacketSink& sink, TransportOptions options, TransportHost host);
  ~QuicTransport() override;

  /// Who is told, before anything happens.
  void bind(TransportEvents* events) noexcept { events_ = events; }
  // From the socket.
  void receive(const Path& path, Ecn ecn, BytesView datagram) { endpoint_.receive(path, ecn, datagram, host_.now()); }
  /// All that came together was handed over.
  void received() { flush(); }
  void due();
  void sink_ready();
  /// Nobody listens at this address.
  void refused(const Endpoint& remote);
  /// Packets can no longer be sent from this address.
  void local_gone(const Endpoint& local);
  /// The certificates that are trusted have changed.
  void trust_changed();
  /// As of `QuicEndpoint`.
  [[nodiscard]] std::vector<KnownEnd> known() const { return endpoint_.known(); }
  void remember(std::vector<KnownEnd> ends) { endpoint_.remember(std::move(ends)); }

  // Transport
  void send_packet(const Endpoint& to, Bytes packet) override;
  void dial(ConnId conn, const Endpoint& to) override { below_.dial(conn, to); }
  void dial_link(ConnId conn, const Endpoint& to, std::uint16_t quic_port) override;
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override;
  std::optional<std::size_t> batch_room(ConnId conn, std::uint64_t after) override;
  void write_batch(ConnId conn, std::span<const Bytes> batch) override;
  bool batches_arrived(ConnId conn) override;
  void close(ConnId conn, CloseMode mode) override;
  void pause_reading(ConnId conn, bool paused) override;
  void resolve(const HostPort& name) override { below_.resolve(name); }
  const TransportStats& stats() const override;

  // TransportEvents, from below
  void on_packet(const Endpoint& from, BytesView packet) override { events_->on_packet(from, packet); }
  void on_connected(ConnId conn) override;
  void on_identified(ConnId conn, const std::vector<std::string>& names) override {
    events_->on_identified(conn, names);
  }
  void on_private_packet(const Endpoint& from, BytesView packet) override { events_->on_private_packet(from, packet); }
  void on_accepted(ConnId conn, const Endpoint& from) override { events_->on_accepted(conn, from); }
  std::span<std::byte> read_buffer(ConnId conn) override { return events_->read_buffer(conn); }
  void on_read(ConnId conn, std::size_t bytes) override { events_->on_read(conn, bytes); }
  void on_batch(ConnId conn, Bytes batch) override { events_->on_batch(conn, std::move(batch)); }
  void on_writable(ConnId conn) override { events_->on_writable(conn); }
  void on_closed(ConnId conn, const Error& why) override {
    falling_.erase(conn);
    events_->on_closed(conn, why);
  }
  void on_resolved(const HostPort& name, const std::vector<Endpoint>& endpoints) override {
    events_->on_resolved(name, endpoints);
  }

 private:
  /// A connection over QUIC that the driver knows, or waits for.
  struct Link {
    Endpoint member;   ///< as it was dialled; of an accepted one where its packets come from, once it has said so
    Endpoint address;  ///< the other end's of QUIC
    bool dialled = false;
    bool told = false;
  };
  /// A dial that goes on over TCP, and why.
  struct Falling {
    Endpoint address;
    std::string why;
  };
  struct Avoided {
    Timestamp until;
    Duration pause{0};
  };

  bool quic_admits(const Endpoint& from, bool proved) override {
    return !options_.admits || options_.admits(from, proved);
  }
  void quic_up(ConnId conn, const Endpoint& remote, bool dialled, const std::vector<std::string>& names) override;
  std::span<std::byte> quic_buffer(ConnId conn) override { return events_->read_buffer(conn); }
  void quic_read(ConnId conn, std::size_t bytes) override { events_->on_read(conn, bytes); }
  void quic_batch(ConnId conn, Bytes batch) override { events_->on_batch(conn, std::move(batch)); }
  void quic_writable(ConnId conn) override { events_->on_writable(conn); }
  void quic_datagram(ConnId conn, const Endpoint& remote, BytesView bytes) override;
  void quic_ended(ConnId conn, const Endpoint& remote, bool dialled, bool was_up, const Connection::End& why) override;
  void quic_pending() override;
  void quic_learnt() override {
    if (host_.tickets_changed) host_.tickets_changed();
  }

  void flush();
  void arm();
  void forget(ConnId conn);
  void avoid(const Endpoint& address);
  void fall_back(ConnId conn, const Link& link, const std::string& why);
  void complain(const Endpoint& who, bool dialled, const Connection::End& why);

  Transport& below_;
  TransportEvents* events_ = nullptr;
  TransportOptions options_;
  TransportHost host_;
  LogLimiter log_;
  QuicEndpoint endpoint_;
  std::map<ConnId, Link> links_;
  std::map<Endpoint, ConnId> packets_;  ///< the connection that takes packets for an address
  TimerQueue<ConnId> attempts_;         ///< dials that nobody has answered
  std::map<ConnId, Falling> falling_;
  std::map<Endpoint, Avoided> avoided_;
  Endpoint gone_;  ///< the address of ours that was last said to be gone
  Timestamp gone_at_;
  bool pending_ = false;
  CountedReasons<TlsReject> rejected_;
  QuicStats counts_;
  mutable TransportStats stats_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace plumvine::quic
