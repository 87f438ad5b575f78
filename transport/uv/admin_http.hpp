#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http_server.hpp"

/// What the routes have in common: answers, and what requests say.
namespace plumvine::uv::http {

/// An answer in JSON that nobody keeps.
HttpResponse json(int status, std::string body);
HttpResponse fail(int status, std::string_view code, std::string_view message, std::string_view hint);
/// Empty where there is no such header; `name` in lower case.
std::string header(const HttpRequest& request, const char* name);
/// `?name`, `?name=1` or `?name=true`.
bool wants(const HttpRequest& request, const char* name);
/// Milliseconds since 1970.
std::int64_t wall_ms();

}  // namespace plumvine::uv::http
