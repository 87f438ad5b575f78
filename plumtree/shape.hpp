#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core.hpp"
#include "missing.hpp"

namespace plumvine::tree {

/// Decides which links are eager in which tree. The rest of `Tree` is the same under every rule.
class Shape {
 public:
  explicit Shape(Core& core) : core_(core) {}
  virtual ~Shape() = default;
  Shape(const Shape&) = delete;
  Shape& operator=(const Shape&) = delete;

  /// The first sync is done: this node may shape others' trees from now on.
  virtual void start(Timestamp now) = 0;
  virtual void peer_up(Slot slot, Timestamp now) = 0;
  /// `core.up` no longer holds the slot; its `Link` is still there.
  virtual void peer_down(Slot slot, Timestamp now) = 0;
  /// Its round trip was measured again.
  virtual void on_rtt(Slot, Timestamp) {}
  virtual void set_members(const TreeMembers& members, Timestamp now) = 0;
  /// By order. False: there is no tree in which the link can be made eager from here.
  virtual bool promote(Slot slot, Timestamp now) = 0;

  virtual void on_attach(Slot from, TreeId tree, Timestamp now) = 0;
  virtual void on_prune(Slot from, TreeId tree, Timestamp now) = 0;
  virtual void on_beacon(Slot from, const frame::Beacon& beacon, Timestamp now) = 0;
  /// A first copy came. `entry`: who had announced it, if somebody had. `from` is none for our own.
  virtual void on_first_copy(Slot from, const StoredMessage& message, const MissingSet::Entry* entry, Timestamp now) = 0;
  /// A copy of what is here; not called for answers to pulls.
  virtual void on_duplicate(Slot from, TreeId tree, Timestamp now) = 0;
  /// Somebody announced what is here.
  virtual void on_late_announcement(Slot from, const StoredMessage& message, Round round, Timestamp now) = 0;
  /// An announced message did not come in time and is asked for.
  virtual void on_pull(Slot target, TreeId tree, Timestamp now) = 0;
  /// So long after it was announced a payload of `tree` that was not lost has come from the parent, if that can be said.
  [[nodiscard]] virtual Duration patience(TreeId) const { return Duration::max(); }
  /// As little as payloads may be late after announcements where none has been for long.
  [[nodiscard]] virtual Duration least_lateness() const { return kLateStart; }
  /// Does a graft with ids attach, too?
  [[nodiscard]] virtual bool grafts_attach() const = 0;
  /// Does only one end of a link announce an id at first?
  [[nodiscard]] virtual bool one_way() const = 0;

  [[nodiscard]] virtual TreeId tree_to_publish(Timestamp now) = 0;
  /// The links that get payloads of `tree` now, ascending. Valid until the next call of anything.
  [[nodiscard]] virtual const std::vector<Slot>& eager(TreeId tree, Timestamp now) = 0;
  /// Messages on their way may have died with this link: true if it was eager in the tree.
  [[nodiscard]] virtual bool is_eager(TreeId tree, Slot slot) const = 0;

  virtual void handle_timeout(Timestamp now) = 0;
  [[nodiscard]] virtual Timestamp next_timeout() const = 0;

  [[nodiscard]] virtual std::vector<Tree::View> views(Timestamp now) const = 0;
  virtual void check(std::vector<std::string>& broken) const = 0;

 protected:
  /// Reports the role over all trees if it is another one than before.
  void set_role(Slot slot, bool eager, std::string_view reason);
  void prune(Slot slot, TreeId tree);
  void say_demoted(Slot slot);

  Core& core_;
};

std::unique_ptr<Shape> make_classic(Core& core);
std::unique_ptr<Shape> make_rooted(Core& core);

}  // namespace plumvine::tree
