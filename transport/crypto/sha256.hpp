#pragma once

#include <string>
#include <string_view>

namespace plumvine {

/// SHA-256 in 64 small hex digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace plumvine
