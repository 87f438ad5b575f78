#include "tree_sim.hpp"

#include <algorithm>
#include <utility>

#include <plumtree/overlay.hpp>
#include <plumtree/wire.hpp>

#include "frame_tap.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// Members learn of a death so late; SWIM on a local network needs about that long.
constexpr Duration kDetection = 3s;
/// A tree is quiet when none of its frames was under way for so long: longer than announcements wait for company.
constexpr Duration kQuiet = 150ms;
constexpr std::size_t kViolationsMax = 20;

std::uint64_t count_ids(const std::vector<frame::OriginRanges>& ids) {
  std::uint64_t sum = 0;
  for (const auto& entry : ids) {
    for (const SequenceRange& range : entry.ranges) sum += range.last - range.first + 1;
  }
  return sum;
}

bool is_busy(const Frame& frame) {
  return std::holds_alternative<frame::Gossip>(frame) || std::holds_alternative<frame::IHave>(frame) ||
         std::holds_alternative<frame::Graft>(frame) || std::holds_alternative<frame::Prune>(frame) ||
         std::holds_alternative<frame::Pull>(frame) || std::holds_alternative<frame::Gone>(frame);
}

}  // namespace

TreeSim::TreeSim(TreeSimOptions options, Trace& trace)
    : options_(std::move(options)), trace_(trace), rng_(options_.seed) {
  queue_.advance(Timestamp{} + 1s);
  nodes_.reserve(options_.nodes);
  std::vector<InstanceId> all;
  for (std::uint32_t i = 0; i < options_.nodes; ++i) {
    const InstanceId instance{rng_.next() | 1};
    by_instance_[instance] = i;
    all.push_back(instance);
    nodes_.emplace_back(Tree(options_.tree, instance, "n" + std::to_string(i), rng_.fork(), LogLevel::error));
    nodes_.back().instance = instance;
  }
  alive_ = options_.nodes;
  std::sort(all.begin(), all.end());
  std::string text(options_.payload_bytes, 'x');
  payload_ = Bytes::copy_of(std::string_view(text));
  for (Node& node : nodes_) {
    node.tree.set_members({.alive = all}, now());
    node.tree.start_alone(now());
  }
  build_overlay();
}

TreeSim::~TreeSim() = default;

void TreeSim::build_overlay() {
  std::vector<std::vector<std::uint32_t>> wanted;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    wanted.push_back(targets_of(i, {}));
    nodes_[i].dialled.insert(wanted.back().begin(), wanted.back().end());
  }
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    for (std::uint32_t target : wanted[i]) {
      // Two that choose each other hold one link.
      if (target < i && nodes_[target].dialled.contains(i)) continue;
      link(i, target);
    }
  }
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) settle(i);
}

/// Whom the production overlay would dial, if these members are known to be dead.
std::vector<std::uint32_t> TreeSim::targets_of(std::uint32_t node, const std::set<std::uint32_t>& without) {
  Overlay overlay(options_.tree, options_.link, nodes_[node].instance, "n" + std::to_string(node), Rng{options_.seed});
  std::vector<Candidate> candidates;
  candidates.reserve(nodes_.size());
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (i == node || without.contains(i)) continue;
    candidates.push_back({PeerId{i}, nodes_[i].instance, "n" + std::to_string(i)});
  }
  overlay.set_candidates(std::move(candidates), now());
  std::vector<std::uint32_t> out;
  for (PeerId peer : overlay.targets()) out.push_back(static_cast<std::uint32_t>(peer));
  return out;
}

void TreeSim::link(std::uint32_t a, std::uint32_t b) {
  const Duration span = options_.latency_max - options_.latency_min;
  const Duration latency = options_.latency_min + rng_.jitter(span + 1ns);
  const auto peer_at_a = static_cast<std::uint32_t>(nodes_[a].links.size());
  const auto peer_at_b = static_cast<std::uint32_t>(nodes_[b].links.size());
  nodes_[a].links.push_back({b, peer_at_b, latency, true});
  nodes_[b].links.push_back({a, peer_at_a, latency, true});
  ++links_;
  auto up = [&](std::uint32_t node, std::uint32_t peer, std::uint32_t far) {
    nodes_[node].tree.peer_up(PeerId{peer}, {nodes_[far].instance, "n" + std::to_string(far), latency * 2}, now());
    nodes_[node].tree.set_rtt(PeerId{peer}, latency * 2, Duration{0}, now());
  };
  up(a, peer_at_a, b);
  up(b, peer_at_b, a);
}

