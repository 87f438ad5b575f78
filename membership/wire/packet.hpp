#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/stats.hpp>

#include "codec.hpp"

namespace plumvine::swim::wire {

/// Bounds of one datagram's layers. memberlist nests without limit; we do not.
inline constexpr std::size_t kPacketMax = 65536;
inline constexpr std::size_t kPacketDecompressedMax = std::size_t{4} << 20;
inline constexpr int kLayersMax = 4;
inline constexpr std::size_t kPartsMax = 4096;
/// A compound that Debian 12's Serf can take apart has at most so many parts.
inline constexpr std::size_t kCompoundPartsMax = 127;
/// Least size of an encrypted blob: version, nonce, tag.
inline constexpr std::size_t kSealedMin = 29;

/// One message of a datagram, all layers removed.
struct Part {
  MessageType type;
  BytesView body;
};

/// Takes datagrams apart: label, CRC, compression and compounds, the last two nested up to `kLayersMax` deep.
/// Encryption is recognised and refused. What is wrong is counted and dropped; what came before it stays.
class Unpacker {
 public:
  /// The messages of `packet`, valid until the next call or until `packet` goes.
  std::span<const Part> unpack(BytesView packet, std::string_view label, CountedReasons<PacketReject>& rejected);

 private:
  void open_layer(BytesView message, int depth);
  void open_compound(BytesView body, int depth);
  void open_compressed(BytesView body, int depth);

  std::vector<Part> parts_;
  std::deque<Buffer> buffers_;
  std::size_t decompressed_ = 0;
  Scratch scratch_;
  CountedReasons<PacketReject>* rejected_ = nullptr;
};

/// What of a label header came with `input`: its size, or why it is refused.
struct LabelCheck {
  enum class Outcome : std::uint8_t { accepted, incomplete, wrong, malformed } outcome;
  std::size_t size = 0;  ///< bytes to pass over when accepted
};
LabelCheck check_label(BytesView input, std::string_view label);
/// Appends the label header; nothing for an empty label.
void append_label(std::string_view label, Buffer& out);

/// Decodes a ping or indirect ping, whose types 0 and 1 are also the encryption versions. Fails with `encrypted`
/// if the datagram is long enough for an encrypted one and not a message, or a message followed by noise.
template <class Message>
std::optional<PacketReject> decode_probe(BytesView body, Message& out, Scratch& scratch) {
  constexpr std::size_t kNoiseMin = 16;  // nobody pads, and noise rarely looks like a longer message
  MsgpackReader reader(body);
  const bool decoded = decode(reader, out, scratch);
  if (body.size() + 1 >= kSealedMin && (!decoded || reader.remaining() >= kNoiseMin)) return PacketReject::encrypted;
  return decoded ? std::nullopt : std::optional(PacketReject::malformed);
}

/// One datagram of 1 to `kCompoundPartsMax` messages, none empty: bare if there is one, a compound otherwise.
Bytes pack(std::string_view label, std::span<const BytesView> messages);

}  // namespace plumvine::swim::wire
