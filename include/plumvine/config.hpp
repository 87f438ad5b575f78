#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/result.hpp>
#include <plumvine/time.hpp>
#include <plumvine/topic.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Failure detection and member gossip. Names and values are memberlist's (LAN shown; local / WAN in brackets).
struct SwimConfig {
  /// One member is probed per interval; lower detects faster and costs one packet more. 1 s (1 s / 5 s).
  Duration probe_interval = seconds{1};
  /// How long a direct ping may take before others are asked to try. About the 99th percentile of the
  /// round trip; must be below `probe_interval`. 500 ms (200 ms / 3 s).
  Duration probe_timeout = milliseconds{500};
  /// How many members are asked to ping for us. 3 (1 / 3).
  std::uint32_t indirect_checks = 3;
  /// Suspicion lasts suspicion_mult x log10(members) x probe_interval at least. 4 (3 / 6).
  std::uint32_t suspicion_mult = 4;
  /// So many other accusers shorten a suspicion to its least time (Lifeguard, section IV-B). 0 = suspicion_mult - 2, as memberlist has it.
  std::uint32_t suspicion_confirmations = 0;
  /// Without confirmations suspicion lasts this many times longer (Lifeguard, section IV-B). 6.
  std::uint32_t suspicion_max_timeout_mult = 6;
  /// A member message is sent retransmit_mult x log10(members + 1) times. 4 (2 / 4).
  std::uint32_t retransmit_mult = 4;
  /// How often queued member messages are gossiped. 200 ms (100 ms / 500 ms).
  Duration gossip_interval = milliseconds{200};
  /// To how many random members each time. 3 (3 / 4).
  std::uint32_t gossip_nodes = 3;
  /// The dead are gossiped to for so long; then they no longer count in any formula. 30 s (15 s / 60 s).
  Duration gossip_to_the_dead_time = seconds{30};
  /// How long a dead member is still shown and missed, and one that left is shown. Then it is forgotten. 24 h each.
  Duration reconnect_timeout = hours{24};
  Duration tombstone_timeout = hours{24};
  /// Full state exchange with one random member; scaled up above 32 members. 0 = off. 30 s (15 s / 60 s).
  Duration push_pull_interval = seconds{30};
  /// Bound on every membership stream: dialling, and each direction of the exchange. 10 s (1 s / 30 s).
  Duration tcp_timeout = seconds{10};
  /// Upper bound of the local health multiplier (Lifeguard, section IV-A). 8.
  std::uint32_t awareness_max_multiplier = 8;
  /// A member that is pinged while suspected is told so in the same packet, that it can refute at once (Lifeguard,
  /// section IV-C). Off only to measure what that is worth. true.
  bool buddy_system = true;
  /// After this time a dead member's name may be taken by another address. 0 = not before `gossip_to_the_dead_time`.
  Duration dead_node_reclaim_time{0};
  /// Target size of a packet in bytes. 1400.
  std::uint32_t udp_buffer_size = 1400;
  /// Only members at these addresses are taken in; packets about others, and from elsewhere, are dropped and counted.
  /// Empty = all.
  std::vector<Network> cidrs_allowed;
  /// Compress what we send: packets where it makes them smaller, streams always. Others' is understood in any case.
  bool enable_compression = true;
  /// With a key: drop packets and streams that come in clear. To give keys to a running cluster, give them with both
  /// false, then set outgoing, then incoming to true, each on all members before the next (`Node::reload`, or restarts).
  bool gossip_verify_incoming = true;
  /// With a key: seal what we send.
  bool gossip_verify_outgoing = true;
  /// Never ping over a stream when packets get no answer.
  bool disable_tcp_pings = false;
  /// Delegate versions min, max, current: Serf's 2, 5, 4, or zeros for plain memberlist clusters.
  std::array<std::uint8_t, 3> delegate_protocol{2, 5, 4};
  /// Seeds that are not members are contacted again after this time, growing with jitter up to
  /// `rejoin_interval_max`, for ever.
  Duration rejoin_interval = seconds{2};
  Duration rejoin_interval_max = seconds{15};
  /// Members kept in the table at most; alive messages about further ones are dropped and counted.
  std::uint32_t members_max = 65536;
  /// A member that comes and goes is suspected this many times longer at most, before others hear that it is dead.
  /// Counted from its fourth flap on; one flap is forgiven every five minutes. 0 = off. 3.
  std::uint32_t flap_damping_max = 3;
  /// Takes part as a listener only: it is a member, receives and passes on, but accuses nobody whom it cannot reach, and refuses to
  /// broadcast, also what comes over HTTP.
  bool observe = false;
  /// A wake-up that late means that this process was stalled: it must not accuse others for it.
  Duration stall_threshold = seconds{1};
};

