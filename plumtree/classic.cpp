#include <algorithm>
#include <memory>

#include "shape.hpp"

namespace plumvine::tree {

namespace {

/// The paper's rule (Leitao, Pereira, Rodrigues 2007, sections 3.3 to 3.8): one tree, shaped by the copies that
/// come. A duplicate prunes its sender, a missing message grafts its announcer, an announcement from
/// nearer by `optimization_threshold` hops swaps two links.
///
/// Two additions keep it alive: we never prune our last eager link, and when a peer prunes our last one we graft another.
class Classic final : public Shape {
 public:
  using Shape::Shape;

  void start(Timestamp) override {}
  void set_members(const TreeMembers&, Timestamp) override {}
  void on_beacon(Slot, const frame::Beacon&, Timestamp) override {}

  void peer_up(Slot slot, Timestamp) override {
    // Section 3.6, NeighborUp: a new neighbour is eager.
    if (has_room() || eager_.empty()) promote(slot, "link up");
  }
  void peer_down(Slot slot, Timestamp) override {
    std::erase(eager_, slot);
    revive(kNoSlot);
  }

  bool promote(Slot slot, Timestamp) override {
    if (is_eager(kSharedTree, slot)) return true;
    core_.send(slot, frame::Graft{kSharedTree, true, {}});
    promote(slot, "by order");
    shed(slot);
    return true;
  }

  void on_attach(Slot from, TreeId, Timestamp) override {
    if (is_eager(kSharedTree, from)) return;
    promote(from, "grafted by peer");
    shed(from);
  }
  void on_prune(Slot from, TreeId, Timestamp) override {
    demote(from, "pruned by peer");
    revive(from);
  }
  void on_duplicate(Slot from, TreeId, Timestamp) override {
    if (eager_.size() < 2 && is_eager(kSharedTree, from)) return;
    demote(from, "duplicate");
    prune(from, kSharedTree);
  }
  void on_first_copy(Slot from, const StoredMessage& message, const MissingSet::Entry* entry, Timestamp) override {
    if (from == kNoSlot || entry == nullptr) return;
    const MissingSet::Announcer* nearest = nullptr;
    for (const auto& announcer : entry->announcers) {
      if (announcer.round == 0 || announcer.slot == from) continue;
      if (nearest == nullptr || announcer.round < nearest->round) nearest = &announcer;
    }
    if (nearest != nullptr) optimise(from, message.round, nearest->slot, nearest->round);
  }
  void on_late_announcement(Slot from, const StoredMessage& message, Round round, Timestamp) override {
    if (message.upstream != kNoSlot && message.upstream != from) optimise(message.upstream, message.round, from, round);
  }
  void on_pull(Slot target, TreeId, Timestamp) override {
    // Section 3.7: the graft makes the announcer eager, which mends the tree.
    promote(target, "grafted");
    shed(target);
  }
  bool grafts_attach() const override { return true; }
  bool one_way() const override { return false; }

  TreeId tree_to_publish(Timestamp) override { return kSharedTree; }
  const std::vector<Slot>& eager(TreeId, Timestamp) override { return eager_; }
  bool is_eager(TreeId, Slot slot) const override { return std::binary_search(eager_.begin(), eager_.end(), slot); }

  void handle_timeout(Timestamp) override {}
  Timestamp next_timeout() const override { return kNever; }

  std::vector<Tree::View> views(Timestamp) const override {
    Tree::View view;
    view.tree = kSharedTree;
    view.settled = true;
    for (const Slot slot : core_.up) (is_eager(kSharedTree, slot) ? view.eager : view.lazy).push_back(core_.links[slot].peer);
    return {view};
  }
  void check(std::vector<std::string>& broken) const override {
    if (eager_.empty() && !core_.up.empty()) broken.emplace_back("links are up and none is eager");
    for (const Slot slot : eager_) {
      if (!std::binary_search(core_.up.begin(), core_.up.end(), slot)) broken.emplace_back("an eager peer has no link");
    }
    for (const Slot slot : core_.up) {
      if (core_.links[slot].eager != is_eager(kSharedTree, slot)) broken.emplace_back("a reported role is not the role");
    }
  }

 private:
  bool has_room() const { return core_.config.max_eager_peers == 0 || eager_.size() < core_.config.max_eager_peers; }

  void promote(Slot slot, std::string_view reason) {
    if (is_eager(kSharedTree, slot)) return;
    eager_.insert(std::upper_bound(eager_.begin(), eager_.end(), slot), slot);
    set_role(slot, true, reason);
  }
  void demote(Slot slot, std::string_view reason) {
    std::erase(eager_, slot);
    set_role(slot, false, reason);
  }
  /// Keeps `max_eager_peers`: the slowest but `kept` goes.
  void shed(Slot kept) {
    if (core_.config.max_eager_peers == 0 || eager_.size() <= core_.config.max_eager_peers) return;
    Slot slowest = kNoSlot;
    for (const Slot slot : eager_) {
      if (slot == kept) continue;
      if (slowest == kNoSlot || core_.links[slot].rtt > core_.links[slowest].rtt) slowest = slot;
    }
    if (slowest == kNoSlot) return;
    demote(slowest, "too many eager peers");
    prune(slowest, kSharedTree);
  }
  /// No eager link is left: graft the nearest one, not `except` if there is another.
  void revive(Slot except) {
    if (!eager_.empty() || core_.up.empty()) return;
    Slot best = kNoSlot;
    for (const Slot slot : core_.up) {
      if (slot == except) continue;
      if (best == kNoSlot || core_.links[slot].rtt < core_.links[best].rtt) best = slot;
    }
    if (best == kNoSlot) best = except;
    core_.send(best, frame::Graft{kSharedTree, true, {}});
    promote(best, "no eager peer left");
  }
  /// Section 3.8: `nearer` offers what came from `far` with fewer hops.
  void optimise(Slot far, Round far_round, Slot nearer, Round near_round) {
    const auto threshold = core_.config.optimization_threshold;
    if (threshold == 0 || near_round == 0 || near_round >= far_round) return;
    if (static_cast<std::uint32_t>(far_round - near_round) < threshold) return;
    if (is_eager(kSharedTree, nearer) || !is_eager(kSharedTree, far)) return;
    core_.send(nearer, frame::Graft{kSharedTree, true, {}});
    promote(nearer, "nearer by the threshold");
    say_demoted(far);
    demote(far, "optimization threshold");
    prune(far, kSharedTree);
  }

  std::vector<Slot> eager_;
};

}  // namespace

std::unique_ptr<Shape> make_classic(Core& core) { return std::make_unique<Classic>(core); }

}  // namespace plumvine::tree
