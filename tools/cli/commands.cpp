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
#include "health/json_text.hpp"
#include "judge.hpp"
#include "table.hpp"
#include "terminal.hpp"
#include "typed.hpp"
#include "tools/agent/options.hpp"
#include "tools/agent/publisher.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Fetches JSON and shows it: raw with --json, else by `show`.
int fetch(const Call& call, const std::string& path, const std::function<int(const Json&)>& show) {
  Client client(call.http);
  const auto answer = client.get(path);
  if (!answer) return complain(kUnreachable, client.error());
  if (answer->status != 200 && answer->status != 503) return complain(kBad, words_of(*answer));
  const Json json = Json::parse(answer->body);
  if (json.is_object() && json.contains("error")) return complain(kBad, words_of(*answer));
  if (call.json) {
    put(answer->body);
    return answer->status == 200 ? kGood : kBad;
  }
  const int status = show(json);
  return answer->status == 200 ? status : kBad;
}

std::string with_coloured_start(const std::string& raw) {
  const std::string text = dump::printable(raw);
  if (!shows_colours(stdout)) return text;
  const auto end = std::min(text.find(' '), text.size());
  return coloured(text.substr(0, end)) + text.substr(end);
}

std::string milliseconds_text(const Json& value) {
  return value.is_number() ? fmt::format("{:.2f}", value.get<double>()) : "-";
}

/// An older agent does not tell.
std::string seconds_text(const Json& value) {
  return value.is_number() ? fmt::format("{:.1f}", value.get<double>()) : "-";
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
      const auto addr = m.at("addr").get<std::string>();
      table.row(
          {m.at("name").get<std::string>() + (m.at("self").get<bool>() ? " *" : ""),
           fmt::format("{}:{}", addr.find(':') == std::string::npos ? addr : "[" + addr + "]", m.at("port").get<int>()),
           m.at("state").get<std::string>(), fmt::format("{}", m.at("incarnation").get<std::uint32_t>()),
           milliseconds_text(m.at("rtt_ms")), m.at("link").get<bool>() ? "yes" : "no", m.value("packets", "open"), tags_text(m.at("tags"))});
    }
    put(table.text());
    return kGood;
  });
}

