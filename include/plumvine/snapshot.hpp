#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/handlers.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/topic.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// One member as others may see it printed.
struct MemberInfo {
  Member member;
  double rtt_s = -1;      ///< negative = unknown
  PacketPath packets = PacketPath::open;
  StreamContact contact = StreamContact::unknown;
  std::string incompatible;  ///< why its protocol or delegate versions do not go with ours; empty where they do
  std::string no_link;       ///< what an attempt of the last minute to make a link failed with; empty where none has, or there is a link since
  std::vector<std::string> accused_by;  ///< while it is suspect: who said so; while dead: who declared it
  bool speaks_links = false;
  bool self = false;

  /// Of `member.meta`, decoded by each call.
  [[nodiscard]] Tags tags() const { return decode_tags(member.meta.view()); }
};

/// What a check of the ways to one member found.
struct ReachCheck {
  std::string member;
  std::optional<Duration> udp;      ///< round trip of a ping by packet; nothing: none was answered
  std::optional<Duration> tcp;      ///< of a ping over a connection of its own
  std::string tcp_problem;          ///< why there is none
  bool heard = false;               ///< a ping of its own came by packet meanwhile
  std::uint32_t packet_bytes = 0;   ///< largest packet that got there and was answered; 0: none of those was
  std::uint32_t packet_bytes_tried = 0;  ///< largest that was tried
};

enum class LinkState : std::uint8_t { dialling, greeting, up, draining, visiting, count_ };
std::string_view to_string(LinkState state) noexcept;

/// One link, or one being made.
struct LinkInfo {
  std::string peer;
  InstanceId instance{};
  LinkState state = LinkState::dialling;
  bool outbound = false;
  PeerRole role = PeerRole::lazy;   ///< eager if it is in any tree
  bool is_protected = false;        ///< ring neighbour
  bool congested = false;           ///< above the high watermark, served from the store later
  double rtt_s = -1;
  double clock_offset_s = 0;        ///< peer's wall clock minus ours
  double graft_timeout_s = 0;       ///< so long what it announces may take to come before it is pulled; follows measured lateness
  double score = 1;                 ///< 1 = well; falls with silence, a full queue, and marks for breaking the protocol
  std::uint64_t queue_bytes = 0;
  std::uint64_t queue_messages = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  double last_frame_s = 0;          ///< seconds since the last frame arrived
  double up_s = 0;                  ///< seconds since the greeting was done; 0: it is not
};

/// One edge of one tree, as seen from here.
struct TreeInfo {
  TreeId tree{};
  std::string root;                 ///< name, empty where unknown
  std::uint64_t epoch = 0;
  bool settled = false;
  std::string parent;               ///< empty at the root
  std::vector<std::string> eager;
  std::vector<std::string> lazy;
};

/// How far one origin's broadcasts have come here.
struct OriginInfo {
  InstanceId instance{};
  std::string name;
  Sequence highest = 0;             ///< highest known to exist
  Sequence delivered = 0;           ///< everything up to it was delivered or reported lost
  std::uint64_t missing = 0;
  double age_s = 0;                 ///< how long the oldest missing one has been missing, 0 where none is
};

/// A large payload of which parts are missing here.
struct LargeInfo {
  MessageId id;
  std::string origin;               ///< name
  std::string topic;
  std::uint64_t parts_here = 0, parts = 0;
  std::uint64_t bytes_here = 0, bytes = 0;
  double age_s = 0;                 ///< since its first part came
};

/// One topic in use here, or configured.
struct TopicInfo {
  std::string name;
  TopicConfig policy;
  std::uint64_t published = 0;      ///< by this node
  std::uint64_t received = 0;       ///< first copies of others' messages
};

/// Answered HTTP requests of one route with one status.
struct HttpCount {
  std::string path;                 ///< a route of ours, or `other`
  int code = 0;
  std::uint64_t count = 0;
};

/// What the key of this name bounds, as it is now. Beyond the bound something is refused or forgotten, and counted.
struct BoundInfo {
  std::string key;
  std::uint64_t used = 0;
  std::uint64_t bound = 0;
  [[nodiscard]] double utilization() const { return bound == 0 ? 0 : static_cast<double>(used) / static_cast<double>(bound); }
};

