#include "seen.hpp"

#include <plumvine/detail/check.hpp>

namespace plumvine::tree {

std::optional<OriginIndex> SeenSet::find(InstanceId origin) const {
  const auto it = by_instance_.find(static_cast<std::uint64_t>(origin));
  if (it == by_instance_.end()) return std::nullopt;
  return it->second;
}

std::optional<OriginIndex> SeenSet::add(InstanceId origin, std::string_view name, Timestamp now) {
  if (full()) return std::nullopt;
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
  const bool fresh = by_instance_.emplace(static_cast<std::uint64_t>(origin), index).second;
  PLUMVINE_CHECK(fresh, "an origin is added once");
  return index;
}

void SeenSet::forget(OriginIndex index) {
  by_instance_.erase(static_cast<std::uint64_t>(origins_[index].instance));
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
  const std::uint64_t fresh = origin.above.add(range);
  absorb(origin);
  return fresh;
}

void SeenSet::heard_of(OriginIndex index, Sequence sequence, Timestamp now) {
  Origin& origin = origins_[index];
  if (sequence <= origin.highest) return;
  origin.highest = sequence;
  origin.active = now;
}

std::vector<SequenceRange> SeenSet::missing_in(OriginIndex index, SequenceRange range, std::size_t limit) const {
  const Origin& origin = origins_[index];
  if (range.first <= origin.watermark) range.first = origin.watermark + 1;
  return origin.above.missing_in(range, limit);
}

}  // namespace plumvine::tree
