// Keys as text, the rules of the ring, and what does not open.
#include "membership/keyring.hpp"

#include "support/pch.hpp"
#include "transport/crypto/gnutls_aead.hpp"

using namespace plumvine;

namespace {

Bytes key_of(char fill, std::size_t size = 16) { return Bytes::copy_of(std::string(size, fill)); }

Keyring ring_of(const std::vector<Bytes>& keys) {
  Keyring ring(make_gnutls_aead());
  for (const Bytes& key : keys) REQUIRE(ring.add(key));
  return ring;
}

std::string opened(Keyring& ring, const std::vector<std::byte>& blob, std::string_view aad = "") {
  std::vector<std::byte> out;
  return ring.open(as_bytes(aad), blob, out).empty() ? "(refused)" : std::string(as_text(out));
}

std::vector<std::byte> sealed(Keyring& ring, std::string_view text, std::string_view aad = "",
                              SealVersion version = SealVersion::bare) {
  std::vector<std::byte> out;
  ring.seal(as_bytes(aad), as_bytes(text), out, version);
  CHECK(out.size() == Keyring::sealed_size(text.size(), version));
  return out;
}

}  // namespace

TEST_CASE("a key is base64 of 16, 24 or 32 bytes, and errors do not repeat it", "[keyring]") {
  for (const std::size_t size : {16u, 24u, 32u}) {
    const auto key = parse_key(format_key(key_of('\xfe', size).view()));
    REQUIRE(key);
    CHECK(*key == key_of('\xfe', size));
  }
  CHECK(format_key(as_bytes("0123456789abcdef")) == "MDEyMzQ1Njc4OWFiY2RlZg==");
  struct Row { std::string text, complaint; };
  for (const Row& row : {Row{"", "0 bytes"}, Row{"QUJD", "3 bytes"}, Row{"MDEyMzQ1Njc4OWFiY2RlZg", "not base64"},
                         Row{"MDEyMzQ1Njc4OWFiY2RlZh==", "not base64"},  // bits left over
                         Row{"MDEy=zQ1Njc4OWFiY2RlZg==", "not base64"}, Row{"MDEyMzQ1Njc4OWFiY2RlZg= ", "not base64"},
                         Row{"MDEyMzQ1Njc4OWFiY2RlZmc=", "17 bytes"}, Row{"====", "not base64"}}) {
    INFO(row.text);
    const auto key = parse_key(row.text);
    REQUIRE_FALSE(key);
    CHECK(key.error().message.find(row.complaint) != std::string::npos);
    if (row.text.size() > 4) CHECK(key.error().message.find(row.text) == std::string::npos);
  }
}

TEST_CASE("keys are added, used and removed by memberlist's rules", "[keyring]") {
  Keyring ring(make_gnutls_aead());
  const Bytes a = key_of('a'), b = key_of('b', 24), c = key_of('c', 32);
  CHECK(ring.empty());
  CHECK_FALSE(ring.add(key_of('x', 15)));
  for (const Bytes& key : {a, b, c, b}) CHECK(ring.add(key));
  CHECK(ring.secrets() == std::vector<Bytes>{a, b, c});
  CHECK(ring.use(c));
  CHECK(ring.secrets() == std::vector<Bytes>{c, a, b});
  CHECK_FALSE(ring.use(key_of('d')));
  CHECK_FALSE(ring.remove(c));
  CHECK(ring.remove(a));
  CHECK(ring.remove(a));
  CHECK(ring.secrets() == std::vector<Bytes>{c, b});
  CHECK(ring.contains(b));
  CHECK_FALSE(ring.contains(a));
  CHECK_FALSE(ring.replace({a, key_of('x', 5)}));
  CHECK(ring.secrets() == std::vector<Bytes>{c, b});
  CHECK(ring.replace({b}));
  CHECK(ring.secrets() == std::vector<Bytes>{b});
  for (int i = 0; i < 100; ++i) (void)ring.add(key_of(static_cast<char>(i)));
  CHECK(ring.size() == kKeysMax);
}

TEST_CASE("every installed key opens, the primary seals", "[keyring]") {
  Keyring old = ring_of({key_of('a')}), both = ring_of({key_of('b', 32), key_of('a')}), fresh = ring_of({key_of('b', 32)});
  CHECK(opened(both, sealed(old, "hello", "label"), "label") == "hello");
  CHECK(opened(fresh, sealed(both, "hello", "label"), "label") == "hello");
  CHECK(opened(old, sealed(both, "hello")) == "(refused)");
  CHECK(opened(fresh, sealed(old, "hello")) == "(refused)");
  CHECK(opened(both, sealed(both, "")) == "");
  CHECK(sealed(both, "hello") != sealed(both, "hello"));
}

