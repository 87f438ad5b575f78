#include "answers.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plumvine::cli {

int complain(int status, const std::string& text) {
  std::fprintf(stderr, "plumvine: %s\n", text.c_str());
  return status;
}

void say(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::fputc('\n', stdout);
}

std::string words_of(const Answer& answer) {
  const auto json = nlohmann::ordered_json::parse(answer.body, nullptr, false);
  if (json.is_object() && json.contains("error")) {
    const auto& error = json["error"];
    const std::string hint = error.value("hint", "");
    return fmt::format("{}{}", error.value("message", ""), hint.empty() ? "" : " (" + hint + ")");
  }
  return fmt::format("the agent answered {}", answer.status);
}

}  // namespace plumvine::cli
