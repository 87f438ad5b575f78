#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/topic.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// A delivered broadcast. Views are valid inside the handler; keep `payload` to keep the memory, which may be that of 64 KiB of messages
/// it came with: copy small ones that are kept for long.
struct Message {
  MessageId id;
  std::string_view origin;  ///< name of the member that published it
  std::string_view topic;
  Bytes payload;
  Round hops = 0;           ///< 1 straight from the origin, 0 for one's own
  Duration latency{0};      ///< since publishing, clock offsets removed; 0 where unknown
  [[nodiscard]] std::string_view text() const { return payload.text(); }
};

/// A member joined, changed or went.
struct MemberEvent {
  enum class Kind : std::uint8_t {
    joined, updated, suspected, refuted, died, left, forgotten,
    conflict,  ///< somebody else claims the name of `member`, and is refused; `from` is the address of the claim
    accused,   ///< this node itself was suspected or declared dead, and refutes it
  };
  Kind kind;
  Member member;
  std::string from;         ///< who said so (the accuser of a suspicion or death); empty where nobody did
  std::string reason = {};  ///< why, in words, where it is known
};
std::string_view to_string(MemberEvent::Kind kind) noexcept;

/// A neighbour came, went, or changed its role.
struct PeerEvent {
  enum class Kind : std::uint8_t { up, down, eager, lazy };
  Kind kind;
  std::string peer;
  std::string reason;
};
std::string_view to_string(PeerEvent::Kind kind) noexcept;

enum class PartitionState : std::uint8_t { healthy = 0, partial = 1, majority_lost = 2 };
std::string_view to_string(PartitionState state) noexcept;

struct PartitionEvent {
  PartitionState state;
  std::vector<std::string> unreachable;
};

/// Messages that will never be delivered here. Reported once per range.
struct LostEvent {
  std::string origin;
  InstanceId instance{};
  SequenceRange range;
  LossReason reason{};
};

/// A large payload is coming: so much of it is here. Told a few times on the way; `Handlers::on_message` has the whole.
struct Progress {
  MessageId id;
  std::string origin;
  std::string topic;
  std::uint64_t bytes = 0;  ///< that are here, in any order
  std::uint64_t size = 0;   ///< of all of it, as it is sent
};

/// A message that one member sent to this one alone. Views are valid inside the handler; keep `payload` to keep the memory.
struct DirectMessage {
  std::string_view from;
  InstanceId instance{};    ///< the run of `from` that sent it
  Bytes payload;
};

/// Who has taken a broadcast that asked for acknowledgements: its handler was called with it, or it is in the hands of
/// a node without one. Names by byte order.
struct Receipt {
  MessageId id;
  bool complete = false;    ///< as many as were asked for
  std::vector<std::string> acked;
  std::vector<std::string> missing;  ///< of the members that were alive when it was published
};

/// What the node tells its user. Handlers run on the loop thread, one at a time, after the messages they
/// speak of were forwarded. Every call of `Node` is legal inside them. They must not throw and should be
/// short: while one runs, the node does nothing else.
struct Handlers {
  std::function<void(const Message&)> on_message = {};
  /// In place of `on_message`, for messages that came together, in the order of delivery: one call costs less than many. Set one of the
  /// two. The span is valid inside the handler.
  std::function<void(std::span<const Message>)> on_messages = {};
  std::function<void(const Progress&)> on_progress = {};
  std::function<void(const MemberEvent&)> on_member = {};
  std::function<void(const PeerEvent&)> on_peer = {};
  std::function<void(const PartitionEvent&)> on_partition = {};
  std::function<void(const LostEvent&)> on_lost = {};
  /// After `Errc::overloaded`: broadcasts are taken again.
  std::function<void()> on_writable = {};
  /// A message that another member sent to this one alone.
  std::function<void(const DirectMessage&)> on_direct = {};
  /// The outcome of a broadcast with `BroadcastOptions::acks`.
  std::function<void(const Receipt&)> on_receipt = {};
  /// By topic: judges each first copy that comes from a neighbour, before it is forwarded or delivered. Costs a call per
  /// message, and every hop of such a topic waits for it; set the same ones on all members. Own broadcasts are not judged.
  std::map<std::string, std::function<Verdict(const Message&)>, std::less<>> validators = {};
};

}  // namespace plumvine
