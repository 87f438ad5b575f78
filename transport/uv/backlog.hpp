#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include <plumvine/time.hpp>

namespace plumvine::uv {

/// What was handed to a slow reader and not read yet: how many messages, and since when. Knows sizes only.
/// Bounds: `kMarksMax` marks, each of so many messages that these are enough; the number is too high by less than a mark holds.
class Backlog {
 public:
  static constexpr std::size_t kMarksMax = 256;

  /// One more message, of this size in the stream.
  void handed(std::size_t bytes, Timestamp now) {
    written_ += bytes;
    ++count_;
    if (!marks_.empty() && marks_.back().count < per_mark_) {
      marks_.back().end = written_;
      ++marks_.back().count;
      return;
    }
    marks_.push_back({written_, now, 1});
    if (marks_.size() > kMarksMax) halve();
  }
  /// So many bytes of all that was handed have not been read.
  void waits(std::size_t bytes) {
    while (!marks_.empty() && marks_.front().end + bytes <= written_) {
      count_ -= marks_.front().count;
      marks_.pop_front();
    }
    if (marks_.empty()) per_mark_ = 1;
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// How long the oldest of them waits; 0 where none does.
  [[nodiscard]] Duration age(Timestamp now) const { return marks_.empty() ? Duration{0} : now - marks_.front().since; }

 private:
  struct Mark {
    std::uint64_t end;   ///< of its last byte, counted from the first of all
    Timestamp since;     ///< when the oldest message of it was handed over
    std::uint64_t count;
  };
  void halve() {
    per_mark_ *= 2;
    std::deque<Mark> fewer;
    for (std::size_t i = 0; i < marks_.size(); i += 2) {
      fewer.push_back(marks_[i]);
      if (i + 1 == marks_.size()) break;
      fewer.back().end = marks_[i + 1].end;
      fewer.back().count += marks_[i + 1].count;
    }
    marks_ = std::move(fewer);
  }

  std::deque<Mark> marks_;
  std::uint64_t written_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t per_mark_ = 1;
};

}  // namespace plumvine::uv
