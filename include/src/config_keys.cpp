// The catalogue of configuration keys: one row a key, with how it is read and written as text.
#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <vector>

#include <fmt/format.h>

#include <plumvine/config.hpp>
#include <plumvine/topic.hpp>

namespace plumvine {
namespace {

struct Key {
  std::string_view name;
  std::function<Status(Config&, std::string_view)> set;
  std::function<std::string(const Config&)> get;
  /// Set where a running node takes another value.
  std::function<void(Config&, const Config&)> take = {};
};

template <class Part, class Value>
using Field = Value Part::*;

// Where a group of fields lives in Config.
SwimConfig& part(Config& c, SwimConfig*) { return c.swim; }
TreeConfig& part(Config& c, TreeConfig*) { return c.tree; }
LinkConfig& part(Config& c, LinkConfig*) { return c.link; }
HealthConfig& part(Config& c, HealthConfig*) { return c.health; }
Config& part(Config& c, Config*) { return c; }
template <class Part>
const Part& part_of(const Config& c) {
  return part(const_cast<Config&>(c), static_cast<Part*>(nullptr));
}

Status assign(Duration& out, std::string_view text) {
  auto value = parse_duration(text);
  if (!value) return value.error();
  out = *value;
  return {};
}
Status assign(bool& out, std::string_view text) {
  if (text != "true" && text != "false") return {Errc::invalid_argument, fmt::format("'{}' is neither true nor false", text)};
  out = text == "true";
  return {};
}
Status assign(std::string& out, std::string_view text) {
  out = text;
  return {};
}
Status assign(double& out, std::string_view text) {
  double value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return {Errc::invalid_argument, fmt::format("'{}' is not a number", text)};
  out = value;
  return {};
}
Status assign(std::uint32_t& out, std::string_view text) {
  std::uint32_t value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) {
    return {Errc::invalid_argument, fmt::format("'{}' is not a whole number from 0 to 4294967295", text)};
  }
  out = value;
  return {};
}
Status assign(std::uint64_t& out, std::string_view text) {
  auto value = parse_size(text);
  if (!value) return value.error();
  out = *value;
  return {};
}

Status assign(LogLevel& out, std::string_view text) {
  for (auto level : {LogLevel::error, LogLevel::warn, LogLevel::info, LogLevel::debug, LogLevel::trace}) {
    if (to_string(level) != text) continue;
    out = level;
    return {};
  }
  return {Errc::invalid_argument, fmt::format("'{}' is not error, warn, info, debug or trace", text)};
}

std::string show(Duration value) { return format_duration(value); }
std::string show(bool value) { return value ? "true" : "false"; }
std::string show(const std::string& value) { return value; }
std::string show(double value) { return fmt::format("{}", value); }
std::string show(std::uint32_t value) { return fmt::format("{}", value); }
std::string show(std::uint64_t value) { return fmt::format("{}", value); }
std::string show(LogLevel value) { return std::string(to_string(value)); }

template <class Part, class Value>
Key key(std::string_view name, Field<Part, Value> field) {
  return {name,
          [field](Config& c, std::string_view text) { return assign(part(c, static_cast<Part*>(nullptr)).*field, text); },
          [field](const Config& c) { return show(part_of<Part>(c).*field); }};
}

/// A key that can change while a node runs.
template <class Part, class Value>
Key live(std::string_view name, Field<Part, Value> field) {
  Key out = key(name, field);
  out.take = [field](Config& to, const Config& from) { part(to, static_cast<Part*>(nullptr)).*field = part_of<Part>(from).*field; };
  return out;
}

Status set_delegate_protocol(Config& c, std::string_view text) {
  auto& out = c.swim.delegate_protocol;
  if (text == "serf") {
    out = {2, 5, 4};
    return {};
  }
  if (text == "none") {
    out = {0, 0, 0};
    return {};
  }
  std::vector<unsigned> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    while (at != end && (*at == '[' || *at == ',' || *at == ' ' || *at == ']')) ++at;
    if (at == end) break;
    unsigned value = 0;
    auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || value > 255) break;
    numbers.push_back(value);
    at = stop;
  }
  if (at != end || numbers.size() != 3) {
    return {Errc::invalid_argument, fmt::format("'{}' is not serf, none or [min, max, current]", text)};
  }
  for (std::size_t i = 0; i < 3; ++i) out[i] = static_cast<std::uint8_t>(numbers[i]);
  return {};
}

