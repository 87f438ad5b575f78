#include "answers.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "health/json_text.hpp"
#include "judge.hpp"

namespace plumvine::cli {

int complain(int status, const std::string& text) {
  std::fprintf(stderr, "plumvine: %s\n", dump::printable(text).c_str());
  return status;
}

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::fputc('\n', stdout);
}

void say(std::string_view text) { put(dump::printable(text)); }

std::string not_ours(const std::string& http) { return fmt::format("what answers at {} is no plumvined, or of a version that is not known here (is --http right?)", http); }

std::string words_of(const Answer& answer) {
  const auto json = nlohmann::ordered_json::parse(answer.body, nullptr, false);
  if (!json.is_object() || !json.contains("error")) throw Foreign();
  const auto& error = json.at("error");
  const std::string hint = error.value("hint", "");
  return fmt::format("{}{}", error.value("message", ""), hint.empty() ? "" : " (" + hint + ")");
}

}  // namespace plumvine::cli
