#include "authority.hpp"
#include "transport/tls/identity.hpp"

using namespace plumvine;
using Catch::Matchers::Contains;
using test::kHour;

namespace {

std::string load_error(const tls::PemTexts& pem, const tls::Self& self) {
  const auto loaded = tls::Credentials::load(pem, self);
  return loaded ? std::string{} : loaded.error().message;
}

}  // namespace

TEST_CASE("a member's URI is read as it was written", "[tls]") {
  CHECK(tls::member_uri("prod", "node-1.a_b") == "plumvine://prod/node-1.a_b");
  const std::string odd = "a b/\xC3\xA9%";
  const auto back = tls::parse_member_uri(tls::member_uri(odd, "n"));
  REQUIRE(back);
  CHECK(back->label == odd);
  CHECK(back->name == "n");
  for (const char* bad : {"", "plumvine://", "plumvine://a", "plumvine:///n", "plumvine://a/", "plumvine://a/b/c", "plumvine://a/b%2", "plumvine://a/b%zz",
                          "https://a/b", "plumvine://a b/c"}) {
    INFO(bad);
    CHECK_FALSE(tls::parse_member_uri(bad));
  }
}

TEST_CASE("names count in their own cluster only", "[tls]") {
  const tls::Names names{{{"x", "a"}, {"y", "b"}, {"x", "c"}}, {"h"}};
  CHECK(tls::names_in(names, "x") == std::vector<std::string>{"a", "c"});
  CHECK(tls::names_in(names, "z").empty());
  CHECK(tls::names_in(names, "") == std::vector<std::string>{"h"});
}

TEST_CASE("a good certificate tells its dates and fingerprint", "[tls]") {
  const test::Authority authority;
  const auto loaded = authority.credentials("a", "prod");
  CHECK(loaded->expires_s() > test::wall_s() + 23 * kHour);
  CHECK(loaded->valid_from_s() < test::wall_s());
  CHECK(loaded->fingerprint().size() == 16);
  CHECK(loaded->fingerprint() != authority.credentials("a", "prod")->fingerprint());
  const auto judged = loaded->judge(authority.credentials("b", "prod")->chain(), tls::Role::client);
  CHECK(judged.good());
  CHECK(judged.names == std::vector<std::string>{"b"});
}

TEST_CASE("files that others would refuse are refused with the remedy", "[tls]") {
  const test::Authority authority, other("other CA");
  const tls::Self self{"a", "prod"};
  tls::PemTexts pem = authority.pem("a", "prod");
  CHECK(load_error(pem, self).empty());
  CHECK_THAT(load_error({"junk", pem.key, pem.ca}, self), Contains("tls_cert") && Contains("no certificate"));
  CHECK_THAT(load_error({pem.cert, "junk", pem.ca}, self), Contains("tls_key"));
  CHECK_THAT(load_error({pem.cert, pem.key, ""}, self), Contains("tls_ca"));
  CHECK_THAT(load_error({pem.cert, authority.pem("a", "prod").key, pem.ca}, self), Contains("tls_key") && Contains("not the key"));
  CHECK_THAT(load_error({pem.cert, pem.key, other.ca.own().cert}, self), Contains("none of the CAs in tls_ca"));
  CHECK_THAT(load_error(authority.pem("b", "prod"), self), Contains("member b of cluster prod") && Contains("URI:plumvine://prod/a"));
  CHECK_THAT(load_error(authority.pem("a", "test"), self), Contains("cluster test") && Contains("URI:plumvine://prod/a"));
  CHECK_THAT(load_error(authority.pem("a"), self), Contains("host a"));
  CHECK_THAT(load_error(pem, {"a", ""}), Contains("DNS:a"));
  const auto old = authority.issue("a", "prod", -3 * kHour, -kHour);
  CHECK_THAT(load_error({old.cert, old.key, pem.ca}, self), Contains("expired"));
  const auto early = authority.issue("a", "prod", kHour, 2 * kHour);
  CHECK_THAT(load_error({early.cert, early.key, pem.ca}, self), Contains("not valid before"));
  // No message repeats what a key file holds.
  CHECK_THAT(load_error({pem.cert, "secret-words", pem.ca}, self), !Contains("secret-words"));
}

TEST_CASE("another's certificate is judged by CA, dates and cluster", "[tls]") {
  const test::Authority authority, other("other CA");
  const auto ours = authority.credentials("a", "prod");
  const auto judge = [&](const tls::Issued& issued) { return ours->judge(*tls::der_of(issued.cert), tls::Role::server); };
  CHECK(judge(authority.issue("b", "prod")).good());
  CHECK(judge(other.issue("b", "prod")).why == TlsReject::unknown_ca);
  CHECK_THAT(judge(other.issue("b", "prod")).text, Contains("other CA"));
  CHECK(judge(authority.issue("b", "prod", -3 * kHour, -kHour)).why == TlsReject::expired);
  CHECK(judge(authority.issue("b", "prod", kHour, 2 * kHour)).why == TlsReject::expired);
  CHECK(judge(authority.issue("b", "test")).why == TlsReject::wrong_cluster);
  CHECK(judge(authority.issue("b")).why == TlsReject::wrong_cluster);
  CHECK(ours->judge({}, tls::Role::client).why == TlsReject::no_certificate);
  CHECK(ours->judge({"junk"}, tls::Role::client).why == TlsReject::unusable);
}

TEST_CASE("an older CA vouches while it may", "[tls]") {
  const test::Authority before("before"), after("after");
  const auto ours = after.credentials("a"), older = before.credentials("a");
  const auto chain = before.credentials("b")->chain();
  CHECK(ours->judge(chain, tls::Role::client, nullptr).why == TlsReject::unknown_ca);
  const auto judged = ours->judge(chain, tls::Role::client, older.get());
  CHECK(judged.good());
  CHECK(judged.by_older_ca);
  CHECK_FALSE(ours->judge(after.credentials("b")->chain(), tls::Role::client, older.get()).by_older_ca);
}
