#include "admin_block.hpp"

#include "admin_http.hpp"
#include "answer_json.hpp"

namespace plumvine::uv {
namespace {

struct Wish {
  std::string what;
  std::optional<Duration> left;
};

Result<Wish> wish_of(const std::string& body) {
  Wish wish;
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    const auto from = body.find_first_not_of(" \r\n\t");
    if (from != std::string::npos) wish.what = body.substr(from, body.find_last_not_of(" \r\n\t") + 1 - from);
  } else {
    for (const auto& [key, value] : json.items()) {
      if ((key != "what" && key != "ttl") || !value.is_string())
        return Error{Errc::invalid_argument, "'" + key + "' is not one of what and ttl, both texts"};
    }
    if (json.contains("what")) wish.what = json["what"].get<std::string>();
    if (json.contains("ttl")) {
      auto left = parse_duration(json["ttl"].get<std::string>());
      if (!left) return left.error().with("ttl");
      wish.left = *left;
    }
  }
  if (wish.what.empty()) return Error{Errc::invalid_argument, "the body does not say what: an address, a network, name:NAME or identity:SAN"};
  return wish;
}

}  // namespace

HttpResponse blocks_response(AdminHost& host) {
  Json blocks = Json::array();
  const auto own = host.fresh_snapshot();
  for (const BlockInfo& block : own->blocks)
    blocks.push_back({{"what", block.what}, {"left_s", block.left_s < 0 ? Json(nullptr) : Json(block.left_s)}, {"refused", block.refused}});
  return http::json(200, text_of(blocks));
}

HttpResponse block_response(AdminHost& host, const HttpRequest& request, std::string_view command) {
  if (command == "list") return blocks_response(host);
  if (command != "add" && command != "rm")
    return http::fail(404, "not_found", "no command of block is called '" + std::string(command) + "'", "add, rm or list");
  const auto wish = wish_of(request.body);
  if (!wish) return http::fail(400, "bad_request", wish.error().message, R"({"what": "10.0.0.0/8", "ttl": "10m"})");
  const Status done = command == "add" ? host.block(wish->what, wish->left) : host.unblock(wish->what);
  if (done) return http::json(200, text_of({{"status", command == "add" ? "blocked" : "unblocked"}, {"what", wish->what}}));
  const Errc code = done.error().code;
  const int status = code == Errc::not_found ? 404 : code == Errc::invalid_argument ? 400 : 503;
  return http::fail(status, to_string(code), done.error().message, "GET /block lists what is blocked");
}

}  // namespace plumvine::uv
