#include "admin_http.hpp"

#include <chrono>
#include <utility>

#include "health/dump.hpp"

namespace plumvine::uv::http {

HttpResponse json(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body) + '\n';
  response.headers["Cache-Control"] = "no-store";
  return response;
}

HttpResponse fail(int status, std::string_view code, std::string_view message, std::string_view hint) {
  return json(status, dump::error_json(code, message, hint));
}

std::string header(const HttpRequest& request, const char* name) {
  const auto it = request.headers.find(name);
  return it == request.headers.end() ? std::string{} : it->second;
}

bool wants(const HttpRequest& request, const char* name) {
  const auto it = request.query.find(name);
  return it != request.query.end() && (it->second.empty() || it->second == "1" || it->second == "true");
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace plumvine::uv::http
