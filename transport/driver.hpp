#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

#include "plumtree/tree.hpp"

#include "guard.hpp"
#include "key_history.hpp"
#include "loop.hpp"
#include "transport.hpp"

namespace plumvine {

class Keyring;

/// What a driver must know of its node beside the configuration.
struct DriverIdentity {
  InstanceId instance{};
  Endpoint advertise;   ///< what others dial, real port
  std::uint64_t seed = 0;
  /// Gossip keys; null or empty: nothing is sealed. An empty ring may get keys later.
  std::shared_ptr<Keyring> keyring = {};
  /// For large payloads. The sum is the same in all of a cluster.
  frame::LargeTools large = {};
  /// For broadcasts that are signed. `instance` is `frame::instance_of` its key where the node signs.
  frame::SignTools sign = {};
  /// Memory for what is read from links.
  frame::BlockSource blocks = frame::heap_block;
  /// Changed keys are written down: `DriverHooks::save_keys` does it.
  bool keeps_keys = false;
  /// Of the last run.
  KeyHistory key_history = {};
  /// Where delivery begins.
  TreeStart start = {};
  /// Streams are under TLS: links need no seal of their own, what a stream brings is private, and packets that are not sealed
  /// must not come or go in clear. The transport sees to that.
  bool tls = false;
  /// Blocks of the last run.
  std::vector<BlockOrder> block_orders = {};
  /// Members from before this process began, by name.
  std::vector<std::pair<std::string, Endpoint>> known_peers = {};
  /// Whose broadcasts were signed with which key, as the last run knew it.
  std::vector<frame::KeptKey> origin_keys = {};
};

/// There is a gossip key now.
bool has_keys(const DriverIdentity& identity);

/// How gossip keys are used; see the configuration keys of these names.
struct KeyRules {
  bool verify_incoming = true;
  bool verify_outgoing = true;
  bool kept = false;  ///< as `DriverIdentity::keeps_keys`
};

/// Acknowledgements that a broadcast asks for: how many members (`kAckAll`: all), and for how long.
struct AckWish {
  std::uint32_t members = 0;
  Duration timeout{0};
};

/// Bounds on a question to all members, and on one member's answer, in bytes.
inline constexpr std::size_t kQuestionMax = 1024;
inline constexpr std::size_t kAnswerMax = 16 * 1024;

/// A member asks all others; `Driver::answer` takes what this one says, within seconds.
struct Question {
  InstanceId origin{};
  std::uint64_t number = 0;
  std::uint8_t kind = 0;
  Bytes text;
};
/// What was answered to a question of our own, and who of the members that were alive did not.
struct Answered {
  struct Answer {
    std::string member;
    Bytes text;
  };
  std::uint64_t number = 0;
  bool complete = false;
  std::vector<Answer> answers;        ///< by name
  std::vector<std::string> missing;
};

/// What a node knows of the way of one message, with names.
struct MessagePath {
  PathInfo::State state = PathInfo::State::unknown;
  bool delivered = false;
  Round hops = 0;
  Duration latency{0};                ///< from publishing to here, the origin's clock offset removed
  std::optional<Duration> waited;     ///< from its arrival here until it went on to the handler; none: it has not
  std::string from;                   ///< empty: ourselves, or a link that is gone
  std::vector<std::string> sent, known;
};

/// What the driver tells its owner beside the user's handlers. Called on the loop thread.
struct DriverHooks {
  /// Own broadcasts up to here have reached every member that keeps up.
  std::function<void(const tree::Acked&)> on_acked = {};
  std::function<void()> on_leave_done = {};
  /// Broadcast this on `kSerfTopic`; false: not now, it is handed over again.
  std::function<bool(Bytes)> on_bridge = {};
  /// Write these keys down; `Driver::keys_saved` says when and how it went. Only with `DriverIdentity::keeps_keys`.
  std::function<void(std::vector<Bytes>)> save_keys = {};
  /// Write this down too, where there is a place for it.
  std::function<void(KeyHistory)> save_key_history = {};
  /// The outcome of `Driver::order_keys` with this ticket.
  std::function<void(std::uint64_t ticket, Result<KeyReport>)> on_keys_done = {};
  /// The outcome of `Driver::send_direct` with this ticket: acknowledged, or what went wrong.
  std::function<void(std::uint64_t ticket, Status)> on_direct_done = {};
  std::function<void(const Question&)> on_question = {};
  /// What was answered to `Driver::ask`.
  std::function<void(Answered)> on_answered = {};
  /// Those messages that came together were handed to `on_message`, one or all of a run.
  std::function<void()> on_told = {};
  /// What `Driver::check_reach` found.
  std::function<void(const ReachCheck&)> on_checked = {};
};

/// Pumps `Engine` against the two seams: events in, outputs out, frames into send queues, queues into the
/// transport once per loop turn, handlers last (forward first, deliver second). One thread.
class Driver final : public LoopEvents, public TransportEvents {
 public:
  Driver(Config config, DriverIdentity identity, Loop& loop, Transport& transport, Handlers handlers,
         DriverHooks hooks = {});
  ~Driver() override;

  void start();

