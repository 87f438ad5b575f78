#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/detail/flat_map.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/types.hpp>

#include <transport/transport.hpp>

#include "sim_time.hpp"
#include "trace.hpp"

namespace plumvine::sim {

/// A simulated machine: one address, one process at a time.
enum class HostId : std::uint32_t {};

/// What lies between two hosts, one way.
struct PathQuality {
  Duration delay = std::chrono::microseconds{200};
  /// Added to `delay`, uniform in [0, jitter).
  Duration jitter = std::chrono::microseconds{100};
  /// Share of packets that vanish. Streams resend: there it costs time (and holds up what is behind).
  double loss = 0;
  /// How long after it a stream sends again what was lost. 0: 200 ms or three delays, a retransmission timer.
  Duration resend{0};
  /// Share of packets that come twice.
  double duplicate = 0;
  /// Share of packets that come up to `reorder_delay` later than those sent after them.
  double reorder = 0;
  Duration reorder_delay = std::chrono::milliseconds{5};
  /// Bytes per second of each stream; 0 = unlimited.
  std::uint64_t bandwidth = 0;
};

/// Kernel limits of every host.
struct KernelLimits {
  std::size_t send_buffer = 256 * 1024;     ///< of a stream; write takes no more
  std::size_t receive_buffer = 256 * 1024;  ///< of a stream; then the sender's window is shut
  std::size_t packet_buffer = 208 * 1024;   ///< of the packet socket; what comes on top vanishes
  std::size_t backlog = 128;                ///< connections that the process has not accepted yet
  /// Share of reads and writes that move only a random part of what they could.
  double partial_io = 0.1;
  /// Connections take batches beside their streams, as over QUIC.
  bool batches = false;
};

/// What the network asks of a process's transport. All calls stand for events that wait in the kernel.
class KernelEvents {
 public:
  virtual ~KernelEvents() = default;
  virtual void packet_arrived(const Endpoint& from, const Bytes& packet) = 0;
  virtual ConnId accepted(const Endpoint& from) = 0;
  [[nodiscard]] virtual std::size_t unaccepted() const = 0;
  virtual void connected(ConnId conn) = 0;
  virtual void readable(ConnId conn) = 0;
  virtual void batch_arrived(ConnId conn, Bytes batch) = 0;
  virtual void writable(ConnId conn) = 0;
  /// The dial failed.
  virtual void refused(ConnId conn, const Error& why) = 0;
};

/// The network between hosts and the kernels on them: packets with delay, jitter, loss, duplication and reordering;
/// streams with latency, bandwidth, windows, refused and unanswered dials, half-closed and reset ends. A cut path
/// swallows everything silently, as a pulled cable does: streams resend with growing pauses and go on when it heals.
class SimNetwork {
 public:
  SimNetwork(SimTime& time, Trace& trace, Rng rng) : time_(time), trace_(trace), rng_(rng) {}

  HostId add_host(const Endpoint& address);
  [[nodiscard]] const Endpoint& address(HostId host) const { return at(host).address; }

  // Processes.
  void process_started(HostId host, KernelEvents& process);
  /// As after SIGKILL: the kernel lives and closes all of the process's connections.
  void process_died(HostId host);
  /// The machine itself stops (or comes back, without any connection): nobody is told.
  void set_power(HostId host, bool on);

  // Quality.
  void set_limits(const KernelLimits& limits) { limits_ = limits; }
  [[nodiscard]] const KernelLimits& limits() const noexcept { return limits_; }
  void set_default_path(const PathQuality& quality) { default_path_ = quality; }
  void set_path(HostId from, HostId to, const PathQuality& quality);
  /// Of each stream between the two, both ways; 0 = unlimited.
  void set_bandwidth(HostId a, HostId b, std::uint64_t bytes_per_second);
  /// Hosts of different groups cannot reach each other; hosts named in no group form one of their own.
  void partition(const std::vector<std::vector<HostId>>& groups);
  /// Cuts or mends one direction.
  void cut(HostId from, HostId to, bool is_cut);
  /// Ends partitions and cuts.
  void heal();

  // What `SimTransport` calls.
  void send_packet(HostId from, const Endpoint& to, const Bytes& packet);
  void dial(HostId from, ConnId conn, const Endpoint& to);
  std::size_t write(HostId host, ConnId conn, std::span<const Bytes> batch);
  // Batches: as of `Transport`.
  std::optional<std::size_t> batch_room(HostId host, ConnId conn, std::uint64_t after);
  void write_batch(HostId host, ConnId conn, std::span<const Bytes> batch);
  bool batches_arrived(HostId host, ConnId conn);
  void close(HostId host, ConnId conn, CloseMode mode);
  /// Moves received bytes into `into`; 0 = none there now.
  std::size_t read(HostId host, ConnId conn, std::span<std::byte> into);
  enum class StreamEnd : std::uint8_t { open, finished, reset };
  /// Whether the far end has ended the stream; tell it after everything was read.
  [[nodiscard]] StreamEnd end_of(HostId host, ConnId conn) const;
  [[nodiscard]] std::size_t unread(HostId host, ConnId conn) const;

  struct Counters {
    std::uint64_t packets = 0, packet_bytes = 0, packets_lost = 0, stream_bytes = 0, batches = 0, dials = 0, refused = 0, resets = 0;
  };
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

