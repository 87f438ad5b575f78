// Who gets messages, and on which way.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "table.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::json;

std::string number(const Json& value, const char* format) { return value.is_number() ? fmt::format(fmt::runtime(format), value.get<double>()) : "-"; }

}  // namespace

int trace(const Call& call) {
  if (call.arguments.size() != 1) return complain(kUsage, "trace ID");
  Client client(call.http);
  const auto answer = client.get("/trace/" + percent_encode(call.arguments[0]));
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status == 400) return complain(kUsage, words_of(*answer));
  if (answer->status != 200 || !json.is_object()) return complain(kBad, words_of(*answer));
  if (call.json) {
    put(answer->body);
    return kGood;
  }
  Table table({"MEMBER", "STATE", "DELIVERED", "HOPS", "DELAY ms", "WAITED ms", "FROM", "SENT TO"});
  for (const auto& path : json.at("paths")) {
    table.row({path.at("member").get<std::string>(), path.at("state").get<std::string>(), path.at("delivered").get<bool>() ? "yes" : "no",
               number(path.value("hops", Json()), "{:.0f}"), number(path.value("delay_ms", Json()), "{:.3f}"),
               number(path.value("waited_ms", Json()), "{:.3f}"), path.contains("from") && path.at("from").is_string() ? path.at("from").get<std::string>() : "-", names(path.value("sent", Json::array()))});
  }
  say("message " + json.at("id").get<std::string>());
  put(table.text());
  if (!json.at("silent").empty()) say("did not answer: " + names(json.at("silent")));
  return kGood;
}

int test_delivery(const Call& call) {
  if (!call.arguments.empty()) return complain(kUsage, "test-delivery [--size BYTES] [--count N] [--timeout T]");
  Client client(call.http);
  const auto answer = client.post(fmt::format("/test-delivery?size={}&count={}&timeout={}", percent_encode(call.size), percent_encode(call.count),
                                              percent_encode(call.timeout)),
                                  "");
  if (!answer) return complain(kUnreachable, client.error());
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status == 400) return complain(kUsage, words_of(*answer));
  if (!json.is_object() || !json.contains("members")) return complain(kBad, words_of(*answer));
  const bool complete = json.at("complete").get<bool>();
  if (call.json) {
    put(answer->body);
    return complete ? kGood : kBad;
  }
  Table table({"MEMBER", "RECEIVED", "HOPS", "DELAY ms"});
  for (const auto& member : json.at("members")) {
    table.row({member.at("member").get<std::string>(), fmt::format("{} of {}", member.at("received").get<std::size_t>(), json.at("count").get<std::size_t>()),
               number(member.at("hops"), "{:.0f}"), number(member.at("delay_ms"), "{:.3f}")});
  }
  put(table.text());
  say(complete ? "every member has every probe" : "missing at: " + names(json.at("missing")));
  return complete ? kGood : kBad;
}

}  // namespace plumvine::cli