/// When a node takes payloads from two neighbours in a tree, of which the earlier copy counts.
enum class SecondParents : std::uint8_t {
  lossy,   ///< where the way to the parent is slow and loses packets, and such ways are the exception: zones of four members or more
  always,  ///< wherever there is another way: a crash or a loss on the way holds nothing up, and payloads travel about twice
  never,
  count_
};
std::string_view to_string(SecondParents second) noexcept;

/// Whether broadcasts are signed by the member that publishes them, so that no other member can make them in its name.
enum class SignOrigins : std::uint8_t {
  off,      ///< nothing is signed or checked; what others have signed is passed on with its signature
  sign,     ///< our own are signed; of others' what is signed must be right, what is not signed passes
  require,  ///< and what is not signed by a key that belongs to its origin is neither delivered nor passed on
  count_
};
std::string_view to_string(SignOrigins mode) noexcept;

/// The broadcast tree. Names and values are those of the operator's guide (default; lan / wan / large).
struct TreeConfig {
  /// Links that are eager while a tree is unsettled or the rule is `classic`. 3 (3 / 4 / 5).
  std::uint32_t eager_fanout = 3;
  /// Further links; each costs announcements. 3 (3 / 5 / 5).
  std::uint32_t lazy_fanout = 3;
  /// Bounds on links and roles. 0 = no bound but `max_peers`.
  std::uint32_t max_peers = 24;
  std::uint32_t max_eager_peers = 0;
  std::uint32_t max_lazy_peers = 0;
  /// Longest time an announcement waits for company. 100 ms (50 / 200 / 150 ms).
  Duration ihave_interval = milliseconds{100};
  /// So many announcements are sent at once, without waiting. 16 (8 / 16 / 32).
  std::uint32_t ihave_batch_size = 16;
  /// Upper bound of the time to wait for an announced message before it is pulled; the timer itself follows
  /// measured lateness. 500 ms (200 ms / 1 s / 750 ms).
  Duration graft_timeout = milliseconds{500};
  /// After so many rounds over all announcers a pull is given up until the next digest. 5 (3 / 7 / 5).
  std::uint32_t graft_max_retries = 5;
  /// Grafts answered per second and peer, and the burst. 10 + 20 (20 + 40 / 5 + 15 / 10 + 30).
  std::uint32_t graft_rate_limit_per_second = 10;
  std::uint32_t graft_rate_limit_burst = 20;
  /// The graft cache: payloads kept to answer grafts. Must outlive announcement and retries.
  /// 60 s x 10,000 (30 s x 10,000 / 120 s x 20,000 / 90 s x 50,000).
  Duration message_cache_ttl = seconds{60};
  std::uint32_t message_cache_max_size = 10000;
  std::uint64_t message_cache_max_bytes = 32ULL << 20;
  /// Largest payload. 1 MiB; up to 512 MiB. Payloads above 128 KiB go in parts.
  std::uint64_t max_message_size = 1ULL << 20;
  /// Duplicates in a row from a peer before it is pruned; in `classic` also the hop advantage that
  /// swaps an eager link (Plumtree, section 3.8). 3 (2 / 4 / 5).
  std::uint32_t optimization_threshold = 3;
  /// Dial the ring successor besides random chords.
  bool use_hash_ring = true;
  /// Never close the links to the ring successor and predecessor for lack of room.
  bool protect_ring_neighbors = true;
  std::uint32_t max_protected_neighbors = 2;
  /// How often the link set is checked against the member list, and how far apart nodes spread. 2 s (1 / 5 / 3 s).
  Duration maintenance_interval = seconds{2};
  Duration maintenance_jitter = milliseconds{500};
  /// How often digests are compared with one neighbour, besides each link-up.
  Duration sync_interval = seconds{5};
  /// How long the repair store keeps a payload, and how many bytes and messages of them. 5 min. Bytes 0: 64 MiB, or twice
  /// `max_message_size` where that is more; a large payload is put together in the store, so it must fit in with room to spare.
  Duration sync_window = minutes{5};
  std::uint64_t sync_max_bytes = 0;
  [[nodiscard]] std::uint64_t store_bytes() const noexcept {
    return sync_max_bytes != 0 ? sync_max_bytes : std::max<std::uint64_t>(64ULL << 20, 2 * max_message_size);
  }
  /// Frames beside payloads that one neighbour may send in a second, and twice that in one go. What is above is dropped, counted
  /// (`plumtree_rate_limited_total`) and a mark against the neighbour; a full link of small messages has some thousands. 0 = no limit.
  std::uint32_t control_rate_limit_per_second = 20000;
  /// Origins that are no members here, of which one neighbour may make us hear for the first time in a second, and half of `origins_max`
  /// (256 at least) in one go: who left, and who is forged. Dropped, counted and marked alike. 0 = no limit.
  std::uint32_t origin_rate_limit_per_second = 10;
  /// How many messages the repair store keeps.
  std::uint64_t sync_max_messages = 1ULL << 20;
  /// A publisher waits for members whose oldest undelivered message is younger than this. 2 s.
  Duration lag_grace = seconds{2};
  /// How far a publisher may be ahead of the slowest member that keeps up, at most: its window follows the delay it measures.
  std::uint64_t pace_window_bytes = 8ULL << 20;
  std::uint64_t pace_window_messages = 65536;
  /// Origins remembered; the one silent for longest goes first, counted.
  std::uint32_t origins_max = 4096;
  /// Trees remembered; idle ones go first.
  std::uint32_t trees_max = 64;
  /// Topics remembered, the configured ones included; others come with their first message and the one idle longest goes.
  std::uint32_t topics_max = 1024;
  /// `rooted`: beacons of a root shape its tree; `classic`: the paper's rule, duplicates prune.
  enum class Rule : std::uint8_t { rooted, classic } tree_rule = Rule::rooted;
  /// How many members are roots, by rendezvous hash. 0: one in each of the 24 largest zones where members name zones, else
  /// one below 1,000 members and twelve from there on.
  std::uint32_t roots = 0;
  /// `lossy`, `always` or `never` two parents: `always` pays for short delays in crashes with twice the bytes. Only with `rooted`.
  SecondParents second_parents = SecondParents::lossy;
  /// Period of a root's beacon.
  Duration beacon_interval = seconds{5};
  /// What is done to payloads that are published here, where their topic says nothing else.
  Compression compression = Compression::off;
  /// `off`, `sign` or `require` signatures of those who publish (Ed25519; the key is made in `data_dir`, which is
  /// needed). To turn it on in a running cluster: `sign` on all members, then `require` on all. Between `sign` and
  /// `require` it changes while a node runs.
  SignOrigins sign_origins = SignOrigins::off;
  /// A signed broadcast that was published longer ago, or so far ahead, by its publisher's wall clock and ours, is
  /// refused: it may have been recorded and played again. At least twice `sync_window`. 1 h.
  Duration signed_max_age = hours{1};
  /// Where this node stands, free text: members of a zone are near each other. Each of the largest zones has a root.
  std::string zone;
};

