#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/detail/flat_map.hpp>
#include <plumvine/detail/outbox.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/detail/timer_queue.hpp>

#include "engine.hpp"
#include "event_bridge.hpp"
#include "guard.hpp"
#include "link.hpp"
#include "log_limiter.hpp"
#include "membership/keyring.hpp"
#include "membership/serf/serf.hpp"
#include "membership/swim.hpp"
#include "peer_registry.hpp"
#include "plumtree/overlay.hpp"
#include "plumtree/wire.hpp"
#include "plumtree/tree.hpp"
#include "rate_window.hpp"
#include "send_queue.hpp"

namespace plumvine {

/// What a connection turned out to be.
enum class ConnKind : std::uint8_t {
  unknown,     ///< accepted, nothing read yet
  membership,  ///< a memberlist stream
  link,
};

/// Direct messages on one connection, both ways. Numbers count from 1.
struct Directs {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::map<std::uint64_t, std::uint64_t> open;              ///< sent and not acknowledged: who waits for it, 0 = nobody
  std::vector<std::pair<std::uint64_t, Bytes>> waiting;     ///< for the greeting, with the same
  std::uint64_t waiting_bytes = 0;
};

struct Connection {
  ConnId id{};
  ConnKind kind = ConnKind::unknown;
  bool connected = false;   ///< may be written to
  bool closed = false;      ///< gone; kept until the current input is done
  bool closing = false;     ///< flush, then close
  bool dirty = false;       ///< listed for the next flush
  Endpoint remote;
  swim::StreamId stream{};
  std::string expected;     ///< of a membership stream: the member that was dialled by name, or empty
  std::optional<std::vector<std::string>> names;  ///< whom the certificate of the other end names; none: there is no certificate
  SendQueue queue;
  std::unique_ptr<Link> link;
  Directs directs;
};

/// Names for people: the first of many, and how many more.
std::string list_names(const std::vector<std::string>& names);

/// Neither dead nor gone: could be a neighbour.
constexpr bool is_there(MemberState state) noexcept { return state == MemberState::alive || state == MemberState::suspect; }

/// A member that speaks links, as the membership machine last reported it.
struct KnownMember {
  InstanceId instance{};
  MemberState state = MemberState::dead;
  std::optional<PeerId> peer;
  std::optional<frame::OriginKey> key = {};  ///< that it says its broadcasts are signed with
  bool reads_signed = false;                 ///< it understands frames with signatures
  std::string zone = {};
};

class Engine::Impl {
 public:
  Impl(Config config, DriverIdentity identity);

  // engine.cpp: composition, commands, time.
  void begin(Timestamp now, std::int64_t wall_us);
  void start();
  void join(std::vector<HostPort> seeds);
  void leave();
  void rejoin();
  void publish(Sequence sequence, std::string topic, frame::Payload payload, AckWish acks);
  void bridge_refused(Bytes message) { bridge_->refused(std::move(message), now_); }
  Status set_user_tags(Tags tags);
  void configure(const Config& fresh);
  void handle_timeout();
  void settle();
  [[nodiscard]] Timestamp next_timeout() const;
  void touch() { dirty_ = true; ++version_; }

  // engine_members.cpp: who is there.
  void on_member(MemberEvent event);
  void apply_members();
  void finish_leave();

  // engine_links.cpp
  Status promote(std::string_view peer);
  Status resync(std::string_view peer);
  [[nodiscard]] std::optional<Timestamp> digest_at(std::string_view peer) const;
  /// The far end of a link that is up, by its member's name.
  [[nodiscard]] std::optional<PeerId> neighbour(std::string_view name) const;

  // engine_forget.cpp: orders to forget a member.
  Status forget(std::string_view name);

  // engine_keys.cpp: gossip keys that change.
  void order_keys(std::uint64_t ticket, KeyOrder order);
  void keys_saved(const Status& status);
  Status set_keys(const std::vector<Bytes>& keys, const std::optional<KeyRules>& rules);

  // engine_direct.cpp: messages for one member alone.
  Status send_direct(std::uint64_t ticket, std::string_view name, Bytes payload);

