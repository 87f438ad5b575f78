#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/cursor.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/health.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/result.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

struct uv_loop_s;

namespace plumvine {

/// How one broadcast is to be treated.
struct BroadcastOptions {
  /// Wait at most so long for room instead of `Errc::overloaded`. Refused with `Errc::would_deadlock`
  /// on the loop thread.
  Duration wait{0};
  /// So many other members shall acknowledge; `kAckAll`: all that are alive and carry broadcasts when it is published. 0: none.
  std::uint32_t acks = 0;
  /// How long acknowledgements are waited for, up to an hour.
  Duration ack_timeout = std::chrono::seconds{5};
};
inline constexpr std::uint32_t kAckAll = UINT32_MAX;

/// What `Node::trim` gave up.
struct TrimReport {
  std::uint64_t messages = 0;        ///< payloads that every neighbour has
  std::uint64_t bytes = 0;           ///< what these took
  std::uint64_t returned_bytes = 0;  ///< by how much the process takes less memory of the system now
};

/// What an observer sees: a published state and its judgement.
struct Observation {
  std::shared_ptr<const Snapshot> snapshot;  ///< never null
  HealthReport health;
};

/// A member of a cluster, embedded in a service. Move-only; the destructor stops it.
///
/// Threads: every call is legal from any thread and inside handlers. `stop()` and the destructor wait for
/// the node's own thread; on the loop thread (handlers, attached loops) they start closing and return, no
/// handler runs any more, and the loop is rid of the node's handles after its next turns.
class Node {
 public:
  /// Binds the sockets, starts a thread with an event loop of its own, and goes on joining in the
  /// background. Fails without side effects when the configuration is invalid or an address is taken.
  static Result<Node> start(Config config, Handlers handlers);

  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;
  ~Node();

  /// Publishes `payload` on topic `default` to every member. See the overload below.
  Result<MessageId> broadcast(Bytes payload);
  Result<MessageId> broadcast(std::string_view text);
  /// Publishes on `topic` (1 to 128 bytes of UTF-8 without control characters; names that start with
  /// `_` are reserved). Returns the id at once; the message is sent on the loop's next turn. Errors:
  /// `overloaded`, `too_large`, `invalid_argument`, `stopped`, `would_deadlock`, and `limit_reached` where 256 broadcasts wait for
  /// acknowledgements; then nothing was sent.
  Result<MessageId> broadcast(std::string_view topic, Bytes payload, BroadcastOptions options = {});

  /// The same with `options.acks` above 0, and waits for the receipt, which then does not go to `on_receipt`.
  /// `would_deadlock` on the loop thread.
  Result<Receipt> broadcast_and_wait(std::string_view topic, Bytes payload, BroadcastOptions options);
  /// Sends at most 48 KiB to one member that is one of ours, for its `on_direct`: at most once. Waits for the loop to take it
  /// over (not on the loop thread), which tells the errors. With `wait` it returns when that member has it, or with
  /// `timed_out`, and then it may have come or not; `would_deadlock` on the loop thread. Errors: `not_found` (no such
  /// member), `invalid_argument` (not one of ours, dead, or this one), `too_large`, `overloaded` (too much waits to be
  /// sent), `stopped`.
  Status send(std::string_view member, Bytes payload, Duration wait = Duration{0});

