#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "membership/name_index.hpp"
#include "messages.hpp"

namespace plumvine::serf {

/// Remembers what was seen at which Lamport time, so that each event and query counts once: Serf's rings of 512 times.
///
/// Bounds: `kSlots` times, `kPerSlot` things each; a further one at the same time counts as seen.
class Recent {
 public:
  static constexpr std::size_t kSlots = 512;
  static constexpr std::size_t kPerSlot = 64;
  /// What tells two things of one time apart: a hash of 128 bits, or a number.
  struct Identity {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  enum class Outcome : std::uint8_t { fresh, repeated, old };

  /// Looks the thing up and remembers it. `clock` is the ring's clock, which has witnessed `time`.
  Outcome see(LTime time, Identity what, LTime clock) {
    if (time < minimum_ || (clock > kSlots && time < clock - kSlots)) return Outcome::old;
    Slot& slot = slots_[time % kSlots];
    if (slot.time != time) {
      if (slot.time > time) return Outcome::old;
      slot.time = time;
      slot.seen.clear();
    }
    for (const Identity& known : slot.seen)
      if (known == what) return Outcome::repeated;
    if (slot.seen.size() >= kPerSlot) return Outcome::repeated;
    slot.seen.push_back(what);
    return Outcome::fresh;
  }
  /// Nothing before this time counts: it was there before we were.
  void start_at(LTime minimum) noexcept { minimum_ = std::max(minimum_, minimum); }

 private:
  struct Slot {
    LTime time = 0;
    std::vector<Identity> seen;
  };
  std::array<Slot, kSlots> slots_;
  LTime minimum_ = 0;
};

/// The identity of an event: its name and payload; with its time it is known everywhere.
inline Recent::Identity identity_of(std::string_view name, BytesView payload) noexcept {
  const std::uint64_t a = swim::hash_name(name);
  const std::uint64_t b = swim::hash_name(as_text(payload));
  return {mix64(a ^ mix64(b)), mix64(a + 0x9e3779b97f4a7c15ULL * b + payload.size())};
}

}  // namespace plumvine::serf
