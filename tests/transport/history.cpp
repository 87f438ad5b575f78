#include "transport/uv/history.hpp"

#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <plumvine/detail/rng.hpp>

#include "support/uv_fixture.hpp"

using namespace plumvine;
using namespace plumvine::test;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000;
constexpr InstanceId kSelf{0xabc};
constexpr InstanceId kOrigin{7};
const uv::History::Limits kLarge{.bytes_max = 64 << 20, .window = std::chrono::hours{1}};

struct Place : LoopFixture {
  std::string folder = (fs::temp_directory_path() / "plumvine-history-XXXXXX").string();
  Place() { REQUIRE(mkdtemp(folder.data()) != nullptr); }
  ~Place() { fs::remove_all(folder); }
  [[nodiscard]] std::string file() const { return folder + "/messages.db"; }
  std::unique_ptr<uv::History> open(uv::History::Limits limits = kLarge, InstanceId self = kSelf) {
    auto opened = uv::History::open(&loop, file(), limits, self);
    REQUIRE(opened.has_value());
    return std::move(*opened);
  }
};

void add(uv::History& history, Sequence sequence, const std::string& text, const std::string& topic = "t", std::int64_t at = kNow) {
  history.add({.id = {kOrigin, sequence}, .origin = "seven", .topic = topic, .payload = Bytes::copy_of(text), .hops = 2}, at);
}

Cursor upto(Sequence last) {
  Cursor cursor;
  cursor.add(kOrigin, {1, last});
  return cursor;
}

std::vector<Sequence> sequences(uv::History& history, const std::string& topic, const Cursor& had = {}) {
  std::vector<Sequence> out;
  const auto reader = history.read(topic);
  for (auto entries = reader->next(had, 3); !entries.empty(); entries = reader->next(had, 3))
    for (const auto& entry : entries) out.push_back(entry.id.sequence);
  return out;
}

}  // namespace

TEST_CASE("messages are read back in order, with what belongs to them, also by the next run", "[history]") {
  Place place;
  {
    auto history = place.open();
    CHECK(history->recalled().empty());
    CHECK(history->former_selves().empty());
    add(*history, 2, "second");
    add(*history, 1, std::string("fi\0st", 5));
    add(*history, 3, "hidden", "_reserved");
    add(*history, 4, "other", "u");
    REQUIRE(history->commit(kNow).has_value());
    CHECK(sequences(*history, "t") == std::vector<Sequence>{2, 1, 3, 4});
    CHECK(sequences(*history, "t", upto(2)) == std::vector<Sequence>{3, 4});
  }
  auto history = place.open(kLarge, InstanceId{0xdef});
  CHECK(history->former_selves() == std::vector{kSelf});
  CHECK(history->recalled() == upto(4));
  CHECK(history->messages() == 4);
  CHECK(history->bytes() == 6 + 5 + 0 + 5 + 4 * uv::History::kOverhead);
  const auto entries = history->read("t")->next({}, 10);
  REQUIRE(entries.size() == 4);
  CHECK(entries[0].origin == "seven");
  CHECK(entries[0].topic == "t");
  CHECK(entries[0].hops == 2);
  CHECK(entries[0].payload.text() == "second");
  CHECK(entries[1].payload.text() == std::string_view("fi\0st", 5));
  CHECK(entries[2].payload.text().empty());
  CHECK(entries[3].payload.text().empty());  // not of the topic asked for
  CHECK(history->read("*")->next({}, 10)[3].payload.text() == "other");
}