TEST_CASE("a blob that was touched anywhere does not open", "[keyring]") {
  Keyring ring = ring_of({key_of('k', 24)});
  for (const auto version : {SealVersion::bare, SealVersion::padded}) {
    const auto blob = sealed(ring, "some text", "label", version);
    CHECK(opened(ring, blob, "label") == "some text");
    CHECK(opened(ring, blob, "labem") == "(refused)");
    // The version is not covered by the tag: padding would be read as text. It is nobody's secret and changes no state.
    for (std::size_t i = 1; i < blob.size(); ++i) {
      auto touched = blob;
      touched[i] ^= std::byte{1};
      CHECK(opened(ring, touched, "label") == "(refused)");
      CHECK(opened(ring, {blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(i)}, "label") == "(refused)");
    }
  }
}

TEST_CASE("who has only the old key can be answered with it, and the key that fits is told", "[keyring]") {
  Keyring old = ring_of({key_of('a')}), both = ring_of({key_of('b', 32), key_of('a')});
  std::vector<std::byte> blob, text;
  both.seal({}, as_bytes("answer"), blob, SealVersion::bare, key_of('a'));
  CHECK(opened(old, blob) == "answer");
  CHECK(both.open({}, blob, text) == key_of('a'));
  blob.clear();
  both.seal({}, as_bytes("answer"), blob, SealVersion::bare, key_of('x'));  // not in the ring: the primary
  CHECK(both.open({}, blob, text) == key_of('b', 32));
  CHECK(both.is_primary(key_of('b', 32)));
  CHECK_FALSE(both.is_primary(key_of('a')));
  CHECK(both.name_of(key_of('a')).size() == 8);
  CHECK(both.name_of(key_of('a')) == old.name_of(key_of('a')));
  CHECK(both.name_of(key_of('a')) != both.name_of(key_of('b', 32)));
}

TEST_CASE("the padding of version 0 is checked", "[keyring]") {
  // A blob of version 1 under the name of version 0 has the plain text as its padded text: the AAD does not cover it.
  Keyring ring = ring_of({key_of('k')});
  const auto as_padded = [&](std::string text) {
    auto blob = sealed(ring, text);
    blob[0] = std::byte{0};
    return opened(ring, blob);
  };
  const std::string fifteen(15, 'x');
  CHECK(as_padded(fifteen + "\x01") == fifteen);
  CHECK(as_padded(std::string(16, '\x10')).empty());
  CHECK(as_padded(std::string(13, 'x').append(3, '\x03')) == std::string(13, 'x'));
  CHECK(as_padded(fifteen + '\0') == "(refused)");
  CHECK(as_padded(fifteen + '\x11') == "(refused)");
  CHECK(as_padded(fifteen + '\x02') == "(refused)");
  CHECK(as_padded(fifteen) == "(refused)");
  CHECK(as_padded(std::string(32, 'x').append(1, '\x01')) == "(refused)");
}

TEST_CASE("derived keys depend on the secret, both randoms and the purpose", "[keyring]") {
  const auto aead = make_gnutls_aead();
  const auto derived = [&](std::string_view secret, std::string_view salt, std::string_view info) {
    std::array<std::byte, 42> out{};
    aead->derive(as_bytes(secret), as_bytes(salt), as_bytes(info), out);
    return std::string(as_text(out));
  };
  // RFC 5869, test case 3: no salt, no info.
  const std::string expected = "\x8d\xa4\xe7\x75\xa5\x63\xc1\x8f\x71\x5f\x80\x2a\x06\x3c\x5a\x31\xb8\xa1\x1f\x5c\x5e\xe1\x87\x9e\xc3\x45"
                               "\x4e\x5f\x3c\x73\x8d\x2d\x9d\x20\x13\x95\xfa\xa4\xb6\x1a\x96\xc8";
  CHECK(derived(std::string(22, '\x0b'), "", "") == expected);
  CHECK(derived("a", "b", "c") != derived("x", "b", "c"));
  CHECK(derived("a", "b", "c") != derived("a", "x", "c"));
  CHECK(derived("a", "b", "c") != derived("a", "b", "x"));
}