  /// Adds seeds (`HOST[:PORT]`); they are kept and contacted until they are members.
  Status join(std::vector<std::string> seeds);
  /// Tells the cluster that this member goes, waits at most `deadline` for the news to spread (on the loop
  /// thread: does not wait). The node goes on outside the cluster until `stop` or `rejoin`.
  Status leave(Duration deadline);
  /// Comes back after `leave`, or contacts all seeds and dead members at once.
  Status rejoin();
  /// Forgets a member that is dead or left, here, on all nodes of ours, and on members of Serf's. Old news does not
  /// bring it back while `tombstone_timeout` lasts; the process itself may come back. Errors: `not_found` for a name that is not known,
  /// `invalid_argument` for a member that lives. Forgetting twice is fine.
  Status forget(std::string_view name);
  /// Asks the neighbour for payloads over its link, and sends it ours, in every tree but our own; until the link goes down or the
  /// neighbour refuses. Costs a second copy of each message. Errors: `not_found` (no link to it), `invalid_argument` (there is no such tree).
  Status promote(std::string_view peer);
  /// Drops what the caches can spare, and gives free memory back to the system. Payloads that somebody may still need stay: what a
  /// neighbour lacks, everything of the last `message_cache_ttl`, and all of it while a member is dead.
  Result<TrimReport> trim();
  /// Closes everything at once, without telling anybody; call `leave` before for a clean exit. Idempotent.
  void stop();

  /// Replaces the metadata that other members see (raw bytes, no tags but ours). The error says how much is left.
  Status set_meta(Bytes meta);
  Status set_tags(Tags tags);

  /// Takes the values of all keys from `fresh` that can change while a node runs (`Config::changes_while_running`), and says which
  /// keys differ and need a restart; those stay as they are. What was begun ends as it was begun: a new interval or bound counts from
  /// the next turn on. Seeds are joined, tags told to the others. Gossip keys are read again as `encrypt` and `keyring` say: another
  /// primary, keys more or less, the first ones of a node that had none; links that rest on a key that is gone, or are in clear
  /// and should not be, are made anew one after another.
  /// Waits for the loop. Errors, on which nothing changes: `invalid_config`, with every problem of `fresh` together with what cannot
  /// change; of the keys and the files of TLS, which are read again as well, `system`, `invalid_argument` (a node cannot lose its last key,
  /// or turn TLS on or off, while it runs); `stopped`, `timed_out`.
  Result<Config::Changes> reload(const Config& fresh);

  /// Gives an order about gossip keys to all members, Serf's too, and waits for their answers, up to half a minute
  /// (`would_deadlock` on the loop thread). The report says for each member what became of it. `use` of a key that
  /// somebody lacks, and `remove` while a member is away, are refused in the report unless `force` is set. Errors:
  /// `invalid_argument` (the key, the primary's removal, a node without key), `overloaded` (another order is under
  /// way), `limit_reached`, `stopped`.
  Result<KeyReport> order_keys(KeyOrder order);

  /// Stops (or resumes) handing messages to `on_message`. Meanwhile they wait in the repair store, publishers
  /// are paced by it for `lag_grace`; what leaves the store undelivered is reported by `on_lost`.
  void pause_delivery(bool paused);

  /// What was delivered here up to now, or is lost, or was never to be: inside `on_message` with the message at hand, so that a
  /// service may keep it with what it made of the message. `Config::start_from` goes on there, at any member. Waits for
  /// the loop; errors: `stopped`, `timed_out`.
  Result<Cursor> cursor();

  /// The latest published state; at most 250 ms old, never null.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const;
  [[nodiscard]] std::vector<Member> members() const;
  [[nodiscard]] std::vector<std::string> eager_peers() const;
  [[nodiscard]] std::vector<std::string> lazy_peers() const;
  [[nodiscard]] std::vector<std::string> protected_neighbors() const;
  [[nodiscard]] std::size_t peer_count() const;
  [[nodiscard]] HealthReport health() const;
  /// Reads the published state on any thread. May outlive the node: then it gives the last state there was.
  [[nodiscard]] std::function<Observation()> observer() const;

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] InstanceId instance() const;
  /// What others dial, with real ports.
  [[nodiscard]] Endpoint address() const;
  /// Where packets, streams and links arrive, with real ports; may be a wildcard.
  [[nodiscard]] Endpoint bind_address() const;
  /// Where HTTP is served; unspecified with port 0 when off.
  [[nodiscard]] Endpoint http_address() const;

 private:
  friend Result<Node> attach(uv_loop_s* loop, Config config, Handlers handlers);
  class Impl;
  explicit Node(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace plumvine