TEST_CASE("a file of the version before is read and goes on", "[history]") {
  Place place;
  {
    auto history = place.open();
    add(*history, 1, "one");
    REQUIRE(history->commit(kNow).has_value());
  }
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(place.file().c_str(), &db) == SQLITE_OK);
  CHECK(sqlite3_exec(db,
                     "DROP INDEX message_id; ALTER TABLE message ADD COLUMN parts INTEGER NOT NULL DEFAULT 1;"
                     "CREATE UNIQUE INDEX message_ids ON message(origin, seq, size, parts); PRAGMA user_version=2",
                     nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
  auto history = place.open();
  CHECK(history->recalled() == upto(1));
  add(*history, 2, "two");
  REQUIRE(history->commit(kNow).has_value());
  CHECK(sequences(*history, "t") == std::vector<Sequence>{1, 2});
}

TEST_CASE("a turn that was not committed is not there after a crash, and nothing else is missing", "[history]") {
  Place place;
  {
    auto history = place.open();
    for (Sequence s = 1; s <= 10; ++s) add(*history, s, "x");
    REQUIRE(history->commit(kNow).has_value());
    REQUIRE(history->save_position(upto(12), kNow).has_value());  // 11 and 12 were lost
    add(*history, 13, "x");
    // As a killed process leaves it: the files as they are now.
    fs::create_directory(place.folder + "/crashed");
    for (const char* name : {"messages.db", "messages.db-wal"})
      fs::copy_file(place.folder + "/" + name, place.folder + "/crashed/" + name);
  }
  auto crashed = uv::History::open(&place.loop, place.folder + "/crashed/messages.db", kLarge, InstanceId{1});
  REQUIRE(crashed.has_value());
  CHECK((*crashed)->recalled() == upto(12));
  CHECK((*crashed)->messages() == 10);
}

TEST_CASE("a log torn at any place gives an earlier state, and never a wrong one", "[history]") {
  Place place;
  auto history = place.open();
  for (Sequence s = 1; s <= 40; ++s) {
    add(*history, s, std::string(200, static_cast<char>('a' + s % 26)));
    REQUIRE(history->commit(kNow).has_value());
  }
  const auto size = fs::file_size(place.file() + "-wal");
  Rng rng{3};
  for (int round = 0; round < 20; ++round) {
    const std::string folder = place.folder + "/" + std::to_string(round);
    fs::create_directory(folder);
    fs::copy_file(place.file(), folder + "/messages.db");
    fs::copy_file(place.file() + "-wal", folder + "/messages.db-wal");
    fs::resize_file(folder + "/messages.db-wal", rng.below(size));
    auto torn = uv::History::open(&place.loop, folder + "/messages.db", kLarge, kSelf);
    REQUIRE(torn.has_value());
    const auto count = (*torn)->messages();
    CHECK((*torn)->recalled() == (count == 0 ? Cursor{} : upto(count)));
    for (const auto& entry : (*torn)->read("t")->next({}, 100))
      CHECK(entry.payload.text() == std::string(200, static_cast<char>('a' + entry.id.sequence % 26)));
  }
}

TEST_CASE("the oldest messages go, by bytes and by age, and are not asked for again", "[history]") {
  Place place;
  const std::uint64_t each = 100 + uv::History::kOverhead;
  {
    auto history = place.open({.bytes_max = 10 * each, .window = std::chrono::minutes{1}});
    for (Sequence s = 1; s <= 25; ++s) add(*history, s, std::string(100, 'x'));
    REQUIRE(history->commit(kNow).has_value());
    CHECK(history->messages() == 10);
    CHECK(history->bytes() == 10 * each);
    CHECK(sequences(*history, "t").front() == 16);
    CHECK_FALSE(history->held().contains({kOrigin, 15}));
    add(*history, 26, "x", "t", kNow + 61'000'000);
    REQUIRE(history->commit(kNow + 61'000'000).has_value());
    CHECK(sequences(*history, "t") == std::vector<Sequence>{26});
  }
  auto smaller = place.open({.bytes_max = 1, .window = std::chrono::hours{1}});
  CHECK(smaller->recalled() == upto(26));
  // Also where nothing is added.
  REQUIRE(smaller->commit(kNow + 61'000'000).has_value());
  CHECK(smaller->messages() == 0);
  CHECK(smaller->held().empty());
}

TEST_CASE("a reader goes on with what came meanwhile, also when everything it had read is gone", "[history]") {
  Place place;
  auto history = place.open({.bytes_max = 3 * (1 + uv::History::kOverhead), .window = std::chrono::hours{1}});
  const auto reader = history->read("t");
  for (Sequence s = 1; s <= 12; ++s) {
    add(*history, s, "x");
    REQUIRE(history->commit(kNow).has_value());
    if (s % 3 != 0) continue;
    const auto entries = reader->next({}, 10);
    REQUIRE(entries.size() == 3);
    CHECK(entries.back().id.sequence == s);
    CHECK(reader->next({}, 10).empty());
  }
}

TEST_CASE("a disk that is full loses the turn, says so, and works again when there is room", "[history]") {
  Place place;
  auto history = place.open();
  add(*history, 1, "x");
  REQUIRE(history->commit(kNow).has_value());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = fs::file_size(place.file() + "-wal") + 4096;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  add(*history, 2, std::string(100'000, 'x'));
  const auto full = history->commit(kNow);
  add(*history, 3, "x", "t", kNow + 1);
  const auto waits = history->commit(kNow + 1);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old_handler);
  REQUIRE_FALSE(full.has_value());
  CHECK(full.error().code == Errc::system);
  CHECK(full.error().message.find(place.file()) != std::string::npos);
  CHECK(waits.has_value());
  CHECK_FALSE(history->writable());
  CHECK(history->dropped() == 2);
  CHECK(sequences(*history, "t") == std::vector<Sequence>{1});
  add(*history, 4, "x", "t", kNow + 6'000'000);
  REQUIRE(history->commit(kNow + 6'000'000).has_value());
  CHECK(history->writable());
  CHECK(sequences(*history, "t") == std::vector<Sequence>{1, 4});
}

TEST_CASE("the log is carried over into the file beside the loop", "[history]") {
  Place place;
  auto history = place.open();
  const auto before = fs::file_size(place.file());
  for (Sequence s = 1; s <= 300; ++s) {
    add(*history, s, std::string(40'000, 'x'));
    REQUIRE(history->commit(kNow).has_value());
  }
  CHECK(place.run_until([&] { return fs::file_size(place.file()) > before + (std::uintmax_t{2} << 20); }));
  history.reset();
  uv_run(&place.loop, UV_RUN_DEFAULT);  // the thread may still be at it
}

TEST_CASE("what is no history is refused with its name, and its mode is private", "[history]") {
  Place place;
  SECTION("some other file") {
    std::ofstream(place.file()) << std::string(5000, 'z');
    const auto opened = uv::History::open(&place.loop, place.file(), kLarge, kSelf);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == Errc::invalid_argument);
    CHECK(opened.error().message.find(place.file()) != std::string::npos);
  }
  SECTION("no folder") {
    const auto opened = uv::History::open(&place.loop, place.folder + "/none/messages.db", kLarge, kSelf);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == Errc::system);
  }
  SECTION("mode") {
    auto history = place.open();
    add(*history, 1, "x");
    REQUIRE(history->commit(kNow).has_value());
    for (const char* name : {"", "-wal"})
      CHECK((fs::status(place.file() + name).permissions() & fs::perms{0777}) == fs::perms{0600});
  }
}
