// Sizes, words, run bits, links: what a reader of the tree relies on.
#include "support/pch.hpp"

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tree.hpp"

namespace {

namespace fs = std::filesystem;
using tidy::SourceFile;

const SourceFile& file_at(const std::string& path) {
  const auto& all = tidy::files();
  const auto found = std::find_if(all.begin(), all.end(), [&](const SourceFile& file) { return file.path == path; });
  INFO(path);
  REQUIRE(found != all.end());
  return *found;
}

std::string text_of(const SourceFile& file) {
  std::string text;
  for (const std::string& line : file.lines) text += line + '\n';
  return text;
}

bool executable(const std::string& path) {
  const auto run_bits = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  return (fs::status(tidy::root() / path).permissions() & run_bits) == run_bits;
}

/// The lines between the fences of the first block of `language` in a page.
std::string first_block(const SourceFile& page, const std::string& language) {
  std::string block;
  bool inside = false;
  for (const std::string& line : page.lines) {
    if (!inside && line == "```" + language) {
      inside = true;
    } else if (inside && line == "```") {
      return block;
    } else if (inside) {
      block += line + '\n';
    }
  }
  return block;
}

/// What a link calls a heading: lower case, blanks are dashes, of other marks only dashes and underscores stay.
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading.substr(std::min(heading.find_first_not_of("# "), heading.size()))) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c == ' ' || c == '-') anchor += '-';
    else if (c == '_') anchor += c;
  }
  return anchor;
}

bool has_heading(const SourceFile& page, const std::string& anchor) {
  return std::any_of(page.lines.begin(), page.lines.end(),
                     [&](const std::string& line) { return line.starts_with('#') && anchor_of(line) == anchor; });
}

}  // namespace

TEST_CASE("files stay short enough to be read") {
  for (const SourceFile& file : tidy::files()) {
    if (!file.is_code()) continue;
    INFO(file.path);
    CHECK(file.lines.size() <= 800);
  }
}

TEST_CASE("nothing is left to be done later, and no machine is named") {
  // Put together here, or this file would be a finding.
  const std::vector<std::string> words{std::string("TO") + "DO", std::string("FIX") + "ME", std::string("X") + "XX",
                                       std::string("/wo") + "rk/"};
  for (const SourceFile& file : tidy::files()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string& word : words) {
        const std::size_t at = file.lines[i].find(word);
        // mkstemp's six letters are no word.
        const bool pattern = at != std::string::npos && file.lines[i].compare(at, 6, std::string(6, 'X')) == 0;
        INFO(file.place(i) << " says " << word);
        CHECK((at == std::string::npos || pattern));
      }
    }
  }
}

TEST_CASE("every test has a name that ctest can run it by") {
  // Lists of CMake are cut at semicolons, and brackets glue what is between them: such a test would count as passed without having run.
  const std::regex name("TEST_CASE\\(\"([^\"]*)\"");
  std::size_t names = 0;
  for (const SourceFile& file : tidy::files()) {
    if (!file.path.starts_with("tests/") || !file.path.ends_with(".cpp")) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(file.lines[i], match, name)) continue;
      ++names;
      INFO(file.place(i));
      CHECK(match[1].str().find_first_of("[];") == std::string::npos);
    }
  }
  CHECK(names > 800);
}

TEST_CASE("scripts can be run") {
  std::size_t scripts = 0;
  for (const SourceFile& file : tidy::files()) {
    if (file.lines.empty() || !file.lines.front().starts_with("#!")) continue;
    INFO(file.path);
    CHECK(executable(file.path));
    ++scripts;
  }
  CHECK(scripts >= 4);
  for (const char* path : {"tools/demo", "tools/test", "tools/deps", ".ci/run"}) {
    INFO(path);
    CHECK(executable(path));
    CHECK(file_at(path).lines.front() == "#!/usr/bin/env bash");
  }
}

TEST_CASE("the continuous integration runs tools/test") {
  CHECK(text_of(file_at(".ci/run")).find("exec tools/test") != std::string::npos);
}

