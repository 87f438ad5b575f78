#include "dump.hpp"

#include <cmath>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include <plumvine/detail/base64.hpp>

#include "json_text.hpp"

namespace plumvine::dump {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Milliseconds with three decimals; unknown is null.
Json milliseconds_or_null(double seconds) {
  if (seconds < 0) return nullptr;
  return std::round(seconds * 1e6) / 1e3;
}

double rounded(double value) {
  return std::round(value * 1e6) / 1e6;
}

Json names(const Snapshot& s, bool (*match)(const LinkInfo&)) {
  auto out = Json::array();
  for (const auto& link : s.links) {
    if (link.state == LinkState::up && match(link)) out.push_back(link.peer);
  }
  return out;
}

Json link_json(const LinkInfo& link) {
  return {{"peer", link.peer},
          {"role", to_string(link.role)},
          {"state", to_string(link.state)},
          {"direction", link.outbound ? "outbound" : "inbound"},
          {"rtt_ms", milliseconds_or_null(link.rtt_s)},
          {"score", rounded(link.score)},
          {"queue_bytes", link.queue_bytes},
          {"queue_messages", link.queue_messages},
          {"sent_bytes", link.sent_bytes},
          {"received_bytes", link.received_bytes},
          {"last_frame_s", rounded(link.last_frame_s)},
          {"up_s", link.state == LinkState::up ? Json(rounded(link.up_s)) : Json(nullptr)},
          {"congested", link.congested},
          {"clock_offset_ms", std::round(link.clock_offset_s * 1e6) / 1e3},
          {"graft_timeout_ms", link.graft_timeout_s > 0 ? Json(std::round(link.graft_timeout_s * 1e6) / 1e3) : Json(nullptr)},
          {"instance", to_string(link.instance)}};
}

Json links(const Snapshot& s, bool up) {
  auto out = Json::array();
  for (const auto& link : s.links) {
    if ((link.state == LinkState::up) == up) out.push_back(link_json(link));
  }
  return out;
}

Json graylist(const Snapshot& s) {
  auto out = Json::array();
  for (const GraylistInfo& one : s.graylist) {
    out.push_back({{"peer", one.peer},
                   {"address", one.address},
                   {"reason", one.reason},
                   {"times", one.times},
                   {"left_s", rounded(one.left_s)},
                   {"ago_s", rounded(one.ago_s)}});
  }
  return out;
}

Json refused_origins(const Snapshot& s) {
  auto out = Json::array();
  for (const RefusedOriginInfo& one : s.refused_origins)
    out.push_back({{"origin", one.origin},
                   {"reason", one.reason},
                   {"peer", one.peer},
                   {"count", one.count},
                   {"ago_s", rounded(one.ago_s)}});
  return out;
}

Json tags_json(const Tags& tags) {
  auto out = Json::object();
  for (const auto& [key, value] : tags) out[key] = value;
  return out;
}

Json member_json(const Snapshot& s, const MemberInfo& info) {
  const auto& m = info.member;
  std::string meta;
  append_base64(meta, m.meta.view());
  return {{"name", m.name},
          {"addr", m.endpoint().host()},
          {"port", m.port},
          {"state", to_string(m.state)},
          {"incarnation", static_cast<std::uint32_t>(m.incarnation)},
          {"meta", meta},
          {"tags", tags_json(info.tags())},
          {"rtt_ms", milliseconds_or_null(info.rtt_s)},
          {"link", info.speaks_links},
          {"self", info.self},
          {"since_s", rounded(std::max(0.0, to_seconds(s.at - m.since)))},
          {"packets", to_string(info.packets)},
          {"incompatible", info.incompatible.empty() ? Json(nullptr) : Json(info.incompatible)},
          {"accused_by", info.accused_by}};
}

Json reason_json(const HealthReason& reason) {
  auto evidence = Json::object();
  for (const auto& [name, fact] : reason.evidence) {
    const double* value = std::get_if<double>(&fact);
    if (value == nullptr) {
      evidence[name] = std::get<std::string>(fact);
    } else if (*value == std::floor(*value) && std::abs(*value) < 1e15) {  // counts are shown as whole numbers
      evidence[name] = static_cast<std::int64_t>(*value);
    } else {
      evidence[name] = rounded(*value);
    }
  }
  return {{"code", reason.code},
          {"severity", to_string(reason.severity)},
          {"component", reason.component},
          {"evidence", std::move(evidence)},
          {"remedy", reason.remedy}};
}

Json report_json(const HealthReport& r) {
  auto reasons = Json::array();
  for (const auto& reason : r.reasons) reasons.push_back(reason_json(reason));
  const auto& p = r.peer_health;
  const auto& d = r.delivery_health;
  const auto& c = r.cache_health;
  return {{"status", to_string(r.status)},
          {"message", r.message},
          {"reasons", std::move(reasons)},
          {"version", r.version},
          {"name", r.name},
          {"uptime_s", std::round(r.uptime_s * 1e3) / 1e3},
          {"peer_health",
           {{"eager_count", p.eager_count},
            {"lazy_count", p.lazy_count},
            {"protected_count", p.protected_count},
            {"total_peers", p.total_peers},
            {"target_eager", p.target_eager},
            {"members_alive", p.members_alive},
            {"members_suspect", p.members_suspect},
            {"members_dead", p.members_dead},
            {"partition", to_string(p.partition)}}},
          {"delivery_health",
           {{"pending_grafts", d.pending_grafts},
            {"graft_failure_rate", rounded(d.graft_failure_rate)},
            {"duplicate_rate", rounded(d.duplicate_rate)},
            {"missing_messages", d.missing_messages},
            {"oldest_missing_s", rounded(d.oldest_missing_s)},
            {"delivered_total", d.delivered_total}}},
          {"cache_health",
           {{"messages", c.messages},
            {"capacity", c.capacity},
            {"bytes", c.bytes},
            {"bytes_capacity", c.bytes_capacity},
            {"ttl_s", c.ttl_s},
            {"utilization", rounded(c.utilization)}}},
          {"loop_health",
           {{"busy_ratio", rounded(r.loop_health.busy_ratio)}, {"max_stall_ms", rounded(r.loop_health.max_stall_ms)}}}};
}

Json members(const Snapshot& s) {
  auto out = Json::array();
  for (const auto& member : s.members) out.push_back(member_json(s, member));
  return out;
}

Json peers(const Snapshot& s) {
  return {{"self", s.name},
          {"eager", names(s, [](const LinkInfo& l) { return l.role == PeerRole::eager; })},
          {"lazy", names(s, [](const LinkInfo& l) { return l.role == PeerRole::lazy; })},
          {"protected", names(s, [](const LinkInfo& l) { return l.is_protected; })},
          {"links", links(s, true)},
          {"unestablished", links(s, false)},
          {"graylist", graylist(s)},
          {"refused_origins", refused_origins(s)}};
}

Json trees(const Snapshot& s) {
  auto out = Json::array();
  for (const auto& t : s.trees) {
    out.push_back({{"tree", to_string(static_cast<InstanceId>(t.tree))},
                   {"root", t.root.empty() ? Json(nullptr) : Json(t.root)},
                   {"epoch", t.epoch},
                   {"settled", t.settled},
                   {"parent", t.parent.empty() ? Json(nullptr) : Json(t.parent)},
                   {"eager", t.eager},
                   {"lazy", t.lazy}});
  }
  return {{"self", s.name}, {"trees", std::move(out)}};
}

Json lag(const Snapshot& s) {
  auto out = Json::array();
  for (const auto& o : s.origins) {
    out.push_back({{"origin", o.name},
                   {"instance", to_string(o.instance)},
                   {"highest", o.highest},
                   {"delivered", o.delivered},
                   {"missing", o.missing},
                   {"age_s", rounded(o.age_s)},
                   {"level", to_string(lag_level(s, o.age_s))}});
  }
  auto subscribers = Json::array();
  for (const auto& r : s.history.subscribers) {
    subscribers.push_back({{"topic", r.topic},
                           {"from", r.from},
                           {"reads", r.reads_history ? "history" : "live"},
                           {"behind", r.behind},
                           {"bytes", r.bytes},
                           {"age_s", rounded(r.age_s)},
                           {"level", to_string(lag_level(s, r.age_s))}});
  }
  auto large = Json::array();
  for (const auto& l : s.large) {
    large.push_back({{"id", to_string(l.id)},
                     {"origin", l.origin},
                     {"topic", l.topic},
                     {"parts_here", l.parts_here},
                     {"parts", l.parts},
                     {"bytes_here", l.bytes_here},
                     {"bytes", l.bytes},
                     {"age_s", rounded(l.age_s)}});
  }
  return {{"self", s.name},
          {"origins", std::move(out)},
          {"subscribers", std::move(subscribers)},
          {"large", std::move(large)},
          {"warning_s", s.lag_warning_s},
          {"critical_s", s.lag_critical_s},
          {"oldest_missing_s", rounded(to_seconds(s.tree.oldest_missing))}};
}

Json seeds(const Snapshot& s) {
  auto out = Json::array();
  for (const auto& seed : s.seeds) out.push_back({{"name", seed.name}, {"self", seed.self}, {"alive", seed.alive}, {"problem", seed.problem}});
  return out;
}

Json topics(const Snapshot& s) {
  auto out = Json::array();
  for (const auto& t : s.topics) {
    out.push_back({{"topic", t.name},
                   {"priority", to_string(t.policy.priority)},
                   {"order", to_string(t.policy.order)},
                   {"overflow", to_string(t.policy.overflow)},
                   {"published", t.published},
                   {"received", t.received}});
  }
  return out;
}

}  // namespace

