#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>

namespace plumvine {

/// Keys in a keyring, at most.
inline constexpr std::size_t kKeysMax = 64;

/// A gossip key in base64 (standard alphabet, padded): 16, 24 or 32 bytes. Errors never repeat the text: it may be
/// most of a secret.
Result<Bytes> parse_key(std::string_view base64);
/// What `parse_key` reads.
std::string format_key(BytesView key);

}  // namespace plumvine
