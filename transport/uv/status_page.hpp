#pragma once

#include <string_view>

namespace plumvine::uv {

/// The page at `/`: one HTML text without any external resource. It fetches the JSON of the other paths.
std::string_view status_page() noexcept;
/// What its answer allows a browser to load: itself, and what it asks this server for.
inline constexpr std::string_view kStatusPagePolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace plumvine::uv
