// What happened: here, or at all members in one list.
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "health/json_text.hpp"
#include "transport/uv/answer_json.hpp"

namespace plumvine::cli {
namespace {

using Json = nlohmann::ordered_json;

/// One event for people; the line as it is where it is none.
std::string shown(std::string_view line) {
  const auto event = Json::parse(line, nullptr, false);
  if (!event.is_object()) return std::string(line);
  return fmt::format("{} {:<5} {:<8} [{}] {}", event.value("time", ""), event.value("severity", ""), event.value("kind", ""),
                     event.value("code", ""), dump::printable(event.value("text", "")));
}

/// Cuts a stream into lines.
class Lines {
 public:
  explicit Lines(bool json) : json_(json) {}
  /// False: standard output is closed.
  bool feed(std::string_view piece) {
    rest_ += piece;
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
      const auto line = std::string_view(rest_).substr(0, end);
      if (json_) put(line);
      else say(shown(line));
      rest_.erase(0, end + 1);
    }
    return std::fflush(stdout) == 0;
  }

 private:
  bool json_;
  std::string rest_;
};

std::string path_of(const Call& call) {
  std::string path = "/events";
  const auto ask = [&](const std::string& what) { path += (path.find('?') == std::string::npos ? "?" : "&") + what; };
  if (call.follow) ask("follow=1");
  if (call.cluster) ask("cluster=1");
  if (!call.since.empty()) ask("since=" + percent_encode(call.since));
  if (!call.window.empty()) ask("window=" + percent_encode(call.window));
  return path;
}

/// What the list lacks, on standard error: a script that reads the list is not to stumble over it.
void note_gaps(const Json& json) {
  for (const Json& member : json.at("members")) {
    const auto name = member.at("member").get<std::string>();
    if (!member.at("kept").get<bool>()) complain(kBad, fmt::format("{} keeps no events: it serves no HTTP", name));
    if (const auto left_out = member.at("left_out").get<std::uint64_t>(); left_out > 0)
      complain(kBad, fmt::format("{}: {} older events had no room; ask it itself, or with --since and --window", name, left_out));
    if (member.at("clock_offset_ms").is_null()) complain(kBad, fmt::format("{}: its clock is not known here, its times are its own", name));
  }
  if (!json.at("silent").empty()) complain(kBad, "did not answer: " + names(json.at("silent")));
}

int of_all(const Call& call) {
  if (call.follow) return complain(kUsage, "events: --follow is for one member, without --cluster");
  Client client(call.http);
  const auto answer = client.get(path_of(call));
  if (!answer) return complain(kUnreachable, client.error());
  if (answer->status == 400) return complain(kUsage, words_of(*answer));
  const Json json = Json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || !json.is_object() || !json.contains("events")) return complain(kBad, words_of(*answer));
  std::size_t width = 0;
  for (const Json& member : json.at("members")) width = std::max(width, dump::printable(member.at("member").get<std::string>()).size());
  for (const Json& event : json.at("events")) {
    if (call.json) {
      put(uv::text_of(event));
      continue;
    }
    say(fmt::format("{} {:<{}} {:<5} {:<8} [{}] {}", event.at("time").get<std::string>(), dump::printable(event.at("member").get<std::string>()), width,
                    event.at("severity").get<std::string>(), event.at("kind").get<std::string>(), event.at("code").get<std::string>(),
                    dump::printable(event.at("text").get<std::string>())));
  }
  std::fflush(stdout);
  note_gaps(json);
  return json.at("silent").empty() ? kGood : kBad;
}

}  // namespace

int events(const Call& call) {
  if (call.cluster) return of_all(call);
  Client client(call.http);
  Lines lines(call.json);
  const auto answer = client.stream(path_of(call), [&](std::string_view piece) { return lines.feed(piece); });
  if (!answer) return complain(kUnreachable, client.error());
  if (answer->status == 400) return complain(kUsage, words_of(*answer));
  return answer->status == 200 ? kGood : complain(kBad, words_of(*answer));
}

}  // namespace plumvine::cli