  // Commands. Loop thread only; take effect at once, output follows in this loop turn.
  /// A message, or a run that begins with `sequence`. With acknowledgements `Handlers::on_receipt` follows; runs have none.
  void publish(Sequence sequence, std::string topic, frame::Payload payload, AckWish acks = {});
  /// Errors as of `Node::send`. With a ticket other than 0 `on_direct_done` follows.
  Status send_direct(std::uint64_t ticket, std::string_view member, Bytes payload);
  /// Asks all members that speak links, at most `kQuestionMax` bytes; `DriverHooks::on_answered` with this number follows.
  void ask(std::uint64_t number, std::uint8_t kind, Bytes text, Duration timeout);
  /// At most `kAnswerMax` bytes; what is longer is not sent.
  void answer(InstanceId origin, std::uint64_t number, Bytes text);
  /// Membership is to probe this member next: it did not answer elsewhere.
  void doubt(std::string_view member);
  /// Pings a member in every way; `DriverHooks::on_checked` follows within two seconds. Errors as of `swim::Swim::check`.
  Status check_reach(std::string_view member);
  void join(std::vector<HostPort> seeds);
  void rejoin();
  void leave();                     ///< `on_leave_done` follows
  Status forget(std::string_view name);
  /// As of `Node::promote`.
  Status promote(std::string_view peer);
  /// Compares what is here with this neighbour, or with all where the name is empty, now; what we lack is pulled. Errc::not_found without
  /// such a link, Errc::limit_reached before the first sync.
  Status resync(std::string_view peer);
  /// Keeps somebody out, or no longer; as of `Guard`. Connections that stand are closed. The log says it.
  Status block(std::string_view what, std::optional<Duration> left);
  Status unblock(std::string_view what);
  /// What is blocked now.
  [[nodiscard]] std::vector<BlockOrder> blocks() const;
  /// Whose broadcasts are signed with which key, to be kept over a restart; the version changes with it. O(keys), and O(1).
  [[nodiscard]] std::vector<frame::KeptKey> origin_keys();
  [[nodiscard]] std::uint64_t origin_keys_version() const;
  /// A transport that accepts connections asks whether this one may go on; see `Engine::admits`.
  bool admits(const Endpoint& from, bool proved = true);
  /// What `Node::trim` drops.
  Trimmed trim();
  /// Takes the keys that can change (`Config::changes_while_running`) from `fresh`, whose others are those that it was started with;
  /// keys for sealing, tags and seeds have calls of their own.
  void configure(const Config& fresh);
  Status set_meta(Bytes meta);
  Status set_tags(Tags tags);
  /// Takes these keys, the first is primary, instead of those there are, and these rules, if there are any. Links that
  /// rest on a key that is gone, or are in clear and should not be, are made anew one after another. Keys can be turned on
  /// at run time, but not off.
  Status set_keys(const std::vector<Bytes>& keys, std::optional<KeyRules> rules = {});
  /// Gives an order about keys to all members. It takes up to 20 s; one at a time.
  void order_keys(std::uint64_t ticket, KeyOrder order);
  void keys_saved(const Status& status);
  void pause_delivery(bool paused);
  /// Closes every connection; no handler runs any more.
  void stop();

  // Queries.
  [[nodiscard]] std::shared_ptr<const Snapshot> make_snapshot();
  /// The first sync is done: `position` means something.
  [[nodiscard]] bool synced() const;
  /// What the handlers were told of, or need not be: delivered, lost, before the start. O(origins and waiting events).
  [[nodiscard]] Cursor position() const;
  /// Messages that the handlers were told of and that are still in memory, as `Tree::held_ids` and `Tree::held` give them.
  [[nodiscard]] std::vector<MessageId> held_ids() const;
  [[nodiscard]] std::optional<HeldMessage> held(const MessageId& id) const;
  [[nodiscard]] MessagePath path(const MessageId& id) const;
  /// When this neighbour last said all of what it has; none since its link is up.
  [[nodiscard]] std::optional<Timestamp> digest_at(std::string_view peer) const;
  /// Changes whenever a snapshot would differ in more than its clock.
  [[nodiscard]] std::uint64_t version() const;
  /// Broken invariants of all machines; 0 in a correct program.
  [[nodiscard]] std::vector<std::string> check_invariants() const;
  /// The owner measures these; they appear in the next snapshot.
  LoopStats& loop_stats();

  // LoopEvents
  void on_timer() override;
  void on_deferred() override;
  // TransportEvents
  void on_packet(const Endpoint& from, BytesView packet) override;
  void on_connected(ConnId conn) override;
  void on_accepted(ConnId conn, const Endpoint& from) override;
  void on_identified(ConnId conn, const std::vector<std::string>& names) override;
  void on_private_packet(const Endpoint& from, BytesView packet) override;
  std::span<std::byte> read_buffer(ConnId conn) override;
  void on_read(ConnId conn, std::size_t bytes) override;
  void on_batch(ConnId conn, Bytes batch) override;
  void on_writable(ConnId conn) override;
  void on_closed(ConnId conn, const Error& why) override;
  void on_resolved(const HostPort& name, const std::vector<Endpoint>& endpoints) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine
