#include "rooted.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "roots.hpp"

namespace plumvine::tree {

namespace {
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// After a reset of a tree link payloads go to all links for so long, about four round trips (3.6).
constexpr Duration kFloodWindow = milliseconds{200};
/// A root starts at most one epoch in so long on request, where there are up to four trees; see `beacon_period`.
constexpr Duration kRaiseInterval = seconds{1};
/// A tree without payloads for so long has no need of a new epoch before the next one comes by itself.
constexpr Duration kUnused = seconds{10};
constexpr Duration kForwardInterval = milliseconds{300};
constexpr Duration kRequestMax = seconds{30};
/// Who publishes once a second or more for so long, or a little longer, becomes a root; a longer pause than this starts the count anew.
constexpr Duration kBusyFor = seconds{10};
constexpr Duration kBusyPause = seconds{5};
/// Trees of senders beside those of the chosen roots, at most; who comes later borrows.
constexpr std::ptrdiff_t kSendersMax = 32;
/// A younger tree is used only where there is no other: it has hardly settled everywhere.
constexpr Duration kYoung = seconds{2};
/// A new epoch that comes from others first waits so long and a round trip for the parent's word: a busy neighbour must not cost two changes.
constexpr Duration kParentsTurn = milliseconds{250};
/// A new epoch goes on at once. What changes the way after that is gathered for a round trip and so long: each improvement sets off others. That a
/// way is longer by less than a slow link is not told at all: it ends nothing, but made parents infeasible all the way down.
constexpr Duration kHoldDown = milliseconds{100};
/// Trees without payloads and new epochs for so long are dropped.
constexpr Duration kIdle = seconds{60};
constexpr std::size_t kForgottenMax = 256;
/// A second parent pays where a resend takes long: from so many microseconds one way on.
constexpr std::uint64_t kSlowUs = 10'000;
/// Round trips of one slow link that what all of them lose counts as; one delay among few of them says little.
constexpr double kSharedTrips = 64;
/// And where slow links are the exception: with at least so many members to a zone.
constexpr std::size_t kMembersPerZone = 4;
/// Who heard of a message earlier than we did is likely to do so again for so long.
constexpr Duration kProven = minutes{5};
/// A shorter way must be shorter by this much, or measurement noise would reshape the tree.
constexpr std::uint64_t kGainMin = 100;
constexpr std::uint64_t kDistanceMax = 1ULL << 48;
constexpr std::uint64_t kEpochStepMax = 1ULL << 32;

/// A way of `distance` is worth a change. Links whose round trips vary by `noise_us` one way gain that much by chance.
bool better(std::uint64_t distance, std::uint64_t than, std::uint64_t noise_us) {
  return distance < than - than / 50 && distance + std::max(kGainMin, noise_us) < than;
}
}  // namespace

Rooted::Shaped* Rooted::find(TreeId id) {
  const auto it = std::find(ids_.begin(), ids_.end(), id);
  return it == ids_.end() ? nullptr : &trees_[static_cast<std::size_t>(it - ids_.begin())];
}
const Rooted::Shaped* Rooted::find(TreeId id) const { return const_cast<Rooted*>(this)->find(id); }

Rooted::Edge& Rooted::edge(Shaped& tree, Slot slot) {
  if (tree.edges.size() <= slot) tree.edges.resize(slot + std::size_t{1});
  return tree.edges[slot];
}

bool Rooted::fresh(const Shaped& tree, Timestamp now) const {
  return tree.own ? beacon_at_ != kNever : now - tree.heard < 3 * beacon_period() + seconds{1};
}
/// All trees together cost about what four do that beat at `beacon_interval`.
Duration Rooted::beacon_period() const { return shared(core_.config.beacon_interval); }
Duration Rooted::shared(Duration interval) const {
  return interval * static_cast<std::int64_t>(std::max<std::size_t>(4, trees_.size())) / 4;
}
bool Rooted::is_winner(TreeId id) const { return std::find(winners_.begin(), winners_.end(), id) != winners_.end(); }

Duration Rooted::settle_time() const { return core_.largest_rtt() * 11 / 10 + milliseconds{2}; }

Rooted::Shaped* Rooted::find_or_add(Slot from, TreeId id, std::uint64_t epoch, Timestamp now) {
  if (Shaped* tree = find(id)) return tree;
  const auto gone = std::find_if(forgotten_.begin(), forgotten_.end(), [id](const auto& one) { return one.first == id; });
  if (gone != forgotten_.end()) {
    if (epoch <= gone->second) return nullptr;
    forgotten_.erase(gone);
  }
  if (trees_.size() >= std::max<std::size_t>(1, core_.config.trees_max)) {
    auto idlest = trees_.end();
    for (auto it = trees_.begin(); it != trees_.end(); ++it) {
      if (it->own || is_winner(it->id) || now - std::max(it->used, it->heard) < seconds{10}) continue;
      if (idlest == trees_.end() || it->used < idlest->used) idlest = it;
    }
    if (idlest == trees_.end()) {
      if (from != kNoSlot) core_.stats.frames_rejected.add(FrameReject::tree_limit);
      return nullptr;
    }
    forget(*idlest);
    ids_.erase(ids_.begin() + (idlest - trees_.begin()));
    trees_.erase(idlest);
  }
  Shaped tree;
  tree.id = id;
  tree.since = tree.heard = tree.used = now;
  tree.edges.resize(core_.links.size());
  tree.eager = core_.up;
  trees_.push_back(std::move(tree));
  ids_.push_back(id);
  if (idle_at_ == kNever) idle_at_ = now + kIdle;
  report_roles("new tree");
  return &trees_.back();
}

void Rooted::forget(const Shaped& tree) {
  forgotten_.emplace_back(tree.id, tree.epoch);
  if (forgotten_.size() > kForgottenMax) forgotten_.pop_front();
}

// ---- Roots

void Rooted::start(Timestamp now) {
  next_.reset();
  started_ = true;
  take_role(now);
  for (auto& tree : trees_) send_beacon(tree, core_.up);
}

void Rooted::set_members(const TreeMembers& members, Timestamp now) {
  next_.reset();
  winners_ = choose_roots(members, core_.config.roots);
  const std::set<std::string_view> zones(members.zones.begin(), members.zones.end());
  few_zones_ = !zones.empty() && zones.size() * kMembersPerZone <= members.alive.size();
  if (started_) take_role(now);
}

void Rooted::take_role(Timestamp now) {
  const bool root = sender_ || is_winner(TreeId{static_cast<std::uint64_t>(core_.self)});
  if (root && beacon_at_ == kNever) become_root(now);
  // An old root's tree goes on working until it is idle; it only gets no new epochs.
  if (!root) beacon_at_ = raise_at_ = kNever;
}

void Rooted::note_publish(Timestamp now) {
  if (now - published_at_ > kBusyPause) {
    busy_since_ = now;
    busy_count_ = 0;
    busy_for_ = kBusyFor + core_.rng.jitter(kBusyFor / 5);  // not all at once, so that those who come later see who is there
  }
  published_at_ = now;
  ++busy_count_;
  const Duration busy = now - busy_since_;
  if (sender_) {
    // Too many came at the same time: those with the smaller draws borrow again.
    if (!room_for_sender(now)) {
      sender_ = false;
      published_at_ = Timestamp{INT64_MIN / 2};
      take_role(now);
    }
  } else if (started_ && busy >= busy_for_ && static_cast<double>(busy_count_) >= to_seconds(busy) && room_for_sender(now)) {
    sender_ = true;
    take_role(now);
  }
}

/// A sender that is a root already gives way to those with larger draws only, one that is none to all.
bool Rooted::room_for_sender(Timestamp now) const {
  const auto draw = [](TreeId id) { return mix64(static_cast<std::uint64_t>(id)); };
  const TreeId own{static_cast<std::uint64_t>(core_.self)};
  const auto before = std::count_if(trees_.begin(), trees_.end(), [&](const Shaped& tree) {
    return !tree.own && !is_winner(tree.id) && fresh(tree, now) && (!sender_ || draw(tree.id) > draw(own));
  });
  return before < kSendersMax;
}

void Rooted::become_root(Timestamp now) {
  Shaped* tree = find_or_add(kNoSlot, TreeId{static_cast<std::uint64_t>(core_.self)}, own_epoch_ + 1, now);
  if (tree == nullptr) return;
  tree->own = true;
  raise_epoch(*tree, now);
}

void Rooted::raise_epoch(Shaped& tree, Timestamp now) {
  tree.epoch = ++own_epoch_;
  tree.distance = tree.feasible = 0;
  tree.heard = now;
  if (!tree.settled) tree.settle_at = now + settle_time();
  raised_at_ = now;
  raise_at_ = kNever;
  // Roots of one cluster drift apart instead of beating together.
  beacon_at_ = now + beacon_period() - core_.rng.jitter(core_.config.beacon_interval / 10);
  send_beacon(tree, core_.up);
}

// ---- Neighbours

void Rooted::peer_up(Slot slot, Timestamp now) {
  next_.reset();
  for (auto& tree : trees_) {
    edge(tree, slot) = Edge{};
    refresh(tree, "link up");
    if (tree.distance != kFar) {
      send_beacon(tree, {slot});
    } else {
      attach(tree, slot, now);
      if (!awaits_epoch(tree)) core_.send(slot, frame::Beacon{tree.id, tree.epoch + 1, kFar});
    }
  }
  report_roles("link up");
}

void Rooted::peer_down(Slot slot, Timestamp now) {
  next_.reset();
  for (auto& tree : trees_) {
    const Edge lost = std::exchange(edge(tree, slot), Edge{});
    const bool was_parent = tree.parent == slot;
    if (was_parent || lost.child) tree.flood_until = now + kFloodWindow;
    if (tree.second == slot) tree.second = kNoSlot;
    if (was_parent) {
      lose_parent(tree, now);
      if (tree.parent != kNoSlot) core_.repairing.push_back(tree.parent);
    }
    refresh(tree, "link down");
  }
  report_roles("link down");
}

/// With many trees the next epoch is far off; a parent whose link turns out to lose packets does not wait for it.
void Rooted::on_rtt(Slot slot, Timestamp now) {
  double delayed = 0, measured = 0;
  for (const Slot up : core_.up) {
    const Link& link = core_.links[up];
    if (link.cost_us < kSlowUs) continue;
    delayed += link.delayed * link.round_trips;
    measured += link.round_trips;
  }
  slow_delayed_ = delayed / (measured + kSharedTrips);
  if (!is_lossy(core_.links[slot])) return;
  for (auto& tree : trees_) {
    if (tree.parent == slot && tree.second == kNoSlot) choose_second(tree, now);
  }
}

/// What slow links lose together counts as `kSharedTrips` round trips of each: one alone is pinged too seldom to tell one in a hundred soon.
bool Rooted::is_lossy(const Link& link) const {
  return link.cost_us >= kSlowUs &&
         link.delayed * link.round_trips + slow_delayed_ * kSharedTrips >= kLossy * (link.round_trips + kSharedTrips);
}

void Rooted::on_attach(Slot from, TreeId id, Timestamp) {
  Shaped* tree = find(id);
  if (tree == nullptr) return;
  Edge& e = edge(*tree, from);
  e.duplicates = 0;
  if (e.child) return;
  const bool full = core_.config.max_eager_peers != 0 && tree->settled && tree->eager.size() >= core_.config.max_eager_peers;
  if (full && tree->parent != from) return prune(from, id);
  e.child = true;
  refresh(*tree, "attached");
  report_roles("attached");
}

void Rooted::on_prune(Slot from, TreeId id, Timestamp now) {
  next_.reset();
  Shaped* tree = find(id);
  if (tree == nullptr) return;
  Edge& e = edge(*tree, from);
  e.child = false;
  if (tree->second == from) {
    tree->second = kNoSlot;
    e.attached = false;
    e.refused = true;
  } else if (is_promoted(*tree, from)) {
    e.attached = false;
  } else if (tree->parent == from) {
    // It did not know that we are its child, or it has no room for us.
    if (!e.insisted) {
      e.insisted = true;
      attach(*tree, from, now);
    } else {
      e.refused = true;
      e.attached = false;
      lose_parent(*tree, now);
    }
  }
  refresh(*tree, "pruned by peer");
  report_roles("pruned by peer");
}

// ---- Beacons

void Rooted::on_beacon(Slot from, const frame::Beacon& beacon, Timestamp now) {
  next_.reset();
  const bool ours = beacon.tree == TreeId{static_cast<std::uint64_t>(core_.self)};
  const bool request = beacon.distance_us == kFar;
  if (beacon.tree == kSharedTree || (!request && beacon.distance_us > kDistanceMax)) {
    return core_.reject(from, FrameReject::malformed);
  }
  Shaped* tree = ours || request ? find(beacon.tree) : find_or_add(from, beacon.tree, beacon.epoch, now);
  if (tree == nullptr) return;
  if (tree->epoch != 0 && beacon.epoch > tree->epoch + kEpochStepMax) return core_.reject(from, FrameReject::sequence_jump);
  Edge& e = edge(*tree, from);
  if (request) return on_request(*tree, from, beacon.epoch, now);
  if (beacon.epoch >= e.epoch) {
    e.epoch = beacon.epoch;
    e.distance = beacon.distance_us;
  }
  if (tree->own) return;
  if (beacon.epoch < tree->epoch) {
    // It missed a beacon of ours.
    if (tree->distance != kFar) send_beacon(*tree, {from});
    return;
  }
  if (beacon.epoch == tree->epoch) return on_same_epoch(*tree, from, now);
  if (from == tree->parent || tree->parent == kNoSlot || better(through(*tree, from), tree->distance, core_.links[from].noise_us)) {
    return adopt(*tree, from, now);
  }
  if (tree->adopt_at == kNever) tree->adopt_at = now + core_.largest_rtt() + kParentsTurn;
}

void Rooted::on_same_epoch(Shaped& tree, Slot from, Timestamp now) {
  const Edge& e = edge(tree, from);
  const bool feasible = e.distance < tree.feasible && !e.refused;
  const std::uint64_t distance = through(tree, from);
  if (from == tree.parent) {
    if (!feasible) return lose_parent(tree, now);
    if (distance == tree.distance) return;
    tree.distance = distance;
    tree.feasible = std::min(tree.feasible, distance);
    return tell_later(tree, now);
  }
  if (feasible && (tree.parent == kNoSlot || better(distance, tree.distance, core_.links[from].noise_us))) return adopt(tree, from, now);
  if (feasible && tree.second == kNoSlot) choose_second(tree, now);
}

void Rooted::on_request(Shaped& tree, Slot from, std::uint64_t epoch, Timestamp now) {
  Edge& e = edge(tree, from);
  e.distance = kFar;
  if (tree.own) {
    if (beacon_at_ == kNever) return;
    if (epoch <= tree.epoch) return send_beacon(tree, {from});
    raise_at_ = std::min(raise_at_, std::max(now, raised_at_ + shared(kRaiseInterval)));
    return;
  }
  if (tree.distance == kFar) return;
  if (tree.epoch >= epoch) return send_beacon(tree, {from});
  // A parent that asks stays our parent: it floods meanwhile, so its subtree misses nothing, and a tree whose root
  // died goes on working. The request takes another way then.
  Slot next = tree.parent;
  if (next == from) {
    next = kNoSlot;
    for (const Slot slot : core_.up) {
      if (slot == from || through(tree, slot) == kFar) continue;
      if (next == kNoSlot || through(tree, slot) < through(tree, next)) next = slot;
    }
  }
  if (next == kNoSlot || now - tree.forwarded_at < kForwardInterval) return;
  tree.forwarded_at = now;
  core_.send(next, frame::Beacon{tree.id, epoch, kFar});
}

std::uint64_t Rooted::through(const Shaped& tree, Slot slot) const {
  if (slot >= tree.edges.size() || tree.edges[slot].distance == kFar) return kFar;
  return tree.edges[slot].distance + core_.links[slot].cost_us;
}

void Rooted::adopt(Shaped& tree, Slot parent, Timestamp now) {
  const Slot old = tree.parent;
  const Edge& e = edge(tree, parent);
  const bool newer = e.epoch > tree.epoch;
  const bool urgent = newer || tree.distance == kFar;
  tree.distance = through(tree, parent);
  tree.feasible = newer ? tree.distance : std::min(tree.feasible, tree.distance);
  tree.epoch = e.epoch;
  tree.parent = parent;
  tree.adopt_at = tree.request_at = kNever;
  tree.request_every = Duration{0};
  if (newer) {
    tree.heard = now;
    for (auto& other : tree.edges) other.refused = other.insisted = false;
  }
  if (newer || parent != old) attach(tree, parent, now);
  for (const Slot slot : core_.up) {
    if (newer && slot != parent && core_.links[slot].promoted) attach(tree, slot, now);
  }
  if (!tree.settled) {
    // Make before break: all links stay eager until the parent has us as its child.
    tree.settle_at = now + settle_time();
  }
  // Make before break here, too: a message between the old parent's prune and the new one's attach would have to be pulled.
  if (parent != old) tree.detach_at = now + core_.links[parent].rtt * 11 / 10 + milliseconds{2};
  choose_second(tree, now);
  if (urgent) {
    tell(tree);
  } else {
    tell_later(tree, now);
  }
  refresh(tree, "parent");
  report_roles("parent");
}

Slot Rooted::best_neighbour(const Shaped& tree, Slot except) const {
  Slot best = kNoSlot;
  for (const Slot slot : core_.up) {
    if (slot >= tree.edges.size() || slot == except) continue;
    const Edge& e = tree.edges[slot];
    const bool feasible = e.epoch > tree.epoch || (e.epoch == tree.epoch && e.distance < tree.feasible);
    if (!feasible || e.refused || e.distance == kFar) continue;
    if (best == kNoSlot || e.epoch > tree.edges[best].epoch ||
        (e.epoch == tree.edges[best].epoch && through(tree, slot) < through(tree, best))) {
      best = slot;
    }
  }
  return best;
}

bool Rooted::wants_second(const Shaped& tree) const {
  if (tree.parent == kNoSlot || !tree.settled || core_.config.second_parents == SecondParents::never) return false;
  return core_.config.second_parents == SecondParents::always || (few_zones_ && is_lossy(core_.links[tree.parent]));
}

void Rooted::choose_second(Shaped& tree, Timestamp now) {
  if (!wants_second(tree)) return take_second(tree, kNoSlot, now);
  // At the start of an epoch only the parent has been heard.
  const bool heard = tree.second != kNoSlot && (edge(tree, tree.second).epoch + 1 >= tree.epoch || now < tree.second_until);
  const bool stays = heard && tree.second != tree.parent;
  take_second(tree, stays ? tree.second : best_neighbour(tree, tree.parent), now);
}

void Rooted::take_second(Shaped& tree, Slot wanted, Timestamp now) {
  if (wanted != kNoSlot && (wanted != tree.second || tree.second_epoch != tree.epoch)) attach(tree, wanted, now);
  const Slot before = std::exchange(tree.second, wanted);
  tree.second_epoch = tree.epoch;
  if (before != wanted) tree.second_until = Timestamp{INT64_MIN / 2};
  if (before != kNoSlot && before != wanted && before != tree.parent && edge(tree, before).attached && !core_.links[before].promoted)
    detach(tree, before);
}

/// Who announced a message before it came here hears of messages without us, although it may be no nearer to the root: feasible is what
/// is certain from distances alone. Where only the parent is, and its link loses packets, such a neighbour is the second parent. No payload goes
/// in a circle, as each is passed on once; as a parent it would not do.
void Rooted::learn_second(Shaped& tree, const MissingSet::Entry& entry, Timestamp now) {
  if (!wants_second(tree) || (tree.second != kNoSlot && now < tree.second_until)) return;
  for (const auto& announcer : entry.announcers) {
    const Slot slot = announcer.slot;
    if (slot == tree.parent || slot == tree.second || !core_.links[slot].up || edge(tree, slot).child || edge(tree, slot).refused) continue;
    take_second(tree, slot, now);
    tree.second_until = now + kProven;
    return refresh(tree, "announced before the parent brought it");
  }
}

bool Rooted::is_promoted(const Shaped& tree, Slot slot) const {
  return core_.links[slot].promoted && !tree.own && slot < tree.edges.size() && tree.edges[slot].attached;
}

bool Rooted::promote(Slot slot, Timestamp now) {
  bool any = false;
  for (auto& tree : trees_) {
    if (tree.own) continue;
    any = core_.links[slot].promoted = true;
    if (!edge(tree, slot).attached) attach(tree, slot, now);
    refresh(tree, "by order");
  }
  report_roles("by order");
  return any;
}

void Rooted::lose_parent(Shaped& tree, Timestamp now) {
  tree.parent = tree.second = kNoSlot;
  if (const Slot next = best_neighbour(tree); next != kNoSlot) return adopt(tree, next, now);
  tree.distance = kFar;
  tree.settled = false;
  tree.settle_at = tree.adopt_at = tree.tell_at = kNever;
  for (const Slot slot : core_.up) attach(tree, slot, now);
  tree.request_every = kRaiseInterval;
  const Timestamp next_epoch = tree.heard + beacon_period() + 2 * kRaiseInterval;
  if (now - tree.used < kUnused || next_epoch <= now) {
    ask_for_epoch(tree, now);
  } else {
    tree.request_at = next_epoch;
  }
  refresh(tree, "no parent");
  report_roles("no parent");
}

bool Rooted::awaits_epoch(const Shaped& tree) const { return tree.request_at != kNever && tree.request_every == kRaiseInterval; }

void Rooted::ask_for_epoch(Shaped& tree, Timestamp now) {
  core_.send(core_.up, frame::Beacon{tree.id, tree.epoch + 1, kFar});
  tree.request_at = now + tree.request_every;
  tree.request_every = std::min(tree.request_every * 2, kRequestMax);
}

void Rooted::attach(Shaped& tree, Slot slot, Timestamp now) {
  edge(tree, slot).attached = true;
  tree.attached_at = now;
  core_.send(slot, frame::Graft{tree.id, true, {}});
}
void Rooted::detach(Shaped& tree, Slot slot) {
  edge(tree, slot).attached = false;
  prune(slot, tree.id);
}

void Rooted::detach_others(Shaped& tree) {
  tree.detach_at = kNever;
  if (tree.parent == kNoSlot) return;  // attached to all, on purpose
  for (const Slot slot : core_.up) {
    if (slot != tree.parent && slot != tree.second && edge(tree, slot).attached && !core_.links[slot].promoted) detach(tree, slot);
  }
}

void Rooted::tell_later(Shaped& tree, Timestamp now) {
  const bool changed = better(tree.distance, tree.told, tree.parent == kNoSlot ? 0 : core_.links[tree.parent].noise_us) || tree.distance >= tree.told + kSlowUs;
  if (changed && tree.tell_at == kNever) tree.tell_at = now + core_.largest_rtt() + kHoldDown;
}

void Rooted::tell(Shaped& tree) {
  tree.tell_at = kNever;
  const bool longer = tree.told_epoch == tree.epoch && tree.told < tree.distance;
  std::vector<Slot> to = core_.up;
  std::erase_if(to, [&](Slot slot) {
    // Who is as near has no use for our way in this epoch: it is not feasible there, and stays so. Who relies on a shorter one must know.
    const Edge& e = edge(tree, slot);
    return slot == tree.parent || (!longer && e.epoch == tree.epoch && e.distance <= tree.distance);
  });
  tree.told = tree.distance;
  tree.told_epoch = tree.epoch;
  send_beacon(tree, to);
}

void Rooted::send_beacon(const Shaped& tree, const std::vector<Slot>& to) {
  if (!started_ || tree.distance == kFar || to.empty()) return;
  core_.stats.beacons_sent += to.size();
  core_.send(to, frame::Beacon{tree.id, tree.epoch, tree.distance});
}

// ---- Payloads

void Rooted::on_first_copy(Slot from, const StoredMessage& message, const MissingSet::Entry* entry, Timestamp now) {
  Shaped* tree = find(message.tree);
  if (tree == nullptr) return;
  tree->used = now;
  if (awaits_epoch(*tree)) {
    next_.reset();
    ask_for_epoch(*tree, now);
  }
  if (from == kNoSlot) return;
  edge(*tree, from).duplicates = 0;
  if (from == tree->second) tree->second_until = now + kProven;
  if (entry != nullptr) learn_second(*tree, *entry, now);
}

void Rooted::on_duplicate(Slot from, TreeId id, Timestamp now) {
  // Data never changes the parent. This only clears a bit that a lost prune left at the far end (3.3.5).
  Shaped* tree = find(id);
  if (tree == nullptr || !tree->settled || now < tree->flood_until) return;
  Edge& e = edge(*tree, from);
  if (tree->parent == from || tree->second == from || e.child || is_promoted(*tree, from)) return;
  if (++e.duplicates < std::max<std::uint32_t>(1, core_.config.optimization_threshold)) return;
  e.duplicates = 0;
  say_demoted(from);
  prune(from, id);
}

void Rooted::on_pull(Slot, TreeId id, Timestamp now) {
  // The parent did not bring it: perhaps it does not know that we are its child.
  Shaped* tree = find(id);
  if (tree == nullptr || tree->parent == kNoSlot || !tree->settled) return;
  if (now - tree->attached_at < 2 * core_.links[tree->parent].rtt + milliseconds{500}) return;
  attach(*tree, tree->parent, now);
}

/// Announcements do not come before the parent's copy by more than what separates two ways of about one length. A copy that was lost comes two
/// or more of the parent's delays later.
Duration Rooted::patience(TreeId id) const {
  const Shaped* tree = find(id);
  if (tree == nullptr || !wants_second(*tree)) return Duration::max();
  return std::chrono::microseconds{core_.links[tree->parent].cost_us / 4};
}

/// Inside a zone all are about as far from a root, so what one of them has the others have at about the same time.
Duration Rooted::least_lateness() const { return few_zones_ ? milliseconds{10} : kLateStart; }

TreeId Rooted::tree_to_publish(Timestamp now) {
  next_.reset();
  note_publish(now);
  // Settled trees before others (they are flooded from here), those of current roots and our own before old ones, the nearest.
  const auto rank = [&](const Shaped& tree) {
    const bool current = (tree.own && beacon_at_ != kNever) || is_winner(tree.id);
    return std::tuple{!tree.settled, now - tree.since < kYoung, !current, tree.distance};
  };
  const Shaped* best = nullptr;
  for (const auto& tree : trees_) {
    if (fresh(tree, now) && (best == nullptr || rank(tree) < rank(*best))) best = &tree;
  }
  return best == nullptr ? kSharedTree : best->id;
}

const std::vector<Slot>& Rooted::eager(TreeId id, Timestamp now) {
  const Shaped* tree = find(id);
  // A tree unknown here is flooded: deliver first, shape later.
  return tree == nullptr || now < tree->flood_until ? core_.up : tree->eager;
}
bool Rooted::is_eager(TreeId id, Slot slot) const {
  const Shaped* tree = find(id);
  return tree == nullptr || std::binary_search(tree->eager.begin(), tree->eager.end(), slot);
}

// ---- Roles

void Rooted::refresh(Shaped& tree, std::string_view) {
  tree.eager.clear();
  for (const Slot slot : core_.up) {
    if (!tree.settled || slot == tree.parent || edge(tree, slot).child || is_promoted(tree, slot)) tree.eager.push_back(slot);
  }
  if (tree.eager.empty()) tree.eager = core_.up;
}

void Rooted::report_roles(std::string_view reason) {
  for (const Slot slot : core_.up) {
    bool eager = trees_.empty();
    for (const auto& tree : trees_) eager = eager || std::binary_search(tree.eager.begin(), tree.eager.end(), slot);
    set_role(slot, eager, reason);
  }
}

// ---- Time

void Rooted::handle_timeout(Timestamp now) {
  if (next_timeout() > now) return;
  next_.reset();
  if (sender_ && beacon_at_ <= now && now - published_at_ >= kIdle) {
    sender_ = false;
    take_role(now);
  }
  if (raise_at_ <= now || beacon_at_ <= now) {
    if (Shaped* tree = find(TreeId{static_cast<std::uint64_t>(core_.self)})) raise_epoch(*tree, now);
  }
  for (auto& tree : trees_) {
    if (tree.detach_at <= now) detach_others(tree);
    if (tree.tell_at <= now) tell(tree);
    if (tree.adopt_at <= now) {
      tree.adopt_at = kNever;
      const Slot best = best_neighbour(tree);
      if (best != kNoSlot && tree.edges[best].epoch > tree.epoch) adopt(tree, best, now);
    }
    if (tree.settle_at <= now) {
      tree.settle_at = kNever;
      tree.settled = true;
      refresh(tree, "settled");
      report_roles("settled");
    }
    if (tree.request_at <= now) {
      if (core_.up.empty()) {
        tree.request_at = kNever;
      } else {
        ask_for_epoch(tree, now);
      }
    }
  }
  if (idle_at_ <= now) drop_idle(now);
}

void Rooted::drop_idle(Timestamp now) {
  const auto idle = [&](const Shaped& tree) {
    return !(tree.own && beacon_at_ != kNever) && now - std::max(tree.used, tree.heard) >= std::max<Duration>(kIdle, 4 * beacon_period());
  };
  const auto before = trees_.size();
  for (const auto& tree : trees_) {
    if (idle(tree)) forget(tree);
  }
  std::erase_if(trees_, idle);
  ids_.clear();
  for (const auto& tree : trees_) ids_.push_back(tree.id);
  if (trees_.size() != before) report_roles("idle tree dropped");
  idle_at_ = trees_.empty() ? kNever : now + kIdle / 2;
}

Timestamp Rooted::next_timeout() const {
  if (next_) return *next_;
  Timestamp next = std::min({beacon_at_, raise_at_, idle_at_});
  for (const auto& tree : trees_) next = std::min({next, tree.adopt_at, tree.detach_at, tree.tell_at, tree.settle_at, tree.request_at});
  next_ = next;
  return next;
}

// ---- Queries

std::vector<Tree::View> Rooted::views(Timestamp) const {
  std::vector<Tree::View> out;
  for (const auto& tree : trees_) {
    Tree::View view;
    view.tree = tree.id;
    view.epoch = tree.epoch;
    view.settled = tree.settled;
    view.distance_us = tree.distance;
    view.feasible_us = tree.feasible;
    if (tree.parent != kNoSlot) view.parent = core_.links[tree.parent].peer;
    if (tree.second != kNoSlot) view.second = core_.links[tree.second].peer;
    for (const Slot slot : core_.up) {
      const bool eager = std::binary_search(tree.eager.begin(), tree.eager.end(), slot);
      (eager ? view.eager : view.lazy).push_back(core_.links[slot].peer);
    }
    out.push_back(std::move(view));
  }
  if (out.empty()) {
    Tree::View view;
    view.tree = kSharedTree;
    for (const Slot slot : core_.up) view.eager.push_back(core_.links[slot].peer);
    out.push_back(std::move(view));
  }
  return out;
}

void Rooted::check(std::vector<std::string>& broken) const {
  for (const auto& tree : trees_) {
    const auto linked = [&](Slot slot) { return std::binary_search(core_.up.begin(), core_.up.end(), slot); };
    if (tree.eager.empty() && !core_.up.empty()) broken.emplace_back("links are up and none is eager");
    for (const Slot slot : tree.eager) {
      if (!linked(slot)) broken.emplace_back("an eager peer has no link");
    }
    if (tree.parent != kNoSlot && !linked(tree.parent)) broken.emplace_back("the parent has no link");
    if (tree.second != kNoSlot && (!linked(tree.second) || tree.second == tree.parent)) broken.emplace_back("the second parent is none");
    if (tree.parent == kNoSlot && !tree.own && tree.settled) broken.emplace_back("settled without a parent");
    if (tree.distance < tree.feasible) broken.emplace_back("nearer than the feasible distance");
    if (tree.own && tree.parent != kNoSlot) broken.emplace_back("a root has a parent");
  }
  if (trees_.size() > std::max<std::size_t>(1, core_.config.trees_max)) broken.emplace_back("too many trees");
  for (const Slot slot : core_.up) {
    bool eager = trees_.empty();
    for (const auto& tree : trees_) eager = eager || std::binary_search(tree.eager.begin(), tree.eager.end(), slot);
    if (core_.links[slot].eager != eager) broken.emplace_back("a reported role is not the role");
  }
}

std::unique_ptr<Shape> make_rooted(Core& core) { return std::make_unique<Rooted>(core); }

}  // namespace plumvine::tree
