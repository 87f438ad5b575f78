#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tidy {

/// The project's root folder.
const std::filesystem::path& root();

/// A text file of the project.
struct SourceFile {
  std::string path;  ///< relative to the root, with slashes
  std::vector<std::string> lines;
  [[nodiscard]] bool is_header() const { return path.ends_with(".hpp"); }
  [[nodiscard]] bool is_code() const { return is_header() || path.ends_with(".cpp"); }
  [[nodiscard]] bool in(std::string_view folder) const { return path.starts_with(folder); }
  [[nodiscard]] std::string place(std::size_t line_index) const {
    return path + ":" + std::to_string(line_index + 1);
  }
};

/// All text files but build folders, version control, recorded inputs and the license; by path.
const std::vector<SourceFile>& files();

/// One `#include`.
struct Include {
  std::string name;
  bool quoted = false;
  std::size_t line = 0;
};
std::vector<Include> includes_of(const SourceFile& file);

/// The folder of the project that an include leads to (`membership/`, `include/`, `transport/uv/`, …); empty for a
/// header of the system.
std::string folder_of_include(const SourceFile& file, const Include& include);

/// The line without its `//` comment and without what stands in quotes.
std::string code_of(const std::string& line);

}  // namespace tidy
