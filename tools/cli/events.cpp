#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "client.hpp"
#include "commands.hpp"
#include "health/json_text.hpp"

namespace plumvine::cli {
namespace {

/// One event for people; the line as it is where it is none.
std::string shown(std::string_view line) {
  const auto event = nlohmann::json::parse(line, nullptr, false);
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
      say(json_ ? rest_.substr(0, end) : shown(std::string_view(rest_).substr(0, end)));
      rest_.erase(0, end + 1);
    }
    return std::fflush(stdout) == 0;
  }

 private:
  bool json_;
  std::string rest_;
};

}  // namespace

int events(const Call& call) {
  Client client(call.http);
  Lines lines(call.json);
  const auto answer =
      client.stream(call.follow ? "/events?follow=1" : "/events", [&](std::string_view piece) { return lines.feed(piece); });
  if (!answer) return complain(kUnreachable, client.error());
  return answer->status == 200 ? kGood : complain(kBad, words_of(*answer));
}

}  // namespace plumvine::cli
