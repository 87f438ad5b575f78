#include "commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "dot.hpp"
#include "table.hpp"
#include "terminal.hpp"
#include "tools/agent/options.hpp"
#include "tools/agent/publisher.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Fetches JSON and shows it: raw with --json, else by `show`.
int fetch(const Call& call, const std::string& path, const std::function<int(const Json&)>& show) {
  Client client(call.http);
  const auto answer = client.get(path);
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (json.is_discarded() || (answer->status != 200 && answer->status != 503) ||
      (json.is_object() && json.contains("error"))) {
    return complain(kBad, words_of(*answer));
  }
  if (call.json) {
    say(answer->body);
    return answer->status == 200 ? kGood : kBad;
  }
  const int status = show(json);
  return answer->status == 200 ? status : kBad;
}

std::string with_coloured_start(const std::string& text) {
  if (!shows_colours(stdout)) return text;
  const auto end = std::min(text.find(' '), text.size());
  return coloured(text.substr(0, end)) + text.substr(end);
}

std::string milliseconds_text(const Json& value) {
  return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : "-";
}

std::string tags_text(const Json& tags) {
  std::string out;
  for (const auto& [key, value] : tags.items())
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value.get<std::string>());
  return out;
}

int members(const Call& call) {
  if (call.diff) return members_diff(call);
  return fetch(call, "/members", [](const Json& json) {
    Table table({"NAME", "ADDRESS", "STATE", "INCARNATION", "RTT ms", "LINKS", "PACKETS", "TAGS"});
    for (const auto& m : json) {
      const auto addr = m["addr"].get<std::string>();
      table.row(
          {m["name"].get<std::string>() + (m["self"].get<bool>() ? " *" : ""),
           fmt::format("{}:{}", addr.find(':') == std::string::npos ? addr : "[" + addr + "]", m["port"].get<int>()),
           m["state"].get<std::string>(), fmt::format("{}", m["incarnation"].get<std::uint32_t>()),
           milliseconds_text(m["rtt_ms"]), m["link"].get<bool>() ? "yes" : "no", m.value("packets", "open"), tags_text(m["tags"])});
    }
    say(table.text());
    return kGood;
  });
}

int peers(const Call& call) {
  return fetch(call, "/peers", [](const Json& json) {
    const auto list = [&](const char* key) {
      std::string out;
      for (const auto& name : json[key]) out += (out.empty() ? "" : ", ") + name.get<std::string>();
      return out.empty() ? std::string("none") : out;
    };
    say(fmt::format("self       {}\neager      {}\nlazy       {}\nprotected  {}\n", json["self"].get<std::string>(),
                    list("eager"), list("lazy"), list("protected")));
    Table table({"PEER", "ROLE", "STATE", "DIRECTION", "RTT ms", "GRAFT ms", "SCORE", "QUEUE B", "QUEUE MSG", "SENT B",
                 "RECEIVED B", "LAST FRAME s"});
    for (const char* group : {"links", "unestablished"})
      for (const auto& l : json[group]) {
        table.row({l["peer"].get<std::string>(), l["role"].get<std::string>(), l["state"].get<std::string>(),
                   l["direction"].get<std::string>(), milliseconds_text(l["rtt_ms"]), milliseconds_text(l["graft_timeout_ms"]),
                   fmt::format("{:.2f}", l["score"].get<double>()), l["queue_bytes"].dump(), l["queue_messages"].dump(),
                   l["sent_bytes"].dump(), l["received_bytes"].dump(),
                   fmt::format("{:.1f}", l["last_frame_s"].get<double>())});
      }
    say(table.text());
    if (const Json gray = json.value("graylist", Json::array()); !gray.empty()) {
      Table kept_out({"KEPT OUT", "ADDRESS", "TIMES", "LEFT s", "REASON"});
      for (const auto& g : gray)
        kept_out.row({g["peer"].get<std::string>(), g["address"].get<std::string>(), g["times"].dump(), fmt::format("{:.0f}", g["left_s"].get<double>()),
                      g["reason"].get<std::string>()});
      say("\n" + kept_out.text());
    }
    return kGood;
  });
}

