#include <plumvine/detail/interval_set.hpp>
#include <plumvine/detail/rng.hpp>

#include "support/pch.hpp"

using namespace plumvine;

namespace {

/// The obvious set of numbers; the domain starts at `base`, so that the top of the number range is tried too.
struct Model {
  std::set<Sequence> have;

  std::uint64_t add(SequenceRange range) {
    std::uint64_t fresh = 0;
    for (Sequence s = range.first; s <= range.last; ++s) {
      fresh += have.insert(s).second ? 1 : 0;
      if (s == UINT64_MAX) break;
    }
    return fresh;
  }
  std::uint64_t remove(SequenceRange range) {
    std::uint64_t gone = 0;
    for (Sequence s = range.first; s <= range.last; ++s) {
      gone += have.erase(s);
      if (s == UINT64_MAX) break;
    }
    return gone;
  }
  static std::vector<SequenceRange> joined(const std::vector<Sequence>& ascending) {
    std::vector<SequenceRange> out;
    for (const auto s : ascending) {
      if (!out.empty() && out.back().last + 1 == s) out.back().last = s;
      else out.push_back({s, s});
    }
    return out;
  }
  std::vector<SequenceRange> list() const { return joined({have.begin(), have.end()}); }
  std::vector<SequenceRange> missing_in(SequenceRange range) const {
    std::vector<Sequence> missing;
    for (Sequence s = range.first; s <= range.last; ++s) {
      if (!have.contains(s)) missing.push_back(s);
      if (s == UINT64_MAX) break;
    }
    return joined(missing);
  }
};

}  // namespace

TEST_CASE("an interval set behaves as a set of numbers", "[detail][interval_set]") {
  const Sequence base = GENERATE(Sequence{1}, Sequence{1000}, Sequence{UINT64_MAX - 39});
  Rng rng{base};
  for (int run = 0; run < 40; ++run) {
    IntervalSet set;
    Model model;
    for (int step = 0; step < 150; ++step) {
      const Sequence first = base + rng.below(40);
      const Sequence last = first + std::min<std::uint64_t>(rng.below(1 + rng.below(12)), base + 39 - first);
      const SequenceRange range{first, last};
      INFO("run " << run << " step " << step << " range " << first << ".." << last);
      switch (rng.below(4)) {
        case 0:
        case 1: REQUIRE(set.add(range) == model.add(range)); break;
        case 2: REQUIRE(set.remove(range) == model.remove(range)); break;
        default:
          if (rng.chance(0.5)) REQUIRE(set.add(first) == (model.add({first, first}) == 1));
          else REQUIRE(set.remove(first) == (model.remove({first, first}) == 1));
      }
      const auto expected = model.list();
      REQUIRE(set.list() == expected);
      REQUIRE(set.count() == model.have.size());
      REQUIRE(set.ranges() == expected.size());
      REQUIRE(set.empty() == expected.empty());
      REQUIRE(set.missing_in(range) == model.missing_in(range));
      REQUIRE(set.missing_in({base, base + 39}) == model.missing_in({base, base + 39}));
      REQUIRE(set.contains(first) == model.have.contains(first));
      if (!expected.empty()) {
        REQUIRE(set.front() == expected.front());
        REQUIRE(set.back() == expected.back());
      }
    }
  }
}

TEST_CASE("lists of an interval set stop at their limit", "[detail][interval_set]") {
  IntervalSet set;
  for (Sequence s = 1; s <= 99; s += 2) set.add(s);
  CHECK(set.list(3) == std::vector<SequenceRange>{{1, 1}, {3, 3}, {5, 5}});
  CHECK(set.missing_in({1, 99}, 2) == std::vector<SequenceRange>{{2, 2}, {4, 4}});
  CHECK(set.missing_in({1, 99}, 0).empty());
  CHECK(set.list(0).empty());
}

TEST_CASE("a range that runs backwards is empty", "[detail][interval_set]") {
  IntervalSet set;
  set.add({5, 9});
  CHECK(set.add({9, 5}) == 0);
  CHECK(set.remove({9, 5}) == 0);
  CHECK(set.missing_in({9, 5}).empty());
  CHECK(set.count() == 5);
}

TEST_CASE("huge ranges cost no more than small ones", "[detail][interval_set]") {
  IntervalSet set;
  CHECK(set.add({1, UINT64_MAX}) == UINT64_MAX);
  CHECK(set.remove({1000, UINT64_MAX - 1000}) == UINT64_MAX - 1999);
  CHECK(set.list() == std::vector<SequenceRange>{{1, 999}, {UINT64_MAX - 999, UINT64_MAX}});
  CHECK(set.missing_in({1, UINT64_MAX}) == std::vector<SequenceRange>{{1000, UINT64_MAX - 1000}});
  set.clear();
  CHECK(set.empty());
  CHECK(set == IntervalSet{});
}