Status set_rule(Config& c, std::string_view text) {
  if (text != "rooted" && text != "classic") return {Errc::invalid_argument, fmt::format("'{}' is not rooted or classic", text)};
  c.tree.tree_rule = text == "rooted" ? TreeConfig::Rule::rooted : TreeConfig::Rule::classic;
  return {};
}

// Comma-separated COMPONENT=LEVEL.
Status set_log_levels(Config& c, std::string_view text) {
  decltype(c.log_levels) levels;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto item = rest.substr(0, comma);
    const auto equals = item.find('=');
    const auto component = item.substr(0, equals);
    if (equals == std::string_view::npos || std::find(kLogComponents.begin(), kLogComponents.end(), component) == kLogComponents.end())
      return {Errc::invalid_argument, fmt::format("'{}' is not COMPONENT=LEVEL with one of {}", item, fmt::join(kLogComponents, ", "))};
    if (auto status = assign(levels[std::string(component)], item.substr(equals + 1)); !status) return status;
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  c.log_levels = std::move(levels);
  return {};
}

std::string show_log_levels(const Config& c) {
  std::string text;
  for (const auto& [component, level] : c.log_levels) text += (text.empty() ? "" : ",") + component + "=" + show(level);
  return text;
}

// Comma-separated; an empty text is an empty list.
Status set_seeds(Config& c, std::string_view text) {
  std::vector<std::string> seeds;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto item = rest.substr(0, comma);
    auto seed = HostPort::parse(item);
    if (!seed) return seed.error();
    seeds.emplace_back(item);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  c.seeds = std::move(seeds);
  return {};
}

Status set_expected(Config& c, std::string_view text) {
  std::vector<std::string> names;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    names.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  c.health.expected_members = std::move(names);
  return {};
}

// Comma-separated KEY=VALUE; a value with a comma needs a table in the file.
Status set_tags(Config& c, std::string_view text) {
  Tags tags;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto item = rest.substr(0, comma);
    const auto equals = item.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      return {Errc::invalid_argument, fmt::format("'{}' is not KEY=VALUE", item)};
    }
    tags.insert_or_assign(std::string(item.substr(0, equals)), std::string(item.substr(equals + 1)));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  c.tags = std::move(tags);
  return {};
}

std::string show_tags(const Config& c) {
  std::string text;
  for (const auto& [tag, value] : c.tags) text += (text.empty() ? "" : ",") + tag + "=" + value;
  return text;
}

Status set_networks(Config& c, std::string_view text) {
  std::vector<Network> networks;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = rest.find(',');
    auto network = Network::parse(rest.substr(0, comma));
    if (!network) return network.error();
    networks.push_back(*network);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  c.swim.cidrs_allowed = std::move(networks);
  return {};
}

std::string show_networks(const Config& c) {
  std::string text;
  for (const Network& network : c.swim.cidrs_allowed) text += (text.empty() ? "" : ",") + network.to_string();
  return text;
}

/// One of the enumerators below `end`, by its name.
template <class Enum>
Status choose(Enum& out, std::string_view text, Enum end) {
  std::string names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(end); ++i) {
    const auto value = static_cast<Enum>(i);
    if (to_string(value) == text) {
      out = value;
      return {};
    }
    names += (i == 0 ? "" : i + 1 == static_cast<std::size_t>(end) ? " or " : ", ") + std::string(to_string(value));
  }
  return {Errc::invalid_argument, fmt::format("'{}' is not {}", text, names)};
}
constexpr auto kOrderEnd = static_cast<Order>(2);