TEST_CASE("the front pages are there and name the two commands") {
  for (const char* page : {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"}) {
    CHECK(file_at(page).lines.size() > 5);
  }
  CHECK(fs::file_size(tidy::root() / "LICENSE") > 10'000);
  for (const char* command : {"tools/demo", "tools/test"}) {
    CHECK(text_of(file_at("README.md")).find(command) != std::string::npos);
  }
}

TEST_CASE("every folder says on one screen what it is for") {
  for (const char* folder : {"include", "membership", "plumtree", "transport", "metrics", "health", "tools", "tests"}) {
    const SourceFile& page = file_at(std::string(folder) + "/README.md");
    INFO(page.path);
    CHECK(page.lines.front().starts_with("# "));
    CHECK(page.lines.size() >= 5);
  }
}

TEST_CASE("links between pages lead somewhere") {
  static const std::regex kLink(R"(\]\(([^)#\s]*)#?([^)\s]*)\))");
  std::size_t links = 0;
  for (const SourceFile& page : tidy::files()) {
    if (!page.path.ends_with(".md")) continue;
    for (std::size_t i = 0; i < page.lines.size(); ++i) {
      const std::string& line = page.lines[i];
      for (auto at = std::sregex_iterator(line.begin(), line.end(), kLink); at != std::sregex_iterator(); ++at) {
        const std::string target = (*at)[1];
        if (target.find("://") != std::string::npos) continue;
        INFO(page.place(i) << " links to " << target);
        const fs::path where = target.empty() ? fs::path(page.path) : (fs::path(page.path).parent_path() / target).lexically_normal();
        CHECK(fs::exists(tidy::root() / where));
        const std::string anchor = (*at)[2];
        INFO("at #" << anchor);
        CHECK((anchor.empty() || has_heading(file_at(where.string()), anchor)));
        ++links;
      }
    }
  }
  CHECK(links > 10);
}

TEST_CASE("files that pages name in code style exist") {
  static const std::regex kName(
      R"(`((?:include|membership|plumtree|transport|metrics|health|tools|tests)/[A-Za-z0-9_./-]+)`)");
  for (const SourceFile& page : tidy::files()) {
    if (!page.path.ends_with(".md")) continue;
    for (std::size_t i = 0; i < page.lines.size(); ++i) {
      const std::string& line = page.lines[i];
      for (auto at = std::sregex_iterator(line.begin(), line.end(), kName); at != std::sregex_iterator(); ++at) {
        const std::string target = (*at)[1];
        INFO(page.place(i) << " names " << target);
        CHECK(fs::exists(tidy::root() / target));
      }
    }
  }
}

TEST_CASE("the program in README.md is the one that is compiled") {
  const SourceFile& program = file_at("tools/examples/hello.cpp");
  CHECK(first_block(file_at("README.md"), "cpp") == text_of(program));
  CHECK(program.lines.size() <= 22);
}

TEST_CASE("the service in docs/getting-started.md is the one that is compiled and run") {
  CHECK(first_block(file_at("docs/getting-started.md"), "cpp") == text_of(file_at("tools/examples/greeter.cpp")));
}

TEST_CASE("pages that name tests name tests that exist") {
  const std::regex name("TEST_CASE\\(\"([^\"]*)\"");
  std::set<std::string> cases;
  for (const SourceFile& file : tidy::files()) {
    if (!file.is_code() || file.path.rfind("tests/", 0) != 0) continue;
    const std::string text = text_of(file);
    for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) cases.insert((*it)[1]);
  }
  // The test is in the last column.
  const auto rows_of = [&](const std::string& page) {
    std::size_t rows = 0;
    for (const std::string& line : file_at(page).lines) {
      const bool heading = line.rfind("|---", 0) == 0 || line.rfind("| memberlist |", 0) == 0 || line.rfind("| input |", 0) == 0;
      if (line.rfind("| ", 0) != 0 || heading) continue;
      const std::size_t begin = line.rfind(" | ", line.size() - 3) + 3;
      const std::string ours = line.substr(begin, line.size() - begin - 2);
      INFO(page << ": " << ours);
      CHECK(cases.count(ours) == 1);
      ++rows;
    }
    return rows;
  };
  CHECK(rows_of("docs/memberlist-tests.md") > 80);
  // All of memberlist's tests are in the first column. The list is theirs, without `Test` and `Memberlist` in front.
  std::set<std::string> theirs;
  for (const std::string& line : file_at("docs/memberlist-tests.md").lines) {
    if (line.rfind("| ", 0) != 0) continue;
    const std::string first = line.substr(2, line.find(" | ") - 2);
    static const std::regex word("[A-Za-z0-9_]+");
    for (std::sregex_iterator it(first.begin(), first.end(), word), end; it != end; ++it) theirs.insert((*it)[0]);
  }
  std::ifstream list(tidy::root() / "tests/tidy/memberlist_tests.txt");
  std::size_t names = 0;
  for (std::string line; std::getline(list, line); ++names) {
    INFO(line);
    CHECK(theirs.count(line) == 1);
  }
  CHECK(names == 147);
  CHECK(rows_of("docs/bad-inputs.md") > 40);
}
