#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <plumvine/stats.hpp>

namespace plumvine::uv {

/// Memory for payloads, used again. What a node keeps for repair goes at the rate at which new payloads come, and each page that the system
/// gives costs a fault and is filled with zeros first.
///
/// A block goes back to the pool with its last reference, on any thread, and to the system where the pool has `kSpareMax` bytes already.
/// Copies are the same pool. Thread-safe.
class BlockPool {
 public:
  /// Blocks are of multiples of this many bytes.
  static constexpr std::size_t kStep = std::size_t{4} * 1024;
  /// Larger and smaller ones are left to the heap.
  static constexpr std::size_t kLeast = std::size_t{16} * 1024;
  static constexpr std::size_t kMost = std::size_t{264} * 1024;
  static constexpr std::size_t kSpareMax = std::size_t{4} << 20;

  BlockPool();
  /// At least so many bytes; what is in them is anything.
  [[nodiscard]] std::shared_ptr<std::byte[]> take(std::size_t bytes) const;

  [[nodiscard]] BlockStats stats() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace plumvine::uv
