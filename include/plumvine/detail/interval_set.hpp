#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include <plumvine/types.hpp>

namespace plumvine {

/// A set of sequences kept as disjoint closed ranges that never touch, in ascending order. Memory is
/// proportional to the number of ranges.
class IntervalSet {
 public:
  /// Adds [range.first, range.last]; returns how many sequences were new.
  std::uint64_t add(SequenceRange range) {
    if (range.first > range.last) return 0;
    std::uint64_t before = 0;
    Sequence first = range.first;
    Sequence last = range.last;
    auto it = ranges_.upper_bound(first);
    if (it != ranges_.begin()) {
      auto previous = std::prev(it);
      if (previous->second >= first || previous->second + 1 == first) it = previous;
    }
    while (it != ranges_.end() && (it->first <= last || it->first == last + 1)) {
      const Sequence lo = it->first < range.first ? range.first : it->first;
      const Sequence hi = it->second > range.last ? range.last : it->second;
      if (lo <= hi) before += hi - lo + 1;
      first = it->first < first ? it->first : first;
      last = it->second > last ? it->second : last;
      it = ranges_.erase(it);
    }
    ranges_.emplace(first, last);
    const std::uint64_t fresh = range.last - range.first + 1 - before;
    count_ += fresh;
    return fresh;
  }
  bool add(Sequence sequence) { return add(SequenceRange{sequence, sequence}) == 1; }

  /// Removes [range.first, range.last]; returns how many sequences there were.
  std::uint64_t remove(SequenceRange range) {
    if (range.first > range.last) return 0;
    std::uint64_t gone = 0;
    auto it = ranges_.upper_bound(range.first);
    if (it != ranges_.begin()) --it;
    while (it != ranges_.end() && it->first <= range.last) {
      const SequenceRange had{it->first, it->second};
      if (had.last < range.first) {
        ++it;
        continue;
      }
      const Sequence lo = had.first < range.first ? range.first : had.first;
      const Sequence hi = had.last > range.last ? range.last : had.last;
      gone += hi - lo + 1;
      it = ranges_.erase(it);
      if (had.first < lo) ranges_.emplace(had.first, lo - 1);
      if (had.last > hi) it = ranges_.emplace(hi + 1, had.last).first;
    }
    count_ -= gone;
    return gone;
  }
  bool remove(Sequence sequence) { return remove(SequenceRange{sequence, sequence}) == 1; }

  [[nodiscard]] bool contains(Sequence sequence) const {
    auto it = ranges_.upper_bound(sequence);
    return it != ranges_.begin() && std::prev(it)->second >= sequence;
  }
  /// The first member at or above `from`; nullopt if there is none.
  [[nodiscard]] std::optional<Sequence> next(Sequence from) const {
    auto it = ranges_.upper_bound(from);
    if (it != ranges_.begin() && std::prev(it)->second >= from) return from;
    if (it == ranges_.end()) return std::nullopt;
    return it->first;
  }
  /// The first sequence at or above `from` that is not a member.
  [[nodiscard]] Sequence next_absent(Sequence from) const {
    auto it = ranges_.upper_bound(from);
    return it != ranges_.begin() && std::prev(it)->second >= from ? std::prev(it)->second + 1 : from;
  }
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t ranges() const noexcept { return ranges_.size(); }
  [[nodiscard]] SequenceRange front() const { return {ranges_.begin()->first, ranges_.begin()->second}; }
  [[nodiscard]] SequenceRange back() const { return {std::prev(ranges_.end())->first, std::prev(ranges_.end())->second}; }
  /// The ranges, ascending, at most `limit`.
  [[nodiscard]] std::vector<SequenceRange> list(std::size_t limit = SIZE_MAX) const {
    std::vector<SequenceRange> out;
    for (auto it = ranges_.begin(); it != ranges_.end() && out.size() < limit; ++it) out.push_back({it->first, it->second});
    return out;
  }
  /// The parts of `range` that are not in the set, ascending, at most `limit`.
  [[nodiscard]] std::vector<SequenceRange> missing_in(SequenceRange range, std::size_t limit = SIZE_MAX) const {
    std::vector<SequenceRange> out;
    if (range.first > range.last) return out;
    Sequence next = range.first;
    auto it = ranges_.upper_bound(range.first);
    if (it != ranges_.begin()) --it;
    for (; it != ranges_.end() && it->first <= range.last && out.size() < limit; ++it) {
      if (it->second < next) continue;
      if (it->first > next) out.push_back({next, it->first - 1});
      if (it->second >= range.last) return out;
      next = it->second + 1;
    }
    if (next <= range.last && out.size() < limit) out.push_back({next, range.last});
    return out;
  }
  void clear() noexcept {
    ranges_.clear();
    count_ = 0;
  }
  friend bool operator==(const IntervalSet& a, const IntervalSet& b) { return a.ranges_ == b.ranges_; }

 private:
  std::map<Sequence, Sequence> ranges_;
  std::uint64_t count_ = 0;
};

}  // namespace plumvine
