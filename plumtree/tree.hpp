#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/cursor.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "frames.hpp"
#include "output.hpp"

namespace plumvine {

/// What the tree is told of a neighbour when its link comes up.
struct PeerTraits {
  InstanceId instance{};
  std::string name;
  Duration rtt = std::chrono::milliseconds{1};
  bool verifies = false;  ///< it says that it passes on no broadcast whose signature is wrong
  bool reads_signed = true;  ///< it understands frames with signatures; one of before gets them without
};

/// The members that could be roots or are owed messages.
struct TreeMembers {
  std::vector<InstanceId> alive;  ///< members that speak links and are alive or suspect, ourselves included; sorted
  std::uint64_t dead = 0;         ///< members that speak links and are dead (not left, not forgotten)
  std::vector<std::string> zones = {};  ///< the zone of each of `alive`; empty when none of them names one
};

/// Where delivery begins in a process that joins.
struct TreeStart {
  enum class Mode : std::uint8_t {
    now,     ///< what was published before the first sync is not delivered
    window,  ///< everything that the first neighbour still holds is
    cursor,  ///< everything that is not in `had`
  };
  Mode mode = Mode::now;
  Cursor had;
  std::vector<InstanceId> own;  ///< earlier runs of this member: their broadcasts are repaired and not delivered
};

/// A message that the store holds and that was delivered.
struct HeldMessage {
  MessageId id;
  std::string_view origin, topic;
  Round round = 0;
  TreeId tree{};
  frame::Payload payload;
};

/// What this node knows of the way of one message.
struct PathInfo {
  enum class State : std::uint8_t {
    unknown,  ///< never heard of, or too long ago
    seen,     ///< it was here; the repair store has it no more
    held,     ///< in the repair store: all that follows is known
  };
  State state = State::unknown;
  bool delivered = false;              ///< or passed over for good
  Round hops = 0;
  std::int64_t published_us = 0;       ///< on our own clock
  Timestamp arrived{};
  std::optional<Duration> waited;      ///< from its arrival until it went on to the user; none: it has not
  std::optional<PeerId> from;          ///< none for our own, and where that link is gone
  std::vector<PeerId> sent, known;     ///< links that it was sent on, and whose far end had it first
};

/// What `Tree::trim` gave up.
struct Trimmed {
  std::uint64_t messages = 0, bytes = 0;
};

/// The eager/lazy machine: who gets what (Plumtree; Leitao, Pereira, Rodrigues 2007), with exact dedup, repair by
/// digests, pacing of publishers and gap reports. A sans-I/O machine, see `Swim` for the rules of use.
class Tree {
 public:
  Tree(TreeConfig config, InstanceId self, std::string name, Rng rng, LogLevel log_level = LogLevel::info,
       const TopicConfigs& topics = {}, frame::LargeTools large = {}, frame::SignTools sign = {});
  ~Tree();
  Tree(Tree&&) noexcept;
  Tree& operator=(Tree&&) noexcept;

  /// Before anything else. Without it delivery begins now.
  void start_from(TreeStart start, Timestamp now);
  /// No neighbour will ever tell us where to start: we are the first. Else the first digest does.
  void start_alone(Timestamp now);

