#pragma once

#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/result.hpp>

namespace plumvine {

/// What can be said of a broadcast before anything is done: whether this node may publish, and whether the payload fits the bounds of the
/// node, of the topic, and of what the topic stands for. `topic` is a valid name (`check_topic`).
Status check_broadcast(const Config& config, std::string_view topic, const Bytes& payload);

}  // namespace plumvine