int tree(const Call& call) {
  const std::string path = call.topic.empty() ? "/tree" : "/tree?topic=" + percent_encode(call.topic);
  if (call.dot && !call.json) {
    Client client(call.http);
    const auto answer = client.get(path);
    if (!answer) return complain(kUnreachable, client.error());
    if (answer->status != 200) return complain(kBad, words_of(*answer));
    say(dot_of(answer->body));
    return kGood;
  }
  return fetch(call, path, [&](const Json& json) {
    if (!call.topic.empty() && json["trees"].empty()) {
      say(fmt::format("no message on topic {} is held here: nothing tells which trees carry it", call.topic));
      return kGood;
    }
    Table table({"TREE", "ROOT", "EPOCH", "SETTLED", "PARENT", "EAGER", "LAZY"});
    for (const auto& t : json["trees"]) {
      table.row({t["tree"].get<std::string>(), t["root"].is_null() ? "-" : t["root"].get<std::string>(),
                 t["epoch"].dump(), t["settled"].get<bool>() ? "yes" : "no",
                 t["parent"].is_null() ? "-" : t["parent"].get<std::string>(), names(t["eager"], ","), names(t["lazy"], ",")});
    }
    say(fmt::format("seen from {}\n", json["self"].get<std::string>()) + table.text());
    return kGood;
  });
}

int lag(const Call& call) {
  return fetch(call, "/lag", [](const Json& json) {
    const auto seconds = [](const Json& row) { return fmt::format("{:.1f}", row["age_s"].get<double>()); };
    Table table({"ORIGIN", "INSTANCE", "HIGHEST", "DELIVERED", "MISSING", "AGE s", "LEVEL"});
    for (const auto& o : json["origins"]) {
      table.row({o["origin"].get<std::string>(), o["instance"].get<std::string>(), o["highest"].dump(), o["delivered"].dump(), o["missing"].dump(),
                 seconds(o), o["level"].get<std::string>()});
    }
    say(table.text());
    if (!json["subscribers"].empty()) {
      Table subscribers({"SUBSCRIBER", "TOPIC", "READS", "BEHIND", "BYTES", "AGE s", "LEVEL"});
      for (const auto& r : json["subscribers"]) {
        subscribers.row({r["from"].get<std::string>(), r["topic"].get<std::string>(), r["reads"].get<std::string>(), r["behind"].dump(), r["bytes"].dump(),
                         seconds(r), r["level"].get<std::string>()});
      }
      say("\n" + subscribers.text());
    }
    if (json["large"].empty()) return kGood;
    Table large({"LARGE", "ORIGIN", "TOPIC", "HERE", "BYTES", "AGE s"});
    for (const auto& l : json["large"]) {
      large.row({l["id"].get<std::string>(), l["origin"].get<std::string>(), l["topic"].get<std::string>(), l["bytes_here"].dump(), l["bytes"].dump(),
                 seconds(l)});
    }
    say("\n" + large.text());
    return kGood;
  });
}

int health(const Call& call) {
  const std::string path = "/healthz" + (call.component.empty() ? "" : "?component=" + percent_encode(call.component));
  return fetch(call, path, [](const Json& json) {
    say(with_coloured_start(json["message"].get<std::string>()));  // begins with the status
    for (const auto& r : json["reasons"]) {
      say(fmt::format("  [{}] {} {}: {} {}", r["code"].get<std::string>(), r["severity"].get<std::string>(),
                      r["component"].get<std::string>(), r["remedy"].get<std::string>(),
                      r["evidence"].empty() ? "" : r["evidence"].dump()));
    }
    for (const char* part : {"peer_health", "delivery_health", "cache_health", "loop_health"}) {
      std::string line;
      for (const auto& [key, value] : json[part].items())
        line += fmt::format(" {}={}", key, value.is_string() ? value.get<std::string>() : value.dump());
      say(fmt::format("{}:{}", part, line));
    }
    return json["status"] == "unhealthy" ? kBad : kGood;
  });
}

