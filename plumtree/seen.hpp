#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/detail/interval_set.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/types.hpp>

namespace plumvine::tree {

/// Dense number of an origin at this node. Reused after the origin was forgotten.
using OriginIndex = std::uint32_t;

/// Remembers which messages were seen, exactly and in O(origins) memory.
///
/// Per origin it keeps a watermark (everything at or below it was seen) and the ranges above it. "Seen" means: was
/// delivered, was reported lost, or lies below the start that a joiner took over. An id is a duplicate by definition once it
/// is seen, so nothing has to be kept for a time-to-live.
///
/// Invariants: the ranges are above the watermark and leave a gap right after it; `highest` is at least the end of the last range.
/// Bounds: `origins_max` origins. Not thread-safe; owned by `Tree`.
class SeenSet {
 public:
  struct Origin {
    InstanceId instance{};
    std::string name;
    Sequence watermark = 0;
    IntervalSet above;
    Sequence highest = 0;  ///< highest sequence known to exist
    Timestamp active;      ///< when something new of it was last seen or heard of
    bool used = false;
  };

  explicit SeenSet(std::uint32_t origins_max) : origins_max_(origins_max < 2 ? 2 : origins_max) {}

  [[nodiscard]] std::optional<OriginIndex> find(InstanceId origin) const;
  /// Adds an origin that `find` does not know, with nothing seen. Nothing when the table is full: forget one first.
  std::optional<OriginIndex> add(InstanceId origin, std::string_view name, Timestamp now);
  /// For an origin of our own, which has room in any case.
  OriginIndex add_own(InstanceId origin, std::string_view name, Timestamp now);
  void forget(OriginIndex index);
  [[nodiscard]] bool full() const noexcept { return origins_.size() >= origins_max_ && free_.empty(); }

  /// Marks one sequence. Returns false if it already was seen.
  bool mark(OriginIndex index, Sequence sequence);
  /// Marks a range; returns how many of it were new.
  std::uint64_t mark(OriginIndex index, SequenceRange range);
  /// Counts as missing again.
  void unmark(OriginIndex index, SequenceRange range);
  /// `sequence` is known to exist.
  void heard_of(OriginIndex index, Sequence sequence, Timestamp now);

  /// What was heard of above `upto` and never seen does not exist after all.
  void retract(OriginIndex index, Sequence upto);

  [[nodiscard]] bool contains(OriginIndex index, Sequence sequence) const {
    const Origin& origin = origins_[index];
    return sequence <= origin.watermark || (!origin.above.empty() && origin.above.contains(sequence));
  }
  /// Nothing of `range` was seen.
  [[nodiscard]] bool is_missing(OriginIndex index, SequenceRange range) const {
    const Origin& origin = origins_[index];
    const auto next = origin.above.next(range.first);
    return range.first > origin.watermark && !(next && *next <= range.last);
  }
  /// The parts of `range` that were not seen, ascending, at most `limit`.
  [[nodiscard]] std::vector<SequenceRange> missing_in(OriginIndex index, SequenceRange range, std::size_t limit = SIZE_MAX) const;
  /// How many are known to exist and were not seen.
  [[nodiscard]] std::uint64_t missing(OriginIndex index) const {
    const Origin& origin = origins_[index];
    return origin.highest - origin.watermark - origin.above.count();
  }

  [[nodiscard]] const Origin& operator[](OriginIndex index) const { return origins_[index]; }
  void set_name(OriginIndex index, std::string_view name) { origins_[index].name = name; }
  /// One more than the largest index in use. Entries whose `used` is false are holes.
  [[nodiscard]] OriginIndex end() const noexcept { return static_cast<OriginIndex>(origins_.size()); }
  [[nodiscard]] std::size_t size() const noexcept { return origins_.size() - free_.size(); }

 private:
  void absorb(Origin& origin);
  // An open hash table with linear probing: looked up for each frame, never iterated.
  [[nodiscard]] std::size_t place(InstanceId origin) const noexcept {
    return static_cast<std::size_t>(mix64(static_cast<std::uint64_t>(origin))) & (table_.size() - 1);
  }
  void insert(OriginIndex index);
  void grow();

  std::uint32_t origins_max_;
  std::vector<Origin> origins_;
  std::vector<OriginIndex> free_;
  struct Place {
    InstanceId origin{};
    OriginIndex index = 0;
    bool used = false;
  };
  std::vector<Place> table_;  // size is a power of two, at most half full
};

}  // namespace plumvine::tree