/// What can be agreed for a topic: the last part of `topics.NAME.KEY`.
struct TopicKey {
  std::string_view name;
  Status (*set)(TopicConfig&, std::string_view);
  std::string (*get)(const TopicConfig&);
};
constexpr std::array kTopicKeys{
    TopicKey{"priority", [](TopicConfig& t, std::string_view text) { return choose(t.priority, text, Priority::count_); },
             [](const TopicConfig& t) { return std::string(to_string(t.priority)); }},
    TopicKey{"order", [](TopicConfig& t, std::string_view text) { return choose(t.order, text, kOrderEnd); },
             [](const TopicConfig& t) { return std::string(to_string(t.order)); }},
    TopicKey{"overflow", [](TopicConfig& t, std::string_view text) { return choose(t.overflow, text, Overflow::count_); },
             [](const TopicConfig& t) { return std::string(to_string(t.overflow)); }},
    TopicKey{"backlog", [](TopicConfig& t, std::string_view text) { return assign(t.backlog, text); },
             [](const TopicConfig& t) { return show(t.backlog); }},
    TopicKey{"max_size", [](TopicConfig& t, std::string_view text) { return assign(t.max_size, text); },
             [](const TopicConfig& t) { return show(t.max_size); }},
    TopicKey{"retention", [](TopicConfig& t, std::string_view text) { return assign(t.retention, text); },
             [](const TopicConfig& t) { return show(t.retention); }},
    TopicKey{"retention_bytes", [](TopicConfig& t, std::string_view text) { return assign(t.retention_bytes, text); },
             [](const TopicConfig& t) { return show(t.retention_bytes); }},
    TopicKey{"deliver_local", [](TopicConfig& t, std::string_view text) { return assign(t.deliver_local.emplace(), text); },
             [](const TopicConfig& t) { return t.deliver_local ? show(*t.deliver_local) : std::string{}; }},
    TopicKey{"payloads", [](TopicConfig& t, std::string_view text) { return choose(t.payloads, text, Payloads::count_); },
             [](const TopicConfig& t) { return std::string(to_string(t.payloads)); }},
    TopicKey{"subscribe", [](TopicConfig& t, std::string_view text) { return assign(t.subscribe, text); },
             [](const TopicConfig& t) { return show(t.subscribe); }},
    TopicKey{"compression",
             [](TopicConfig& t, std::string_view text) { return choose(t.compression.emplace(), text, Compression::count_); },
             [](const TopicConfig& t) { return t.compression ? std::string(to_string(*t.compression)) : std::string{}; }},
};

