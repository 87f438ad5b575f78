// What members believe of each other, and which ways lead from one to the other.
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
  const auto state = said["state"].get<std::string>();
  return said["incarnation"].is_number() ? fmt::format("{} ({})", state, said["incarnation"].dump()) : state;
}

std::string number(const Json& value) { return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : "-"; }

/// Asks, and shows the answer: as it came with --json, else by `show`. Bad where `good`, a field of it, is false.
int ask(const Call& call, const std::string& path, const char* good, void (*show)(const Json&)) {
  Client client(call.http);
  const auto answer = client.get(path);
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || !json.is_object()) return complain(kBad, words_of(*answer));
  if (call.json) say(answer->body);
  else show(json);
  return json[good].get<bool>() ? kGood : kBad;
}

void show_rules(const Json& members) {
  Table rules({"OPEN", "PORT", "AT", "FOR"});
  bool any = false;
  for (const auto& m : members) {
    for (const auto& rule : m["to_open"]) {
      any = true;
      rules.row({rule["protocol"].get<std::string>() + " in", rule["port"].dump(), rule["to"].get<std::string>(), rule["from"].get<std::string>()});
    }
  }
  if (any) say("\nA firewall would have to open (and let out at the other end):\n" + rules.text());
}

void show_views(const Json& json) {
  say(fmt::format("seen from {}: {} members, the same view at {} others", json["self"].get<std::string>(), json["members"].dump(),
                  json["agreeing"].size()));
  if (!json["disagreements"].empty()) {
    Table table({"MEMBER", "HERE", "ELSEWHERE", "SAY"});
    for (const auto& row : json["disagreements"])
      for (const auto& other : row["elsewhere"])
        table.row({row["member"].get<std::string>(), belief(row["here"]), belief(other), names(other["says"])});
    say(table.text());
  }
  if (!json["cut"].empty()) say("too much differs for one answer: " + names(json["cut"]));
  if (!json["silent"].empty()) say("did not answer: " + names(json["silent"]));
}

void show_ways(const Json& json) {
  Table table({"MEMBER", "ADDRESS", "STATE", "UDP OUT", "UDP IN", "TCP OUT", "TCP IN", "BYTES OUT", "BYTES IN", "RTT ms", "CLOCK ms", "PINGED"});
  bool all_checked = true, too_large = false;
  for (const auto& m : json["members"]) {
    const auto way = [&](const char* protocol, const char* direction) { return m[protocol][direction].get<std::string>(); };
    const auto size = [&](const char* direction) { return m["packet_bytes"][direction].is_null() ? std::string("-") : m["packet_bytes"][direction].dump(); };
    if (m["packets_too_large"] == true) too_large = true;
    const bool checked = m["checked"].get<bool>();
    all_checked = all_checked && checked;
    table.row({m["member"].get<std::string>(), m["address"].get<std::string>(), m["state"].get<std::string>(), way("udp", "out"), way("udp", "in"),
               way("tcp", "out"), way("tcp", "in"), size("out"), size("in"), number(m["rtt_ms"]), number(m["clock_offset_ms"]),
               !checked ? "no" : m["answered"].get<bool>() ? "both ways" : "from here"});
  }
  say(fmt::format("seen from {} at {}\n", json["self"].get<std::string>(), json["address"].get<std::string>()) + table.text());
  for (const auto& m : json["members"]) {
    for (const char* direction : {"out", "in"}) {
      const auto& problem = m["tcp"][fmt::format("{}_problem", direction)];
      if (problem.is_string() && !problem.get<std::string>().empty())
        say(fmt::format("{}: tcp {}: {}", m["member"].get<std::string>(), direction, problem.get<std::string>()));
    }
  }
  for (const auto& row : json["elsewhere"]) {
    const auto packets = row["packets"].get<std::string>(), link = row["no_link"].get<std::string>();
    say(fmt::format("{} says of {}: udp {}{}", row["at"].get<std::string>(), row["member"].get<std::string>(), packets,
                    link.empty() ? "" : "; no link: " + link));
  }
  if (!json["silent"].empty()) say("did not answer: " + names(json["silent"]));
  if (!all_checked) say("not all were pinged: name one of them (plumvine reachability MEMBER)");
  if (too_large)
    say(fmt::format("packets of udp_buffer_size ({}) are lost where smaller ones pass: set udp_buffer_size on all members to the least under BYTES, or let "
                    "pieces of cut packets through", json["udp_buffer_size"].dump()));
  show_rules(json["members"]);
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
