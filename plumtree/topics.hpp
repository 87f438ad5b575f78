#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/snapshot.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/topic.hpp>

namespace plumvine::tree {

/// Shares of what a link takes where payloads of several priorities wait, by priority.
inline constexpr std::array<std::int64_t, static_cast<std::size_t>(Priority::count_)> kWeights{16, 8, 4, 1};

/// One topic at this node.
struct Topic {
  TopicConfig policy;
  std::uint32_t number = 0;     ///< of a configured topic, from 1 in the order of names; 0 = not configured
  bool validated = false;       ///< somebody judges what comes from others
  std::uint64_t published = 0;
  std::uint64_t received = 0;
  Timestamp used;

  [[nodiscard]] bool is_fifo() const noexcept { return policy.order == Order::fifo; }
  /// Nobody waits for a member that has not got the message.
  [[nodiscard]] bool unpaced() const noexcept { return policy.overflow != Overflow::pace && policy.overflow != Overflow::hold; }
  /// Parts of its payloads are sent to those only who ask for them.
  [[nodiscard]] bool fetches() const noexcept { return policy.payloads == Payloads::subscribers; }
  [[nodiscard]] bool drops() const noexcept {
    return policy.overflow == Overflow::drop_oldest || policy.overflow == Overflow::drop_newest;
  }
  /// What comes in a run stays one. Else each message is looked at, or gives way, for itself.
  [[nodiscard]] bool takes_runs() const noexcept { return !validated && !drops() && policy.max_size == 0; }
};

/// What is agreed where nothing was.
inline const Topic kDefaultTopic;

/// The topics of this node, each with what is agreed for it. Configured ones are always there and stay where they are;
/// others come with their first message, with the defaults.
///
/// Bounds: `topics_max`. Beyond, the one that is not configured and was idle for longest goes, counted; it loses its
/// counts only. Not thread-safe; owned by `Tree`.
class Topics {
 public:
  Topics(const TopicConfigs& configured, std::uint32_t topics_max);

  /// The topic, made if it is new. Valid until the next call; of a configured topic for ever.
  Topic& use(std::string_view name, Timestamp now);
  /// What is agreed for it; for ever valid.
  [[nodiscard]] const Topic& agreed(std::string_view name) const;
  void set_validated(std::string_view name);

  [[nodiscard]] std::size_t size() const noexcept { return topics_.size(); }
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }
  [[nodiscard]] std::vector<TopicInfo> infos() const;

 private:
  void make_room();

  std::map<std::string, Topic, std::less<>> topics_;
  std::uint32_t topics_max_;
  std::uint64_t evicted_ = 0;
};

}  // namespace plumvine::tree
