#include "transport/lz4_frame.hpp"

#include <plumvine/detail/rng.hpp>

#include "support/pch.hpp"

using namespace plumvine;

namespace {

Bytes text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "{\"host\":\"db-" + std::to_string(text.size() % 7) + "\",\"state\":\"alive\"},";
  return Bytes::copy_of(std::string_view{text}.substr(0, size));
}

Bytes noise_of(std::size_t size) {
  Rng rng{1};
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(rng.next() & 0xff);
  return Bytes::copy_of(text);
}

Errc error_of(const Bytes& frame, std::uint64_t size) {
  const auto got = lz4::decompress(frame, size);
  REQUIRE_FALSE(got);
  return got.error().code;
}

}  // namespace

TEST_CASE("payloads of all sizes come back as they were", "[lz4]") {
  const std::size_t size = GENERATE(256, 1000, 65536, 65537, 1 << 20, (9 << 20) + 1);
  const Bytes payload = text_of(size);
  const auto frame = lz4::compress(payload);
  REQUIRE(frame);
  CHECK(frame->size() < size - size / 16);
  const auto back = lz4::decompress(*frame, size);
  REQUIRE(back);
  CHECK(*back == payload);
}

TEST_CASE("what does not become smaller is left as it is", "[lz4]") {
  CHECK_FALSE(lz4::compress(text_of(255)));
  CHECK_FALSE(lz4::compress(noise_of(100000)));
  CHECK_FALSE(lz4::compress(Bytes{}));
}

TEST_CASE("a frame unfolds to what its message says, or is refused", "[lz4]") {
  const Bytes frame = *lz4::compress(text_of(10000));
  CHECK(error_of(frame, 9999) == Errc::malformed);
  CHECK(error_of(frame, 10001) == Errc::malformed);
  CHECK(error_of(frame, 0) == Errc::malformed);
  CHECK(error_of(Bytes{}, 10000) == Errc::malformed);
  CHECK(error_of(Bytes{}, 0) == Errc::malformed);
  CHECK(error_of(text_of(500), 10000) == Errc::malformed);
  for (std::size_t cut = 0; cut < frame.size(); ++cut) REQUIRE(error_of(frame.slice(0, cut), 10000) == Errc::malformed);
  std::string longer{frame.text()};
  CHECK(error_of(Bytes::copy_of(longer + "x"), 10000) == Errc::malformed);
  CHECK(error_of(Bytes::copy_of(longer + longer), 20000) == Errc::malformed);
}

TEST_CASE("a small frame that claims much reserves nothing", "[lz4]") {
  const Bytes zeros = Bytes::copy_of(std::string(50 << 20, '\0'));
  const auto frame = lz4::compress(zeros);
  REQUIRE(frame);
  CHECK(frame->size() < (1 << 20));
  CHECK(lz4::decompress(*frame, zeros.size()));
  CHECK(error_of(*frame, 1 << 20) == Errc::malformed);
  CHECK(error_of(*frame, std::uint64_t{1} << 62) == Errc::malformed);
}

TEST_CASE("damaged frames are refused or unfold to as many bytes, and nothing else happens", "[lz4]") {
  const Bytes frame = *lz4::compress(text_of(3000));
  Rng rng{7};
  for (int i = 0; i < 5000; ++i) {
    std::string bytes{frame.text()};
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) bytes[rng.below(bytes.size())] ^= static_cast<char>(1 + rng.below(255));
    const auto got = lz4::decompress(Bytes::copy_of(bytes), 3000);
    if (got) REQUIRE(got->size() == 3000);
  }
}
