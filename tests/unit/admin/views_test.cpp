// Who believes what of whom, and which ways are open: questions, answers, and what comes of them.
#include <nlohmann/json.hpp>

#include "support/pch.hpp"
#include "support/snapshots.hpp"
#include "transport/uv/reachability.hpp"
#include "transport/uv/views_inquiry.hpp"

using namespace plumvine;
using namespace plumvine::uv;
using nlohmann::json;

namespace {

Answered answered(const std::vector<std::pair<std::string, std::string>>& answers, std::vector<std::string> missing = {}) {
  Answered out;
  for (const auto& [who, text] : answers) out.answers.push_back({who, Bytes::copy_of(text)});
  out.missing = std::move(missing);
  return out;
}

Snapshot seen_by(const std::string& name) {
  Snapshot s = test::cluster();
  s.name = name;
  for (auto& m : s.members) {
    m.self = m.member.name == name;
    m.member.incarnation = Incarnation{1};
    m.rtt_s = m.self ? -1 : 0.001;
  }
  s.address = *Endpoint::parse("10.0.0.1:7946");
  return s;
}

MemberInfo& of(Snapshot& s, std::string_view name) {
  return *std::find_if(s.members.begin(), s.members.end(), [&](const MemberInfo& m) { return m.member.name == name; });
}

json diff(const Snapshot& own, const Snapshot& other, std::vector<std::string> missing = {}) {
  return json::parse(views_json(own, answered({{other.name, views_answer(other, views_question(own))}}, std::move(missing))));
}

}  // namespace

TEST_CASE("members of the same view agree in a few bytes", "[views]") {
  const Snapshot a = seen_by("a"), b = seen_by("b");
  CHECK(views_question(a).size() <= kQuestionMax);
  CHECK(views_answer(b, views_question(a)).size() < 64);
  const json same = diff(a, b);
  CHECK(same["agree"] == true);
  CHECK(same["agreeing"] == json::array({"b"}));
  CHECK(same["disagreements"].empty());
  const json quiet = diff(a, b, {"c"});
  CHECK(quiet["agree"] == false);
  CHECK(quiet["silent"] == json::array({"c"}));
}

TEST_CASE("a disagreement names the member, what is believed here, and who says what", "[views]") {
  const Snapshot a = seen_by("a");
  Snapshot b = seen_by("b"), c = seen_by("c");
  of(b, "d").member.state = of(c, "d").member.state = MemberState::dead;
  of(c, "b").member.incarnation = Incarnation{4};
  const auto question = views_question(a);
  const json found = json::parse(views_json(a, answered({{"b", views_answer(b, question)}, {"c", views_answer(c, question)}})));
  CHECK(found["agree"] == false);
  CHECK(found["agreeing"].empty());
  CHECK(found["disagreements"] == json::parse(R"([
    {"member":"b","here":{"state":"alive","incarnation":1},"elsewhere":[{"state":"alive","incarnation":4,"says":["c"]}]},
    {"member":"d","here":{"state":"alive","incarnation":1},"elsewhere":[{"state":"dead","incarnation":null,"says":["b","c"]}]}])"));
}

TEST_CASE("who never heard of the dead and the left does not disagree", "[views]") {
  Snapshot a = seen_by("a"), b = seen_by("b");
  of(a, "d").member.state = MemberState::dead;
  std::erase_if(b.members, [](const MemberInfo& m) { return m.member.name == "d"; });
  CHECK(diff(a, b)["agree"] == true);
  CHECK(diff(b, a)["agree"] == true);
  of(a, "d").member.state = MemberState::alive;
  CHECK(diff(a, b)["disagreements"][0]["elsewhere"][0]["state"] == "unknown");
  CHECK(diff(b, a)["disagreements"][0]["here"]["state"] == "unknown");
  of(a, "d").member.state = MemberState::left;
  b = seen_by("b");
  of(b, "d").member.state = MemberState::dead;
  CHECK(diff(a, b)["agree"] == false);
}