std::string members_json(const Snapshot& snapshot) {
  return text_of(members(snapshot));
}
std::string peers_json(const Snapshot& snapshot) {
  return text_of(peers(snapshot));
}
std::string tree_json(const Snapshot& snapshot) {
  return text_of(trees(snapshot));
}
std::string lag_json(const Snapshot& snapshot) {
  return text_of(lag(snapshot));
}

std::string health_json(const HealthReport& report, std::string_view component) {
  return text_of(report_json(component.empty() ? report : only_component(report, component)));
}

std::string keys_json(const KeyReport& report) {
  auto members = Json::array();
  std::map<std::string, std::uint64_t> keys, primaries;
  for (const auto& m : report.members) {
    members.push_back({{"name", m.name}, {"outcome", to_string(m.outcome)}, {"message", m.message}});
    if (m.keys.empty()) continue;
    members.back()["primary"] = m.primary;
    members.back()["keys"] = m.keys;
    for (const auto& key : m.keys) ++keys[key];
    if (!m.primary.empty()) ++primaries[m.primary];
  }
  Json out{{"command", to_string(report.command)},
           {"ok", report.ok},
           {"refused", report.refused.empty() ? Json(nullptr) : Json(report.refused)},
           {"members", std::move(members)}};
  if (!keys.empty()) out.update({{"keys", keys}, {"primaries", primaries}});
  return text_of(out);
}

