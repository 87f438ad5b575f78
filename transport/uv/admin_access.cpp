#include "admin_access.hpp"

#include <string_view>

#include "admin_http.hpp"

namespace plumvine::uv {
namespace {

using http::fail;
using http::header;

/// An address or `localhost`: not a name that somebody's DNS may point here.
bool is_local_host(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.rfind(':'));
  return host == "localhost" || (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

/// A browser page of another origin asks. Browsers send Origin with every POST, and Sec-Fetch-Site with everything.
bool is_cross_origin(const HttpRequest& request) {
  const std::string origin = header(request, "origin");
  const std::string site = header(request, "sec-fetch-site");
  if (origin.empty() && site.empty()) return false;
  const std::string host = header(request, "host");
  if (!is_local_host(host)) return true;
  if (!origin.empty()) return origin != "http://" + host;
  return site != "same-origin" && site != "none";
}

}  // namespace

std::optional<HttpResponse> access_refusal(const AdminHost& host, const HttpRequest& request) {
  const Token* token = host.token();
  const bool expected = token != nullptr && !token->empty();
  const std::string shown = header(request, "authorization");
  const bool known = expected && token->admits(shown);
  // On this machine a token is not needed; one that is wrong is a mistake that shall not go unnoticed.
  if (!known && (!request.from.is_loopback() || (expected && !shown.empty()))) {
    if (!expected) {
      return fail(403, "forbidden", "this path is for clients on the node's own machine",
                  "call it there, for example through ssh; or set http_token_file");
    }
    auto response = fail(401, "unauthorized", shown.empty() ? "this path needs the token" : "the token is not the one in http_token_file",
                         "send the header Authorization: Bearer TOKEN; plumvine takes it with --token-file");
    response.headers["WWW-Authenticate"] = "Bearer realm=\"plumvine\"";
    return response;
  }
  if (is_cross_origin(request)) {
    return fail(403, "cross_origin", "pages of other origins may not use this path", "call it from a program, or from a page of this node");
  }
  return std::nullopt;
}

}  // namespace plumvine::uv
