#include <catch2/catch.hpp>

#include "plumtree/seen.hpp"

using namespace plumvine;
using namespace plumvine::tree;

TEST_CASE("the watermark follows what was seen in order", "[seen]") {
  SeenSet seen(8);
  const auto o = *seen.add(InstanceId{7}, "n7", Timestamp{});
  CHECK(seen.mark(o, 1));
  CHECK(seen.mark(o, 2));
  CHECK_FALSE(seen.mark(o, 2));
  CHECK(seen[o].watermark == 2);
  CHECK(seen.mark(o, 5));
  CHECK_FALSE(seen.mark(o, 5));
  CHECK(seen[o].watermark == 2);
  CHECK(seen.missing(o) == 2);
  CHECK(seen.contains(o, 5));
  CHECK_FALSE(seen.contains(o, 4));
  CHECK(seen.missing_in(o, {1, 9}) == std::vector<SequenceRange>{{3, 4}, {6, 9}});
  CHECK(seen.mark(o, 4));
  CHECK(seen.mark(o, 3));
  CHECK(seen[o].watermark == 5);
  CHECK(seen[o].above.empty());
  CHECK(seen.missing(o) == 0);
}

TEST_CASE("a range counts as seen at once", "[seen]") {
  SeenSet seen(8);
  const auto o = *seen.add(InstanceId{7}, "n7", Timestamp{});
  seen.mark(o, 4);
  CHECK(seen.mark(o, SequenceRange{2, 6}) == 4);
  CHECK(seen[o].watermark == 0);
  CHECK(seen.mark(o, SequenceRange{1, 1}) == 1);
  CHECK(seen[o].watermark == 6);
  CHECK(seen.mark(o, SequenceRange{1, 6}) == 0);
  seen.heard_of(o, 10, Timestamp{5});
  CHECK(seen.missing(o) == 4);
  CHECK(seen[o].active == Timestamp{5});
}

TEST_CASE("a start takes over what lies below it", "[seen]") {
  SeenSet seen(8);
  const auto o = *seen.add(InstanceId{7}, "n7", Timestamp{});
  seen.mark(o, {1, 1'000'000'000});
  CHECK(seen.contains(o, 999'999'999));
  CHECK_FALSE(seen.contains(o, 1'000'000'001));
  CHECK(seen.missing(o) == 0);
}

TEST_CASE("origins are found by instance through any number of changes", "[seen]") {
  SeenSet seen(64);
  std::map<std::uint64_t, OriginIndex> model;
  Rng rng{3};
  for (int step = 0; step < 5000; ++step) {
    const std::uint64_t id = 1 + rng.below(200);
    if (const auto it = model.find(id); it != model.end()) {
      seen.forget(it->second);
      model.erase(it);
    } else if (const auto index = seen.add(InstanceId{id}, "x", Timestamp{})) {
      model[id] = *index;
    } else {
      CHECK(model.size() == 64);
    }
    CHECK(seen.size() == model.size());
    for (std::uint64_t i = 1; i <= 200; ++i) {
      const auto found = seen.find(InstanceId{i});
      REQUIRE(found.has_value() == model.contains(i));
      if (found) REQUIRE(*found == model[i]);
    }
  }
}

TEST_CASE("a forgotten origin leaves nothing to the next one", "[seen]") {
  SeenSet seen(2);
  const auto a = *seen.add(InstanceId{1}, "a", Timestamp{});
  (void)seen.add(InstanceId{2}, "b", Timestamp{});
  seen.mark(a, 9);
  CHECK(seen.full());
  CHECK_FALSE(seen.add(InstanceId{3}, "c", Timestamp{}));
  seen.forget(a);
  const auto c = *seen.add(InstanceId{3}, "c", Timestamp{});
  CHECK_FALSE(seen.contains(c, 9));
  CHECK(seen[c].highest == 0);
  CHECK_FALSE(seen.find(InstanceId{1}));
}
