#include "trace.hpp"

#include <bit>
#include <cstdio>
#include <cstring>

namespace plumvine::sim {

void Trace::mix(BytesView bytes) noexcept {
  mix(bytes.size());
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    mix(word);
  }
  std::uint64_t rest = 0;
  for (std::size_t k = 0; i + k < bytes.size(); ++k) rest |= std::to_integer<std::uint64_t>(bytes[i + k]) << (8 * k);
  mix(rest);
}

void Trace::line(Timestamp at, std::string_view text) {
  if (!out_) return;
  char head[40];
  std::snprintf(head, sizeof head, "[%11.6fs] ", static_cast<double>(at.ns) / 1e9);
  *out_ << head << text << '\n';
}

std::string hex(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace plumvine::sim
