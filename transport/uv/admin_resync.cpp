#include "admin_resync.hpp"

#include "admin_http.hpp"
#include "answer_json.hpp"

namespace plumvine::uv {

HttpResponse resync_response(AdminHost& host, const HttpRequest& request) {
  const auto from = request.query.find("from");
  const std::string only = from == request.query.end() ? std::string{} : from->second;
  if (const Status asked = host.resync(only); !asked) {
    const bool none = asked.error().code == Errc::not_found;
    return http::fail(none ? 404 : 503, to_string(asked.error().code), asked.error().message, "GET /peers has the links, GET /readyz says whether the node is ready");
  }
  Json names = Json::array();
  const auto own = host.fresh_snapshot();
  for (const LinkInfo& link : own->links)
    if (link.state == LinkState::up && (only.empty() || link.peer == only)) names.push_back(link.peer);
  return http::json(202, text_of({{"asked", names}}));
}

HttpResponse sync_response(AdminHost& host) {
  const auto own = host.fresh_snapshot();
  std::uint64_t missing = 0, lost = 0;
  for (const OriginInfo& origin : own->origins) missing += origin.missing;
  for (std::size_t i = 0; i < CountedReasons<Loss>::kSize; ++i) lost += own->tree.lost[static_cast<Loss>(i)];
  Json links = Json::array();
  for (const LinkInfo& link : own->links) {
    if (link.state != LinkState::up) continue;
    const auto at = host.digest_at(link.peer);
    links.push_back({{"peer", link.peer}, {"digest_age_ms", at ? milliseconds(to_seconds(own->at - *at)) : Json(nullptr)}});
  }
  return http::json(200, text_of({{"self", own->name}, {"missing", missing}, {"recovered", own->tree.sync_recovered}, {"lost", lost}, {"links", links}}));
}

}  // namespace plumvine::uv
