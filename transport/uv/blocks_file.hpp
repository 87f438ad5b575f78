#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/result.hpp>

#include "transport/guard.hpp"

namespace plumvine::uv {

/// In the data directory: what an operator blocked, so that it outlives the process.
inline constexpr std::string_view kBlocksFile = "blocks.json";

/// `[{"what": "10.0.0.0/8", "until_s": 1767225600}]`, seconds of Unix time; without `until_s` it does not end.
std::string format_blocks(const std::vector<BlockOrder>& blocks, std::int64_t now_s);
/// Those that are not over. Errc::invalid_argument says what cannot be understood.
Result<std::vector<BlockOrder>> parse_blocks(std::string_view text, std::int64_t now_s);

}  // namespace plumvine::uv
