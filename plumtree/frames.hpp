#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/types.hpp>

#include "run.hpp"
#include "signature.hpp"

/// What links carry. Every tree frame names its tree. Layout on the wire: `WIRE.md`.
namespace plumvine::frame {

/// Ranges of sequences of one origin, ascending and disjoint.
struct OriginRanges {
  InstanceId origin{};
  std::vector<SequenceRange> ranges;
  friend bool operator==(const OriginRanges&, const OriginRanges&) = default;
};

/// First frame in both directions.
struct Hello {
  std::uint8_t version = 1;
  std::string cluster;
  std::string name;
  InstanceId instance{};
  friend bool operator==(const Hello&, const Hello&) = default;
};

/// The most bytes of payload in one frame; a larger payload goes in parts of this size, the last one has the rest.
inline constexpr std::uint64_t kPartSize = 128 * 1024;
/// Parts of a payload of so many bytes as it is sent. It is 1 for one that goes in a frame as a whole.
constexpr std::uint64_t part_count(std::uint64_t encoded_size) noexcept {
  return std::max<std::uint64_t>(1, (encoded_size + kPartSize - 1) / kPartSize);
}
/// Parts have an origin of their own, the instance of their publisher with this bit, which no process has in its instance. So
/// sequences of a publisher count its broadcasts, and parts are counted apart.
inline constexpr std::uint64_t kPartsBit = std::uint64_t{1} << 63;
constexpr bool is_parts(InstanceId origin) noexcept { return (static_cast<std::uint64_t>(origin) & kPartsBit) != 0; }
constexpr InstanceId parts_origin(InstanceId publisher) noexcept { return InstanceId{static_cast<std::uint64_t>(publisher) | kPartsBit}; }
constexpr InstanceId publisher_of(InstanceId origin) noexcept { return InstanceId{static_cast<std::uint64_t>(origin) & ~kPartsBit}; }

/// What was done to a payload before it was cut into parts.
enum class Encoding : std::uint8_t { plain, lz4, count_ };

/// A payload as it is sent: whole, before it is cut into parts.
struct Payload {
  Payload() = default;
  /// As it is.
  Payload(Bytes plain) : bytes(std::move(plain)), size(bytes.size()) {}
  Payload(Bytes encoded, Encoding how, std::uint64_t decoded_size) : bytes(std::move(encoded)), encoding(how), size(decoded_size) {}
  /// Those of a run.
  Payload(Joined joined) : bytes(std::move(joined.bytes)), size(bytes.size()), run(joined.run) {}

