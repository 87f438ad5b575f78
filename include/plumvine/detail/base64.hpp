#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <plumvine/bytes.hpp>

namespace plumvine {

/// Appends `bytes` in base64: standard alphabet, padded.
void append_base64(std::string& out, BytesView bytes);
/// Reads what `append_base64` writes, and nothing else: whole groups, padding only at the end, no bits left over.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace plumvine