/// Connections of HTTP clients.
struct HttpStats {
  std::uint64_t connections = 0;    ///< open now
  std::uint64_t evicted = 0;        ///< ended to make room for newer ones
  std::uint64_t timed_out = 0;      ///< ended since the client neither finished its request nor took its answer in time
  std::uint64_t rate_limited = 0;   ///< requests refused for their client's rate
  std::uint64_t repeated = 0;       ///< publishes whose key (`Idempotency-Key`) was known: answered, not sent again
  std::uint64_t keys_forgotten = 0; ///< such keys that went before their time, for lack of room
};

/// A gossip key, by the name that says nothing about it.
struct KeyInfo {
  std::string name;
  bool primary = false;
  double age_s = 0;                 ///< since it was first in this node's keyring, as far as the node knows
};

/// A seed, and what came of contacting it.
struct SeedInfo {
  std::string name;                 ///< as configured, with the port
  bool self = false;                ///< it is this member itself
  bool alive = false;               ///< every address of it belongs to a living member or to this one
  std::string problem;              ///< what its last contact failed with; empty where none has failed since it answered
};

/// A member that broke the protocol again and again: it gets no link for a time.
struct GraylistInfo {
  std::string peer;
  std::string address;              ///< of the link that it lost
  std::string reason;               ///< what it did last
  std::uint64_t times = 0;          ///< without an hour of peace between them
  double left_s = 0;                ///< until it may have a link again; 0: it may now
  double ago_s = 0;                 ///< since it lost its link
};

/// Broadcasts of one member that were refused here for one reason, where origins sign; or that a member shows another
/// key than before.
struct RefusedOriginInfo {
  std::string origin;
  std::string reason;  ///< as of `OriginRefused`, or `key_changed`
  std::string peer;    ///< the neighbour that passed the last one on; empty for a key
  std::uint64_t count = 0;
  double ago_s = 0;    ///< since the last one
};

/// What an operator keeps out.
struct BlockInfo {
  std::string what;                 ///< as it was given: an address or network, `name:NAME`, `identity:SAN`
  double left_s = -1;               ///< until it ends; below 0: it does not
  std::uint64_t refused = 0;        ///< packets, connections, links and broadcasts
};

/// A member that accuses more others than can be.
struct AccuserInfo {
  std::string name;
  std::uint64_t accused = 0;        ///< members, within the last minute or until it was noticed
  std::uint64_t doubted = 0;        ///< its accusations that were not believed
  double age_s = 0;                 ///< since the last of these
};

/// Somebody was heard who is none of us: another cluster label, another key, or none.
struct StrangerInfo {
  std::string from;                 ///< address of the last one
  std::uint64_t count = 0;          ///< packets, streams and links refused for it; 0: nobody
  double age_s = 0;                 ///< since the last one
};

/// One who reads a topic over HTTP.
struct SubscriberInfo {
  std::string topic;
  std::string from;                 ///< its address
  bool reads_history = false;       ///< it has not caught up: what it is behind counts messages of all topics
  std::uint64_t behind = 0;         ///< messages that it has not read yet
  std::uint64_t bytes = 0;          ///< of them, that wait in memory
  double age_s = 0;                 ///< how long the oldest of these waits, 0 where none does
};

/// Delivered messages that are kept over restarts, and those who read them over HTTP.
struct HistoryInfo {
  bool kept = false;                ///< there is a data directory for them
  std::string problem;              ///< why they cannot be written now; empty: they can
  std::uint64_t messages = 0, bytes = 0;
  std::uint64_t dropped = 0;        ///< could not be written
  std::uint64_t gaps = 0;           ///< ranges that subscribers were told they cannot have
  std::vector<SubscriberInfo> subscribers;
};

/// Sums over the last 60 s.
struct WindowStats {
  double seconds = 0;
  std::uint64_t delivered = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t grafts_sent = 0;
  std::uint64_t grafts_failed = 0;
  std::uint64_t cache_overflows = 0;  ///< messages that left the graft cache for lack of room
};

