#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "frames.hpp"

namespace plumvine::tree {

/// Send one frame to each of these neighbours, in order.
struct Send {
  std::vector<PeerId> to;
  Frame frame;
  // Of payloads:
  Priority priority = Priority::normal;
  std::uint32_t topic = 0;               ///< number of a configured topic
  std::optional<Overflow> no_room = {};  ///< they have no credit: what the topic wants then, drop_oldest or drop_newest
};
struct Deliver {
  MessageId id;               ///< of a run, of its first message
  std::string origin;
  std::string topic;
  Round round = 0;
  Duration latency{0};
  Bytes payload;
  frame::Encoding encoding = frame::Encoding::plain;  ///< of `payload`, until the engine has decoded it
  std::uint64_t size = 0;                             ///< decoded
  frame::Run run = {};
  [[nodiscard]] SequenceRange range() const noexcept { return {id.sequence, id.sequence + run.count - 1}; }
};
/// So much of a large message is here.
struct Progressed { Progress progress; };
/// What the peer is to be sent of these it has already: they need not go out.
struct Recall { PeerId peer{}; std::vector<MessageId> ids; };
/// A validator is to judge this message; `Tree::judged` takes its verdict.
struct Judge { Deliver message; };
struct Lost { InstanceId origin{}; std::string name; SequenceRange range; LossReason reason{}; };
/// The peer's role over all trees changed.
struct RoleChanged { PeerId peer{}; PeerRole role{}; std::string reason; };
/// The peer broke the protocol; counted here, the engine may disconnect.
struct Misbehaved { PeerId peer{}; FrameReject what{}; };
/// The peer had no room for so long that its link is to be closed.
struct TooSlow { PeerId peer{}; std::string topic; };
/// Who has acknowledged one of our own broadcasts, and which of the members alive when it was published have not. Sorted.
struct Receipted { MessageId id; bool complete = false; std::vector<InstanceId> acked, missing; };
/// Our own broadcasts up to here have reached every member that keeps up: the publisher has this much room again.
/// Likewise all payloads in parts up to the message `large_up_to`.
struct Acked { Sequence up_to = 0, large_up_to = 0; };
/// A member asks all others something; `Tree::answer` takes what we say.
struct Asked { InstanceId origin{}; std::uint64_t number = 0; std::uint8_t kind = 0; Bytes question; };
/// What was answered to our own question, and who of the members alive then did not. Sorted.
struct Inquired {
  struct Answer { InstanceId member{}; Bytes text; };
  std::uint64_t number = 0;
  bool complete = false;
  std::vector<Answer> answers;
  std::vector<InstanceId> missing;
};
struct Log { LogRecord record; };

using Output = std::variant<Send, Deliver, Progressed, Recall, Judge, Lost, RoleChanged, Misbehaved, TooSlow, Receipted, Acked, Asked,
                            Inquired, Log>;

}  // namespace plumvine::tree
