#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <plumvine/bytes.hpp>

#include "plumtree/wire.hpp"
#include "transport.hpp"

namespace plumvine {

/// Control frames overtake payloads.
enum class Lane : std::uint8_t { control, data };

/// What waits to be written to one connection.
///
/// Frames are gathered into batches of at most `kBatchPieces` pieces and about `kBatchBytes` bytes; small neighbours are
/// joined into one piece, large payloads go by reference. A control frame waits for at most one batch. Counts bytes until
/// the transport has taken them. The owner bounds it by the watermarks of `LinkConfig`.
class SendQueue {
 public:
  static constexpr std::size_t kBatchPieces = 64;
  static constexpr std::size_t kBatchBytes = 256 * 1024;
  /// Frames below this size are copied together.
  static constexpr std::size_t kSmall = 512;
  static constexpr std::size_t kJoinedMax = 16 * 1024;

  void push(wire::Encoded frame, Lane lane);
  /// Writes until the queue is empty or the transport takes no more; returns how many bytes it took.
  std::size_t flush(Transport& transport, ConnId conn);
  /// From the next batch on what goes out is what `seal` makes of it.
  void seal_with(std::function<Bytes(std::span<const Bytes>)> seal) { seal_ = std::move(seal); }
  /// The transport has room again.
  void unblock() noexcept { blocked_ = false; }

  /// The transport took less than everything; it will say when it has room.
  [[nodiscard]] bool blocked() const noexcept { return blocked_; }
  [[nodiscard]] bool empty() const noexcept { return bytes_ == 0; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }

 private:
  void gather();
  void seal_batch();
  void join(std::vector<wire::Encoded>& run);
  void put(Bytes piece, std::uint32_t frames_ended);
  void consume(std::size_t bytes);

  std::function<Bytes(std::span<const Bytes>)> seal_;
  std::deque<wire::Encoded> control_;
  std::deque<wire::Encoded> data_;
  std::vector<Bytes> batch_;
  std::vector<std::uint32_t> frames_ended_;  ///< by piece of `batch_`
  std::size_t next_ = 0;                     ///< first piece not yet taken
  std::uint64_t bytes_ = 0;
  std::uint64_t messages_ = 0;
  bool blocked_ = false;
};

}  // namespace plumvine
