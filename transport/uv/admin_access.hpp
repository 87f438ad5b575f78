#pragma once

#include <optional>

#include "admin.hpp"

namespace plumvine::uv {

/// Who may do what changes something, or reads what others wrote: clients on this machine, and whoever shows the token; no page of
/// another origin. The refusal, or nothing. A wrong token is refused from anywhere.
std::optional<HttpResponse> access_refusal(const AdminHost& host, const HttpRequest& request);

}  // namespace plumvine::uv
