#pragma once

#include <cstdint>

#include "direct_net.hpp"

namespace plumvine::perf {

/// Counts what goes through operator new on this thread while it runs. The program must link `counting.cpp`, which
/// takes the place of the library's operators. What libraries in C get from malloc is not seen; the machines use none
/// on the way of a message.
class AllocationMeter final : public Meter {
 public:
  void start() noexcept override;
  void stop() noexcept override;
  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] std::uint64_t bytes() const noexcept;
  void clear() noexcept;
  /// From now on where memory is taken is noted, or no more; at most `kPlacesMax` places.
  void trace(bool on) noexcept;
  /// The places, most frequent first, to standard error: a count, and the return addresses for addr2line.
  static void print_places();
};

}  // namespace plumvine::perf