/// Links: connections that carry tree frames.
struct LinkConfig {
  /// Above this many queued bytes a peer is no longer pushed to; what it is owed is remembered as ranges
  /// and sent when the queue has drained to `queue_low_bytes`.
  std::uint64_t queue_high_bytes = 1ULL << 20;
  std::uint64_t queue_low_bytes = 256ULL << 10;
  /// Above this a link is broken off (only control frames can get a queue there).
  std::uint64_t queue_max_bytes = 8ULL << 20;
  /// A link is pinged this often, by its ends in turn once the round trip is known well; it gives round trip and clock offset.
  Duration ping_interval = seconds{1};
  /// Nothing heard for so long: the link is dead.
  Duration idle_timeout = seconds{15};
  /// Dialling and greeting must be done by then.
  Duration handshake_timeout = seconds{5};
  /// Dials to one peer are repeated after this time, doubling with jitter up to the maximum.
  Duration backoff_min = milliseconds{100};
  Duration backoff_max = seconds{10};
  std::uint32_t parallel_dials = 4;
  /// Connections that have not greeted yet, at most.
  std::uint32_t half_open_max = 128;
  /// Connections that the kernel holds until we take them (listen's backlog); the kernel's own bound is net.core.somaxconn.
  std::uint32_t accept_backlog = 512;
  /// Connections that one address may open in a second, and five times that in one go; others are refused at once and counted. Addresses of
  /// this machine are exempt, since all its processes share them. 0 = no limit.
  std::uint32_t accept_rate_limit_per_second = 100;
  /// A neighbour that breaks the protocol again and again loses its link, and gets none for so long; twice as long with each repetition,
  /// up to an hour. An hour without a complaint is forgiven.
  Duration graylist_time = seconds{30};
};

