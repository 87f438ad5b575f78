#include "reader.hpp"

namespace plumvine::wire {

std::uint64_t Reader::number(std::size_t size) noexcept {
  if (fault_ != nullptr) return 0;
  if (left() < size) {
    truncated_ = true;
    fault_ = "the bytes end too early";
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint64_t>(bytes_[position_ + i]);
  position_ += size;
  return value;
}

std::uint8_t Reader::byte() noexcept { return static_cast<std::uint8_t>(number(1)); }

std::size_t Reader::array() noexcept {
  const std::uint8_t tag = byte();
  if ((tag & 0xf0) == 0x90) return tag & 0x0f;
  if (tag == 0xdc) return number(2);
  if (tag == 0xdd) return number(4);
  fail("not an array");
  return 0;
}

bool Reader::enough_for(std::size_t count, std::size_t bytes) noexcept {
  if (good() && left() / bytes < count) {
    truncated_ = true;
    fault_ = "fewer bytes than elements";
  }
  return good();
}

std::uint64_t Reader::uint(std::uint64_t max) noexcept {
  const std::uint8_t tag = byte();
  std::uint64_t value = 0;
  if (tag < 0x80) {
    value = tag;
  } else if (tag >= 0xcc && tag <= 0xcf) {
    value = number(std::size_t{1} << (tag - 0xcc));
  } else if (tag >= 0xd0 && tag <= 0xd3) {
    // Signed forms may hold what is not negative.
    const std::size_t size = std::size_t{1} << (tag - 0xd0);
    value = number(size);
    if ((value >> (8 * size - 1)) != 0) fail("a negative number");
  } else {
    fail("not a number");
  }
  if (value > max) fail("a number is too large");
  return good() ? value : 0;
}

std::int64_t Reader::sint() noexcept {
  const std::uint8_t tag = byte();
  std::uint64_t value = 0;
  if (tag < 0x80) {
    value = tag;
  } else if (tag >= 0xe0) {
    return static_cast<std::int8_t>(tag);
  } else if (tag >= 0xcc && tag <= 0xcf) {
    value = number(std::size_t{1} << (tag - 0xcc));
    if (value > INT64_MAX) fail("a number is too large");
  } else if (tag >= 0xd0 && tag <= 0xd3) {
    const std::size_t unused = 64 - (std::size_t{8} << (tag - 0xd0));
    value = number(std::size_t{1} << (tag - 0xd0)) << unused;
    return good() ? static_cast<std::int64_t>(value) >> unused : 0;
  } else {
    fail("not a number");
  }
  return good() ? static_cast<std::int64_t>(value) : 0;
}

bool Reader::boolean() noexcept {
  const std::uint8_t tag = byte();
  if (tag != 0xc2 && tag != 0xc3) fail("not a boolean");
  return good() && tag == 0xc3;
}

std::string_view Reader::str(std::size_t max) noexcept {
  const std::uint8_t tag = byte();
  std::size_t size = 0;
  if ((tag & 0xe0) == 0xa0) size = tag & 0x1f;
  else if (tag == 0xd9) size = number(1);
  else if (tag == 0xda) size = number(2);
  else if (tag == 0xdb) size = number(4);
  else fail("not a text");
  if (size > max) fail("a text is too long");
  return as_text(take(size));
}

std::size_t Reader::bin_header() noexcept {
  const std::uint8_t tag = byte();
  if (tag >= 0xc4 && tag <= 0xc6) return number(std::size_t{1} << (tag - 0xc4));
  fail("not a binary");
  return 0;
}

BytesView Reader::take(std::size_t size) noexcept {
  if (!enough_for(size)) return {};
  const BytesView taken = bytes_.subspan(position_, size);
  position_ += size;
  return taken;
}

}  // namespace plumvine::wire
