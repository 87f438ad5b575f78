#pragma once

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

/// What the answers to questions of operators have in common, in their sources; no header of theirs needs it.
namespace plumvine::uv {

using Json = nlohmann::ordered_json;

/// One line. Names of foreign members may be any bytes: what is no UTF-8 is replaced.
inline std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Milliseconds with three decimals; what is unknown (below 0) is null.
inline Json milliseconds(double seconds) { return seconds < 0 ? Json(nullptr) : Json(std::round(seconds * 1e6) / 1e3); }

}  // namespace plumvine::uv
