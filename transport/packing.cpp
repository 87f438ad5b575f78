#include "packing.hpp"

#include <utility>

#include "lz4_frame.hpp"

namespace plumvine {

frame::Payload pack(Bytes payload, Compression compression) {
  if (compression == Compression::lz4) {
    if (auto smaller = lz4::compress(payload)) return {std::move(*smaller), frame::Encoding::lz4, payload.size()};
  }
  return payload;
}

Result<Bytes> unpack(const frame::Payload& payload) {
  if (payload.encoding == frame::Encoding::plain) return payload.bytes;
  return lz4::decompress(payload.bytes, payload.size);
}

}  // namespace plumvine
