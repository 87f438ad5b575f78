// Events of all members: what one tells, and the one list of it.
#include <nlohmann/json.hpp>

#include "support/pch.hpp"
#include "support/snapshots.hpp"
#include "transport/uv/events_inquiry.hpp"

using namespace plumvine;
using namespace plumvine::uv;
using nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'769'860'800'000;  // 2026-01-31T12:00:00Z

void tell(Events& events, std::int64_t at_ms, const std::string& text) {
  events.add(EventKind::member, {LogLevel::warn, "membership", "PV1102", text}, at_ms);
}

/// `name` with links to these, whose clocks are ahead of its own by so many seconds.
Snapshot node_with(const std::string& name, const std::vector<std::pair<std::string, double>>& neighbours) {
  Snapshot s = test::sole();
  s.name = name;
  s.instance = InstanceId{static_cast<std::uint64_t>(name.front() - 'a' + 1)};
  for (const auto& [peer, offset] : neighbours) {
    s.links.push_back(test::link(peer, PeerRole::eager));
    s.links.back().clock_offset_s = offset;
    s.links.back().rtt_s = 0.001;
  }
  return s;
}

std::string told(const Events& events, const Snapshot& own, const EventWish& wish = {}, EventBounds bounds = kTheirEvents) {
  return events_answer(&events, own, events_question(wish), kNow, bounds);
}

Answered told_by(const std::vector<std::pair<std::string, std::string>>& answers, std::vector<std::string> missing = {}) {
  Answered out;
  for (const auto& [who, text] : answers) out.answers.push_back({who, Bytes::copy_of(text)});
  out.missing = std::move(missing);
  return out;
}

std::vector<std::string> texts(const json& list) {
  std::vector<std::string> out;
  for (const auto& event : list["events"]) out.push_back(event["text"]);
  return out;
}

}  // namespace

