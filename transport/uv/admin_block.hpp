#pragma once

#include <string_view>

#include "admin.hpp"

namespace plumvine::uv {

/// `GET /block`: `[{"what","left_s","refused"}]`, `left_s` null where it does not end.
HttpResponse blocks_response(AdminHost& host);
/// `POST /block/add` with `{"what": "10.0.0.0/8", "ttl": "10m"}`, or the former alone as text; `POST /block/rm` with what; `POST /block/list`.
/// In the body, since networks and identities have slashes.
HttpResponse block_response(AdminHost& host, const HttpRequest& request, std::string_view command);

}  // namespace plumvine::uv