int metrics(const Call& call) {
  Client client(call.http);
  const auto answer = client.get("/metrics");
  if (!answer) return complain(kUnreachable, client.error());
  if (answer->status != 200) return complain(kBad, words_of(*answer));
  std::regex wanted;
  try {
    wanted = std::regex(call.grep);
  } catch (const std::regex_error&) {
    return complain(kUsage, fmt::format("--grep: '{}' is not a regular expression", call.grep));
  }
  Json found = Json::array();
  bool any = false;
  std::string_view rest = answer->body;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const std::string line(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (!call.grep.empty() && !std::regex_search(line, wanted)) continue;
    any = true;
    if (!call.json) {
      say(line);
    } else if (!line.empty() && line[0] != '#') {
      const auto space = line.rfind(' ');
      found.push_back({{"series", line.substr(0, space)}, {"value", line.substr(space + 1)}});
    }
  }
  if (call.json) say(found.dump());
  return any ? kGood : kBad;
}

/// What became of one message with --ack: names who lacks it.
int show_receipt(const Call& call, const Answer& answer) {
  if (call.json) say(answer.body);
  const Json json = Json::parse(answer.body, nullptr, false);
  const auto list = [&](const char* key) {
    std::string out;
    for (const auto& name : json[key]) out += (out.empty() ? "" : ", ") + name.get<std::string>();
    return out.empty() ? std::string("nobody") : out;
  };
  const bool complete = json["complete"].get<bool>();
  if (!call.json) say(fmt::format("{}: {} acknowledged; missing: {}", json["id"].get<std::string>(), json["acked"].size(), list("missing")));
  return complete ? kGood : kBad;
}

/// Posts one message; while the cluster is overloaded it waits and tries again.
int publish_one(Client& client, const Call& call, const std::string& path, BytesView payload) {
  for (auto wait = std::chrono::milliseconds{10};; wait = std::min(wait * 2, std::chrono::milliseconds{500})) {
    const auto answer = client.post(path, plumvine::as_text(payload));
    if (!answer) return complain(kUnreachable, client.error());
    if (answer->status == 429) {
      std::this_thread::sleep_for(wait);
      continue;
    }
    if (!call.ack.empty() && (answer->status == 200 || answer->status == 504)) return show_receipt(call, *answer);
    if (answer->status != 202) return complain(kBad, words_of(*answer));
    if (call.json) say(answer->body);
    return kGood;
  }
}

int publish(const Call& call) {
  if (call.arguments.empty() || call.arguments.size() > 2) return complain(kUsage, "publish TOPIC [TEXT|-] [--ack all|K] [--timeout T]");
  std::string path = "/publish/" + percent_encode(call.arguments[0]);
  if (!call.ack.empty()) path += fmt::format("?ack={}&timeout={}", percent_encode(call.ack), percent_encode(call.timeout));
  const std::string text = call.arguments.size() > 1 ? call.arguments[1] : "-";
  Client client(call.http);
  if (text != "-") return publish_one(client, call, path, plumvine::as_bytes(text));
  int status = kGood;
  agent::LineSplitter splitter(64u << 20);
  const auto send = [&](Bytes line) {
    if (status != kUnreachable) status = std::max(status, publish_one(client, call, path, line.view()));
  };
  const auto skipped = [&](std::uint64_t number) {
    status = complain(kBad, fmt::format("line {} is above 64 MiB and was skipped", number));
  };
  std::string buffer(256 * 1024, '\0');
  for (ssize_t n; status != kUnreachable && (n = read(STDIN_FILENO, buffer.data(), buffer.size())) > 0;) {
    splitter.feed({buffer.data(), static_cast<std::size_t>(n)}, send, skipped);
  }
  splitter.finish(send, skipped);
  return status;
}

