#include <catch2/catch.hpp>

#include "plumtree/core.hpp"
#include "plumtree/wire.hpp"

using namespace plumvine;
using namespace plumvine::tree;

TEST_CASE("common parts of a set and a range", "[core]") {
  IntervalSet set;
  for (const SequenceRange range : {SequenceRange{3, 5}, {8, 8}, {10, 20}}) set.add(range);
  using Ranges = std::vector<SequenceRange>;
  CHECK(common(set, {1, 30}) == Ranges{{3, 5}, {8, 8}, {10, 20}});
  CHECK(common(set, {4, 12}) == Ranges{{4, 5}, {8, 8}, {10, 12}});
  CHECK(common(set, {6, 7}) == Ranges{});
  CHECK(common(set, {1, UINT64_MAX}) == Ranges{{3, 5}, {8, 8}, {10, 20}});
  CHECK(common({}, {1, UINT64_MAX}) == Ranges{});
  CHECK(common(set, {11, 12}) == Ranges{{11, 12}});
}

TEST_CASE("id lists join neighbours and always fit a frame", "[core]") {
  IdLists lists;
  lists.add(InstanceId{1}, {1, 1});
  lists.add(InstanceId{1}, {2, 2});
  lists.add(InstanceId{1}, {4, 4});
  lists.add(InstanceId{2}, {1, 3});
  const auto small = lists.take();
  REQUIRE(small.size() == 1);
  CHECK(small[0] == std::vector<frame::OriginRanges>{{InstanceId{1}, {{1, 2}, {4, 4}}}, {InstanceId{2}, {{1, 3}}}});
  CHECK(lists.empty());

  for (Sequence s = 1; s <= 5000; ++s) lists.add(InstanceId{1}, {2 * s, 2 * s});
  for (std::uint64_t o = 2; o <= 2000; ++o) lists.add(InstanceId{o}, {1, 1});
  std::size_t ranges = 0;
  for (const auto& ids : lists.take()) {
    CHECK(ids.size() <= wire::kEntriesMax);
    std::size_t here = 0;
    for (const auto& list : ids) here += list.ranges.size();
    CHECK(here <= wire::kRangesMax);
    const auto encoded = wire::encode(frame::Pull{ids});
    CHECK(encoded.size() <= wire::kHeadMax);
    ranges += here;
  }
  CHECK(ranges == 5000 + 1999);
}
