#include "messages.hpp"

#include <limits>

#include <plumvine/detail/msgpack_reader.hpp>

#include "membership/wire/msgpack_writer.hpp"

namespace plumvine::serf {
namespace {

using swim::wire::Writer;
using Buffer = std::vector<std::byte>;

constexpr std::uint32_t kFieldsMax = 64;
constexpr std::uint8_t kFilterNode = 0;
constexpr std::uint8_t kFilterTag = 1;

// Nil leaves a field at zero, as in Go.
template <class Unsigned>
  requires std::is_unsigned_v<Unsigned>
void get(MsgpackReader& r, Unsigned& out) {
  if (r.skip_nil()) return;
  if (const auto value = r.read_unsigned(std::numeric_limits<Unsigned>::max())) out = static_cast<Unsigned>(*value);
}
void get(MsgpackReader& r, std::int64_t& out) {
  if (r.skip_nil()) return;
  if (const auto value = r.read_integer(INT64_MIN, INT64_MAX)) out = *value;
}
void get(MsgpackReader& r, bool& out) {
  if (r.skip_nil()) return;
  if (const auto value = r.read_bool()) out = *value;
}
void get(MsgpackReader& r, std::string_view& out) {
  if (r.skip_nil()) return;
  if (const auto value = r.read_text(kNameMax)) out = *value;
}
void get(MsgpackReader& r, BytesView& out) {
  if (r.skip_nil()) return;
  if (const auto value = r.read_raw(kPayloadMax)) out = *value;
}

/// Reads a map of named fields; `field(key)` reads the value of those it knows and says whether it did.
template <class Field>
bool read_map(MsgpackReader& r, Field&& field) {
  const auto pairs = r.read_map(kFieldsMax);
  for (std::uint32_t i = 0; pairs && i < *pairs && r.ok(); ++i) {
    const auto key = r.read_text(kNameMax);
    if (!key) return false;
    if (!field(*key)) r.skip();
  }
  return r.ok();
}

/// Reads an array (nil is an empty one); `item()` reads one element.
template <class Item>
void read_array(MsgpackReader& r, std::uint32_t max, Item&& item) {
  if (r.skip_nil()) return;
  const auto count = r.read_array(max);
  for (std::uint32_t i = 0; count && i < *count && r.ok(); ++i) item();
}

/// Reads the value into `out` if this is the key; true then.
template <class T>
bool take(MsgpackReader& r, std::string_view key, std::string_view wanted, T& out) {
  if (key != wanted) return false;
  get(r, out);
  return true;
}

bool take_names(MsgpackReader& r, std::vector<std::string_view>& out, std::uint32_t max) {
  read_array(r, max, [&] { get(r, out.emplace_back()); });
  return true;
}

void read_slot(MsgpackReader& r, State& out) {
  if (r.skip_nil()) return;  // an empty slot of Serf's ring
  LTime time = 0;
  const std::size_t first = out.events.size();
  read_map(r, [&](std::string_view key) {
    if (key != "Events") return take(r, key, "LTime", time);
    read_array(r, kStateEventsMax, [&] {
      Event event;
      read_map(r, [&](std::string_view k) { return take(r, k, "Name", event.name) || take(r, k, "Payload", event.payload); });
      if (out.events.size() < kStateEventsMax) out.events.push_back(event);
    });
    return true;
  });
  for (std::size_t i = first; i < out.events.size(); ++i) out.events[i].time = time;
}

Bytes done(const Buffer& buffer) { return Bytes::copy_of(buffer); }

}  // namespace

// --- decoding ----------------------------------------------------------------------------------------------

bool decode(BytesView body, Leave& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) {
    return take(r, k, "LTime", m.time) || take(r, k, "Node", m.node) || take(r, k, "Prune", m.prune);
  });
}

bool decode(BytesView body, Join& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) { return take(r, k, "LTime", m.time) || take(r, k, "Node", m.node); });
}

bool decode(BytesView body, Event& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) {
    return take(r, k, "LTime", m.time) || take(r, k, "Name", m.name) || take(r, k, "Payload", m.payload) ||
           take(r, k, "CC", m.coalesce);
  });
}

