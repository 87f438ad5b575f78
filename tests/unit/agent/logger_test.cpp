// Lines of the log as JSON: one object a line, whatever the texts hold.
#include <fcntl.h>
#include <unistd.h>

#include "support/pch.hpp"
#include "tools/agent/logger.hpp"

using namespace plumvine;
using namespace plumvine::agent;

namespace {

/// What standard error receives while `write` runs, without the time.
std::string written(const std::function<void()>& write) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const int before = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  write();
  dup2(before, STDERR_FILENO);
  close(before);
  close(ends[1]);
  std::string out(65536, '\0');
  const auto n = read(ends[0], out.data(), out.size());
  close(ends[0]);
  out.resize(static_cast<std::size_t>(n));
  const auto time = out.find("\"time\":\"");
  return time == std::string::npos ? out : out.erase(time, std::string_view(R"("time":"2026-01-31T12:00:00.000Z",)").size());
}

}  // namespace

TEST_CASE("a JSON log line has the fields of its record", "[agent]") {
  Logger logger(LogFormat::json, LogLevel::info);
  const LogRecord record{LogLevel::warn, "membership", "PV1102", "Member d is dead", {{"member", "d"}, {"by", "a"}}};
  CHECK(written([&] { logger.write(record); }) ==
        R"({"level":"WARN","component":"membership","code":"PV1102","message":"Member d is dead","fields":{"member":"d","by":"a"}})"
        "\n");
}

TEST_CASE("foreign bytes in a field leave the line one line of JSON", "[agent]") {
  Logger logger(LogFormat::json, LogLevel::info);
  const LogRecord record{LogLevel::info, "link", "PV1201", "up", {{"peer", "a\"b\n\xff"}}};
  CHECK(written([&] { logger.write(record); }) ==
        "{\"level\":\"INFO\",\"component\":\"link\",\"code\":\"PV1201\",\"message\":\"up\",\"fields\":{\"peer\":\"a\\\"b\\n\xef\xbf\xbd\"}}\n");
}

TEST_CASE("a field for which a line has no room is left out, the others stay", "[agent]") {
  Logger logger(LogFormat::json, LogLevel::info);
  const LogRecord record{LogLevel::info, "link", "PV1201", "up", {{"a", "1"}, {"long", std::string(5000, 'x')}, {"b", "2"}}};
  CHECK(written([&] { logger.write(record); }) ==
        R"({"level":"INFO","component":"link","code":"PV1201","message":"up","fields":{"a":"1","b":"2"}})"
        "\n");
}

TEST_CASE("a line of the agent above its level is not written, what the node says is", "[agent]") {
  Logger logger(LogFormat::text, LogLevel::warn);
  const auto out = written([&] {
    logger.line(LogLevel::info, "PV5002", "quiet");
    logger.line(LogLevel::warn, "PV5003", "loud");
    logger.write({LogLevel::trace, "link", "PV1215", "frame"});
  });
  CHECK(out.find("quiet") == std::string::npos);
  CHECK(out.find("loud") != std::string::npos);
  CHECK(out.find("frame") != std::string::npos);
}

TEST_CASE("lines of the agent that repeat are held back", "[agent]") {
  Logger logger(LogFormat::text, LogLevel::info);
  const auto out = written([&] {
    for (int i = 0; i < 200; ++i) logger.line(LogLevel::warn, "PV5003", "line " + std::to_string(i));
    logger.line(LogLevel::warn, "PV5004", "another code");
  });
  CHECK(out.find("line 49\n") != std::string::npos);
  CHECK(out.find("line 50\n") == std::string::npos);
  CHECK(out.find("another code") != std::string::npos);
}
