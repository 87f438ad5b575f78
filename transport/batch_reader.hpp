#pragma once

#include <cstddef>
#include <optional>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>

#include "plumtree/frames.hpp"

namespace plumvine {

/// Cuts a batch that came beside the stream of a link into its frames, all of which are gossips. Payloads share the memory of the
/// batch: it holds nothing else.
class BatchReader {
 public:
  BatchReader(Bytes batch, std::size_t max_message_size) : rest_(std::move(batch)), max_message_size_(max_message_size) {}

  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  /// The next frame; not when `done`. On an error `reason` says what to count: after `unknown_type` the batch goes on behind that frame,
  /// after any other error the rest cannot be used.
  Result<Frame> next(FrameReject& reason);

 private:
  Bytes rest_;
  std::size_t max_message_size_;
};

}  // namespace plumvine
