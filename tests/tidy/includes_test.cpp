// The dependency drawing of ARCHITECTURE.md, folder by folder.
#include "support/pch.hpp"

#include <regex>

#include "tree.hpp"

namespace {

using tidy::SourceFile;

struct FolderRule {
  std::string folder;
  std::set<std::string> may_include;
};

/// The most specific rule comes first.
const std::vector<FolderRule> kRules{
    {"include/plumvine/", {"include/"}},
    {"include/src/", {"include/"}},
    {"membership/", {"include/", "membership/"}},
    {"plumtree/", {"include/", "plumtree/"}},
    {"transport/uv/", {"include/", "transport/", "transport/uv/", "health/"}},
    {"transport/", {"include/", "membership/", "plumtree/", "transport/"}},
    {"metrics/", {"include/", "metrics/"}},
    {"health/", {"include/", "health/"}},
};

const FolderRule* rule_for(const SourceFile& file) {
  for (const FolderRule& rule : kRules) {
    if (file.in(rule.folder)) return &rule;
  }
  return nullptr;
}

/// Code that gets `now` as a parameter, its randomness injected, and bytes handed in.
bool sans_io(const SourceFile& file) {
  if (!file.is_code() || file.in("transport/uv/")) return false;
  for (const char* folder : {"include/", "membership/", "plumtree/", "transport/", "metrics/", "health/"}) {
    if (file.in(folder)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("each folder includes only what it may see") {
  std::size_t judged = 0;
  for (const SourceFile& file : tidy::files()) {
    const FolderRule* rule = file.is_code() ? rule_for(file) : nullptr;
    if (rule == nullptr) continue;
    for (const tidy::Include& include : tidy::includes_of(file)) {
      const std::string target = tidy::folder_of_include(file, include);
      INFO(file.place(include.line) << " includes " << include.name);
      CHECK((target.empty() || rule->may_include.contains(target)));
      CHECK((!include.quoted || !target.empty()));
      ++judged;
    }
  }
  CHECK(judged > 100);
}

TEST_CASE("only transport/uv, programs and tests know libuv, sockets and threads") {
  static const std::regex kSystem(
      R"(uv\.h|uv/.*|sys/.*|netinet/.*|netdb\.h|unistd\.h|poll\.h|pthread\.h|fcntl\.h|thread|future|random|condition_variable|ctime|time\.h)");
  for (const SourceFile& file : tidy::files()) {
    if (!sans_io(file)) continue;
    for (const tidy::Include& include : tidy::includes_of(file)) {
      if (include.quoted) continue;
      INFO(file.place(include.line) << " includes " << include.name);
      CHECK_FALSE(std::regex_match(include.name, kSystem));
    }
  }
}

TEST_CASE("only transport/crypto and transport/tls know the crypto library") {
  std::size_t seen = 0;
  for (const SourceFile& file : tidy::files()) {
    if (!file.is_code()) continue;
    for (const tidy::Include& include : tidy::includes_of(file)) {
      if (!include.name.starts_with("gnutls/")) continue;
      if (file.path == "tests/fuzz/quic.cpp") continue;  // forges the first packets of others
      ++seen;
      INFO(file.place(include.line));
      CHECK((file.path.starts_with("transport/crypto/") || file.path.starts_with("transport/tls/")));
    }
  }
  CHECK(seen > 0);
}

TEST_CASE("only transport/quic knows the QUIC library") {
  std::size_t seen = 0;
  for (const SourceFile& file : tidy::files()) {
    if (!file.is_code()) continue;
    for (const tidy::Include& include : tidy::includes_of(file)) {
      if (!include.name.starts_with("ngtcp2/")) continue;
      ++seen;
      INFO(file.place(include.line));
      CHECK(file.path.starts_with("transport/quic/"));
    }
  }
  CHECK((seen > 0));
}

TEST_CASE("no clock, thread, random device or unportable hash in code without I/O") {
  static const std::regex kCalls(
      R"(_clock\b|::now\(|std::random_device|std::uniform_|std::shuffle|std::thread|std::jthread|std::async|getrandom|\bs?rand\()");
  for (const SourceFile& file : tidy::files()) {
    if (!sans_io(file)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch found;
      const std::string code = tidy::code_of(file.lines[i]);
      const bool bad = std::regex_search(code, found, kCalls);
      INFO(file.place(i) << " uses " << (bad ? found.str() : ""));
      CHECK_FALSE(bad);
    }
  }
}

TEST_CASE("headers are guarded and cheap") {
  static const std::regex kHeavy(R"(msgpack.*|fmt/.*|nlohmann/.*|catch2/.*|prometheus/.*|toml\+\+/.*|CLI/.*|iostream|regex)");
  for (const SourceFile& file : tidy::files()) {
    if (!file.is_header()) continue;
    INFO(file.path);
    const auto first = std::find_if(file.lines.begin(), file.lines.end(), [](const std::string& line) {
      return !line.empty() && !line.starts_with("//");
    });
    CHECK((first != file.lines.end() && *first == "#pragma once"));
    // Test programs are few, and prometheus-cpp is what metrics/ is about.
    if (file.in("tests/")) continue;
    if (file.path == "transport/uv/answer_json.hpp") continue;  // for sources that make JSON anyway
    for (const tidy::Include& include : tidy::includes_of(file)) {
      if (file.in("metrics/") && include.name.starts_with("prometheus/")) continue;
      INFO(file.place(include.line) << " includes " << include.name);
      CHECK_FALSE(std::regex_match(include.name, kHeavy));
    }
  }
}

TEST_CASE("public headers name no library of others") {
  for (const SourceFile& file : tidy::files()) {
    if (!file.in("include/plumvine/")) continue;
    for (const tidy::Include& include : tidy::includes_of(file)) {
      INFO(file.place(include.line) << " includes " << include.name);
      CHECK((include.name.starts_with("plumvine/") || include.name.find('/') == std::string::npos));
      CHECK(include.name.find(".h") == (include.name.starts_with("plumvine/") ? include.name.size() - 4 : std::string::npos));
    }
  }
}
