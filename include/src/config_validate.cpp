// Every rule that a configuration must keep, reported all at once.
#include <algorithm>

#include <fmt/format.h>

#include <plumvine/config.hpp>
#include <plumvine/cursor.hpp>
#include <plumvine/detail/key_text.hpp>
#include <plumvine/detail/metadata.hpp>
#include <plumvine/topic.hpp>

namespace plumvine {
namespace {

class Rules {
 public:
  explicit Rules(std::vector<Config::Problem>& out) : out_(out) {}

  void require(bool holds, std::string_view field, std::string message) {
    if (!holds) out_.push_back({std::string(field), std::move(message)});
  }
  void positive(Duration value, std::string_view field, std::string_view suggestion) {
    require(value > Duration{0}, field, fmt::format("is {}, must be above 0; for example {}", format_duration(value), suggestion));
  }
  void between(std::uint64_t value, std::uint64_t low, std::uint64_t high, std::string_view field) {
    require(value >= low && value <= high, field, fmt::format("is {}, must be from {} to {}", value, low, high));
  }
  void below(Duration small, std::string_view small_name, Duration large, std::string_view large_name) {
    require(small < large, small_name,
            fmt::format("is {}, must be below {} ({})", format_duration(small), large_name, format_duration(large)));
  }

 private:
  std::vector<Config::Problem>& out_;
};

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

void check_node(const Config& c, Rules& rules) {
  rules.require(good_name(c.name), "name", fmt::format("is '{}', must be 1 to 128 of [A-Za-z0-9._-]", c.name));
  rules.require(c.cluster.size() <= 255, "cluster", fmt::format("has {} bytes, at most 255", c.cluster.size()));
  if (!c.encrypt.empty()) {
    const auto key = parse_key(c.encrypt);
    rules.require(key.has_value(), "encrypt", key ? "" : c.encrypt == Config::kHidden ? "is hidden where it is shown; give the key itself"
                                                                                    : "is no key: " + key.error().message);
  }
  const bool tls = !c.tls_cert.empty() || !c.tls_key.empty() || !c.tls_ca.empty();
  for (const auto& [field, file] : {std::pair{"tls_cert", &c.tls_cert}, {"tls_key", &c.tls_key}, {"tls_ca", &c.tls_ca}})
    rules.require(!tls || !file->empty(), field, "is missing: TLS needs tls_cert, tls_key and tls_ca");
  rules.require(tls || c.transport == LinkTransport::tcp, "transport", "is quic, which needs tls_cert, tls_key and tls_ca");
  rules.between(c.quic_port, 0, 65535, "quic_port");
  rules.require(c.tls_overlap >= Duration{0}, "tls_overlap", fmt::format("is {}, must not be below 0", format_duration(c.tls_overlap)));
  for (const auto& [field, text] : {std::pair{"bind", c.bind}, {"advertise", c.advertise}}) {
    if (text.empty()) continue;
    auto endpoint = Endpoint::parse(text);
    rules.require(endpoint.has_value(), field, endpoint ? "" : endpoint.error().message);
  }
  if (!c.http.empty()) {
    auto http = HostPort::parse(c.http);
    rules.require(http && http->has_port && !http->srv, "http", fmt::format("is '{}', must be HOST:PORT (at the agent also off)", c.http));
  }
  rules.between(c.http_rate_limit_per_second, 0, 1u << 20, "http_rate_limit_per_second");
  rules.between(c.http_rate_limit_burst, 1, 1u << 20, "http_rate_limit_burst");
  for (const auto& [component, level] : c.log_levels)
    rules.require(std::find(kLogComponents.begin(), kLogComponents.end(), component) != kLogComponents.end(), "log_levels",
                  fmt::format("'{}' is none of {}", component, fmt::join(kLogComponents, ", ")));
  for (const auto& seed : c.seeds) {
    auto parsed = HostPort::parse(seed);
    rules.require(parsed.has_value(), "join", parsed ? "" : parsed.error().message);
  }
  for (const auto& [tag, value] : c.tags) {
    rules.require(!tag.starts_with("pv"), "tags", fmt::format("'{}' starts with pv, which is ours", tag));
  }
  if (c.start_from != "now" && c.start_from != "window") {
    rules.require(Cursor::parse(c.start_from).has_value(), "start_from",
                  fmt::format("'{}' is neither now, window nor a cursor", c.start_from.substr(0, 40)));
  }
  rules.positive(c.history_window, "history_window", "24h");
  // A zone and a key are among our own tags. Instances all have the same size.
  Tags user = c.tags;
  std::erase_if(user, [](const auto& entry) { return entry.first.starts_with("pv"); });
  const std::string origin(c.tree.sign_origins == SignOrigins::off ? 0 : kOriginTextSize, 'A');
  const auto meta = make_metadata(c, InstanceId{}, user, origin);
  rules.require(meta.has_value(), "tags", meta ? "" : meta.error().message);
  rules.positive(c.leave_timeout, "leave_timeout", "5s");
  rules.positive(c.stop_timeout, "stop_timeout", "2s");
  // One message always fits into an empty mailbox and an empty window, whatever its size.
  rules.between(c.mailbox_max_bytes, 1024, 1ULL << 40, "mailbox_max_bytes");
  rules.between(c.mailbox_max_messages, 1, 1u << 24, "mailbox_max_messages");
  rules.require(c.tree.sign_origins == SignOrigins::off || !c.data_dir.empty(), "sign_origins",
                "needs data_dir: the key that signs must outlive the process, or the other members refuse the next "
                "run's broadcasts");
  rules.require(!c.serf_events || c.swim.delegate_protocol[2] != 0, "serf_events", "needs delegate_protocol = \"serf\"");
}

void check_swim(const SwimConfig& s, Rules& rules) {
  rules.positive(s.probe_interval, "probe_interval", "1s");
  rules.positive(s.probe_timeout, "probe_timeout", "500ms");
  rules.positive(s.gossip_interval, "gossip_interval", "200ms");
  rules.positive(s.tcp_timeout, "tcp_timeout", "10s");
  rules.positive(s.gossip_to_the_dead_time, "gossip_to_the_dead_time", "30s");
  rules.positive(s.reconnect_timeout, "reconnect_timeout", "24h");
  rules.positive(s.tombstone_timeout, "tombstone_timeout", "24h");
  rules.positive(s.rejoin_interval, "rejoin_interval", "2s");
  rules.positive(s.stall_threshold, "stall_threshold", "1s");
  rules.require(s.push_pull_interval >= Duration{0}, "push_pull_interval", "must not be negative; 0s turns it off");
  rules.require(s.dead_node_reclaim_time >= Duration{0}, "dead_node_reclaim_time", "must not be negative; 0s turns it off");
  rules.below(s.probe_timeout, "probe_timeout", s.probe_interval, "probe_interval");
  rules.require(s.rejoin_interval_max >= s.rejoin_interval, "rejoin_interval_max",
                fmt::format("is {}, must be at least rejoin_interval ({})", format_duration(s.rejoin_interval_max), format_duration(s.rejoin_interval)));
  rules.between(s.indirect_checks, 0, 32, "indirect_checks");
  rules.between(s.suspicion_mult, 1, 100, "suspicion_mult");
  rules.between(s.suspicion_confirmations, 0, 100, "suspicion_confirmations");
  rules.between(s.suspicion_max_timeout_mult, 1, 100, "suspicion_max_timeout_mult");
  rules.between(s.retransmit_mult, 1, 100, "retransmit_mult");
  rules.between(s.gossip_nodes, 1, 64, "gossip_nodes");
  rules.between(s.awareness_max_multiplier, 1, 64, "awareness_max_multiplier");
  rules.between(s.flap_damping_max, 0, 20, "flap_damping_max");
  rules.between(s.udp_buffer_size, 576, 65000, "udp_buffer_size");
  rules.between(s.members_max, 2, 1u << 20, "members_max");
  const auto [low, high, current] = s.delegate_protocol;
  rules.require(low <= current && current <= high, "delegate_protocol",
                fmt::format("is [{}, {}, {}], must be [min, max, current] with min <= current <= max", low, high, current));
}

void check_tree(const TreeConfig& t, Rules& rules) {
  rules.between(t.eager_fanout, 1, 64, "eager_fanout");
  rules.between(t.lazy_fanout, 0, 64, "lazy_fanout");
  rules.require(t.max_peers >= t.eager_fanout + t.lazy_fanout, "max_peers",
                fmt::format("is {}, must be at least eager_fanout + lazy_fanout ({})", t.max_peers, t.eager_fanout + t.lazy_fanout));
  rules.between(t.max_peers, 2, 4096, "max_peers");
  rules.require(t.max_eager_peers == 0 || t.max_eager_peers >= t.eager_fanout, "max_eager_peers",
                fmt::format("is {}, must be 0 or at least eager_fanout ({})", t.max_eager_peers, t.eager_fanout));
  rules.require(t.max_lazy_peers == 0 || t.max_lazy_peers >= t.lazy_fanout, "max_lazy_peers",
                fmt::format("is {}, must be 0 or at least lazy_fanout ({})", t.max_lazy_peers, t.lazy_fanout));
  rules.positive(t.ihave_interval, "ihave_interval", "100ms");
  rules.between(t.ihave_batch_size, 1, 4096, "ihave_batch_size");
  rules.positive(t.graft_timeout, "graft_timeout", "500ms");
  rules.between(t.graft_max_retries, 1, 100, "graft_max_retries");
  rules.between(t.graft_rate_limit_per_second, 1, 1u << 20, "graft_rate_limit_per_second");
  rules.between(t.graft_rate_limit_burst, 1, 1u << 20, "graft_rate_limit_burst");
  const Duration repair = t.ihave_interval + t.graft_timeout * (t.graft_max_retries + 1);
  rules.require(t.message_cache_ttl >= repair, "message_cache_ttl",
                fmt::format("is {}, must be at least ihave_interval + graft_timeout x (graft_max_retries + 1) = {}, or the answer may be evicted before it is asked for",
                            format_duration(t.message_cache_ttl), format_duration(repair)));
  rules.between(t.message_cache_max_size, 16, 1u << 26, "message_cache_max_size");
  rules.between(t.max_message_size, 1024, 512ULL << 20, "max_message_size");
  constexpr std::uint64_t kCacheMin = 1 << 20;
  rules.require(t.message_cache_max_bytes >= std::min(t.max_message_size, kCacheMin), "message_cache_max_bytes",
                fmt::format("is {}, must be at least the smaller of max_message_size ({}) and 1MiB", t.message_cache_max_bytes, t.max_message_size));
  rules.require(t.store_bytes() >= t.message_cache_max_bytes, "sync_max_bytes",
                fmt::format("is {}, must be at least message_cache_max_bytes ({}), which it contains", t.store_bytes(), t.message_cache_max_bytes));
  rules.require(t.store_bytes() >= 2 * t.max_message_size, "sync_max_bytes",
                fmt::format("is {}, must be at least twice max_message_size ({}), or a large payload is evicted while its parts come; 0 chooses",
                            t.sync_max_bytes, t.max_message_size));
  rules.require(t.sync_window >= t.message_cache_ttl, "sync_window",
                fmt::format("is {}, must be at least message_cache_ttl ({})", format_duration(t.sync_window), format_duration(t.message_cache_ttl)));
  rules.require(t.sync_max_messages >= t.message_cache_max_size, "sync_max_messages",
                fmt::format("is {}, must be at least message_cache_max_size ({})", t.sync_max_messages, t.message_cache_max_size));
  rules.between(t.optimization_threshold, 1, 1000, "optimization_threshold");
  rules.between(t.max_protected_neighbors, 0, 16, "max_protected_neighbors");
  rules.positive(t.maintenance_interval, "maintenance_interval", "1s");
  rules.require(t.maintenance_jitter >= Duration{0}, "maintenance_jitter", "must not be negative");
  rules.positive(t.sync_interval, "sync_interval", "5s");
  rules.positive(t.beacon_interval, "beacon_interval", "5s");
  rules.positive(t.lag_grace, "lag_grace", "2s");
  rules.between(t.pace_window_bytes, 1024, 1ULL << 40, "pace_window_bytes");
  rules.between(t.pace_window_messages, 1, 1ULL << 30, "pace_window_messages");
  rules.between(t.origins_max, 16, 1u << 20, "origins_max");
  rules.between(t.trees_max, 2, 4096, "trees_max");
  rules.between(t.roots, 0, 16, "roots");
  rules.require(t.roots < t.trees_max, "trees_max", fmt::format("is {}, must be above roots ({})", t.trees_max, t.roots));
  rules.require(t.sign_origins == SignOrigins::off || t.signed_max_age >= 2 * t.sync_window, "signed_max_age",
                fmt::format("is {}, must be at least twice sync_window ({}), or what is repaired late is refused",
                            format_duration(t.signed_max_age), format_duration(t.sync_window)));
  rules.require(t.zone.size() <= 64, "zone", fmt::format("has {} bytes, at most 64", t.zone.size()));
}

void check_topics(const Config& c, Rules& rules) {
  const TreeConfig& t = c.tree;
  rules.between(t.topics_max, 16, 1u << 20, "topics_max");
  rules.require(c.topics.size() <= t.topics_max, "topics_max", fmt::format("is {}, must be at least the {} topics that are configured", t.topics_max, c.topics.size()));
  const Duration repair = t.ihave_interval + t.graft_timeout * (t.graft_max_retries + 1);
  for (const auto& [name, topic] : c.topics) {
    const auto field = [&](std::string_view key) { return fmt::format("topics.{}.{}", name, key); };
    const auto named = check_topic(name);
    rules.require(named.has_value(), "topics." + name, named ? "" : named.error().message);
    rules.require(topic.max_size <= t.max_message_size, field("max_size"),
                  fmt::format("is {}, at most max_message_size ({})", topic.max_size, t.max_message_size));
    rules.require(topic.retention == Duration{0} || (topic.retention >= repair && topic.retention <= t.sync_window), field("retention"),
                  fmt::format("is {}, must be from ihave_interval + graft_timeout x (graft_max_retries + 1) = {} to sync_window ({}), or 0s for that",
                              format_duration(topic.retention), format_duration(repair), format_duration(t.sync_window)));
    rules.require(topic.retention_bytes <= t.store_bytes(), field("retention_bytes"),
                  fmt::format("is {}, at most sync_max_bytes ({}); 0 for that", topic.retention_bytes, t.store_bytes()));
    rules.between(topic.backlog, 1, 1u << 24, field("backlog"));
  }
}

void check_link(const LinkConfig& l, Rules& rules) {
  rules.require(l.queue_low_bytes < l.queue_high_bytes, "queue_low_bytes",
                fmt::format("is {}, must be below queue_high_bytes ({})", l.queue_low_bytes, l.queue_high_bytes));
  rules.require(l.queue_high_bytes < l.queue_max_bytes, "queue_high_bytes",
                fmt::format("is {}, must be below queue_max_bytes ({})", l.queue_high_bytes, l.queue_max_bytes));
  rules.positive(l.ping_interval, "link_ping_interval", "1s");
  rules.positive(l.handshake_timeout, "link_handshake_timeout", "5s");
  rules.positive(l.backoff_min, "backoff_min", "100ms");
  rules.below(l.ping_interval, "link_ping_interval", l.idle_timeout, "link_idle_timeout");
  rules.require(l.backoff_max >= l.backoff_min, "backoff_max",
                fmt::format("is {}, must be at least backoff_min ({})", format_duration(l.backoff_max), format_duration(l.backoff_min)));
  rules.between(l.parallel_dials, 1, 64, "parallel_dials");
  rules.between(l.half_open_max, 1, 65536, "half_open_max");
  rules.between(l.accept_backlog, 1, 65536, "accept_backlog");
  rules.positive(l.graylist_time, "graylist_time", "30s");
  rules.require(l.graylist_time <= std::chrono::hours{1}, "graylist_time",
                fmt::format("is {}, must be at most 1h", format_duration(l.graylist_time)));
}

void check_health(const HealthConfig& h, Rules& rules) {
  for (const auto& [field, value] : {std::pair{"duplicate_rate_degraded", h.duplicate_rate_degraded},
                                     {"graft_failure_rate_degraded", h.graft_failure_rate_degraded},
                                     {"cache_utilization_degraded", h.cache_utilization_degraded}}) {
    rules.require(value > 0 && value <= 100, field, fmt::format("is {}, must be above 0 and at most 100", value));
  }
  rules.positive(h.missing_degraded, "missing_degraded", "10s");
  rules.positive(h.stall_degraded, "stall_degraded", "1s");
  rules.positive(h.clock_offset_degraded, "clock_offset_degraded", "30s");
  rules.require(h.memory_growth_degraded > 0, "memory_growth_degraded", "is 0, must be above 0, such as 64MiB");
  rules.require(h.expected_members.size() <= 4096, "expected_members", fmt::format("has {} names, must be at most 4096", h.expected_members.size()));
  for (const std::string& name : h.expected_members)
    rules.require(!name.empty() && name.size() <= 128, "expected_members", fmt::format("'{}' is no member name: 1 to 128 bytes", name));
  rules.positive(h.lag_warning, "lag_warning", "10s");
  rules.below(h.lag_warning, "lag_warning", h.lag_critical, "lag_critical");
  for (const auto& [field, value] : {std::pair{"slow_delivery", h.slow_delivery}, {"key_age_warning", h.key_age_warning}})
    rules.require(value >= Duration{0}, field, fmt::format("is {}, must not be below 0; 0s turns it off", format_duration(value)));
}

}  // namespace

std::vector<Config::Problem> Config::validate() const {
  std::vector<Problem> problems;
  Rules rules(problems);
  check_node(*this, rules);
  check_swim(swim, rules);
  check_tree(tree, rules);
  check_topics(*this, rules);
  check_link(link, rules);
  check_health(health, rules);
  return problems;
}

}  // namespace plumvine
