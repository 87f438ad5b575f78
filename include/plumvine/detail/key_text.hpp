#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

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

/// Serf's keyring file: a JSON array of keys in base64, the first is primary. A key that comes twice counts once.
/// Errors name the key by its place. At most `kKeysMax` keys, at least one.
Result<std::vector<Bytes>> parse_keyring(std::string_view json);

}  // namespace plumvine
