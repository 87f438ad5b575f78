#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/time.hpp>

namespace plumvine::sim {

/// What happened in a run: a 64-bit hash over all events in order, and lines for people on demand. The hash takes
/// values only, never addresses, so it is the same on every machine and compiler.
class Trace {
 public:
  void mix(std::uint64_t value) noexcept {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ULL;
    hash_ ^= hash_ >> 29;
  }
  void mix(Timestamp at) noexcept { mix(static_cast<std::uint64_t>(at.ns)); }
  void mix(BytesView bytes) noexcept;
  void mix(std::string_view text) noexcept { mix(as_bytes(text)); }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

  /// Where lines go; null = nowhere.
  void print_to(std::ostream* out) noexcept { out_ = out; }
  [[nodiscard]] bool printing() const noexcept { return out_ != nullptr; }
  /// `[  1.234567s] text`
  void line(Timestamp at, std::string_view text);

 private:
  std::uint64_t hash_ = 0x6c62272e07bb0142ULL;
  std::ostream* out_ = nullptr;
};

/// `hash` as 16 hex digits.
std::string hex(std::uint64_t hash);

}  // namespace plumvine::sim