  /// Sees what the kernel of `from` sends to `to`; for readable traces.
  class Tap {
   public:
    virtual ~Tap() = default;
    virtual void packet(HostId from, HostId to, BytesView packet) = 0;
    virtual void stream(std::uint64_t connection, bool from_dialler, HostId from, HostId to, BytesView bytes) = 0;
    /// Whole frames beside a stream.
    virtual void batch(HostId from, HostId to, BytesView bytes) = 0;
  };
  void set_tap(Tap* tap) noexcept { tap_ = tap; }

 private:
  struct Connection;
  /// An end that a process holds: while there is one its connection is not erased.
  struct Socket {
    std::uint64_t key = 0;
    int side = 0;
    Connection* connection = nullptr;
  };
  struct Host {
    Endpoint address;
    KernelEvents* process = nullptr;
    bool powered = true;
    std::uint32_t group = 0;
    FlatMap<ConnId, Socket> sockets;                         ///< by the process's name of a connection end
    std::vector<std::optional<PathQuality>> paths;           ///< by the host they lead to
  };
  /// One end of a connection, as the kernel there sees it.
  struct End {
    HostId host{};
    ConnId id{};
    bool open = false;        ///< a process holds it
    bool wants_write = false;
    bool wants_arrived = false;  ///< to hear when all batches have arrived
    bool finished = false;    ///< the far end's FIN has arrived
    bool reset = false;
    std::deque<Bytes> received;
    std::size_t received_bytes = 0;
  };
  /// One direction of a connection, from `ends[i]` to `ends[1 - i]`.
  struct Pipe {
    std::deque<Bytes> unsent;
    std::deque<Bytes> flying;       ///< what is under way, in order
    std::size_t unsent_bytes = 0;
    std::size_t in_flight = 0;      ///< sent and not acknowledged
    std::size_t under_way = 0;      ///< sent and not arrived
    bool coming_back = false;       ///< the path was cut under it: all that is under way is sent again
    std::ptrdiff_t came_back = 0;   ///< pieces at the front of `unsent` that were under way
    std::uint64_t arrived = 0;      ///< bytes that are acknowledged
    std::size_t batches = 0;        ///< on their way, or not acknowledged
    std::size_t batch_bytes = 0;
    bool fin_wanted = false, fin_sent = false;
    Timestamp line_free;            ///< when the line has sent what it was given
    Timestamp last_arrival;         ///< streams do not overtake themselves
    Duration retry{0};              ///< current pause before trying a cut path again
    bool retry_pending = false;
    /// Bytes that the far end does not have.
    [[nodiscard]] bool behind() const { return under_way > 0 || !unsent.empty(); }
    void drop_unsent() {
      unsent.clear();
      unsent_bytes = 0;
      came_back = 0;
    }
  };
  struct Connection {
    End ends[2];                    ///< 0 dialled
    Pipe pipes[2];
    bool established = false;
  };
  using Key = std::uint64_t;
  /// Bytes of one pipe that are under way together, in one word: an action that holds it needs no memory of its own.
  class Part {
   public:
    Part(Key key, int side, std::size_t size) : word_(key << 18 | static_cast<std::uint64_t>(side) << 17 | size) {}
    [[nodiscard]] Key key() const noexcept { return word_ >> 18; }
    [[nodiscard]] int side() const noexcept { return static_cast<int>(word_ >> 17 & 1); }
    [[nodiscard]] std::size_t size() const noexcept { return word_ & ((1U << 17) - 1); }

   private:
    std::uint64_t word_;  ///< sizes are at most those of a segment, 64 KiB
  };

  Host& at(HostId host) { return hosts_[static_cast<std::size_t>(host)]; }
  const Host& at(HostId host) const { return hosts_[static_cast<std::size_t>(host)]; }
  [[nodiscard]] bool reaches(HostId from, HostId to) const;
  [[nodiscard]] const PathQuality& path(HostId from, HostId to) const;
  Duration travel(HostId from, HostId to);
  Connection* find(Key key);
  Connection* find(HostId host, ConnId conn, int& side);
  const Connection* find(HostId host, ConnId conn, int& side) const;

  void try_dial(Key key, Duration pause, Duration waited);
  void fail_dial(Key key, const Error& why);
  void establish(Key key);
  void pump(Key key, int side);
  void pump(Connection& c, Key key, int side);
  void send_segment(Connection& c, Key key, int side, std::size_t size);
  void send_end(Key key, int side);
  void on_segment(Part part);
  void send_again(Connection& c, Part part);
  void on_acknowledged(Key key, int side, std::size_t size);
  void send_batch(Key key, int side, const Bytes& batch, Duration line);
  void on_batch(Key key, int side, const Bytes& batch);
  void on_batch_acknowledged(Key key, int side, std::size_t size);
  void send_reset(Key key, int side);
  void on_reset(Key key, int side);
  void close_end(Key key, int side, CloseMode mode);
  void erase_if_done(Key key);
  std::size_t partial(std::size_t size);

  SimTime& time_;
  Trace& trace_;
  Rng rng_;
  KernelLimits limits_;
  PathQuality default_path_;
  std::vector<Host> hosts_;
  std::map<Endpoint, HostId> by_address_;
  std::set<std::pair<HostId, HostId>> cuts_;
  std::unordered_map<Key, Connection> connections_;  // looked up, never iterated
  Key next_key_ = 0;
  Counters counters_;
  Tap* tap_ = nullptr;
};

}  // namespace plumvine::sim
