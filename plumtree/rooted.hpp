#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "shape.hpp"

namespace plumvine::tree {

/// The rooted rule: a tree is named by its root and shaped only by the root's beacons. Each
/// node keeps the neighbour on the shortest way to the root as its parent; payloads flow along parents and children in both directions.
///
/// Loop freedom is Babel's (RFC 8966, section 3.5.1): within an epoch a neighbour is feasible only if its distance is smaller
/// than the smallest this node ever had; without a feasible neighbour the node floods and asks the root for a new epoch.
/// A root starts a new epoch with each periodic beacon, so everything here is soft state: what a lost frame left wrong
/// lasts one period at most. Trees without payloads wait for that instead of asking.
///
/// Roots are the members that `choose_roots` names, and members that publish often: those make a tree of their own, which
/// is the shortest there is for them, and give it up when they fall silent.
///
/// A link that is slow and loses packets holds up what is behind a lost one. A node with such a parent takes a second one,
/// from which payloads come down only: of two copies the earlier counts. Only where zones are few, so that most links of a tree
/// stay inside one: where all are slow, every payload would come twice. `second_parents` may ask for that, or forbid it.
///
/// A link that an operator promotes is attached to as well in all trees but our own, in every epoch anew, and sent payloads too. Its far end
/// has us as a child then, so neither end prunes the other for the copies that come twice.
///
/// Changes against section 3.3, and why: a newer epoch heard first from another neighbour than the parent waits a moment
/// for the parent's (or jitter would reshape the tree in every epoch); children attach again in every epoch (frames may be lost). Beacons
/// go only to neighbours that are not known to be as near; changes within an epoch are gathered, and small losses not told: loop
/// freedom does not need them (the feasible distance only shrinks), and they made epochs of their own.
/// Bounds: `trees_max` trees; idle ones go first. Of those that went the last `kForgottenMax` epochs are remembered: what neighbours still say
/// of such an epoch may be our own word, without the feasible distance that told so.
class Rooted final : public Shape {
 public:
  explicit Rooted(Core& core) : Shape(core) {}

  void start(Timestamp now) override;
  void peer_up(Slot slot, Timestamp now) override;
  void peer_down(Slot slot, Timestamp now) override;
  void on_rtt(Slot slot, Timestamp now) override;
  void set_members(const TreeMembers& members, Timestamp now) override;
  bool promote(Slot slot, Timestamp now) override;

  void on_attach(Slot from, TreeId id, Timestamp now) override;
  void on_prune(Slot from, TreeId id, Timestamp now) override;
  void on_beacon(Slot from, const frame::Beacon& beacon, Timestamp now) override;
  void on_first_copy(Slot from, const StoredMessage& message, const MissingSet::Entry* entry, Timestamp now) override;
  void on_duplicate(Slot from, TreeId id, Timestamp now) override;
  void on_late_announcement(Slot, const StoredMessage&, Round, Timestamp) override {}
  void on_pull(Slot target, TreeId id, Timestamp now) override;
  [[nodiscard]] bool grafts_attach() const override { return false; }
  [[nodiscard]] bool one_way() const override { return true; }

  [[nodiscard]] TreeId tree_to_publish(Timestamp now) override;
  [[nodiscard]] const std::vector<Slot>& eager(TreeId id, Timestamp now) override;
  [[nodiscard]] bool is_eager(TreeId id, Slot slot) const override;

  [[nodiscard]] Duration patience(TreeId tree) const override;
  [[nodiscard]] Duration least_lateness() const override;
  void handle_timeout(Timestamp now) override;
  [[nodiscard]] Timestamp next_timeout() const override;

  [[nodiscard]] std::vector<Tree::View> views(Timestamp now) const override;
  void check(std::vector<std::string>& broken) const override;

 private:
  static constexpr std::uint64_t kFar = UINT64_MAX;  ///< no way to the root

  /// What is known of one link in one tree.
  struct Edge {
    bool child = false;        ///< the far end attached to us; it may be its second parent that it made us
    bool attached = false;     ///< we attached to the far end
    bool refused = false;      ///< pruned us as its child in this epoch
    bool insisted = false;     ///< we attached once more after such a prune
    std::uint16_t duplicates = 0;  ///< in a row
    std::uint64_t epoch = 0;
    std::uint64_t distance = kFar;
  };
  struct Shaped {
    TreeId id{};
    std::uint64_t epoch = 0;
    std::uint64_t distance = kFar;
    std::uint64_t feasible = kFar;   ///< smallest distance held in this epoch
    Slot parent = kNoSlot;
    Slot second = kNoSlot;           ///< another parent, where the link to the first is slow and loses packets
    std::uint64_t second_epoch = 0;  ///< when we attached to it last
    Timestamp second_until{INT64_MIN / 2};  ///< it has shown that it hears of messages without us, so it stays in new epochs
    bool own = false;                ///< we are its root
    bool settled = false;
    Timestamp settle_at = kNever;
    Timestamp flood_until{INT64_MIN};
    Timestamp detach_at = kNever;    ///< old parents go on sending until the new one knows us
    Timestamp adopt_at = kNever;     ///< a newer epoch waits until then for the parent's beacon
    std::uint64_t told = kFar;       ///< distance that the last beacon named, and its epoch
    std::uint64_t told_epoch = 0;
    Timestamp tell_at = kNever;      ///< a change of the distance goes to the neighbours then
    Timestamp request_at = kNever;   ///< when to ask for a new epoch again
    Duration request_every{0};
    Timestamp forwarded_at{INT64_MIN / 2};  ///< last request passed on
    Timestamp attached_at{INT64_MIN / 2};
    Timestamp since;                 ///< known here
    Timestamp heard;                 ///< last new epoch
    Timestamp used;                  ///< last payload
    std::vector<Edge> edges;         ///< by slot
    std::vector<Slot> eager;         ///< by role, ascending
  };

