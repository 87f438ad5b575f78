#include "transport/uv/block_pool.hpp"

#include "support/pch.hpp"

using namespace plumvine;
using uv::BlockPool;

TEST_CASE("a block is used again, and the pool says how often that was possible", "[block_pool]") {
  const BlockPool pool;
  auto block = pool.take(20'000);
  CHECK(pool.stats().made == 1);
  CHECK(pool.stats().spare == 0);
  block.reset();
  CHECK(pool.stats().spare == 5 * BlockPool::kStep);
  block = pool.take(18'000);
  CHECK(pool.stats().reused == 1);
  CHECK(pool.stats().made == 1);
  CHECK(pool.stats().spare == 0);
  const auto other = pool.take(18'000);
  CHECK(pool.stats().made == 2);
}

TEST_CASE("what is too small or too large is left to the heap and not counted", "[block_pool]") {
  const BlockPool pool;
  const auto small = pool.take(BlockPool::kLeast - 1);
  const auto large = pool.take(BlockPool::kMost + 1);
  CHECK(pool.stats().made == 0);
}

TEST_CASE("the pool keeps so many bytes and no more", "[block_pool]") {
  const BlockPool pool;
  std::vector<std::shared_ptr<std::byte[]>> blocks;
  for (std::size_t i = 0; i < 2 * BlockPool::kSpareMax / BlockPool::kMost; ++i) blocks.push_back(pool.take(BlockPool::kMost));
  blocks.clear();
  CHECK(pool.stats().spare <= BlockPool::kSpareMax);
  CHECK(pool.stats().spare + BlockPool::kMost > BlockPool::kSpareMax);
}
