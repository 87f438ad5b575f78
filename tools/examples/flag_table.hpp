#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Feature flags that every instance of a service holds in full. Writers need not agree beforehand: the write with
/// the higher counter wins, between equal counters the writer with the greater name. Applying the same writes in
/// any order, any number of times, gives the same table everywhere.
class FlagTable {
 public:
  struct Flag {
    std::uint64_t counter = 0;
    std::string writer;
    std::string value;
  };

  /// A write of our own, newer than everything seen so far. Returns it as one line for the others.
  std::string write(const std::string& name, const std::string& value, const std::string& writer) {
    Flag& flag = flags_[name];
    flag = {++highest_, writer, value};
    return to_line(name, flag);
  }

  /// Applies lines that another instance made. Returns the names whose value is new; other lines are skipped.
  std::vector<std::string> merge(std::string_view lines) {
    std::vector<std::string> changed;
    while (!lines.empty()) {
      const std::size_t end = lines.find('\n');
      merge_line(lines.substr(0, end), changed);
      lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    }
    return changed;
  }

  /// The whole table as lines for `merge`.
  [[nodiscard]] std::string to_lines() const {
    std::string lines;
    for (const auto& [name, flag] : flags_) lines += to_line(name, flag);
    return lines;
  }

  [[nodiscard]] const Flag* find(const std::string& name) const {
    const auto found = flags_.find(name);
    return found == flags_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::map<std::string, Flag>& all() const { return flags_; }

 private:
  static std::string to_line(const std::string& name, const Flag& flag) {
    return std::to_string(flag.counter) + ' ' + flag.writer + ' ' + name + ' ' + flag.value + '\n';
  }

  static std::string_view next_word(std::string_view& line) {
    const std::size_t end = line.find(' ');
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return word;
  }

  void merge_line(std::string_view line, std::vector<std::string>& changed) {
    const std::string_view digits = next_word(line);
    std::uint64_t counter = 0;
    if (digits.empty() || digits.size() > 18) return;
    for (const char digit : digits) {
      if (digit < '0' || digit > '9') return;
      counter = counter * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    const std::string writer(next_word(line));
    const std::string name(next_word(line));
    if (writer.empty() || name.empty()) return;
    if (counter > highest_) highest_ = counter;
    const auto found = flags_.find(name);
    if (found != flags_.end()) {
      const Flag& mine = found->second;
      if (mine.counter > counter || (mine.counter == counter && mine.writer >= writer)) return;
    }
    flags_[name] = {counter, writer, std::string(line)};
    changed.push_back(name);
  }

  std::map<std::string, Flag> flags_;
  std::uint64_t highest_ = 0;
};