std::vector<Key> make_catalogue() {
  return {
      key("name", &Config::name),
      key("bind", &Config::bind),
      key("advertise", &Config::advertise),
      {"join", set_seeds, [](const Config& c) { return fmt::format("{}", fmt::join(c.seeds, ",")); },
       [](Config& to, const Config& from) { to.seeds = from.seeds; }},
      {"tags", set_tags, show_tags, [](Config& to, const Config& from) { to.tags = from.tags; }},
      {"ip_family", [](Config& c, std::string_view text) { return choose(c.ip_family, text, IpFamily::count_); },
       [](const Config& c) { return std::string(to_string(c.ip_family)); }},
      key("http", &Config::http),
      live("http_rate_limit_per_second", &Config::http_rate_limit_per_second),
      live("http_rate_limit_burst", &Config::http_rate_limit_burst),
      live("http_token_file", &Config::http_token_file),
      key("cluster", &Config::cluster),
      {"encrypt", [](Config& c, std::string_view text) { return assign(c.encrypt, text); },
       [](const Config& c) { return std::string(c.encrypt.empty() ? std::string_view{} : Config::kHidden); },
       [](Config& to, const Config& from) { to.encrypt = from.encrypt; }},
      live("keyring", &Config::keyring),
      live("tls_cert", &Config::tls_cert),
      live("tls_key", &Config::tls_key),
      live("tls_ca", &Config::tls_ca),
      live("tls_overlap", &Config::tls_overlap),
      {"transport", [](Config& c, std::string_view text) { return choose(c.transport, text, LinkTransport::count_); },
       [](const Config& c) { return std::string(to_string(c.transport)); }},
      key("quic_port", &Config::quic_port),
      key("data_dir", &Config::data_dir),
      key("start_from", &Config::start_from),
      key("history_max_bytes", &Config::history_max_bytes),
      key("history_window", &Config::history_window),
      live("log_level", &Config::log_level),
      {"log_levels", set_log_levels, show_log_levels, [](Config& to, const Config& from) { to.log_levels = from.log_levels; }},
      live("deliver_local", &Config::deliver_local),
      key("serf_events", &Config::serf_events),
      live("leave_timeout", &Config::leave_timeout),
      key("stop_timeout", &Config::stop_timeout),
      key("mailbox_max_bytes", &Config::mailbox_max_bytes),
      key("mailbox_max_messages", &Config::mailbox_max_messages),
      // Tree.
      live("eager_fanout", &TreeConfig::eager_fanout),
      live("lazy_fanout", &TreeConfig::lazy_fanout),
      live("max_peers", &TreeConfig::max_peers),
      live("max_eager_peers", &TreeConfig::max_eager_peers),
      live("max_lazy_peers", &TreeConfig::max_lazy_peers),
      live("ihave_interval", &TreeConfig::ihave_interval),
      live("ihave_batch_size", &TreeConfig::ihave_batch_size),
      live("graft_timeout", &TreeConfig::graft_timeout),
      live("graft_max_retries", &TreeConfig::graft_max_retries),
      live("graft_rate_limit_per_second", &TreeConfig::graft_rate_limit_per_second),
      live("graft_rate_limit_burst", &TreeConfig::graft_rate_limit_burst),
      live("control_rate_limit_per_second", &TreeConfig::control_rate_limit_per_second),
      live("origin_rate_limit_per_second", &TreeConfig::origin_rate_limit_per_second),
      live("message_cache_ttl", &TreeConfig::message_cache_ttl),
      live("message_cache_max_size", &TreeConfig::message_cache_max_size),
      live("message_cache_max_bytes", &TreeConfig::message_cache_max_bytes),
      key("max_message_size", &TreeConfig::max_message_size),
      live("optimization_threshold", &TreeConfig::optimization_threshold),
      live("use_hash_ring", &TreeConfig::use_hash_ring),
      live("protect_ring_neighbors", &TreeConfig::protect_ring_neighbors),
      live("max_protected_neighbors", &TreeConfig::max_protected_neighbors),
      live("maintenance_interval", &TreeConfig::maintenance_interval),
      live("maintenance_jitter", &TreeConfig::maintenance_jitter),
      live("sync_interval", &TreeConfig::sync_interval),
      live("sync_window", &TreeConfig::sync_window),
      live("sync_max_bytes", &TreeConfig::sync_max_bytes),
      live("sync_max_messages", &TreeConfig::sync_max_messages),
      live("lag_grace", &TreeConfig::lag_grace),
      key("pace_window_bytes", &TreeConfig::pace_window_bytes),
      key("pace_window_messages", &TreeConfig::pace_window_messages),
      key("origins_max", &TreeConfig::origins_max),
      key("trees_max", &TreeConfig::trees_max),
      key("topics_max", &TreeConfig::topics_max),
      {"tree_rule", set_rule,
       [](const Config& c) { return std::string(c.tree.tree_rule == TreeConfig::Rule::rooted ? "rooted" : "classic"); }},
      {"compression", [](Config& c, std::string_view text) { return choose(c.tree.compression, text, Compression::count_); },
       [](const Config& c) { return std::string(to_string(c.tree.compression)); }},
      key("roots", &TreeConfig::roots),
      {"second_parents", [](Config& c, std::string_view text) { return choose(c.tree.second_parents, text, SecondParents::count_); },
       [](const Config& c) { return std::string(to_string(c.tree.second_parents)); },
       [](Config& to, const Config& from) { to.tree.second_parents = from.tree.second_parents; }},
      key("beacon_interval", &TreeConfig::beacon_interval),
      key("zone", &TreeConfig::zone),
      {"sign_origins",
       [](Config& c, std::string_view text) { return choose(c.tree.sign_origins, text, SignOrigins::count_); },
       [](const Config& c) { return std::string(to_string(c.tree.sign_origins)); },
       [](Config& to, const Config& from) {
         // Turned on or off it is another instance, which a process has from its start.
         const auto off = [](const Config& c) { return c.tree.sign_origins == SignOrigins::off; };
         if (off(to) == off(from)) to.tree.sign_origins = from.tree.sign_origins;
       }},
      live("signed_max_age", &TreeConfig::signed_max_age),
      // Membership.
      live("probe_interval", &SwimConfig::probe_interval),
      live("probe_timeout", &SwimConfig::probe_timeout),
      live("indirect_checks", &SwimConfig::indirect_checks),
      live("suspicion_mult", &SwimConfig::suspicion_mult),
      live("suspicion_confirmations", &SwimConfig::suspicion_confirmations),
      live("suspicion_max_timeout_mult", &SwimConfig::suspicion_max_timeout_mult),
      live("retransmit_mult", &SwimConfig::retransmit_mult),
      live("gossip_interval", &SwimConfig::gossip_interval),
      live("gossip_nodes", &SwimConfig::gossip_nodes),
      live("gossip_to_the_dead_time", &SwimConfig::gossip_to_the_dead_time),
      live("reconnect_timeout", &SwimConfig::reconnect_timeout),
      live("tombstone_timeout", &SwimConfig::tombstone_timeout),
      live("push_pull_interval", &SwimConfig::push_pull_interval),
      live("tcp_timeout", &SwimConfig::tcp_timeout),
      live("awareness_max_multiplier", &SwimConfig::awareness_max_multiplier),
      live("buddy_system", &SwimConfig::buddy_system),
      live("dead_node_reclaim_time", &SwimConfig::dead_node_reclaim_time),
      live("udp_buffer_size", &SwimConfig::udp_buffer_size),
      {"cidrs_allowed", set_networks, show_networks,
       [](Config& to, const Config& from) { to.swim.cidrs_allowed = from.swim.cidrs_allowed; }},
      live("enable_compression", &SwimConfig::enable_compression),
      live("gossip_verify_incoming", &SwimConfig::gossip_verify_incoming),
      live("gossip_verify_outgoing", &SwimConfig::gossip_verify_outgoing),
      live("disable_tcp_pings", &SwimConfig::disable_tcp_pings),
      {"delegate_protocol", set_delegate_protocol,
       [](const Config& c) {
         const auto& d = c.swim.delegate_protocol;
         return fmt::format("[{}, {}, {}]", d[0], d[1], d[2]);
       }},
      live("rejoin_interval", &SwimConfig::rejoin_interval),
      live("rejoin_interval_max", &SwimConfig::rejoin_interval_max),
      key("members_max", &SwimConfig::members_max),
      live("flap_damping_max", &SwimConfig::flap_damping_max),
      live("stall_threshold", &SwimConfig::stall_threshold),
      key("observe", &SwimConfig::observe),
      // Links.
      live("queue_high_bytes", &LinkConfig::queue_high_bytes),
      live("queue_low_bytes", &LinkConfig::queue_low_bytes),
      live("queue_max_bytes", &LinkConfig::queue_max_bytes),
      live("link_ping_interval", &LinkConfig::ping_interval),
      live("link_idle_timeout", &LinkConfig::idle_timeout),
      live("link_handshake_timeout", &LinkConfig::handshake_timeout),
      live("backoff_min", &LinkConfig::backoff_min),
      live("backoff_max", &LinkConfig::backoff_max),
      live("parallel_dials", &LinkConfig::parallel_dials),
      live("half_open_max", &LinkConfig::half_open_max),
      key("accept_backlog", &LinkConfig::accept_backlog),
      live("accept_rate_limit_per_second", &LinkConfig::accept_rate_limit_per_second),
      live("graylist_time", &LinkConfig::graylist_time),
      // Health.
      live("duplicate_rate_degraded", &HealthConfig::duplicate_rate_degraded),
      live("graft_failure_rate_degraded", &HealthConfig::graft_failure_rate_degraded),
      live("cache_utilization_degraded", &HealthConfig::cache_utilization_degraded),
      live("missing_degraded", &HealthConfig::missing_degraded),
      live("stall_degraded", &HealthConfig::stall_degraded),
      live("clock_offset_degraded", &HealthConfig::clock_offset_degraded),
      live("memory_growth_degraded", &HealthConfig::memory_growth_degraded),
      {"expected_members", set_expected, [](const Config& c) { return fmt::format("{}", fmt::join(c.health.expected_members, ",")); },
       [](Config& to, const Config& from) { to.health.expected_members = from.health.expected_members; }},
      live("expected_members_min", &HealthConfig::expected_members_min),
      live("lag_warning", &HealthConfig::lag_warning),
      live("lag_critical", &HealthConfig::lag_critical),
      live("slow_delivery", &HealthConfig::slow_delivery),
      live("key_age_warning", &HealthConfig::key_age_warning),
  };
}

