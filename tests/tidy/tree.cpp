#include "tree.hpp"

#include <algorithm>
#include <fstream>
#include <set>

namespace tidy {
namespace fs = std::filesystem;
namespace {

bool skipped(const std::string& path) {
  static const std::vector<std::string> kPrefixes{"build", ".git/", ".cache/", "tests/fuzz/corpus/", "tests/vectors/data/"};
  static const std::set<std::string> kFiles{"LICENSE", ".git", "compile_commands.json"};
  return kFiles.contains(path) ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](const auto& prefix) { return path.starts_with(prefix); });
}

/// Lines of a text file; a file with NUL bytes is no text and has none.
std::vector<std::string> read_lines(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (line.find('\0') != std::string::npos) return {};
    lines.push_back(line);
  }
  return lines;
}

std::vector<SourceFile> scan() {
  std::vector<SourceFile> found;
  for (auto at = fs::recursive_directory_iterator(root()); at != fs::recursive_directory_iterator(); ++at) {
    const std::string path = at->path().lexically_relative(root()).generic_string();
    if (at->is_directory() && skipped(path + '/')) {
      at.disable_recursion_pending();
    } else if (at->is_regular_file() && !skipped(path)) {
      found.push_back({path, read_lines(at->path())});
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return found;
}

}  // namespace

const fs::path& root() {
  static const fs::path path = PLUMVINE_SOURCE_DIR;
  return path;
}

const std::vector<SourceFile>& files() {
  static const std::vector<SourceFile> all = scan();
  return all;
}

std::vector<Include> includes_of(const SourceFile& file) {
  std::vector<Include> found;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    if (!line.starts_with("#include")) continue;
    const std::size_t open = line.find_first_of("<\"");
    if (open == std::string::npos) continue;
    const std::size_t close = line.find_first_of(">\"", open + 1);
    found.push_back({line.substr(open + 1, close - open - 1), line[open] == '"', i});
  }
  return found;
}

std::string folder_of_include(const SourceFile& file, const Include& include) {
  const fs::path here = fs::path(file.path).parent_path();
  for (const fs::path& base : {here, fs::path(), fs::path("include"), fs::path("tests")}) {
    if (base == here && !include.quoted) continue;
    const fs::path candidate = (base / include.name).lexically_normal();
    if (!fs::exists(root() / candidate)) continue;
    const std::string path = candidate.generic_string();
    if (path.starts_with("transport/uv/")) return "transport/uv/";
    return path.substr(0, path.find('/') + 1);
  }
  return {};
}

std::string code_of(const std::string& line) {
  std::string code;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quote != 0) {
      if (line[i] == '\\') {
        ++i;
      } else if (line[i] == quote) {
        quote = 0;
      }
      continue;
    }
    if (line.compare(i, 2, "//") == 0) break;
    // A digit separator is no quote.
    const bool separator = line[i] == '\'' && i > 0 && std::isxdigit(static_cast<unsigned char>(line[i - 1])) != 0;
    if (line[i] == '"' || (line[i] == '\'' && !separator)) quote = line[i];
    code.push_back(line[i]);
  }
  return code;
}

}  // namespace tidy