  // engine_guard.cpp: who is kept out.
  Status block(std::string_view what, std::optional<Duration> left);
  Status unblock(std::string_view what);
  [[nodiscard]] std::vector<BlockOrder> blocks() const { return guard_.orders(now_); }
  [[nodiscard]] std::vector<frame::KeptKey> origin_keys() { return tree_.keep_keys(now_); }
  [[nodiscard]] std::uint64_t origin_keys_version() const { return tree_.keys_version(); }
  bool admits(const Endpoint& from, bool proved);

  // engine_identity.cpp: whom certificates name, and whose keys sign.
  void identified(ConnId id, const std::vector<std::string>& names);

  // engine_connections.cpp: connections of every kind.
  void accepted(ConnId id, const Endpoint& from);
  void connected(ConnId id);
  std::span<std::byte> read_buffer(ConnId id);
  void packet(const Endpoint& from, BytesView packet, bool secured);
  void read(ConnId id, std::size_t bytes);
  void batch(ConnId id, const Bytes& frames);
  void writable(ConnId id);
  void closed(ConnId id, const Error& why);
  void flush(Transport& transport);
  void stop();

  // engine_snapshot.cpp: what others may see.
  Snapshot snapshot(const TransportStats& transport);
  [[nodiscard]] bool synced() const { return tree_.synced(); }
  /// Deadlines that are set, of membership and of connections.
  [[nodiscard]] std::size_t timers() const { return swim_->timers() + conn_timers_.size(); }
  [[nodiscard]] Cursor position() const;
  [[nodiscard]] std::vector<MessageId> held_ids() const;
  [[nodiscard]] std::optional<HeldMessage> held(const MessageId& id) const;
  [[nodiscard]] MessagePath path(const MessageId& id) const;
  [[nodiscard]] std::vector<std::string> check_invariants() const;

  Outbox<engine::Action> actions_;
  Outbox<engine::Event> events_;
  std::uint64_t version_ = 0;
  bool dirty_ = false;
  std::vector<ConnId> dirty_conns_;
  Timestamp now_;

  swim::Swim& swim() { return *swim_; }
  Tree& tree() { return tree_; }
  [[nodiscard]] const Config& config() const { return config_; }

 private:
  // engine.cpp
  bool settle_swim();
  bool settle_overlay();
  [[nodiscard]] std::map<PeerId, Duration> known_rtts();
  bool settle_tree();
  void perform(swim::Output output);
  void perform(serf::Output output);
  // engine_events.cpp: Serf's user events.
  bool settle_bridge();
  void rank_bridge();
  /// False: the message is not for the user.
  bool take_delivery(tree::Deliver& message);
  /// False: it could not be decoded, and the log says so.
  [[nodiscard]] bool decode(tree::Deliver& message);
  bool unwrap_event(tree::Deliver& message);
  void note_slow(const tree::Deliver& message);
  void bad_event_name(std::string_view name, const std::string& problem);
  void perform(tree::Output&& output);
  void send(const tree::Send& send);
  bool make_way(Connection& conn, PeerId to, const tree::Send& send, std::uint64_t bytes);
  void recall(const tree::Recall& recall);
  void too_slow(const tree::TooSlow& slow);
  [[nodiscard]] std::vector<std::string> names_of(const std::vector<InstanceId>& instances) const;
  [[nodiscard]] Receipt receipt_of(const tree::Receipted& receipted) const;
  [[nodiscard]] Answered answered(tree::Inquired& inquired) const;
  void misbehaved(PeerId peer, FrameReject what);
  void start_alone_if_first();
  void self_check();
  [[nodiscard]] std::vector<HostPort> with_ports(std::vector<HostPort> seeds) const;
  void trace(const Connection& conn, std::string_view way, const wire::Encoded& frame);
  void log(LogLevel level, std::string_view component, std::string_view code, std::string_view subject, std::string text,
           LogFields fields = {});

  // engine_members.cpp
  /// Where this member takes links over QUIC; 0 where it does not, or we do not.
  [[nodiscard]] std::uint16_t quic_port_of(const Member& member) const;
  void learn(const Member& member);
  void forget(std::map<std::string, KnownMember, std::less<>>::iterator it);
  void retire_peer(KnownMember& known, std::string_view why);
  void count_state(MemberState state, int change);
  void judge_partition();