void TreeSim::run_for(Duration span) {
  const Timestamp end = now() + span;
  while (!queue_.empty() && queue_.next() <= end) step();
  queue_.advance(end);
}

void TreeSim::mix(const Event& event) {
  trace_.mix(now());
  trace_.mix(static_cast<std::uint64_t>(event.kind) << 60 ^ static_cast<std::uint64_t>(event.node) << 24 ^ event.peer);
  if (!event.frame) return;
  trace_.mix(event.frame->index());
  auto ids = [this](const std::vector<frame::OriginRanges>& list) {
    for (const auto& entry : list) {
      trace_.mix(static_cast<std::uint64_t>(entry.origin));
      for (const SequenceRange& range : entry.ranges) trace_.mix(range.first ^ range.last << 32);
    }
  };
  if (const auto* gossip = std::get_if<frame::Gossip>(event.frame.get())) {
    trace_.mix(static_cast<std::uint64_t>(gossip->id.origin));
    trace_.mix(gossip->id.sequence ^ static_cast<std::uint64_t>(gossip->round) << 48);
  } else if (const auto* ihave = std::get_if<frame::IHave>(event.frame.get())) {
    ids(ihave->ids);
  } else if (const auto* graft = std::get_if<frame::Graft>(event.frame.get())) {
    ids(graft->ids);
  } else if (const auto* pull = std::get_if<frame::Pull>(event.frame.get())) {
    ids(pull->ids);
  } else if (const auto* beacon = std::get_if<frame::Beacon>(event.frame.get())) {
    trace_.mix(beacon->epoch ^ beacon->distance_us << 24);
  }
}

void TreeSim::step() {
  Event event = queue_.pop();
  ++counters_.steps;
  Node& node = nodes_[event.node];
  const PeerId peer{event.peer};
  if (event.frame && is_busy(*event.frame)) {
    --busy_frames_;
    last_busy_ = now();
  }
  if (event.kind == Kind::members) return tell_members();
  if (event.kind == Kind::timer) {
    if (node.timer != now()) return;  // was moved
    node.timer = kNever;
  }
  if (!node.alive) return;
  mix(event);
  switch (event.kind) {
    case Kind::frame: {
      if (!node.links[event.peer].up) return;
      if (trace_.printing()) {
        trace_.line(now(), "n" + std::to_string(node.links[event.peer].far) + " -> n" + std::to_string(event.node) + "  " +
                               describe(*event.frame, [this](InstanceId i) { return name_of(i); }));
      }
      if (std::holds_alternative<frame::Gossip>(*event.frame)) ++counters_.payloads_received;
      Frame frame = event.frame.use_count() == 1 ? std::move(*event.frame) : *event.frame;
      node.tree.handle_frame(peer, std::move(frame), now());
      break;
    }
    case Kind::timer:
      if (node.tree.next_timeout() <= now()) node.tree.handle_timeout(now());
      break;
    case Kind::link_down: {
      LinkEnd& end = node.links[event.peer];
      if (!std::exchange(end.up, false)) return;
      if (trace_.printing()) trace_.line(now(), "n" + std::to_string(event.node) + "  link to n" + std::to_string(end.far) + " broke");
      --links_;
      node.known_dead.insert(end.far);
      node.tree.peer_down(peer, now());
      if (options_.repair) redial(event.node);
      break;
    }
    case Kind::dialled: {  // `peer` is the node that was dialled
      const bool linked = std::any_of(node.links.begin(), node.links.end(),
                                      [&](const LinkEnd& end) { return end.up && end.far == event.peer; });
      if (linked) return;
      if (!nodes_[event.peer].alive) {  // died since
        node.known_dead.insert(event.peer);
        redial(event.node);
        break;
      }
      link(event.node, event.peer);
      settle(event.peer);
      break;
    }
    case Kind::refused:
      node.known_dead.insert(event.peer);
      redial(event.node);
      break;
    case Kind::none:
    case Kind::members: break;
  }
  settle(event.node);
}

