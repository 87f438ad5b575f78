#include "packet.hpp"

#include <array>
#include <cstdint>

#include <plumvine/detail/check.hpp>

#include "lzw.hpp"

namespace plumvine::swim::wire {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? 0xedb88320U ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  return table;
}

/// CRC-32 as in IEEE 802.3 and zlib.
std::uint32_t crc32(BytesView bytes) {
  static constexpr auto table = make_crc_table();
  std::uint32_t crc = 0xffffffffU;
  for (const std::byte b : bytes) crc = table[(crc ^ static_cast<std::uint32_t>(b)) & 0xffU] ^ (crc >> 8);
  return ~crc;
}

std::uint32_t u8(BytesView bytes, std::size_t at) { return static_cast<std::uint32_t>(bytes[at]); }
std::uint32_t u16(BytesView bytes, std::size_t at) { return u8(bytes, at) << 8 | u8(bytes, at + 1); }

template <class Message>
bool is_message(BytesView body, Scratch& scratch) {
  Message message;
  return decode_body(body, message, scratch);
}

/// Could this be a message in clear? A sealed blob starts with 0 or 1 and looks like a ping followed by noise.
bool looks_plain(BytesView message, Scratch& scratch) {
  if (message.empty()) return false;
  const BytesView body = message.subspan(1);
  switch (static_cast<MessageType>(message[0])) {
    case MessageType::ping: {
      Ping ping;
      return !decode_probe(body, ping, scratch);
    }
    case MessageType::indirect_ping: {
      IndirectPing ping;
      return !decode_probe(body, ping, scratch);
    }
    case MessageType::ack: return is_message<Ack>(body, scratch);
    case MessageType::nack: return is_message<Nack>(body, scratch);
    case MessageType::suspect: return is_message<Suspect>(body, scratch);
    case MessageType::alive: return is_message<Alive>(body, scratch);
    case MessageType::dead: return is_message<Dead>(body, scratch);
    case MessageType::compress: return is_message<Compressed>(body, scratch);
    case MessageType::compound:
    case MessageType::crc:
    case MessageType::user: return true;
    default: return false;
  }
}

void put_u32(std::size_t value, Buffer& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift & 0xff));
}

void append(BytesView bytes, Buffer& out) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::span<const Part> Unpacker::unpack(BytesView packet, const Opening& opening, CountedReasons<PacketReject>& rejected) {
  parts_.clear();
  buffers_.clear();
  scratch_.clear();
  in_clear_ = false;
  opened_by_ = {};
  decompressed_ = 0;
  rejected_ = &rejected;
  if (packet.size() > kPacketMax) {
    rejected.add(PacketReject::too_large);
    return {};
  }
  const LabelCheck check = check_label(packet, opening.label);
  if (check.outcome != LabelCheck::Outcome::accepted) {
    rejected.add(check.outcome == LabelCheck::Outcome::wrong ? PacketReject::wrong_label
                 : packet.empty()                            ? PacketReject::empty
                                                             : PacketReject::malformed);
    return {};
  }
  BytesView message = packet.subspan(check.size);
  if (opening.sealed()) {
    const auto plain = decrypt(message, opening);
    if (!plain) return {};
    message = *plain;
  }
  if (message.size() >= 5 && u8(message, 0) == static_cast<std::uint8_t>(MessageType::crc)) {
    const std::uint32_t expected = u16(message, 1) << 16 | u16(message, 3);
    message = message.subspan(5);
    if (crc32(message) != expected) {
      rejected.add(PacketReject::bad_crc);
      return {};
    }
  }
  open_layer(message, 0);
  return parts_;
}

std::optional<BytesView> Unpacker::decrypt(BytesView message, const Opening& opening) {
  opened_.clear();
  opened_by_ = opening.keyring->open(as_bytes(opening.label), message, opened_);
  if (!opened_by_.empty()) return BytesView(opened_);
  in_clear_ = looks_plain(message, scratch_);
  if (in_clear_ && !opening.verify) return message;
  rejected_->add(in_clear_ ? PacketReject::plaintext : PacketReject::undecryptable);
  return std::nullopt;
}