int peers(const Call& call) {
  return fetch(call, "/peers", [](const Json& json) {
    const auto list = [&](const char* key) {
      std::string out;
      for (const auto& name : json.at(key)) out += (out.empty() ? "" : ", ") + name.get<std::string>();
      return out.empty() ? std::string("none") : out;
    };
    say("self       " + json.at("self").get<std::string>());
    say("eager      " + list("eager"));
    say("lazy       " + list("lazy"));
    say("protected  " + list("protected"));
    say("");
    Table table({"PEER", "ROLE", "STATE", "DIRECTION", "RTT ms", "GRAFT ms", "SCORE", "QUEUE B", "QUEUE MSG", "SENT B",
                 "RECEIVED B", "LAST FRAME s", "UP s"});
    for (const char* group : {"links", "unestablished"})
      for (const auto& l : json.at(group)) {
        table.row({l.at("peer").get<std::string>(), l.at("role").get<std::string>(), l.at("state").get<std::string>(),
                   l.at("direction").get<std::string>(), milliseconds_text(l.at("rtt_ms")), milliseconds_text(l.at("graft_timeout_ms")),
                   fmt::format("{:.2f}", l.at("score").get<double>()), l.at("queue_bytes").dump(), l.at("queue_messages").dump(),
                   l.at("sent_bytes").dump(), l.at("received_bytes").dump(),
                   fmt::format("{:.1f}", l.at("last_frame_s").get<double>()), seconds_text(l.value("up_s", Json(nullptr)))});
      }
    put(table.text());
    if (const Json gray = json.value("graylist", Json::array()); !gray.empty()) {
      Table kept_out({"KEPT OUT", "ADDRESS", "TIMES", "LEFT s", "REASON"});
      for (const auto& g : gray)
        kept_out.row({g.at("peer").get<std::string>(), g.at("address").get<std::string>(), g.at("times").dump(), fmt::format("{:.0f}", g.at("left_s").get<double>()),
                      g.at("reason").get<std::string>()});
      put("\n" + kept_out.text());
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
    put(dot_of(answer->body));
    return kGood;
  }
  return fetch(call, path, [&](const Json& json) {
    if (!call.topic.empty() && json.at("trees").empty()) {
      say(fmt::format("no message on topic {} is held here: nothing tells which trees carry it", call.topic));
      return kGood;
    }
    Table table({"TREE", "ROOT", "EPOCH", "SETTLED", "PARENT", "EAGER", "LAZY"});
    for (const auto& t : json.at("trees")) {
      table.row({t.at("tree").get<std::string>(), t.at("root").is_null() ? "-" : t.at("root").get<std::string>(),
                 t.at("epoch").dump(), t.at("settled").get<bool>() ? "yes" : "no",
                 t.at("parent").is_null() ? "-" : t.at("parent").get<std::string>(), names(t.at("eager"), ","), names(t.at("lazy"), ",")});
    }
    say("seen from " + json.at("self").get<std::string>());
    put(table.text());
    return kGood;
  });
}

int lag(const Call& call) {
  return fetch(call, "/lag", [](const Json& json) {
    const auto seconds = [](const Json& row) { return fmt::format("{:.1f}", row.at("age_s").get<double>()); };
    Table table({"ORIGIN", "INSTANCE", "HIGHEST", "DELIVERED", "MISSING", "AGE s", "LEVEL"});
    for (const auto& o : json.at("origins")) {
      table.row({o.at("origin").get<std::string>(), o.at("instance").get<std::string>(), o.at("highest").dump(), o.at("delivered").dump(), o.at("missing").dump(),
                 seconds(o), o.at("level").get<std::string>()});
    }
    put(table.text());
    if (!json.at("subscribers").empty()) {
      Table subscribers({"SUBSCRIBER", "TOPIC", "READS", "BEHIND", "BYTES", "AGE s", "LEVEL"});
      for (const auto& r : json.at("subscribers")) {
        subscribers.row({r.at("from").get<std::string>(), r.at("topic").get<std::string>(), r.at("reads").get<std::string>(), r.at("behind").dump(), r.at("bytes").dump(),
                         seconds(r), r.at("level").get<std::string>()});
      }
      put("\n" + subscribers.text());
    }
    if (json.at("large").empty()) return kGood;
    Table large({"LARGE", "ORIGIN", "TOPIC", "HERE", "BYTES", "AGE s"});
    for (const auto& l : json.at("large")) {
      large.row({l.at("id").get<std::string>(), l.at("origin").get<std::string>(), l.at("topic").get<std::string>(), l.at("bytes_here").dump(), l.at("bytes").dump(),
                 seconds(l)});
    }
    put("\n" + large.text());
    return kGood;
  });
}

int health(const Call& call) {
  const std::string path = "/healthz" + (call.component.empty() ? "" : "?component=" + percent_encode(call.component));
  return fetch(call, path, [](const Json& json) {
    put(with_coloured_start(json.at("message").get<std::string>()));  // begins with the status
    for (const auto& r : json.at("reasons")) {
      say(fmt::format("  [{}] {} {}: {} {}", r.at("code").get<std::string>(), r.at("severity").get<std::string>(),
                      r.at("component").get<std::string>(), r.at("remedy").get<std::string>(),
                      r.at("evidence").empty() ? "" : r.at("evidence").dump()));
    }
    for (const char* part : {"peer_health", "delivery_health", "cache_health", "loop_health"}) {
      std::string line;
      for (const auto& [key, value] : json.at(part).items())
        line += fmt::format(" {}={}", key, value.is_string() ? value.get<std::string>() : value.dump());
      say(fmt::format("{}:{}", part, line));
    }
    return json.at("status") == "unhealthy" ? kBad : kGood;
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
  if (call.json) put(uv::text_of(found));
  return any ? kGood : kBad;
}

/// What became of one message with --ack: names who lacks it.
int show_receipt(const Call& call, const Answer& answer) {
  if (call.json) put(answer.body);
  const Json json = Json::parse(answer.body, nullptr, false);
  const auto list = [&](const char* key) {
    std::string out;
    for (const auto& name : json.at(key)) out += (out.empty() ? "" : ", ") + name.get<std::string>();
    return out.empty() ? std::string("nobody") : out;
  };
  const bool complete = json.at("complete").get<bool>();
  if (!call.json) say(fmt::format("{}: {} acknowledged; missing: {}", json.at("id").get<std::string>(), json.at("acked").size(), list("missing")));
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
    if (call.json) put(answer->body);
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
  put(call.json ? answer->body : "done");
  return kGood;
}

int join(const Call& call) {
  if (call.arguments.empty()) return complain(kUsage, "join ADDR…");
  return operation(call, "/join", uv::text_of(call.arguments));
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
  if (call.json) put(answer->body);
  else
    say(fmt::format("dropped {} messages of {} bytes; {} bytes of memory went back to the system", json.at("messages").dump(), json.at("bytes").dump(),
                    json.at("returned_bytes").dump()));
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
  for (const auto& m : json.at("members")) {
    const auto keys = m.value("keys", Json::array()).size();
    members.row({m.at("name").get<std::string>(), m.at("outcome").get<std::string>(), m.value("primary", "-"),
                 keys == 0 ? "-" : std::to_string(keys), m.at("message").get<std::string>()});
  }
  put(members.text());
  if (!json.contains("keys")) return;
  Table keys({"KEY", "INSTALLED AT", "PRIMARY AT"});
  for (const auto& [key, count] : json.at("keys").items())
    keys.row({key, count.dump(), json.at("primaries").value(key, Json(0)).dump()});
  put("\n" + keys.text());
}

int keys(const Call& call) {
  static constexpr const char* usage = "keys list, or keys install|use|remove KEY|- [--force]";
  const auto& typed = call.arguments;
  if (typed.empty() || typed.size() != (typed[0] == "list" ? 1u : 2u)) return complain(kUsage, usage);
  if (typed[0] != "list" && typed[0] != "install" && typed[0] != "use" && typed[0] != "remove") return complain(kUsage, usage);
  Json order = Json::object();
  if (typed.size() == 2) order = {{"key", key_typed(typed[1])}, {"force", call.force}};
  Client client(call.http);
  const auto answer = client.post("/keys/" + typed[0], uv::text_of(order));
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (!json.is_object() || !json.contains("members")) return complain(kBad, words_of(*answer));
  if (call.json) put(answer->body);
  else show_keys(json);
  if (json.at("refused").is_string())
    return complain(kBad, fmt::format("refused: {} (--force gives the order all the same)", json.at("refused").get<std::string>()));
  return json.at("ok").get<bool>() ? kGood : kBad;
}

int config_validate(const Call& call) {
  const std::string& file = call.arguments[1];
  const auto refusal = agent::validate_file(file);
  const auto problems = refusal ? refusal->problems : std::vector<std::string>{};
  if (call.json) {
    put(uv::text_of({{"file", file}, {"valid", problems.empty()}, {"problems", problems}}));
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
      if (call.origin) table.row({key, text(value.at("value")), value.at("origin").get<std::string>()});
      else say(fmt::format("{} = {}", key, text(value)));
    }
    if (call.origin) put(table.text());
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
        const std::string left = b.at("left_s").is_number() ? fmt::format("{:.0f} s", b.at("left_s").get<double>()) : "until it is removed";
        table.row({b.at("what").get<std::string>(), left, b.at("refused").dump()});
      }
      put(table.text());
      return kGood;
    });
  }
  if (typed[0] != "add" && typed[0] != "rm") return complain(kUsage, usage);
  Json order{{"what", typed[1]}};
  if (!call.ttl.empty()) order["ttl"] = call.ttl;
  return operation(call, "/block/" + typed[0], uv::text_of(order));
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
  if (const auto problem = problem_of(call)) return complain(kUsage, *problem);
  try {
    return it->second(call);
  } catch (const Foreign&) {
  } catch (const Json::exception&) {  // nothing but answers is read with what throws it
  }
  return complain(kUnreachable, not_ours(call.http));
}

}  // namespace plumvine::cli
