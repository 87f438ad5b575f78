#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/snapshot.hpp>
#include <plumvine/time.hpp>

namespace plumvine::swim {

/// Counts whom each member accuses, so that one that accuses everybody is not believed.
///
/// A member may accuse half of the table, and three in any case (or other limits, for other authors), within `kWindow`: more is what a stalled, cut-off or mad member does,
/// not what it can have found out one probe at a time. What we find ourselves does not count: where most of a cluster dies at once, those who
/// live accuse all of them, and rightly.
///
/// Bounds: `kAccusersMax` accusers (the one silent for longest goes) with `kAccusedMax` names each. Pure; owned by `MemberTable`.
class Accusers {
 public:
  static constexpr Duration kWindow = std::chrono::minutes{1};
  static constexpr std::size_t kAccusersMax = 64;
  static constexpr std::size_t kAccusedMax = 1024;

  Accusers() = default;
  /// Who may accuse `least` members in any case, and a `share`-th of the table.
  Accusers(std::size_t least, std::size_t share) : least_(least), share_(share) {}

  /// Notes an accusation in a table of `members`. False: its author has accused too many. `excused`: it is not to blame for that.
  bool note(std::string_view accuser, std::string_view accused, std::size_t members, Timestamp now, bool excused = false);
  /// We found the same ourselves: it counts against nobody, in a table of `members`.
  void found(std::string_view accused, std::size_t members);
  /// Whether `accuser` has accused too many in this window. Notes nothing.
  [[nodiscard]] bool is_doubted(std::string_view accuser, Timestamp now) const;
  /// Those that were not believed within the last ten minutes, by name.
  [[nodiscard]] std::vector<AccuserInfo> infos(Timestamp now) const;

 private:
  [[nodiscard]] std::size_t most(std::size_t members) const { return std::min(std::max(least_, members / share_), kAccusedMax - 1); }
  struct Accuser {
    Timestamp began, last;
    Timestamp doubted_at{INT64_MIN / 2};
    std::set<std::string, std::less<>> accused;
    std::uint64_t most = 0;     ///< members accused in the window in which it was last doubted
    std::uint64_t doubted = 0;
    bool too_many = false;      ///< in this window
  };
  std::size_t least_ = 3;
  std::size_t share_ = 2;
  std::map<std::string, Accuser, std::less<>> accusers_;
};

}  // namespace plumvine::swim