  // Inputs.
  /// `sequence`, of a run its first, is one more than the last published one. Delivers locally first when `deliver_local`, unless its topic says otherwise.
  void publish(Sequence sequence, std::string topic, frame::Payload payload, bool deliver_local, Timestamp now);
  void handle_frame(PeerId from, Frame frame, Timestamp now);
  void peer_up(PeerId peer, PeerTraits traits, Timestamp now);
  void peer_down(PeerId peer, Timestamp now);
  /// The shortest round trip measured lately and the last one, and (peer's link clock - ours).
  void set_rtt(PeerId peer, Duration rtt, Duration last, Duration clock_offset, Timestamp now);
  /// How many payload bytes may be queued for the peer now. Each payload sent uses it up; what does not fit is owed
  /// and sent when there is credit again. Unlimited until first told.
  void set_credit(PeerId peer, std::int64_t bytes, Timestamp now);
  /// These payloads, which were to be sent to the peer although it had no credit, were not.
  void dropped(PeerId peer, const std::vector<MessageId>& ids, Timestamp now);
  /// From now on what others publish on the topic is judged: `Judge` comes out, `judged` goes in.
  void validate(std::string_view topic);
  void judged(MessageId id, Verdict verdict, Timestamp now);
  /// Asks members for acknowledgements of the message published last; `Receipted` follows, at once and with nobody if
  /// too many are asked for already.
  void want_receipt(Sequence sequence, std::uint32_t acks, Duration timeout, Timestamp now);
  /// Asks all members; `Inquired` follows, at once and with nobody if too much is asked already. Of `frames.hpp`'s bounds.
  void ask(std::uint64_t number, std::uint8_t kind, Bytes question, Duration timeout, Timestamp now);
  /// What we say to an `Asked`, if it is not over.
  void answer(InstanceId origin, std::uint64_t number, Bytes text, Timestamp now);
  /// A delivered payload could not be decoded: it is reported as lost.
  void undecodable(const MessageId& id, Timestamp now);
  void set_members(const TreeMembers& members, Timestamp now);
  /// Wall clock now, microseconds since 1970: what is signed says when it was published.
  void set_wall(std::int64_t wall_us, Timestamp now);
  /// The key that a member's broadcasts are signed with; `proven`: by the certificate of a connection, not only told.
  /// As of `tree::Signing`.
  void origin_key(std::string_view member, const frame::OriginKey& key, bool proven, Timestamp now);
  /// The member was forgotten, and its key is. False: none was known.
  bool forget_key(std::string_view member);
  /// Keys over a restart; as of `tree::Signing`.
  void recall_key(const frame::KeptKey& kept, Timestamp now);
  bool forget_recalled_key(std::string_view member, Timestamp given);
  [[nodiscard]] std::vector<frame::KeptKey> keep_keys(Timestamp now);
  [[nodiscard]] std::uint64_t keys_version() const;
  void pause_delivery(bool paused, Timestamp now);
  /// Other values of the keys that can change (`Config::changes_while_running`). Caches that are too large now shrink at once.
  void configure(TreeConfig config, LogLevel log_level, Timestamp now);
  /// Makes the link eager, both ways, in every tree but our own, until it goes down or its far end refuses. False: there is no such tree.
  bool promote(PeerId peer, Timestamp now);
  /// Compares digests with this neighbour, or with all, now: what they have and we lack is pulled. How many are asked; none before the first sync.
  std::size_t resync(std::optional<PeerId> peer, Timestamp now);
  /// Drops messages that every neighbour has, older than `message_cache_ttl`; none while a member is dead.
  Trimmed trim(Timestamp now);
  void handle_timeout(Timestamp now);

  // Outputs.
  [[nodiscard]] std::optional<tree::Output> poll_output();
  [[nodiscard]] Timestamp next_timeout() const;

  // Queries.
  /// Brings the gauges up to date.
  [[nodiscard]] const TreeStats& stats(Timestamp now);
  [[nodiscard]] bool synced() const;
  /// Whose broadcasts were refused, and who shows another key than before.
  [[nodiscard]] std::vector<RefusedOriginInfo> refused_origins(Timestamp now) const;
  /// Eager if the peer is eager in any tree.
  [[nodiscard]] PeerRole role(PeerId peer) const;
  [[nodiscard]] PeerRole role(TreeId tree, PeerId peer) const;
  /// So long what the peer announces may take to come before it is pulled: follows measured lateness, `graft_timeout` at most. 0: no such peer.
  [[nodiscard]] Duration graft_timeout(PeerId peer) const;
  /// When the neighbour's last whole digest came; none since its link is up.
  [[nodiscard]] std::optional<Timestamp> digest_at(PeerId peer) const;
  /// Peers by `PeerId` in `parent`, `eager` and `lazy`; the engine fills in names.
  struct View {
    TreeId tree{};
    std::uint64_t epoch = 0;
    bool settled = false;
    std::uint64_t distance_us = UINT64_MAX;  ///< to the root; largest: no way there
    std::uint64_t feasible_us = UINT64_MAX;  ///< the smallest distance held in this epoch
    std::optional<PeerId> parent;
    std::optional<PeerId> second;  ///< parent
    std::vector<PeerId> eager, lazy;
  };
  [[nodiscard]] std::vector<View> views(Timestamp now) const;
  [[nodiscard]] std::vector<OriginInfo> origins() const;
  /// What was delivered, is lost, or lies before our start; without what waits in `poll_output`. O(origins).
  [[nodiscard]] Cursor position() const;
  /// What `held` knows: delivered and still in the repair store, in order of arrival, but an origin's messages in the
  /// order of their sequences. With `own` also what this process published; a
  /// topic may choose for itself.
  [[nodiscard]] std::vector<MessageId> held_ids(bool own) const;
  /// Views are valid until the next input.
  [[nodiscard]] std::optional<HeldMessage> held(const MessageId& id) const;
  [[nodiscard]] PathInfo path(const MessageId& id) const;
  [[nodiscard]] std::vector<TopicInfo> topics() const;
  /// Large payloads under way.
  [[nodiscard]] std::vector<LargeInfo> large(Timestamp now) const;
  /// Broken invariants found by a self-check; 0 in a correct program. The simulator calls it after each step.
  [[nodiscard]] std::vector<std::string> check_invariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine
