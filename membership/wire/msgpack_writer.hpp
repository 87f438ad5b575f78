#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>

namespace plumvine::swim::wire {

/// Appends msgpack as go-msgpack writes it: shortest integers, old raw strings, never str8 or bin.
class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}
  /// The byte before a message that tells what it is.
  template <class Type>
  Writer& type(Type type) {
    return byte(static_cast<std::uint8_t>(type));
  }
  Writer& map(std::size_t pairs) { return container(0x80, 0xde, pairs); }
  Writer& array(std::size_t items) { return container(0x90, 0xdc, items); }
  Writer& key(std::string_view name) { return raw(as_bytes(name)); }
  Writer& nil() { return byte(0xc0); }
  Writer& boolean(bool value) { return byte(value ? 0xc3 : 0xc2); }
  Writer& number(std::uint64_t value) {
    if (value <= 0x7f) return byte(static_cast<std::uint8_t>(value));
    if (value <= 0xff) return byte(0xcc).big_endian(value, 1);
    if (value <= 0xffff) return byte(0xcd).big_endian(value, 2);
    if (value <= 0xffffffff) return byte(0xce).big_endian(value, 4);
    return byte(0xcf).big_endian(value, 8);
  }
  Writer& integer(std::int64_t value) { return number(value < 0 ? 0 : static_cast<std::uint64_t>(value)); }
  Writer& real(double value) { return byte(0xcb).big_endian(std::bit_cast<std::uint64_t>(value), 8); }
  Writer& raw(BytesView bytes) {
    const std::size_t size = bytes.size();
    if (size < 32) byte(static_cast<std::uint8_t>(0xa0 | size));
    else if (size <= 0xffff) byte(0xda).big_endian(size, 2);
    else byte(0xdb).big_endian(size, 4);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& text(std::string_view text) { return raw(as_bytes(text)); }
  Writer& bytes(BytesView bytes) { return bytes.data() == nullptr ? nil() : raw(bytes); }

 private:
  Writer& container(std::uint8_t fixed, std::uint8_t wide, std::size_t size) {
    if (size < 16) return byte(static_cast<std::uint8_t>(fixed | size));
    if (size <= 0xffff) return byte(wide).big_endian(size, 2);
    return byte(static_cast<std::uint8_t>(wide + 1)).big_endian(size, 4);
  }
  Writer& byte(std::uint8_t value) {
    out_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  Writer& big_endian(std::uint64_t value, int width) {
    for (int i = width - 1; i >= 0; --i) byte(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  std::vector<std::byte>& out_;
};

}  // namespace plumvine::swim::wire
