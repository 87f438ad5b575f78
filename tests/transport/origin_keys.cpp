// Keys of those who sign, kept in a file.
#include <sys/stat.h>

#include <filesystem>

#include "support/uv_fixture.hpp"
#include "transport/uv/origin_keys_file.hpp"

using namespace plumvine;
using namespace plumvine::test;
namespace fs = std::filesystem;

namespace {

frame::KeptKey kept_key(const std::string& member, std::uint8_t fill, bool proven = false) {
  frame::KeptKey kept{member, {}, proven, 1'700'000'000'000'000};
  kept.key.key.fill(std::byte{fill});
  kept.key.epoch = 12345;
  return kept;
}

}  // namespace

TEST_CASE("keys of those who sign are read back as they were written", "[origin_keys]") {
  const std::vector<frame::KeptKey> keys{kept_key("a", 1), kept_key("b \"ü\"", 2, true)};
  auto more = keys;
  more.push_back(kept_key("\xff", 3));  // no UTF-8: left out
  CHECK(*uv::parse_origin_keys(uv::format_origin_keys("blue", more), "blue") == keys);
  CHECK(uv::parse_origin_keys(uv::format_origin_keys("blue", keys), "green").error().code == Errc::not_found);
  CHECK(uv::parse_origin_keys(uv::format_origin_keys("", {}), "")->empty());
}

TEST_CASE("what is no list of keys is refused", "[origin_keys]") {
  const std::string good = uv::format_origin_keys("", {kept_key("a", 1)});
  const auto with = [&](const std::string& from, const std::string& to) {
    REQUIRE(good.find(from) != std::string::npos);
    return std::string(good).replace(good.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string{}, good.substr(0, good.size() / 2), std::string{"[]"}, with("keys 1", "keys 9"),
        with("\"a\"", "\"\""), with("\"AQEB", "\"?QEB"), with("\"AQEB", "\""), with("1700000000", "\"now\""),
        with("1700000000", "-1"), with("1700000000", "9223372036854775807"), with("false", "0")}) {
    INFO(text);
    const auto refused = uv::parse_origin_keys(text, "");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::invalid_argument);
  }
}

TEST_CASE("the file of keys is written soon after a change and at the end, for nobody else, and a failure is told once",
          "[origin_keys]") {
  LoopFixture f;
  std::string folder = (fs::temp_directory_path() / "plumvine-keys-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/" + std::string(uv::kOriginKeysFile);
  std::vector<frame::KeptKey> known{kept_key("a", 1)};
  std::vector<std::string> told;
  {
    uv::OriginKeysFile file(
        &f.loop, path, "blue", [&] { return known; }, [&](std::string why) { told.push_back(std::move(why)); });
    const auto in_file = [&]() -> std::vector<frame::KeptKey> {
      const auto text = uv::read_file(path, uv::kOriginKeysFileMax);
      if (!text) return {};
      return uv::parse_origin_keys(*text, "blue").value();
    };
    file.look(0);  // nothing new
    CHECK_FALSE(fs::exists(path));
    file.look(1);
    CHECK(f.run_until([&] { return in_file() == known; }));
    struct stat about {};
    REQUIRE(stat(path.c_str(), &about) == 0);
    CHECK((about.st_mode & 0777) == 0600);
    known.push_back(kept_key("b", 2));
    file.finish();
    CHECK(f.run_until([&] { return in_file() == known; }));
    fs::remove_all(folder);
    file.look(2);
    CHECK(f.run_until([&] { return told.size() == 1; }));
    fs::create_directory(folder);
    file.look(3);
    CHECK(f.run_until([&] { return in_file() == known; }));
    CHECK(told.size() == 1);
    fs::remove_all(folder);
    file.look(4);
    CHECK(f.run_until([&] { return told.size() == 2; }));
  }
}
