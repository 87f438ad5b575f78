#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "support/pch.hpp"
#include "health/codes.hpp"
#include "tools/agent/codes.hpp"
#include "transport/codes.hpp"
#include "transport/uv/error_codes.hpp"

namespace {

/// Everything that `pattern` catches in the sources of the node and the agent, but for the tables themselves.
std::set<std::string> in_sources(const std::string& pattern) {
  std::set<std::string> found;
  const std::regex wanted(pattern);
  for (const char* folder : {"include", "membership", "plumtree", "transport", "health", "tools/agent"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(PLUMVINE_SOURCE_DIR "/") + folder)) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_regular_file() || name.starts_with("codes.") || !(name.ends_with(".cpp") || name.ends_with(".hpp"))) continue;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      const std::string source = text.str();
      for (std::sregex_iterator at(source.begin(), source.end(), wanted), end; at != end; ++at) found.insert((*at)[1]);
    }
  }
  return found;
}

}  // namespace

TEST_CASE("every code that the agent logs is explained, and none is explained that it does not log", "[agent]") {
  std::set<std::string> logged;
  for (const char* file : {"agent.cpp", "logger.cpp"}) {
    std::ifstream in(std::string(PLUMVINE_SOURCE_DIR "/tools/agent/") + file);
    std::stringstream text;
    text << in.rdbuf();
    const std::string source = text.str();
    const std::regex code("\"(PV[0-9]{4})\"");
    for (std::sregex_iterator at(source.begin(), source.end(), code), end; at != end; ++at) logged.insert((*at)[1]);
  }
  std::set<std::string> explained;
  for (const auto& row : plumvine::agent::codes()) {
    CHECK(explained.insert(std::string(row.code)).second);
    CHECK_FALSE(row.remedy.empty());
  }
  CHECK(explained == logged);
}

TEST_CASE("every code that a line, an event, a health reason or an error can carry is explained once", "[agent]") {
  std::set<std::string> explained;
  const auto note = [&](std::string_view code, std::string_view cause, std::string_view remedy) {
    CAPTURE(code);
    CHECK(explained.insert(std::string(code)).second);
    CHECK_FALSE(cause.empty());
    CHECK_FALSE(remedy.empty());
  };
  for (const auto& row : plumvine::code::explanations()) note(row.code, row.title, row.text);
  for (const auto& row : plumvine::health::codes()) note(row.code, row.cause, row.remedy);
  for (const auto& row : plumvine::agent::codes()) note(row.code, row.cause, row.remedy);
  for (const auto& row : plumvine::uv::error_codes()) note(row.code, row.cause, row.remedy);
  const auto logged = in_sources("\"(PV[0-9]{4})\"");
  CHECK(logged.size() > 20);
  for (const std::string& code : logged) {
    CAPTURE(code);
    CHECK(explained.contains(code));
  }
  const auto answered = in_sources("(?:fail|error_response)\\([0-9]+,\\s*\"([a-z_]+)\"");
  CHECK(answered.size() > 5);
  for (const std::string& code : answered) {
    CAPTURE(code);
    CHECK(explained.contains(code));
  }
  for (int i = 0; i <= static_cast<int>(plumvine::Errc::system); ++i) {
    const std::string code{to_string(static_cast<plumvine::Errc>(i))};
    CAPTURE(code);
    CHECK(explained.contains(code));
  }
}
