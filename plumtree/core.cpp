#include "core.hpp"

namespace plumvine::tree {

bool take(OriginSets& sets, OriginIndex origin, SequenceRange range) {
  const auto it = sets.find(origin);
  if (it == sets.end() || it->second.remove(range) == 0) return false;
  if (it->second.empty()) sets.erase(it);
  return true;
}

std::vector<SequenceRange> common(const IntervalSet& set, SequenceRange range) {
  std::vector<SequenceRange> out;
  if (range.first == range.last) {
    if (set.contains(range.first)) out.push_back(range);
    return out;
  }
  Sequence next = range.first;
  for (const SequenceRange& gap : set.missing_in(range)) {
    if (gap.first > next) out.push_back({next, gap.first - 1});
    next = gap.last + 1;
    if (gap.last == range.last) return out;
  }
  if (next <= range.last) out.push_back({next, range.last});
  return out;
}

void IdLists::add(InstanceId origin, SequenceRange range) {
  if (lists_.empty() || ranges_ >= kRangesMax || lists_.back().size() >= kEntriesMax) {
    lists_.emplace_back();
    ranges_ = 0;
  }
  auto& list = lists_.back();
  if (list.empty() || list.back().origin != origin) list.push_back({origin, {}});
  auto& ranges = list.back().ranges;
  if (!ranges.empty() && ranges.back().last + 1 == range.first) {
    ranges.back().last = range.last;
    return;
  }
  // Ranges of one entry ascend on the wire.
  if (!ranges.empty() && ranges.back().last >= range.first) list.push_back({origin, {}});
  list.back().ranges.push_back(range);
  ++ranges_;
}

}  // namespace plumvine::tree
