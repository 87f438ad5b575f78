#include "seen.hpp"

#include <algorithm>

#include <plumvine/detail/check.hpp>

namespace plumvine::tree {

std::optional<OriginIndex> SeenSet::find(InstanceId origin) const {
  if (table_.empty()) return std::nullopt;
  for (std::size_t i = place(origin); table_[i].used; i = (i + 1) & (table_.size() - 1)) {
    if (table_[i].origin == origin) return table_[i].index;
  }
  return std::nullopt;
}

void SeenSet::insert(OriginIndex index) {
  std::size_t i = place(origins_[index].instance);
  while (table_[i].used) i = (i + 1) & (table_.size() - 1);
  table_[i] = {origins_[index].instance, index, true};
}

void SeenSet::grow() {
  if (table_.size() >= 2 * (size() + 1)) return;
  table_.assign(std::max<std::size_t>(8, table_.size() * 2), Place{});
  for (OriginIndex i = 0; i < end(); ++i) {
    if (origins_[i].used) insert(i);
  }
}

std::optional<OriginIndex> SeenSet::add(InstanceId origin, std::string_view name, Timestamp now) {
  if (full()) return std::nullopt;
  return add_own(origin, name, now);
}

OriginIndex SeenSet::add_own(InstanceId origin, std::string_view name, Timestamp now) {
  PLUMVINE_CHECK(!find(origin), "an origin is added once");
  grow();
  OriginIndex index;
  if (free_.empty()) {
    index = static_cast<OriginIndex>(origins_.size());
    origins_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Origin& entry = origins_[index];
  entry.instance = origin;
  entry.name = name;
  entry.active = now;
  entry.used = true;
  insert(index);
  return index;
}

void SeenSet::forget(OriginIndex index) {
  const std::size_t mask = table_.size() - 1;
  std::size_t hole = place(origins_[index].instance);
  while (table_[hole].origin != origins_[index].instance) hole = (hole + 1) & mask;
  // Close the gap: what was pushed past it moves back.
  for (std::size_t i = (hole + 1) & mask; table_[i].used; i = (i + 1) & mask) {
    if (((i - place(table_[i].origin)) & mask) < ((i - hole) & mask)) continue;
    table_[hole] = table_[i];
    hole = i;
  }
  table_[hole] = Place{};
  origins_[index] = Origin{};
  free_.push_back(index);
}

void SeenSet::absorb(Origin& origin) {
  while (!origin.above.empty() && origin.above.front().first <= origin.watermark + 1) {
    const SequenceRange front = origin.above.front();
    origin.above.remove(front);
    if (front.last > origin.watermark) origin.watermark = front.last;
  }
}

bool SeenSet::mark(OriginIndex index, Sequence sequence) {
  Origin& origin = origins_[index];
  if (sequence > origin.highest) origin.highest = sequence;
  if (sequence <= origin.watermark) return false;
  if (sequence != origin.watermark + 1) return origin.above.add(sequence);
  ++origin.watermark;
  if (!origin.above.empty()) absorb(origin);
  return true;
}

std::uint64_t SeenSet::mark(OriginIndex index, SequenceRange range) {
  Origin& origin = origins_[index];
  if (range.last < range.first || range.last <= origin.watermark) return 0;
  if (range.first <= origin.watermark) range.first = origin.watermark + 1;
  if (range.last > origin.highest) origin.highest = range.last;
  if (range.first == origin.watermark + 1 && origin.above.empty()) {
    origin.watermark = range.last;
    return range.last - range.first + 1;
  }
  const std::uint64_t fresh = origin.above.add(range);
  absorb(origin);
  return fresh;
}

void SeenSet::unmark(OriginIndex index, SequenceRange range) {
  Origin& origin = origins_[index];
  if (range.first <= origin.watermark) {
    if (range.last < origin.watermark) origin.above.add({range.last + 1, origin.watermark});
    origin.watermark = range.first - 1;
  }
  origin.above.remove(range);
}

void SeenSet::heard_of(OriginIndex index, Sequence sequence, Timestamp now) {
  Origin& origin = origins_[index];
  if (sequence <= origin.highest) return;
  origin.highest = sequence;
  origin.active = now;
}

void SeenSet::retract(OriginIndex index, Sequence upto) {
  Origin& origin = origins_[index];
  const Sequence seen = origin.above.empty() ? origin.watermark : origin.above.back().last;
  origin.highest = std::min(origin.highest, std::max(upto, seen));
}

std::vector<SequenceRange> SeenSet::missing_in(OriginIndex index, SequenceRange range, std::size_t limit) const {
  const Origin& origin = origins_[index];
  if (range.first <= origin.watermark) range.first = origin.watermark + 1;
  return origin.above.missing_in(range, limit);
}

}  // namespace plumvine::tree