  // engine_forget.cpp
  void on_forget(const frame::Forget& frame);
  void pass_forgets();

  // engine_keys.cpp
  /// An order of this node's operator under way.
  struct KeyJob {
    std::uint64_t ticket = 0;
    KeyOrder order;
    Bytes key = {};
    bool checking = false;  ///< members are asked for their keys first
    std::vector<std::string> asked = {};
    KeyReport report = {};
  };
  /// A change that is being written down.
  struct KeySave {
    bool own = false;  ///< part of `key_job_`, not somebody's query
    serf::KeyQuery query;
    serf::KeyResponse response = {};
  };
  void ask_members(KeyCommand command);
  std::uint64_t key_time();
  bool settle_keys();
  [[nodiscard]] KeyReport::Member own_keys() const;
  [[nodiscard]] std::string objections(const KeyJob& job, const std::vector<KeyReport::Member>& rows) const;
  void end_order(std::vector<KeyReport::Member> rows);
  void on_key_query(serf::KeyQuery query);
  void compare_with_preset();
  void recall_key_history();
  void save_key_history();
  void note_keys();
  [[nodiscard]] std::vector<KeyInfo> key_infos() const;
  void change_keys(serf::KeyQuery query, bool own);
  void key_changed(const KeySave& save);
  Status apply_key(const serf::KeyQuery& query, bool& changed);
  void on_other_key(const swim::OtherKey& other);
  [[nodiscard]] bool in_clear(const Link& link) const { return seals_links() && !(link.seal && link.seal->ready()); }
  [[nodiscard]] bool is_stale(const Link& link) const;
  [[nodiscard]] bool is_superseded(const Bytes& key) const {
    return std::find(superseded_.begin(), superseded_.end(), key) != superseded_.end();
  }
  void want_renewal();
  void renew_links();

  // engine_connections.cpp
  [[nodiscard]] Connection* find(ConnId id);
  [[nodiscard]] const Connection* find(ConnId id) const;
  Connection& open(ConnId id, ConnKind kind, const Endpoint& remote);
  void discard(Connection& conn);
  void close_now(Connection& conn, CloseMode mode);
  void mark(Connection& conn);
  [[nodiscard]] std::size_t half_open() const;
  bool make_room();
  void open_stream(swim::StreamId id, const Endpoint& to, std::string expected);
  void classify(Connection& conn, BytesView first);
  void read_link(Connection& conn, std::size_t bytes);
  void read_sealed(Connection& conn, BytesView bytes);
  void feed(Connection& conn, BytesView bytes);
  void put(Connection& conn, wire::Encoded frame, Lane lane, std::optional<PayloadTag> payload = {});
  void bury_counts(const Connection& conn);
  static void add_counts(QueueStats& sum, const SendQueue& queue);
  void put_control(Connection& conn, const Frame& frame);
  void ping_along(Connection& conn);
  void after_flush(Connection& conn, std::size_t written);
  void give_credit(Connection& conn);
  [[nodiscard]] std::int64_t full_credit() const;
  void on_deadline(ConnId id);

  // engine_seals.cpp
  [[nodiscard]] bool has_key() const noexcept { return has_keys(identity_); }
  /// Under TLS they need no seal.
  [[nodiscard]] bool seals_links() const noexcept { return has_key() && !identity_.tls; }
  void seal_outbound(Connection& conn);
  void seal_inbound(Connection& conn);
  void seal_failed(Connection& conn);
  void put_bytes(Connection& conn, BytesView bytes);

  // engine_guard.cpp
  /// More marks against a neighbour; with `kOffencesMax` in a minute it loses its link and gets none for a time.
  void mark_offence(Peer& peer, std::uint32_t weight, const std::string& what);
  void graylist(Peer& peer, const std::string& what);
  /// What keeps this member out: a block, or that it broke the protocol; empty: nothing.
  [[nodiscard]] std::string kept_out(std::string_view name, const Endpoint& at) const;
  /// The block that a member falls under by its name or by the address that it is known at: who dials may come from another. Counted.
  const std::string* block_of(std::string_view name);
  /// The same for a connection that has told its name, counted and said. True: it is closed.
  bool turn_away(Connection& conn, std::string_view name);
  /// Closes it at once, whatever it is.
  void shut_out(Connection& conn, const std::string& why);
  /// Closes what falls under the blocks.
  void enforce_blocks();
  void guard_due();

