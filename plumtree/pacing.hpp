#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core.hpp"

namespace plumvine::tree {

/// Tells publishers how far delivery has come, hop by hop, so that they never run ahead of members that keep up.
///
/// Every node reports, to the neighbour that feeds it with an origin's messages, the smallest of its own delivered watermark and
/// of the reports it got itself; those it hands on at once, since who made them has waited for more already. A member whose oldest undelivered message is older than `lag_grace` does not
/// count: it is served from the repair stores later. Messages of topics with the policy `hold` count however old they are,
/// those of topics that drop or disconnect never. At the origin the same minimum gives `Acked`. Parts of payloads count apart, as
/// another origin's. Where all that the origin feeds lag, as behind an uplink that its first burst fills for longer than that, it does not run
/// away from all of them: the one that is furthest counts, as long as it comes any further within `lag_grace`. Until somebody has reported
/// at all, nobody counts as having anything.
///
/// A neighbour that we report to ourselves does not count, so two nodes never wait for each other; longer circles
/// end by `lag_grace`. Bounds: one report a link and origin. Not thread-safe; owned by `Tree`.
class Pacing {
 public:
  static constexpr std::uint64_t kReportBytes = 32 * 1024;
  static constexpr std::uint32_t kReportMessages = 64;
  static constexpr Duration kReportDelay = std::chrono::milliseconds{2};
  /// While somebody holds us up the minimum is computed again this often: it grows by age alone.
  static constexpr Duration kRecheck = std::chrono::milliseconds{100};

  explicit Pacing(Core& core) : core_(core) {}

  void published(Timestamp now);
  /// Our own message `sequence` comes in parts, of which `last` is the last one.
  void published_parts(Sequence sequence, Sequence last) { large_.push_back({sequence, last}); }
  /// First copies came. `pushed`: they came through the tree, not by a pull.
  void received(OriginIndex origin, Slot from, std::uint64_t messages, std::uint64_t bytes, bool pushed, Timestamp now);
  /// Delivery of the origin has come further for another reason.
  void progressed(OriginIndex origin, Timestamp now) { mark(origin, now); }
  void on_progress(Slot from, const frame::Progress& progress, Timestamp now);
  void peer_down(Slot slot, Timestamp now);
  void forget(OriginIndex origin);

  void handle_timeout(Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const noexcept { return std::min(report_at_, acked_at_); }
  void check(std::vector<std::string>& broken) const;

 private:
  struct Report {
    Slot slot = kNoSlot;
    Sequence watermark = 0;
  };
  struct Paced {
    Slot upstream = kNoSlot;
    std::uint8_t others = 0;       ///< first copies in a row that another link brought
    bool marked = false;
    Sequence reported = UINT64_MAX;  ///< last told upstream; UINT64_MAX = nothing yet, so that even 0 is told
    std::uint64_t bytes = 0;       ///< since the last report
    std::uint32_t messages = 0;
    std::vector<Report> reports;   ///< of neighbours that we feed
    /// What lies above `after` came at `since` or later.
    struct Young {
      Sequence after = UINT64_MAX;
      Timestamp since;
    };
    Young young, younger;          ///< the second is at most half of `lag_grace` old while anything comes
  };
  Paced& at(OriginIndex origin);
  /// A report on the origin is due: at once, where enough came for one, or with what comes in the next moment.
  void mark(OriginIndex origin, Timestamp now, bool at_once = false);
  /// The least of `own` and of all that count.
  [[nodiscard]] Sequence behind(OriginIndex origin, Sequence own, const std::vector<Slot>& owing, Timestamp now);
  /// Links of the tree that wait for credit.
  [[nodiscard]] std::vector<Slot> owing() const;
  /// How far somebody who has come up to `watermark` lets the publisher go; no limit where it is passed.
  [[nodiscard]] Sequence limit(OriginIndex origin, Sequence watermark, Timestamp now) const;
  /// True if the message is surely younger than `lag_grace`, which needs no look at it; false says nothing.
  [[nodiscard]] bool is_young(OriginIndex origin, Sequence sequence, Timestamp now) const;
  void note_young(Paced& paced, OriginIndex origin, Timestamp now) const;
  /// How old a message may get while its publisher waits for those who lack it.
  [[nodiscard]] Duration grace(const StoredMessage& message) const;
  /// Of what we published, how far the furthest of those that we feed lets us go; no limit where it stands still or has all.
  struct Lead {
    Sequence reached = 0;
    Timestamp moved{};
  };
  [[nodiscard]] Sequence lead(OriginIndex origin, Lead& lead, Timestamp now) const;
  void set_upstream(OriginIndex origin, Slot slot, Timestamp now);
  void report(Timestamp now);
  void acknowledge(Timestamp now);

  Core& core_;
  std::vector<Paced> origins_;        // by origin
  std::vector<OriginIndex> marked_;   // report these next
  Timestamp report_at_ = kNever;
  Timestamp acked_at_ = kNever;
  Sequence acked_ = 0;
  Lead lead_, lead_of_parts_;
  struct Large {
    Sequence sequence = 0, last_part = 0;
  };
  std::deque<Large> large_;           // not acknowledged; what left the store is, so the store is the bound
  Sequence large_acked_ = 0;
};

}  // namespace plumvine::tree
