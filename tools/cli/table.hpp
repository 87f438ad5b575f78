#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "health/json_text.hpp"

#include "terminal.hpp"

namespace plumvine::cli {

/// Columns as wide as their widest cell. On a terminal cells that are the name of a state have its colour.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { row(std::move(header)); }
  /// Names of members may hold any characters: what a terminal would obey is escaped.
  void row(std::vector<std::string> cells) {
    for (auto& cell : cells) cell = dump::printable(cell);
    rows_.push_back(std::move(cells));
  }
  [[nodiscard]] std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& cells : rows_) {
      widths.resize(std::max(widths.size(), cells.size()));
      for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width(cells[i]));
    }
    std::string out;
    const bool colours = shows_colours(stdout);
    for (const auto& cells : rows_) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i)
        line += (colours ? coloured(cells[i]) : cells[i]) + std::string(widths[i] - width(cells[i]) + 2, ' ');
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + '\n';
    }
    return out;
  }

 private:
  /// Characters, not bytes.
  static std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }

  std::vector<std::vector<std::string>> rows_;
};

}  // namespace plumvine::cli
