#pragma once

#include <cstddef>

namespace plumvine::fuzz {

/// While it lives, memory that this thread holds from `new` beyond what it held before may not exceed `bytes`; the
/// program ends with a message when it does. So each target states what its decoder may allocate for one input.
class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes) noexcept;
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
  /// The most that was held so far.
  [[nodiscard]] static std::size_t peak() noexcept;
};

/// What must hold for every input: ends the program, which a fuzzer and the replay both report.
void require(bool holds, const char* what) noexcept;

}  // namespace plumvine::fuzz
