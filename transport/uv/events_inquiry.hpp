#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <plumvine/snapshot.hpp>
#include <plumvine/time.hpp>

#include "events.hpp"
#include "transport/driver.hpp"

namespace plumvine::uv {

/// Events of all members in one list (`Asking::events`).
///
/// The question names ages, so that the asker's clock does not matter. An answer has the newest events of that span, how many older ones
/// had no room, and how the clocks of its neighbours differ from its own: from neighbour to neighbour the asker learns every clock, and
/// orders by the time on its own.

/// Which events: from so long ago on, for so long. 0: all that are kept; until now.
struct EventWish {
  static constexpr Duration kMax = std::chrono::hours{8760};
  Duration since{0}, window{0};
};
Events::Span span_of(const EventWish& wish, std::int64_t wall_ms);

struct EventBounds {
  std::size_t count, bytes;
};
/// What another member may tell, and what this one tells itself.
inline constexpr EventBounds kTheirEvents{256, kAnswerMax};
inline constexpr EventBounds kOwnEvents{Events::kCountMax, Events::kBytesMax};
/// Events of one list; the oldest are left out.
inline constexpr std::size_t kListedEventsMax = 16'384;

std::string events_question(const EventWish& wish);
/// `wall_ms`: now, since 1970. Without `events` the member keeps none, and says so. Empty where the question is not readable.
std::string events_answer(const Events* events, const Snapshot& own, std::string_view question, std::int64_t wall_ms, EventBounds bounds);
/// `{"self","members":[{"member","clock_offset_ms","kept","events","left_out"}…],"silent":[…],"events":[{"time","member","severity","kind",
/// "code","text","id"}…]}`: times are those of the asker's clock; an offset that is not known is null, and those times are as the member
/// told them.
std::string events_json(const Snapshot& own, const std::string& own_answer, const Answered& answered);

}  // namespace plumvine::uv
