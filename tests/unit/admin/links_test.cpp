#include <nlohmann/json.hpp>

#include "plumtree/wire.hpp"
#include "support/pch.hpp"
#include "support/snapshots.hpp"
#include "transport/uv/links_inquiry.hpp"

using namespace plumvine;
using namespace plumvine::uv;
using nlohmann::json;

namespace {

Answered::Answer says(const char* member, std::string_view text) { return {member, Bytes::copy_of(text)}; }

/// `a` with an eager link to `b`, its child in the tree of `a`, and a lazy one to `c`; `d` is known without a link.
Snapshot here() {
  auto s = test::cluster();
  s.links[0].rtt_s = 0.0005;
  s.trees.push_back({.tree = TreeId{0xab}, .root = "a", .settled = true, .eager = {"b"}, .lazy = {"c"}});
  return s;
}

json merged(const Snapshot& s, std::vector<Answered::Answer> answers, std::vector<std::string> missing = {}) {
  const bool complete = missing.empty();
  return json::parse(graph_json(s, {1, complete, std::move(answers), std::move(missing)}));
}

}  // namespace

TEST_CASE("a member answers with its links, their roles and its place in each tree", "[links]") {
  auto s = here();
  s.links[1].state = LinkState::dialling;  // no link yet
  CHECK(links_answer(s) == R"({"links":[["b",true,0.5]],"trees":[["00000000000000ab","a",-1,[0]]],"left_off":0})");
}

TEST_CASE("an answer fits its frame, for trees that are left out and counted", "[links]") {
  auto s = here();
  for (std::uint64_t i = 0; i < 1000; ++i) s.trees.push_back({.tree = TreeId{i + 1000}, .root = std::string(60, 'r'), .parent = "b", .eager = {"b", "c"}});
  const std::string text = links_answer(s);
  CHECK(text.size() <= kAnswerMax);
  const auto answer = json::parse(text);
  CHECK(answer["links"].size() == 2);
  CHECK(answer["trees"].size() > 10);
  CHECK(answer["trees"].size() + answer["left_off"].get<std::size_t>() == 1001);
}

TEST_CASE("answers of all members become one graph", "[links]") {
  auto s = here();
  s.members[2].member.meta = encode_tags({{std::string{kTagZone}, "za"}});
  s.members[3].member.state = MemberState::dead;
  const auto graph = merged(s, {says("b", R"({"links":[["a",true,0.6],["c",true,null]],"trees":[["00000000000000ab","a",0,[0,1]]],"left_off":0})"),
                                says("c", R"({"links":[["a",false,2],["b",true,1]],"trees":[["00000000000000ab","a",1,[1]]],"left_off":4})")});
  CHECK(graph["self"] == "a");
  CHECK(graph["complete"] == true);
  CHECK(graph["left_off"] == 4);
  CHECK(graph["trees"] == json::array({{{"tree", "00000000000000ab"}, {"root", "a"}}}));
  REQUIRE(graph["nodes"].size() == 4);
  CHECK(graph["nodes"][0] == json{{"name", "a"}, {"state", "alive"}, {"zone", ""}, {"link", true}, {"answered", true}, {"parents", json::array({nullptr})}});
  CHECK(graph["nodes"][1]["parents"] == json({0}));
  CHECK(graph["nodes"][2]["parents"] == json({1}));
  CHECK(graph["nodes"][2]["zone"] == "za");
  CHECK(graph["nodes"][3]["state"] == "dead");
  CHECK(graph["nodes"][3]["answered"] == false);
  CHECK(graph["edges"] == json::array({{{"a", 0}, {"b", 1}, {"roles", {"eager", "eager"}}, {"rtt_ms", 0.5}, {"trees", {0}}},
                                       {{"a", 0}, {"b", 2}, {"roles", {"lazy", "lazy"}}, {"rtt_ms", 2}, {"trees", json::array()}},
                                       {{"a", 1}, {"b", 2}, {"roles", {"eager", "eager"}}, {"rtt_ms", 1}, {"trees", {0}}}}));
}

TEST_CASE("a link that one end alone knows of has no role at the other", "[links]") {
  const auto graph = merged(here(), {says("b", R"({"links":[],"trees":[],"left_off":0})")}, {"d", "c"});
  CHECK(graph["complete"] == false);
  CHECK(graph["silent"] == json({"c", "d"}));
  CHECK(graph["edges"][0]["roles"] == json({"eager", nullptr}));
}

TEST_CASE("what members say does not get into the graph unless it has its form and names known members", "[links]") {
  const auto graph = merged(here(), {says("b", ""), says("c", R"({"links":7,"trees":[]})"), says("stranger", R"({"links":[],"trees":[],"left_off":0})"),
                                     says("d", R"({"links":[["a"],["a",1,2],[7,true,1],["nobody",true,1],["d",true,1],["c",true,"x"]],"trees":[7,["a"],["nonsense","a",0,[]],)"
                                               R"(["00000000000000cd","nobody",99,[-1,0,1,5,"x",1e9]]],"left_off":-3})")});
  CHECK(graph["silent"] == json({"b", "c", "stranger"}));
  CHECK(graph["nodes"].size() == 4);
  CHECK(graph["left_off"] == 0);
  REQUIRE(graph["edges"].size() == 3);  // ours to b and c, and d's to c
  CHECK(graph["edges"][2] == json{{"a", 2}, {"b", 3}, {"roles", {nullptr, "eager"}}, {"rtt_ms", nullptr}, {"trees", {1}}});
  CHECK(graph["trees"][1] == json{{"tree", "00000000000000cd"}, {"root", nullptr}});
}

TEST_CASE("however many ask for the graph, members are asked every two seconds at most", "[links]") {
  Graph graph;
  Timestamp now{0};
  std::vector<std::string> given;
  const auto give = [&](std::string text) { given.push_back(std::move(text)); };
  CHECK(graph.fresh(now).empty());
  CHECK(graph.wait(give, now));
  CHECK_FALSE(graph.wait(give, now));
  CHECK(graph.fresh(now).empty());
  graph.answered(R"({"nodes":[]})");
  CHECK(given == std::vector<std::string>(2, R"({"age_ms":0,"nodes":[]})"));
  now = now + std::chrono::milliseconds{1999};
  CHECK(graph.fresh(now) == R"({"age_ms":1999,"nodes":[]})");
  now = now + std::chrono::milliseconds{1};
  CHECK(graph.fresh(now).empty());
  CHECK(graph.wait(give, now));
}
