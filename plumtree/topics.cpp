#include "topics.hpp"

namespace plumvine::tree {

namespace {
/// Configured, or with something that must not be lost.
bool stays(const Topic& topic) { return topic.number != 0 || topic.validated; }
}  // namespace

Topics::Topics(const TopicConfigs& configured, std::uint32_t topics_max) : topics_max_(topics_max) {
  std::uint32_t number = 0;
  for (const auto& [name, policy] : configured) topics_.emplace(name, Topic{.policy = policy, .number = ++number, .used = {}});
}

Topic& Topics::use(std::string_view name, Timestamp now) {
  auto it = topics_.find(name);
  if (it == topics_.end()) {
    if (topics_.size() >= topics_max_) make_room();
    it = topics_.emplace(std::string(name), Topic{}).first;
  }
  it->second.used = now;
  return it->second;
}

void Topics::make_room() {
  auto idle = topics_.end();
  for (auto it = topics_.begin(); it != topics_.end(); ++it) {
    if (!stays(it->second) && (idle == topics_.end() || it->second.used < idle->second.used)) idle = it;
  }
  if (idle == topics_.end()) return;  // one more than the bound, with the message under way
  topics_.erase(idle);
  ++evicted_;
}

const Topic& Topics::agreed(std::string_view name) const {
  const auto it = topics_.find(name);
  return it == topics_.end() || !stays(it->second) ? kDefaultTopic : it->second;
}

void Topics::set_validated(std::string_view name) { topics_.try_emplace(std::string(name)).first->second.validated = true; }

std::vector<TopicInfo> Topics::infos() const {
  std::vector<TopicInfo> out;
  out.reserve(topics_.size());
  for (const auto& [name, topic] : topics_) out.push_back({name, topic.policy, topic.published, topic.received});
  return out;
}

}  // namespace plumvine::tree