int operation(const Call& call, const std::string& path, const std::string& body) {
  Client client(call.http);
  const auto answer = client.post(path, body);
  if (!answer) return complain(kUnreachable, client.error());
  if (answer->status >= 300) return complain(kBad, words_of(*answer));
  say(call.json ? answer->body : "done");
  return kGood;
}

int join(const Call& call) {
  if (call.arguments.empty()) return complain(kUsage, "join ADDR…");
  return operation(call, "/join", Json(call.arguments).dump());
}

int forget(const Call& call) {
  if (call.arguments.size() != 1) return complain(kUsage, "forget NAME");
  return operation(call, "/forget/" + percent_encode(call.arguments[0]), "");
}

int promote(const Call& call) {
  if (call.arguments.size() != 1) return complain(kUsage, "promote PEER");
  return operation(call, "/promote/" + percent_encode(call.arguments[0]), "");
}

int trim(const Call& call) {
  Client client(call.http);
  const auto answer = client.post("/trim", "");
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || !json.is_object()) return complain(kBad, words_of(*answer));
  if (call.json) say(answer->body);
  else
    say(fmt::format("dropped {} messages of {} bytes; {} bytes of memory went back to the system", json["messages"].dump(), json["bytes"].dump(),
                    json["returned_bytes"].dump()));
  return kGood;
}

/// The key of an order: from the command line, or with `-` from standard input, where other users do not see it.
std::string key_typed(const std::string& argument) {
  if (argument != "-") return argument;
  std::string line;
  std::getline(std::cin, line);
  return line;
}

void show_keys(const Json& json) {
  Table members({"MEMBER", "OUTCOME", "PRIMARY", "KEYS", "MESSAGE"});
  for (const auto& m : json["members"]) {
    const auto keys = m.value("keys", Json::array()).size();
    members.row({m["name"].get<std::string>(), m["outcome"].get<std::string>(), m.value("primary", "-"),
                 keys == 0 ? "-" : std::to_string(keys), m["message"].get<std::string>()});
  }
  say(members.text());
  if (!json.contains("keys")) return;
  Table keys({"KEY", "INSTALLED AT", "PRIMARY AT"});
  for (const auto& [key, count] : json["keys"].items())
    keys.row({key, count.dump(), json["primaries"].value(key, Json(0)).dump()});
  say("\n" + keys.text());
}

