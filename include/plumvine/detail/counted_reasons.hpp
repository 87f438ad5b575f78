#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace plumvine {

/// Counters by an enumeration whose last enumerator is `count_`: one series per value, all at 0 from the start.
template <class Enum>
class CountedReasons {
 public:
  static constexpr std::size_t kSize = static_cast<std::size_t>(Enum::count_);
  void add(Enum reason, std::uint64_t n = 1) noexcept { counts_[static_cast<std::size_t>(reason)] += n; }
  [[nodiscard]] std::uint64_t operator[](Enum reason) const noexcept { return counts_[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (auto n : counts_) sum += n;
    return sum;
  }

 private:
  std::array<std::uint64_t, kSize> counts_{};
};

}  // namespace plumvine
