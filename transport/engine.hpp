#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

#include "driver.hpp"
#include "plumtree/output.hpp"
#include "guard.hpp"
#include "transport.hpp"

namespace plumvine {

namespace engine {
// What the driver does at once.
struct SendPacket { Endpoint to; Bytes packet; };
struct Dial { ConnId conn{}; Endpoint to; std::uint16_t quic_port = 0; };  ///< port 0: over TCP
struct Close { ConnId conn{}; CloseMode mode{}; };
struct Resolve { HostPort name; };
using Action = std::variant<SendPacket, Dial, Close, Resolve>;

// What the driver tells the user, after everything was forwarded.
struct LeaveDone {};
/// Probes of operators: no handler sees them.
inline constexpr std::string_view kProbeTopic = "_probe";
/// To be broadcast on `kSerfTopic`; `bridge_refused` if that is not possible now.
struct BridgePublish { Bytes message; };
/// The outcome of an order of ours about keys.
struct KeysDone { std::uint64_t ticket = 0; Result<KeyReport> report; };
/// These are the keys now, to be written down; `keys_saved` follows, in the order of these events.
struct SaveKeys { std::vector<Bytes> keys; };
/// A message for this member alone.
struct DirectCame { std::string from; InstanceId instance{}; Bytes payload; };
/// What became of a direct message of ours that somebody waits for.
struct DirectDone { std::uint64_t ticket = 0; Status status; };
using Event = std::variant<Question, Answered, ReachCheck, KeysDone, SaveKeys, KeyHistory, DirectCame, DirectDone, Receipt, tree::Judge, tree::Deliver, Progress, LostEvent, MemberEvent,
                           PeerEvent, PartitionEvent, tree::Acked, LeaveDone, BridgePublish>;
}  // namespace engine

/// `Swim`, `Overlay`, `Tree` and the links of one node, put together: membership tells who could be a neighbour, the
/// overlay chooses, links carry the tree's frames, and their traffic proves to membership who lives.
///
/// A sans-I/O machine: `begin` tells the time, then any number of inputs, then `settle()`, then `poll_action()` until
/// there is none, `flush()`, and again `poll_action()`; `poll_event()` last. Not thread-safe.
class Engine {
 public:
  Engine(Config config, DriverIdentity identity);
  ~Engine();

  /// The time of all that follows. Never decreases.
  void begin(Timestamp now, std::int64_t wall_us);
  void start();

  // Commands.
  void publish(Sequence sequence, std::string topic, frame::Payload payload, AckWish acks);
  /// Errors as of `Node::send`. With a ticket other than 0 `DirectDone` follows.
  Status send_direct(std::uint64_t ticket, std::string_view member, Bytes payload);
  /// As of `Driver`; `Answered` follows.
  void ask(std::uint64_t number, std::uint8_t kind, Bytes text, Duration timeout);
  void answer(InstanceId origin, std::uint64_t number, Bytes text);
  /// Membership is to probe this member next.
  void doubt(std::string_view member);
  /// As `Swim::check`; `ReachCheck` follows.
  Status check_reach(std::string_view member);
  /// Others' messages on the topic come as `tree::Judge` first.
  void validate(std::string_view topic);
  void judged(MessageId id, Verdict verdict);
  void join(std::vector<HostPort> seeds);
  void rejoin();
  void leave();
  Status forget(std::string_view name);
  Status promote(std::string_view peer);
  /// As of `Driver`.
  Status resync(std::string_view peer);
  [[nodiscard]] std::optional<Timestamp> digest_at(std::string_view peer) const;
  Trimmed trim();
  /// As of `Guard`.
  Status block(std::string_view what, std::optional<Duration> left);
  Status unblock(std::string_view what);
  [[nodiscard]] std::vector<BlockOrder> blocks() const;
  [[nodiscard]] std::vector<frame::KeptKey> origin_keys();
  [[nodiscard]] std::uint64_t origin_keys_version() const;
  /// Whether a connection from there is taken: it is not blocked, and its address does not open too many. `proved` false: anybody could have
  /// written this address, so only blocks are looked at.
  bool admits(const Endpoint& from, bool proved);
  /// As of `Driver`.
  void configure(const Config& fresh);
  Status set_meta(Bytes meta);
  Status set_tags(Tags tags);
  Status set_keys(const std::vector<Bytes>& keys, const std::optional<KeyRules>& rules);
  /// Gives the order to all members; `KeysDone` with this ticket follows.
  void order_keys(std::uint64_t ticket, KeyOrder order);
  void keys_saved(const Status& status);
  void pause_delivery(bool paused);
  void bridge_refused(Bytes message);
  /// Closes every connection. No event follows.
  void stop();

  // Inputs from the transport.
  /// `secured`: it came inside TLS.
  void packet(const Endpoint& from, BytesView packet, bool secured = false);
  void connected(ConnId conn);
  void accepted(ConnId conn, const Endpoint& from);
  /// As of `TransportEvents::on_identified`.
  void identified(ConnId conn, const std::vector<std::string>& names);
  std::span<std::byte> read_buffer(ConnId conn);
  void read(ConnId conn, std::size_t bytes);
  /// As of `TransportEvents::on_batch`.
  void batch(ConnId conn, const Bytes& frames);
  void writable(ConnId conn);
  void closed(ConnId conn, const Error& why);
  void resolved(const HostPort& name, const std::vector<Endpoint>& endpoints);
  void handle_timeout();

  // Outputs.
  /// Carries what the machines decided to each other and into the send queues.
  void settle();
  [[nodiscard]] std::optional<engine::Action> poll_action();
  /// Writes the send queues of all connections that have something new or got room.
  void flush(Transport& transport);
  [[nodiscard]] std::optional<engine::Event> poll_event();
  /// There is something to settle, do, flush or tell.
  [[nodiscard]] bool pending() const;
  /// Deadlines that are set.
  [[nodiscard]] std::size_t timers() const;
  [[nodiscard]] Timestamp next_timeout() const;

  // Queries.
  [[nodiscard]] Snapshot snapshot(const TransportStats& transport);
  [[nodiscard]] std::uint64_t version() const;
  /// As in `Driver`.
  [[nodiscard]] bool synced() const;
  [[nodiscard]] Cursor position() const;
  [[nodiscard]] std::vector<MessageId> held_ids() const;
  [[nodiscard]] std::optional<HeldMessage> held(const MessageId& id) const;
  [[nodiscard]] MessagePath path(const MessageId& id) const;
  [[nodiscard]] std::vector<std::string> check_invariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine
