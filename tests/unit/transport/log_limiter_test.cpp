#include "support/pch.hpp"
#include "transport/log_limiter.hpp"

using namespace plumvine;

namespace {

constexpr Timestamp at(std::int64_t seconds) { return Timestamp{seconds * 1'000'000'000}; }

struct Limited {
  std::vector<LogRecord> lines;
  LogLimiter limiter{[this](const LogRecord& record) { lines.push_back(record); }, LogLevel::info};
  void say(int times, std::string_view code, std::string_view subject, Timestamp now) {
    for (int i = 0; i < times; ++i) limiter.write({LogLevel::warn, "link", code, "text"}, subject, now);
  }
};

}  // namespace

TEST_CASE("of one code about one member five lines are written in ten seconds", "[log]") {
  Limited log;
  log.say(20, "PV1203", "d", at(0));
  CHECK(log.lines.size() == 5);
  log.say(20, "PV1203", "e", at(1));
  log.say(1, "PV1204", "d", at(1));
  CHECK(log.lines.size() == 11);  // another member, another code
}

TEST_CASE("of one code about nobody fifty lines are written in ten seconds", "[log]") {
  Limited log;
  log.say(200, "PV1203", "", at(0));
  CHECK(log.lines.size() == 50);
}

TEST_CASE("how many lines were held back is told before the next one", "[log]") {
  Limited log;
  log.say(20, "PV1203", "d", at(0));
  log.say(1, "PV1203", "d", at(9));
  CHECK(log.lines.size() == 5);
  log.say(1, "PV1203", "d", at(10));
  REQUIRE(log.lines.size() == 7);
  CHECK(log.lines[5].code == "PV1499");
  CHECK(log.lines[5].text == "16 lines of PV1203 were held back");
  CHECK(log.lines[5].fields == LogFields{{"code", "PV1203"}, {"count", "16"}});
  CHECK(log.lines[6].text == "text");
}

TEST_CASE("lines above the level are not written", "[log]") {
  Limited log;
  log.limiter.write({LogLevel::debug, "link", "PV1203", "text"}, "d", at(0));
  CHECK(log.lines.empty());
}

TEST_CASE("the table of what repeats is bounded", "[log]") {
  Limited log;
  for (std::size_t i = 0; i < LogLimiter::kEntriesMax; ++i) log.say(6, "PV1203", std::to_string(i), at(0));
  CHECK(log.lines.size() == 5 * LogLimiter::kEntriesMax);
  log.say(1, "PV1203", "one more", at(0));   // the table starts anew
  log.say(6, "PV1203", "0", at(0));
  CHECK(log.lines.size() == 5 * LogLimiter::kEntriesMax + 1 + 5);
}
