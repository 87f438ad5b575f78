#pragma once

#include <string_view>

#include <plumvine/config.hpp>

#include "plumtree/frames.hpp"

namespace plumvine {

/// Runs (`frame::Run`) of what is published at one time: small plain broadcasts on one topic, one after the other. Nothing waits for company.

/// The payload may go in a run. Alone go payloads that are encoded or larger than `frame::kRunMessageBytesMax`, reserved topics, and topics
/// where single messages give way (`drop_oldest`, `drop_newest`); so does what somebody wants a receipt for. Any thread.
[[nodiscard]] bool joins_runs(const Config& config, std::string_view topic, const frame::Payload& payload);
/// A run takes no more than a quarter of the bounds of repair store and message cache.
[[nodiscard]] frame::RunBounds run_bounds(const TreeConfig& config);

}  // namespace plumvine
