#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace plumvine {

/// What a member knows of orders to use another key; kept beside the keys, so that members that were away are told of the
/// new key also after a restart of all that were there. Keys stand here by their names (`Keyring::name_of`).
struct KeyHistory {
  std::string primary = {};                  ///< it means something only while this key is primary; empty: there was no order
  std::uint64_t used_at = 0;                 ///< wall clock at the order that made it so, microseconds
  std::vector<std::string> superseded = {};  ///< keys that were primary until an order came, and are still in the ring
  std::map<std::string, std::uint64_t> since = {};  ///< when each key was first in the ring, wall clock, microseconds
  friend bool operator==(const KeyHistory&, const KeyHistory&) = default;
};

}  // namespace plumvine
