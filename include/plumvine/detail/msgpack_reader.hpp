#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <plumvine/bytes.hpp>

namespace plumvine {

/// A cursor over msgpack that somebody else owns: no allocation, no recursion, every length checked before use.
///
/// Reads are typed. The first mistake sticks: all later reads fail too, `truncated()` tells an input that merely
/// ends too early (more bytes may mend it) from one that can never become right. Views point into the input.
/// Old raw strings, str and bin count as the same kind, as memberlist's decoders have it.
class MsgpackReader {
 public:
  /// Containers inside a skipped value, at most.
  static constexpr std::size_t kDepthMax = 16;
  /// Objects inside one skipped value, at most: a value that is not understood shall not cost much.
  static constexpr std::uint32_t kSkippedMax = 4096;

  enum class Kind : std::uint8_t { nil, boolean, integer, real, raw, array, map, extension, end, invalid };

  explicit MsgpackReader(BytesView input) noexcept : input_(input) {}

  [[nodiscard]] bool ok() const noexcept { return state_ == State::ok; }
  [[nodiscard]] bool truncated() const noexcept { return state_ == State::truncated; }
  [[nodiscard]] std::size_t offset() const noexcept { return at_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return input_.size() - at_; }
  [[nodiscard]] BytesView rest() const noexcept { return input_.subspan(at_); }

  /// Kind of the next object; `end` at the end of the input.
  [[nodiscard]] Kind peek() const noexcept {
    if (at_ >= input_.size()) return Kind::end;
    const std::uint8_t tag = byte_at(at_);
    if (tag <= 0x7f || tag >= 0xe0) return Kind::integer;
    if (tag <= 0x8f) return Kind::map;
    if (tag <= 0x9f) return Kind::array;
    if (tag <= 0xbf) return Kind::raw;
    switch (tag) {
      case 0xc0: return Kind::nil;
      case 0xc1: return Kind::invalid;
      case 0xc2: case 0xc3: return Kind::boolean;
      case 0xc4: case 0xc5: case 0xc6: return Kind::raw;
      case 0xc7: case 0xc8: case 0xc9: return Kind::extension;
      case 0xca: case 0xcb: return Kind::real;
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return Kind::extension;
      case 0xd9: case 0xda: case 0xdb: return Kind::raw;
      case 0xdc: case 0xdd: return Kind::array;
      case 0xde: case 0xdf: return Kind::map;
      default: return Kind::integer;
    }
  }

  /// Takes a nil if one is next.
  bool skip_nil() noexcept {
    if (!ok() || peek() != Kind::nil) return false;
    ++at_;
    return true;
  }

  /// An integer of any encoding inside [min, max].
  std::optional<std::int64_t> read_integer(std::int64_t min, std::int64_t max) noexcept {
    bool negative = false;
    const std::uint64_t bits = integer(negative);
    if (!ok()) return std::nullopt;
    if (!negative && bits > static_cast<std::uint64_t>(INT64_MAX)) return wrong();
    const auto value = static_cast<std::int64_t>(bits);
    if (value < min || value > max) return wrong();
    return value;
  }
  /// A non-negative integer of any encoding, at most `max`.
  std::optional<std::uint64_t> read_unsigned(std::uint64_t max = UINT64_MAX) noexcept {
    bool negative = false;
    const std::uint64_t bits = integer(negative);
    if (!ok()) return std::nullopt;
    if (negative || bits > max) return wrong();
    return bits;
  }
  /// A boolean; the small integers 0 and 1 count as one.
  std::optional<bool> read_bool() noexcept {
    const std::uint8_t tag = take();
    if (!ok()) return std::nullopt;
    if (tag == 0xc2 || tag == 0x00) return false;
    if (tag == 0xc3 || tag == 0x01) return true;
    return wrong();
  }
  /// A floating point number; an integer counts as one.
  std::optional<double> read_real() noexcept {
    if (peek() != Kind::real) {
      const auto value = read_integer(INT64_MIN, INT64_MAX);
      return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
    }
    const bool narrow = take() == 0xca;
    const std::uint64_t bits = big_endian(narrow ? 4 : 8);
    if (!ok()) return std::nullopt;
    if (narrow) return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    return std::bit_cast<double>(bits);
  }
  /// A string or byte string of any encoding, at most `max` bytes.
  std::optional<BytesView> read_raw(std::size_t max = SIZE_MAX) noexcept {
    const std::uint8_t tag = take();
    if (!ok()) return std::nullopt;
    std::uint64_t size = 0;
    if (tag >= 0xa0 && tag <= 0xbf) size = tag & 0x1fU;
    else if (tag == 0xd9 || tag == 0xc4) size = big_endian(1);
    else if (tag == 0xda || tag == 0xc5) size = big_endian(2);
    else if (tag == 0xdb || tag == 0xc6) size = big_endian(4);
    else return wrong();
    if (!ok()) return std::nullopt;
    if (size > max) return wrong();
    return bytes(size);
  }
  std::optional<std::string_view> read_text(std::size_t max = SIZE_MAX) noexcept {
    const auto raw = read_raw(max);
    if (!raw) return std::nullopt;
    return as_text(*raw);
  }
  /// Header of an array: how many objects follow, at most `max`.
  std::optional<std::uint32_t> read_array(std::uint32_t max = UINT32_MAX) noexcept { return header(0x90, 0xdc, max); }
  /// Header of a map: how many pairs follow, at most `max`.
  std::optional<std::uint32_t> read_map(std::uint32_t max = UINT32_MAX) noexcept { return header(0x80, 0xde, max); }