  Bytes bytes;
  Encoding encoding = Encoding::plain;
  std::uint64_t size = 0;          ///< decoded
  Run run;
  [[nodiscard]] std::uint64_t parts() const noexcept { return part_count(bytes.size()); }
};

/// A sum of all parts, to find what went wrong on the way. It guards against accidents, not against members.
using Checksum = std::array<std::byte, 16>;
/// What large payloads need of libraries and the machine; injected.
struct LargeTools {
  /// Null: payloads are neither summed nor checked.
  std::function<Checksum(BytesView)> checksum = {};
  /// Memory of which only what is written is to cost something. Null: the heap's.
  std::function<std::shared_ptr<std::byte[]>(std::size_t)> block = {};
};

/// What a payload is that its gossip does not have as it is: it is encoded, or in parts.
struct About {
  Encoding encoding = Encoding::plain;
  std::uint64_t size = 0;          ///< decoded
  std::uint64_t encoded_size = 0;  ///< as it is sent
  Sequence first = 0;              ///< of its parts, of `parts_origin`; 0: the gossip has all of it
  Checksum checksum{};             ///< as it is sent
  [[nodiscard]] bool in_parts() const noexcept { return first != 0; }
  [[nodiscard]] std::uint64_t parts() const noexcept { return part_count(encoded_size); }
  [[nodiscard]] SequenceRange range() const noexcept { return {first, first + parts() - 1}; }
  /// Bytes of the part with this sequence.
  [[nodiscard]] std::uint64_t bytes_of(Sequence part) const noexcept { return std::min(kPartSize, encoded_size - offset_of(part)); }
  [[nodiscard]] std::uint64_t offset_of(Sequence part) const noexcept { return (part - first) * kPartSize; }
  friend bool operator==(const About&, const About&) = default;
};

/// A payload (Plumtree's Gossip), those of a run, a part of one, or what says that one comes in parts.
struct Gossip {
  TreeId tree{};
  MessageId id;                  ///< of a run, of its first message
  Round round = 0;               ///< hops of this copy at its receiver
  std::int64_t published_us = 0; ///< publish time on the sender's link clock; each hop translates it
  bool pulled = false;           ///< answers a pull or digest: changes no role and is no duplicate's fault
  std::string topic;
  std::string origin;            ///< the origin's member name
  std::optional<About> about = {};
  Run run = {};
  Signed signature = {};
  Bytes payload;
  [[nodiscard]] SequenceRange range() const noexcept { return {id.sequence, id.sequence + run.count - 1}; }
  friend bool operator==(const Gossip&, const Gossip&) = default;
};

/// Announces ids (Plumtree's IHave, batched, as ranges).
struct IHave {
  TreeId tree{};
  std::vector<OriginRanges> ids;
  Round round = 0;               ///< hops a copy from here would have; 0 = not said (only `classic` needs it)
  friend bool operator==(const IHave&, const IHave&) = default;
};

/// With `attach`: send me this tree's payloads eagerly. With ids: send me these. `classic` grafts do both.
struct Graft {
  TreeId tree{};
  bool attach = false;
  std::vector<OriginRanges> ids;
  friend bool operator==(const Graft&, const Graft&) = default;
};

/// Send me this tree's payloads lazily.
struct Prune {
  TreeId tree{};
  friend bool operator==(const Prune&, const Prune&) = default;
};

/// Distance from a root, spread from the root outwards; shapes the tree under the `rooted` rule.
struct Beacon {
  TreeId tree{};
  std::uint64_t epoch = 0;
  std::uint64_t distance_us = 0;
  friend bool operator==(const Beacon&, const Beacon&) = default;
};

/// What the sender has of one origin: everything up to `watermark`, and `above`.
struct DigestEntry {
  InstanceId origin{};
  std::string name;
  Sequence watermark = 0;
  Sequence floor = 0;            ///< payloads up to here are no longer held by the sender
  std::vector<SequenceRange> above;
  friend bool operator==(const DigestEntry&, const DigestEntry&) = default;
};

/// Anti-entropy: what I have. One digest may take several frames; `last` ends it.
struct Digest {
  bool reply_wanted = false;
  bool synced = false;           ///< the sender's own first sync is done
  bool first = false;            ///< first frame of this digest
  bool last = true;
  std::vector<DigestEntry> entries;
  friend bool operator==(const Digest&, const Digest&) = default;
};

/// Send me these payloads; paced by the requester, answered with `pulled` gossip or `Gone`.
struct Pull {
  std::vector<OriginRanges> ids;
  friend bool operator==(const Pull&, const Pull&) = default;
};

/// Answer to Pull and Graft: these I have seen but no longer hold, or never had.
struct Gone {
  std::vector<OriginRanges> ids;
  friend bool operator==(const Gone&, const Gone&) = default;
};

/// How far delivery has come at the sender and behind it, told to the neighbour that feeds it.
struct Progress {
  struct Entry {
    InstanceId origin{};
    Sequence watermark = 0;      ///< UINT64_MAX: you no longer feed me this origin
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Progress&, const Progress&) = default;
};

/// Link keep-alive; the pair measures round trip and clock offset. Times are link clocks in microseconds.
struct Ping {
  std::uint64_t nonce = 0;
  std::int64_t sent_us = 0;
  std::int64_t wall_us = 0;
  friend bool operator==(const Ping&, const Ping&) = default;
};
struct Pong {
  std::uint64_t nonce = 0;
  std::int64_t sent_us = 0;      ///< copied from the ping
  std::int64_t at_us = 0;        ///< answerer's link clock
  std::int64_t wall_us = 0;      ///< answerer's wall clock
  friend bool operator==(const Pong&, const Pong&) = default;
};

/// The link will be closed, and why.
struct Bye {
  enum class Why : std::uint8_t { leaving, duplicate_link, overlay, wrong_cluster, incompatible, not_accepted, misbehaved };
  Why why = Why::leaving;
  friend bool operator==(const Bye&, const Bye&) = default;
};

/// Members that are dead or left and shall be forgotten everywhere. Each link carries each order once.
struct Forget {
  struct Order {
    std::string name;
    std::uint32_t incarnation = 0;
    std::uint64_t age_ms = 0;    ///< since the order was given
    std::string by;              ///< the member where it was given
    friend bool operator==(const Order&, const Order&) = default;
  };
  std::vector<Order> orders;
  friend bool operator==(const Forget&, const Forget&) = default;
};

/// Who has had these of one publisher delivered is to say so. Every node passes each round on once, over all links, and
/// answers to the neighbour that it had it from.
struct AckRequest {
  InstanceId origin{};
  std::uint64_t round = 0;
  std::vector<SequenceRange> ranges;
  friend bool operator==(const AckRequest&, const AckRequest&) = default;
};
/// Answers, on their way to the publisher: members (as `OriginRanges::origin`) and what they have.
struct Acks {
  InstanceId origin{};
  std::vector<OriginRanges> members;
  friend bool operator==(const Acks&, const Acks&) = default;
};

/// First frame in both directions of a connection for direct messages; it is no link.
struct Visit {
  Hello who;
  friend bool operator==(const Visit&, const Visit&) = default;
};
/// A message for the member at the other end alone.
struct Direct {
  std::uint64_t number = 0;      ///< of this connection, from 1
  Bytes payload;
  friend bool operator==(const Direct&, const Direct&) = default;
};
/// It was handed over there.
struct DirectAck {
  std::uint64_t number = 0;
  friend bool operator==(const DirectAck&, const DirectAck&) = default;
};

/// A question to every member. Every node passes each round on once, over all links, and answers to the neighbour that it had
/// it from.
struct Ask {
  InstanceId origin{};           ///< who asks
  std::uint64_t number = 0;      ///< of the question, for the one who asks
  std::uint64_t round = 0;
  std::uint8_t kind = 0;         ///< what is asked; the tree does not know
  Bytes question;
  friend bool operator==(const Ask&, const Ask&) = default;
};
/// Answers on their way to who asked.
struct Answers {
  struct Answer {
    InstanceId member{};
    Bytes text;
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  InstanceId origin{};
  std::uint64_t number = 0;
  std::vector<Answer> answers;
  friend bool operator==(const Answers&, const Answers&) = default;
};

using Frame = std::variant<Hello, Gossip, IHave, Graft, Prune, Beacon, Digest, Pull, Gone, Progress, Ping, Pong, Bye, Forget,
                           AckRequest, Acks, Visit, Direct, DirectAck, Ask, Answers>;

}  // namespace plumvine::frame

namespace plumvine {
using Frame = frame::Frame;
}
