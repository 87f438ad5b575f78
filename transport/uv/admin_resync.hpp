#pragma once

#include "admin.hpp"

namespace plumvine::uv {

/// `POST /resync[?from=MEMBER]`: digests are compared with that neighbour, or with all of them: `{"asked":[NAME…]}`.
HttpResponse resync_response(AdminHost& host, const HttpRequest& request);
/// `GET /sync`: what is missing here, what digests have brought so far, and how old each neighbour's last digest is.
HttpResponse sync_response(AdminHost& host);

}  // namespace plumvine::uv
