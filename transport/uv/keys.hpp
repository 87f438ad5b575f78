#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>

namespace plumvine::uv {

/// Serf's keyring file: a JSON array of keys in base64, the first is primary. A key that comes twice counts once.
/// Errors name the key by its place, and never repeat it. At most `kKeysMax` keys, at least one.
Result<std::vector<Bytes>> parse_keyring(std::string_view json);
/// What `parse_keyring` reads, one key a line.
std::string format_keyring(const std::vector<Bytes>& keys);

/// The gossip keys that `encrypt` (base64) and `keyring` (a file of Serf's format) name, primary first; none if both are
/// empty. The single key goes before those of the file. Errc::system if the file cannot be read, else
/// Errc::invalid_argument; the message begins with the field.
Result<std::vector<Bytes>> read_keys(const std::string& encrypt, const std::string& keyring_file);

}  // namespace plumvine::uv
