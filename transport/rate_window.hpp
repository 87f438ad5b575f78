#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <plumvine/snapshot.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/time.hpp>

namespace plumvine {

/// What happened in the last minute, as the difference of running totals. Twelve slots of five seconds; filled when
/// something happens or somebody looks, so it needs no timer.
class RateWindow {
 public:
  static constexpr Duration kSlot = std::chrono::seconds{5};
  static constexpr std::size_t kSlots = 12;

  struct Totals {
    std::uint64_t delivered = 0, duplicate = 0, grafts_sent = 0, grafts_failed = 0, cache_overflows = 0;
    static Totals of(const TreeStats& stats) {
      return {stats.delivered, stats.duplicate, stats.graft_sent, stats.graft_failed,
              stats.cache_evictions[CacheEviction::count] + stats.cache_evictions[CacheEviction::bytes]};
    }
  };

  void start(Timestamp now) { started_ = now; }
  /// A new slot has begun since the last `advance`.
  [[nodiscard]] bool due(Timestamp now) const noexcept { return slot_of(now) != slot_; }
  /// `totals` are those from before anything that happens at `now`.
  void advance(Timestamp now, const Totals& totals) {
    const std::int64_t slot = slot_of(now);
    const std::int64_t steps = slot - slot_ < static_cast<std::int64_t>(kSlots) ? slot - slot_ : kSlots;
    for (std::int64_t i = 0; i < steps; ++i) {
      slot_at_start_[static_cast<std::size_t>(slot - i) % kSlots] = totals;
    }
    slot_ = slot;
  }
  [[nodiscard]] WindowStats sums(Timestamp now, const Totals& totals) const {
    const std::int64_t slot = slot_of(now);
    // The slot that begins the minute: the oldest one kept, or the very first.
    const std::int64_t first = slot >= static_cast<std::int64_t>(kSlots) ? slot - static_cast<std::int64_t>(kSlots) + 1 : 0;
    const Totals from = first == 0 ? Totals{} : slot_at_start_[static_cast<std::size_t>(first) % kSlots];
    WindowStats sums;
    sums.seconds = to_seconds(now - started_) - static_cast<double>(first) * to_seconds(kSlot);
    sums.delivered = totals.delivered - from.delivered;
    sums.duplicate = totals.duplicate - from.duplicate;
    sums.grafts_sent = totals.grafts_sent - from.grafts_sent;
    sums.grafts_failed = totals.grafts_failed - from.grafts_failed;
    sums.cache_overflows = totals.cache_overflows - from.cache_overflows;
    return sums;
  }

 private:
  [[nodiscard]] std::int64_t slot_of(Timestamp now) const noexcept { return (now - started_).count() / kSlot.count(); }

  Timestamp started_;
  std::int64_t slot_ = 0;
  std::array<Totals, kSlots> slot_at_start_{};
};

}  // namespace plumvine
