#pragma once

#include <string_view>

namespace plumvine::uv {

/// One file of `health/dashboard`, as it was when the library was built.
struct DashboardFile {
  std::string_view name;
  std::string_view content_type;
  std::string_view hash;  ///< of the body
  std::string_view body;
};

/// The file called `name`, or null.
const DashboardFile* find_dashboard_file(std::string_view name) noexcept;

/// What the page may load: files of its own server, and nothing that stands in its markup.
inline constexpr std::string_view kDashboardPolicy =
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace plumvine::uv
