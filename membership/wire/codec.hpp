#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include <plumvine/detail/msgpack_reader.hpp>

#include "messages.hpp"

namespace plumvine::swim::wire {

/// Bounds of single fields. memberlist has none of its own beyond 512 bytes of metadata, which the sender checks.
inline constexpr std::size_t kNameMax = 1024;
inline constexpr std::size_t kMetaMax = 512;                       ///< what we send of our own
inline constexpr std::size_t kMetaTakenMax = std::size_t{32} << 10;  ///< what others may have: half of a row's `kStreamObjectMax`
inline constexpr std::size_t kFieldMax = 65536;
/// A digest: bytes of one bucket's hash, and how many buckets there may be. Their number is a multiple of 8.
inline constexpr std::size_t kBucketHash = 4;
inline constexpr std::size_t kBucketsMax = 1024;
/// A byte string may come as an array of small integers, up to this many.
inline constexpr std::uint32_t kArrayMax = 1024;
/// Compressed data of one message (a stream's sealed limit in memberlist is the same).
inline constexpr std::size_t kCompressedMax = std::size_t{20} << 20;

/// Holds byte strings that came as arrays of integers, so that decoded messages can be views.
class Scratch {
 public:
  void clear() { kept_.clear(); }
  std::vector<std::byte>& add() { return kept_.emplace_back(); }

 private:
  std::deque<std::vector<std::byte>> kept_;
};

// Decoding: one msgpack object, as tolerant as memberlist's decoder (any key order, unknown keys, missing
// keys, nil, arrays in declaration order) and bounded. False: `reader` says whether bytes are missing or wrong.
bool decode(MsgpackReader& reader, Ping& out, Scratch& scratch);
bool decode(MsgpackReader& reader, IndirectPing& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Ack& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Nack& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Suspect& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Alive& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Dead& out, Scratch& scratch);
bool decode(MsgpackReader& reader, ErrorReply& out, Scratch& scratch);
bool decode(MsgpackReader& reader, PushPullHeader& out, Scratch& scratch);
bool decode(MsgpackReader& reader, PushNodeState& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Digest& out, Scratch& scratch);
bool decode(MsgpackReader& reader, UserHeader& out, Scratch& scratch);
bool decode(MsgpackReader& reader, Compressed& out, Scratch& scratch);

/// Decodes the body of a packet's message; bytes after the object are ignored, as memberlist does.
template <class Message>
bool decode_body(BytesView body, Message& out, Scratch& scratch) {
  MsgpackReader reader(body);
  return decode(reader, out, scratch);
}

using Buffer = std::vector<std::byte>;

// Encoding: the type byte, then a map with keys in byte order and old raw strings. Appends to `out`.
void encode(const Ping& message, Buffer& out);
void encode(const IndirectPing& message, Buffer& out);
void encode(const Ack& message, Buffer& out);
void encode(const Nack& message, Buffer& out);
void encode(const Suspect& message, Buffer& out);
void encode(const Alive& message, Buffer& out);
void encode(const Dead& message, Buffer& out);
void encode(const ErrorReply& message, Buffer& out);
void encode(const PushPullHeader& message, Buffer& out);
void encode(const Digest& message, Buffer& out);
void encode(const UserHeader& message, Buffer& out);
void encode(const Compressed& message, Buffer& out);
/// A table row of a push/pull: no type byte.
void encode(const PushNodeState& message, Buffer& out);

/// One message as bytes of its own.
template <class Message>
Bytes encoded(const Message& message) {
  Buffer buffer;
  buffer.reserve(160);
  encode(message, buffer);
  return Bytes::copy_of(buffer);
}

}  // namespace plumvine::swim::wire
