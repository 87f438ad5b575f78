#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/types.hpp>

namespace plumvine::swim {

/// A membership stream (one connection, one request, at most one reply). Numbers of streams that we open have
/// the top bit set and are chosen by `Swim`; those of accepted streams are chosen by the caller, without it.
enum class StreamId : std::uint64_t {};
inline constexpr std::uint64_t kOwnStream = 1ULL << 63;

struct SendPacket { Endpoint to; Bytes packet; };
struct OpenStream { StreamId id; Endpoint to; };
struct SendStream { StreamId id; Bytes data; };
/// Flush what was sent, then close.
struct CloseStream { StreamId id; };
/// Look the name up and answer with `Swim::resolved`, also when it failed (then without endpoints).
struct Resolve { HostPort name; };
struct Notify { MemberEvent event; };
/// The leave broadcast was sent as often as needed, or nobody is left to hear it.
struct LeaveDone {};
struct Log { LogRecord record; };

using Output = std::variant<SendPacket, OpenStream, SendStream, CloseStream, Resolve, Notify, LeaveDone, Log>;

}  // namespace plumvine::swim
