#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/types.hpp>

namespace plumvine::serf {

/// First byte of Serf's messages. Fixed by Serf; append only.
enum class MessageType : std::uint8_t {
  leave = 0,
  join = 1,
  state = 2,
  event = 3,
  query = 4,
  response = 5,
  conflict = 6,
  key_request = 7,
  key_response = 8,
  relay = 9,
};

/// Time on a Lamport clock.
using LTime = std::uint64_t;

/// A member's state in Serf's eyes. The numbers are Serf's.
enum class Status : std::uint8_t { none = 0, alive = 1, leaving = 2, left = 3, failed = 4 };

// Decoded messages are views: they live as long as the bytes they were read from.

struct Leave {
  LTime time = 0;
  std::string_view node;
  bool prune = false;
};

struct Join {
  LTime time = 0;
  std::string_view node;
};

struct Event {
  LTime time = 0;
  std::string_view name;
  BytesView payload;
  bool coalesce = false;
};

inline constexpr std::uint32_t kQueryAck = 1;          ///< an acknowledgement is wanted
inline constexpr std::uint32_t kQueryNoBroadcast = 2;  ///< not to be gossiped on
struct Query {
  LTime time = 0;
  std::uint32_t id = 0;
  BytesView address;  ///< where the answer goes
  std::uint16_t port = 0;
  std::string_view source_node;
  std::vector<BytesView> filters;
  std::uint32_t flags = 0;
  std::uint8_t relay_factor = 0;
  std::int64_t timeout_ns = 0;
  std::string_view name;
  BytesView payload;
};

/// One condition of a query: one of these names, or a tag that the expression finds something in.
struct Filter {
  std::vector<std::string_view> nodes;
  std::string_view tag;
  std::string_view expression;
  bool by_tag = false;
};

inline constexpr std::uint32_t kResponseAck = 1;
struct Response {
  LTime time = 0;
  std::uint32_t id = 0;
  std::string_view from;
  std::uint32_t flags = 0;
  BytesView payload;
};

struct KeyRequest {
  BytesView key;
  /// Ours, unknown to Serf: told to a member that was away, when the key became primary (wall clock, microseconds).
  /// Such an order does not undo a later one. 0 = an operator's order.
  std::uint64_t used_at = 0;
};

struct KeyResponse {
  bool result = false;
  std::string message;
  std::vector<std::string> keys;  ///< base64
  std::string primary;
};

struct Relay {
  BytesView ip;
  std::uint16_t port = 0;
  std::string_view name;
  BytesView message;  ///< what is to be passed on, with its type
};

/// What Serf adds to a table exchange.
struct State {
  LTime time = 0;
  LTime event_time = 0;
  LTime query_time = 0;
  std::vector<std::pair<std::string_view, LTime>> status_times;
  std::vector<std::string_view> left;
  std::vector<Event> events;
};

// Bounds of what is decoded.
inline constexpr std::size_t kNameMax = 1024;
inline constexpr std::size_t kPayloadMax = 9216;  ///< Serf's hard limit for events
inline constexpr std::uint32_t kFiltersMax = 64;
inline constexpr std::uint32_t kKeysListedMax = 256;
inline constexpr std::uint32_t kFilterNamesMax = 1024;
inline constexpr std::uint32_t kStatusTimesMax = 1U << 17;
inline constexpr std::uint32_t kStateEventsMax = 4096;

/// Decode the body behind the type byte; false for what is malformed or beyond the bounds. Unknown keys are passed over.
bool decode(BytesView body, Leave& out);
bool decode(BytesView body, Join& out);
bool decode(BytesView body, Event& out);
bool decode(BytesView body, Query& out);
bool decode(BytesView body, Response& out);
bool decode(BytesView body, KeyRequest& out);
bool decode(BytesView body, KeyResponse& out);
bool decode(BytesView body, Relay& out);
bool decode(BytesView body, State& out);
/// A filter as it stands in a query, its own type byte included.
bool decode(BytesView filter, Filter& out);

/// Encode as Serf does, the type byte included.
Bytes encode(const Leave& message);
Bytes encode(const Join& message);
Bytes encode(const Event& message);
Bytes encode(const Query& message);
Bytes encode(const Response& message);
Bytes encode(const KeyRequest& message);
Bytes encode(const KeyResponse& message);
Bytes encode(const Relay& message);
/// The minimal state: clocks and status times, no events and no members that left.
Bytes encode(const State& message);
/// What is known of a member whose name is claimed twice.
Bytes encode_conflict(const Member& member, Status status);
/// The answer about a member that nobody here knows.
Bytes encode_no_conflict();

}  // namespace plumvine::serf
