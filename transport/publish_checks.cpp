#include "publish_checks.hpp"

#include <string>

#include "event_bridge.hpp"

namespace plumvine {

Status check_broadcast(const Config& config, std::string_view topic, const Bytes& payload) {
  if (config.swim.observe) return {Errc::invalid_argument, "this member only listens (observe = true)"};
  const std::string size = std::to_string(payload.size()) + " bytes, ";
  if (payload.size() > config.tree.max_message_size)
    return {Errc::too_large, size + "max_message_size is " + std::to_string(config.tree.max_message_size)};
  const auto agreed = config.topics.find(topic);
  if (agreed != config.topics.end() && agreed->second.max_size != 0 && payload.size() > agreed->second.max_size)
    return {Errc::too_large, size + "topics." + std::string(topic) + ".max_size is " + std::to_string(agreed->second.max_size)};
  if (config.serf_events && topic.starts_with(kSerfPrefix)) {
    if (const auto event = event_size(topic.substr(kSerfPrefix.size()), payload.view()); event > kEventMax)
      return {Errc::too_large, "a Serf user event has at most " + std::to_string(kEventMax) + " bytes with its name and framing, this one " +
                                   std::to_string(event)};
  }
  return {};
}

}  // namespace plumvine
