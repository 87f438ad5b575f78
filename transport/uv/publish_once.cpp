#include "publish_once.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "admin_http.hpp"

namespace plumvine::uv {
namespace {

constexpr const char* kHeader = "idempotency-key";

/// FNV-1a, 64 bits.
std::uint64_t add_to_hash(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::uint64_t hash_of(const HttpRequest& request) {
  const std::uint64_t path = add_to_hash(0xcbf29ce484222325, request.path);
  return add_to_hash(add_to_hash(path, std::string_view{"\0", 1}), request.body);
}

bool is_key(std::string_view text) {
  return text.size() <= PublishOnce::kKeyMax && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

std::optional<HttpResponse> PublishOnce::answered(const HttpRequest& request, bool waits, std::uint64_t now_ns) {
  if (!request.headers.contains(kHeader)) return std::nullopt;
  const std::string key = http::header(request, kHeader);
  if (key.empty() || !is_key(key))
    return http::fail(400, "bad_request", "Idempotency-Key is no key", "1 to 128 visible ASCII characters, new for each message");
  if (waits) return http::fail(400, "bad_request", "Idempotency-Key and ack do not go together", "leave one of them out");
  while (!ages_.empty() && now_ns - ages_.front().at_ns > kTimeNs) forget_oldest();
  const auto known = known_.find(key);
  if (known == known_.end()) return std::nullopt;
  if (known->second.request != hash_of(request))
    return http::fail(422, "key_reused", "Idempotency-Key was used for another message", "take a new key for each message");
  ++repeated_;
  HttpResponse again = known->second.answer;
  again.headers["Idempotency-Replayed"] = "true";
  return again;
}

HttpResponse PublishOnce::note(const HttpRequest& request, HttpResponse answer, std::uint64_t now_ns) {
  const std::string key = http::header(request, kHeader);
  if (key.empty()) return answer;
  if (known_.size() >= kMax) {
    ++forgotten_;
    forget_oldest();
  }
  if (known_.try_emplace(key, Known{hash_of(request), answer}).second) ages_.push_back({now_ns, key});
  return answer;
}

void PublishOnce::forget_oldest() {
  known_.erase(ages_.front().key);
  ages_.pop_front();
}

}  // namespace plumvine::uv
