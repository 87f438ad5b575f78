#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace plumvine::cli {

/// What happened in the last `window_s` seconds, as one object: counters with rates, and quantiles in milliseconds. Made of `GET /debug/history`, of
/// `GET /metrics` now, and of how long the agent has been running. A window that begins before the agent did, or before what is remembered, is
/// shorter: `over_s` says how long it is. Quantiles are null where nothing was observed; those above the largest bucket have its bound.
/// nullopt: the history is not readable.
std::optional<std::string> stats_json(std::string_view history, std::string_view metrics, double uptime_s, double window_s);
/// The same for people.
std::string stats_text(std::string_view json);

}  // namespace plumvine::cli