/// When health becomes degraded. Rates are over 60 s and judged from 100 messages up.
struct HealthConfig {
  /// Share of the payloads received that were here already.
  double duplicate_rate_degraded = 0.2;
  /// Share of the pulls of announced messages that were given up.
  double graft_failure_rate_degraded = 0.2;
  /// How full the graft cache is, when pulls fail or it has less room than the preset's.
  double cache_utilization_degraded = 0.95;
  /// How long the oldest missing message has been missing.
  Duration missing_degraded = seconds{10};
  /// How long the event loop stood still, within the last minute.
  Duration stall_degraded = seconds{1};
  /// A neighbour's wall clock that differs by more. 30 s.
  Duration clock_offset_degraded = seconds{30};
  /// So much memory gained within a minute, beyond what parts with the preset's bounds fill. 64 MiB.
  std::uint64_t memory_growth_degraded = 64ULL << 20;
  /// Members that are to be there: who is not alive is named. At least so many of them, this one included; 0 = any number.
  std::vector<std::string> expected_members;
  std::uint32_t expected_members_min = 0;
  /// How old the oldest message may be that an origin's stream lacks here, or that a subscriber has not read, before that counts as
  /// lag, and as bad lag.
  Duration lag_warning = seconds{10};
  Duration lag_critical = seconds{60};
  /// A delivery that took longer from the publisher's call than this is told: a line (PV1309) and an event, some of many, and
  /// `plumtree_slow_deliveries_total` counts all. 0 = none. A member that was away has many.
  Duration slow_delivery = seconds{10};
  /// A gossip key that has been primary here for longer is a note of the doctor. 0 = no key is too old.
  Duration key_age_warning = hours{24 * 365};
};

enum class LogLevel : std::uint8_t { error, warn, info, debug, trace };
std::string_view to_string(LogLevel level) noexcept;
/// Who says what in a log.
inline constexpr std::array<std::string_view, 6> kLogComponents{"membership", "tree", "link", "node", "http", "agent"};

/// Which addresses of names are used: of seeds, and of members that have several.
enum class IpFamily : std::uint8_t { any, v4, v6, count_ };
std::string_view to_string(IpFamily family) noexcept;

/// What links go over.
enum class LinkTransport : std::uint8_t { tcp, quic, count_ };
std::string_view to_string(LinkTransport transport) noexcept;

/// What a line speaks of, for programs: `member`, `peer`, `by`, `address`, `reason` and so on. The names are literals.
using LogFields = std::vector<std::pair<std::string_view, std::string>>;

