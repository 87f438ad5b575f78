#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <plumvine/detail/counted_reasons.hpp>
#include <plumvine/detail/fixed_histogram.hpp>
#include <plumvine/time.hpp>
#include <plumvine/topic.hpp>

namespace plumvine {

/// Why a packet or membership stream was not processed.
enum class PacketReject : std::uint8_t {
  empty, malformed, unknown_type, wrong_label, encrypted, bad_crc, compressed_malformed, compressed_too_large,
  too_deep, too_large, wrong_name, incompatible_version, not_allowed, table_full, stream_limit, timed_out,
  undecryptable, plaintext, bad_address,
  count_,
};
std::string_view to_string(PacketReject reason) noexcept;

enum class ProbeResult : std::uint8_t { ack, indirect_ack, stream_ack, failed, count_ };
std::string_view to_string(ProbeResult result) noexcept;

/// Where a suspicion came from: a probe of ours, somebody's message, a row of somebody's table.
enum class Accusation : std::uint8_t { probe, gossip, exchange, count_ };
std::string_view to_string(Accusation source) noexcept;

/// Accusations of others that were not simply believed: their author accuses too many, or we hear the accused ourselves.
enum class Doubted : std::uint8_t { too_many, heard, count_ };
std::string_view to_string(Doubted why) noexcept;

enum class PushPullResult : std::uint8_t { in_ok, in_failed, out_ok, out_failed, count_ };

/// What came of a digest of our table: the tables are equal, some rows differed, or the other side does not know digests.
enum class DigestResult : std::uint8_t { equal, differing, refused, count_ };
std::string_view to_string(DigestResult result) noexcept;

/// What became of a message of Serf's, received or our own.
enum class SerfMessage : std::uint8_t {
  fresh, repeated, old, malformed, unknown_type, stranger, too_large, sent, dropped, bad_name, count_,
};
std::string_view to_string(SerfMessage what) noexcept;

/// What the membership machine counted since start.
struct SwimStats {
  CountedReasons<ProbeResult> probes;
  std::uint64_t indirect_probes = 0;
  std::uint64_t suspicions = 0;
  CountedReasons<Accusation> accusations;  ///< suspicions by where they came from
  std::uint64_t flaps_damped = 0;     ///< suspicions that last longer since the member comes and goes
  std::uint64_t stalls = 0;           ///< times that this process stood still
  std::uint64_t refutations = 0;      ///< of ours, about ourselves
  std::uint64_t deaths = 0;
  std::uint64_t false_positives = 0;  ///< deaths later refuted by the member
  std::uint64_t rejoin_attempts = 0;
  std::uint64_t conflicts = 0;        ///< same name at another address, refused
  std::uint64_t forgotten = 0;        ///< members forgotten by somebody's order
  std::uint64_t tombstones = 0;       ///< such orders that stand (gauge)
  std::uint64_t tombstones_evicted = 0;     ///< for lack of room
  std::uint64_t resurrections_refused = 0;  ///< old news of forgotten members
  CountedReasons<PushPullResult> push_pulls;
  CountedReasons<DigestResult> digests;  ///< table exchanges that we began with a digest
  std::uint64_t table_rows_sent = 0;     ///< in table exchanges
  CountedReasons<PacketReject> rejected;
  std::uint64_t plaintext_frames = 0; ///< packets, streams and frames on links in clear although there is a key, accepted or not
  SecondsHistogram probe_rtt{kSecondsBuckets};
  std::uint32_t health_score = 0;     ///< Lifeguard's local health multiplier, 0 = well
  std::uint64_t gossip_queue_length = 0;
  CountedReasons<SerfMessage> serf_messages;
  std::uint64_t user_dropped = 0;     ///< user messages that had to leave the full queue early
  std::uint64_t unasked = 0;          ///< acks and nacks that answer no question that is open
  CountedReasons<Doubted> doubted;    ///< accusations that were not simply believed
};

/// Why a link frame was refused.
enum class FrameReject : std::uint8_t {
  malformed, too_large, unknown_type, unexpected, wrong_label, bad_hello, origin_limit, tree_limit, sequence_jump,
  undecryptable, plaintext, invalid, part_mismatch, part_limit, rate, unconfirmed, bad_signature,
  count_,
};
std::string_view to_string(FrameReject reason) noexcept;

enum class CacheEviction : std::uint8_t { ttl, count, bytes, count_ };
std::string_view to_string(CacheEviction reason) noexcept;

/// What a token bucket held back.
enum class RateLimited : std::uint8_t { graft, ack, ask, control, origin, count_ };
std::string_view to_string(RateLimited what) noexcept;

/// Why a broadcast was refused where origins sign: not signed; the signature is not of what came, or of another cluster
/// or member; a key that is not that member's; a key that nobody told of in time; published too long ago, or too far
/// ahead; of an earlier run of its origin and older than repair can be.
enum class OriginRefused : std::uint8_t {
  unsigned_,
  bad_signature,
  other_key,
  unknown_key,
  too_old,
  from_future,
  old_instance,
  count_
};
std::string_view to_string(OriginRefused why) noexcept;

/// Mirror of `LossReason` for counting.
enum class Loss : std::uint8_t { evicted, expired, slow_consumer, held_back, too_large, dropped, incomplete, corrupt, count_ };

/// What became of a broadcast that asked for acknowledgements.
enum class ReceiptResult : std::uint8_t { complete, timed_out, count_ };
std::string_view to_string(ReceiptResult result) noexcept;

/// What became of direct messages: taken over for sending, acknowledged by the other end, given up; and of those of others:
/// delivered here, refused since they were here already or not for us.
enum class DirectResult : std::uint8_t { sent, acknowledged, failed, delivered, refused, count_ };
std::string_view to_string(DirectResult result) noexcept;

/// What the broadcast machine counted since start. The words are the operator guide's.
struct TreeStats {
  std::uint64_t broadcast = 0;
  std::uint64_t delivered = 0;          ///< to handlers; own echoes and reserved topics not counted
  std::uint64_t duplicate = 0;
  std::uint64_t partitioned = 0;        ///< own messages that left the store while a member was dead
  CountedReasons<Loss> lost;
  std::uint64_t gossip_sent = 0;
  std::uint64_t ihave_sent = 0;
  std::uint64_t graft_sent = 0;
  std::uint64_t graft_success = 0;
  std::uint64_t graft_failed = 0;
  std::uint64_t graft_retries = 0;
  std::uint64_t prune_sent = 0;
  std::uint64_t promotions = 0;
  std::uint64_t demotions = 0;
  std::uint64_t peers_added = 0;
  std::uint64_t peers_removed = 0;
  std::uint64_t seen_evictions = 0;     ///< origins forgotten for lack of room
  CountedReasons<CacheEviction> cache_evictions;
  std::uint64_t sync_rounds = 0;
  std::uint64_t sync_recovered = 0;     ///< first copies that a digest, not the tree, brought
  CountedReasons<FrameReject> frames_rejected;
  CountedReasons<RateLimited> rate_limited;
  std::uint64_t beacons_sent = 0;
  CountedReasons<Verdict> validations;  ///< messages that a validator judged
  std::uint64_t topics_evicted = 0;     ///< topics forgotten for lack of room
  CountedReasons<ReceiptResult> receipts;
  std::uint64_t compression_bytes_in = 0;     ///< payloads published here that were compressed, as they were before
  std::uint64_t compression_bytes_saved = 0;  ///< and how many bytes fewer they are
  std::uint64_t large_parts = 0;        ///< parts of large payloads received for the first time
  std::uint64_t large_completed = 0;    ///< large payloads put together
  std::uint64_t slow = 0;               ///< of those delivered: took longer than `slow_delivery`
  std::uint64_t from_future = 0;        ///< of those delivered: published later than they came, so somebody told a wrong time
  std::uint64_t signed_frames = 0;      ///< of ours, signed
  std::uint64_t verified_frames = 0;    ///< of others, whose signature is right
  CountedReasons<OriginRefused> origins_refused;  ///< frames
  std::uint64_t keys_refused = 0;       ///< times that a member showed another key than before
  std::uint64_t keys_no_room = 0;       ///< keys that were not remembered, or forgotten early, for lack of room
  std::uint64_t large_hints = 0;        ///< frames that told a neighbour at once of a part that it may be about to send
  SecondsHistogram graft_latency{kSecondsBuckets};
  SecondsHistogram delivery_latency{kSecondsBuckets};
  BytesHistogram message_size{kBytesBuckets};
  HopsHistogram message_hops{kHopsBuckets};
  BatchHistogram ihave_batch{kBatchBuckets};