  // engine_identity.cpp
  /// Ours for `kTagOrigin`; empty: we sign nothing.
  [[nodiscard]] std::string origin_text() const;
  /// The key that a member says it signs with; nothing: none, or one that its instance does not belong to.
  [[nodiscard]] std::optional<frame::OriginKey> key_of(const Member& member, InstanceId instance) const;
  /// The tree hears of the member's key; over a link that a certificate vouches for it is proven.
  void tell_key(const std::string& name, const KnownMember& known);
  /// The other end may have this name. False: it may not, and the connection is closed.
  [[nodiscard]] bool may_be(Connection& conn, std::string_view name);

  // engine_direct.cpp
  Connection& dial_visit(PeerId id);
  void keep_visit(Connection& conn);
  void write_direct(Connection& conn, std::uint64_t ticket, Bytes payload);
  void on_visit(Connection& conn, const frame::Visit& visit);
  void on_direct(Connection& conn, frame::Direct direct);
  void on_direct_ack(Connection& conn, const frame::DirectAck& ack);
  void fail_directs(Connection& conn);

  // engine_links.cpp
  void greet(Connection& conn);
  void dial(PeerId peer);
  void dial_over(Connection& conn, std::string_view why);
  void dial_failed(Connection& conn, std::string_view why);
  void not_reached(Connection& conn, std::string_view why);
  void take_frames(Connection& conn);
  void take_batch(Connection& conn, const Bytes& frames);
  void on_bad_frame(Connection& conn, FrameReject reason, const Error& error);
  void on_frame(Connection& conn, Frame&& frame);
  void on_greeting(Connection& conn, Frame frame);
  void on_hello(Connection& conn, frame::Hello hello);
  void refuse(Connection& conn, Greeting greeting, const frame::Hello& hello);
  void try_accept(Connection& conn);
  bool win_tie(Peer& peer);
  void link_up(Connection& conn, PeerId id);
  void link_down(Connection& conn, const std::string& reason);
  void end_link(Connection& conn, frame::Bye::Why why, const std::string& reason);
  void break_link(Connection& conn, const std::string& reason);
  void on_bye(Connection& conn, frame::Bye::Why why);
  void ask(Connection& conn, const frame::Ping& ping);
  void on_ping(Connection& conn, const frame::Ping& ping);
  void on_pong(Connection& conn, const frame::Pong& pong);
  void seen(Connection& conn);
  void link_due(Connection& conn);
  void set_timer(Connection& conn);
  void greet_waiting(std::string_view name, InstanceId instance);

  // engine_snapshot.cpp
  [[nodiscard]] std::vector<LinkInfo> link_infos() const;
  [[nodiscard]] std::vector<TreeInfo> tree_infos() const;
  void label_differs(const Connection& conn);
  /// Of those that packets and streams brought, and those at links.
  [[nodiscard]] StrangerInfo last_of(const swim::Stranger& a, const swim::Stranger& b) const;
  [[nodiscard]] Duration silence_limit() const;
  [[nodiscard]] std::string no_link(const KnownMember& known) const;
  [[nodiscard]] std::string not_ready() const;
  void check_members(std::vector<std::string>& broken) const;
  void check_links(std::vector<std::string>& broken) const;

  /// How often the invariants are checked at run time.
  static constexpr Duration kSelfCheckPeriod = std::chrono::minutes{1};
  /// Membership streams open at once, at most.
  static constexpr std::size_t kStreamsMax = 256;
  /// A link of a member that left is closed after this time, if the member did not do it.
  static constexpr Duration kLeaveGrace = std::chrono::seconds{2};
  /// What the last attempt to make a link failed with is shown for so long; where it is wanted it is made again sooner.
  static constexpr Duration kNoLinkShown = std::chrono::minutes{1};
  /// So many broken rules in a minute, and the link is closed; a frame that cannot be read counts for several.
  static constexpr std::uint32_t kOffencesMax = 16;
  static constexpr std::uint32_t kBadFrameWeight = 8;

