#include "transport/uv/data_dir.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <plumvine/detail/key_text.hpp>

#include "support/pch.hpp"
#include "transport/uv/atomic_file.hpp"
#include "transport/uv/keys.hpp"

using namespace plumvine;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kNow = 1'700'000'000;

struct Folder {
  std::string path = (fs::temp_directory_path() / "plumvine-test-XXXXXX").string();
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { fs::remove_all(path); }
};

uv::KnownPeer peer(const std::string& name, const std::string& address, std::int64_t age_s = 0) {
  return {name, *Endpoint::parse(address), kNow - age_s};
}

std::string key_text(char fill) { return format_key(as_bytes(std::string(16, fill))); }

}  // namespace

TEST_CASE("known members are read back, those seen last first, and not for ever", "[data_dir]") {
  const auto a = peer("a", "10.0.0.1:7946", 60), b = peer("b \"ü\"", "[fd00::2]:7946"), old = peer("c", "10.0.0.3:1", uv::kPeerKeptS + 1);
  const std::string text = uv::format_peers("blue", {a, old, b, {"\xff", a.endpoint, kNow}});
  CHECK(*uv::parse_peers(text, "blue", 10, kNow) == std::vector{b, a});
  CHECK(*uv::parse_peers(text, "blue", 1, kNow) == std::vector{b});
  CHECK(uv::parse_peers(text, "green", 10, kNow).error().code == Errc::not_found);
}

TEST_CASE("what is no list of members is refused", "[data_dir]") {
  struct Row { std::string name, text; };
  const std::string good = uv::format_peers("", {peer("a", "10.0.0.1:7946")});
  const auto with = [&](const std::string& from, const std::string& to) { return std::string(good).replace(good.find(from), from.size(), to); };
  for (const Row& row : {Row{"nothing", ""}, Row{"half", good.substr(0, good.size() / 2)}, Row{"an array", "[]"},
                         Row{"another format", with("peers 1", "peers 9")}, Row{"no address", with("10.0.0.1:7946", "somewhere")},
                         Row{"no port", with("10.0.0.1:7946", "10.0.0.1:0")}, Row{"no name", with("\"a\"", "\"\"")},
                         Row{"no time", with("1700000000", "\"now\"")}, Row{"no rows", R"({"format":"plumvine peers 1","peers":[1]})"}}) {
    INFO(row.name);
    const auto refused = uv::parse_peers(row.text, "", 10, kNow);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::invalid_argument);
  }
}

TEST_CASE("a data directory is made, is private, and has one owner at a time", "[data_dir]") {
  const Folder folder;
  const std::string path = folder.path + "/data";
  {
    const auto dir = uv::DataDir::open(path);
    REQUIRE(dir);
    CHECK((fs::status(path).permissions() & fs::perms::mask) == fs::perms::owner_all);
    CHECK((*dir)->read_only().empty());
    const auto second = uv::DataDir::open(path);
    REQUIRE_FALSE(second);
    CHECK(second.error().message.find("'" + path + "' is in use by another process (" + std::to_string(getpid()) + ")") != std::string::npos);
    std::ofstream((*dir)->file("peers.json")) << "?";
    CHECK((*dir)->set_aside("peers.json") == "moved to '" + path + "/peers.json.bad'");
    CHECK(fs::exists(path + "/peers.json.bad"));
  }
  CHECK(uv::DataDir::open(path));
  CHECK(uv::DataDir::open(folder.path + "/no/data").error().message.find("/no/data") != std::string::npos);
  std::ofstream(folder.path + "/file") << "x";
  CHECK(uv::DataDir::open(folder.path + "/file").error().message.find("no directory") != std::string::npos);
}

TEST_CASE("changed keys in the data directory go before encrypt, a keyring file before both", "[data_dir]") {
  const Folder folder;
  const auto key = [](char fill) { return *parse_key(key_text(fill)); };
  const std::string kept = folder.path + "/keyring.json";
  auto fresh = uv::find_keys(key_text('a'), "", folder.path);
  REQUIRE(fresh);
  CHECK(fresh->keys == std::vector{key('a')});
  CHECK(fresh->file == kept);
  CHECK(fresh->note.empty());
  REQUIRE(uv::write_file(kept, uv::format_keyring({key('n')})));
  const auto changed = uv::find_keys(key_text('a'), "", folder.path);
  CHECK(changed->keys == std::vector{key('n')});
  CHECK(changed->note.find("`encrypt` is from before") != std::string::npos);
  CHECK(uv::find_keys("", "", folder.path)->keys == std::vector{key('n')});
  const std::string ring = folder.path + "/ring.json";
  REQUIRE(uv::write_file(ring, uv::format_keyring({key('r')})));
  const auto own = uv::find_keys("", ring, folder.path);
  CHECK(own->keys == std::vector{key('r')});
  CHECK(own->file == ring);
  CHECK(own->note.empty());
  CHECK(uv::find_keys(key_text('a'), ring, "")->note.find("take it out") != std::string::npos);
  REQUIRE(uv::write_file(kept, "[\"half"));
  CHECK(uv::find_keys(key_text('a'), "", folder.path)->broken);
  CHECK(uv::find_keys(key_text('a'), "", folder.path)->keys == std::vector{key('a')});
  const auto none = uv::find_keys("", "", folder.path);  // it would start in clear
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find(kept) != std::string::npos);
}