int keys(const Call& call) {
  static constexpr const char* usage = "keys list, or keys install|use|remove KEY|- [--force]";
  const auto& typed = call.arguments;
  if (typed.empty() || typed.size() != (typed[0] == "list" ? 1u : 2u)) return complain(kUsage, usage);
  if (typed[0] != "list" && typed[0] != "install" && typed[0] != "use" && typed[0] != "remove") return complain(kUsage, usage);
  Json order = Json::object();
  if (typed.size() == 2) order = {{"key", key_typed(typed[1])}, {"force", call.force}};
  Client client(call.http);
  const auto answer = client.post("/keys/" + typed[0], order.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (!json.is_object() || !json.contains("members")) return complain(kBad, words_of(*answer));
  if (call.json) say(answer->body);
  else show_keys(json);
  if (json["refused"].is_string())
    return complain(kBad, fmt::format("refused: {} (--force gives the order all the same)", json["refused"].get<std::string>()));
  return json["ok"].get<bool>() ? kGood : kBad;
}

int config_validate(const Call& call) {
  const std::string& file = call.arguments[1];
  const auto refusal = agent::validate_file(file);
  const auto problems = refusal ? refusal->problems : std::vector<std::string>{};
  if (call.json) {
    say(Json{{"file", file}, {"valid", problems.empty()}, {"problems", problems}}.dump(-1, ' ', false,
                                                                                       Json::error_handler_t::replace));
    return problems.empty() ? kGood : kBad;
  }
  for (const auto& problem : problems) complain(kBad, problem);
  if (problems.empty()) say(file + ": valid");
  return problems.empty() ? kGood : kBad;
}

int config(const Call& call) {
  if (call.arguments.size() == 2 && call.arguments[0] == "validate") return config_validate(call);
  if (call.arguments.size() != 1 || call.arguments[0] != "show")
    return complain(kUsage, "config validate FILE, or config show [--origin]");
  const auto text = [](const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  return fetch(call, call.origin ? "/config?origin=1" : "/config", [&](const Json& json) {
    Table table({"KEY", "VALUE", "ORIGIN"});
    for (const auto& [key, value] : json.items()) {
      if (call.origin) table.row({key, text(value["value"]), value["origin"].get<std::string>()});
      else say(fmt::format("{} = {}", key, text(value)));
    }
    if (call.origin) say(table.text());
    return kGood;
  });
}

int block(const Call& call) {
  static constexpr const char* usage = "block list, block add WHAT [--ttl DURATION], or block rm WHAT; WHAT is an address, a network, name:NAME or identity:SAN";
  const auto& typed = call.arguments;
  if (typed.empty() || typed.size() != (typed[0] == "list" ? 1u : 2u)) return complain(kUsage, usage);
  if (typed[0] == "list") {
    return fetch(call, "/block", [](const Json& json) {
      Table table({"BLOCKED", "LEFT", "KEPT OUT"});
      for (const auto& b : json) {
        const std::string left = b["left_s"].is_number() ? fmt::format("{:.0f} s", b["left_s"].get<double>()) : "until it is removed";
        table.row({b["what"].get<std::string>(), left, b["refused"].dump()});
      }
      say(table.text());
      return kGood;
    });
  }
  if (typed[0] != "add" && typed[0] != "rm") return complain(kUsage, usage);
  if (typed[0] == "rm" && !call.ttl.empty()) return complain(kUsage, "--ttl goes with block add");
  Json order{{"what", typed[1]}};
  if (!call.ttl.empty()) order["ttl"] = call.ttl;
  return operation(call, "/block/" + typed[0], order.dump(-1, ' ', false, Json::error_handler_t::replace));
}

using Command = int (*)(const Call&);
const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> table{
      {"members", members},
      {"peers", peers},
      {"tree", tree},
      {"lag", lag},
      {"health", health},
      {"metrics", metrics},
      {"publish", publish},
      {"subscribe", subscribe},
      {"events", events},
      {"stats", stats},
      {"analyze", analyze},
      {"state", state},
      {"resync", resync},
      {"explain", explain},
      {"doctor", doctor},
      {"trace", trace},
      {"test-delivery", test_delivery},
      {"promote", promote},
      {"trim", trim},
      {"reachability", reachability},
      {"top", top},
      {"bundle", bundle},
      {"join", join},
      {"forget", forget},
      {"keys", keys},
      {"block", block},
      {"config", config},
      {"tls", tls},
      {"leave", [](const Call& c) { return operation(c, "/leave", ""); }},
      {"rejoin", [](const Call& c) { return operation(c, "/rejoin", ""); }}};
  return table;
}

}  // namespace

const std::vector<std::string>& command_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& [name, command] : commands()) out.push_back(name);
    return out;
  }();
  return names;
}

int run(const Call& call) {
  const auto it = commands().find(call.command);
  if (it == commands().end()) {
    return complain(kUsage,
                    fmt::format("unknown command '{}' (allowed: {})", call.command, fmt::join(command_names(), ", ")));
  }
  static constexpr std::string_view with_arguments[] = {"publish", "subscribe", "join", "forget", "keys", "block", "config", "explain", "promote", "trace", "reachability", "analyze", "state", "tls"};
  const bool takes =
      std::find(std::begin(with_arguments), std::end(with_arguments), call.command) != std::end(with_arguments);
  if (!takes && !call.arguments.empty())
    return complain(kUsage, fmt::format("{}: '{}' is one argument too many", call.command, call.arguments[0]));
  return it->second(call);
}

}  // namespace plumvine::cli
