#include <fstream>
#include <regex>
#include <sstream>

#include "support/pch.hpp"
#include "tools/agent/codes.hpp"

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
