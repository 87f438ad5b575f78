#pragma once

#include <string>
#include <variant>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "frames.hpp"

namespace plumvine::tree {

/// Send one frame to each of these neighbours, in order.
struct Send { std::vector<PeerId> to; Frame frame; };
struct Deliver {
  MessageId id;
  std::string origin;
  std::string topic;
  Round round = 0;
  Duration latency{0};
  Bytes payload;
};
struct Lost { InstanceId origin{}; std::string name; SequenceRange range; LossReason reason{}; };
/// The peer's role over all trees changed.
struct RoleChanged { PeerId peer{}; PeerRole role{}; std::string reason; };
/// The peer broke the protocol; counted here, the engine may disconnect.
struct Misbehaved { PeerId peer{}; FrameReject what{}; };
/// Our own broadcasts up to here have reached every member that keeps up: the publisher has this much room again.
struct Acked { Sequence up_to = 0; };
struct Log { LogRecord record; };

using Output = std::variant<Send, Deliver, Lost, RoleChanged, Misbehaved, Acked, Log>;

}  // namespace plumvine::tree
