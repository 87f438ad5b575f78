#include <plumvine/detail/key_text.hpp>

#include <fmt/format.h>

#include <plumvine/detail/base64.hpp>

namespace plumvine {

Result<Bytes> parse_key(std::string_view base64) {
  const auto key = decode_base64(base64);
  if (!key) return {Errc::invalid_argument, "the key is not base64"};
  if (key->size() != 16 && key->size() != 24 && key->size() != 32)
    return {Errc::invalid_argument, fmt::format("the key has {} bytes, must have 16, 24 or 32", key->size())};
  return Bytes::copy_of(*key);
}

std::string format_key(BytesView key) {
  std::string out;
  append_base64(out, key);
  return out;
}

}  // namespace plumvine
