#include "client_limiter.hpp"

#include <algorithm>
#include <cmath>

namespace plumvine::uv {

void ClientLimiter::configure(const Config& config) {
  rate_ = config.http_rate_limit_per_second;
  burst_ = config.http_rate_limit_burst;
  clients_.clear();
}

bool ClientLimiter::admit(const HttpRequest& request, std::uint64_t now_ns) {
  if (rate_ == 0 || request.path == "/livez" || request.path == "/readyz" || request.path == "/healthz") return true;
  if (clients_.size() >= kClientsMax) make_room(now_ns);
  auto [it, fresh] = clients_.try_emplace(request.from.host(), Bucket{burst_, now_ns});
  Bucket& bucket = it->second;
  bucket.tokens = std::min(burst_, bucket.tokens + rate_ * static_cast<double>(now_ns - bucket.at_ns) / 1e9);
  bucket.at_ns = now_ns;
  if (bucket.tokens < 1) {
    ++refused_;
    return false;
  }
  bucket.tokens -= 1;
  return true;
}

/// Whose bucket is full again is as good as unknown.
void ClientLimiter::make_room(std::uint64_t now_ns) {
  const auto full_after_ns = static_cast<std::uint64_t>(burst_ / rate_ * 1e9);
  std::erase_if(clients_, [&](const auto& client) { return now_ns - client.second.at_ns > full_after_ns; });
  if (clients_.size() >= kClientsMax) clients_.clear();
}

HttpResponse ClientLimiter::refusal() const {
  return {.status = 429,
          .body = "{\"error\":{\"code\":\"rate_limited\",\"message\":\"this address asks more often than http_rate_limit_per_second allows\","
                  "\"hint\":\"wait a second, or raise http_rate_limit_per_second\"}}\n",
          .headers = {{"Retry-After", std::to_string(std::max(1, static_cast<int>(std::ceil(1 / rate_))))}}};
}

}  // namespace plumvine::uv
