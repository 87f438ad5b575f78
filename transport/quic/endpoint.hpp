#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <plumvine/detail/timer_queue.hpp>
#include <plumvine/stats.hpp>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "anti_replay.hpp"
#include "connection.hpp"
#include "tickets.hpp"
#include "transport/transport.hpp"

namespace plumvine::quic {

/// What an endpoint tells. Any call of the endpoint is allowed inside, but for `receive`, `flush` and `due`.
class EndpointEvents {
 public:
  virtual ~EndpointEvents() = default;
  /// Whether a connection from there is taken. `proved`: whoever dials has shown that it is there; asked once more when
  /// it has, where it was not at first.
  virtual bool quic_admits(const Endpoint& from, bool proved) = 0;
  /// Both ends have judged each other.
  virtual void quic_up(ConnId conn, const Endpoint& remote, bool dialled, const std::vector<std::string>& names) = 0;
  virtual std::span<std::byte> quic_buffer(ConnId conn) = 0;
  virtual void quic_read(ConnId conn, std::size_t bytes) = 0;
  virtual void quic_batch(ConnId conn, Bytes batch) = 0;
  virtual void quic_writable(ConnId conn) = 0;
  virtual void quic_datagram(ConnId conn, const Endpoint& remote, BytesView bytes) = 0;
  /// It is over; the number is gone. `was_up`: `quic_up` was called.
  virtual void quic_ended(ConnId conn, const Endpoint& remote, bool dialled, bool was_up,
                          const Connection::End& why) = 0;
  /// What `known` tells has changed.
  virtual void quic_learnt() {}
  /// There is something to flush: `flush` wants to be called in this turn, or the next.
  virtual void quic_pending() = 0;
};

struct EndpointOptions {
  /// Connections that others open and whose handshake is not done, at most.
  std::size_t half_open_max = 128;
  /// From so many of them on whoever opens another one has to prove its address first.
  std::size_t retry_from = 32;
  /// All connections.
  std::size_t connections_max = 4096;
};

/// All QUIC connections over one UDP port, without sockets and clock: whose a packet is, whoever dials and is dialled,
/// and what is answered to strangers. Bounds: `EndpointOptions`; `kAnswersPerSecond` answers to packets of no
/// connection; `kFreshPerSecond` connections of one address that were not made to prove it, counted for
/// `kFreshAddressesMax` addresses; `kTicketsMax` tickets. One thread.
class QuicEndpoint final : private CidObserver {
 public:
  static constexpr std::size_t kTicketsMax = 1024;
  static constexpr std::uint32_t kAnswersPerSecond = 200;
  static constexpr std::uint32_t kFreshPerSecond = 16;
  static constexpr std::size_t kFreshAddressesMax = 4096;
  /// The rest of a connection that was closed goes out within this time, or not at all.
  static constexpr Duration kCloseTime = std::chrono::seconds{5};

  /// `credentials` gives those that new connections use. `common.tickets` and `common.replays` are set here.
  QuicEndpoint(Common common, EndpointOptions options,
               std::function<std::shared_ptr<const tls::Credentials>()> credentials, PacketSink& sink,
               EndpointEvents& events);
  ~QuicEndpoint() override;

  /// One datagram; `flush` follows when all that came together were handed over.
  void receive(const Path& path, Ecn ecn, BytesView datagram, Timestamp now);
  /// Tells what happened and sends what is to be sent.
  void flush(Timestamp now);
  void due(Timestamp now);
  [[nodiscard]] Timestamp next() const { return timers_.next(); }
  /// The sink has room again.
  void sink_ready(Timestamp now);

