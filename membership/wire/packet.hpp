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
#include "../keyring.hpp"

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

/// What must be around that which others send.
struct Opening {
  std::string_view label;
  Keyring* keyring = nullptr;  ///< null or empty: nothing is sealed
  bool verify = true;          ///< with a key: drop what came in clear
  [[nodiscard]] bool sealed() const noexcept { return keyring != nullptr && !keyring->empty(); }
};

/// Takes datagrams apart: label, encryption, CRC, compression and compounds, the last two nested up to `kLayersMax`
/// deep. Without a key encryption is recognised and refused. What is wrong is counted and dropped; what came before
/// it stays.
class Unpacker {
 public:
  /// The messages of `packet`, valid until the next call or until `packet` goes.
  std::span<const Part> unpack(BytesView packet, const Opening& opening, CountedReasons<PacketReject>& rejected);
  std::span<const Part> unpack(BytesView packet, std::string_view label, CountedReasons<PacketReject>& rejected) {
    return unpack(packet, Opening{label}, rejected);
  }
  /// The last datagram came in clear although there is a key, accepted or not.
  [[nodiscard]] bool in_clear() const noexcept { return in_clear_; }
  /// The key that opened the last datagram; empty: it came in clear, or none fits.
  [[nodiscard]] const Bytes& opened_by() const noexcept { return opened_by_; }

 private:
  std::optional<BytesView> decrypt(BytesView message, const Opening& opening);
  void open_layer(BytesView message, int depth);
  void open_compound(BytesView body, int depth);
  void open_compressed(BytesView body, int depth);

  std::vector<Part> parts_;
  std::deque<Buffer> buffers_;
  Buffer opened_;
  bool in_clear_ = false;
  Bytes opened_by_;
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

/// What we put around that which we send.
struct Layers {
  std::string_view label;
  bool compress = false;       ///< packets only if they get smaller, streams always
  bool crc = false;            ///< packets only
  Keyring* keyring = nullptr;  ///< null or empty: in clear
  SealVersion version = SealVersion::bare;
  Bytes key = {};              ///< empty: the primary
  [[nodiscard]] bool sealed() const noexcept { return keyring != nullptr && !keyring->empty(); }
};

/// One datagram of 1 to `kCompoundPartsMax` messages, none empty: bare if there is one, a compound otherwise.
Bytes pack(const Layers& layers, std::span<const BytesView> messages);
inline Bytes pack(std::string_view label, std::span<const BytesView> messages) { return pack(Layers{label}, messages); }
/// Appends `message` compressed, as a message of its own.
void append_compressed(BytesView message, Buffer& out);
/// One datagram of one complete message, which may be a compound.
Bytes wrap_packet(const Layers& layers, BytesView message);

}  // namespace plumvine::swim::wire
