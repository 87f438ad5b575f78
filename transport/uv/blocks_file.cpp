#include "blocks_file.hpp"

#include "answer_json.hpp"

namespace plumvine::uv {

std::string format_blocks(const std::vector<BlockOrder>& blocks, std::int64_t now_s) {
  Json out = Json::array();
  for (const BlockOrder& block : blocks) {
    Json one{{"what", block.what}};
    // Rounded up: a block never ends early.
    if (block.left) one["until_s"] = now_s + std::chrono::ceil<std::chrono::seconds>(*block.left).count();
    out.push_back(std::move(one));
  }
  return text_of(out) + '\n';
}

Result<std::vector<BlockOrder>> parse_blocks(std::string_view text, std::int64_t now_s) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array() || json.size() > Guard::kBlocksMax) return Error{Errc::invalid_argument, "it is no list of at most 1024 blocks"};
  std::vector<BlockOrder> blocks;
  for (const Json& one : json) {
    const bool good = one.is_object() && one.contains("what") && one["what"].is_string() &&
                      (!one.contains("until_s") || one["until_s"].is_number_integer());
    if (!good) return Error{Errc::invalid_argument, "an entry has no text `what`, or `until_s` is no whole number"};
    BlockOrder block{one["what"].get<std::string>(), std::nullopt};
    if (one.contains("until_s")) {
      const auto until_s = one["until_s"].get<std::int64_t>();
      if (until_s <= now_s) continue;
      constexpr std::int64_t kMostS = std::chrono::duration_cast<std::chrono::seconds>(Guard::kBlockMax).count();
      block.left = std::chrono::seconds{std::min(until_s - now_s, kMostS)};
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace plumvine::uv
