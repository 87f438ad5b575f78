#include "catalog.hpp"

#include <algorithm>
#include <array>

#include <plumvine/time.hpp>

namespace plumvine::metrics {
namespace {

using Out = std::vector<Sample>;

void one(Out& out, double value) {
  out.push_back({{}, value});
}
void one(Out& out, std::uint64_t value) {
  one(out, static_cast<double>(value));
}

template <std::size_t N>
void buckets(Out& out, const FixedHistogram<N>& h) {
  out.push_back({{}, h.sum(), h.bounds(), h.counts()});
}

void read_operations(const Source& s, Out& out) {
  const auto& operations = s.snapshot.loop.operations;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto& h = operations[i];
    out.push_back({{{"operation", std::string(to_string(static_cast<LoopOperation>(i)))}}, h.sum(), h.bounds(), h.counts()});
  }
}

void read_phases(const Source& s, Out& out) {
  for (std::size_t i = 0; i < CountedReasons<LoopPhase>::kSize; ++i) {
    const auto phase = static_cast<LoopPhase>(i);
    out.push_back({{{"phase", std::string(to_string(phase))}}, static_cast<double>(s.snapshot.loop.phases[phase]) / 1e9});
  }
}

template <class Enum>
void by_reason(Out& out, const char* label, const CountedReasons<Enum>& counts) {
  for (std::size_t i = 0; i < CountedReasons<Enum>::kSize; ++i) {
    const auto reason = static_cast<Enum>(i);
    out.push_back({{{label, std::string(to_string(reason))}}, static_cast<double>(counts[reason])});
  }
}

std::uint64_t neighbours(const Snapshot& s, bool (*match)(const LinkInfo&)) {
  return static_cast<std::uint64_t>(std::count_if(
      s.links.begin(), s.links.end(), [match](const LinkInfo& l) { return l.state == LinkState::up && match(l); }));
}

// A neighbour is degraded while it cannot take what we push, or was late or failed us often.
bool degraded(const LinkInfo& link) {
  return link.congested || link.score < 0.5;
}

void read_lost(const Source& s, Out& out) {
  for (std::size_t i = 0; i < CountedReasons<Loss>::kSize; ++i) {
    const auto mirror = static_cast<LossReason>(i);
    out.push_back({{{"reason", std::string(to_string(mirror))}}, static_cast<double>(s.snapshot.tree.lost[static_cast<Loss>(i)])});
  }
}

void read_queue_drops(const Source& s, Out& out) {
  const auto& by_policy = s.snapshot.transport.queues.by_policy;
  for (std::size_t lane = 0; lane < by_policy.size(); ++lane) {
    for (auto policy : {Overflow::drop_oldest, Overflow::drop_newest, Overflow::disconnect}) {
      out.push_back({{{"lane", std::string(to_string(static_cast<Priority>(lane)))}, {"policy", std::string(to_string(policy))}},
                     static_cast<double>(by_policy[lane][policy])});
    }
  }
}

void read_members(const Source& s, Out& out) {
  for (auto state : {MemberState::alive, MemberState::suspect, MemberState::dead, MemberState::left}) {
    const auto n = std::count_if(s.snapshot.members.begin(), s.snapshot.members.end(),
                                 [state](const MemberInfo& m) { return m.member.state == state; });
    out.push_back({{{"state", std::string(to_string(state))}}, static_cast<double>(n)});
  }
}

void read_packets_blocked(const Source& s, Out& out) {
  for (auto path : {PacketPath::out_blocked, PacketPath::in_blocked}) {
    const auto n = std::count_if(s.snapshot.members.begin(), s.snapshot.members.end(), [path](const MemberInfo& m) {
      return m.packets == path && m.member.state == MemberState::alive;
    });
    out.push_back({{{"direction", path == PacketPath::in_blocked ? "in" : "out"}}, static_cast<double>(n)});
  }
}

std::uint64_t subscribers_sum(const Snapshot& s, std::uint64_t SubscriberInfo::*what) {
  std::uint64_t sum = 0;
  for (const auto& subscriber : s.history.subscribers) sum += subscriber.*what;
  return sum;
}

/// Ages of what lags: per origin, per subscriber.
std::vector<double> ages(const Snapshot& s, std::string_view what) {
  std::vector<double> out;
  if (what == "origin") {
    for (const auto& origin : s.origins) out.push_back(origin.age_s);
  } else {
    for (const auto& subscriber : s.history.subscribers) out.push_back(subscriber.age_s);
  }
  return out;
}

void read_lag(const Source& s, Out& out) {
  for (const char* what : {"origin", "subscriber"}) {
    double oldest = 0;
    for (const double age : ages(s.snapshot, what)) oldest = std::max(oldest, age);
    out.push_back({{{"what", what}}, oldest});
  }
}

void read_lagging(const Source& s, Out& out) {
  for (const char* what : {"origin", "subscriber"}) {
    for (const auto level : {LagLevel::warning, LagLevel::critical}) {
      const auto all = ages(s.snapshot, what);
      const auto n = std::count_if(all.begin(), all.end(), [&](double age) { return lag_level(s.snapshot, age) >= level; });
      out.push_back({{{"what", what}, {"level", std::string(to_string(level))}}, static_cast<double>(n)});
    }
  }
}

void read_links(const Source& s, Out& out) {
  for (auto state : {LinkState::dialling, LinkState::greeting, LinkState::up, LinkState::draining, LinkState::visiting}) {
    const auto n = std::count_if(s.snapshot.links.begin(), s.snapshot.links.end(),
                                 [state](const LinkInfo& l) { return l.state == state; });
    out.push_back({{{"state", std::string(to_string(state))}}, static_cast<double>(n)});
  }
}

void read_push_pulls(const Source& s, Out& out) {
  const auto& n = s.snapshot.swim.push_pulls;
  const auto add = [&](const char* direction, const char* result, PushPullResult which) {
    out.push_back({{{"direction", direction}, {"result", result}}, static_cast<double>(n[which])});
  };
  add("in", "ok", PushPullResult::in_ok);
  add("in", "failed", PushPullResult::in_failed);
  add("out", "ok", PushPullResult::out_ok);
  add("out", "failed", PushPullResult::out_failed);
}

void by_transport(Out& out, std::uint64_t tcp, std::uint64_t udp, std::uint64_t quic) {
  out.push_back({{{"transport", "tcp"}}, static_cast<double>(tcp)});
  out.push_back({{{"transport", "udp"}}, static_cast<double>(udp)});
  out.push_back({{{"transport", "quic"}}, static_cast<double>(quic)});
}

void read_http_closed(const Source& s, Out& out) {
  out.push_back({{{"reason", "evicted"}}, static_cast<double>(s.snapshot.http.evicted)});
  out.push_back({{{"reason", "timed_out"}}, static_cast<double>(s.snapshot.http.timed_out)});
}

void read_http(const Source& s, Out& out) {
  for (const auto& r : s.snapshot.http_requests) {
    out.push_back({{{"path", r.path}, {"code", std::to_string(r.code)}}, static_cast<double>(r.count)});
  }
}

constexpr std::string_view kLoss = "reason: evicted, expired, slow_consumer, held_back, too_large, dropped, incomplete, corrupt";
constexpr std::string_view kPriority = "priority: critical, high, normal, low";
constexpr std::string_view kEviction = "reason: ttl, count, bytes";
constexpr std::string_view kFrame =
    "reason: malformed, too_large, unknown_type, unexpected, wrong_label, bad_hello, origin_limit, tree_limit, "
    "sequence_jump, undecryptable, plaintext, invalid, part_mismatch, part_limit, rate, unconfirmed, bad_signature";
constexpr std::string_view kPacket =
    "reason: empty, malformed, unknown_type, wrong_label, encrypted, bad_crc, compressed_malformed, "
    "compressed_too_large, "
    "too_deep, too_large, wrong_name, incompatible_version, not_allowed, table_full, stream_limit, timed_out, "
    "undecryptable, plaintext, bad_address";

#define COUNT(field) [](const Source& s, Out& out) { one(out, s.snapshot.field); }
#define HISTOGRAM(field) [](const Source& s, Out& out) { buckets(out, s.snapshot.field); }
using enum Type;

constexpr std::array kRows{
    // Broadcast tree.
    Row{"plumtree_messages_broadcast_total", counter, "", "", "Messages published here. Reserved topics, which test-delivery uses, are not counted.", COUNT(tree.broadcast)},
    Row{"plumtree_messages_delivered_total", counter, "", "",
        "Messages handed to handlers. Own echoes and reserved topics are not counted.", COUNT(tree.delivered)},
    Row{"plumtree_slow_deliveries_total", counter, "", "", "Delivered messages that took longer than slow_delivery (PV1309).", COUNT(tree.slow)},
    Row{"plumtree_messages_from_future_total", counter, "", "",
        "Messages whose time of publishing lay more than a second ahead when they came (PV1308).", COUNT(tree.from_future)},
    Row{"plumtree_messages_duplicate_total", counter, "", "", "Payloads received again.", COUNT(tree.duplicate)},
    Row{"plumtree_messages_partitioned_total", counter, "", "",
        "Own messages that left the repair store while a member that had not left was dead.", COUNT(tree.partitioned)},
    Row{"plumtree_messages_lost_total", counter, "", kLoss, "Messages that will never be delivered here.", read_lost},
    Row{"plumtree_gossip_sent_total", counter, "", "", "Payload frames sent.", COUNT(tree.gossip_sent)},
    Row{"plumtree_ihave_sent_total", counter, "", "", "Announcement frames sent.", COUNT(tree.ihave_sent)},
    Row{"plumtree_graft_sent_total", counter, "", "", "Grafts sent.", COUNT(tree.graft_sent)},
    Row{"plumtree_graft_success_total", counter, "", "", "Grafts that brought the message.", COUNT(tree.graft_success)},
    Row{"plumtree_graft_failed_total", counter, "", "",
        "Messages given up after all retries; the next digest repairs them.", COUNT(tree.graft_failed)},
    Row{"plumtree_graft_retries_total", counter, "", "", "Grafts sent again to the next announcer.",
        COUNT(tree.graft_retries)},
    Row{"plumtree_prune_sent_total", counter, "", "", "Prunes sent.", COUNT(tree.prune_sent)},
    Row{"plumtree_peer_promotions_total", counter, "", "", "Links that became eager in a tree.",
        COUNT(tree.promotions)},
    Row{"plumtree_peer_demotions_total", counter, "", "", "Links that became lazy in a tree.", COUNT(tree.demotions)},
    Row{"plumtree_peer_added_total", counter, "", "", "Links that came up.", COUNT(tree.peers_added)},
    Row{"plumtree_peer_removed_total", counter, "", "", "Links that went down.", COUNT(tree.peers_removed)},
    Row{"plumtree_seen_map_evictions_total", counter, "", "", "Origins forgotten for lack of room.",
        COUNT(tree.seen_evictions)},
    Row{"plumtree_cache_evictions_total", counter, "", kEviction,
        "Messages that left the graft cache. Those that the repair store still holds can be pulled.",
        [](const Source& s, Out& out) { by_reason(out, "reason", s.snapshot.tree.cache_evictions); }},
    Row{"plumtree_sync_rounds_total", counter, "", "", "Digests compared with a neighbour.", COUNT(tree.sync_rounds)},
    Row{"plumtree_sync_messages_recovered_total", counter, "", "", "First copies that a digest brought, not the tree.",
        COUNT(tree.sync_recovered)},
    Row{"plumtree_frames_rejected_total", counter, "", kFrame, "Link frames refused.",
        [](const Source& s, Out& out) { by_reason(out, "reason", s.snapshot.tree.frames_rejected); }},
    Row{"plumtree_origins_refused_total", counter, "",
        "reason: unsigned, bad_signature, other_key, unknown_key, too_old, from_future, old_instance",
        "Broadcasts, runs and parts of others that were refused since their origin did not sign them as sign_origins asks (PV1310).",
        [](const Source& s, Out& out) { by_reason(out, "reason", s.snapshot.tree.origins_refused); }},
    Row{"plumtree_frames_signed_total", counter, "", "", "Broadcasts, runs and parts of ours that were signed.", COUNT(tree.signed_frames)},
    Row{"plumtree_frames_verified_total", counter, "", "", "Broadcasts, runs and parts of others whose signature was found right.", COUNT(tree.verified_frames)},
    Row{"plumtree_origin_keys_refused_total", counter, "", "", "Times that a member showed another key for its broadcasts than before (PV1311).",
        COUNT(tree.keys_refused)},
    Row{"plumtree_origin_keys_no_room_total", counter, "", "", "Keys for broadcasts that were not remembered, or forgotten early, for lack of room.",
        COUNT(tree.keys_no_room)},
    Row{"plumtree_origin_keys", gauge, "", "", "Members whose key for broadcasts is known.", COUNT(tree.origin_keys)},
    Row{"plumtree_unknown_key_waiting", gauge, "", "", "Broadcasts that wait until the key of their origin is known.", COUNT(tree.unknown_key_waiting)},
    Row{"plumtree_rate_limited_total", counter, "", "what: graft, ack, ask, control, origin",
        "Requests of peers held back: grafts by a token bucket, requests for acknowledgements and questions by number and pace, all frames beside "
        "payloads, and origins that are no members, by token buckets of each link.",
        [](const Source& s, Out& out) { by_reason(out, "what", s.snapshot.tree.rate_limited); }},
    Row{"plumtree_priority_enqueued_total", counter, "", kPriority, "Payloads put into send queues, by the priority of their topic.",
        [](const Source& s, Out& out) { by_reason(out, "priority", s.snapshot.transport.queues.enqueued); }},
    Row{"plumtree_priority_dequeued_total", counter, "", kPriority, "Payloads that left send queues to be written.",
        [](const Source& s, Out& out) { by_reason(out, "priority", s.snapshot.transport.queues.dequeued); }},
    Row{"plumtree_priority_dropped_total", counter, "", kPriority,
        "Payloads not written: their topic drops them at a slow neighbour, or its link broke. It may still pull them.",
        [](const Source& s, Out& out) { by_reason(out, "priority", s.snapshot.transport.queues.dropped); }},
    Row{"plumtree_validations_total", counter, "", "verdict: accept, ignore, reject", "Messages that a validator judged.",
        [](const Source& s, Out& out) { by_reason(out, "verdict", s.snapshot.tree.validations); }},
    Row{"plumtree_receipts_total", counter, "", "result: complete, timed_out",
        "Own broadcasts with acknowledgements, by what became of them.",
        [](const Source& s, Out& out) { by_reason(out, "result", s.snapshot.tree.receipts); }},
    Row{"plumtree_topics_evicted_total", counter, "", "", "Topics forgotten for lack of room (topics_max).", COUNT(tree.topics_evicted)},
    Row{"plumtree_invariant_violations_total", counter, "", "",
        "Broken promises of the program to itself. Anything but 0 is a bug to report.", COUNT(invariant_violations)},
    Row{"plumtree_graft_latency_seconds", Type::histogram, "seconds", "",
        "From sending a graft to the arrival of its message.", HISTOGRAM(tree.graft_latency)},
    Row{"plumtree_message_size_bytes", Type::histogram, "bytes", "",
        "Payload sizes of messages published or received here.", HISTOGRAM(tree.message_size)},
    Row{"plumtree_message_hops", Type::histogram, "hops", "",
        "Hops that first copies took; 1 is straight from the origin.", HISTOGRAM(tree.message_hops)},
    Row{"plumtree_ihave_batch_size", Type::histogram, "ids", "", "Ids in one announcement frame.",
        HISTOGRAM(tree.ihave_batch)},
    Row{"plumtree_delivery_latency_seconds", Type::histogram, "seconds", "",
        "From publishing to delivery here, the origin's clock offset removed.", HISTOGRAM(tree.delivery_latency)},
    Row{"plumtree_eager_peers", gauge, "links", "", "Links that are eager in any tree.",
        [](const Source& s, Out& out) {
          one(out, neighbours(s.snapshot, [](const LinkInfo& l) { return l.role == PeerRole::eager; }));
        }},
    Row{"plumtree_lazy_peers", gauge, "links", "", "Links that are lazy in every tree.",
        [](const Source& s, Out& out) {
          one(out, neighbours(s.snapshot, [](const LinkInfo& l) { return l.role == PeerRole::lazy; }));
        }},
    Row{"plumtree_total_peers", gauge, "links", "", "Established links, eager and lazy.",
        [](const Source& s, Out& out) { one(out, neighbours(s.snapshot, [](const LinkInfo&) { return true; })); }},
    Row{"plumtree_peers_healthy", gauge, "links", "", "Links that keep up: not congested, score 0.5 or better.",
        [](const Source& s, Out& out) {
          one(out, neighbours(s.snapshot, [](const LinkInfo& l) { return !degraded(l); }));
        }},
    Row{"plumtree_peers_degraded", gauge, "links", "", "Links that are congested or have a score below 0.5.",
        [](const Source& s, Out& out) { one(out, neighbours(s.snapshot, degraded)); }},
    Row{"plumtree_cache_size", gauge, "messages", "", "Messages in the graft cache.", COUNT(tree.cache_messages)},
    Row{"plumtree_cache_capacity", gauge, "messages", "", "Messages that the graft cache may hold.",
        COUNT(cache_capacity)},
    Row{"plumtree_cache_bytes", gauge, "bytes", "", "Payload bytes in the graft cache.", COUNT(tree.cache_bytes)},
    Row{"plumtree_seen_map_size", gauge, "origins", "", "Origins whose broadcasts are remembered, this node among them.",
        COUNT(tree.seen_origins)},
    Row{"plumtree_topics", gauge, "topics", "", "Topics remembered, the configured ones included.", COUNT(tree.topics)},
    Row{"plumtree_held_back_messages", gauge, "messages", "",
        "Messages here that wait, for the order of their topic, for an earlier one of their origin.", COUNT(tree.held_back)},
    Row{"plumtree_ihave_queue_size", gauge, "ids", "", "Announcements waiting to be sent.", COUNT(tree.ihave_queued)},
    Row{"plumtree_pending_grafts", gauge, "messages", "", "Messages announced and not here, their timer running.",
        COUNT(tree.pending_grafts)},
    Row{"plumtree_missing_messages", gauge, "messages", "", "Messages known to exist, by announcement or digest, and not here.",
        COUNT(tree.missing_messages)},
    Row{"plumtree_partition_status", gauge, "", "", "0 healthy, 1 partial, 2 majority lost.",
        [](const Source& s, Out& out) { one(out, static_cast<double>(s.snapshot.partition)); }},
    // Membership.
    Row{"swim_members", gauge, "members", "state: alive, suspect, dead, left", "Members by state, this one included.",
        read_members},
    Row{"swim_probes_total", counter, "", "result: ack, indirect_ack, stream_ack, failed",
        "Finished probes by how they were answered.",
        [](const Source& s, Out& out) { by_reason(out, "result", s.snapshot.swim.probes); }},
    Row{"swim_indirect_probes_total", counter, "", "", "Members asked to probe for this one.",
        COUNT(swim.indirect_probes)},
    Row{"swim_suspicions_total", counter, "", "", "Members that became suspect.", COUNT(swim.suspicions)},
    Row{"swim_accusations_total", counter, "", "source: probe, gossip, exchange",
        "Suspicions by where they came from: a probe of ours, a message, a row of a table.",
        [](const Source& s, Out& out) { by_reason(out, "source", s.snapshot.swim.accusations); }},
    Row{"swim_flaps_damped_total", counter, "", "", "Suspicions made longer since the member comes and goes.",
        COUNT(swim.flaps_damped)},
    Row{"swim_stalls_total", counter, "", "", "Times that this process stood still for longer than stall_threshold.",
        COUNT(swim.stalls)},
    Row{"swim_name_conflicts_total", counter, "", "", "Claims of a name that belongs to another member.",
        COUNT(swim.conflicts)},
    Row{"swim_incompatible_members", gauge, "members", "", "Members kept out of table exchanges for their versions.",
        [](const Source& s, Out& out) {
          one(out, static_cast<std::uint64_t>(std::count_if(s.snapshot.members.begin(), s.snapshot.members.end(),
                                                            [](const MemberInfo& m) { return !m.incompatible.empty(); })));
        }},
    Row{"swim_packets_blocked", gauge, "members", "direction: out, in",
        "Members that live while packets to them (out) or from them (in) are lost.", read_packets_blocked},
    Row{"swim_refutations_total", counter, "", "", "Wrong claims about this member that it refuted.",
        COUNT(swim.refutations)},
    Row{"swim_deaths_total", counter, "", "", "Members declared dead.", COUNT(swim.deaths)},
    Row{"swim_false_positives_total", counter, "", "", "Deaths that the member refuted later.",
        COUNT(swim.false_positives)},
    Row{"swim_accusations_doubted_total", counter, "", "why: too_many, heard",
        "Others' claims that a member is suspect or dead, not simply believed: their author accuses too many, or the accused is heard here.",
        [](const Source& s, Out& out) { by_reason(out, "why", s.snapshot.swim.doubted); }},
    Row{"swim_answers_unasked_total", counter, "", "", "Acks and nacks that answer no open question: late, the second one, or forged. They change nothing.",
        COUNT(swim.unasked)},
    Row{"swim_health_score", gauge, "", "", "Lifeguard's local health multiplier, 0 is well.",
        [](const Source& s, Out& out) { one(out, std::uint64_t{s.snapshot.swim.health_score}); }},
    Row{"swim_probe_rtt_seconds", Type::histogram, "seconds", "", "Round trips of direct probes.",
        HISTOGRAM(swim.probe_rtt)},
    Row{"swim_gossip_queue_length", gauge, "messages", "", "Member messages waiting to be gossiped.",
        COUNT(swim.gossip_queue_length)},
    Row{"swim_push_pull_total", counter, "", "direction: in, out; result: ok, failed", "Exchanges of member tables, whole or by digest.",
        read_push_pulls},
    Row{"swim_table_digests_total", counter, "", "result: equal, differing, refused",
        "Digests of the member table sent to our own kind, by what came of them; a refused one is followed by the table.",
        [](const Source& s, Out& out) { by_reason(out, "result", s.snapshot.swim.digests); }},
    Row{"swim_table_rows_sent_total", counter, "", "", "Rows of member tables sent in table exchanges.",
        COUNT(swim.table_rows_sent)},
    Row{"swim_packets_rejected_total", counter, "", kPacket, "Packets and membership streams not processed.",
        [](const Source& s, Out& out) { by_reason(out, "reason", s.snapshot.swim.rejected); }},
    Row{"swim_plaintext_frames_total", counter, "", "",
        "Packets, membership streams and frames on links that came in clear although there is a key, accepted or not.",
        COUNT(swim.plaintext_frames)},
    Row{"swim_serf_messages_total", counter, "",
        "what: fresh, repeated, old, malformed, unknown_type, stranger, too_large, sent, dropped, bad_name",
        "Messages of Serf's: received by what they were, our own, those that left a full queue early, and user events whose names make no topic.",
        [](const Source& s, Out& out) { by_reason(out, "what", s.snapshot.swim.serf_messages); }},
    Row{"swim_rejoin_attempts_total", counter, "", "", "Seeds and lost members contacted again.",
        COUNT(swim.rejoin_attempts)},
    Row{"swim_forgotten_total", counter, "", "", "Members forgotten by somebody's order.", COUNT(swim.forgotten)},
    Row{"swim_tombstones", gauge, "members", "", "Orders to forget a member that stand.", COUNT(swim.tombstones)},
    Row{"swim_tombstones_evicted_total", counter, "", "", "Orders to forget that were dropped for lack of room.",
        COUNT(swim.tombstones_evicted)},
    Row{"swim_resurrections_refused_total", counter, "", "", "Old news of forgotten members that was not believed.",
        COUNT(swim.resurrections_refused)},
    // The node.
    Row{"plumvine_build_info", gauge, "", "version", "Always 1; the version is the label.",
        [](const Source& s, Out& out) {
          out.push_back({{{"version", s.snapshot.version}}, 1});
        }},
    Row{"plumvine_health_status", gauge, "", "", "0 healthy, 1 degraded, 2 unhealthy.",
        [](const Source& s, Out& out) { one(out, static_cast<double>(s.health.status)); }},
    Row{"plumvine_links", gauge, "links", "state: dialling, greeting, up, draining, visiting", "Links by state.", read_links},
    Row{"plumvine_queue_bytes", gauge, "bytes", "", "Bytes in all send queues.", COUNT(queue_bytes)},
    Row{"plumvine_queue_dropped_total", counter, "", "lane: critical, high, normal, low; policy: drop_oldest, drop_newest, disconnect",
        "Payloads that a neighbour too slow was not sent, by the policy of their topic. It may still pull them.", read_queue_drops},
    Row{"plumtree_compression_bytes_in_total", counter, "bytes", "",
        "Payloads published here that were compressed, as they were before.", COUNT(tree.compression_bytes_in)},
    Row{"plumtree_compression_bytes_saved_total", counter, "bytes", "", "How many bytes fewer they were sent as.",
        COUNT(tree.compression_bytes_saved)},
    Row{"plumvine_large_parts_total", counter, "", "", "Parts of large payloads received for the first time.", COUNT(tree.large_parts)},
    Row{"plumvine_large_completed_total", counter, "", "", "Large payloads put together from their parts.", COUNT(tree.large_completed)},
    Row{"plumvine_large_partial", gauge, "messages", "", "Large payloads of which parts are missing.", COUNT(tree.large_partial)},
    Row{"plumvine_large_partial_bytes", gauge, "bytes", "", "What is here of them.", COUNT(tree.large_partial_bytes)},
    Row{"plumvine_large_hints_total", counter, "", "",
        "Announcements of parts sent at once to a neighbour that might be about to send them, too.", COUNT(tree.large_hints)},
    Row{"plumvine_large_recalled_total", counter, "", "",
        "Parts taken out of a send queue since the neighbour had told that it has them.", COUNT(transport.queues.recalled)},
    Row{"plumvine_direct_messages_total", counter, "", "result: sent, acknowledged, failed, delivered, refused",
        "Messages to one member alone: ours by what became of them; others' delivered here, or refused as repeated or unexpected.",
        [](const Source& s, Out& out) { by_reason(out, "result", s.snapshot.transport.direct); }},
    Row{"plumvine_bytes_sent_total", counter, "bytes", "transport: tcp, udp, quic", "Bytes sent.",
        [](const Source& s, Out& out) {
          by_transport(out, s.snapshot.transport.tcp_sent_bytes, s.snapshot.transport.udp_sent_bytes, s.snapshot.transport.quic.sent_bytes);
        }},
    Row{"plumvine_bytes_received_total", counter, "bytes", "transport: tcp, udp, quic", "Bytes received.",
        [](const Source& s, Out& out) {
          by_transport(out, s.snapshot.transport.tcp_received_bytes, s.snapshot.transport.udp_received_bytes, s.snapshot.transport.quic.received_bytes);
        }},
    Row{"plumvine_loop_busy_ratio", gauge, "ratio", "", "Share of the last second that the loop worked, 0 to 1.",
        COUNT(loop.busy_ratio)},
    Row{"plumvine_loop_stall_seconds", Type::histogram, "seconds", "", "Loop turns that took long.",
        HISTOGRAM(loop.stalls)},
    Row{"plumvine_handler_seconds", Type::histogram, "seconds", "", "Time inside the user's handlers. Calls of on_message for messages that came together count with their mean, 16 at most.",
        HISTOGRAM(loop.handlers)},
    Row{"plumvine_loop_seconds_total", counter, "seconds", "phase: packets, links, timers, sending, mailbox, handlers, http, store, other",
        "Busy time of the event loop by what it did: packets taken in, links read, timers, what was decided sent at the end of a turn, "
        "broadcasts and commands taken over, the user's handlers, HTTP requests answered, the message store written, the rest. Of all nodes on the loop.",
        read_phases},
    Row{"plumvine_operation_seconds", Type::histogram, "seconds", "operation: mailbox, store, http, snapshot",
        "Times of single operations on the loop: a batch taken from the mailbox, a write of the message store, an HTTP request, a snapshot for "
        "metrics and health.",
        read_operations},
    Row{"plumvine_mailbox_wait_seconds", Type::histogram, "seconds", "",
        "From the call of broadcast until the loop took it; small messages that were joined count with the first of them.", HISTOGRAM(loop.mailbox_wait)},
    Row{"plumvine_timers", gauge, "timers", "", "Deadlines of membership and of connections that are set.", COUNT(loop.timers)},
    Row{"plumvine_blocks_in_use", gauge, "blocks", "",
        "Blocks of memory for payloads of 16 to 132 KiB, and for runs of small ones, that are in use.", COUNT(memory.blocks.in_use)},
    Row{"plumvine_blocks_total", counter, "", "from: pool, system", "Such blocks by where they came from: used again, or new.",
        [](const Source& s, Out& out) {
          out.push_back({{{"from", "pool"}}, static_cast<double>(s.snapshot.memory.blocks.reused)});
          out.push_back({{{"from", "system"}}, static_cast<double>(s.snapshot.memory.blocks.made)});
        }},
    Row{"plumvine_blocks_spare_bytes", gauge, "bytes", "", "Bytes of such blocks that wait in the pool; at most 4 MiB.", COUNT(memory.blocks.spare_bytes)},
    Row{"plumvine_gossip_key_age_seconds", gauge, "seconds", "",
        "Since the primary gossip key was first in this node's keyring; without a data directory since the start at most. 0 without keys.",
        [](const Source& s, Out& out) { one(out, s.snapshot.keys.empty() ? 0.0 : s.snapshot.keys.front().age_s); }},
    Row{"plumvine_mailbox_length", gauge, "messages", "", "Broadcasts waiting to be taken over by the loop.",
        COUNT(loop.mailbox_messages)},
    Row{"plumvine_publish_window_bytes", gauge, "bytes", "",
        "How far broadcasts of this node may be ahead of the slowest member that keeps up.", COUNT(loop.publish_window_bytes)},
    Row{"plumvine_publish_delay_seconds", gauge, "seconds", "",
        "From the call until every member that keeps up had it, of the last broadcast.",
        [](const Source& s, Out& out) { one(out, to_seconds(s.snapshot.loop.publish_delay)); }},
    Row{"plumvine_history_messages", gauge, "messages", "", "Delivered messages that the data directory keeps.",
        COUNT(history.messages)},
    Row{"plumvine_history_bytes", gauge, "bytes", "", "What they take, about.", COUNT(history.bytes)},
    Row{"plumvine_history_dropped_total", counter, "", "", "Delivered messages that could not be written there.",
        COUNT(history.dropped)},
    Row{"plumvine_history_gaps_total", counter, "", "", "Ranges of messages that subscribers were told they cannot have.",
        COUNT(history.gaps)},
    Row{"plumvine_subscribers", gauge, "", "", "Open streams of GET /subscribe.", [](const Source& s, Out& out) { one(out, static_cast<std::uint64_t>(s.snapshot.history.subscribers.size())); }},
    Row{"plumvine_subscriber_behind_messages", gauge, "messages", "", "What open streams of GET /subscribe have not read yet, all together.",
        [](const Source& s, Out& out) { one(out, subscribers_sum(s.snapshot, &SubscriberInfo::behind)); }},
    Row{"plumvine_subscriber_waiting_bytes", gauge, "bytes", "", "Bytes of these that wait in memory.",
        [](const Source& s, Out& out) { one(out, subscribers_sum(s.snapshot, &SubscriberInfo::bytes)); }},
    Row{"plumvine_lag_seconds", gauge, "seconds", "what: origin, subscriber",
        "Age of the oldest message that an origin's stream lacks here, or that a stream of GET /subscribe has not read.", read_lag},
    Row{"plumvine_lagging", gauge, "", "what: origin, subscriber; level: warning, critical",
        "How many of them lag by lag_warning or more, and by lag_critical or more.", read_lagging},
    Row{"plumvine_events_total", counter, "", "kind: member, link, tree, security, delivery, load, node", "Events told.",
        [](const Source& s, Out& out) { by_reason(out, "kind", s.snapshot.events.told); }},
    Row{"plumvine_events_dropped_total", counter, "", "", "Events that GET /events no longer has, for newer ones.",
        COUNT(events.dropped)},
    Row{"plumvine_events_retained", gauge, "events", "", "Events that GET /events has.", COUNT(events.retained)},
    Row{"plumvine_event_followers", gauge, "", "", "Open streams of GET /events and GET /live.", COUNT(events.followers)},
    Row{"plumvine_event_followers_cut_total", counter, "", "", "Such streams that were cut off, since their clients read too slowly.",
        COUNT(events.followers_cut)},
    Row{"plumvine_recorded_samples", gauge, "samples", "", "Snapshots of the metrics that GET /debug/history has, at most an hour.",
        COUNT(recorded_samples)},
    Row{"plumvine_recorded_bytes", gauge, "bytes", "", "What they take, about.", COUNT(recorded_bytes)},
    Row{"plumvine_memory_bytes", gauge, "bytes", "what: resident, store, queues, mailbox, members, events, samples",
        "The process's resident memory, and what is known of it: the repair store (the graft cache is part of it), send queues, "
        "broadcasts not yet taken over, members, events, samples of the metrics; about.",
        [](const Source& s, Out& out) {
          out.push_back({{{"what", "resident"}}, static_cast<double>(s.snapshot.memory.resident)});
          by_reason(out, "what", s.snapshot.memory.parts);
        }},
    Row{"plumvine_bound_utilization_ratio", gauge, "ratio", "bound (the key)",
        "How much of a configured bound is used; beyond it something is refused or forgotten. From 0.8 on health is degraded (PV2107).",
        [](const Source& s, Out& out) {
          for (const BoundInfo& bound : s.snapshot.bounds) out.push_back({{{"bound", bound.key}}, bound.utilization()});
        }},
    Row{"plumvine_members_expected", gauge, "members", "", "How many members are to be there: expected_members or expected_members_min, the larger; 0: any number.",
        [](const Source& s, Out& out) { one(out, std::max<std::uint64_t>(s.snapshot.expected.size(), s.snapshot.expected_min)); }},
    Row{"plumvine_clock_offset_seconds", gauge, "seconds", "", "Largest offset of a neighbour's wall clock, by amount.",
        COUNT(clock_offset_s)},
    Row{"plumvine_certificate_expiry_seconds", gauge, "seconds", "",
        "Until the certificate in use, or one of its chain, expires; below 0 once it has. 0 without TLS.",
        [](const Source& s, Out& out) { one(out, s.snapshot.transport.tls.certificate_left_s); }},
    Row{"plumvine_tls_handshakes_total", counter, "", "kind: full, resumed", "TLS handshakes that both ends agreed to: with certificates, or by a ticket.",
        [](const Source& s, Out& out) { by_reason(out, "kind", s.snapshot.transport.tls.handshakes); }},
    Row{"plumvine_blocked_total", counter, "", "what: packet, connection, link, broadcast", "What orders to block kept out.",
        [](const Source& s, Out& out) { by_reason(out, "what", s.snapshot.transport.blocked); }},
    Row{"plumvine_graylisted_total", counter, "", "", "Times that a neighbour lost its link for a time since it broke the protocol again and again.",
        COUNT(transport.graylisted)},
    Row{"plumvine_accepts_limited_total", counter, "", "", "Connections refused since their address opens too many (accept_rate_limit_per_second).",
        COUNT(transport.accepts_limited)},
    Row{"plumvine_tls_rejected_total", counter, "",
        "reason: unknown_ca, expired, wrong_cluster, wrong_name, no_certificate, unusable, plaintext, protocol, timed_out, refused_by_peer, "
        "clear_packet, limit",
        "Connections and packets refused under TLS; refused_by_peer: the other end did.",
        [](const Source& s, Out& out) { by_reason(out, "reason", s.snapshot.transport.tls.rejected); }},
    Row{"plumvine_tls_sessions", gauge, "connections", "", "Connections under TLS.", COUNT(transport.tls.sessions)},
    Row{"plumvine_tls_packet_streams", gauge, "connections", "", "Such connections that carry packets, where no gossip key seals them.",
        COUNT(transport.tls.packet_streams)},
    Row{"plumvine_tls_packets_dropped_total", counter, "", "", "Packets for which there was no such connection in time, or no room.",
        COUNT(transport.tls.packets_dropped)},
    Row{"plumvine_quic_handshakes_total", counter, "", "kind: full, resumed, early",
        "Connections over QUIC that came up: with certificates, by a ticket, or by a ticket and with data in the first packet.",
        [](const Source& s, Out& out) { by_reason(out, "kind", s.snapshot.transport.quic.handshakes); }},
    Row{"plumvine_quic_rejected_total", counter, "", "reason: malformed, unknown_version, unknown_connection, bad_token, limit, not_admitted",
        "Packets on the port of QUIC that were of no use.",
        [](const Source& s, Out& out) { by_reason(out, "reason", s.snapshot.transport.quic.rejected); }},
    Row{"plumvine_quic_connections", gauge, "connections", "", "Connections over QUIC.", COUNT(transport.quic.connections)},
    Row{"plumvine_quic_fallbacks_total", counter, "", "", "Dials that went on over TCP since nobody answered over QUIC.", COUNT(transport.quic.fallbacks)},
    Row{"plumvine_quic_tcp_instead_total", counter, "", "", "Dials that went over TCP at once, soon after such a one.", COUNT(transport.quic.tcp_instead)},
    Row{"plumvine_quic_retries_total", counter, "", "", "Clients that had to prove their address first.", COUNT(transport.quic.retries)},
    Row{"plumvine_quic_resets_sent_total", counter, "", "", "Packets of unknown connections that were answered with a stateless reset.",
        COUNT(transport.quic.resets_sent)},
    Row{"plumvine_quic_versions_sent_total", counter, "", "", "Packets of unknown versions that were answered with the one that is spoken.",
        COUNT(transport.quic.versions_sent)},
    Row{"plumvine_quic_migrations_total", counter, "", "", "Connections that went on from another address of ours or theirs.",
        COUNT(transport.quic.migrations)},
    Row{"plumvine_quic_early_refused_total", counter, "", "", "First packets of ours whose data did not count and went again.",
        COUNT(transport.quic.early_refused)},
    Row{"plumvine_quic_replays_total", counter, "", "", "First packets with data that came again, or could not be told from such; their data did not count.",
        COUNT(transport.quic.replays)},
    Row{"plumvine_quic_tickets", gauge, "tickets", "", "Addresses whose ticket is kept for the next connection, which then has data in its first packet.",
        COUNT(transport.quic.tickets)},
    Row{"plumvine_quic_datagrams_total", counter, "", "what: sent, received, dropped", "Packets of membership inside of links' connections.",
        [](const Source& s, Out& out) {
          out.push_back({{{"what", "sent"}}, static_cast<double>(s.snapshot.transport.quic.datagrams_sent)});
          out.push_back({{{"what", "received"}}, static_cast<double>(s.snapshot.transport.quic.datagrams_received)});
          out.push_back({{{"what", "dropped"}}, static_cast<double>(s.snapshot.transport.quic.datagrams_dropped)});
        }},
    Row{"plumvine_quic_batches_total", counter, "", "direction: sent, received", "Batches of payloads that went beside the streams of links.",
        [](const Source& s, Out& out) {
          out.push_back({{{"direction", "sent"}}, static_cast<double>(s.snapshot.transport.quic.batches_sent)});
          out.push_back({{{"direction", "received"}}, static_cast<double>(s.snapshot.transport.quic.batches_received)});
        }},
    Row{"plumvine_quic_batch_bytes", gauge, "bytes", "", "Of batches that have come in part, or wait to be taken; at most 4 MiB a connection.",
        COUNT(transport.quic.batch_bytes)},
    Row{"plumvine_quic_send_errors_total", counter, "", "", "Packets of QUIC that the system did not take.", COUNT(transport.quic.send_errors)},
    Row{"plumvine_http_requests_total", counter, "", "path: the routes, other; code", "Answered HTTP requests.",
        read_http},
    Row{"plumvine_http_connections", gauge, "connections", "", "Open connections of HTTP clients.", COUNT(http.connections)},
    Row{"plumvine_http_connections_closed_total", counter, "", "reason: evicted, timed_out",
        "Connections of HTTP clients ended here: the longest idle one to make room, or a client that took too long.", read_http_closed},
    Row{"plumvine_http_rate_limited_total", counter, "", "", "HTTP requests refused with 429 for their client's rate (http_rate_limit_per_second).",
        COUNT(http.rate_limited)},
    Row{"plumvine_http_publish_repeated_total", counter, "", "",
        "Publishes over HTTP whose Idempotency-Key was known: answered as before, not sent again.", COUNT(http.repeated)},
    Row{"plumvine_http_publish_keys_forgotten_total", counter, "", "",
        "Such keys that went before ten minutes were over, since 4,096 newer ones came.", COUNT(http.keys_forgotten)},
};

#undef COUNT
#undef HISTOGRAM

constexpr std::string_view kIntro =
    R"(# metrics: what a node exports

For operators and for services with a Prometheus registry. May depend on `include/plumvine` and prometheus-cpp core,
on nothing else. Read `catalog.cpp` first: it is the one table that the exposition and this page are made from.
A test fails when this page and the table differ, and leaves the text that belongs here beside its program.

Counters count since the process started. Gauges are set from a snapshot, never by deltas, so they cannot drift.
Every series exists from the start, at 0, with each known label value. No series is per peer or per topic.

| metric | type | unit | labels | meaning |
|---|---|---|---|---|
)";

void append_buckets(std::string& text, std::string_view name, std::span<const double> bounds) {
  text += "- `";
  text += name;
  text += "`:";
  for (double bound : bounds) {
    std::string number = std::to_string(bound);
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
    text += ' ' + number;
  }
  text += '\n';
}

}  // namespace

std::string_view to_string(Type type) noexcept {
  return type == Type::counter ? "counter" : type == Type::gauge ? "gauge" : "histogram";
}

std::span<const Row> catalog() {
  return kRows;
}

std::string readme() {
  std::string text{kIntro};
  for (const auto& row : kRows) {
    text += "| `";
    text += row.name;
    text += "` | ";
    text += to_string(row.type);
    for (auto cell : {row.unit, row.labels, row.help}) {
      text += " | ";
      text += cell;
    }
    text += " |\n";
  }
  text += "\n## Buckets\n\nUpper bounds, in the unit of the metric; `+Inf` follows.\n\n";
  const Snapshot empty;
  const HealthReport health;
  for (const auto& row : kRows) {
    if (row.type != Type::histogram) continue;
    std::vector<Sample> samples;
    row.read({empty, health}, samples);
    append_buckets(text, row.name, samples.front().bounds);
  }
  return text;
}

}  // namespace plumvine::metrics
