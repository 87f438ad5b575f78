#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>

#include "transport/key_history.hpp"

namespace plumvine::uv {

/// Serf's keyring file: a JSON array of keys in base64, the first is primary. A key that comes twice counts once.
/// Errors name the key by its place, and never repeat it. At most `kKeysMax` keys, at least one.
Result<std::vector<Bytes>> parse_keyring(std::string_view json);
/// What `parse_keyring` reads, one key a line.
std::string format_keyring(const std::vector<Bytes>& keys);

/// `key-history.json` of the data directory, which names keys and holds none.
std::string format_key_history(const KeyHistory& history);
/// What such a file says; nothing where there is no file. An error for what is none, or cannot be read.
Result<KeyHistory> read_key_history(const std::string& path);

/// Where a node's keys come from, and where they go when they change.
struct KeySource {
  std::vector<Bytes> keys;   ///< primary first
  std::string file;          ///< changed keys are written here; empty: nowhere
  std::string note;          ///< for the log, where a choice was made
  bool broken = false;       ///< the file of the data directory cannot be understood; `note` says why
};
/// As `read_keys`; below `data_dir` there is `keyring.json` once keys have changed. That goes before `encrypt`, which is
/// from before the change; `keyring` goes before both. A broken file is an error where there is no other key, for
/// nobody wants to go on in clear.
Result<KeySource> find_keys(const std::string& encrypt, const std::string& keyring_file, const std::string& data_dir);

/// What is wrong with the rights of a file that holds keys: somebody else can read or write it. Its group may read it where root owns it and this process is not
/// root: so a service is given keys that it cannot change. Empty: nothing, or there is no such file.
std::string rights_problem(const std::string& path, const char* holds = "keys");

/// The gossip keys that `encrypt` (base64) and `keyring` (a file of Serf's format) name, primary first; none if both are
/// empty. The single key goes before those of the file. Errc::system if the file cannot be read, else
/// Errc::invalid_argument; the message begins with the field.
Result<std::vector<Bytes>> read_keys(const std::string& encrypt, const std::string& keyring_file);

}  // namespace plumvine::uv
