#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <plumvine/config.hpp>
#include <plumvine/types.hpp>

namespace plumvine::swim {

/// The dead and the left that the member table has dropped, kept so that people still see who is missing.
///
/// The table drops them soon (memberlist's GossipToTheDeadTime), for they count in every formula and travel in every
/// table exchange. Here they do neither: nothing about them is ever sent. The dead stay for `reconnect_timeout`, the
/// left for `tombstone_timeout`, as in Serf; at most `kMax` of them: the left go first, then the oldest.
class Departed {
 public:
  static constexpr std::size_t kMax = 1024;
  using ByName = std::map<std::string, Member, std::less<>>;

  explicit Departed(const SwimConfig& config) : config_(config) {}

  /// Keeps the member. Returns the one that had to go for it, if any.
  std::optional<Member> keep(Member member);
  /// A dead one turns out to have left. Null if it is not here or left already.
  const Member* believe_left(std::string_view name, Timestamp now);
  /// The member is back, or is to be forgotten. False: it was not here.
  bool drop(std::string_view name);
  /// Takes one out whose time is over; call until nullopt.
  std::optional<Member> expired(Timestamp now);

  [[nodiscard]] const Member* find(std::string_view name) const;
  [[nodiscard]] const ByName& by_name() const noexcept { return members_; }

 private:
  std::optional<Member> take(ByName::iterator it);

  const SwimConfig& config_;
  ByName members_;
};

}  // namespace plumvine::swim
