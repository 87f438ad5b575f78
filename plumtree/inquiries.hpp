#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core.hpp"

namespace plumvine::tree {

/// Questions to all members: asks for one's own, passes on those of others, and gathers answers on their way back.
///
/// A question goes over all links; each node passes a round on once and answers to whom it had it from, as receipts do
/// (`Receipts`). The asker asks again in a new round while answers lack, over whatever links there are then; who has answered
/// before says the same again. What is asked and answered is for the owner to know.
/// Bounds: `kOwnMax` questions of our own, `kAskedMax` of others, `kAskedOfOne` of one member, `kAnswersBytes` of answers to one question, one
/// answer of each member. What exceeds them is counted as rate limited. Not thread-safe; owned by `Tree`.
class Inquiries {
 public:
  static constexpr std::size_t kOwnMax = 16;
  static constexpr std::size_t kAskedMax = 64;
  static constexpr std::size_t kAskedOfOne = 8;
  static constexpr std::size_t kAnswersBytes = std::size_t{16} << 20;
  /// Answers wait so long for company, and less once there are so many bytes of them.
  static constexpr Duration kGather = std::chrono::milliseconds{10};
  static constexpr std::size_t kGatherBytes = 32 * 1024;
  static constexpr std::size_t kGatherCount = 512;
  static constexpr Duration kAskAgain = std::chrono::milliseconds{500};
  /// A round that comes faster after the one before is not passed on.
  static constexpr Duration kRoundGap = std::chrono::milliseconds{100};
  /// A question that was not heard again for so long is over.
  static constexpr Duration kAskedTime = std::chrono::seconds{5};

  explicit Inquiries(Core& core) : core_(core) {}

  /// `Inquired` follows: when all members that are alive now have answered, at the latest after `timeout`; at once, with nobody, at
  /// the limit.
  void ask(std::uint64_t number, std::uint8_t kind, Bytes question, Duration timeout, Timestamp now);
  /// Our answer to an `Asked`, at most `wire::kAnswerMax` bytes. Ignored if the question is over.
  void answer(InstanceId origin, std::uint64_t number, Bytes text, Timestamp now);

  void on_ask(Slot from, const frame::Ask& ask, Timestamp now);
  void on_answers(Slot from, frame::Answers answers, Timestamp now);
  void peer_down(Slot slot);

  void handle_timeout(Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const;
  void check(std::vector<std::string>& broken) const;

 private:
  struct Own {
    frame::Ask question;
    Timestamp deadline, ask_at;
    std::vector<InstanceId> expected;  ///< sorted
    std::map<InstanceId, Bytes> answers;
    std::size_t bytes = 0;
  };
  /// Of somebody else.
  struct Asked {
    std::uint64_t round = 0;
    Slot parent = kNoSlot;
    Timestamp passed_on, ends;
    std::optional<Bytes> ours;
    std::vector<frame::Answers::Answer> gathered;
    std::size_t bytes = 0;
    Timestamp answer_at = kNever;
  };
  using Key = std::pair<InstanceId, std::uint64_t>;

  void send(Own& own, Timestamp now);
  void gather(const Key& key, Asked& asked, frame::Answers::Answer answer, Timestamp now);
  void send_answers(const Key& key, Asked& asked);
  [[nodiscard]] static bool is_complete(const Own& own);
  void end(Own& own);

  Core& core_;
  std::map<std::uint64_t, Own> own_;
  std::map<Key, Asked> asked_;
};

}  // namespace plumvine::tree
