#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core.hpp"

namespace plumvine::tree {

/// Who has taken which broadcast: asks for a publisher, answers for a member, and gathers answers on their way.
///
/// A request goes over all links; each node passes a round on once and answers to whom it had it from. Answers are
/// gathered for a moment at each hop, so that a node sends few frames however many members lie behind it. While
/// answers lack, the publisher asks again in a new round, over whatever links there are then.
/// Bounds: `kReceiptsMax` own broadcasts, `kAskedMax` publishers, answers of known members only. Not thread-safe; owned by `Tree`.
class Receipts {
 public:
  static constexpr std::size_t kReceiptsMax = 256;
  static constexpr std::size_t kAskedMax = 256;
  /// Answers and requests wait so long for company.
  static constexpr Duration kGather = std::chrono::milliseconds{10};
  /// Rounds are at least so far apart; one that comes much faster is not passed on.
  static constexpr Duration kRoundGap = std::chrono::milliseconds{100};
  static constexpr Duration kAskAgain = std::chrono::milliseconds{500};
  /// A publisher that was not heard of for so long asks no more.
  static constexpr Duration kAskedTime = std::chrono::seconds{10};

  explicit Receipts(Core& core) : core_(core) {}

  /// Own broadcast: asks so many members. At the limit it ends at once, with nobody.
  void want(Sequence sequence, std::uint32_t acks, Duration timeout, Timestamp now);
  void on_request(Slot from, const frame::AckRequest& request, Timestamp now);
  void on_acks(Slot from, const frame::Acks& acks, Timestamp now);
  /// The messages were handed to the user here.
  void delivered(InstanceId origin, SequenceRange range, Timestamp now);
  /// These will never be delivered here, so they are not acknowledged either.
  void skipped(OriginIndex origin, SequenceRange range);
  void peer_down(Slot slot);
  void forget(OriginIndex origin) { skipped_.erase(origin); }

  void handle_timeout(Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const;
  void check(std::vector<std::string>& broken) const;

 private:
  struct Wanted {
    std::uint32_t acks = 0;
    Timestamp deadline;
    std::vector<InstanceId> expected;  ///< sorted, as the next
    std::vector<InstanceId> acked;
  };
  /// What somebody else wants to know.
  struct Asked {
    std::uint64_t round = 0;
    Slot parent = kNoSlot;
    Timestamp passed_on{INT64_MIN / 2};
    IntervalSet open;                          ///< not answered by this node
    std::map<InstanceId, IntervalSet> answers; ///< to be passed on
    Timestamp answer_at = kNever;
    Timestamp ends;
  };
  void ask(Timestamp now);
  void answer_open(InstanceId origin, Asked& asked, Timestamp now);
  void send_answers(InstanceId origin, Asked& asked);
  void take(InstanceId member, const std::vector<SequenceRange>& ranges);
  void end_receipts(Timestamp now);
  [[nodiscard]] static bool is_complete(const Wanted& wanted);

  Core& core_;
  std::map<Sequence, Wanted> wanted_;
  std::uint64_t round_ = 0;
  Timestamp ask_at_ = kNever;
  Timestamp asked_at_{INT64_MIN / 2};
  Timestamp end_at_ = kNever;  ///< a receipt has become complete, or its time is over
  std::map<InstanceId, Asked> asked_;
  OriginSets skipped_;
};

}  // namespace plumvine::tree
