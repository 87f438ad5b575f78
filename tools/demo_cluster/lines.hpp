#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

/// The lines of a file, as the agent's `--publish` cuts them: without their line feed, empty ones count, a last
/// one without line feed counts. Any bytes.
class LineFile {
 public:
  /// Reads all of `path` into memory (pipes too). False with one line in `error` when that is not possible.
  bool load(const std::string& path, std::string& error);

  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t count() const { return starts_.size(); }
  /// Line `number`, counted from 1.
  [[nodiscard]] std::string_view line(std::uint64_t number) const;
  /// Where the first `count` lines end in `bytes()`, line feed included.
  [[nodiscard]] std::size_t end_of(std::uint64_t count) const;
  /// How many lines end at or before `offset`.
  [[nodiscard]] std::uint64_t lines_before(std::size_t offset) const;
  /// Number of the longest line, 0 without lines.
  [[nodiscard]] std::uint64_t longest() const;

 private:
  std::string bytes_;
  std::vector<std::size_t> starts_;
};

/// What one node printed, compared with the file while it comes in. Message `seq` must be line `seq`: the
/// publisher broadcasts nothing else.
class Receipt {
 public:
  explicit Receipt(const LineFile& file) : file_(file), seen_(file.count() + 1) {}

  /// The next bytes of the node's standard output.
  void feed(std::string_view output);

  [[nodiscard]] std::uint64_t received() const { return received_; }   ///< different lines, each right
  [[nodiscard]] std::uint64_t duplicates() const { return duplicates_; }
  [[nodiscard]] std::uint64_t wrong() const { return wrong_; }         ///< other bytes, or no line at all
  [[nodiscard]] bool complete() const { return received_ == file_.count(); }
  [[nodiscard]] bool perfect() const { return complete() && duplicates_ == 0 && wrong_ == 0 && pending_.empty(); }
  /// The first thing that was wrong; empty if nothing was.
  [[nodiscard]] const std::string& first_problem() const { return first_problem_; }
  /// The lowest line not received, 0 if there is none.
  [[nodiscard]] std::uint64_t first_missing() const;

 private:
  void take(std::string_view printed);
  void reject(std::string why);

  const LineFile& file_;
  std::vector<bool> seen_;
  std::string pending_;  ///< a printed line whose end has not come yet
  std::uint64_t received_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t wrong_ = 0;
  std::string first_problem_;
};

}  // namespace demo
