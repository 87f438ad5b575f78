#pragma once

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
/// A member may accuse half of the table, and three in any case, within `kWindow`: more is what a stalled, cut-off or mad member does,
/// not what it can have found out one probe at a time. A partition that cuts off more than half is found by our own probes.
///
/// Bounds: `kAccusersMax` accusers (the one silent for longest goes) with `kAccusedMax` names each. Pure; owned by `MemberTable`.
class Accusers {
 public:
  static constexpr Duration kWindow = std::chrono::minutes{1};
  static constexpr std::size_t kLeast = 3;
  static constexpr std::size_t kAccusersMax = 64;
  static constexpr std::size_t kAccusedMax = 1024;

  /// Notes an accusation in a table of `members`. False: its author has accused too many.
  bool note(std::string_view accuser, std::string_view accused, std::size_t members, Timestamp now);
  /// Whether `accuser` has accused too many in this window. Notes nothing.
  [[nodiscard]] bool is_doubted(std::string_view accuser, Timestamp now) const;
  /// Those that were not believed within the last ten minutes, by name.
  [[nodiscard]] std::vector<AccuserInfo> infos(Timestamp now) const;

 private:
  struct Accuser {
    Timestamp began, last;
    Timestamp doubted_at{INT64_MIN / 2};
    std::set<std::string, std::less<>> accused;
    std::uint64_t most = 0;     ///< members accused in the window in which it was last doubted
    std::uint64_t doubted = 0;
    bool too_many = false;      ///< in this window
  };
  std::map<std::string, Accuser, std::less<>> accusers_;
};

}  // namespace plumvine::swim
