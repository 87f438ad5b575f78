#include "events_inquiry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "answer_json.hpp"
#include "health/json_text.hpp"

namespace plumvine::uv {
namespace {

/// Of a text that is longer the rest is left out.
constexpr std::size_t kTextMax = 512;
/// Clocks of so many neighbours are told.
constexpr std::size_t kClocksMax = 32;

std::int64_t milliseconds_in(Duration d) { return d.count() / 1'000'000; }

std::optional<EventWish> read_span(std::string_view text) {
  std::int64_t ms[2] = {};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (auto& number : ms) {
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || number < 0 || number > milliseconds_in(EventWish::kMax)) return std::nullopt;
    at = stop != end && *stop == ' ' ? stop + 1 : stop;
  }
  if (at != end) return std::nullopt;
  return EventWish{std::chrono::milliseconds{ms[0]}, std::chrono::milliseconds{ms[1]}};
}

/// By neighbour: its clock minus that of `view`'s node, in milliseconds.
Json clocks_of(const Snapshot& view) {
  Json out = Json::object();
  for (const LinkInfo& link : view.links)
    if (link.state == LinkState::up && link.rtt_s >= 0 && out.size() < kClocksMax) out[dump::to_utf8(link.peer)] = std::round(link.clock_offset_s * 1e6) / 1e3;
  return out;
}

/// One event in an answer: number, milliseconds since 1970, severity, kind, code, text.
std::string event_row(std::uint64_t number, std::int64_t wall_ms, std::string_view event) {
  const Json json = Json::parse(event, nullptr, false);
  Json row = Json::array({number, wall_ms});
  for (const char* key : {"severity", "kind", "code"}) row.push_back(json.value(key, ""));
  row.push_back(json.value("text", "").substr(0, kTextMax));
  return text_of(row);
}

struct Told {
  std::uint64_t number = 0;
  std::int64_t wall_ms = 0;
  std::string severity, kind, code, text;
};
using Clocks = std::map<std::string, double, std::less<>>;
struct EventsAnswer {
  std::string run;
  bool kept = false;
  std::uint64_t left_out = 0;
  Clocks clocks;
  std::vector<Told> events;
};

std::optional<EventsAnswer> read_events(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  const auto has = [&](const char* key, bool (Json::*is)() const noexcept) { return json.contains(key) && (json[key].*is)(); };
  if (!json.is_object() || !has("run", &Json::is_string) || !has("kept", &Json::is_boolean) || !has("left_out", &Json::is_number_unsigned) ||
      !has("clocks", &Json::is_object) || !has("events", &Json::is_array))
    return std::nullopt;
  EventsAnswer answer{json["run"], json["kept"], json["left_out"], {}, {}};
  for (const auto& [name, offset] : json["clocks"].items()) {
    if (!offset.is_number() || !std::isfinite(offset.get<double>())) return std::nullopt;
    answer.clocks[name] = offset;
  }
  for (const Json& row : json["events"]) {
    if (!row.is_array() || row.size() != 6 || !row[0].is_number_unsigned() || !row[1].is_number_integer() ||
        !std::all_of(row.begin() + 2, row.end(), [](const Json& word) { return word.is_string(); }))
      return std::nullopt;
    answer.events.push_back({row[0], row[1], row[2], row[3], row[4], row[5]});
  }
  return answer;
}

using EventsAnswers = std::map<std::string, EventsAnswer>;

/// Each clock minus ours, as far as there are neighbours from here to there; over as few as there can be.
Clocks clocks_from(const std::string& self, const EventsAnswers& answers) {
  std::map<std::string, Clocks> known;  // both ways
  for (const auto& [name, answer] : answers)
    for (const auto& [peer, offset] : answer.clocks) known[peer].try_emplace(name, -offset);
  for (const auto& [name, answer] : answers)
    for (const auto& [peer, offset] : answer.clocks) known[name].insert_or_assign(peer, offset);
  Clocks out{{self, 0}};
  for (std::vector<std::string> last{self}; !last.empty();) {
    std::vector<std::string> next;
    for (const std::string& name : last) {
      for (const auto& [peer, offset] : known[name])
        if (out.try_emplace(peer, out[name] + offset).second) next.push_back(peer);
    }
    last = std::move(next);
  }
  return out;
}

/// An event on our own clock.
struct Listed {
  double at_ms = 0;
  const std::string* member = nullptr;
  const Told* told = nullptr;
  [[nodiscard]] auto key() const { return std::tuple{at_ms, std::string_view(*member), told->number}; }
};

std::string event_line(const Listed& listed, const std::string& run) {
  std::string out = "{\"time\":\"" + dump::time_text(static_cast<std::int64_t>(std::llround(listed.at_ms))) + '"';
  const auto add = [&](std::string_view key, std::string_view value) {
    out += fmt::format(",\"{}\":", key);
    dump::append_any(out, value);
  };
  add("member", *listed.member);
  add("severity", listed.told->severity);
  add("kind", listed.told->kind);
  add("code", listed.told->code);
  add("text", listed.told->text);
  add("id", fmt::format("{}-{}", run, listed.told->number));
  return out + '}';
}

}  // namespace

