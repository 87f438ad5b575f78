// Who may change something over HTTP.
#include "transport/uv/admin_access.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/pch.hpp"

using namespace plumvine;
using namespace plumvine::uv;

namespace {

/// Nothing but a token; the other calls are never made.
struct TokenHost final : AdminHost {
  Token secret;
  Config settings = Config::lan("a");
  Events told{InstanceId{1}};
  MetricHistory recorded;
  const Token* token() const override { return &secret; }
  std::shared_ptr<const Snapshot> fresh_snapshot() override { return nullptr; }
  const Config& config() const override { return settings; }
  Status block(std::string_view, std::optional<Duration>) override { return {}; }
  Status unblock(std::string_view) override { return {}; }
  Result<MessageId> publish(std::string_view, Bytes, BroadcastOptions, std::function<void(const Receipt&)>) override { return MessageId{}; }
  Status join(std::vector<std::string>) override { return {}; }
  Status leave() override { return {}; }
  Status rejoin() override { return {}; }
  Status forget(std::string_view) override { return {}; }
  Status promote(std::string_view) override { return {}; }
  Result<TrimReport> trim() override { return TrimReport{}; }
  Status resync(std::string_view) override { return {}; }
  std::optional<Timestamp> digest_at(std::string_view) const override { return std::nullopt; }
  void ask(Asking, const std::string&, Duration, std::function<void(Answered)>) override {}
  std::string own_answer(Asking, std::string_view) override { return {}; }
  void doubt(const std::vector<std::string>&) override {}
  void check_reach(const std::string&, std::function<void(std::optional<ReachCheck>)>) override {}
  std::vector<TreeId> trees_of(std::string_view) const override { return {}; }
  Result<MessageId> probe(Bytes, Duration, std::function<void(const Receipt&)>) override { return MessageId{}; }
  Events& events() override { return told; }
  const MetricHistory& metric_history() const override { return recorded; }
  void order_keys(KeyOrder, std::function<void(Result<KeyReport>)>) override {}
  void subscribe(Subscriber, ReadFrom) override {}
  bool in_history(const MessageId&) const override { return false; }
  void watch(std::shared_ptr<HttpStream>, std::string_view) override {}
};

Token made(const std::string& text) {
  std::string path = "/tmp/plumvine-token-XXXXXX";
  const int fd = mkstemp(path.data());
  REQUIRE(fd >= 0);
  REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(fd);
  auto token = Token::read(path);
  unlink(path.c_str());
  REQUIRE(token);
  return std::move(*token);
}

HttpRequest asked(const std::string& from, const std::string& authorization = {}) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/trim";
  request.headers["host"] = "10.0.0.1:9090";
  if (!authorization.empty()) request.headers["authorization"] = authorization;
  request.from = Endpoint::parse(from).value();
  return request;
}

int status_of(const TokenHost& host, const HttpRequest& request) {
  const auto refusal = access_refusal(host, request);
  return refusal ? refusal->status : 200;
}

}  // namespace

TEST_CASE("without a token only this machine may change something", "[access]") {
  const TokenHost host;
  CHECK(status_of(host, asked("127.0.0.1:5")) == 200);
  CHECK(status_of(host, asked("[::1]:5")) == 200);
  CHECK(status_of(host, asked("10.0.0.9:5")) == 403);
  CHECK(status_of(host, asked("10.0.0.9:5", "Bearer 0123456789abcdef")) == 403);
}

TEST_CASE("who shows the token may from anywhere, and a wrong one is refused from anywhere", "[access]") {
  TokenHost host;
  host.secret = made("0123456789abcdef\n");
  CHECK(status_of(host, asked("10.0.0.9:5", "Bearer 0123456789abcdef")) == 200);
  CHECK(status_of(host, asked("127.0.0.1:5")) == 200);
  CHECK(status_of(host, asked("10.0.0.9:5")) == 401);
  CHECK(status_of(host, asked("10.0.0.9:5", "Bearer 0123456789abcdee")) == 401);
  CHECK(status_of(host, asked("127.0.0.1:5", "Bearer 0123456789abcdee")) == 401);
  const auto refusal = access_refusal(host, asked("10.0.0.9:5"));
  CHECK(refusal->headers.at("WWW-Authenticate") == "Bearer realm=\"plumvine\"");
  CHECK(refusal->body.find("0123456789") == std::string::npos);
}

TEST_CASE("a page of another origin may not, even with the token", "[access]") {
  TokenHost host;
  host.secret = made("0123456789abcdef\n");
  auto request = asked("127.0.0.1:5", "Bearer 0123456789abcdef");
  request.headers["origin"] = "http://evil.example";
  CHECK(status_of(host, request) == 403);
  request.headers["origin"] = "http://10.0.0.1:9090";
  CHECK(status_of(host, request) == 200);
}
