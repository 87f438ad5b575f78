#include "run_gatherer.hpp"

#include <algorithm>
#include <utility>

namespace plumvine {

namespace {
constexpr std::uint64_t kShare = 4;
}  // namespace

RunGatherer::RunGatherer(const Config& config, Publish publish) : config_(&config), publish_(std::move(publish)) {}

bool RunGatherer::joins(std::string_view topic) {
  if (topic == topic_) return joins_;
  const auto agreed = config_->topics.find(topic);
  const Overflow overflow = agreed == config_->topics.end() ? TopicConfig{}.overflow : agreed->second.overflow;
  return !topic.starts_with('_') && overflow != Overflow::drop_oldest && overflow != Overflow::drop_newest;
}

bool RunGatherer::takes(std::string_view topic, const frame::Payload& payload) {
  return payload.encoding == frame::Encoding::plain && payload.bytes.size() <= frame::kRunMessageBytesMax && joins(topic);
}

void RunGatherer::add(Sequence sequence, std::string topic, Bytes payload) {
  const TreeConfig& tree = config_->tree;
  const std::uint64_t messages_max = std::min<std::uint64_t>({frame::kRunMessagesMax, tree.message_cache_max_size / kShare, tree.sync_max_messages / kShare});
  const std::uint64_t bytes_max = std::min<std::uint64_t>({kBytesMax, tree.message_cache_max_bytes / kShare, tree.store_bytes() / kShare});
  // Sizes are taken to differ, which is the longer form.
  const bool fits = payloads_.size() < messages_max && frame::joined_size(payloads_.size() + 1, bytes_ + payload.size(), false) <= bytes_max;
  if (!payloads_.empty() && (!fits || topic != topic_)) flush();
  if (topic != topic_) {
    joins_ = joins(topic);
    topic_ = std::move(topic);
  }
  if (payloads_.empty()) first_ = sequence;
  bytes_ += payload.size();
  payloads_.push_back(std::move(payload));
}

void RunGatherer::flush() {
  if (payloads_.empty()) return;
  frame::Payload payload = payloads_.size() == 1 ? frame::Payload{std::move(payloads_.front())} : frame::Payload{frame::join(payloads_)};
  payloads_.clear();
  bytes_ = 0;
  publish_(first_, topic_, std::move(payload));
}

}  // namespace plumvine