  // Gauges, read at the moment of the snapshot.
  std::uint64_t cache_messages = 0;     ///< graft cache
  std::uint64_t cache_bytes = 0;
  std::uint64_t store_messages = 0;     ///< repair store, the cache included
  std::uint64_t store_bytes = 0;
  std::uint64_t seen_origins = 0;
  std::uint64_t ihave_queued = 0;
  std::uint64_t pending_grafts = 0;     ///< announced, not here, timer running
  std::uint64_t missing_messages = 0;   ///< known to exist, not here
  std::uint64_t held_back = 0;          ///< here, waiting for an earlier one of their origin
  std::uint64_t topics = 0;             ///< remembered
  std::uint64_t large_partial = 0;      ///< large payloads of which parts are missing
  std::uint64_t large_partial_bytes = 0;  ///< of these what is here
  std::uint64_t origin_keys = 0;        ///< members whose key is known
  std::uint64_t unknown_key_waiting = 0;  ///< broadcasts that wait until their origin's key is known
  Duration oldest_missing{0};
};

/// Payloads in the send queues of all links, by the priority of their topic.
struct QueueStats {
  CountedReasons<Priority> enqueued;
  CountedReasons<Priority> dequeued;
  CountedReasons<Priority> dropped;     ///< by the policy of their topic, or with a link that broke
  /// Payloads that a neighbour was not sent for the policy of their topic, by priority. It may still pull them.
  std::array<CountedReasons<Overflow>, static_cast<std::size_t>(Priority::count_)> by_policy;
  std::uint64_t recalled = 0;           ///< parts taken out again since the other end had told that it has them
};

/// What an event is about.
enum class EventKind : std::uint8_t { member, link, tree, security, delivery, load, node, count_ };
std::string_view to_string(EventKind kind) noexcept;

/// Events that were told, and those who follow them over HTTP.
struct EventStats {
  CountedReasons<EventKind> told;
  std::uint64_t dropped = 0;        ///< left the ring for newer ones
  std::uint64_t retained = 0;
  std::uint64_t bytes = 0;          ///< of those retained, about
  std::uint64_t followers = 0;
  std::uint64_t followers_cut = 0;  ///< read too slowly
};

/// Parts of a process's memory that are known here. The graft cache is part of the store.
enum class MemoryPart : std::uint8_t { store, queues, mailbox, members, events, samples, count_ };
std::string_view to_string(MemoryPart part) noexcept;

/// Blocks of memory for payloads that are used again (the pool), and those in use.
struct BlockStats {
  std::uint64_t reused = 0;  ///< taken from the pool
  std::uint64_t made = 0;    ///< given by the system, since the pool had none of the size
  std::uint64_t spare_bytes = 0;  ///< in the pool
  std::uint64_t in_use = 0;  ///< blocks handed out and not given back
};

/// The process's memory, as the system sees it, and what of it is ours. Filled by the node; 0 where nobody looks.
struct MemoryStats {
  std::uint64_t resident = 0;
  CountedReasons<MemoryPart> parts;
  BlockStats blocks;
  /// What was gained lately beyond the filling of parts whose bounds are the preset's; 0: nothing to speak of.
  std::uint64_t gained = 0;
  double gained_s = 0;                    ///< in so many seconds
  MemoryPart gaining = MemoryPart::count_;  ///< the part that gained most of it; `count_`: none of ours
};

/// Why a stream or packet was refused where TLS is on. `refused_by_peer`: the other end refused ours; `clear_packet`: a packet
/// that no key sealed, outside of TLS.
enum class TlsReject : std::uint8_t {
  unknown_ca, expired, wrong_cluster, wrong_name, no_certificate, unusable, plaintext, protocol, timed_out, refused_by_peer,
  clear_packet, limit,
  count_,
};
std::string_view to_string(TlsReject reason) noexcept;

/// What became of TLS handshakes: with certificates, or by a ticket of an earlier one.
enum class TlsHandshake : std::uint8_t { full, resumed, count_ };
std::string_view to_string(TlsHandshake kind) noexcept;

/// Streams under TLS. All at 0 where it is off.
struct TlsStats {
  bool on = false;
  CountedReasons<TlsHandshake> handshakes;
  CountedReasons<TlsReject> rejected;
  std::uint64_t sessions = 0;             ///< open now
  std::uint64_t packet_streams = 0;       ///< of these for packets
  std::uint64_t packets_dropped = 0;      ///< for streams that were not there in time, or full
  std::int64_t certificate_expires_s = 0; ///< Unix time
  std::int64_t certificate_from_s = 0;    ///< the same
  std::string certificate;                ///< fingerprint of the one in use
  double certificate_left_s = 0;          ///< until it expires, at the time of the snapshot; below 0: it has
  std::string problem;                    ///< why changed files were not taken over; empty: they were, or nothing changed
};

/// What an operator's block kept out.
enum class Blocked : std::uint8_t { packet, connection, link, broadcast, count_ };
std::string_view to_string(Blocked what) noexcept;

/// What became of QUIC handshakes: with certificates, by a ticket of an earlier one, or by a ticket and with data in the first packet.
enum class QuicHandshake : std::uint8_t { full, resumed, early, count_ };
std::string_view to_string(QuicHandshake kind) noexcept;

/// Why a packet on the port of QUIC was of no use.
enum class QuicReject : std::uint8_t { malformed, unknown_version, unknown_connection, bad_token, limit, not_admitted, count_ };
std::string_view to_string(QuicReject reason) noexcept;

/// Links over QUIC. All at 0 where it is off.
struct QuicStats {
  bool on = false;
  CountedReasons<QuicHandshake> handshakes;
  CountedReasons<QuicReject> rejected;
  std::uint64_t connections = 0;         ///< open now
  std::uint64_t sent_bytes = 0;          ///< in packets
  std::uint64_t received_bytes = 0;
  std::uint64_t send_errors = 0;
  std::uint64_t fallbacks = 0;           ///< dials that went on over TCP since nobody answered over QUIC
  std::uint64_t tcp_instead = 0;         ///< dials that did so at once, soon after such a one
  std::uint64_t retries = 0;             ///< who had to prove its address first
  std::uint64_t resets_sent = 0;         ///< answers to packets of connections that are not known
  std::uint64_t versions_sent = 0;       ///< answers to versions that are not spoken
  std::uint64_t migrations = 0;          ///< connections that went on from another address
  std::uint64_t early_refused = 0;       ///< data of ours in a first packet that did not count and went again
  std::uint64_t replays = 0;             ///< first packets with data that came again, or could not be told from such
  std::uint64_t tickets = 0;             ///< addresses whose ticket is kept for the next connection
  std::uint64_t datagrams_sent = 0;      ///< packets of membership inside of a link's connection
  std::uint64_t datagrams_received = 0;
  std::uint64_t datagrams_dropped = 0;
  std::uint64_t batches_sent = 0;        ///< payloads that went beside a link's stream, some frames at a time
  std::uint64_t batches_received = 0;
  std::uint64_t batch_bytes = 0;         ///< of batches that have come in part, or were not taken yet (gauge)
};

/// Bytes and connections, by the driver and transport.
struct TransportStats {
  std::uint64_t udp_sent_bytes = 0;
  std::uint64_t udp_received_bytes = 0;
  std::uint64_t tcp_sent_bytes = 0;
  std::uint64_t tcp_received_bytes = 0;
  std::uint64_t udp_send_errors = 0;
  std::uint64_t connections_refused = 0;  ///< over a limit of number or time
  std::uint64_t accepts_limited = 0;      ///< of these: their address opened too many in a second
  std::uint64_t graylisted = 0;           ///< times that a neighbour lost its link since it broke the protocol again and again
  CountedReasons<Blocked> blocked;        ///< what orders to block kept out
  std::uint64_t queue_overflows = 0;      ///< links broken off because `queue_max_bytes` waited for them
  QueueStats queues;
  CountedReasons<DirectResult> direct;
  TlsStats tls;
  QuicStats quic;
};

/// What the loop does with its time: packets taken in, links read and written by events of theirs, timers, the end of turns (what was
/// decided is sent), publishes and commands taken over, the user's handlers, HTTP, the message store of the data directory, and the rest
/// (the event loop itself, other users of it).
enum class LoopPhase : std::uint8_t { packets, links, timers, sending, mailbox, handlers, http, store, other, count_ };
std::string_view to_string(LoopPhase phase) noexcept;

/// Single operations whose times are kept: a batch taken from the mailbox, a write of the message store, an HTTP request, a snapshot.
enum class LoopOperation : std::uint8_t { mailbox, store, http, snapshot, count_ };
std::string_view to_string(LoopOperation operation) noexcept;

/// The loop's own health.
struct LoopStats {
  double busy_ratio = 0;                ///< of the last second, 0 to 1
  Duration max_stall{0};                ///< over the last 60 s
  std::string max_stall_in;             ///< what took most of that turn: a handler, an HTTP request, the disk; empty: nothing of these
  SecondsHistogram stalls{kSecondsBuckets};
  SecondsHistogram handlers{kSecondsBuckets};
  CountedReasons<LoopPhase> phases;     ///< nanoseconds of busy time; one sum for all nodes on the loop
  std::array<SecondsHistogram, static_cast<std::size_t>(LoopOperation::count_)> operations{
      SecondsHistogram{kSecondsBuckets}, SecondsHistogram{kSecondsBuckets}, SecondsHistogram{kSecondsBuckets}, SecondsHistogram{kSecondsBuckets}};
  SecondsHistogram mailbox_wait{kSecondsBuckets};  ///< from the call of `broadcast` until the loop took it
  std::uint64_t timers = 0;             ///< deadlines of membership and of connections that are set (gauge)
  std::uint64_t mailbox_messages = 0;
  std::uint64_t mailbox_bytes = 0;
  std::uint64_t publish_window_bytes = 0;  ///< how far broadcasts of this node may be ahead of the slowest member that keeps up
  Duration publish_delay{0};               ///< of the last acknowledged broadcast: from the call until all had it

  void operation(LoopOperation what, double took_s) noexcept { operations[static_cast<std::size_t>(what)].observe(took_s); }
};

}  // namespace plumvine
