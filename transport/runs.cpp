#include "runs.hpp"

#include <algorithm>

namespace plumvine {

bool joins_runs(const Config& config, std::string_view topic, const frame::Payload& payload) {
  if (payload.encoding != frame::Encoding::plain || payload.bytes.size() > frame::kRunMessageBytesMax || topic.starts_with('_')) return false;
  if (config.topics.empty()) return true;
  const auto agreed = config.topics.find(topic);
  return agreed == config.topics.end() || (agreed->second.overflow != Overflow::drop_oldest && agreed->second.overflow != Overflow::drop_newest);
}

frame::RunBounds run_bounds(const TreeConfig& config) {
  constexpr std::uint64_t kShare = 4;
  frame::RunBounds bounds;
  bounds.messages = static_cast<std::uint32_t>(std::min<std::uint64_t>({bounds.messages, config.message_cache_max_size / kShare, config.sync_max_messages / kShare}));
  bounds.bytes = static_cast<std::size_t>(std::min<std::uint64_t>({bounds.bytes, config.message_cache_max_bytes / kShare, config.store_bytes() / kShare}));
  return bounds;
}

}  // namespace plumvine