/// One log line. `text` is the exact documented wording where one is documented.
struct LogRecord {
  LogLevel level;
  std::string_view component;  ///< one of `kLogComponents`
  std::string_view code;       ///< stable code, for example PV1203; `plumvine explain` knows it
  std::string text;
  LogFields fields = {};
};
using LogSink = std::function<void(const LogRecord&)>;

struct Snapshot;
struct HealthReport;

/// Everything a node needs to start. An aggregate: copy it, change it, `validate()` it.
struct Config {
  /// Member name, unique in the cluster: 1 to 128 of [A-Za-z0-9._-].
  std::string name;
  /// Where packets, streams and links arrive. Empty = `[::]:7946`, or `0.0.0.0:7946` where IPv6 is off. Port 0 = ephemeral.
  std::string bind;
  /// What others dial. Empty = chosen from `bind` and the routes; the choice is logged.
  std::string advertise;
  /// Members to join by: `HOST[:PORT]` or `srv+NAME`. Kept for ever, resolved and contacted again.
  std::vector<std::string> seeds;
  /// Cluster label; frames of another label are dropped and counted. Empty = none.
  std::string cluster;
  /// Gossip key in base64: 16, 24 or 32 bytes. Membership is sealed as memberlist and Serf seal it, links with keys
  /// derived from it; who has no such key is no member. Empty = none. `describe()` shows `kHidden` instead.
  std::string encrypt;
  /// File with several such keys, as Serf writes it: a JSON array, the first is primary. A key in `encrypt` goes before
  /// them. Read at start and by `Node::reload`.
  std::string keyring;
  /// Files in PEM for TLS 1.3 on all streams: our certificate (its chain may follow), its key, and the CAs that are trusted. All three
  /// or none. Who dials and who is dialled both show certificates, which name them: `URI:plumvine://LABEL/NAME` of the cluster's
  /// label and the member's name, or `DNS:NAME` where the cluster has no label. Packets are sealed by the gossip key, or travel inside
  /// TLS where there is none, so members that do not speak TLS cannot take part. The files are read at start, by `Node::reload`, and when
  /// they change; files that others would refuse are not taken over. Turning TLS on or off needs a restart.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
  /// For so long CAs are trusted yet that `tls_ca` no longer has, so that members can be changed one after another. 0 = they are cut off at once.
  Duration tls_overlap = hours{1};
  /// What tree links go over: `tcp`, or `quic` between members that both have it, on a UDP port of their own; where nobody answers there,
  /// over TCP. QUIC needs TLS (`tls_cert`, `tls_key`, `tls_ca`). Membership's streams stay on TCP.
  LinkTransport transport = LinkTransport::tcp;
  /// The UDP port of QUIC; members tell it to each other. 0 = the port of `bind` and one, or any free one where `bind` has port 0.
  std::uint32_t quic_port = 0;
  /// Directory for what shall outlive the process: addresses of members, asked at the next start as seeds of lower rank,
  /// and keys that have changed, if `keyring` is empty. Made if missing; one node a directory. Empty = nothing is kept.
  std::string data_dir;
  /// Where delivery begins in a process that joins: `now`, `window` (with everything that its first neighbour still holds),
  /// or a cursor (`Node::cursor`, or of a line of `GET /subscribe`). A data directory that has seen messages goes before it:
  /// then delivery goes on where the last run ended.
  std::string start_from = "now";
  /// Delivered messages that the data directory keeps, for subscribers who come later: so many bytes and so long. 0 bytes: none.
  std::uint64_t history_max_bytes = 256ULL << 20;
  Duration history_window = hours{24};
  /// Which addresses are taken where a name has both kinds: `any`, `v4` or `v6`. Literal addresses are taken as they are.
  IpFamily ip_family = IpFamily::any;
  /// Where HTTP is served, `HOST:PORT`; empty = off.
  std::string http;
  /// Requests that one client address may make in a second, and in one go; others are answered 429 and counted
  /// (`plumvine_http_rate_limited_total`). 0 = no limit.
  std::uint32_t http_rate_limit_per_second = 0;
  std::uint32_t http_rate_limit_burst = 100;
  /// File with a token: who shows it (`Authorization: Bearer TOKEN`) may do over HTTP what changes state, from any address; without it
  /// only this machine may, which need not show it. Only its owner may read the file. 16 to 1024 visible characters. Read at start and by
  /// `Node::reload`. Empty = no token.
  std::string http_token_file;
  /// Which preset this came from, for `describe()`.
  std::string preset = "lan";
  /// Where keys have their values from, if not from the preset, as programs that read files and flags tell it; for `GET /config?origin=1`.
  std::map<std::string, std::string, std::less<>> origins;

