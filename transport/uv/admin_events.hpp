#pragma once

#include "admin.hpp"

namespace plumvine::uv {

/// `GET /events`: those of this member as lines or as a stream, `?since=1h&window=5m` of a span of time; with `?cluster` those of all members
/// as one object.
HttpResponse events_response(AdminHost& host, const HttpRequest& request);
/// What a client gets that is one too many.
HttpResponse too_many_followers();

}  // namespace plumvine::uv
