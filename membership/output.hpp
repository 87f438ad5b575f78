#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

namespace plumvine::swim {

/// Longest name of a member that can be forgotten by order; foreign members may have longer ones.
inline constexpr std::size_t kForgetNameMax = 512;

/// A membership stream (one connection, one request, at most one reply). Numbers of streams that we open have
/// the top bit set and are chosen by `Swim`; those of accepted streams are chosen by the caller, without it.
enum class StreamId : std::uint64_t {};
inline constexpr std::uint64_t kOwnStream = 1ULL << 63;

struct SendPacket { Endpoint to; Bytes packet; };
/// `name`: only this member is meant; empty: whoever is there.
struct OpenStream { StreamId id; Endpoint to; std::string name = {}; };
struct SendStream { StreamId id; Bytes data; };
/// Flush what was sent, then close.
struct CloseStream { StreamId id; };
/// Look the name up and answer with `Swim::resolved`, also when it failed (then without endpoints).
struct Resolve { HostPort name; };
struct Notify { MemberEvent event; };
/// The leave broadcast was sent as often as needed, or nobody is left to hear it.
struct LeaveDone {};
/// What `Swim::check` found.
struct Checked { ReachCheck found; };
struct Log { LogRecord record; };

/// Who was heard last of those that are none of us, and how many such packets and streams there were.
struct Stranger {
  Endpoint from;
  Timestamp at;
  std::uint64_t count = 0;
};

/// Questions since anybody last answered one: since when the first of them waits, how many, and to how many members, some at most.
struct Unanswered {
  Duration span{0};
  std::uint64_t questions = 0;
  std::size_t members = 0;
};

/// Somebody's order to forget a member that is dead or left, as our own nodes pass it on.
struct Forget {
  std::string name;
  Incarnation incarnation{};
  std::string by;           ///< the node where the order was given
  Duration age{0};          ///< since it was given
  std::uint64_t number = 0; ///< of the order at this node; whoever passes orders on remembers how far it came
};

/// A living member seals with a key of our ring that is not our primary.
struct OtherKey { std::string name; Bytes key; };

// What the application on top (Serf) is told; only when one is configured (`speaks_serf`), but sealed
// user messages always: our own kind orders keys by them.
/// A user message, by packet or stream.
struct UserMessage {
  Endpoint from;
  Bytes message;
  Bytes key = {};  ///< that sealed it; empty: it came in clear
  bool stream = false;
};
/// The user message that was to be watched has gone out as often as needed.
struct UserSent {};
/// What came with a table exchange, after the table was merged.
struct UserState { Bytes state; };
/// What came with the answer to a direct probe.
struct AckPayload { std::string name; Duration rtt; Bytes payload; };

using Output = std::variant<SendPacket, OpenStream, SendStream, CloseStream, Resolve, Notify, LeaveDone, Checked, Log, OtherKey, UserMessage,
                            UserSent, UserState, AckPayload>;

}  // namespace plumvine::swim
