#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include <plumvine/detail/rng.hpp>

namespace plumvine::swim {

/// Hashes member names, the same on every machine. Only look-ups use it; nothing is ever done in its order.
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept {
    std::uint64_t hash = name.size();
    while (name.size() >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, name.data(), 8);
      hash = mix64(hash ^ word);
      name.remove_prefix(8);
    }
    std::uint64_t tail = 0;
    if (!name.empty()) std::memcpy(&tail, name.data(), name.size());
    return static_cast<std::size_t>(mix64(hash ^ tail));
  }
};

}  // namespace plumvine::swim
