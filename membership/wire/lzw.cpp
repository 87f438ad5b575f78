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

}  // namespace

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
