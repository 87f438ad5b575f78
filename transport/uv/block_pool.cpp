#include "block_pool.hpp"

#include <array>
#include <mutex>
#include <vector>

namespace plumvine::uv {

struct BlockPool::Shared {
  static constexpr std::size_t kClasses = kMost / kStep + 1;

  mutable std::mutex mutex;
  std::array<std::vector<std::unique_ptr<std::byte[]>>, kClasses> spare;  ///< by size in steps; the one given back last is taken first
  BlockStats stats;

  void give(std::unique_ptr<std::byte[]> block, std::size_t steps) {
    const std::lock_guard lock{mutex};
    --stats.in_use;
    if (stats.spare_bytes + steps * kStep > kSpareMax) return;
    stats.spare_bytes += steps * kStep;
    spare[steps].push_back(std::move(block));
  }
};

BlockPool::BlockPool() : shared_(std::make_shared<Shared>()) {}

std::shared_ptr<std::byte[]> BlockPool::take(std::size_t bytes) const {
  if (bytes < kLeast || bytes > kMost) return std::make_shared_for_overwrite<std::byte[]>(bytes);
  const std::size_t steps = (bytes + kStep - 1) / kStep;
  std::unique_ptr<std::byte[]> block;
  {
    const std::lock_guard lock{shared_->mutex};
    auto& spare = shared_->spare[steps];
    ++shared_->stats.in_use;
    if (spare.empty()) {
      ++shared_->stats.made;
    } else {
      ++shared_->stats.reused;
      shared_->stats.spare_bytes -= steps * kStep;
      block = std::move(spare.back());
      spare.pop_back();
    }
  }
  if (!block) block = std::make_unique_for_overwrite<std::byte[]>(steps * kStep);
  std::byte* memory = block.release();
  return {memory, [shared = shared_, steps](std::byte* back) { shared->give(std::unique_ptr<std::byte[]>{back}, steps); }};
}

BlockStats BlockPool::stats() const {
  const std::lock_guard lock{shared_->mutex};
  return shared_->stats;
}

}  // namespace plumvine::uv
