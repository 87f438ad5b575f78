#include "counting.hpp"

#include <execinfo.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace plumvine::perf {

namespace {
constexpr std::size_t kPlacesMax = 1024;
constexpr int kDepth = 14;
struct Place {
  std::array<void*, kDepth> frames{};
  int depth = 0;
  std::uint64_t count = 0;
};
struct Counts {
  bool on = false;
  bool tracing = false;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};
thread_local Counts counts;
std::array<Place, kPlacesMax> places;
std::size_t places_used = 0;

void note_place() {
  Place place;
  place.depth = ::backtrace(place.frames.data(), kDepth);
  const auto known = std::find_if(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(places_used),
                                  [&](const Place& p) { return p.frames == place.frames; });
  if (known != places.begin() + static_cast<std::ptrdiff_t>(places_used)) {
    ++known->count;
  } else if (places_used < kPlacesMax) {
    place.count = 1;
    places[places_used++] = place;
  }
}

void* take(std::size_t bytes, std::size_t alignment) {
  if (counts.on) {
    ++counts.count;
    counts.bytes += bytes;
    if (counts.tracing) {
      counts.on = false;  // backtrace allocates once
      note_place();
      counts.on = true;
    }
  }
  if (bytes == 0) bytes = 1;
  void* memory = alignment <= alignof(std::max_align_t)
                     ? std::malloc(bytes)
                     : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}
}  // namespace

void AllocationMeter::start() noexcept {
  counts.on = true;
}
void AllocationMeter::stop() noexcept {
  counts.on = false;
}
std::uint64_t AllocationMeter::count() const noexcept {
  return counts.count;
}
std::uint64_t AllocationMeter::bytes() const noexcept {
  return counts.bytes;
}
void AllocationMeter::clear() noexcept {
  counts.count = counts.bytes = 0;
}
void AllocationMeter::trace(bool on) noexcept {
  counts.tracing = on;
}

void AllocationMeter::print_places() {
  std::sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(places_used),
            [](const Place& a, const Place& b) { return a.count > b.count; });
  for (std::size_t i = 0; i < std::min<std::size_t>(places_used, 40); ++i) {
    std::fprintf(stderr, "%8llu ", static_cast<unsigned long long>(places[i].count));
    for (int frame = 2; frame < places[i].depth; ++frame)
      std::fprintf(stderr, " %p", places[i].frames[static_cast<std::size_t>(frame)]);
    std::fputc('\n', stderr);
  }
  places_used = 0;
}

}  // namespace plumvine::perf

void* operator new(std::size_t bytes) {
  return plumvine::perf::take(bytes, 0);
}
void* operator new[](std::size_t bytes) {
  return plumvine::perf::take(bytes, 0);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return plumvine::perf::take(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return plumvine::perf::take(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
