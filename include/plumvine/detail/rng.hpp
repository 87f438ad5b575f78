#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <plumvine/time.hpp>

namespace plumvine {

/// Scrambles 64 bits (the finaliser of splitmix64). Portable: the same on every machine and compiler.
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// A seeded generator (xoshiro256++, Blackman and Vigna 2019) with bounded draws of our own, since
/// `std::uniform_int_distribution` differs between standard libraries.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) {
    for (auto& word : state_) word = seed = mix64(seed);
  }

  std::uint64_t next() noexcept {
    auto rotate = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
    const std::uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  /// Uniform in [0, bound). `bound` of 0 gives 0.
  std::uint64_t below(std::uint64_t bound) noexcept {
    if (bound < 2) return 0;
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    for (;;) {
      const std::uint64_t x = next();
      if (x < limit) return x % bound;
    }
  }
  /// Uniform in [0, 1).
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// True with probability `p`.
  bool chance(double p) noexcept { return unit() < p; }
  /// Uniform in [0, d).
  Duration jitter(Duration d) noexcept {
    return Duration{d.count() <= 0 ? 0 : static_cast<std::int64_t>(below(static_cast<std::uint64_t>(d.count())))};
  }
  template <class T>
  void shuffle(std::vector<T>& items) noexcept {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  /// An independent generator, for a part that shall not disturb the draws of others.
  Rng fork() noexcept { return Rng{next()}; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace plumvine
