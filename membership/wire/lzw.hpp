#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <plumvine/bytes.hpp>

namespace plumvine::swim::wire {

/// Makes room for `more` bytes, doubling but never above `max` bytes in all.
void grow(std::vector<std::byte>& buffer, std::size_t more, std::size_t max);

enum class LzwResult : std::uint8_t { ok, malformed, too_large };

/// Undoes memberlist's compression: LZW, least significant bit first, literals of 8 bits (the GIF variant).
/// Appends to `out`, never more than `output_max` bytes. Bytes after the end code are ignored.
LzwResult lzw_decode(BytesView input, std::size_t output_max, std::vector<std::byte>& out);

/// memberlist's compression, byte for byte as its library does it. Appends to `out`.
void lzw_encode(BytesView input, std::vector<std::byte>& out);

}  // namespace plumvine::swim::wire