namespace {
Json config_object(const Config& config) {
  auto out = Json::object();
  for (auto& [key, value] : config.describe()) out[key] = std::move(value);
  auto tags = Json::object();
  for (const auto& [tag, value] : config.tags) tags[tag] = value;
  out["tags"] = std::move(tags);
  return out;
}
}  // namespace

std::string config_json(const Config& config) { return text_of(config_object(config)); }

std::string config_origins_json(const Config& config, const Config& in_force) {
  const auto made = Config::from_preset(config.preset, config.name);
  const Json preset = made ? config_object(*made) : Json::object();
  const Json all = config_object(config);
  const Json shown = config_object(in_force);
  const auto origin = [&](const std::string& key) -> std::string {
    if (const auto told = config.origins.find(key); told != config.origins.end()) return told->second;
    if (shown[key] != all[key]) return "chosen at start";
    return preset.contains(key) && preset[key] == all[key] ? "preset " + config.preset : "program";
  };
  auto out = Json::object();
  for (const auto& [key, value] : all.items()) out[key] = {{"value", shown[key]}, {"origin", origin(key)}};
  return text_of(out);
}

std::string trim_json(std::uint64_t messages, std::uint64_t bytes, std::uint64_t returned_bytes) {
  return text_of({{"messages", messages}, {"bytes", bytes}, {"returned_bytes", returned_bytes}});
}

