#include "codec.hpp"

#include <limits>

#include "msgpack_writer.hpp"

namespace plumvine::swim::wire {
namespace {

/// Reads one value into a field; nil leaves the zero value.
class FieldReader {
 public:
  FieldReader(MsgpackReader& reader, Scratch& scratch) : reader_(reader), scratch_(scratch) {}

  template <class Unsigned>
    requires std::is_unsigned_v<Unsigned>
  void operator()(Unsigned& out) {
    out = 0;
    if (reader_.skip_nil()) return;
    if (const auto value = reader_.read_unsigned(std::numeric_limits<Unsigned>::max())) out = static_cast<Unsigned>(*value);
  }
  void operator()(std::int64_t& out) {
    out = 0;
    if (reader_.skip_nil()) return;
    if (const auto value = reader_.read_integer(INT64_MIN, INT64_MAX)) out = *value;
  }
  void operator()(bool& out) {
    out = false;
    if (reader_.skip_nil()) return;
    if (const auto value = reader_.read_bool()) out = *value;
  }
  void text(std::string_view& out, std::size_t max) {
    out = {};
    if (reader_.skip_nil()) return;
    if (const auto value = reader_.read_text(max)) out = *value;
  }
  void bytes(BytesView& out, std::size_t max) {
    out = {};
    if (reader_.skip_nil()) return;
    if (reader_.peek() == MsgpackReader::Kind::array) return byte_array(out);
    if (const auto value = reader_.read_raw(max)) out = *value;
  }

 private:
  void byte_array(BytesView& out) {
    const auto count = reader_.read_array(kArrayMax);
    if (!count) return;
    auto& kept = scratch_.add();
    for (std::uint32_t i = 0; i < *count; ++i) {
      const auto value = reader_.read_unsigned(255);
      if (!value) return;
      kept.push_back(static_cast<std::byte>(*value));
    }
    out = kept;
  }