TEST_CASE("events of members are one list by the time on the asker's clock", "[events]") {
  // b is 10 s ahead of a, c 5 s behind b: a knows c's clock only through b.
  Events at_a{InstanceId{1}}, at_b{InstanceId{2}}, at_c{InstanceId{3}};
  const Snapshot a = node_with("a", {{"b", 10}}), b = node_with("b", {{"a", -10}, {"c", -5}}), c = node_with("c", {{"b", 5}});
  tell(at_a, kNow - 2000, "second");
  tell(at_b, kNow + 10'000 - 3000, "first");
  tell(at_c, kNow + 5000 - 1000, "third");
  tell(at_b, kNow + 10'000 - 500, "fourth");
  const json list = json::parse(events_json(a, told(at_a, a), told_by({{"b", told(at_b, b)}, {"c", told(at_c, c)}}, {"d"})));
  CHECK(texts(list) == std::vector<std::string>{"first", "second", "third", "fourth"});
  CHECK(list["events"][0] == json::parse(R"({"time":"2026-01-31T11:59:57.000Z","member":"b","severity":"warn","kind":"member","code":"PV1102","text":"first",
    "id":"0000000000000002-1"})"));
  CHECK(list["members"] == json::parse(R"([{"member":"a","clock_offset_ms":0.0,"kept":true,"events":1,"left_out":0},
    {"member":"b","clock_offset_ms":10000.0,"kept":true,"events":2,"left_out":0},{"member":"c","clock_offset_ms":5000.0,"kept":true,"events":1,"left_out":0}])"));
  CHECK(list["silent"] == json::array({"d"}));
}

TEST_CASE("a clock that nobody compares is null, and its times stay as they are", "[events]") {
  Events at_a{InstanceId{1}}, at_b{InstanceId{2}};
  const Snapshot a = node_with("a", {}), b = node_with("b", {});
  tell(at_b, kNow + 3'600'000, "in an hour");
  const json list = json::parse(events_json(a, told(at_a, a), told_by({{"b", told(at_b, b)}})));
  CHECK(list["members"][1]["clock_offset_ms"].is_null());
  CHECK(list["events"][0]["time"] == "2026-01-31T13:00:00.000Z");
}

TEST_CASE("only events of the span are told: from so long ago on, for so long", "[events]") {
  Events events{InstanceId{1}};
  for (int minutes = 60; minutes >= 0; minutes -= 10) tell(events, kNow - minutes * 60'000, std::to_string(minutes));
  const Snapshot a = node_with("a", {});
  const auto within = [&](Duration since, Duration window) {
    return texts(json::parse(events_json(a, told(events, a, {since, window}), told_by({}))));
  };
  using std::chrono::minutes;
  CHECK(within(minutes{0}, minutes{0}).size() == 7);
  CHECK(within(minutes{20}, minutes{0}) == std::vector<std::string>{"20", "10", "0"});
  CHECK(within(minutes{45}, minutes{20}) == std::vector<std::string>{"40", "30"});
}

TEST_CASE("an answer is bounded in count and bytes: the newest are told, the others counted", "[events]") {
  Events events{InstanceId{1}};
  const std::string quoted(400, '"');  // twice as long in JSON
  for (int i = 1; i <= 1000; ++i) tell(events, kNow, i <= 500 ? quoted : std::to_string(i));
  const Snapshot a = node_with("a", {{"b", 0}});
  const std::string answer = told(events, a, {}, {2000, kAnswerMax});
  CHECK(answer.size() <= kAnswerMax);
  CHECK(answer.size() > kAnswerMax / 2);
  const json list = json::parse(events_json(a, answer, told_by({})));
  CHECK(texts(list).back() == "1000");
  CHECK(list["members"][0]["left_out"].get<std::size_t>() + list["events"].size() == events.stats().retained);
  CHECK(json::parse(told(events, a))["events"].size() <= kTheirEvents.count);
  CHECK(json::parse(told(events, a, {}, {3, kAnswerMax}))["left_out"] == events.stats().retained - 3);
}

TEST_CASE("a member without HTTP keeps no events and says so, what is not readable is silence", "[events]") {
  const Snapshot a = node_with("a", {});
  const std::string none = events_answer(nullptr, node_with("b", {}), events_question({}), kNow, kTheirEvents);
  const Events events{InstanceId{1}};
  const json list = json::parse(events_json(a, told(events, a), told_by({{"b", none}, {"c", ""}, {"d", "{}"}, {"e", R"({"run":"x","kept":true,"left_out":0,"clocks":{},"events":[[1]]})"},
                                                                         {"f", R"({"run":"x","kept":true,"left_out":0,"clocks":{"a":"now"},"events":[]})"}})));
  CHECK(list["members"][1]["kept"] == false);
  CHECK(list["silent"] == json::array({"c", "d", "e", "f"}));
  for (const char* bad : {"", "1", "1 2 3", "-1 0", "x y", "99999999999999 0"}) CHECK(events_answer(&events, a, bad, kNow, kTheirEvents).empty());
}

TEST_CASE("one list is bounded: the oldest of it are left out and counted at their member", "[events]") {
  const Snapshot a = node_with("a", {{"b", 0}});
  Events events{InstanceId{1}};
  for (std::size_t i = 0; i < 4000; ++i) tell(events, kNow, "x");
  const std::string many = told(events, a, {}, kOwnEvents);
  const std::size_t each = json::parse(many)["events"].size();
  REQUIRE(each > 2000);
  std::vector<std::pair<std::string, std::string>> answers;
  for (int i = 0; i < 12; ++i) answers.emplace_back("m" + std::to_string(i), many);
  const json list = json::parse(events_json(a, many, told_by(answers)));
  CHECK(list["events"].size() == kListedEventsMax);
  std::size_t left_out = 0;
  for (const auto& member : list["members"]) left_out += member["left_out"].get<std::size_t>();
  CHECK(left_out == 13 * events.stats().retained - kListedEventsMax);
}
