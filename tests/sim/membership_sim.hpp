#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/rng.hpp>

#include "event_queue.hpp"
#include "membership/swim.hpp"
#include "trace.hpp"

namespace plumvine::sim {

struct MembershipSimOptions {
  std::size_t nodes = 100;
  std::uint64_t seed = 1;
  SwimConfig swim;
  /// One way, drawn for each packet.
  Duration latency_min = std::chrono::microseconds{500};
  Duration latency_max = std::chrono::microseconds{1500};
  /// Each packet is lost on its own; what a stream loses it sends again.
  double loss = 0;
  /// Bytes per second that the streams of one member send together: 1 Gbit/s.
  std::int64_t stream_rate = 125'000'000;
};

/// How a member that gets too little of its processor behaves.
enum class Starvation : std::uint8_t {
  none,
  /// Reads everything 0.5 to 2.5 s late and in order; timers and sending are on time.
  late,
  /// While blocked it neither reads nor sends, what comes and what goes waits; timers run. This is how the
  /// Lifeguard paper (section V) makes anomalies: its agents block before they send and after they receive.
  blocked,
  /// While blocked it does nothing at all, as a process without a processor or after SIGSTOP.
  frozen,
};

/// `Swim` machines alone, thousands of them, on a lean network: delay, loss each way, lost streams, starvation.
/// There is no tree, no link, no process; a member is `n<i>` at 10.x.y.z, port 7946.
///
/// A dead member is silent: no reset, no refusal. A stream's segments are sent again after 200 ms, then twice that and
/// so on; one draw of the loss per ten segments. Dials begin at 1 s. Processors are infinitely fast.
class MembershipSim {
 public:
  MembershipSim(MembershipSimOptions options, Trace& trace);

  [[nodiscard]] static Endpoint endpoint(std::size_t i);
  [[nodiscard]] static std::string name(std::size_t i) { return "n" + std::to_string(i); }
  /// The number in a member's name.
  [[nodiscard]] static std::size_t index(std::string_view name);

  /// Starts a new process `i` that joins by `seed`; by nobody if that is `i` itself.
  void start(std::size_t i, std::size_t seed);
  /// Starts all; each joins by another that answers at once with the table of everybody.
  void start_all();
  /// The machine loses power.
  void crash(std::size_t i);
  /// Share of packets and segments that are lost on their way to and from `i`, beside the loss of all.
  void set_loss(std::size_t i, double inbound, double outbound);
  /// News of member `i`: other metadata.
  void set_meta(std::size_t i, Bytes meta);
  void starve(std::size_t i, Starvation how) { nodes_[i].starvation = how; }
  /// Begins and ends one anomaly of a member that is `blocked` or `frozen` at times.
  void block(std::size_t i);
  void unblock(std::size_t i);

  void run_until(Timestamp limit);
  void run_for(Duration span) { run_until(now() + span); }
  [[nodiscard]] Timestamp now() const noexcept { return queue_.now(); }

  [[nodiscard]] bool up(std::size_t i) const { return nodes_[i].swim != nullptr; }
  [[nodiscard]] swim::Swim& node(std::size_t i) { return *nodes_[i].swim; }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

  /// What passed member `i`'s sockets; packets with and without news are told apart by their first message.
  struct Traffic {
    std::uint64_t probes_sent = 0, probes_received = 0;    ///< packets that are one ping or one ack
    std::uint64_t packets_sent = 0, packets_received = 0;  ///< all packets
    std::uint64_t packet_bytes_sent = 0, packet_bytes_received = 0;
    std::uint64_t stream_bytes_sent = 0, stream_bytes_received = 0;
  };
  [[nodiscard]] const Traffic& traffic(std::size_t i) const { return nodes_[i].traffic; }
  void reset_traffic();

  /// Every change of anybody's view, as it happens.
  std::function<void(std::size_t observer, const MemberEvent& event)> on_event;
  std::uint64_t events = 0;

 private:
  struct Packet { Endpoint from; Bytes data; };
  struct Accepted { swim::StreamId id; Endpoint from; };
  struct Connected { swim::StreamId id; };
  struct Received { swim::StreamId id; Bytes data; };
  struct Closed { swim::StreamId id; };
  using Input = std::variant<std::monostate, Packet, Accepted, Connected, Received, Closed>;

  struct Node {
    std::unique_ptr<swim::Swim> swim;
    std::uint64_t life = 0;
    Timestamp armed = kNever;
    double inbound_loss = 0, outbound_loss = 0;
    Starvation starvation = Starvation::none;
    bool is_blocked = false;
    Timestamp last_read;              ///< a late reader reads in order
    Timestamp uplink_free;
    std::deque<Input> inbox;          ///< of a blocked member
    std::deque<swim::Output> outbox;
    Traffic traffic;
  };

  /// What happens: an input reaches a process, a wake-up, or a stream's next segment.
  enum class What : std::uint8_t { arrive, handle, wake, transmit };
  struct Event {
    What what = What::wake;
    std::uint8_t direction = 0;
    std::uint32_t node = 0;
    std::uint64_t number = 0;  ///< life, stream, or time of the wake-up
    Input input;
  };

  enum class Segment : std::uint8_t { dial, dialled, data, close };
  struct Item { Segment kind; Bytes data; };
  /// One stream; direction 0 is from the dialler.
  struct Pipe {
    std::size_t ends[2];
    std::uint64_t lives[2];
    swim::StreamId ids[2];
    std::deque<Item> waiting[2];
    bool busy[2] = {false, false};
    std::uint32_t tries[2] = {0, 0};
    std::uint64_t rounds[2] = {0, 0};  ///< groups of segments of the first item that are still to pass
    bool closed[2] = {false, false};
  };

  std::unique_ptr<swim::Swim> machine(std::size_t i);
  void feed_table(std::size_t i, std::size_t seed, const Bytes& table);
  [[nodiscard]] double loss(std::size_t from, std::size_t to) const;
  Duration latency();
  void perform(Event& event);
  void arrive(std::size_t i, Input input);
  void handle(std::size_t i, Input& input);
  void wake(std::size_t i, Timestamp armed);
  void drain(std::size_t i);
  void arm(std::size_t i);
  void put_out(std::size_t i, swim::Output& output);
  void send_packet(std::size_t from, const swim::SendPacket& packet);
  void open(std::size_t from, const swim::OpenStream& stream);
  void append(std::uint64_t number, int direction, Item item);
  void pump(std::uint64_t number, int direction);
  void transmit(std::uint64_t number, int direction);
  void deliver(std::uint64_t number, int direction, Item item);
  void note(std::size_t observer, const MemberEvent& event);

  MembershipSimOptions options_;
  Trace& trace_;
  Rng rng_;
  std::vector<Node> nodes_;
  EventQueue<Event> queue_;
  std::map<std::uint64_t, Pipe> pipes_;
  std::map<std::pair<std::size_t, swim::StreamId>, std::pair<std::uint64_t, int>> pipe_of_;  ///< and the direction away
  std::uint64_t last_pipe_ = 0;
  std::uint64_t last_accepted_ = 0;
};

}  // namespace plumvine::sim
