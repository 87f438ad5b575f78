#include "dump.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plumvine::dump {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string base64(BytesView data) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const auto at = [&](std::size_t k) { return i + k < data.size() ? static_cast<std::uint32_t>(data[i + k]) : 0u; };
    const std::uint32_t word = at(0) << 16 | at(1) << 8 | at(2);
    out += kAlphabet[word >> 18];
    out += kAlphabet[word >> 12 & 63];
    out += i + 1 < data.size() ? kAlphabet[word >> 6 & 63] : '=';
    out += i + 2 < data.size() ? kAlphabet[word & 63] : '=';
  }
  return out;
}

/// Length of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7), 0 if there is none.
std::size_t utf8_sequence(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t k) { return at + k < text.size() ? static_cast<unsigned char>(text[at + k]) : 0u; };
  const auto tail = [&](std::size_t k) { return (byte(k) & 0xc0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!tail(1) || !tail(2) || (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3) || (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
    return 4;
  }
  return 0;
}

/// Appends `text` as a JSON string. False (and `out` as it was): it is not UTF-8.
bool append_quoted(std::string& out, std::string_view text) {
  const std::size_t before = out.size();
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[i++];
    } else if (byte < 0x20 || byte == 0x7f) {
      switch (byte) {
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default: out += fmt::format("\\u{:04x}", byte);
      }
      ++i;
    } else if (byte < 0x80) {
      std::size_t end = i + 1;
      while (end < text.size() && text[end] >= 0x20 && text[end] != 0x7f && text[end] != '"' && text[end] != '\\') ++end;
      out.append(text, i, end - i);
      i = end;
    } else {
      const std::size_t length = utf8_sequence(text, i);
      if (length == 0) {
        out.resize(before);
        return false;
      }
      out.append(text, i, length);
      i += length;
    }
  }
  out += '"';
  return true;
}

/// Names of foreign members may be any bytes: what is not UTF-8 is replaced.
void append_name(std::string& out, std::string_view text) {
  if (!append_quoted(out, text)) out += text_of(Json(std::string(text)));
}

Json optional_ms(double seconds) { return seconds < 0 ? Json(nullptr) : Json(seconds * 1000); }

std::string_view shown_state(const MemberInfo& info) { return to_string(info.member.state); }

}  // namespace

std::string members_json(const Snapshot& snapshot) {
  Json out = Json::array();
  for (const auto& info : snapshot.members) {
    Json tags = Json::object();
    for (const auto& [key, value] : info.tags) tags[key] = value;
    out.push_back({{"name", info.member.name},
                   {"addr", info.member.endpoint().host()},
                   {"port", info.member.port},
                   {"state", shown_state(info)},
                   {"incarnation", static_cast<std::uint32_t>(info.member.incarnation)},
                   {"meta", base64(info.member.meta.view())},
                   {"tags", std::move(tags)},
                   {"rtt_ms", optional_ms(info.rtt_s)},
                   {"link", info.speaks_links},
                   {"self", info.self},
                   {"since_s", to_seconds(snapshot.at - info.member.since)}});
  }
  return text_of(out);
}

std::string peers_json(const Snapshot& snapshot) {
  Json eager = Json::array(), lazy = Json::array(), kept = Json::array(), links = Json::array();
  for (const auto& link : snapshot.links) {
    if (link.state == LinkState::up) {
      (link.role == PeerRole::eager ? eager : lazy).push_back(link.peer);
      if (link.is_protected) kept.push_back(link.peer);
    }
    links.push_back({{"peer", link.peer},
                     {"role", to_string(link.role)},
                     {"state", to_string(link.state)},
                     {"direction", link.outbound ? "outbound" : "inbound"},
                     {"rtt_ms", optional_ms(link.rtt_s)},
                     {"score", link.score},
                     {"queue_bytes", link.queue_bytes},
                     {"queue_messages", link.queue_messages},
                     {"sent_bytes", link.sent_bytes},
                     {"received_bytes", link.received_bytes},
                     {"last_frame_s", link.last_frame_s},
                     {"congested", link.congested},
                     {"clock_offset_ms", link.clock_offset_s * 1000},
                     {"instance", to_string(link.instance)}});
  }
  return text_of({{"self", snapshot.name}, {"eager", eager}, {"lazy", lazy}, {"protected", kept}, {"links", links}});
}

