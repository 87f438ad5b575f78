#include "support/pch.hpp"

#include <fstream>
#include <string>

#include <unistd.h>

#include "lines.hpp"

namespace {

/// A file with this content, gone with the object.
struct TemporaryFile {
  explicit TemporaryFile(const std::string& content) {
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TemporaryFile() { ::unlink(path.c_str()); }
  std::string path = "/tmp/plumvine-lines-XXXXXX";
};

demo::LineFile load(const std::string& content) {
  const TemporaryFile file(content);
  demo::LineFile lines;
  std::string error;
  REQUIRE(lines.load(file.path, error));
  return lines;
}

std::string printed(int sequence, const std::string& payload) {
  return R"({"topic":"demo","origin":"n1","seq":)" + std::to_string(sequence) + R"(,"payload":")" + payload + "\"}\n";
}

}  // namespace

TEST_CASE("lines are cut as the publishing agent cuts them") {
  struct Row {
    std::string content;
    std::vector<std::string> lines;
  };
  const std::vector<Row> rows{
      {"", {}},
      {"\n", {""}},
      {"a", {"a"}},
      {"a\n", {"a"}},
      {"a\n\nb", {"a", "", "b"}},
      {"a\r\nb\r\n", {"a\r", "b\r"}},
      {std::string("\0\xff\n", 3), {std::string("\0\xff", 2)}},
  };
  for (const Row& row : rows) {
    const demo::LineFile file = load(row.content);
    REQUIRE(file.count() == row.lines.size());
    for (std::size_t i = 0; i < row.lines.size(); ++i) CHECK(file.line(i + 1) == row.lines[i]);
    CHECK(file.end_of(file.count()) == row.content.size());
    CHECK(file.lines_before(row.content.size()) == row.lines.size());
  }
}

TEST_CASE("offsets and line numbers belong together") {
  const demo::LineFile file = load("ab\ncde\nf");
  CHECK(file.end_of(0) == 0);
  CHECK(file.end_of(1) == 3);
  CHECK(file.end_of(2) == 7);
  CHECK(file.lines_before(0) == 0);
  CHECK(file.lines_before(2) == 0);
  CHECK(file.lines_before(3) == 1);
  CHECK(file.lines_before(7) == 2);
  CHECK(file.longest() == 2);
}

TEST_CASE("a file that is not there is one clear line") {
  demo::LineFile file;
  std::string error;
  CHECK_FALSE(file.load("/nowhere/at/all", error));
  CHECK(error == "cannot read '/nowhere/at/all': No such file or directory");
  CHECK_FALSE(file.load("/", error));
  CHECK(error == "cannot read '/': Is a directory");
}

TEST_CASE("a receipt is perfect when every line came once, in any order and in any pieces") {
  const demo::LineFile file = load("a\n\nc");
  demo::Receipt receipt(file);
  const std::string output = printed(2, "") + printed(1, "a") + printed(3, "c");
  for (const char c : output) {
    CHECK_FALSE(receipt.perfect());
    receipt.feed(std::string_view(&c, 1));
  }
  CHECK(receipt.perfect());
  CHECK(receipt.first_missing() == 0);
}

TEST_CASE("bytes that are no UTF-8 come as base64") {
  const demo::LineFile file = load("\xff\n\xff\xfe\nabc\xff\n\xc3");
  demo::Receipt receipt(file);
  receipt.feed("{\"seq\":1,\"payload_base64\":\"/w==\"}\n{\"seq\":2,\"payload_base64\":\"//4=\"}\n");
  receipt.feed("{\"seq\":3,\"payload_base64\":\"YWJj/w==\"}\n{\"seq\":4,\"payload_base64\":\"ww==\"}\n");
  CHECK(receipt.perfect());
  receipt.feed("{\"seq\":4,\"payload_base64\":\"w=w=\"}\n");
  CHECK(receipt.wrong() == 1);
}

TEST_CASE("what is wrong with a receipt is counted and named") {
  const demo::LineFile file = load("a\nb");
  demo::Receipt receipt(file);
  receipt.feed(printed(1, "a"));
  CHECK_FALSE(receipt.complete());
  CHECK(receipt.first_missing() == 2);

  SECTION("a line that came twice") {
    receipt.feed(printed(2, "b") + printed(1, "a"));
    CHECK(receipt.duplicates() == 1);
    CHECK(receipt.first_problem() == "line 1 came twice");
  }
  SECTION("other bytes") {
    receipt.feed(printed(2, "x"));
    CHECK(receipt.wrong() == 1);
    CHECK(receipt.first_problem() == "line 2 has other bytes");
  }
  SECTION("a message that was never sent") {
    receipt.feed(printed(2, "b") + printed(3, "c"));
    CHECK(receipt.wrong() == 1);
    CHECK(receipt.first_problem() == "message 3 was never sent");
  }
  SECTION("something else than a message") {
    receipt.feed(printed(2, "b") + "hello\n");
    CHECK(receipt.wrong() == 1);
  }
  SECTION("a line cut off at the end of the output") {
    receipt.feed(printed(2, "b") + "{\"seq\"");
    CHECK(receipt.complete());
  }
  CHECK_FALSE(receipt.perfect());
}