std::string state_json(const Snapshot& snapshot, const HealthReport& report, const Config& config) {
  const Json out{{"version", snapshot.version},
                 {"name", snapshot.name},
                 {"instance", to_string(snapshot.instance)},
                 {"address", snapshot.address.to_string()},
                 {"uptime_s", rounded(snapshot.uptime_s)},
                 {"joined", snapshot.joined},
                 {"synced", snapshot.synced},
                 {"left", snapshot.left},
                 {"not_ready_reason", snapshot.not_ready_reason},
                 {"unreachable", snapshot.unreachable},
                 {"invariant_violations", snapshot.invariant_violations},
                 {"store", {{"messages", snapshot.tree.store_messages}, {"bytes", snapshot.tree.store_bytes}}},
                 {"health", report_json(report)},
                 {"members", members(snapshot)},
                 {"peers", peers(snapshot)},
                 {"tree", trees(snapshot)},
                 {"lag", lag(snapshot)},
                 {"seeds", seeds(snapshot)},
                 {"topics", topics(snapshot)},
                 {"config", config_object(config)}};
  return text_of(out);
}

std::string message_json(const Message& message, std::string_view cursor) {
  const auto payload = message.payload.text();
  std::string out;
  out.reserve(payload.size() + payload.size() / 8 + 160);
  out += "{\"topic\":";
  append_any(out, message.topic);
  out += ",\"origin\":";
  append_any(out, message.origin);
  out += ",\"id\":\"";
  out += to_string(message.id);
  out += "\",\"seq\":";
  out += std::to_string(message.id.sequence);
  out += ",\"hops\":";
  out += std::to_string(message.hops);
  out += ",\"size\":";
  out += std::to_string(payload.size());
  if (is_utf8(payload)) {
    out += ",\"payload\":";
    append_string(out, payload);
  } else {
    out += ",\"payload_base64\":\"";
    append_base64(out, as_bytes(payload));
    out += '"';
  }
  if (!cursor.empty()) {
    out += ",\"cursor\":";
    append_any(out, cursor);
  }
  out += '}';
  return out;
}

std::string event_json(std::string_view id, std::int64_t wall_ms, EventKind kind, const LogRecord& record) {
  std::string out = "{\"id\":";
  append_any(out, id);
  out += ",\"time\":";
  append_any(out, time_text(wall_ms));
  out += ",\"severity\":";
  append_any(out, to_string(record.level));
  out += ",\"kind\":";
  append_any(out, to_string(kind));
  out += ",\"code\":";
  append_any(out, record.code);
  out += ",\"component\":";
  append_any(out, record.component);
  out += ",\"text\":";
  append_any(out, record.text);
  out += ",\"fields\":{";
  bool first = true;
  for (const auto& [key, value] : record.fields) {
    if (!std::exchange(first, false)) out += ',';
    append_any(out, key);
    out += ':';
    append_any(out, value);
  }
  out += "}}";
  return out;
}

std::string gap_json(const LostEvent& lost, std::string_view cursor) {
  std::string out = "{\"history_gap\":{\"origin\":";
  append_any(out, lost.origin);
  out += ",\"instance\":\"" + to_string(lost.instance) + "\",\"first\":" + std::to_string(lost.range.first) +
         ",\"last\":" + std::to_string(lost.range.last) + ",\"reason\":\"" + std::string(to_string(lost.reason)) + "\"},\"cursor\":";
  append_any(out, cursor);
  out += '}';
  return out;
}

std::string receipt_json(const Receipt& receipt) {
  return text_of({{"id", to_string(receipt.id)}, {"complete", receipt.complete}, {"acked", receipt.acked}, {"missing", receipt.missing}});
}

std::string error_json(std::string_view code, std::string_view message, std::string_view hint) {
  return text_of({{"error", {{"code", code}, {"message", message}, {"hint", hint}}}});
}

}  // namespace plumvine::dump