bool decode(BytesView body, Query& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) {
    if (k == "Filters") {
      read_array(r, kFiltersMax, [&] { get(r, m.filters.emplace_back()); });
      return true;
    }
    return take(r, k, "LTime", m.time) || take(r, k, "ID", m.id) || take(r, k, "Addr", m.address) ||
           take(r, k, "Port", m.port) || take(r, k, "SourceNode", m.source_node) || take(r, k, "Flags", m.flags) ||
           take(r, k, "RelayFactor", m.relay_factor) || take(r, k, "Timeout", m.timeout_ns) ||
           take(r, k, "Name", m.name) || take(r, k, "Payload", m.payload);
  });
}

bool decode(BytesView body, Response& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) {
    return take(r, k, "LTime", m.time) || take(r, k, "ID", m.id) || take(r, k, "From", m.from) ||
           take(r, k, "Flags", m.flags) || take(r, k, "Payload", m.payload);
  });
}

bool decode(BytesView body, KeyRequest& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) { return take(r, k, "Key", m.key) || take(r, k, "PvUsedAt", m.used_at); });
}

bool decode(BytesView body, KeyResponse& m) {
  MsgpackReader r(body);
  std::vector<std::string_view> keys;
  std::string_view message, primary;
  const bool read = read_map(r, [&](std::string_view k) {
    if (k != "Keys") return take(r, k, "Message", message) || take(r, k, "PrimaryKey", primary) || take(r, k, "Result", m.result);
    take_names(r, keys, kKeysListedMax);
    return true;
  });
  m.keys.assign(keys.begin(), keys.end());
  m.message = message;
  m.primary = primary;
  return read;
}

bool decode(BytesView body, Relay& m) {
  MsgpackReader r(body);
  const bool read = read_map(r, [&](std::string_view k) {
    if (k != "DestAddr") return take(r, k, "DestName", m.name);
    read_map(r, [&](std::string_view part) { return take(r, part, "IP", m.ip) || take(r, part, "Port", m.port); });
    return true;
  });
  m.message = r.rest();
  return read && !m.message.empty();
}

bool decode(BytesView body, State& m) {
  MsgpackReader r(body);
  return read_map(r, [&](std::string_view k) {
    if (k == "LeftMembers") return take_names(r, m.left, kStatusTimesMax);
    if (k == "Events") {
      read_array(r, kStateEventsMax, [&] { read_slot(r, m); });
      return true;
    }
    if (k == "StatusLTimes") {
      if (r.skip_nil()) return true;
      const auto pairs = r.read_map(kStatusTimesMax);
      for (std::uint32_t i = 0; pairs && i < *pairs && r.ok(); ++i) {
        auto& entry = m.status_times.emplace_back();
        get(r, entry.first);
        get(r, entry.second);
      }
      return true;
    }
    return take(r, k, "LTime", m.time) || take(r, k, "EventLTime", m.event_time) || take(r, k, "QueryLTime", m.query_time);
  });
}

bool decode(BytesView filter, Filter& m) {
  if (filter.empty()) return false;
  const auto kind = static_cast<std::uint8_t>(filter[0]);
  MsgpackReader r(filter.subspan(1));
  if (kind == kFilterNode) {
    take_names(r, m.nodes, kFilterNamesMax);
    return r.ok();
  }
  if (kind != kFilterTag) return false;
  m.by_tag = true;
  return read_map(r, [&](std::string_view k) { return take(r, k, "Tag", m.tag) || take(r, k, "Expr", m.expression); });
}

// --- encoding ----------------------------------------------------------------------------------------------

Bytes encode(const Leave& m) {
  Buffer out;
  Writer(out).type(MessageType::leave).map(3).key("LTime").number(m.time).key("Node").text(m.node).key("Prune").boolean(m.prune);
  return done(out);
}

Bytes encode(const Join& m) {
  Buffer out;
  Writer(out).type(MessageType::join).map(2).key("LTime").number(m.time).key("Node").text(m.node);
  return done(out);
}

