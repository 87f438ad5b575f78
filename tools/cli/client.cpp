#include "client.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

#include <plumvine/detail/wipe.hpp>

#include "judge.hpp"

namespace plumvine::cli {
namespace {

/// No answer of an agent is larger, streams aside.
constexpr std::size_t kAnswerMax = std::size_t{256} << 20;

/// What one answer is read into. What a reader throws waits here until the C code below it is left.
struct Sink {
  CURL* curl;
  const std::string* path;
  Answer* answer;
  const std::function<bool(std::string_view)>* stream;
  const std::function<void(const std::string&)>* tick;
  std::exception_ptr thrown{};

  void take_head() {
    const char* type = nullptr;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    answer->type = type == nullptr ? "" : type;
  }
  /// False: enough was read.
  bool take(std::string_view piece) {
    take_head();
    if (!*stream || answer->status != 200) {
      answer->body += piece;
      return answer->body.size() <= kAnswerMax;
    }
    if (!is_type_of_ours(*path, answer->status, answer->type)) throw Foreign();
    return (*stream)(piece);
  }
  void tell_here() {
    const char* ip = nullptr;
    long port = 0;
    take_head();
    curl_easy_getinfo(curl, CURLINFO_LOCAL_IP, &ip);
    curl_easy_getinfo(curl, CURLINFO_LOCAL_PORT, &port);
    if (answer->status != 200 || ip == nullptr) return;  // the answer has not begun
    const std::string_view host(ip);
    (*tick)(host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port));
  }
};

std::size_t on_data(char* data, std::size_t one, std::size_t count, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  try {
    return sink.take({data, one * count}) ? one * count : 0;
  } catch (...) {
    sink.thrown = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& sink = *static_cast<Sink*>(user);
  try {
    sink.tell_here();
    return 0;
  } catch (...) {
    sink.thrown = std::current_exception();
    return 1;
  }
}

/// The header that carries the token; empty: there is none.
std::string authorization;

}  // namespace

std::string Client::use_token_file(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (!file || !std::getline(file, token)) return fmt::format("'{}' cannot be read", path);
  const Wiped line(token);
  if (!token.empty() && token.back() == '\r') token.pop_back();
  const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (token.empty() || !visible) return fmt::format("the first line of '{}' is no token of visible characters", path);
  authorization = "Authorization: Bearer " + token;
  return {};
}

Client::Client(std::string host_port) : curl_(curl_easy_init()), base_("http://" + std::move(host_port)) {}
Client::~Client() {
  curl_easy_cleanup(curl_);
}

std::optional<Answer> Client::get(const std::string& path) {
  return perform(path, nullptr, {}, 10);
}
std::optional<Answer> Client::post(const std::string& path, std::string_view body) {
  return perform(path, &body, {}, 70);  // the longest wait for acknowledgements, and a little
}
std::optional<Answer> Client::stream(const std::string& path, const std::function<bool(std::string_view)>& sink,
                                     const std::function<void(const std::string&)>& tick) {
  return perform(path, nullptr, sink, 0, tick);
}

std::optional<Answer> Client::perform(const std::string& path, const std::string_view* body,
                                      const std::function<bool(std::string_view)>& sink, long timeout_s,
                                      const std::function<void(const std::string&)>& tick) {
  auto* curl = static_cast<CURL*>(curl_);
  Answer answer;
  Sink target{curl, &path, &answer, &sink, &tick};
  const std::string url = base_ + path;
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  if (!authorization.empty()) list = curl_slist_append(list, authorization.c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list, curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 3L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &target);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, tick ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &target);
  if (body != nullptr) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
  } else {
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  }
  const CURLcode code = curl_easy_perform(curl);
  if (target.thrown) std::rethrow_exception(target.thrown);
  target.take_head();
  if (code == CURLE_WRITE_ERROR && sink && answer.status == 200) return answer;  // our own reader had enough
  if (code != CURLE_OK) {
    error_ =
        fmt::format("no agent at {}: {} (is plumvined running, and is --http right?)", base_, curl_easy_strerror(code));
    return std::nullopt;
  }
  const bool streamed = sink && answer.status == 200;
  const bool ours = streamed ? is_type_of_ours(path, answer.status, answer.type) : is_answer_of_ours(path, answer.status, answer.type, answer.body);
  if (!ours) throw Foreign();
  return answer;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                       byte == '-' || byte == '_' || byte == '.' || byte == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace plumvine::cli
