#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <plumvine/detail/check.hpp>

namespace plumvine::wire {

/// Writes the msgpack forms that frames use, each in its shortest form. `Derived` takes the bytes.
template <class Derived>
class Sink {
 public:
  void array(std::size_t count) {
    if (count < 16) return byte(0x90 | count);
    if (count <= UINT16_MAX) return tagged<2>(0xdc, count);
    tagged<4>(0xdd, count);
  }
  void uint(std::uint64_t value) {
    if (value < 0x80) return byte(value);
    if (value <= UINT8_MAX) return tagged<1>(0xcc, value);
    if (value <= UINT16_MAX) return tagged<2>(0xcd, value);
    if (value <= UINT32_MAX) return tagged<4>(0xce, value);
    tagged<8>(0xcf, value);
  }
  void sint(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= 0) return uint(bits);
    if (value >= -32) return byte(bits & 0xff);
    if (value >= INT8_MIN) return tagged<1>(0xd0, bits);
    if (value >= INT16_MIN) return tagged<2>(0xd1, bits);
    if (value >= INT32_MIN) return tagged<4>(0xd2, bits);
    tagged<8>(0xd3, bits);
  }
  void boolean(bool value) { byte(value ? 0xc3 : 0xc2); }
  template <class Id>
    requires std::is_enum_v<Id>
  void id(Id value) {
    uint(static_cast<std::uint64_t>(value));
  }
  void str(std::string_view text, std::size_t max) {
    PLUMVINE_CHECK(text.size() <= max && max <= UINT16_MAX, "a text of a frame is too long");
    if (text.size() < 32) byte(0xa0 | text.size());
    else if (text.size() <= UINT8_MAX) tagged<1>(0xd9, text.size());
    else tagged<2>(0xda, text.size());
    self().raw(reinterpret_cast<const std::byte*>(text.data()), text.size());
  }
  /// The payload itself follows from elsewhere.
  void bin_header(std::size_t size) {
    if (size <= UINT8_MAX) return tagged<1>(0xc4, size);
    if (size <= UINT16_MAX) return tagged<2>(0xc5, size);
    tagged<4>(0xc6, size);
  }

 protected:
  template <std::size_t N>
  void number(std::uint64_t value) {
    std::byte out[N];
    for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<std::byte>(value >> (8 * (N - 1 - i)));
    self().raw(out, N);
  }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  void byte(std::uint64_t value) { number<1>(value); }
  template <std::size_t N>
  void tagged(std::uint8_t tag, std::uint64_t value) {
    byte(tag);
    number<N>(value);
  }
};

/// Only counts.
class Counter : public Sink<Counter> {
 public:
  void raw(const std::byte*, std::size_t size) noexcept { size_ += size; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

/// Writes into a block that a `Counter` found large enough.
class Memory : public Sink<Memory> {
 public:
  explicit Memory(std::byte* at) noexcept : at_(at) {}
  void raw(const std::byte* data, std::size_t size) noexcept {
    if (size != 0) std::memcpy(at_, data, size);
    at_ += size;
  }
  void big_endian(std::uint32_t value) { number<4>(value); }
  [[nodiscard]] const std::byte* end() const noexcept { return at_; }

 private:
  std::byte* at_;
};

}  // namespace plumvine::wire
