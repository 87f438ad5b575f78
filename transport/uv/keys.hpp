#pragma once

#include <string>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>

namespace plumvine::uv {

/// The gossip keys that `encrypt` (base64) and `keyring` (a file of Serf's format) name, primary first; none if both are
/// empty. The single key goes before those of the file. Errc::system if the file cannot be read, else
/// Errc::invalid_argument; the message begins with the field.
Result<std::vector<Bytes>> read_keys(const std::string& encrypt, const std::string& keyring_file);

}  // namespace plumvine::uv