void Unpacker::open_layer(BytesView message, int depth) {
  if (message.empty()) return rejected_->add(PacketReject::empty);
  if (depth > kLayersMax) return rejected_->add(PacketReject::too_deep);
  const auto type = static_cast<MessageType>(message[0]);
  const BytesView body = message.subspan(1);
  switch (type) {
    case MessageType::compound: return open_compound(body, depth);
    case MessageType::compress: return open_compressed(body, depth);
    case MessageType::ping:
    case MessageType::indirect_ping:
    case MessageType::ack:
    case MessageType::nack:
    case MessageType::suspect:
    case MessageType::alive:
    case MessageType::dead:
    case MessageType::user:
      if (parts_.size() == kPartsMax) return rejected_->add(PacketReject::too_large);
      parts_.push_back({type, body});
      return;
    default: return rejected_->add(PacketReject::unknown_type);
  }
}

void Unpacker::open_compound(BytesView body, int depth) {
  if (body.empty()) return rejected_->add(PacketReject::malformed);
  const std::size_t count = u8(body, 0);
  if (body.size() < 1 + 2 * count) return rejected_->add(PacketReject::malformed);
  std::size_t at = 1 + 2 * count;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = u16(body, 1 + 2 * i);
    if (size > body.size() - at) return rejected_->add(PacketReject::malformed);
    open_layer(body.subspan(at, size), depth + 1);
    at += size;
  }
}

void Unpacker::open_compressed(BytesView body, int depth) {
  Compressed compressed;
  if (!decode_body(body, compressed, scratch_) || compressed.algorithm != 0)
    return rejected_->add(PacketReject::compressed_malformed);
  Buffer& plain = buffers_.emplace_back();
  const LzwResult result = lzw_decode(compressed.data, kPacketDecompressedMax - decompressed_, plain);
  decompressed_ += plain.size();
  if (result == LzwResult::too_large) return rejected_->add(PacketReject::compressed_too_large);
  if (result == LzwResult::malformed) return rejected_->add(PacketReject::compressed_malformed);
  open_layer(plain, depth + 1);
}

LabelCheck check_label(BytesView input, std::string_view label) {
  using enum LabelCheck::Outcome;
  if (input.empty()) return {incomplete};
  if (u8(input, 0) != static_cast<std::uint8_t>(MessageType::label)) return {label.empty() ? accepted : wrong};
  if (input.size() < 2) return {incomplete};
  const std::size_t size = u8(input, 1);
  if (size == 0) return {malformed};
  if (input.size() < 2 + size) return {incomplete};
  if (as_text(input.subspan(2, size)) != label) return {wrong};
  return {accepted, 2 + size};
}

void append_label(std::string_view label, Buffer& out) {
  if (label.empty()) return;
  PLUMVINE_CHECK(label.size() <= 255, "a cluster label has at most 255 bytes");
  out.push_back(static_cast<std::byte>(MessageType::label));
  out.push_back(static_cast<std::byte>(label.size()));
  const BytesView bytes = as_bytes(label);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes pack(const Layers& layers, std::span<const BytesView> messages) {
  PLUMVINE_CHECK(!messages.empty() && messages.size() <= kCompoundPartsMax, "a datagram has 1 to 127 messages");
  for (const BytesView message : messages)
    PLUMVINE_CHECK(!message.empty() && message.size() <= 0xffff, "a message in a datagram has 1 to 65535 bytes");
  if (messages.size() == 1) return wrap_packet(layers, messages[0]);
  Buffer out;
  out.push_back(static_cast<std::byte>(MessageType::compound));
  out.push_back(static_cast<std::byte>(messages.size()));
  for (const BytesView message : messages) {
    out.push_back(static_cast<std::byte>(message.size() >> 8));
    out.push_back(static_cast<std::byte>(message.size() & 0xff));
  }
  for (const BytesView message : messages) append(message, out);
  return wrap_packet(layers, out);
}

void append_compressed(BytesView message, Buffer& out) {
  Buffer packed;
  packed.reserve(message.size());
  lzw_encode(message, packed);
  encode(Compressed{0, packed}, out);
}

Bytes wrap_packet(const Layers& layers, BytesView message) {
  Buffer compressed;
  if (layers.compress) append_compressed(message, compressed);
  if (layers.compress && compressed.size() < message.size()) message = compressed;
  Buffer checked;
  if (layers.crc) {
    checked.push_back(static_cast<std::byte>(MessageType::crc));
    put_u32(crc32(message), checked);
    append(message, checked);
    message = checked;
  }
  Buffer out;
  out.reserve(2 + layers.label.size() + message.size() + Keyring::kOverhead);
  append_label(layers.label, out);
  if (layers.sealed()) layers.keyring->seal(as_bytes(layers.label), message, out, layers.version, layers.key);
  else append(message, out);
  return Bytes::copy_of(out);
}

}  // namespace plumvine::swim::wire
