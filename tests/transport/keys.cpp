#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/detail/key_text.hpp>

#include "transport/uv/atomic_file.hpp"
#include "transport/uv/keys.hpp"

using namespace plumvine;
namespace fs = std::filesystem;

namespace {

Bytes key_of(char fill, std::size_t size = 16) { return Bytes::copy_of(std::string(size, fill)); }

}  // namespace

TEST_CASE("what changed keys replaced is read back, and anything else refused", "[keys]") {
  std::string folder = (fs::temp_directory_path() / "plumvine-test-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/key-history.json";
  CHECK(*uv::read_key_history(path) == KeyHistory{});
  const KeyHistory known{"ab12cd34", 1'700'000'000'000'000, {"00000001", "00000002"}, {{"ab12cd34", 1'600'000'000'000'000}}};
  REQUIRE(uv::write_file(path, uv::format_key_history(known)));
  CHECK(*uv::read_key_history(path) == known);
  const std::string good = uv::format_key_history(known);
  const auto with = [&](const std::string& from, const std::string& to) { return std::string(good).replace(good.find(from), from.size(), to); };
  for (const std::string& text : {std::string{}, std::string{"[]"}, good.substr(0, good.size() / 2), with("history 1", "history 9"),
                                  with("1700000000000000", "-1"), with("\"ab12cd34\"", "7"), with("\"00000001\"", "{}")}) {
    INFO(text);
    REQUIRE(uv::write_file(path, text));
    const auto wrong = uv::read_key_history(path);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message == "it is no history of keys");
  }
  fs::remove_all(folder);
}

TEST_CASE("Serf's keyring file is read, and the wrong key is named by its place", "[keys]") {
  const std::string a = format_key(key_of('a').view()), b = format_key(key_of('b', 32).view());
  const auto keys = uv::parse_keyring(" [\n \"" + a + "\" ,\"" + b + "\",\n\t\"" + a + "\"]\n");
  REQUIRE(keys);
  CHECK(*keys == std::vector<Bytes>{key_of('a'), key_of('b', 32)});
  CHECK(*uv::parse_keyring(uv::format_keyring(*keys)) == *keys);
  CHECK(uv::parse_keyring(R"(["f39\/f39\/f39\/f39\/f39\/fw=="])").has_value());
  struct Row { std::string text, complaint; };
  for (const Row& row : {Row{"", "not a JSON array"}, Row{"[]", "no key"}, Row{"[\"" + a + "\"", "not a JSON array"},
                         Row{"[\"" + a + "\"] x", "not a JSON array"}, Row{"[\"" + a + "\",]", "not a JSON array"},
                         Row{"{\"keys\":[]}", "not a JSON array"}, Row{"[\"" + a + "\", \"QUJD\"]", "key 2: the key has 3 bytes"},
                         Row{"[\"!\"]", "key 1: the key is not base64"}, Row{"[1]", "not a JSON array"}}) {
    INFO(row.text);
    const auto wrong = uv::parse_keyring(row.text);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find(row.complaint) != std::string::npos);
  }
  std::string many = "[";
  for (int i = 0; i < 65; ++i) many += (i == 0 ? "\"" : ",\"") + format_key(key_of(static_cast<char>(i)).view()) + '"';
  const auto wrong = uv::parse_keyring(many + "]");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Errc::limit_reached);
}

TEST_CASE("a file of keys that others can read is named with its mode", "[keys]") {
  std::string folder = (fs::temp_directory_path() / "plumvine-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/keyring.json";
  CHECK(uv::rights_problem(path).empty());
  CHECK(uv::rights_problem("").empty());
  std::ofstream(path) << "[]";
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  CHECK(uv::rights_problem(path).find("(mode 0640)") != std::string::npos);
  CHECK(uv::rights_problem(path).find(path) != std::string::npos);
  REQUIRE(chmod(path.c_str(), 0602) == 0);
  CHECK(uv::rights_problem(path).find("(mode 0602)") != std::string::npos);
  REQUIRE(chmod(path.c_str(), 0600) == 0);
  CHECK(uv::rights_problem(path).empty());
  if (geteuid() == 0) {  // a file of root's, read by a service
    struct Modes {
      mode_t mode;
      std::string_view problem;
    };
    REQUIRE(chmod(folder.c_str(), 0755) == 0);
    for (const auto& [mode, problem] : {Modes{0640, ""}, Modes{0660, "(mode 0660), which holds keys: chmod 640 it"}, Modes{0644, "(mode 0644)"}}) {
      REQUIRE(chmod(path.c_str(), mode) == 0);
      REQUIRE(seteuid(65534) == 0);
      const std::string found = uv::rights_problem(path);
      REQUIRE(seteuid(0) == 0);
      CHECK(found.empty() == problem.empty());
      CHECK(found.find(problem) != std::string::npos);
    }
  }
  fs::remove_all(folder);
}