const std::vector<Key>& catalogue() {
  static const std::vector<Key> keys = make_catalogue();
  return keys;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t swap = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, swap});
    }
  }
  return row[b.size()];
}

/// `rest` is what follows `topics.` in a key.
Status set_topic(Config& config, std::string_view rest, std::string_view text) {
  const auto dot = rest.rfind('.');
  if (dot == std::string_view::npos)
    return {Errc::not_found, fmt::format("unknown key 'topics.{}'; a topic's keys are written topics.NAME.KEY", rest)};
  const std::string_view name = rest.substr(0, dot);
  const std::string_view wanted = rest.substr(dot + 1);
  const auto it = std::find_if(kTopicKeys.begin(), kTopicKeys.end(), [&](const TopicKey& k) { return k.name == wanted; });
  if (it == kTopicKeys.end()) {
    const auto nearest = std::min_element(kTopicKeys.begin(), kTopicKeys.end(), [&](const TopicKey& a, const TopicKey& b) {
      return edit_distance(a.name, wanted) < edit_distance(b.name, wanted);
    });
    return {Errc::not_found, fmt::format("unknown key 'topics.{}'; did you mean 'topics.{}.{}'?", rest, name, nearest->name)};
  }
  const auto topic = config.topics.find(name);
  TopicConfig changed = topic == config.topics.end() ? TopicConfig{} : topic->second;
  auto status = check_topic(name);
  if (status) status = it->set(changed, text);
  if (!status) return status.error().with("topics." + std::string(rest));
  config.topics.insert_or_assign(std::string(name), changed);
  return {};
}

}  // namespace