std::string tree_json(const Snapshot& snapshot) {
  Json trees = Json::array();
  for (const auto& tree : snapshot.trees) {
    trees.push_back({{"tree", to_string(InstanceId{static_cast<std::uint64_t>(tree.tree)})},
                     {"root", tree.root.empty() ? Json(nullptr) : Json(tree.root)},
                     {"epoch", tree.epoch},
                     {"settled", tree.settled},
                     {"parent", tree.parent.empty() ? Json(nullptr) : Json(tree.parent)},
                     {"eager", tree.eager},
                     {"lazy", tree.lazy}});
  }
  return text_of({{"self", snapshot.name}, {"trees", trees}});
}

std::string lag_json(const Snapshot& snapshot) {
  Json out = Json::array();
  for (const auto& origin : snapshot.origins) {
    out.push_back({{"origin", origin.name},
                   {"instance", to_string(origin.instance)},
                   {"highest", origin.highest},
                   {"delivered", origin.delivered},
                   {"missing", origin.missing}});
  }
  return text_of({{"self", snapshot.name}, {"origins", out}, {"oldest_missing_s", to_seconds(snapshot.tree.oldest_missing)}});
}

std::string health_json(const HealthReport& report, std::string_view component) {
  Json reasons = Json::array();
  HealthStatus status = component.empty() ? report.status : HealthStatus::healthy;
  for (const auto& reason : report.reasons) {
    if (!component.empty() && reason.component != component) continue;
    status = std::max(status, reason.severity);
    Json evidence = Json::object();
    for (const auto& [key, value] : reason.evidence) evidence[key] = value;
    reasons.push_back({{"code", reason.code}, {"severity", to_string(reason.severity)}, {"component", reason.component},
                       {"evidence", std::move(evidence)}, {"remedy", reason.remedy}});
  }
  const auto& p = report.peer_health;
  const auto& d = report.delivery_health;
  const auto& c = report.cache_health;
  return text_of({{"status", to_string(status)},
                  {"message", report.message},
                  {"reasons", std::move(reasons)},
                  {"version", report.version},
                  {"name", report.name},
                  {"uptime_s", report.uptime_s},
                  {"peer_health",
                   {{"eager_count", p.eager_count}, {"lazy_count", p.lazy_count}, {"protected_count", p.protected_count},
                    {"total_peers", p.total_peers}, {"target_eager", p.target_eager}, {"members_alive", p.members_alive},
                    {"members_suspect", p.members_suspect}, {"members_dead", p.members_dead}, {"partition", to_string(p.partition)}}},
                  {"delivery_health",
                   {{"pending_grafts", d.pending_grafts}, {"graft_failure_rate", d.graft_failure_rate}, {"duplicate_rate", d.duplicate_rate},
                    {"missing_messages", d.missing_messages}, {"oldest_missing_s", d.oldest_missing_s}, {"delivered_total", d.delivered_total}}},
                  {"cache_health",
                   {{"messages", c.messages}, {"capacity", c.capacity}, {"bytes", c.bytes}, {"bytes_capacity", c.bytes_capacity},
                    {"ttl_s", c.ttl_s}, {"utilization", c.utilization}}},
                  {"loop_health", {{"busy_ratio", report.loop_health.busy_ratio}, {"max_stall_ms", report.loop_health.max_stall_ms}}}});
}

std::string message_json(const Message& message, std::string_view cursor) {
  std::string out = "{\"topic\":";
  append_name(out, message.topic);
  out += ",\"origin\":";
  append_name(out, message.origin);
  out += fmt::format(",\"id\":\"{}\",\"seq\":{},\"hops\":{},\"size\":{},", to_string(message.id), message.id.sequence, message.hops,
                     message.payload.size());
  out += "\"payload\":";
  if (!append_quoted(out, message.payload.text())) {
    out.resize(out.size() - 10);
    out += "\"payload_base64\":\"";
    out += base64(message.payload.view());
    out += '"';
  }
  if (!cursor.empty()) {
    out += ",\"cursor\":";
    append_name(out, cursor);
  }
  out += '}';
  return out;
}

std::string error_json(std::string_view code, std::string_view message, std::string_view hint) {
  return text_of({{"error", {{"code", code}, {"message", message}, {"hint", hint}}}});
}

}  // namespace plumvine::dump
