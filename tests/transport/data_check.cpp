#include "transport/uv/blocks_file.hpp"
#include "transport/uv/data_check.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "support/uv_fixture.hpp"
#include "transport/uv/data_dir.hpp"
#include "transport/uv/history.hpp"
#include "transport/crypto/ed25519.hpp"
#include "transport/uv/keys.hpp"
#include "transport/uv/origin_keys_file.hpp"

using namespace plumvine;
using namespace plumvine::test;
using uv::FileCheck;
namespace fs = std::filesystem;

namespace {

struct DataFolder : LoopFixture {
  std::string path = (fs::temp_directory_path() / "plumvine-check-XXXXXX").string();
  DataFolder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~DataFolder() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& text) { std::ofstream(path + "/" + name) << text; }
  /// A history of so many messages, closed.
  void history(int messages) {
    auto opened = uv::History::open(&loop, path + "/messages.db", {.bytes_max = 64 << 20, .window = std::chrono::hours{1}}, InstanceId{1});
    REQUIRE(opened.has_value());
    for (int i = 1; i <= messages; ++i)
      (*opened)->add({.id = {InstanceId{7}, static_cast<Sequence>(i)}, .origin = "o", .topic = "t", .payload = Bytes::copy_of(std::string(1000, 'x')), .hops = 1}, i);
    REQUIRE((*opened)->commit(1).has_value());
  }
  [[nodiscard]] std::map<std::string, FileCheck> look() const {
    std::map<std::string, FileCheck> out;
    for (const FileCheck& one : uv::check_data_files(path)) out.emplace(one.name, one);
    return out;
  }
};

}  // namespace

TEST_CASE("good files of a data directory say what is in them, missing ones are no fault", "[data_check]") {
  DataFolder f;
  for (const auto& [name, one] : f.look()) CHECK(one.state == FileCheck::State::absent);
  f.write("peers.json", uv::format_peers("blue", {{"a", *Endpoint::parse("10.0.0.1:7946"), 1}, {"b", *Endpoint::parse("10.0.0.2:7946"), 1}}));
  f.write("keyring.json", uv::format_keyring({Bytes::copy_of(std::string(32, 'k'))}));
  f.write("key-history.json", uv::format_key_history({"abc", 5, {"def"}}));
  f.write("origin.key", make_origin_key());
  f.write("origin-keys.json", uv::format_origin_keys("blue", {{"a", {}, true, 5'000'000}, {"b", {}, false, 5'000'000}}));
  f.write("blocks.json", uv::format_blocks({{"10.0.0.0/8", std::nullopt}}, 0));
  f.history(3);
  const auto found = f.look();
  for (const auto& [name, one] : found) {
    INFO(name << ": " << one.detail);
    CHECK(one.state == FileCheck::State::good);
    CHECK(one.next.empty());
  }
  CHECK(found.at("peers.json").detail == "2 members of the cluster \"blue\"");
  CHECK(found.at("keyring.json").detail == "1 key");
  CHECK(found.at("key-history.json").detail == "1 key superseded");
  CHECK_THAT(found.at("origin.key").detail, Catch::StartsWith("the key "));
  CHECK(found.at("origin-keys.json").detail == "2 keys of members of the cluster \"blue\"");
  CHECK(found.at("blocks.json").detail == "1 block");
  CHECK(found.at("messages.db").detail == "3 messages");
  CHECK(f.look().at("messages.db").detail == "3 messages");  // nothing was changed
}

TEST_CASE("a broken file is named with what is wrong and what to do", "[data_check]") {
  struct Row {
    const char *name, *text, *why;
  };
  for (const Row& row : {Row{"peers.json", "{\"format\":", "no list of peers"}, {"peers.json", R"({"format":"plumvine peers 1","cluster":"","peers":[1]})", "peer 1 is none"},
                         {"keyring.json", "[\"half", "not a JSON array"}, {"keyring.json", "[]", "no key"}, {"key-history.json", "{}", "no history of keys"},
                         {"origin.key", "-----BEGIN", "key"}, {"origin-keys.json", "{\"format\":", "no list of keys"},
                         {"origin-keys.json", R"({"format":"plumvine origin keys 1","cluster":"","keys":[{}]})", "key 1 is none"},
                         {"origin-keys.json", R"({"format":"plumvine origin keys 1","cluster":"","keys":[{"member":"a","key":"x","proven":true,"seen":1}]})", "key 1 has no member, key or time"},
                         {"blocks.json", "{", "no list"}, {"blocks.json", R"([{"what":7}])", "no text"},
                         {"messages.db", "nonsense", "not a database"}}) {
    INFO(row.name << " " << row.text);
    DataFolder f;
    f.write(row.name, row.text);
    const FileCheck found = f.look().at(row.name);
    CHECK(found.state == FileCheck::State::broken);
    CHECK_THAT(found.detail, Catch::Contains(row.why));
    CHECK_FALSE(found.next.empty());
  }
}

TEST_CASE("a database with a damaged page, of a later version or of somebody else is broken, an empty one is not", "[data_check]") {
  DataFolder f;
  f.write("messages.db", "");
  CHECK(f.look().at("messages.db").detail == "0 messages");
  f.history(500);
  {
    std::fstream file(f.path + "/messages.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    REQUIRE(static_cast<std::int64_t>(file.tellg()) > 100 * 4096);
    file.seekp(40 * 4096);
    file << std::string(4096, '\x5a');
  }
  CHECK(f.look().at("messages.db").state == FileCheck::State::broken);

  const auto made_by = [&](const char* sql) {
    fs::remove(f.path + "/messages.db");
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open((f.path + "/messages.db").c_str(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    return f.look().at("messages.db").detail;
  };
  CHECK_THAT(made_by("PRAGMA user_version=99"), Catch::Contains("later version"));
  CHECK_THAT(made_by("CREATE TABLE x(y)"), Catch::Contains("another program"));
  CHECK_THAT(made_by("PRAGMA user_version=3; CREATE TABLE x(y)"), Catch::Contains("no such table"));
}

TEST_CASE("a tool visits a directory that is there and that nobody holds", "[data_check]") {
  DataFolder f;
  CHECK_THAT(uv::DataDir::visit(f.path + "/none").error().message, Catch::Contains("cannot use"));
  auto held = uv::DataDir::open(f.path);
  REQUIRE(held.has_value());
  CHECK_THAT(uv::DataDir::visit(f.path).error().message, Catch::Contains("is in use by another process") && Catch::Contains("stop that one first"));
  held->reset();
  CHECK(uv::DataDir::visit(f.path).has_value());
}
