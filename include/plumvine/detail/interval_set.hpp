#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
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
    auto next = ranges_.upper_bound(range.first);
    auto into = next == ranges_.begin() ? ranges_.end() : std::prev(next);
    std::uint64_t before = 0;
    if (into != ranges_.end() && (into->second >= range.first || into->second + 1 == range.first)) {
      before = overlap({into->first, into->second}, range);
      into->second = into->second > range.last ? into->second : range.last;
    } else {
      into = ranges_.emplace_hint(next, range.first, range.last);
    }
    // What it has grown to touch becomes a part of it.
    while (next != ranges_.end() && (next->first <= into->second || next->first == into->second + 1)) {
      before += overlap({next->first, next->second}, range);
      into->second = next->second > into->second ? next->second : into->second;
      next = ranges_.erase(next);
    }
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
    if (it != ranges_.begin() && std::prev(it)->second >= range.first) --it;
    while (it != ranges_.end() && it->first <= range.last) {
      const SequenceRange had{it->first, it->second};
      gone += overlap(had, range);
      if (had.first < range.first) {
        it->second = range.first - 1;
        ++it;
        if (had.last > range.last) it = ranges_.emplace_hint(it, range.last + 1, had.last);
      } else if (had.last > range.last) {
        auto node = ranges_.extract(it++);  // the same node with another key: no allocation
        node.key() = range.last + 1;
        it = ranges_.insert(it, std::move(node));
      } else {
        it = ranges_.erase(it);
      }
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
  static std::uint64_t overlap(SequenceRange a, SequenceRange b) noexcept {
    const Sequence first = a.first > b.first ? a.first : b.first;
    const Sequence last = a.last < b.last ? a.last : b.last;
    return first <= last ? last - first + 1 : 0;
  }

  std::map<Sequence, Sequence> ranges_;
  std::uint64_t count_ = 0;
};

}  // namespace plumvine
