// What members believe of each other, and which ways lead from one to the other.
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "table.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string belief(const Json& said) {
  const auto state = said.at("state").get<std::string>();
  return said.at("incarnation").is_number() ? fmt::format("{} ({})", state, said.at("incarnation").dump()) : state;
}

std::string number(const Json& value) { return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : "-"; }

/// Asks, and shows the answer: as it came with --json, else by `show`. Bad where `good`, a field of it, is false.
int ask(const Call& call, const std::string& path, const char* good, void (*show)(const Json&)) {
  Client client(call.http);
  const auto answer = client.get(path);
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || !json.is_object()) return complain(kBad, words_of(*answer));
  if (call.json) put(answer->body);
  else show(json);
  return json.at(good).get<bool>() ? kGood : kBad;
}

/// Members at one address need the same rule: it is shown once.
void show_rules(const Json& members) {
  std::set<std::vector<std::string>> rows;
  for (const auto& m : members) {
    for (const auto& rule : m.at("to_open"))
      rows.insert({rule.at("protocol").get<std::string>() + " in", rule.at("port").dump(), rule.at("to").get<std::string>(), rule.at("from").get<std::string>()});
  }
  if (rows.empty()) return;
  Table rules({"OPEN", "PORT", "AT", "FOR"});
  for (const auto& row : rows) rules.row(row);
  put("\nA firewall would have to open (and let out at the other end):\n" + rules.text());
}

void show_views(const Json& json) {
  say(fmt::format("seen from {}: {} members, the same view at {} others", json.at("self").get<std::string>(), json.at("members").dump(),
                  json.at("agreeing").size()));
  if (!json.at("disagreements").empty()) {
    Table table({"MEMBER", "HERE", "ELSEWHERE", "SAY"});
    for (const auto& row : json.at("disagreements"))
      for (const auto& other : row.at("elsewhere"))
        table.row({row.at("member").get<std::string>(), belief(row.at("here")), belief(other), names(other.at("says"))});
    put(table.text());
  }
  if (!json.at("cut").empty()) say("too much differs for one answer: " + names(json.at("cut")));
  if (!json.at("silent").empty()) say("did not answer: " + names(json.at("silent")));
}

void show_ways(const Json& json) {
  Table table({"MEMBER", "ADDRESS", "STATE", "UDP OUT", "UDP IN", "TCP OUT", "TCP IN", "BYTES OUT", "BYTES IN", "RTT ms", "CLOCK ms", "PINGED"});
  bool all_checked = true, too_large = false;
  for (const auto& m : json.at("members")) {
    const auto way = [&](const char* protocol, const char* direction) { return m.at(protocol).at(direction).get<std::string>(); };
    const auto size = [&](const char* direction) { return m.at("packet_bytes").at(direction).is_null() ? std::string("-") : m.at("packet_bytes").at(direction).dump(); };
    if (m.at("packets_too_large") == true) too_large = true;
    const bool checked = m.at("checked").get<bool>();
    all_checked = all_checked && checked;
    table.row({m.at("member").get<std::string>(), m.at("address").get<std::string>(), m.at("state").get<std::string>(), way("udp", "out"), way("udp", "in"),
               way("tcp", "out"), way("tcp", "in"), size("out"), size("in"), number(m.at("rtt_ms")), number(m.at("clock_offset_ms")),
               !checked ? "no" : m.at("answered").get<bool>() ? "both ways" : "from here"});
  }
  say(fmt::format("seen from {} at {}", json.at("self").get<std::string>(), json.at("address").get<std::string>()));
  put(table.text());
  for (const auto& m : json.at("members")) {
    for (const char* direction : {"out", "in"}) {
      const auto& problem = m.at("tcp").at(fmt::format("{}_problem", direction));
      if (problem.is_string() && !problem.get<std::string>().empty())
        say(fmt::format("{}: tcp {}: {}", m.at("member").get<std::string>(), direction, problem.get<std::string>()));
    }
  }
  for (const auto& row : json.at("elsewhere")) {
    const auto packets = row.at("packets").get<std::string>(), link = row.at("no_link").get<std::string>();
    say(fmt::format("{} says of {}: udp {}{}", row.at("at").get<std::string>(), row.at("member").get<std::string>(), packets,
                    link.empty() ? "" : "; no link: " + link));
  }
  if (!json.at("silent").empty()) say("did not answer: " + names(json.at("silent")));
  if (!all_checked) say("not all were pinged: name one of them (plumvine reachability MEMBER)");
  if (too_large)
    say(fmt::format("packets of udp_buffer_size ({}) are lost where smaller ones pass: set udp_buffer_size on all members to the least under BYTES, or let "
                    "pieces of cut packets through", json.at("udp_buffer_size").dump()));
  show_rules(json.at("members"));
}

}  // namespace

int members_diff(const Call& call) {
  return ask(call, "/members?diff=1", "agree", show_views);
}

int reachability(const Call& call) {
  if (call.arguments.size() > 1) return complain(kUsage, "reachability [MEMBER]");
  const std::string path = call.arguments.empty() ? "/reachability" : "/reachability/" + percent_encode(call.arguments[0]);
  return ask(call, path, "ok", show_ways);
}

}  // namespace plumvine::cli