TEST_CASE("an answer that does not fit says that it was cut, and what is not readable counts as silence", "[views]") {
  Snapshot a = seen_by("a"), b = seen_by("b");
  for (int i = 0; i < 2000; ++i) b.members.push_back(test::member("member-with-a-long-name-" + std::to_string(i), MemberState::alive));
  const std::string answer = views_answer(b, views_question(a));
  CHECK(answer.size() <= kAnswerMax);
  const json found = json::parse(views_json(a, answered({{"b", answer}})));
  CHECK(found["cut"] == json::array({"b"}));
  CHECK(found["disagreements"].size() > 100);
  CHECK(found["disagreements"].size() < 2000);
  CHECK(views_answer(b, "nonsense").empty());
  for (const char* text : {"", "[]", "{}", R"({"buckets":["x"],"rows":{},"cut":false})", R"({"buckets":[],"rows":{"a":[1,2]},"cut":false})"})
    CHECK(json::parse(views_json(a, answered({{"b", text}})))["silent"] == json::array({"b"}));
}

namespace {

ReachCheck checked(const std::string& member, bool udp, bool tcp, bool heard) {
  ReachCheck check{.member = member, .udp = {}, .tcp = {}, .tcp_problem = tcp ? "" : "connecting to it took too long", .heard = heard};
  if (udp) check.udp = std::chrono::milliseconds{1};
  if (tcp) check.tcp = std::chrono::milliseconds{2};
  return check;
}

/// What `from` answers `a` after it pinged it.
std::string far_end(const Snapshot& from, const ReachCheck& found) {
  std::string out;
  reach_answer(from, reach_question("a", {}, from.name),
               [&](const std::string& member, const auto& done) {
                 CHECK(member == "a");
                 done(found);
               },
               [&](std::string text) { out = std::move(text); });
  return out;
}

json reach_b(const ReachCheck& ours, const ReachCheck& theirs) {
  const Snapshot a = seen_by("a"), b = seen_by("b");
  return json::parse(reach_json(a, "b", {{{"b", ours}}, answered({{"b", far_end(b, theirs)}})}, 1400));
}

}  // namespace

TEST_CASE("a way that is closed in one direction is told by both ends together", "[reachability]") {
  const json well = reach_b(checked("b", true, true, true), checked("a", true, true, true));
  CHECK(well["ok"] == true);
  CHECK(well["members"][0]["udp"] == json({{"out", "open"}, {"in", "open"}}));
  CHECK(well["members"][0]["to_open"].empty());
  CHECK(well["members"][0]["answered"] == true);

  const json out = reach_b(checked("b", false, true, true), checked("a", false, true, false));
  CHECK(out["ok"] == false);
  CHECK(out["members"][0]["udp"] == json({{"out", "blocked"}, {"in", "open"}}));
  CHECK(out["members"][0]["tcp"]["out"] == "open");
  CHECK(out["members"][0]["to_open"] == json::parse(R"([{"protocol":"udp","from":"10.0.0.1","to":"10.0.0.1","port":7946,"direction":"in"}])"));

  const json in = reach_b(checked("b", false, true, false), checked("a", false, true, true));
  CHECK(in["members"][0]["udp"] == json({{"out", "open"}, {"in", "blocked"}}));
  const json both = reach_b(checked("b", false, true, false), checked("a", false, true, false));
  CHECK(both["members"][0]["udp"] == json({{"out", "blocked"}, {"in", "blocked"}}));

  const json tcp = reach_b(checked("b", true, true, true), checked("a", true, false, true));
  CHECK(tcp["members"][0]["tcp"]["out"] == "open");
  CHECK(tcp["members"][0]["tcp"]["in"] == "blocked");
  CHECK(tcp["members"][0]["tcp"]["in_problem"] == "connecting to it took too long");
}

