#include "admin_events.hpp"

#include <utility>

#include "admin_http.hpp"
#include "events_inquiry.hpp"

namespace plumvine::uv {
namespace {

/// So long members have to tell their events.
constexpr Duration kEventsTime = std::chrono::seconds{2};

/// `?since=` and `?window=`.
Result<EventWish> event_wish(const HttpRequest& request) {
  EventWish wish;
  for (const auto& [key, out] : {std::pair{"since", &wish.since}, {"window", &wish.window}}) {
    const auto asked = request.query.find(key);
    if (asked == request.query.end()) continue;
    const auto parsed = parse_duration(asked->second);
    if (!parsed) return parsed.error().with(key);
    if (*parsed <= Duration{0} || *parsed > EventWish::kMax) return Error{Errc::invalid_argument, std::string(key) + "=" + asked->second + " is not from above 0 to 8760h"};
    *out = *parsed;
  }
  if (wish.window > Duration{0} && wish.since == Duration{0})
    return Error{Errc::invalid_argument, "window= needs since=: it is the time from there on"};
  return wish;
}

HttpResponse of_all(AdminHost& host, const EventWish& wish) {
  HttpResponse response;
  response.later = [&host, wish](const std::function<void(HttpResponse)>& give) {
    const std::string question = events_question(wish);
    host.ask(Asking::events, question, kEventsTime, [&host, question, give](const Answered& answered) {
      const auto own = host.fresh_snapshot();
      give(http::json(200, events_json(*own, events_answer(&host.events(), *own, question, http::wall_ms(), kOwnEvents), answered)));
    });
  };
  return response;
}

}  // namespace

HttpResponse too_many_followers() {
  return http::fail(429, "overloaded", std::to_string(Events::kFollowersMax) + " clients follow the events or the dashboard already",
                    "close one of them, or ask for /events without follow");
}

HttpResponse events_response(AdminHost& host, const HttpRequest& request) {
  constexpr const char* kHint = "?since=1h, ?since=1h&window=5m, with cluster=1 of all members; follow=1 goes on, without window and cluster";
  const auto wish = event_wish(request);
  if (!wish) return http::fail(400, "bad_request", wish.error().message, kHint);
  const bool server_sent = http::header(request, "accept").find("text/event-stream") != std::string::npos;
  const bool follow = server_sent || http::wants(request, "follow"), cluster = http::wants(request, "cluster");
  if (follow && (cluster || wish->window > Duration{0})) return http::fail(400, "bad_request", "what is followed has no end, and is of one member", kHint);
  if (cluster) return of_all(host, *wish);

  const auto format = server_sent ? Events::Format::server_sent : Events::Format::lines;
  std::string after = http::header(request, "last-event-id");
  if (const auto asked = request.query.find("after"); asked != request.query.end()) after = asked->second;
  const Events::Span span = span_of(*wish, http::wall_ms());
  HttpResponse response;
  response.content_type = server_sent ? "text/event-stream" : "application/x-ndjson";
  response.headers["Cache-Control"] = "no-store";
  if (!follow) {
    response.body = host.events().retained(format, after, span);
    return response;
  }
  if (!host.events().has_room()) return too_many_followers();
  response.stream = [&host, format, after, span](std::shared_ptr<HttpStream> stream) { host.events().follow(std::move(stream), format, after, span); };
  return response;
}

}  // namespace plumvine::uv
