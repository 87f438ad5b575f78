#include "large_block.hpp"

#include <sys/mman.h>

namespace plumvine::uv {

std::shared_ptr<std::byte[]> large_block(std::size_t bytes) {
  constexpr std::size_t kHugePage = 2 << 20;
  if (bytes >= 2 * kHugePage) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) {
      (void)::madvise(memory, bytes, MADV_HUGEPAGE);
      return {static_cast<std::byte*>(memory), [bytes](std::byte* block) { (void)::munmap(block, bytes); }};
    }
  }
  return std::make_shared_for_overwrite<std::byte[]>(bytes);
}

}  // namespace plumvine::uv
