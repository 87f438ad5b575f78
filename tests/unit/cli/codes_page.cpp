// docs/codes.md is made from what `plumvine explain` knows.
#include <fstream>
#include <map>
#include <sstream>

#include "support/pch.hpp"
#include "tools/cli/commands.hpp"

namespace {

constexpr std::string_view kIntro = R"(# Codes

What `plumvine explain CODE` says, for all codes at once. This page is made from the source: a test fails when the two differ, and leaves the page as
it should be beside its program.

Codes that begin with PV stand in log lines, in events (`plumvine events`) and in reasons of the health report; they do not change their meaning
between versions. Codes in words are those of errors: in the library `Errc`, over HTTP the field `code` of the error object. *Where* says which of
these carries a code. "event" behind a log line is the kind of the event; a log line without one is no event. A health reason has the
component and how bad it is.

)";

struct Section {
  std::string_view prefix, title;
};
constexpr Section kSections[] = {
    {"PV11", "Membership"},       {"PV12", "Links"},           {"PV13", "Trees"},         {"PV14", "The node"},
    {"PV15", "Sockets and files"}, {"PV2", "Reasons of health"}, {"PV5", "The agent"},       {"", "Errors"},
};

/// The first one that fits.
std::string section_of(std::string_view code) {
  for (const Section& section : kSections)
    if (code.starts_with(section.prefix)) return std::string(section.title);
  return {};
}

/// As text of a cell: some causes and remedies are half sentences.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

}  // namespace

TEST_CASE("the page of codes is what explain knows", "[explain]") {
  std::map<std::string, std::map<std::string, std::string>> tables;
  for (const auto& row : plumvine::cli::all_codes()) {
    const std::string code{row.code};
    tables[section_of(code)][code] = "| `" + code + "` | " + row.source + " | " + cell(row.cause) + " | " + cell(row.remedy) + " |\n";
  }
  std::string made{kIntro};
  for (const Section& section : kSections) {
    const auto& rows = tables[std::string(section.title)];
    CHECK_FALSE(rows.empty());
    made += (made.ends_with("|\n") ? "\n## " : "## ") + std::string(section.title) + "\n\n| code | where | meaning | what to do |\n|---|---|---|---|\n";
    for (const auto& [code, row] : rows) made += row;
  }
  std::ofstream("codes.md") << made;  // what to copy when this fails
  std::ifstream file(PLUMVINE_SOURCE_DIR "/docs/codes.md");
  std::ostringstream page;
  page << file.rdbuf();
  CHECK(page.str() == made);
}