/// Performs what the node's tree has decided and follows its deadline.
void TreeSim::settle(std::uint32_t number) {
  Node& node = nodes_[number];
  while (auto output = node.tree.poll_output()) {
    if (auto* frame = std::get_if<tree::Send>(&*output)) {
      send(number, frame->to, std::move(frame->frame));
    } else if (const auto* delivery = std::get_if<tree::Deliver>(&*output)) {
      deliver(number, *delivery);
    } else if (const auto* lost = std::get_if<tree::Lost>(&*output)) {
      if (violations_.size() < kViolationsMax) {
        violations_.push_back("n" + std::to_string(number) + " gave up " + lost->name + "-" + std::to_string(lost->range.first));
      }
    } else if (const auto* bad = std::get_if<tree::Misbehaved>(&*output)) {
      if (violations_.size() < kViolationsMax) {
        violations_.push_back("n" + std::to_string(number) + " found a neighbour misbehaving: " + std::string(to_string(bad->what)));
      }
    }
  }
  const Timestamp deadline = std::max(node.tree.next_timeout(), now());
  if (deadline == kNever || deadline >= node.timer) {
    // An earlier timer that is not needed any more fires once and finds nothing due.
    return;
  }
  node.timer = deadline;
  queue_.push(deadline, {Kind::timer, number, 0, nullptr});
}

void TreeSim::count(const Frame& frame, std::size_t copies) {
  const std::uint64_t bytes = (wire::head_size(frame) + wire::kLengthSize) * copies;
  if (const auto* gossip = std::get_if<frame::Gossip>(&frame)) {
    counters_.payloads += copies;
    counters_.payload_bytes += bytes + gossip->payload.size() * copies;
    if (auto it = tracked_.find(gossip->id); it != tracked_.end()) it->second.result.payloads_sent += copies;
    return;
  }
  counters_.control_bytes += bytes;
  if (const auto* ihave = std::get_if<frame::IHave>(&frame)) {
    counters_.ihave_ids += count_ids(ihave->ids) * copies;
  } else if (const auto* graft = std::get_if<frame::Graft>(&frame)) {
    counters_.grafts += copies;
    counters_.graft_ids += count_ids(graft->ids) * copies;
    if (graft->attach && graft->ids.empty()) counters_.attaches += copies;
  } else if (std::holds_alternative<frame::Prune>(frame)) {
    counters_.prunes += copies;
  } else if (std::holds_alternative<frame::Beacon>(frame)) {
    counters_.beacons += copies;
  } else if (std::holds_alternative<frame::Digest>(frame)) {
    counters_.digests += copies;
  } else if (std::holds_alternative<frame::Pull>(frame)) {
    counters_.pulls += copies;
  } else if (std::holds_alternative<frame::Gone>(frame)) {
    counters_.gones += copies;
  } else if (std::holds_alternative<frame::Progress>(frame)) {
    counters_.progresses += copies;
  }
}

void TreeSim::send(std::uint32_t number, const std::vector<PeerId>& to, Frame frame) {
  count(frame, to.size());
  const bool busy = is_busy(frame);
  const auto shared = std::make_shared<Frame>(std::move(frame));
  for (PeerId peer : to) {
    const LinkEnd& end = nodes_[number].links[static_cast<std::size_t>(peer)];
    if (options_.loss > 0 && rng_.chance(options_.loss)) {
      ++counters_.frames_lost;
      continue;
    }
    busy_frames_ += busy ? 1 : 0;
    queue_.push(now() + end.latency, {Kind::frame, end.far, end.far_peer, shared});
  }
}

