#include <plumvine/detail/key_text.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

namespace plumvine {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Strict: whole groups, padding only at the end, no bits left over.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::vector<std::byte> out;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const std::string_view group = text.substr(at, 4);
    const bool last = at + 4 == text.size();
    std::size_t digits = 4;
    while (last && digits > 2 && group[digits - 1] == '=') --digits;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t value = i < digits ? kAlphabet.find(group[i]) : 0;
      if (value == std::string_view::npos) return std::nullopt;
      bits = bits << 6 | static_cast<std::uint32_t>(value);
    }
    const std::size_t bytes = digits - 1;
    if ((bits & ((1U << (8 * (3 - bytes))) - 1)) != 0) return std::nullopt;
    for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(bits >> (16 - 8 * i) & 0xff));
  }
  return out;
}

/// The little of JSON that a keyring file has: an array of strings.
class ArrayReader {
 public:
  explicit ArrayReader(std::string_view text) : text_(text) {}

  bool take(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool string(std::string& out) {
    out.clear();
    if (!take('"')) return false;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
      if (text_[at_] == '\\') {  // the only escape that base64 can have
        if (++at_ == text_.size() || text_[at_] != '/') return false;
      }
      out.push_back(text_[at_++]);
    }
    return take('"');
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Bytes> parse_key(std::string_view base64) {
  const auto key = decode_base64(base64);
  if (!key) return {Errc::invalid_argument, "the key is not base64"};
  if (key->size() != 16 && key->size() != 24 && key->size() != 32)
    return {Errc::invalid_argument, fmt::format("the key has {} bytes, must have 16, 24 or 32", key->size())};
  return Bytes::copy_of(*key);
}

std::string format_key(BytesView key) {
  std::string out;
  for (std::size_t at = 0; at < key.size(); at += 3) {
    const std::size_t n = std::min<std::size_t>(3, key.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < n ? std::to_integer<std::uint32_t>(key[at + i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) out.push_back(i <= n ? kAlphabet[bits >> (18 - 6 * i) & 63] : '=');
  }
  return out;
}

Result<std::vector<Bytes>> parse_keyring(std::string_view json) {
  const Error no_array{Errc::invalid_argument, "not a JSON array of keys in base64"};
  ArrayReader reader(json);
  std::vector<Bytes> keys;
  if (!reader.take('[')) return no_array;
  std::string text;
  for (std::size_t place = 1; !(place == 1 && reader.take(']')); ++place) {
    if (!reader.string(text)) return no_array;
    auto key = parse_key(text);
    if (!key) return key.error().with(fmt::format("key {}", place));
    if (std::find(keys.begin(), keys.end(), *key) == keys.end()) keys.push_back(*key);
    if (keys.size() > kKeysMax) return {Errc::limit_reached, fmt::format("more than {} keys", kKeysMax)};
    if (reader.take(']')) break;
    if (!reader.take(',')) return no_array;
  }
  if (!reader.at_end()) return no_array;
  if (keys.empty()) return {Errc::invalid_argument, "no key in it"};
  return keys;
}

}  // namespace plumvine
