#include "transport/uv/publish_once.hpp"

#include "support/pch.hpp"
#include "transport/uv/admin_http.hpp"

using namespace plumvine;
using uv::PublishOnce;

namespace {

uv::HttpRequest posted(const std::string& key, const std::string& body = "b", const std::string& path = "/publish/t") {
  uv::HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = body;
  if (!key.empty()) request.headers["idempotency-key"] = key;
  return request;
}

/// Publishes, if nobody did with that key: the answer.
uv::HttpResponse publish_once(PublishOnce& once, const uv::HttpRequest& request, int& sent, std::uint64_t now_ns = 0) {
  if (auto before = once.answered(request, false, now_ns)) return *before;
  return once.note(request, uv::http::json(202, std::to_string(++sent)), now_ns);
}

}  // namespace

TEST_CASE("a request that is sent again with its key gets the same answer, and nothing is sent", "[publish_once]") {
  PublishOnce once;
  int sent = 0;
  const auto first = publish_once(once, posted("k"), sent);
  const auto again = publish_once(once, posted("k"), sent);
  CHECK(sent == 1);
  CHECK(again.status == 202);
  CHECK(again.body == first.body);
  CHECK(again.headers.at("Idempotency-Replayed") == "true");
  CHECK_FALSE(first.headers.contains("Idempotency-Replayed"));
  CHECK(once.repeated() == 1);
  CHECK(publish_once(once, posted("other"), sent).body != first.body);
  publish_once(once, posted(""), sent);
  publish_once(once, posted(""), sent);
  CHECK(sent == 4);
  CHECK(once.size() == 2);
}

TEST_CASE("a key belongs to one message", "[publish_once]") {
  PublishOnce once;
  int sent = 0;
  publish_once(once, posted("k"), sent);
  CHECK(publish_once(once, posted("k", "another body"), sent).status == 422);
  CHECK(publish_once(once, posted("k", "b", "/publish/u"), sent).status == 422);
  CHECK(sent == 1);
  CHECK(once.repeated() == 0);
}

TEST_CASE("what is no key is refused, and so is one beside a wish for acknowledgements", "[publish_once]") {
  PublishOnce once;
  for (const std::string& key : {std::string("two words"), std::string(129, 'k'), std::string("\xc3\xa9")})
    CHECK(once.answered(posted(key), false, 0)->status == 400);
  CHECK_FALSE(once.answered(posted(std::string(128, 'k')), false, 0));
  CHECK(once.answered(posted("k"), true, 0)->status == 400);
  CHECK_FALSE(once.answered(posted(""), true, 0));
}

TEST_CASE("keys are forgotten after their time, and the oldest where there are too many", "[publish_once]") {
  PublishOnce once;
  int sent = 0;
  publish_once(once, posted("k"), sent, 0);
  publish_once(once, posted("k"), sent, PublishOnce::kTimeNs);
  CHECK(sent == 1);
  publish_once(once, posted("k"), sent, PublishOnce::kTimeNs + 1);
  CHECK(sent == 2);
  CHECK(once.forgotten() == 0);
  for (std::size_t i = 0; i < PublishOnce::kMax; ++i) publish_once(once, posted("n" + std::to_string(i)), sent, PublishOnce::kTimeNs + 2);
  CHECK(once.size() == PublishOnce::kMax);
  CHECK(once.forgotten() == 1);
  const int before = sent;
  publish_once(once, posted("k"), sent, PublishOnce::kTimeNs + 2);
  CHECK(sent == before + 1);
}
