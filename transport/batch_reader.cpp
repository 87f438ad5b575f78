#include "batch_reader.hpp"

#include <string>
#include <utility>
#include <variant>

#include "plumtree/wire.hpp"

namespace plumvine {

Result<Frame> BatchReader::next(FrameReject& reason) {
  reason = FrameReject::malformed;
  const Bytes from = std::exchange(rest_, {});
  if (from.size() < wire::kLengthSize) return {Errc::malformed, "a batch ends inside of a frame"};
  const std::size_t length = wire::read_length(from.view());
  if (length > from.size() - wire::kLengthSize) return {Errc::malformed, "a batch ends inside of a frame"};
  Result<Frame> frame = wire::decode(from.slice(wire::kLengthSize, length), max_message_size_, &reason);
  if (frame && !std::holds_alternative<frame::Gossip>(*frame)) {
    reason = FrameReject::unexpected;
    return {Errc::malformed, std::string{wire::name_of(*frame)} + " beside the stream"};
  }
  if (frame || reason == FrameReject::unknown_type) rest_ = from.slice(wire::kLengthSize + length);
  return frame;
}

}  // namespace plumvine