  SwimConfig swim;
  TreeConfig tree;
  LinkConfig link;
  HealthConfig health;
  /// What is agreed for a topic, by its name; all others have the defaults.
  TopicConfigs topics;

  /// Tags that other members see; share 512 bytes with ours.
  Tags tags;
  /// Deliver a node's own broadcasts to itself too.
  bool deliver_local = false;
  /// Carry Serf's user events NAME to topic `serf.NAME`, and broadcasts on such topics to Serf as events.
  bool serf_events = false;
  /// Graceful leave and stop are bounded by these.
  Duration leave_timeout = seconds{5};
  Duration stop_timeout = seconds{2};
  /// Broadcasts waiting to be taken over by the loop.
  std::uint64_t mailbox_max_bytes = 8ULL << 20;
  std::uint32_t mailbox_max_messages = 65536;
  /// Seed of all random choices; 0 = from the system. Tests only.
  std::uint64_t seed = 0;

  /// Stands for a secret where configurations are shown.
  static constexpr std::string_view kHidden = "(hidden)";

  /// Lines of lower levels are not written.
  LogLevel log_level = LogLevel::info;
  /// Levels of components that differ from it, `tree=debug,link=warn`; of membership, tree, link, node, http, agent. At `trace` the
  /// component link tells the frames of each link, with their first bytes.
  std::map<std::string, LogLevel, std::less<>> log_levels;
  [[nodiscard]] LogLevel log_level_of(std::string_view component) const;
  /// Called on the loop thread. Empty = nothing is logged.
  LogSink log;
  /// Lines that are events of kind security go to `log` whatever the levels are, for an audit log of their own. Not a key: the
  /// program that has such a log sets it.
  bool log_security = false;
  /// Renders `GET /metrics`; set by `metrics::enable`. Empty = 404 with a hint.
  std::function<std::string(const Snapshot&, const HealthReport&)> render_metrics;

  static Config local(std::string name);
  static Config lan(std::string name);
  static Config wan(std::string name);
  static Config large(std::string name);
  static Config fast(std::string name);
  /// By the name of the preset; not_found lists the names there are.
  static Result<Config> from_preset(std::string_view preset, std::string name);

  /// One broken rule: which field, its value, what must hold, and a value that would do.
  struct Problem {
    std::string field;
    std::string message;
  };
  /// Every problem at once, in field order; empty = good.
  [[nodiscard]] std::vector<Problem> validate() const;

  /// Sets one key (named as in a configuration file) from text such as `200ms`, `64MiB`, `true`, `a,b`.
  /// `topics.NAME.KEY` sets what is agreed for a topic. Unknown keys name the nearest known one.
  Status set(std::string_view key, std::string_view text);
  /// What `take_over` did, by key.
  struct Changes {
    std::vector<std::string> taken;
    std::vector<std::string> need_restart;
  };
  /// Takes the values of all keys that can change while a node runs from `fresh`, and names those that differ and cannot.
  Changes take_over(const Config& fresh);
  /// Whether a node takes another value of this key while it runs (`Node::reload`).
  static bool changes_while_running(std::string_view key);
  /// All keys with their effective values as `set` would read them, in catalogue order.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> describe() const;
};

/// Parses `200ms`, `1.5s`, `2m`, `1h`; a bare number is an error.
Result<Duration> parse_duration(std::string_view text);
/// Shortest text that `parse_duration` reads back.
std::string format_duration(Duration duration);
/// Parses bytes: `1024`, `64KiB`, `64MiB`, `1GiB`.
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace plumvine
