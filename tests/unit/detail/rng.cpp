#include <plumvine/detail/rng.hpp>

#include "support/pch.hpp"

using namespace plumvine;
using namespace std::chrono_literals;

TEST_CASE("mix64 is splitmix64's step", "[detail][rng]") {
  // The published generator with seed 0 gives these; its state grows by the same constant each time.
  CHECK(mix64(0) == 0xe220a8397b1dcdafULL);
  CHECK(mix64(0x9e3779b97f4a7c15ULL) == 0x6e789e6aa1b965f4ULL);
  CHECK(mix64(2 * 0x9e3779b97f4a7c15ULL) == 0x06c45d188009454fULL);
}

TEST_CASE("a seed gives the same draws for ever", "[detail][rng]") {
  Rng a{42};
  Rng b{42};
  Rng c{43};
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto x = a.next();
    REQUIRE(x == b.next());
    seen.insert(x);
    seen.insert(c.next());
  }
  CHECK(seen.size() == 2000);
  // Of an independent implementation of xoshiro256++. Part of every trace hash: must never change.
  Rng golden{1};
  CHECK(golden.next() == 0x763ba63f94bc22a2ULL);
  CHECK(golden.next() == 0x96606b4e465ede1eULL);
  CHECK(golden.next() == 0xcb6595f841d565d9ULL);
}

TEST_CASE("bounded draws stay inside and are even", "[detail][rng]") {
  Rng rng{7};
  CHECK(rng.below(0) == 0);
  CHECK(rng.below(1) == 0);
  const std::uint64_t bound = GENERATE(2, 3, 7, 10, 100);
  std::vector<std::uint64_t> counts(bound);
  const std::uint64_t draws = 10000 * bound;
  for (std::uint64_t i = 0; i < draws; ++i) ++counts.at(rng.below(bound));
  for (const auto n : counts) CHECK(static_cast<double>(n) == Approx(10000).epsilon(0.06));  // six sigma
  for (int i = 0; i < 100; ++i) REQUIRE(rng.below((1ULL << 63) + 1) <= 1ULL << 63);
}

TEST_CASE("unit draws lie below 1, not below 0, with mean one half", "[detail][rng]") {
  Rng rng{8};
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = rng.unit();
    REQUIRE(x >= 0);
    REQUIRE(x < 1);
    sum += x;
  }
  CHECK(sum / 100000 == Approx(0.5).margin(0.006));
  int hits = 0;
  for (int i = 0; i < 100000; ++i) hits += rng.chance(0.2) ? 1 : 0;
  CHECK(hits == Approx(20000).margin(800));
  CHECK_FALSE(rng.chance(0));
  CHECK(rng.chance(1));
}

TEST_CASE("jitter is below its span and never negative", "[detail][rng]") {
  Rng rng{9};
  CHECK(rng.jitter(0ns) == 0ns);
  CHECK(rng.jitter(-5ns) == 0ns);
  Duration largest{0};
  for (int i = 0; i < 1000; ++i) {
    const auto j = rng.jitter(1ms);
    REQUIRE(j >= 0ns);
    REQUIRE(j < 1ms);
    largest = std::max(largest, j);
  }
  CHECK(largest > 900us);
}

TEST_CASE("a shuffle is a permutation, and each one comes up", "[detail][rng]") {
  Rng rng{10};
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> items{1, 2, 3, 4};
    rng.shuffle(items);
    ++counts[items];
  }
  CHECK(counts.size() == 24);
  for (const auto& [items, n] : counts) {
    CHECK(std::is_permutation(items.begin(), items.end(), std::vector<int>{1, 2, 3, 4}.begin()));
    CHECK(n == Approx(1000).margin(200));
  }
}

TEST_CASE("a fork does not repeat its parent and costs it one draw", "[detail][rng]") {
  Rng parent{11};
  Rng twin{11};
  Rng fork = parent.fork();
  twin.next();
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto x = parent.next();
    REQUIRE(x == twin.next());
    seen.insert(x);
    seen.insert(fork.next());
  }
  CHECK(seen.size() == 2000);
}