  MsgpackReader& reader_;
  Scratch& scratch_;
};

// Fields in declaration order, which is the order of the array form. `visit(index, name, read)`.
template <class V> void fields(Ping& m, V&& visit) {
  visit("SeqNo", [&](FieldReader& r) { r(m.sequence); });
  visit("Node", [&](FieldReader& r) { r.text(m.node, kNameMax); });
  visit("SourceAddr", [&](FieldReader& r) { r.bytes(m.source_address, 64); });
  visit("SourcePort", [&](FieldReader& r) { r(m.source_port); });
  visit("SourceNode", [&](FieldReader& r) { r.text(m.source_node, kNameMax); });
}
template <class V> void fields(IndirectPing& m, V&& visit) {
  visit("SeqNo", [&](FieldReader& r) { r(m.sequence); });
  visit("Target", [&](FieldReader& r) { r.bytes(m.target, 64); });
  visit("Port", [&](FieldReader& r) { r(m.port); });
  visit("Node", [&](FieldReader& r) { r.text(m.node, kNameMax); });
  visit("Nack", [&](FieldReader& r) { r(m.nack); });
  visit("SourceAddr", [&](FieldReader& r) { r.bytes(m.source_address, 64); });
  visit("SourcePort", [&](FieldReader& r) { r(m.source_port); });
  visit("SourceNode", [&](FieldReader& r) { r.text(m.source_node, kNameMax); });
}
template <class V> void fields(Ack& m, V&& visit) {
  visit("SeqNo", [&](FieldReader& r) { r(m.sequence); });
  visit("Payload", [&](FieldReader& r) { r.bytes(m.payload, kFieldMax); });
}
template <class V> void fields(Nack& m, V&& visit) {
  visit("SeqNo", [&](FieldReader& r) { r(m.sequence); });
}
template <class V> void fields(Suspect& m, V&& visit) {
  visit("Incarnation", [&](FieldReader& r) { r(m.incarnation); });
  visit("Node", [&](FieldReader& r) { r.text(m.node, kNameMax); });
  visit("From", [&](FieldReader& r) { r.text(m.from, kNameMax); });
}
template <class V> void fields(Alive& m, V&& visit) {
  visit("Incarnation", [&](FieldReader& r) { r(m.incarnation); });
  visit("Node", [&](FieldReader& r) { r.text(m.node, kNameMax); });
  visit("Addr", [&](FieldReader& r) { r.bytes(m.address, 64); });
  visit("Port", [&](FieldReader& r) { r(m.port); });
  visit("Meta", [&](FieldReader& r) { r.bytes(m.meta, kMetaTakenMax); });
  visit("Vsn", [&](FieldReader& r) { r.bytes(m.versions, 64); });
}
template <class V> void fields(Dead& m, V&& visit) {
  visit("Incarnation", [&](FieldReader& r) { r(m.incarnation); });
  visit("Node", [&](FieldReader& r) { r.text(m.node, kNameMax); });
  visit("From", [&](FieldReader& r) { r.text(m.from, kNameMax); });
}
template <class V> void fields(ErrorReply& m, V&& visit) {
  visit("Error", [&](FieldReader& r) { r.text(m.text, kFieldMax); });
}
template <class V> void fields(PushPullHeader& m, V&& visit) {
  visit("Nodes", [&](FieldReader& r) { r(m.nodes); });
  visit("UserStateLen", [&](FieldReader& r) { r(m.user_state_size); });
  visit("Join", [&](FieldReader& r) { r(m.join); });
  visit("Differing", [&](FieldReader& r) { r.bytes(m.differing, kBucketsMax / 8); });
}
template <class V> void fields(Digest& m, V&& visit) {
  visit("Salt", [&](FieldReader& r) { r(m.salt); });
  visit("Hashes", [&](FieldReader& r) { r.bytes(m.hashes, kBucketsMax * kBucketHash); });
  visit("UserStateLen", [&](FieldReader& r) { r(m.user_state_size); });
}
template <class V> void fields(PushNodeState& m, V&& visit) {
  visit("Name", [&](FieldReader& r) { r.text(m.name, kNameMax); });
  visit("Addr", [&](FieldReader& r) { r.bytes(m.address, 64); });
  visit("Port", [&](FieldReader& r) { r(m.port); });
  visit("Meta", [&](FieldReader& r) { r.bytes(m.meta, kMetaTakenMax); });
  visit("Incarnation", [&](FieldReader& r) { r(m.incarnation); });
  visit("State", [&](FieldReader& r) { r(m.state); });
  visit("Vsn", [&](FieldReader& r) { r.bytes(m.versions, 64); });
}
template <class V> void fields(UserHeader& m, V&& visit) {
  visit("UserMsgLen", [&](FieldReader& r) { r(m.size); });
}
template <class V> void fields(Compressed& m, V&& visit) {
  visit("Algo", [&](FieldReader& r) { r(m.algorithm); });
  visit("Buf", [&](FieldReader& r) { r.bytes(m.data, kCompressedMax); });
}

/// Pairs or elements in one message, at most: seven fields and room for unknown ones.
constexpr std::uint32_t kFieldsMax = 64;

template <class Message>
void decode_map(MsgpackReader& reader, Message& out, FieldReader& read) {
  const auto pairs = reader.read_map(kFieldsMax);
  for (std::uint32_t i = 0; pairs && i < *pairs && reader.ok(); ++i) {
    const auto key = reader.read_text(kFieldMax);
    if (!key) return;
    bool known = false;
    fields(out, [&](std::string_view name, auto&& field) {
      if (known || name != *key) return;
      known = true;
      field(read);
    });
    if (!known) reader.skip();
  }
}

template <class Message>
void decode_array(MsgpackReader& reader, Message& out, FieldReader& read) {
  const auto count = reader.read_array(kFieldsMax);
  if (!count) return;
  std::uint32_t left = *count;
  fields(out, [&](std::string_view, auto&& field) {
    if (left == 0 || !reader.ok()) return;
    --left;
    field(read);
  });
  for (; left > 0 && reader.ok(); --left) reader.skip();
}

template <class Message>
bool decode_struct(MsgpackReader& reader, Message& out, Scratch& scratch) {
  out = {};
  if (reader.skip_nil()) return true;
  FieldReader read(reader, scratch);
  if (reader.peek() == MsgpackReader::Kind::array) decode_array(reader, out, read);
  else decode_map(reader, out, read);
  return reader.ok();
}

/// The three fields that tell where an answer goes; each is left out when empty.
struct Source {
  BytesView address;
  std::uint16_t port;
  std::string_view node;
  [[nodiscard]] std::uint8_t count() const {
    return static_cast<std::uint8_t>((address.empty() ? 0 : 1) + (port == 0 ? 0 : 1) + (node.empty() ? 0 : 1));
  }
  void write(Writer& w) const {
    if (!address.empty()) w.key("SourceAddr").bytes(address);
    if (!node.empty()) w.key("SourceNode").text(node);
    if (port != 0) w.key("SourcePort").number(port);
  }
};

}  // namespace

bool decode(MsgpackReader& r, Ping& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, IndirectPing& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Ack& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Nack& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Suspect& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Alive& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Dead& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, ErrorReply& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, PushPullHeader& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, PushNodeState& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Digest& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, UserHeader& out, Scratch& s) { return decode_struct(r, out, s); }
bool decode(MsgpackReader& r, Compressed& out, Scratch& s) { return decode_struct(r, out, s); }

void encode(const Ping& m, Buffer& out) {
  const Source source{m.source_address, m.source_port, m.source_node};
  Writer w(out);
  w.type(MessageType::ping).map(static_cast<std::uint8_t>(2 + (m.padding.empty() ? 0 : 1) + source.count()));
  w.key("Node").text(m.node);
  if (!m.padding.empty()) w.key("Pad").bytes(m.padding);
  w.key("SeqNo").number(m.sequence);
  source.write(w);
}

void encode(const IndirectPing& m, Buffer& out) {
  const Source source{m.source_address, m.source_port, m.source_node};
  Writer w(out);
  w.type(MessageType::indirect_ping).map(static_cast<std::uint8_t>(5 + source.count()));
  w.key("Nack").boolean(m.nack).key("Node").text(m.node).key("Port").number(m.port).key("SeqNo").number(m.sequence);
  source.write(w);
  w.key("Target").bytes(m.target);
}

void encode(const Ack& m, Buffer& out) {
  Writer(out).type(MessageType::ack).map(2).key("Payload").bytes(m.payload).key("SeqNo").number(m.sequence);
}

void encode(const Nack& m, Buffer& out) { Writer(out).type(MessageType::nack).map(1).key("SeqNo").number(m.sequence); }

void encode(const Suspect& m, Buffer& out) {
  Writer(out).type(MessageType::suspect).map(3).key("From").text(m.from)
      .key("Incarnation").number(m.incarnation).key("Node").text(m.node);
}

void encode(const Alive& m, Buffer& out) {
  Writer(out).type(MessageType::alive).map(6).key("Addr").bytes(m.address).key("Incarnation").number(m.incarnation)
      .key("Meta").bytes(m.meta).key("Node").text(m.node).key("Port").number(m.port).key("Vsn").bytes(m.versions);
}

void encode(const Dead& m, Buffer& out) {
  Writer(out).type(MessageType::dead).map(3).key("From").text(m.from)
      .key("Incarnation").number(m.incarnation).key("Node").text(m.node);
}

void encode(const ErrorReply& m, Buffer& out) { Writer(out).type(MessageType::error).map(1).key("Error").text(m.text); }

void encode(const PushPullHeader& m, Buffer& out) {
  Writer w(out);
  w.type(MessageType::push_pull).map(m.differing.empty() ? 3 : 4);
  if (!m.differing.empty()) w.key("Differing").bytes(m.differing);
  w.key("Join").boolean(m.join).key("Nodes").integer(m.nodes).key("UserStateLen").integer(m.user_state_size);
}

void encode(const Digest& m, Buffer& out) {
  Writer(out).type(MessageType::digest).map(3).key("Hashes").bytes(m.hashes).key("Salt").number(m.salt)
      .key("UserStateLen").integer(m.user_state_size);
}

void encode(const UserHeader& m, Buffer& out) {
  Writer(out).type(MessageType::user).map(1).key("UserMsgLen").integer(m.size);
}

void encode(const Compressed& m, Buffer& out) {
  Writer(out).type(MessageType::compress).map(2).key("Algo").number(m.algorithm).key("Buf").bytes(m.data);
}

void encode(const PushNodeState& m, Buffer& out) {
  Writer(out).map(7).key("Addr").bytes(m.address).key("Incarnation").number(m.incarnation).key("Meta").bytes(m.meta)
      .key("Name").text(m.name).key("Port").number(m.port).key("State").integer(m.state).key("Vsn").bytes(m.versions);
}

}  // namespace plumvine::swim::wire
