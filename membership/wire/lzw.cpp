#include "lzw.hpp"

#include <algorithm>
#include <array>

namespace plumvine::swim::wire {
namespace {

constexpr std::uint32_t kClear = 256;
constexpr std::uint32_t kEnd = 257;
constexpr unsigned kWidthMin = 9;
constexpr unsigned kWidthMax = 12;

/// Codes of 9 to 12 bits, packed from the least significant bit up.
class BitReader {
 public:
  explicit BitReader(BytesView input) : input_(input) {}
  bool read(unsigned width, std::uint32_t& code) {
    while (have_ < width) {
      if (at_ == input_.size()) return false;
      bits_ |= static_cast<std::uint32_t>(input_[at_++]) << have_;
      have_ += 8;
    }
    code = bits_ & ((1U << width) - 1);
    bits_ >>= width;
    have_ -= width;
    return true;
  }

 private:
  BytesView input_;
  std::size_t at_ = 0;
  std::uint32_t bits_ = 0;
  unsigned have_ = 0;
};

/// A table entry is a place in the output: every string that a code stands for has been written before.
struct Place {
  std::size_t offset = 0;
  std::size_t size = 0;
};

class BitWriter {
 public:
  explicit BitWriter(std::vector<std::byte>& out) : out_(out) {}
  void write(std::uint32_t code, unsigned width) {
    bits_ |= code << have_;
    for (have_ += width; have_ >= 8; have_ -= 8) {
      out_.push_back(static_cast<std::byte>(bits_ & 0xff));
      bits_ >>= 8;
    }
  }
  void finish() {
    if (have_ > 0) out_.push_back(static_cast<std::byte>(bits_ & 0xff));
  }

 private:
  std::vector<std::byte>& out_;
  std::uint32_t bits_ = 0;
  unsigned have_ = 0;
};

/// The strings known so far, as a tree: a code's continuations hang on it as a list. Emptying it touches the 256
/// literals only, which keeps small packets cheap.
class Strings {
 public:
  Strings() { clear(); }
  void clear() { std::fill_n(first_.begin(), 256, std::uint16_t{0}); }
  /// The code of `prefix` followed by `next`; 0 if there is none.
  [[nodiscard]] std::uint32_t find(std::uint32_t prefix, std::byte next) const {
    std::uint32_t code = first_[prefix];
    while (code != 0 && byte_[code] != next) code = sibling_[code];
    return code;
  }
  void add(std::uint32_t prefix, std::byte next, std::uint32_t code) {
    byte_[code] = next;
    sibling_[code] = first_[prefix];
    first_[code] = 0;
    first_[prefix] = static_cast<std::uint16_t>(code);
  }

 private:
  std::array<std::uint16_t, 1U << kWidthMax> first_;  // 0 = none: no string has a code below 258
  std::array<std::uint16_t, 1U << kWidthMax> sibling_;
  std::array<std::byte, 1U << kWidthMax> byte_;
};

}  // namespace

void lzw_encode(BytesView input, std::vector<std::byte>& out) {
  BitWriter bits(out);
  unsigned width = kWidthMin;
  std::uint32_t high = kEnd;  // counts data codes since the last clear
  bits.write(kClear, width);
  if (input.empty()) {
    bits.write(kEnd, width);
    return bits.finish();
  }
  Strings strings;
  // True if the table was full and is empty again.
  const auto send = [&](std::uint32_t code) {
    bits.write(code, width);
    if (++high == 1U << width && width < kWidthMax) ++width;
    if (high < (1U << kWidthMax) - 1) return false;
    bits.write(kClear, width);
    strings.clear();
    width = kWidthMin;
    high = kEnd;
    return true;
  };
  auto code = std::to_integer<std::uint32_t>(input[0]);
  for (const std::byte next : input.subspan(1)) {
    if (const std::uint32_t longer = strings.find(code, next); longer != 0) {
      code = longer;
      continue;
    }
    if (!send(code)) strings.add(code, next, high);
    code = std::to_integer<std::uint32_t>(next);
  }
  send(code);
  bits.write(kEnd, width);
  bits.finish();
}

void grow(std::vector<std::byte>& buffer, std::size_t more, std::size_t max) {
  const std::size_t need = buffer.size() + more;
  if (need <= buffer.capacity()) return;
  buffer.reserve(std::max(need, std::min(max, buffer.capacity() * 2)));
}

LzwResult lzw_decode(BytesView input, std::size_t output_max, std::vector<std::byte>& out) {
  const std::size_t base = out.size();
  std::array<Place, 1U << kWidthMax> table;
  BitReader bits(input);
  unsigned width = kWidthMin;
  std::uint32_t high = kEnd;  // counts data codes since the last clear; the entry that the next code completes
  Place last;
  bool have_last = false;

  for (std::uint32_t code = 0;;) {
    if (!bits.read(width, code)) return LzwResult::malformed;
    if (code == kEnd) return LzwResult::ok;
    if (code == kClear) {
      width = kWidthMin;
      high = kEnd;
      have_last = false;
      continue;
    }
    if (code > high) return LzwResult::malformed;
    // The string of `last` with the byte after it is a new entry; that byte is the first one written below,
    // so the entry may be used by the very code that completes it.
    if (have_last) table[high] = {last.offset, last.size + 1};
    const Place now{out.size(), code < kClear ? 1 : table[code].size};
    if (now.size > output_max - (now.offset - base)) return LzwResult::too_large;
    grow(out, now.size, base + output_max);
    if (code < kClear) {
      out.push_back(static_cast<std::byte>(code));
    } else {
      const std::size_t from = table[code].offset;
      for (std::size_t i = 0; i < now.size; ++i) {
        const std::byte copied = out[from + i];
        out.push_back(copied);
      }
    }
    last = now;
    have_last = true;
    if (++high == 1U << width) {
      if (width < kWidthMax) {
        ++width;
      } else {  // full: no more entries until the next clear
        --high;
        have_last = false;
      }
    }
  }
}

}  // namespace plumvine::swim::wire