void TreeSim::deliver(std::uint32_t number, const tree::Deliver& delivery) {
  ++counters_.first_deliveries;
  trace_.mix(number ^ delivery.id.sequence << 32);
  if (trace_.printing()) {
    trace_.line(now(), "n" + std::to_string(number) + "        deliver " + delivery.origin + "-" +
                           std::to_string(delivery.id.sequence) + " after " + std::to_string(delivery.round) + " hops");
  }
  auto it = tracked_.find(delivery.id);
  auto violated = [&](const char* what) {
    if (violations_.size() < kViolationsMax) violations_.push_back("n" + std::to_string(number) + what + to_string(delivery.id));
  };
  if (it == tracked_.end()) {
    // Known ids of earlier rounds may still arrive at stragglers; unknown ones were never published.
    auto origin = by_instance_.find(delivery.id.origin);
    if (origin == by_instance_.end() || delivery.id.sequence > nodes_[origin->second].published) violated(" delivered what nobody published: ");
    return;
  }
  Tracked& tracked = it->second;
  if (tracked.has[number]) return violated(" delivered twice: ");
  tracked.has[number] = true;
  ++tracked.live_have;
  tracked.result.largest_hop = std::max<std::uint64_t>(tracked.result.largest_hop, delivery.round);
  tracked.result.last_delivery = now() - tracked.result.published;
}

bool TreeSim::complete() const {
  for (const MessageId& id : current_) {
    if (tracked_.at(id).live_have < alive_) return false;
  }
  return true;
}

std::vector<TreeSim::Broadcast> TreeSim::round(const std::vector<std::uint32_t>& origins, Duration limit) {
  const Timestamp end = now() + limit;
  for (std::uint32_t origin : origins) {
    Node& node = nodes_[origin];
    if (!node.alive) continue;
    const MessageId id{node.instance, ++node.published};
    Tracked& tracked = tracked_[id];
    tracked.result = {.id = id, .origin = origin, .published = now()};
    tracked.has.resize(nodes_.size());
    tracked.has[origin] = true;
    tracked.live_have = 1;
    current_.push_back(id);
    if (trace_.printing()) trace_.line(now(), "n" + std::to_string(origin) + "        publish n" + std::to_string(origin) + "-" + std::to_string(id.sequence));
    node.tree.publish(id.sequence, "t", payload_, false, now());
    settle(origin);
  }
  last_busy_ = now();
  bool done = false;
  while (!queue_.empty() && queue_.next() <= end) {
    if (!done) done = complete();
    if (done && busy_frames_ == 0 && queue_.next() > last_busy_ + kQuiet) {
      queue_.advance(last_busy_ + kQuiet);
      break;
    }
    step();
  }
  if (!done) queue_.advance(end);
  std::vector<Broadcast> results;
  for (const MessageId& id : current_) {
    Tracked& tracked = tracked_[id];
    const bool origin_lives = nodes_[tracked.result.origin].alive;
    tracked.result.expected = alive_ - (origin_lives ? 1 : 0);
    tracked.result.delivered = tracked.live_have - (origin_lives ? 1 : 0);
    results.push_back(tracked.result);
    tracked_.erase(id);
  }
  current_.clear();
  return results;
}

// --- faults ---

std::vector<std::uint32_t> TreeSim::alive_nodes() const {
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].alive) out.push_back(i);
  }
  return out;
}

void TreeSim::crash(const std::vector<std::uint32_t>& victims) {
  for (std::uint32_t victim : victims) {
    if (!std::exchange(nodes_[victim].alive, false)) continue;
    --alive_;
    for (const MessageId& id : current_) {
      Tracked& tracked = tracked_[id];
      if (tracked.has[victim]) --tracked.live_have;
    }
  }
  for (std::uint32_t victim : victims) {
    for (const LinkEnd& end : nodes_[victim].links) {
      if (end.up) queue_.push(now() + end.latency, {Kind::link_down, end.far, end.far_peer, nullptr});
    }
  }
  if (options_.repair) {
    members_told_ = false;
    queue_.push(now() + kDetection, {Kind::members, 0, 0, nullptr});
  }
}

