#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <plumvine/detail/rng.hpp>

#include <plumtree/tree.hpp>

namespace plumvine::sim {

/// A few `Tree` machines, their links and what is under way, for searches that choose what happens next. Links are ordered;
/// everything else may happen in any order. After each step the checks of section 3.7 of the rule hold, or `violations` says
/// what does not.
class TreeWorld {
 public:
  struct Direction {
    std::uint32_t from = 0, to = 0;
    friend auto operator<=>(const Direction&, const Direction&) = default;
  };

  TreeWorld(TreeConfig config, std::uint64_t seed) : config_(std::move(config)), rng_(seed) {}

  /// The first nodes start at once, later ones (`joins`) with what a neighbour tells them.
  std::uint32_t add(bool joins = false);
  void link(std::uint32_t a, std::uint32_t b, Duration latency);
  /// Both ends see the link break, what is under way on it is gone.
  void reset(std::uint32_t a, std::uint32_t b);
  void crash(std::uint32_t node);
  void publish(std::uint32_t node);
  /// `node` believes that these, and it, are the members.
  void tell(std::uint32_t node, const std::vector<std::uint32_t>& members);
  void tell_all();

  /// What could happen now: frames at the head of their link.
  [[nodiscard]] std::vector<Direction> under_way() const;
  void deliver(Direction direction);
  /// Time moves to the next deadline, whose node handles it.
  void fire();
  /// The node whose deadline is next; nothing when nobody waits.
  [[nodiscard]] std::optional<std::uint32_t> next_to_fire() const;

  /// Everything in order of time for so long, frames after the latency of their link.
  void run_for(Duration span);

  [[nodiscard]] Timestamp now() const noexcept { return now_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(nodes_.size()); }
  [[nodiscard]] bool alive(std::uint32_t node) const { return nodes_[node].alive; }
  [[nodiscard]] std::vector<std::uint32_t> alive_nodes() const;
  [[nodiscard]] bool linked(std::uint32_t a, std::uint32_t b) const { return links_.contains({a, b}); }
  [[nodiscard]] std::vector<Direction> links() const;
  /// The root that all would choose, if everybody knew everybody.
  [[nodiscard]] std::uint32_t first_root() const;
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

  /// Frames of a slow node, in both directions, take so much longer.
  void slow(std::uint32_t node, Duration by) { nodes_[node].slow = by; }
  double loss = 0;  ///< share of frames that vanish

  /// Broken rules so far.
  [[nodiscard]] const std::vector<std::string>& violations() const noexcept { return violations_; }
  /// At rest: one tree for each root, joined and without circles, and every live node has every message that it owes.
  void check_rest();

 private:
  struct Node {
    std::unique_ptr<Tree> tree;
    bool alive = true;
    Timestamp since = kNever;     ///< first sync done, and its start is not corrected any more
    bool joined = false;
    Sequence published = 0;
    Duration slow{0};
    std::set<MessageId> got;
    std::set<MessageId> given_up;
  };
  struct UnderWay {
    Timestamp arrives;
    std::uint64_t number = 0;
    std::shared_ptr<Frame> frame;
  };
  struct End {
    Duration latency{0};
    Timestamp since;
    std::deque<UnderWay> frames;  ///< towards `to`
  };

  [[nodiscard]] InstanceId instance(std::uint32_t node) const { return frame::publisher_of(InstanceId{mix64(node + 1) | 1}); }
  void drain(std::uint32_t node);
  void violated(std::string what);
  void check_node(std::uint32_t node);
  void on_lost(std::uint32_t node, const tree::Lost& lost);
  [[nodiscard]] std::optional<Tree::View> view(std::uint32_t node, TreeId tree) const;

  TreeConfig config_;
  Rng rng_;
  Timestamp now_ = Timestamp{} + std::chrono::seconds{1};
  std::vector<Node> nodes_;
  std::map<Direction, End> links_;
  std::map<MessageId, Timestamp> published_;
  std::vector<std::string> violations_;
  std::uint64_t counter_ = 0;
  std::uint64_t steps_ = 0;
  bool dropped_ = false;  ///< a frame vanished
};

}  // namespace plumvine::sim