Events::Span span_of(const EventWish& wish, std::int64_t wall_ms) {
  Events::Span span;
  if (wish.since > Duration{0}) span.from_ms = wall_ms - milliseconds_in(wish.since);
  if (wish.since > Duration{0} && wish.window > Duration{0}) span.to_ms = span.from_ms + milliseconds_in(wish.window);
  return span;
}

std::string events_question(const EventWish& wish) { return fmt::format("{} {}", milliseconds_in(wish.since), milliseconds_in(wish.window)); }

std::string events_answer(const Events* events, const Snapshot& own, std::string_view question, std::int64_t wall_ms, EventBounds bounds) {
  const auto wish = read_span(question);
  if (!wish) return {};
  std::string head = fmt::format("{{\"run\":\"{}\",\"kept\":{},\"clocks\":{}", to_string(own.instance), events != nullptr, text_of(clocks_of(own)));
  constexpr std::size_t kTail = 64;  // what stands behind the rows, and how many there are
  std::vector<std::string> rows;
  std::uint64_t left_out = 0;
  std::size_t size = head.size() + kTail;
  if (events != nullptr) {
    events->newest_first(span_of(*wish, wall_ms), [&](std::uint64_t number, std::int64_t at_ms, std::string_view event) {
      if (left_out > 0 || rows.size() == bounds.count) return void(++left_out);
      std::string row = event_row(number, at_ms, event);
      if (size + row.size() + 1 > bounds.bytes) return void(++left_out);
      size += row.size() + 1;
      rows.push_back(std::move(row));
    });
  }
  std::string out = std::move(head) + ",\"events\":[";
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) out += (row == rows.rbegin() ? "" : ",") + *row;
  return out + fmt::format("],\"left_out\":{}}}", left_out);
}

std::string events_json(const Snapshot& own, const std::string& own_answer, const Answered& answered) {
  EventsAnswers answers;
  std::vector<std::string> silent = answered.missing;
  const auto add = [&](const std::string& member, std::string_view text) {
    if (auto answer = read_events(text)) answers.insert_or_assign(dump::to_utf8(member), std::move(*answer));
    else silent.push_back(member);
  };
  for (const auto& answer : answered.answers) add(answer.member, answer.text.text());
  add(own.name, own_answer);
  std::sort(silent.begin(), silent.end());

  const Clocks clocks = clocks_from(dump::to_utf8(own.name), answers);
  std::vector<Listed> list;
  for (const auto& [name, answer] : answers) {
    const auto clock = clocks.find(name);
    for (const Told& told : answer.events)
      list.push_back({static_cast<double>(told.wall_ms) - (clock == clocks.end() ? 0 : clock->second), &name, &told});
  }
  std::sort(list.begin(), list.end(), [](const Listed& a, const Listed& b) { return a.key() < b.key(); });
  std::map<std::string_view, std::uint64_t> cut;
  if (list.size() > kListedEventsMax) {
    const auto keep = list.end() - static_cast<std::ptrdiff_t>(kListedEventsMax);
    for (auto it = list.begin(); it != keep; ++it) ++cut[*it->member];
    list.erase(list.begin(), keep);
  }

  Json members = Json::array();
  for (const auto& [name, answer] : answers) {
    const auto clock = clocks.find(name);
    members.push_back({{"member", name},
                       {"clock_offset_ms", clock == clocks.end() ? Json(nullptr) : Json(std::round(clock->second * 1e3) / 1e3)},
                       {"kept", answer.kept},
                       {"events", answer.events.size() - cut[name]},
                       {"left_out", answer.left_out + cut[name]}});
  }
  std::string out = text_of({{"self", own.name}, {"members", members}, {"silent", silent}});
  out.back() = ',';
  out += "\"events\":[";
  for (const Listed& listed : list) out += (&listed == &list.front() ? "" : ",") + event_line(listed, answers.at(*listed.member).run);
  return out + "]}";
}

}  // namespace plumvine::uv