/// Dials whom the overlay chooses now and who is not linked yet.
void TreeSim::redial(std::uint32_t number) {
  Node& node = nodes_[number];
  std::vector<std::uint32_t> wanted = targets_of(number, node.known_dead);
  for (std::uint32_t target : wanted) {
    const bool linked = std::any_of(node.links.begin(), node.links.end(),
                                    [&](const LinkEnd& end) { return end.up && end.far == target; });
    if (linked || !node.dialled.insert(target).second) continue;
    const Duration span = options_.latency_max - options_.latency_min;
    const Duration round_trip = (options_.latency_min + rng_.jitter(span + 1ns)) * 2;
    queue_.push(now() + round_trip, {nodes_[target].alive ? Kind::dialled : Kind::refused, number, target, nullptr});
  }
}

/// All learn of all deaths so far: new roots are chosen, and nobody dials the dead.
void TreeSim::tell_members() {
  if (std::exchange(members_told_, true)) return;
  TreeMembers members;
  std::set<std::uint32_t> dead;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].alive) {
      members.alive.push_back(nodes_[i].instance);
    } else {
      dead.insert(i);
    }
  }
  members.dead = dead.size();
  std::sort(members.alive.begin(), members.alive.end());
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].alive) continue;
    nodes_[i].tree.set_members(members, now());
    settle(i);
  }
}

// --- checks ---

std::string TreeSim::name_of(InstanceId instance) const {
  auto it = by_instance_.find(instance);
  return it == by_instance_.end() ? to_string(instance) : "n" + std::to_string(it->second);
}

std::vector<std::string> TreeSim::violations() const {
  std::vector<std::string> out = violations_;
  for (std::uint32_t i = 0; i < nodes_.size() && out.size() < kViolationsMax; ++i) {
    if (!nodes_[i].alive) continue;
    for (const std::string& problem : nodes_[i].tree.check_invariants()) out.push_back("n" + std::to_string(i) + ": " + problem);
  }
  return out;
}

std::vector<std::string> TreeSim::shape_problems() const {
  std::vector<std::string> out;
  std::map<TreeId, std::map<std::uint32_t, Tree::View>> trees;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].alive) continue;
    for (Tree::View& view : nodes_[i].tree.views(now())) trees[view.tree].emplace(i, std::move(view));
  }
  for (const auto& [tree, views] : trees) {
    if (views.size() != alive_) continue;  // not everybody's tree: idle, or its root is gone
    const std::string label = "tree of " + name_of(InstanceId{static_cast<std::uint64_t>(tree)}) + ": ";
    for (const auto& [number, view] : views) {
      if (!view.parent || out.size() >= kViolationsMax) continue;
      const LinkEnd& end = nodes_[number].links[static_cast<std::size_t>(*view.parent)];
      const auto& eager = views.at(end.far).eager;
      if (std::find(eager.begin(), eager.end(), PeerId{end.far_peer}) == eager.end()) {
        out.push_back(label + "n" + std::to_string(end.far) + " does not know its child n" + std::to_string(number));
      }
      // Following parents must end.
      std::size_t hops = 0;
      std::uint32_t at = number;
      while (views.at(at).parent && hops <= views.size()) {
        at = nodes_[at].links[static_cast<std::size_t>(*views.at(at).parent)].far;
        ++hops;
      }
      if (hops > views.size()) out.push_back(label + "a cycle of parents above n" + std::to_string(number));
    }
    std::vector<bool> seen(nodes_.size());
    std::vector<std::uint32_t> open{views.begin()->first};
    seen[open[0]] = true;
    std::size_t reached = 1;
    while (!open.empty()) {
      const std::uint32_t at = open.back();
      open.pop_back();
      for (PeerId peer : views.at(at).eager) {
        const std::uint32_t next = nodes_[at].links[static_cast<std::size_t>(peer)].far;
        if (!nodes_[next].alive || seen[next]) continue;
        seen[next] = true;
        ++reached;
        open.push_back(next);
      }
    }
    if (reached != alive_) out.push_back(label + "eager links reach " + std::to_string(reached) + " of " + std::to_string(alive_));
  }
  return out;
}

}  // namespace plumvine::sim
