#pragma once

#include <cstdint>
#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/types.hpp>

namespace plumvine::swim::wire {

/// First byte of every message once its layers are removed. All but `digest` are fixed by memberlist; append only.
enum class MessageType : std::uint8_t {
  ping = 0,
  indirect_ping = 1,
  ack = 2,
  suspect = 3,
  alive = 4,
  dead = 5,
  push_pull = 6,
  compound = 7,
  user = 8,
  compress = 9,
  encrypt = 10,
  nack = 11,
  crc = 12,
  error = 13,
  digest = 100,  ///< ours, by streams to our own members only
  label = 244,
};

// Decoded messages are views: they live as long as the bytes they were read from (and the `Scratch` used).
// A byte string without data pointer is memberlist's nil; an empty one that points somewhere is "empty".

/// "Are you there?" `node` is the intended receiver; empty means anyone.
struct Ping {
  std::uint32_t sequence = 0;
  std::string_view node;
  BytesView source_address;  ///< where the answer goes; absent when empty
  std::uint16_t source_port = 0;
  std::string_view source_node;
  BytesView padding;         ///< bytes that mean nothing, in a field that every reader passes over; sent only, absent when empty
};

/// "Ping `node` for me and pass the answer on."
struct IndirectPing {
  std::uint32_t sequence = 0;
  BytesView target;
  std::uint16_t port = 0;
  std::string_view node;
  bool nack = false;  ///< the asker wants to hear that nothing came
  BytesView source_address;
  std::uint16_t source_port = 0;
  std::string_view source_node;
};

struct Ack {
  std::uint32_t sequence = 0;
  BytesView payload;
};

struct Nack {
  std::uint32_t sequence = 0;
};

struct Suspect {
  std::uint32_t incarnation = 0;
  std::string_view node;
  std::string_view from;  ///< the accuser
};

struct Alive {
  std::uint32_t incarnation = 0;
  std::string_view node;
  BytesView address;
  std::uint16_t port = 0;
  BytesView meta;
  BytesView versions;
};

/// `from == node` means that the node left; otherwise it failed.
struct Dead {
  std::uint32_t incarnation = 0;
  std::string_view node;
  std::string_view from;
};

struct ErrorReply {
  std::string_view text;
};

struct PushPullHeader {
  std::int64_t nodes = 0;
  std::int64_t user_state_size = 0;
  bool join = false;
  /// Ours, in the answer to a digest: one bit for each bucket, set where the tables differ. Then only their rows follow.
  BytesView differing;
};

/// Ours: what the sender's table comes to, instead of the table; user state follows. See membership/README.md.
struct Digest {
  std::uint64_t salt = 0;  ///< of the hashes, another for each digest
  BytesView hashes;        ///< `kBucketHash` bytes for each bucket
  std::int64_t user_state_size = 0;
};

struct PushNodeState {
  std::string_view name;
  BytesView address;
  std::uint16_t port = 0;
  BytesView meta;
  std::uint32_t incarnation = 0;
  std::int64_t state = 0;
  BytesView versions;
};

struct UserHeader {
  std::int64_t size = 0;
};

struct Compressed {
  std::uint8_t algorithm = 0;  ///< 0 = LZW, the only one
  BytesView data;
};

}  // namespace plumvine::swim::wire
