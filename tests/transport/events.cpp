#include "transport/uv/events.hpp"

#include "support/pch.hpp"
#include "support/stream_client.hpp"

using namespace plumvine;
using test::StreamClient;
using uv::Events;

namespace {

constexpr std::int64_t kThen = 1'769'860'800'123;  // 2026-01-31T12:00:00.123Z

void add(Events& events, const std::string& text, EventKind kind = EventKind::link) {
  events.add(kind, {LogLevel::warn, "link", "PV1202", text, {{"peer", "b"}, {"reason", "\"quoted\""}}}, kThen);
}
std::size_t lines(const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

TEST_CASE("an event is one JSON line with time, severity, kind, code, text and fields", "[events]") {
  Events events{InstanceId{0xab}};
  add(events, "Link to b is down");
  CHECK(events.retained(Events::Format::lines, "") ==
        R"({"id":"00000000000000ab-1","time":"2026-01-31T12:00:00.123Z","severity":"warn","kind":"link","code":"PV1202","component":"link",)"
        R"("text":"Link to b is down","fields":{"peer":"b","reason":"\"quoted\""}})"
        "\n");
  CHECK(events.stats().told[EventKind::link] == 1);
  CHECK(events.stats().retained == 1);
  CHECK(events.stats().bytes > 100);
}

TEST_CASE("a span of time has both its ends, and a follower goes on behind it", "[events]") {
  Events events{InstanceId{1}};
  for (std::int64_t at = 1; at <= 9; ++at) events.add(EventKind::link, {LogLevel::info, "link", "PV1201", std::to_string(at)}, kThen + at);
  CHECK(lines(events.retained(Events::Format::lines, "", {kThen + 3, kThen + 5})) == 3);
  CHECK(lines(events.retained(Events::Format::lines, "0000000000000001-4", {kThen + 3, INT64_MAX})) == 5);
  std::vector<std::uint64_t> numbers;
  events.newest_first({kThen + 7, kThen + 8}, [&](std::uint64_t number, std::int64_t at, std::string_view) {
    numbers.push_back(number);
    CHECK(at == kThen + static_cast<std::int64_t>(number));
  });
  CHECK(numbers == std::vector<std::uint64_t>{8, 7});
  auto client = std::make_shared<StreamClient>();
  events.follow(client, Events::Format::lines, "", {kThen + 8, INT64_MAX});
  CHECK(lines(client->text) == 2);
  add(events, "next");
  CHECK(lines(client->text) == 3);
}

TEST_CASE("the ring is bounded by count and bytes, the oldest go and are counted", "[events]") {
  Events events{InstanceId{1}};
  for (std::size_t i = 0; i < Events::kCountMax + 10; ++i) add(events, "x");
  CHECK(events.stats().dropped >= 10);
  CHECK(events.stats().retained + events.stats().dropped == Events::kCountMax + 10);
  CHECK(events.stats().bytes <= Events::kBytesMax);
  const auto before = events.stats().retained;
  for (int i = 0; i < 100; ++i) add(events, std::string(100'000, 'y'));
  CHECK(events.stats().retained < before);
  CHECK(events.stats().bytes <= Events::kBytesMax);
  add(events, std::string(2 * Events::kBytesMax, 'z'));  // larger than the ring: it alone
  CHECK(events.stats().retained == 1);
}

TEST_CASE("a follower gets what is retained, then what comes, and resumes behind an id", "[events]") {
  Events events{InstanceId{1}};
  add(events, "one");
  add(events, "two");
  auto client = std::make_shared<StreamClient>();
  events.follow(client, Events::Format::lines, "");
  CHECK(lines(client->text) == 2);
  add(events, "three");
  CHECK(lines(client->text) == 3);
  CHECK(events.stats().followers == 1);
  client->close();
  add(events, "four");
  CHECK(events.stats().followers == 0);

  auto page = std::make_shared<StreamClient>();
  events.follow(page, Events::Format::server_sent, "0000000000000001-3");
  CHECK(page->text.starts_with("id: 0000000000000001-4\ndata: {"));
  CHECK(page->text.ends_with("}\n\n"));
  CHECK(lines(page->text) == 3);
  // An id of another run says nothing about this one.
  CHECK(lines(events.retained(Events::Format::lines, "0000000000000002-3")) == 4);
  CHECK(events.retained(Events::Format::lines, "0000000000000001-4").empty());
}

TEST_CASE("followers are bounded in number and in what waits for them", "[events]") {
  Events events{InstanceId{1}};
  std::vector<std::shared_ptr<StreamClient>> clients;
  for (std::size_t i = 0; i < Events::kFollowersMax; ++i) {
    REQUIRE(events.has_room());
    clients.push_back(std::make_shared<StreamClient>());
    events.follow(clients.back(), Events::Format::lines, "");
  }
  CHECK_FALSE(events.has_room());
  auto late = std::make_shared<StreamClient>();
  events.follow(late, Events::Format::lines, "");
  CHECK_FALSE(late->open());
  clients[0]->unread = Events::kBehindMax + 1;
  add(events, "x");
  CHECK_FALSE(clients[0]->open());
  CHECK(clients[1]->open());
  CHECK(events.stats().followers_cut == 1);
  CHECK(events.has_room());
}