/// The state of one node at one instant. Immutable once published; everything that metrics, health, HTTP
/// and the dump show is a function of it.
struct Snapshot {
  Timestamp at;
  double uptime_s = 0;
  std::string version;
  std::string name;
  InstanceId instance{};
  Endpoint address;

  std::vector<MemberInfo> members;  ///< by name
  std::vector<LinkInfo> links;      ///< by peer name; every entry with state `up` is a neighbour
  std::vector<TreeInfo> trees;
  std::vector<OriginInfo> origins;
  std::vector<TopicInfo> topics;    ///< by name
  std::vector<LargeInfo> large;     ///< under way, by origin and sequence
  std::vector<SeedInfo> seeds;
  StrangerInfo other_cluster;       ///< carries another cluster label
  StrangerInfo other_key;           ///< none of our keys opens what it sends
  StrangerInfo in_clear;            ///< speaks in clear though that is not taken
  std::vector<GraylistInfo> graylist;    ///< by name
  std::vector<RefusedOriginInfo> refused_origins;  ///< by name and reason
  bool signatures_required = false;      ///< `sign_origins` is `require` here
  std::vector<BlockInfo> blocks;         ///< as they were given
  std::vector<AccuserInfo> accusers;     ///< by name
  std::vector<KeyInfo> keys;        ///< primary first; empty without keys
  std::string name_holder;          ///< the address that the others know under our name; empty where that is ours

  SwimStats swim;
  TreeStats tree;
  TransportStats transport;
  LoopStats loop;
  WindowStats window;
  HistoryInfo history;
  EventStats events;
  MemoryStats memory;
  std::uint64_t recorded_samples = 0;    ///< snapshots of the metrics that `GET /debug/history` has
  std::uint64_t recorded_bytes = 0;      ///< what they take, about
  HttpStats http;
  std::vector<HttpCount> http_requests;  ///< filled by the node's HTTP routes; empty while HTTP is off

  bool joined = false;              ///< a seed answered, or none but ourselves is configured
  bool synced = false;              ///< the first sync was applied
  bool left = false;
  std::string not_ready_reason;     ///< empty = ready
  PartitionState partition = PartitionState::healthy;
  std::vector<std::string> unreachable;
  double silent_s = 0;              ///< since anything was heard from anybody, by packet, stream or link
  double silence_limit_s = 0;       ///< as long as that only who is cut off hears nothing; 0: not known
  double unanswered_s = 0;          ///< since the first question to a member after anybody last answered one; 0: none waits
  std::uint64_t unanswered = 0;     ///< questions since then: pings of probes and links, requests to helpers
  std::uint64_t unanswered_members = 0;  ///< to whom they went, eight at most

  std::vector<BoundInfo> bounds;
  std::uint64_t target_eager = 0;
  std::uint64_t cache_capacity = 0;
  std::uint64_t cache_bytes_capacity = 0;
  double cache_ttl_s = 0;
  double cache_need_s = 0;          ///< so long may members still ask for a message: announcement, all pulls, the next digest
  bool cache_reduced = false;       ///< it has less room than the preset gives it
  double graft_timeout_s = 0;
  std::string tree_options;         ///< of those that shape trees: what differs from the preset, `key=value`
  std::vector<std::string> expected;     ///< `expected_members`
  std::uint64_t expected_min = 0;        ///< `expected_members_min`
  double lag_warning_s = 0;         ///< as configured
  double lag_critical_s = 0;
  std::uint64_t queue_bytes = 0;    ///< all send queues together
  double clock_offset_s = 0;        ///< largest offset of a neighbour's wall clock, by amount
  std::uint64_t invariant_violations = 0;
};

enum class LagLevel : std::uint8_t { ok, warning, critical };
std::string_view to_string(LagLevel level) noexcept;
/// What it means that the oldest message somebody lacks is so old.
LagLevel lag_level(const Snapshot& snapshot, double age_s) noexcept;

}  // namespace plumvine
