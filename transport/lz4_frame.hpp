#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>

/// LZ4 frames (lz4_Frame_format.md, 1.6.3), as the `lz4` program writes and reads them. Any thread.
namespace plumvine::lz4 {

/// Payloads below this are not worth the frame around them.
inline constexpr std::size_t kLeast = 256;

/// The payload as one LZ4 frame; nothing where that would not save at least one byte in sixteen.
[[nodiscard]] std::optional<Bytes> compress(const Bytes& payload);

/// What a frame of one peer's making unfolds to: exactly `size` bytes, which the caller has checked against its own bound.
/// No more than that is ever reserved, besides at most 9 MiB of work space while it runs. `malformed` says what is wrong.
[[nodiscard]] Result<Bytes> decompress(const Bytes& frame, std::uint64_t size);

}  // namespace plumvine::lz4
