// Digests compared with neighbours by order, and what came of it.
#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <plumvine/config.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds{100};
/// A neighbour that has just told its digest does not tell it again at once, so it is asked again.
constexpr auto kAgain = std::chrono::seconds{1};

std::optional<Json> sync_of(Client& client) {
  const auto answer = client.get("/sync");
  if (!answer) return std::nullopt;
  Json json = Json::parse(answer->body, nullptr, false);
  return answer->status == 200 && json.is_object() && json.contains("links") ? json : Json();
}

/// Those of `asked` whose digest came within this time.
std::set<std::string> answered(const Json& sync, const std::set<std::string>& asked, Clock::duration since) {
  std::set<std::string> out;
  const double ms = std::chrono::duration<double, std::milli>(since).count();
  for (const Json& link : sync.at("links")) {
    const auto name = link.at("peer").get<std::string>();
    if (asked.contains(name) && link.at("digest_age_ms").is_number() && link.at("digest_age_ms").get<double>() < ms) out.insert(name);
  }
  return out;
}

std::string list_of(const std::set<std::string>& list) { return names(Json(list)); }

}  // namespace

int resync(const Call& call) {
  const auto timeout = parse_duration(call.timeout);
  if (!timeout || *timeout <= Duration{0} || *timeout > std::chrono::seconds{60})
    return complain(kUsage, fmt::format("--timeout: '{}' is not a time from above 0 to 60s", call.timeout));
  Client client(call.http);
  const auto before = sync_of(client);
  if (!before) return complain(kUnreachable, client.error());
  if (before->is_null()) return complain(kBad, "the agent does not know GET /sync: it is of an earlier version");
  const std::string order = call.from.empty() ? "/resync" : "/resync?from=" + percent_encode(call.from);
  const auto began = Clock::now();
  std::set<std::string> asked, told;
  Json now = *before;
  for (Clock::time_point again = began; Clock::now() - began < *timeout; std::this_thread::sleep_for(kLook)) {
    if (Clock::now() >= again && (asked.empty() || told.size() < asked.size())) {
      again = Clock::now() + kAgain;
      const auto answer = client.post(order, "");
      if (!answer) return complain(kUnreachable, client.error());
      if (answer->status != 202) return complain(kBad, words_of(*answer));
      const Json json = Json::parse(answer->body, nullptr, false);
      if (!json.is_object() || !json.contains("asked")) return complain(kBad, words_of(*answer));
      for (const Json& name : json.at("asked")) asked.insert(name.get<std::string>());
    }
    const auto sync = sync_of(client);
    if (!sync) return complain(kUnreachable, client.error());
    if (sync->is_null()) return complain(kBad, "GET /sync was not answered");
    now = *sync;
    told.merge(answered(now, asked, Clock::now() - began));
    if (told.size() == asked.size() && now.at("missing") == 0) break;
  }
  const auto grown = [&](const char* key) { return now.at(key).get<std::int64_t>() - before->at(key).get<std::int64_t>(); };
  std::set<std::string> silent;
  std::set_difference(asked.begin(), asked.end(), told.begin(), told.end(), std::inserter(silent, silent.end()));
  const bool good = silent.empty() && now.at("missing") == 0 && grown("lost") <= 0;
  const Json out{{"complete", good}, {"asked", asked}, {"silent", silent}, {"missing_before", before->at("missing")}, {"came", grown("recovered")},
                 {"missing", now.at("missing")}, {"lost", grown("lost")}};
  if (call.json) {
    put(uv::text_of(out));
  } else {
    say("compared with " + list_of(told));
    say(fmt::format("were missing: {}, came: {}, are missing: {}, lost meanwhile: {}", out["missing_before"].dump(), out["came"].dump(),
                    out["missing"].dump(), out["lost"].dump()));
    if (!silent.empty()) say("did not answer: " + list_of(silent));
  }
  return good ? kGood : kBad;
}

}  // namespace plumvine::cli
