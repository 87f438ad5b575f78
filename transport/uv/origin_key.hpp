#pragma once

#include <cstdint>
#include <plumvine/result.hpp>
#include <string>
#include <string_view>

#include "transport/crypto/ed25519.hpp"

namespace plumvine::uv {

/// In the data directory.
inline constexpr std::string_view kOriginKeyFile = "origin.key";

/// Reads the key that a member signs its broadcasts with, or makes one (mode 0600) where there is no file. The epoch of
/// this run is made from the wall clock, milliseconds since 1970, so that later runs have later ones, and from
/// `random`, so that none is had twice. Errc::system where the file cannot be read or written, Errc::invalid_argument
/// where it is no such key; the message names the file.
Result<frame::SignTools> load_origin_key(const std::string& path, std::string cluster, std::int64_t wall_ms,
                                         std::uint64_t random);

}  // namespace plumvine::uv
