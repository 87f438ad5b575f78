#include "limit.hpp"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

thread_local bool armed = false;
thread_local long long held = 0;
thread_local long long most = 0;
thread_local long long limit = 0;

void* take(std::size_t size) {
  void* block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) std::abort();
  if (armed) {
    held += static_cast<long long>(malloc_usable_size(block));
    if (held > most) most = held;
    if (held > limit) {
      armed = false;
      std::fprintf(stderr, "allocation limit: %lld bytes held, at most %lld allowed\n", held, limit);
      std::abort();
    }
  }
  return block;
}

void give(void* block) noexcept {
  if (armed && block != nullptr) held -= static_cast<long long>(malloc_usable_size(block));
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void operator delete(void* block) noexcept { give(block); }
void operator delete[](void* block) noexcept { give(block); }
void operator delete(void* block, std::size_t) noexcept { give(block); }
void operator delete[](void* block, std::size_t) noexcept { give(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { give(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { give(block); }

namespace plumvine::fuzz {

AllocationLimit::AllocationLimit(std::size_t bytes) noexcept {
  held = 0;
  most = 0;
  limit = static_cast<long long>(bytes);
  armed = true;
}

AllocationLimit::~AllocationLimit() { armed = false; }

std::size_t AllocationLimit::peak() noexcept { return static_cast<std::size_t>(most); }

void require(bool holds, const char* what) noexcept {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace plumvine::fuzz