  /// Answered by `quic_up` or `quic_ended`. Numbers are odd.
  void dial(ConnId conn, const Path& path, Timestamp now);
  std::size_t write(ConnId conn, std::span<const Bytes> batch);
  // Batches: as of `Transport`.
  std::optional<std::size_t> batch_room(ConnId conn, std::uint64_t after);
  void write_batch(ConnId conn, std::span<const Bytes> batch);
  bool batches_arrived(ConnId conn);
  /// No event for this connection follows.
  void close(ConnId conn, CloseMode mode, Timestamp now);
  void pause_reading(ConnId conn, bool paused);
  bool send_datagram(ConnId conn, BytesView bytes);
  /// Tells all other ends that nothing follows, as far as one packet each can; nobody is told here.
  void shutdown(Timestamp now);
  [[nodiscard]] bool knows(ConnId conn) const { return conns_.contains(conn); }
  /// The other end has answered: its part of the handshake is here.
  [[nodiscard]] bool answered(ConnId conn) const;
  /// Whoever is dialled at this address, and has not answered yet, is not there.
  void refused(const Endpoint& remote, Timestamp now);
  /// Our address `gone` is: connections that packets of went from there go on from `local(remote)`, and so do all that
  /// we dialled from another address than that.
  void migrate(const Endpoint& gone, const std::function<std::optional<Endpoint>(const Endpoint& remote)>& local,
               Timestamp now);
  /// Whom `judge` does not take any more is cut off; tickets are forgotten.
  void judge_all(Timestamp now);
  /// What helps the next link to each end that was dialled. Each ticket is used once.
  [[nodiscard]] std::vector<KnownEnd> known() const;
  /// Begins with what an earlier process knew. What is known better already, and what there is no room for, is left
  /// out.
  void remember(std::vector<KnownEnd> ends);
  void count(QuicStats& stats) const;

 private:
  struct Conn {
    ConnId id{};
    Endpoint remote;  ///< as it was dialled, or first seen
    bool dialled = false;
    bool told = false;  ///< `quic_up` was called
    bool shut = false;  ///< nobody wants to hear of it any more
    bool paused = false;
    bool wants_room = false;
    bool wants_arrived = false;  ///< to hear when all batches have arrived
    bool counted = false;  ///< its handshake
    bool admitted = true;  ///< false: to be asked when its handshake shows that the address is its own
    std::vector<std::string> names;
    Timestamp shut_at = kNever;
    std::vector<Cid> cids;
    std::unique_ptr<Connection> quic;
    Connection::Numbers seen;  ///< of its numbers, what was added up
  };
  using ConnPtr = std::shared_ptr<Conn>;

  void cid_added(const Cid& cid) override;
  void cid_retired(const Cid& cid) override;

  [[nodiscard]] ConnPtr find(ConnId id) const;
  Conn& open(ConnId id, const Endpoint& remote, bool dialled);
  void erase(Conn& conn);
  void mark(ConnId id);
  void stranger(const Path& path, Ecn ecn, BytesView datagram, Timestamp now);
  bool is_reset(const Path& path, Ecn ecn, BytesView datagram, Timestamp now);
  bool may_answer(Timestamp now);
  bool is_fresh(const Endpoint& remote, Timestamp now);
  void answer(const Path& path, const std::vector<std::byte>& packet);
  [[nodiscard]] std::size_t half_open() const;
  void settle(const ConnPtr& conn, Timestamp now);
  void deliver(const ConnPtr& conn);
  void keep_tickets(Conn& conn);
  void add_numbers(Conn& conn);
  void report_end(Conn& conn);

  Common common_;
  EndpointOptions options_;
  std::function<std::shared_ptr<const tls::Credentials>()> credentials_;
  PacketSink& sink_;
  EndpointEvents& events_;
  tls::TicketKey ticket_key_;
  AntiReplay replays_;
  std::map<ConnId, ConnPtr> conns_;
  std::map<Cid, ConnId> by_cid_;
  Conn* current_ = nullptr;  ///< whose ids the observer is told of
  std::set<ConnId> dirty_;
  bool blocked_ = false;
  std::vector<std::byte> room_;
  TimerQueue<ConnId> timers_;
  struct Known {
    std::optional<Ticket> ticket;
    Bytes token;
  };
  std::map<Endpoint, Known> known_;
  std::uint64_t next_accepted_ = std::uint64_t{1} << 62;
  std::uint32_t answers_ = 0;
  Timestamp answers_since_;
  std::map<std::string, std::uint32_t> fresh_;  ///< connections by address that did not prove it, in this second
  Timestamp fresh_since_;
  QuicStats counts_;
  bool flushing_ = false;
};

}  // namespace plumvine::quic
