#pragma once

#include <string_view>

namespace plumvine::uv {

/// The page at `/`: self-contained HTML that reads the JSON paths of the same node.
std::string_view status_page();
/// An SVG icon.
std::string_view favicon();

}  // namespace plumvine::uv