Bytes encode(const Event& m) {
  Buffer out;
  Writer(out).type(MessageType::event).map(4).key("CC").boolean(m.coalesce).key("LTime").number(m.time)
      .key("Name").text(m.name).key("Payload").bytes(m.payload);
  return done(out);
}

Bytes encode(const Query& m) {
  Buffer out;
  Writer w(out);
  w.type(MessageType::query).map(11).key("Addr").bytes(m.address).key("Filters");
  if (m.filters.empty()) w.nil();
  else w.array(m.filters.size());
  for (const BytesView filter : m.filters) w.raw(filter);
  w.key("Flags").number(m.flags).key("ID").number(m.id).key("LTime").number(m.time).key("Name").text(m.name)
      .key("Payload").bytes(m.payload).key("Port").number(m.port).key("RelayFactor").number(m.relay_factor)
      .key("SourceNode").text(m.source_node).key("Timeout").integer(m.timeout_ns);
  return done(out);
}

Bytes encode(const Response& m) {
  Buffer out;
  Writer(out).type(MessageType::response).map(5).key("Flags").number(m.flags).key("From").text(m.from)
      .key("ID").number(m.id).key("LTime").number(m.time).key("Payload").bytes(m.payload);
  return done(out);
}

Bytes encode(const KeyRequest& m) {
  Buffer out;
  Writer w(out);
  w.type(MessageType::key_request).map(m.used_at == 0 ? 1 : 2).key("Key").bytes(m.key);
  if (m.used_at != 0) w.key("PvUsedAt").number(m.used_at);
  return done(out);
}

Bytes encode(const KeyResponse& m) {
  Buffer out;
  Writer w(out);
  w.type(MessageType::key_response).map(4).key("Keys");
  if (m.keys.empty()) w.nil();
  else w.array(m.keys.size());
  for (const std::string& key : m.keys) w.text(key);
  w.key("Message").text(m.message).key("PrimaryKey").text(m.primary).key("Result").boolean(m.result);
  return done(out);
}

Bytes encode(const Relay& m) {
  Buffer out;
  Writer w(out);
  w.type(MessageType::relay).map(2).key("DestAddr").map(3).key("IP").bytes(m.ip).key("Port").number(m.port)
      .key("Zone").text("").key("DestName").text(m.name);
  out.insert(out.end(), m.message.begin(), m.message.end());
  return done(out);
}

Bytes encode(const State& m) {
  Buffer out;
  Writer w(out);
  w.type(MessageType::state).map(6).key("EventLTime").number(m.event_time).key("Events").array(m.events.size());
  for (const Event& event : m.events)
    w.map(2).key("Events").array(1).map(2).key("Name").text(event.name).key("Payload").bytes(event.payload).key("LTime").number(event.time);
  w.key("LTime").number(m.time).key("LeftMembers").array(m.left.size());
  for (const std::string_view name : m.left) w.text(name);
  w.key("QueryLTime").number(m.query_time).key("StatusLTimes").map(m.status_times.size());
  for (const auto& [name, time] : m.status_times) w.text(name).number(time);
  return done(out);
}

Bytes encode_conflict(const Member& member, Status status) {
  Buffer out;
  Writer w(out);
  const Versions& v = member.versions;
  w.type(MessageType::conflict).map(11).key("Addr").bytes(member.address.view()).key("DelegateCur").number(v[5])
      .key("DelegateMax").number(v[4]).key("DelegateMin").number(v[3]).key("Name").text(member.name)
      .key("Port").number(member.port).key("ProtocolCur").number(v[2]).key("ProtocolMax").number(v[1])
      .key("ProtocolMin").number(v[0]).key("Status").number(static_cast<std::uint8_t>(status)).key("Tags");
  const Tags tags = decode_tags(member.meta.view());
  w.map(tags.size());
  for (const auto& [key, value] : tags) w.text(key).text(value);
  return done(out);
}

Bytes encode_no_conflict() {
  Buffer out;
  Writer(out).type(MessageType::conflict).nil();
  return done(out);
}

}  // namespace plumvine::serf
