#include "http.hpp"

#include <memory>

#include <curl/curl.h>
#include <nlohmann/json.hpp>

namespace demo::http {
namespace {

std::size_t append(char* data, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

struct Answer {
  long status = 0;
  std::string body;
};

Answer get(const std::string& address, const char* path) {
  Answer answer;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (!curl) return answer;
  const std::string url = "http://" + address + path;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 2000L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  if (curl_easy_perform(curl.get()) != CURLE_OK) return {};
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

nlohmann::json get_json(const std::string& address, const char* path) {
  const Answer answer = get(address, path);
  if (answer.status != 200) return nullptr;
  return nlohmann::json::parse(answer.body, nullptr, false);
}

}  // namespace

bool ready(const std::string& address) { return get(address, "/readyz").status == 200; }

std::optional<std::uint64_t> members_in(const std::string& address, const std::string& state) {
  const auto members = get_json(address, "/members");
  if (!members.is_array()) return std::nullopt;
  std::uint64_t count = 0;
  for (const auto& member : members) {
    if (member.is_object() && member.value("state", "") == state) ++count;
  }
  return count;
}

std::string state_of(const std::string& address, const std::string& name) {
  const auto members = get_json(address, "/members");
  if (!members.is_array()) return {};
  for (const auto& member : members) {
    if (member.is_object() && member.value("name", "") == name) return member.value("state", "");
  }
  return {};
}

std::vector<std::string> eager_peers(const std::string& address) {
  const auto peers = get_json(address, "/peers");
  std::vector<std::string> names;
  if (!peers.is_object() || !peers.contains("eager") || !peers["eager"].is_array()) return names;
  for (const auto& peer : peers["eager"]) {
    if (peer.is_string()) names.push_back(peer.get<std::string>());
  }
  return names;
}

}  // namespace demo::http