  /// Passes over one object of any kind. False if it is broken, too deep or has too many parts.
  bool skip() noexcept {
    std::array<std::uint64_t, kDepthMax> left{};
    std::size_t depth = 0;
    std::uint32_t seen = 0;
    for (;;) {
      if (++seen > kSkippedMax) return fail();
      const std::uint64_t inside = skip_one();
      if (!ok()) return false;
      if (inside > 0) {
        if (depth == kDepthMax) return fail();
        left[depth++] = inside;
        continue;
      }
      while (depth > 0 && --left[depth - 1] == 0) --depth;
      if (depth == 0) return true;
    }
  }

  /// Marks the input as wrong: the caller found a mistake in what was read.
  bool fail() noexcept {
    if (ok()) state_ = State::malformed;
    return false;
  }

 private:
  enum class State : std::uint8_t { ok, truncated, malformed };

  std::nullopt_t wrong() noexcept {
    fail();
    return std::nullopt;
  }
  [[nodiscard]] std::uint8_t byte_at(std::size_t i) const noexcept { return static_cast<std::uint8_t>(input_[i]); }
  std::uint8_t take() noexcept { return static_cast<std::uint8_t>(big_endian(1)); }
  /// `width` bytes (1 to 8) as a number; 0 and a failed reader if they are not there.
  std::uint64_t big_endian(std::size_t width) noexcept {
    if (!ok()) return 0;
    if (remaining() < width) {
      state_ = State::truncated;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | byte_at(at_++);
    return value;
  }
  std::optional<BytesView> bytes(std::uint64_t size) noexcept {
    if (!ok()) return std::nullopt;
    if (size > remaining()) {
      state_ = State::truncated;
      return std::nullopt;
    }
    const BytesView view = input_.subspan(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return view;
  }
  /// The next integer as 64 bits, sign-extended where `negative`.
  std::uint64_t integer(bool& negative) noexcept {
    const std::uint8_t tag = take();
    if (!ok()) return 0;
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0) return sign_extend(tag, 1, negative);
    if (tag >= 0xcc && tag <= 0xcf) return big_endian(std::size_t{1} << (tag - 0xcc));
    if (tag >= 0xd0 && tag <= 0xd3) {
      const std::size_t width = std::size_t{1} << (tag - 0xd0);
      return sign_extend(big_endian(width), width, negative);
    }
    fail();
    return 0;
  }
  static std::uint64_t sign_extend(std::uint64_t bits, std::size_t width, bool& negative) noexcept {
    const std::uint64_t sign = 1ULL << (8 * width - 1);
    negative = (bits & sign) != 0;
    return (bits ^ sign) - sign;
  }
  std::optional<std::uint32_t> header(std::uint8_t fixed, std::uint8_t wide, std::uint32_t max) noexcept {
    const std::uint8_t tag = take();
    if (!ok()) return std::nullopt;
    std::uint64_t count = 0;
    if ((tag & 0xf0U) == fixed) count = tag & 0x0fU;
    else if (tag == wide) count = big_endian(2);
    else if (tag == wide + 1) count = big_endian(4);
    else return wrong();
    if (!ok()) return std::nullopt;
    if (count > max) return wrong();
    return static_cast<std::uint32_t>(count);
  }
  /// Passes over one object but not over what is inside a container; returns how many objects that is.
  std::uint64_t skip_one() noexcept {
    bool negative = false;
    switch (peek()) {
      case Kind::nil:
      case Kind::boolean: ++at_; return 0;
      case Kind::integer: integer(negative); return 0;
      case Kind::real: big_endian(take() == 0xca ? 4 : 8); return 0;
      case Kind::raw: read_raw(); return 0;
      case Kind::array: return read_array().value_or(0);
      case Kind::map: return std::uint64_t{2} * read_map().value_or(0);
      case Kind::extension: {
        const std::uint8_t tag = take();
        const std::uint64_t size = tag >= 0xd4 ? 1ULL << (tag - 0xd4) : big_endian(std::size_t{1} << (tag - 0xc7));
        bytes(size + 1);  // one byte for the type
        return 0;
      }
      case Kind::end: state_ = State::truncated; return 0;
      case Kind::invalid: break;
    }
    fail();
    return 0;
  }

  BytesView input_;
  std::size_t at_ = 0;
  State state_ = State::ok;
};

}  // namespace plumvine