  Config config_;
  DriverIdentity identity_;
  LinkIdentity self_;
  Tags user_tags_;
  Rng rng_;
  std::int64_t wall_us_ = 0;
  Timestamp started_;
  Timestamp heard_{};  ///< when anything last came from the network
  LogLimiter log_;

  std::unique_ptr<swim::Swim> swim_;
  std::unique_ptr<EventBridge> bridge_;  ///< only with `serf_events`
  DeliveredEvents delivered_events_;
  std::uint64_t bridge_ranked_ = 0;      ///< the version of the member list that ranks were made from
  CountedReasons<SerfMessage> bridge_counts_;
  std::set<std::string, std::less<>> bad_event_names_;  ///< said already, bounded
  std::unique_ptr<serf::Serf> serf_;  ///< null with `delegate_protocol` at zeros
  std::unique_ptr<serf::KeyQueries> key_queries_;
  std::optional<KeyJob> key_job_;
  std::deque<KeySave> key_saves_;
  std::vector<Bytes> superseded_;     ///< keys that were primary until an order came, and are still there
  std::uint64_t keys_used_at_ = 0;    ///< wall clock at the last such order, microseconds; 0 = none is known
  std::map<std::string, std::uint64_t> keys_since_;  ///< as of `KeyHistory`
  std::uint64_t key_time_ = 0;        ///< counts our queries where Serf's clock does not run
  Timestamp keys_changed_;
  bool links_stale_ = false;          ///< some links are to be made anew
  Timestamp renew_due_{INT64_MIN / 2};
  std::uint64_t clear_frames_ = 0;    ///< that came over links, although there is a key
  std::map<std::string, Timestamp, std::less<>> taught_;
  Overlay overlay_;
  Tree tree_;

  Guard guard_;
  Timestamp guard_due_ = kNever;         ///< when a block ends, or a time on the graylist
  PeerRegistry peers_;
  std::map<std::string, KnownMember, std::less<>> known_;
  std::array<std::size_t, 4> known_by_state_{};
  bool members_changed_ = false;  ///< overlay and tree are to be told
  bool dead_changed_ = false;     ///< the partition status is to be judged
  Timestamp members_due_{INT64_MIN / 2};  ///< the overlay is told of changes not before
  PartitionState partition_ = PartitionState::healthy;
  std::vector<std::string> unreachable_;
  bool started_alone_ = false;
  bool leaving_ = false;
  bool left_ = false;
  bool byes_sent_ = false;
  bool forgets_wanted_ = false;  ///< a link may lack an order to forget
  Timestamp forgets_due_{INT64_MIN / 2};
  Timestamp leave_deadline_ = kNever;

  FlatMap<ConnId, std::unique_ptr<Connection>> conns_;
  std::map<swim::StreamId, ConnId> streams_;
  std::map<PeerId, ConnId> visits_;      ///< connections that we made for direct messages
  std::vector<std::unique_ptr<Connection>> graveyard_;
  TimerQueue<ConnId> conn_timers_;
  std::uint64_t next_conn_ = 1;
  std::size_t links_up_ = 0;
  ChunkPool chunks_;
  std::shared_ptr<std::byte[]> scratch_;  ///< where streams and ungreeted connections are read to

  std::uint64_t accepts_limited_ = 0;    ///< of `refused_`: their address opens too many
  std::uint64_t slow_deliveries_ = 0;
  std::uint64_t refused_ = 0;            ///< connections over a limit of number or time
  std::uint64_t queues_overflowed_ = 0;
  QueueStats queue_counts_;              ///< of connections that are gone, and what policies dropped
  CountedReasons<DirectResult> direct_counts_;
  CountedReasons<FrameReject> rejected_;
  std::uint64_t wrong_names_ = 0;        ///< connections of members that their certificates do not name
  swim::Stranger other_cluster_link_;  ///< whose label at a link was another
  swim::Stranger other_key_link_, in_clear_link_;  ///< whose seal at a link we could not open, who had none
  std::uint64_t invariant_violations_ = 0;
  bool cache_reduced_ = false;         ///< as of `Snapshot`
  std::string tree_options_;
  Timestamp self_check_due_ = kNever;    ///< done with the next event after it, not by a timer
  RateWindow window_;
};

}  // namespace plumvine