TEST_CASE("packets that are too large for a way are told of, and the way is not well", "[reachability]") {
  ReachCheck ours = checked("b", true, true, true), theirs = checked("a", true, true, true);
  ours.packet_bytes = theirs.packet_bytes = 1472;
  const json wide = reach_b(ours, theirs);
  CHECK(wide["ok"] == true);
  CHECK(wide["members"][0]["packet_bytes"] == json({{"out", 1472}, {"in", 1472}}));
  CHECK(wide["members"][0]["packets_too_large"] == false);
  theirs.packet_bytes = 1232;
  const json narrow = reach_b(ours, theirs);
  CHECK(narrow["ok"] == false);
  CHECK(narrow["members"][0]["packet_bytes"]["in"] == 1232);
  CHECK(narrow["members"][0]["packets_too_large"] == true);
  // A member of a version before this, or one that is none of ours, does not tell.
  theirs.packet_bytes = 0;
  const json old = reach_b(ours, theirs);
  CHECK(old["ok"] == true);
  CHECK(old["members"][0]["packet_bytes"]["in"].is_null());
}

TEST_CASE("without an answer of the far end only that is said which is known", "[reachability]") {
  const Snapshot a = seen_by("a");
  const json alone = json::parse(reach_json(a, "b", {{{"b", checked("b", false, false, false)}}, answered({}, {"b"})}, 1400));
  CHECK(alone["members"][0]["udp"] == json({{"out", "unknown"}, {"in", "unknown"}}));
  CHECK(alone["members"][0]["tcp"]["out"] == "blocked");
  CHECK(alone["members"][0]["answered"] == false);
  CHECK(alone["silent"] == json::array({"b"}));
  // What it sends by itself arrives: then it is our packets that do not.
  Snapshot heard = seen_by("a");
  of(heard, "b").packets = PacketPath::out_blocked;
  const json one_way = json::parse(reach_json(heard, "b", {{{"b", checked("b", false, true, false)}}, answered({}, {"b"})}, 1400));
  CHECK(one_way["members"][0]["udp"] == json({{"out", "blocked"}, {"in", "open"}}));
  // Not pinged: what probes found.
  Snapshot known = seen_by("a");
  of(known, "c").packets = PacketPath::out_blocked;
  of(known, "d").no_link = "connection refused";
  const json passive = json::parse(reach_json(known, "", {}, 1400));
  CHECK(passive["members"].size() == 3);
  CHECK(passive["members"][0]["udp"]["out"] == "open");
  CHECK(passive["members"][1]["udp"] == json({{"out", "blocked"}, {"in", "open"}}));
  CHECK(passive["members"][2]["tcp"]["out_problem"] == "connection refused");
  CHECK(passive["ok"] == false);
}

TEST_CASE("members tell which ways of theirs are closed, and ping only when they are meant", "[reachability]") {
  Snapshot c = seen_by("c");
  of(c, "d").packets = PacketPath::in_blocked;
  std::size_t pings = 0;
  std::string answer;
  const Reach ping = [&](const std::string&, const auto& done) {
    ++pings;
    done(std::nullopt);
  };
  const auto take = [&](std::string text) { answer = std::move(text); };
  reach_answer(c, reach_question("a", {"b"}, "b"), ping, take);
  CHECK(pings == 0);
  const json found = json::parse(reach_json(seen_by("a"), "", {{}, answered({{"c", answer}})}, 1400));
  CHECK(found["elsewhere"] == json::parse(R"([{"at":"c","member":"d","packets":"in_blocked","no_link":""}])"));
  CHECK(found["ok"] == false);
  reach_answer(c, reach_question("a", {"b", "c"}, ""), ping, take);
  CHECK(pings == 1);
  reach_answer(c, reach_question("a", {}, ""), ping, take);  // too many members for pings
  CHECK(pings == 1);
  reach_answer(c, "no line", ping, take);
  CHECK(answer.empty());
}

TEST_CASE("few members are pinged all, of many only one that is named", "[reachability]") {
  Snapshot a = seen_by("a");
  of(a, "d").member.state = MemberState::left;
  CHECK(reach_targets(a, "") == std::vector<std::string>{"b", "c"});
  CHECK(reach_targets(a, "c") == std::vector<std::string>{"c"});
  CHECK(reach_targets(a, "a").empty());
  CHECK(reach_targets(a, "d").empty());
  for (std::size_t i = 0; i < kReachMax; ++i) a.members.push_back(test::member("m" + std::to_string(i), MemberState::alive));
  CHECK(reach_targets(a, "").empty());
  CHECK(reach_targets(a, "m7") == std::vector<std::string>{"m7"});
}
