// Text names of all enumerations, as they appear in messages, metrics and JSON.
#include <array>

#include <plumvine/health.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/result.hpp>
#include <plumvine/snapshot.hpp>

namespace plumvine {
namespace {

template <std::size_t N, class Enum>
std::string_view pick(const std::array<std::string_view, N>& names, Enum value) noexcept {
  const auto i = static_cast<std::size_t>(value);
  return i < N ? names[i] : std::string_view{"unknown"};
}

}  // namespace

std::string_view to_string(Errc code) noexcept {
  static constexpr std::array<std::string_view, 14> names{
      "ok",        "invalid_argument", "invalid_config", "address_in_use", "not_resolved",
      "overloaded", "too_large",       "stopped",        "would_deadlock", "malformed",
      "limit_reached", "not_found",    "timed_out",      "system"};
  return pick(names, code);
}

std::string_view to_string(MemberState state) noexcept {
  static constexpr std::array<std::string_view, 4> names{"alive", "suspect", "dead", "left"};
  return pick(names, state);
}

std::string_view to_string(KeyCommand command) noexcept {
  static constexpr std::array<std::string_view, 4> names{"list", "install", "use", "remove"};
  return pick(names, command);
}

std::string_view to_string(KeyReport::Outcome outcome) noexcept {
  static constexpr std::array<std::string_view, 6> names{"confirmed", "failed", "silent", "unable", "absent", "spared"};
  return pick(names, outcome);
}

std::string_view to_string(LagLevel level) noexcept {
  return level == LagLevel::ok ? "ok" : level == LagLevel::warning ? "warning" : "critical";
}

LagLevel lag_level(const Snapshot& snapshot, double age_s) noexcept {
  if (age_s < snapshot.lag_warning_s || snapshot.lag_warning_s <= 0) return LagLevel::ok;
  return age_s < snapshot.lag_critical_s ? LagLevel::warning : LagLevel::critical;
}

std::string_view to_string(PacketPath path) noexcept {
  static constexpr std::array<std::string_view, 3> names{"open", "out_blocked", "in_blocked"};
  return pick(names, path);
}

std::string_view to_string(StreamContact contact) noexcept {
  static constexpr std::array<std::string_view, 5> names{"unknown", "answered", "refused", "silent", "unreachable"};
  return pick(names, contact);
}

std::string_view to_string(MemoryPart part) noexcept {
  static constexpr std::array<std::string_view, 6> names{"store", "queues", "mailbox", "members", "events", "samples"};
  return pick(names, part);
}

std::string_view to_string(LoopPhase phase) noexcept {
  static constexpr std::array<std::string_view, CountedReasons<LoopPhase>::kSize> names{"packets", "links",    "timers", "sending", "mailbox",
                                                                                       "handlers", "http", "store",  "other"};
  return pick(names, phase);
}
std::string_view to_string(LoopOperation operation) noexcept {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(LoopOperation::count_)> names{"mailbox", "store", "http", "snapshot"};
  return pick(names, operation);
}

std::string_view to_string(EventKind kind) noexcept {
  static constexpr std::array<std::string_view, 7> names{"member", "link", "tree", "security", "delivery", "load", "node"};
  return pick(names, kind);
}
std::string_view to_string(DigestResult result) noexcept {
  static constexpr std::array<std::string_view, 3> names{"equal", "differing", "refused"};
  return pick(names, result);
}
std::string_view to_string(TlsReject reason) noexcept {
  static constexpr std::array<std::string_view, CountedReasons<TlsReject>::kSize> names{
      "unknown_ca", "expired",  "wrong_cluster", "wrong_name",      "no_certificate", "unusable",
      "plaintext",  "protocol", "timed_out",     "refused_by_peer", "clear_packet",   "limit"};
  return pick(names, reason);
}
std::string_view to_string(QuicHandshake kind) noexcept {
  static constexpr std::array<std::string_view, 3> names{"full", "resumed", "early"};
  return pick(names, kind);
}

std::string_view to_string(QuicReject reason) noexcept {
  static constexpr std::array<std::string_view, 6> names{"malformed", "unknown_version", "unknown_connection", "bad_token", "limit", "not_admitted"};
  return pick(names, reason);
}

std::string_view to_string(LinkTransport transport) noexcept {
  static constexpr std::array<std::string_view, 2> names{"tcp", "quic"};
  return pick(names, transport);
}

std::string_view to_string(TlsHandshake kind) noexcept {
  static constexpr std::array<std::string_view, 2> names{"full", "resumed"};
  return pick(names, kind);
}
std::string_view to_string(Blocked what) noexcept {
  static constexpr std::array<std::string_view, 4> names{"packet", "connection", "link", "broadcast"};
  return pick(names, what);
}
std::string_view to_string(Doubted why) noexcept {
  static constexpr std::array<std::string_view, 2> names{"too_many", "heard"};
  return pick(names, why);
}
std::string_view to_string(Accusation source) noexcept {
  static constexpr std::array<std::string_view, 3> names{"probe", "gossip", "exchange"};
  return pick(names, source);
}

std::string_view to_string(PeerRole role) noexcept { return role == PeerRole::eager ? "eager" : "lazy"; }

std::string_view to_string(LossReason reason) noexcept {
  static constexpr std::array<std::string_view, 9> names{"evicted", "expired",    "slow_consumer", "held_back",  "too_large",
                                                         "dropped", "incomplete", "corrupt",       "history_gap"};
  return pick(names, reason);
}

std::string_view to_string(Priority priority) noexcept {
  static constexpr std::array<std::string_view, 4> names{"critical", "high", "normal", "low"};
  return pick(names, priority);
}

std::string_view to_string(Order order) noexcept { return order == Order::fifo ? "fifo" : "none"; }

std::string_view to_string(Compression compression) noexcept {
  static constexpr std::array<std::string_view, 2> names{"off", "lz4"};
  return pick(names, compression);
}

std::string_view to_string(SecondParents second) noexcept {
  static constexpr std::array<std::string_view, 3> names{"lossy", "always", "never"};
  return pick(names, second);
}

std::string_view to_string(IpFamily family) noexcept {
  static constexpr std::array<std::string_view, 3> names{"any", "v4", "v6"};
  return pick(names, family);
}

std::string_view to_string(Payloads payloads) noexcept {
  static constexpr std::array<std::string_view, 2> names{"all", "subscribers"};
  return names[static_cast<std::size_t>(payloads)];
}
std::string_view to_string(Overflow policy) noexcept {
  static constexpr std::array<std::string_view, 5> names{"pace", "hold", "drop_oldest", "drop_newest", "disconnect"};
  return pick(names, policy);
}

std::string_view to_string(Verdict verdict) noexcept {
  static constexpr std::array<std::string_view, 3> names{"accept", "ignore", "reject"};
  return pick(names, verdict);
}

std::string_view to_string(ReceiptResult result) noexcept {
  static constexpr std::array<std::string_view, 2> names{"complete", "timed_out"};
  return pick(names, result);
}

std::string_view to_string(DirectResult result) noexcept {
  static constexpr std::array<std::string_view, 5> names{"sent", "acknowledged", "failed", "delivered", "refused"};
  return pick(names, result);
}

std::string_view to_string(LogLevel level) noexcept {
  static constexpr std::array<std::string_view, 5> names{"error", "warn", "info", "debug", "trace"};
  return pick(names, level);
}

std::string_view to_string(MemberEvent::Kind kind) noexcept {
  static constexpr std::array<std::string_view, 9> names{"joined", "updated",   "suspected", "refuted", "died",
                                                         "left",   "forgotten", "conflict",  "accused"};
  return pick(names, kind);
}

std::string_view to_string(PeerEvent::Kind kind) noexcept {
  static constexpr std::array<std::string_view, 4> names{"up", "down", "eager", "lazy"};
  return pick(names, kind);
}

std::string_view to_string(PartitionState state) noexcept {
  static constexpr std::array<std::string_view, 3> names{"healthy", "partial", "majority_lost"};
  return pick(names, state);
}

std::string_view to_string(PacketReject reason) noexcept {
  static constexpr std::array<std::string_view, CountedReasons<PacketReject>::kSize> names{
      "empty",    "malformed",  "unknown_type",         "wrong_label", "encrypted",
      "bad_crc",  "compressed_malformed", "compressed_too_large", "too_deep", "too_large",
      "wrong_name", "incompatible_version", "not_allowed", "table_full", "stream_limit", "timed_out",
      "undecryptable", "plaintext", "bad_address"};
  return pick(names, reason);
}

std::string_view to_string(SerfMessage what) noexcept {
  static constexpr std::array<std::string_view, CountedReasons<SerfMessage>::kSize> names{
      "fresh", "repeated", "old", "malformed", "unknown_type", "stranger", "too_large", "sent", "dropped", "bad_name"};
  return pick(names, what);
}

std::string_view to_string(ProbeResult result) noexcept {
  static constexpr std::array<std::string_view, 4> names{"ack", "indirect_ack", "stream_ack", "failed"};
  return pick(names, result);
}

std::string_view to_string(FrameReject reason) noexcept {
  static constexpr std::array<std::string_view, CountedReasons<FrameReject>::kSize> names{
      "malformed", "too_large", "unknown_type", "unexpected", "wrong_label",
      "bad_hello", "origin_limit", "tree_limit", "sequence_jump", "undecryptable", "plaintext", "invalid", "part_mismatch", "part_limit",
      "rate", "unconfirmed", "bad_signature"};
  return pick(names, reason);
}

std::string_view to_string(OriginRefused why) noexcept {
  static constexpr std::array<std::string_view, CountedReasons<OriginRefused>::kSize> names{
      "unsigned", "bad_signature", "other_key", "unknown_key", "too_old", "from_future", "old_instance"};
  return pick(names, why);
}

std::string_view to_string(SignOrigins mode) noexcept {
  static constexpr std::array<std::string_view, 3> names{"off", "sign", "require"};
  return pick(names, mode);
}

std::string_view to_string(CacheEviction reason) noexcept {
  static constexpr std::array<std::string_view, 3> names{"ttl", "count", "bytes"};
  return pick(names, reason);
}

std::string_view to_string(RateLimited what) noexcept {
  static constexpr std::array<std::string_view, 5> names{"graft", "ack", "ask", "control", "origin"};
  return pick(names, what);
}

std::string_view to_string(LinkState state) noexcept {
  static constexpr std::array<std::string_view, 5> names{"dialling", "greeting", "up", "draining", "visiting"};
  return pick(names, state);
}

std::string_view to_string(HealthStatus status) noexcept {
  static constexpr std::array<std::string_view, 3> names{"healthy", "degraded", "unhealthy"};
  return pick(names, status);
}

}  // namespace plumvine
