#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>

#include "plumtree/frames.hpp"

namespace plumvine {

/// Memory to read to. Keeps one spare read chunk for all connections of a node: an idle connection holds none.
class ChunkPool {
 public:
  static constexpr std::size_t kChunkSize = 64 * 1024;
  /// Behind a chunk that payloads have filled: as many parts of large payloads, with their heads, as fit 256 KiB.
  static constexpr std::size_t kLargeChunk = 264 * 1024;
  /// `source` gives blocks of at least so many bytes.
  explicit ChunkPool(frame::BlockSource source = frame::heap_block) : source_(std::move(source)) {}
  /// A chunk of `bytes` that nobody else refers to.
  std::shared_ptr<std::byte[]> take(std::size_t bytes = kChunkSize);
  /// Takes a chunk of `kChunkSize` back. Ignored while somebody else refers to it.
  void give(std::shared_ptr<std::byte[]> chunk);

 private:
  frame::BlockSource source_;
  std::shared_ptr<std::byte[]> spare_;
};

/// Cuts the bytes of one link into frames.
///
/// The reader asks `buffer()` where to read to, reports `advance(n)`, then takes frames with `next()` until there is
/// none. Payloads of `kShared` bytes and more stay where they were read, and what comes next is read behind them, so that only what is
/// left at the end of a chunk is ever moved. Smaller payloads stay, too, when one read brought at least half of a `kChunkSize`; else they are
/// copied out, so that a small slice does not pin a whole chunk.
///
/// Bounds: one chunk, `kLargeChunk` at most, or as much as the frame that has begun. It is held as long as payloads in it are referred to
/// and there is room behind them. No length is believed before it was checked.
class FrameDecoder {
 public:
  static constexpr std::size_t kShared = 16 * 1024;
  /// At most so many bytes are read at once.
  static constexpr std::size_t kReadMax = 128 * 1024;

  FrameDecoder(ChunkPool& pool, std::size_t max_message_size);

  /// The stream begins with the preface of the dialling side.
  void expect_preface() noexcept { preface_wanted_ = true; }
  /// Largest frame body taken from now on.
  void set_body_limit(std::size_t bytes) noexcept { body_limit_ = bytes; }
  /// Back to the bound of all frames.
  void clear_body_limit() noexcept;

  /// Where the next bytes go; never empty. All of `next()` must have been taken before.
  std::span<std::byte> buffer();
  /// So many bytes were written to the start of the last `buffer()`.
  void advance(std::size_t bytes);

  /// The next frame, or nullopt when more bytes are needed. On an error `reason` says what to count: after
  /// `unknown_type` the stream goes on behind that frame, after any other error it cannot be used any more.
  std::optional<Result<Frame>> next(FrameReject& reason);

 private:
  [[nodiscard]] std::size_t available() const noexcept { return end_ - begin_; }
  [[nodiscard]] const std::byte* at(std::size_t offset) const noexcept { return chunk_.get() + begin_ + offset; }
  std::optional<Result<Frame>> read_preface(FrameReject& reason);
  std::optional<Result<Frame>> partial(std::size_t length, FrameReject& reason);
  Result<Frame> whole(std::size_t length, FrameReject& reason);
  void settle();

  ChunkPool* pool_;
  std::size_t max_message_size_;
  std::size_t body_limit_ = 0;
  bool preface_wanted_ = false;

  std::shared_ptr<std::byte[]> chunk_;
  std::size_t chunk_size_ = 0;
  std::size_t kept_ = 0;     ///< somebody may refer to what is before this
  std::size_t begin_ = 0;    ///< what was read and not taken yet begins here
  std::size_t end_ = 0;      ///< and ends here
  std::size_t wanted_ = 0;   ///< bytes of the frame that has begun, when that was checked; else 0
  bool dense_ = false;       ///< the last read brought much
  bool used_up_ = false;     ///< payloads filled the last chunk, so the next one is a large one
};

}  // namespace plumvine
