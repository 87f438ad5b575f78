// Serf's tag format: the byte ff, then a msgpack map of strings in the old raw family.
#include <optional>

#include <plumvine/types.hpp>

namespace plumvine {
namespace {

constexpr std::uint8_t kMagic = 0xff;

class Reader {
 public:
  explicit Reader(BytesView data) : data_(data) {}
  std::optional<std::size_t> map_size() {
    const auto lead = byte();
    if (!lead) return std::nullopt;
    if ((*lead & 0xf0) == 0x80) return *lead & 0x0f;
    if (*lead == 0xde) return number(2);
    if (*lead == 0xdf) return number(4);
    return std::nullopt;
  }
  std::optional<std::string> text() {
    const auto lead = byte();
    if (!lead) return std::nullopt;
    if ((*lead & 0xe0) == 0xa0) return take(*lead & 0x1fu);
    switch (*lead) {
      case 0xc0: return std::string{};
      case 0xd9: case 0xc4: return sized(1);
      case 0xda: case 0xc5: return sized(2);
      case 0xdb: case 0xc6: return sized(4);
      default: return std::nullopt;
    }
  }

 private:
  std::optional<std::uint8_t> byte() {
    if (data_.empty()) return std::nullopt;
    const auto value = static_cast<std::uint8_t>(data_.front());
    data_ = data_.subspan(1);
    return value;
  }
  std::optional<std::size_t> number(std::size_t width) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const auto next = byte();
      if (!next) return std::nullopt;
      value = value << 8 | *next;
    }
    return value;
  }
  std::optional<std::string> sized(std::size_t width) {
    const auto length = number(width);
    return length ? take(*length) : std::nullopt;
  }
  std::optional<std::string> take(std::size_t length) {
    if (length > data_.size()) return std::nullopt;
    std::string out(as_text(data_.first(length)));
    data_ = data_.subspan(length);
    return out;
  }
  BytesView data_;
};

void put_text(std::string& out, const std::string& text) {
  const std::size_t n = text.size();
  if (n < 32) {
    out += static_cast<char>(0xa0 | n);
  } else {
    out += '\xda';
    out += static_cast<char>(n >> 8);
    out += static_cast<char>(n & 0xff);
  }
  out += text.substr(0, 65535);
}

}  // namespace

Tags decode_tags(BytesView meta) {
  Tags tags;
  if (meta.empty()) return tags;
  if (static_cast<std::uint8_t>(meta.front()) != kMagic) {
    tags.emplace("role", as_text(meta));
    return tags;
  }
  Reader reader(meta.subspan(1));
  const auto size = reader.map_size();
  for (std::size_t i = 0; size && i < *size; ++i) {
    auto key = reader.text();
    auto value = key ? reader.text() : std::nullopt;
    if (!value) break;
    tags.insert_or_assign(std::move(*key), std::move(*value));
  }
  return tags;
}

Bytes encode_tags(const Tags& tags) {
  std::string out(1, static_cast<char>(kMagic));
  if (tags.size() < 16) {
    out += static_cast<char>(0x80 | tags.size());
  } else {
    out += '\xde';
    out += static_cast<char>(tags.size() >> 8);
    out += static_cast<char>(tags.size() & 0xff);
  }
  for (const auto& [key, value] : tags) {
    put_text(out, key);
    put_text(out, value);
  }
  return Bytes::copy_of(out);
}

}  // namespace plumvine