Status Config::set(std::string_view name_of_key, std::string_view text) {
  constexpr std::string_view kTopics = "topics.";
  if (name_of_key.starts_with(kTopics)) return set_topic(*this, name_of_key.substr(kTopics.size()), text);
  const auto& keys = catalogue();
  const auto it = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == name_of_key; });
  if (it == keys.end()) {
    const auto nearest = std::min_element(keys.begin(), keys.end(), [&](const Key& a, const Key& b) {
      return edit_distance(a.name, name_of_key) < edit_distance(b.name, name_of_key);
    });
    return {Errc::not_found, fmt::format("unknown key '{}'; did you mean '{}'?", name_of_key, nearest->name)};
  }
  if (auto status = it->set(*this, text); !status) return status.error().with(name_of_key);
  return {};
}

Config::Changes Config::take_over(const Config& fresh) {
  Changes changes;
  std::map<std::string, std::string> before, after;  // of topics, and what is no key of the catalogue
  for (const auto& [name_of_key, value] : describe()) before.emplace(name_of_key, value);
  for (const auto& [name_of_key, value] : fresh.describe()) after.emplace(name_of_key, value);
  if (encrypt != fresh.encrypt) before["encrypt"] = "another";
  for (const Key& k : catalogue()) {
    const auto old = before.extract(std::string(k.name)), now = after.extract(std::string(k.name));
    if (k.take) k.take(*this, fresh);
    if (old.mapped() != now.mapped())
      (k.take && k.get(*this) == now.mapped() ? changes.taken : changes.need_restart).emplace_back(k.name);
  }
  for (const auto& [name_of_key, value] : after) {
    const auto old = before.extract(name_of_key);
    if (!old || old.mapped() != value) changes.need_restart.push_back(name_of_key);
  }
  for (const auto& [name_of_key, value] : before) changes.need_restart.push_back(name_of_key);  // of a topic that is gone
  return changes;
}

bool Config::changes_while_running(std::string_view name_of_key) {
  const auto& keys = catalogue();
  const auto it = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == name_of_key; });
  return it != keys.end() && it->take;
}

LogLevel Config::log_level_of(std::string_view component) const {
  const auto it = log_levels.find(component);
  return it == log_levels.end() ? log_level : it->second;
}

std::vector<std::pair<std::string, std::string>> Config::describe() const {
  std::vector<std::pair<std::string, std::string>> out{{"preset", preset}};
  for (const auto& k : catalogue()) out.emplace_back(std::string(k.name), k.get(*this));
  for (const auto& [topic, policy] : topics) {
    for (const auto& k : kTopicKeys) {
      if (std::string text = k.get(policy); !text.empty()) out.emplace_back(fmt::format("topics.{}.{}", topic, k.name), std::move(text));
    }
  }
  return out;
}

}  // namespace plumvine