  [[nodiscard]] Shaped* find(TreeId id);
  [[nodiscard]] const Shaped* find(TreeId id) const;
  Shaped* find_or_add(Slot from, TreeId id, std::uint64_t epoch, Timestamp now);
  void forget(const Shaped& tree);
  Edge& edge(Shaped& tree, Slot slot);
  [[nodiscard]] bool fresh(const Shaped& tree, Timestamp now) const;
  [[nodiscard]] bool is_winner(TreeId id) const;

  void take_role(Timestamp now);
  void note_publish(Timestamp now);
  [[nodiscard]] bool room_for_sender(Timestamp now) const;
  void become_root(Timestamp now);
  void raise_epoch(Shaped& tree, Timestamp now);
  void on_request(Shaped& tree, Slot from, std::uint64_t epoch, Timestamp now);
  void on_same_epoch(Shaped& tree, Slot from, Timestamp now);
  void adopt(Shaped& tree, Slot parent, Timestamp now);
  /// The parent is gone or of no use: take the next feasible neighbour, or flood and ask for a new epoch.
  void lose_parent(Shaped& tree, Timestamp now);
  [[nodiscard]] Slot best_neighbour(const Shaped& tree, Slot except = kNoSlot) const;
  [[nodiscard]] bool is_lossy(const Link& link) const;
  /// The parent's link is slow and loses packets.
  [[nodiscard]] bool wants_second(const Shaped& tree) const;
  void choose_second(Shaped& tree, Timestamp now);
  void take_second(Shaped& tree, Slot wanted, Timestamp now);
  void learn_second(Shaped& tree, const MissingSet::Entry& entry, Timestamp now);
  /// Eager by order, and the far end has not refused it.
  [[nodiscard]] bool is_promoted(const Shaped& tree, Slot slot) const;
  [[nodiscard]] std::uint64_t through(const Shaped& tree, Slot slot) const;
  void attach(Shaped& tree, Slot slot, Timestamp now);
  void detach(Shaped& tree, Slot slot);
  void detach_others(Shaped& tree);
  [[nodiscard]] Duration beacon_period() const;
  [[nodiscard]] Duration shared(Duration interval) const;
  /// Has no parent, and waits for the root's next beacon instead of asking for one: nobody uses the tree.
  [[nodiscard]] bool awaits_epoch(const Shaped& tree) const;
  void ask_for_epoch(Shaped& tree, Timestamp now);
  /// Tells those neighbours of our distance that can use it: at once, or together with what changes soon.
  void tell(Shaped& tree);
  void tell_later(Shaped& tree, Timestamp now);
  void send_beacon(const Shaped& tree, const std::vector<Slot>& to);
  void refresh(Shaped& tree, std::string_view reason);
  void report_roles(std::string_view reason);
  [[nodiscard]] Duration settle_time() const;
  void drop_idle(Timestamp now);

  std::vector<Shaped> trees_;
  std::vector<TreeId> ids_;                  ///< of `trees_`: looked up for each message
  mutable std::optional<Timestamp> next_;    ///< what `next_timeout` has found, until a timer may have changed
  std::deque<std::pair<TreeId, std::uint64_t>> forgotten_;  ///< and the last epoch that was known, oldest first
  std::uint64_t own_epoch_ = 0;              ///< of the tree that we are the root of; others may remember it when we do not
  std::vector<TreeId> winners_;
  double slow_delayed_ = 0;                  ///< share of round trips that slow links delayed, all together
  bool few_zones_ = false;                   ///< members name zones, and most of a tree's links can be inside them
  bool started_ = false;
  bool sender_ = false;                      ///< publishes so often that it is a root
  Timestamp published_at_{INT64_MIN / 2};
  Timestamp busy_since_;                     ///< first of a row of broadcasts without a long pause
  std::uint64_t busy_count_ = 0;
  Duration busy_for_{0};
  Timestamp beacon_at_ = kNever;
  Timestamp raise_at_ = kNever;              ///< a request for a new epoch waits until then
  Timestamp raised_at_{INT64_MIN / 2};
  Timestamp idle_at_ = kNever;
};

}  // namespace plumvine::tree
