#include <plumvine/detail/ring.hpp>

#include <memory>

#include "support/pch.hpp"

using namespace plumvine;

TEST_CASE("a ring gives what it got, in order, also around its end", "[ring]") {
  Ring<int> ring;
  CHECK(ring.empty());
  int in = 0, out = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 3; ++i) ring.push_back(in++);
    for (int i = 0; i < 2; ++i) CHECK(ring.pop_front() == out++);
    CHECK(ring.size() == static_cast<std::size_t>(in - out));
    CHECK(ring.front() == out);
    CHECK(ring.back() == in - 1);
    CHECK(ring[ring.size() / 2] == out + static_cast<int>(ring.size() / 2));
  }
}

TEST_CASE("a ring that is filled and emptied in equal measure keeps its memory", "[ring]") {
  Ring<int> ring;
  for (int i = 0; i < 100; ++i) ring.push_back(i);
  const std::size_t places = ring.places();
  for (int i = 0; i < 10'000; ++i) {
    (void)ring.pop_front();
    ring.push_back(i);
  }
  CHECK(ring.places() == places);
}

TEST_CASE("a ring gives places for many back once few are enough", "[ring]") {
  Ring<int> ring;
  for (int i = 0; i < 1000; ++i) ring.push_back(i);
  while (!ring.empty()) (void)ring.pop_front();
  CHECK(ring.places() == 1024);  // all of them were needed
  ring.push_back(1);
  (void)ring.pop_front();
  CHECK(ring.places() == 0);
  ring.push_back(2);
  CHECK(ring.pop_front() == 2);
}

TEST_CASE("what is taken out of the middle of a ring leaves the others in order", "[ring]") {
  Ring<int> ring;
  for (int i = 0; i < 6; ++i) ring.push_back(i);
  for (int i = 0; i < 3; ++i) (void)ring.pop_front();
  for (int i = 6; i < 10; ++i) ring.push_back(i);
  CHECK(ring.erase_if([](int i) { return i % 2 == 0; }) == 3);
  for (const int left : {3, 5, 7, 9}) CHECK(ring.pop_front() == left);
  CHECK(ring.empty());
  CHECK(ring.erase_if([](int) { return true; }) == 0);
}

TEST_CASE("a place in a ring lets go of what was popped or taken out", "[ring]") {
  Ring<std::shared_ptr<int>> ring;
  const auto one = std::make_shared<int>(1), other = std::make_shared<int>(2);
  ring.push_back(one);
  ring.push_back(other);
  (void)ring.pop_front();
  CHECK(one.use_count() == 1);
  CHECK(ring.erase_if([](const auto&) { return true; }) == 1);
  CHECK(other.use_count() == 1);
  ring.push_back(one);
  ring.clear();
  CHECK(one.use_count() == 1);
}
