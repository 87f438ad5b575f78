#include "transport/uv/client_limiter.hpp"

#include "support/pch.hpp"

using namespace plumvine;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

uv::HttpRequest request(const std::string& from, const std::string& path = "/members") {
  uv::HttpRequest out;
  out.method = "GET";
  out.path = path;
  out.from = *Endpoint::parse(from);
  return out;
}

Config limited(std::uint32_t rate, std::uint32_t burst) {
  Config config = Config::lan("n1");
  config.http_rate_limit_per_second = rate;
  config.http_rate_limit_burst = burst;
  return config;
}

}  // namespace

TEST_CASE("each client has a burst and a rate, from whatever port it asks", "[http]") {
  uv::ClientLimiter limiter{limited(10, 3)};
  for (int i = 0; i < 3; ++i) CHECK(limiter.admit(request("10.0.0.1:" + std::to_string(1000 + i)), kSecond));
  CHECK_FALSE(limiter.admit(request("10.0.0.1:9"), kSecond));
  CHECK(limiter.admit(request("10.0.0.2:9"), kSecond));
  CHECK_FALSE(limiter.admit(request("10.0.0.1:9"), kSecond + kSecond / 20));
  CHECK(limiter.admit(request("10.0.0.1:9"), kSecond + kSecond / 10));
  CHECK(limiter.refused() == 2);
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += limiter.admit(request("10.0.0.1:9"), 100 * kSecond) ? 1 : 0;
  CHECK(passed == 3);
}

TEST_CASE("probes of health pass whatever their client's rate", "[http]") {
  uv::ClientLimiter limiter{limited(1, 1)};
  CHECK(limiter.admit(request("10.0.0.1:1"), kSecond));
  CHECK_FALSE(limiter.admit(request("10.0.0.1:1"), kSecond));
  for (const char* path : {"/livez", "/readyz", "/healthz"}) CHECK(limiter.admit(request("10.0.0.1:1", path), kSecond));
}

TEST_CASE("no limit is no limit, and a limit can come and go", "[http]") {
  uv::ClientLimiter limiter{Config::lan("n1")};
  for (int i = 0; i < 10'000; ++i) REQUIRE(limiter.admit(request("10.0.0.1:1"), kSecond));
  limiter.configure(limited(1, 1));
  CHECK(limiter.admit(request("10.0.0.1:1"), kSecond));
  CHECK_FALSE(limiter.admit(request("10.0.0.1:1"), kSecond));
  limiter.configure(Config::lan("n1"));
  CHECK(limiter.admit(request("10.0.0.1:1"), kSecond));
}

TEST_CASE("a busy client is still bounded when very many addresses ask", "[http]") {
  uv::ClientLimiter limiter{limited(1, 2)};
  std::uint64_t now = kSecond;
  int passed = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += 10'000'000;  // 200 s in all
    (void)limiter.admit(request("10.1." + std::to_string(i / 250 % 250) + "." + std::to_string(i % 250 + 1) + ":1"), now);
    passed += limiter.admit(request("10.9.9.9:1"), now) ? 1 : 0;
  }
  CHECK(passed <= 202 + 2);
  CHECK(limiter.refusal().status == 429);
  CHECK(limiter.refusal().headers.at("Retry-After") == "1");
}
