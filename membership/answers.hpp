#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core.hpp"
#include "member_table.hpp"
#include "output.hpp"

namespace plumvine::swim {

/// Does anybody answer us? Who is heard may still not hear: what this host sends can be lost where what others send is not.
///
/// Every question counts, whoever is asked and over whatever way: pings of probes, of links, what helpers are asked. One answer ends the
/// doubt. While none has come for `kPatience`, further members are pinged by packet out of turn, so that soon it is either an answer or
/// enough questions without one that tells how things are. Nobody is judged by what comes of these pings.
/// Bounds: `kAskedAtOnce` pings each `kPause` while nobody answers, one a second after `kHasty`; `kNamedMax` members are told apart and
/// `kSequencesMax` pings are remembered, the oldest are forgotten.
class Answers {
 public:
  static constexpr Duration kPatience = std::chrono::seconds{1};
  static constexpr Duration kPause = std::chrono::milliseconds{250};
  static constexpr Duration kHasty = std::chrono::seconds{3};
  static constexpr Duration kSlowly = std::chrono::seconds{1};
  static constexpr std::size_t kAskedAtOnce = 3;
  static constexpr std::size_t kNamedMax = 8;
  static constexpr std::size_t kSequencesMax = 64;

  Answers(Core& core, const MemberTable& table) : core_(core), table_(table) {}

  /// This member was asked something that it answers if it can.
  void asked(std::string_view name, Timestamp now);
  /// Somebody answered something.
  void answered(Timestamp now);
  /// True if the number is of a ping from here.
  bool answered(std::uint32_t sequence, Timestamp now);
  void due(Timestamp now);
  /// We were stalled: answers may be here, unread.
  void extend(Duration by);

  [[nodiscard]] Unanswered unanswered(Timestamp now) const;

 private:
  /// Where nobody was asked for so long somebody is: else it could not be told soon that nobody answers.
  [[nodiscard]] Duration rest() const;
  /// The next members in turn, as many as there are up to `count`; where there are fewer, the same ones again.
  void ask(std::size_t count, Timestamp now);
  [[nodiscard]] bool waits() const noexcept { return questions_ > 0; }

  Core& core_;
  const MemberTable& table_;
  Timestamp first_;                 ///< of the questions since the last answer
  Timestamp last_;                  ///< question or answer
  std::uint64_t questions_ = 0;
  std::vector<std::string> members_;
  std::deque<std::uint32_t> sequences_;  ///< of our own pings, oldest first
  std::size_t next_ = 0;            ///< place in the table
};

}  // namespace plumvine::swim
