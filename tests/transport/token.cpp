// The token for HTTP, and blocks in the data directory.
#include "transport/uv/token.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <plumvine/detail/wipe.hpp>

#include "support/pch.hpp"
#include "transport/uv/atomic_file.hpp"
#include "transport/uv/blocks_file.hpp"
#include "transport/uv/keys.hpp"

using namespace plumvine;
namespace fs = std::filesystem;

namespace {

struct TokenFolder {
  std::string path = (fs::temp_directory_path() / "plumvine-test-XXXXXX").string();
  TokenFolder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~TokenFolder() { fs::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& text) const {
    const std::string name = path + "/token";
    REQUIRE(uv::write_file(name, text));
    return name;
  }
};

}  // namespace

TEST_CASE("a token admits who shows it whole, in any case of the scheme", "[token]") {
  const TokenFolder folder;
  const std::string secret = "0123456789abcdef0123456789abcdef";
  const auto token = uv::Token::read(folder.file(secret + "\nwhat follows is not looked at\n"));
  REQUIRE(token);
  CHECK(token->admits("Bearer " + secret));
  CHECK(token->admits("bearer " + secret));
  for (const std::string& wrong : std::vector<std::string>{std::string{}, std::string{"Bearer "}, secret, "Basic " + secret, "Bearer " + secret + "0", "Bearer " + secret.substr(1),
                                   "Bearer 0123456789abcdef0123456789abcdeF", "Bearer  " + secret}) {
    INFO(wrong);
    CHECK_FALSE(token->admits(wrong));
  }
  CHECK_FALSE(uv::Token{}.admits("Bearer "));
}

TEST_CASE("a file that holds no token is refused, and its text is not told", "[token]") {
  const TokenFolder folder;
  for (const std::string& text : {std::string{}, std::string{"short"}, std::string{"0123456789 abcdef0123456789"}, std::string(2000, 'x'),
                                  std::string{"0123456789abcdef\x01zzzzzzz"}}) {
    const auto refused = uv::Token::read(folder.file(text));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("http_token_file") != std::string::npos);
    CHECK(refused.error().message.find("0123456789") == std::string::npos);
  }
  CHECK_FALSE(uv::Token::read(folder.path + "/none"));
}

TEST_CASE("a token file that others can read is complained of", "[token]") {
  const TokenFolder folder;
  const std::string path = folder.file("0123456789abcdef");
  CHECK(uv::rights_problem(path, "a token").empty());
  REQUIRE(chmod(path.c_str(), 0644) == 0);
  CHECK(uv::rights_problem(path, "a token").find("(mode 0644), which holds a token: chmod 600 it") != std::string::npos);
}

TEST_CASE("a wiped text leaves nothing behind in its memory", "[token]") {
  std::string secret(64, 's');
  const char* const memory = secret.data();
  wipe(secret);
  CHECK(secret.empty());
  for (std::size_t i = 0; i < 64; ++i) REQUIRE(memory[i] == '\0');
}

TEST_CASE("blocks are read back with the time that is left", "[token]") {
  const std::vector<BlockOrder> blocks{{"10.0.0.0/8", {}}, {"name:mad", std::chrono::milliseconds{59'500}}};
  const std::string text = uv::format_blocks(blocks, 1000);
  const auto read = uv::parse_blocks(text, 1030);
  REQUIRE(read);
  REQUIRE(read->size() == 2);
  CHECK((*read)[0].what == "10.0.0.0/8");
  CHECK_FALSE((*read)[0].left);
  CHECK((*read)[1].what == "name:mad");
  CHECK((*read)[1].left == std::chrono::seconds{30});
  CHECK(uv::parse_blocks(text, 1060)->size() == 1);
  for (const char* bad : {"", "{}", "[1]", "[{}]", R"([{"what": 7}])", R"([{"what": "name:x", "until_s": "soon"}])"}) {
    INFO(bad);
    CHECK_FALSE(uv::parse_blocks(bad, 1000));
  }
  CHECK(uv::parse_blocks(R"([{"what": "name:x", "until_s": 9223372036854775807}])", 0)->at(0).left == Guard::kBlockMax);
}
