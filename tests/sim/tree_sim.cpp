#include "tree_sim.hpp"

#include <algorithm>
#include <utility>

#include <plumtree/wire.hpp>

#include "frame_tap.hpp"
#include "regions.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// A tree is quiet when none of its frames was under way for so long: longer than announcements wait for company.
constexpr Duration kQuiet = 150ms;

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
  if (!options_.repair) options_.tree.sync_interval = std::chrono::hours{24};
  nodes_.reserve(options_.nodes);
  std::vector<InstanceId> all;
  for (std::uint32_t i = 0; i < options_.nodes; ++i) {
    const InstanceId instance = frame::publisher_of(InstanceId{rng_.next() | 1});
    const std::string name = "n" + std::to_string(i);
    by_instance_[instance] = i;
    // One after the other: compilers evaluate the arguments of a call in different orders.
    const Rng overlay_rng = rng_.fork();
    const Rng tree_rng = rng_.fork();
    nodes_.emplace_back(Tree(options_.tree, instance, name, tree_rng, LogLevel::error),
                        Overlay(options_.tree, options_.link, instance, name, overlay_rng));
    nodes_.back().instance = instance;
    nodes_.back().name = name;
    if (options_.regions) nodes_.back().region = draw_region(rng_);
  }
  alive_ = options_.nodes;
  std::string text(options_.payload_bytes, 'x');
  payload_ = Bytes::copy_of(std::string_view(text));
  for (Node& node : nodes_) node.tree.start_alone(now());
  build_overlay();
}

TreeSim::~TreeSim() = default;

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
  if (event.kind == Kind::publish || event.kind == Kind::crash) --open_;
  if (!node.alive) return;
  mix(event);
  switch (event.kind) {
    case Kind::frame: {
      if (!node.links[event.peer].up) return;
      if (trace_.printing()) {
        trace_.line(now(), "n" + std::to_string(node.links[event.peer].far) + " -> n" + std::to_string(event.node) + "  " +
                               describe(*event.frame, [this](InstanceId i) { return name_of(i); }));
      }
      if (keep_alive(event.node, event.peer, *event.frame)) break;
      if (std::holds_alternative<frame::Gossip>(*event.frame)) ++counters_.payloads_received;
      Frame frame = event.frame.use_count() == 1 ? std::move(*event.frame) : *event.frame;
      node.tree.handle_frame(peer, std::move(frame), now());
      break;
    }
    case Kind::timer:
      if (node.tree.next_timeout() <= now()) node.tree.handle_timeout(now());
      if (node.overlay.next_timeout() <= now()) node.overlay.handle_timeout(now());
      break;
    case Kind::link_down: link_down(event.node, event.peer); break;
    case Kind::dialled: on_dialled(event.node, event.peer); break;
    case Kind::ping: ping(event.node, event.peer); break;
    case Kind::publish: publish(event.node); break;
    case Kind::crash: return crash({event.node});
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
  settle_overlay(number);
  const Timestamp deadline = std::max(std::min(node.tree.next_timeout(), node.overlay.next_timeout()), now());
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
  const bool in_order = options_.streams && !(options_.lanes && std::holds_alternative<frame::Gossip>(frame));
  const auto shared = std::make_shared<Frame>(std::move(frame));
  for (PeerId peer : to) {
    LinkEnd& end = nodes_[number].links[static_cast<std::size_t>(peer)];
    Timestamp arrives = now() + end.latency;
    bool gone = false;
    while (!gone && options_.loss > 0 && rng_.chance(options_.loss)) {
      ++counters_.frames_lost;
      gone = !options_.streams;
      arrives = arrives + end.latency * 2 + 5ms;
    }
    if (gone) continue;
    if (in_order) arrives = end.clear_at = std::max(arrives, end.clear_at);
    busy_frames_ += busy ? 1 : 0;
    queue_.push(arrives, {Kind::frame, end.far, end.far_peer, shared});
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
  if (tracked.has[number] != 0) return violated(" delivered twice: ");
  const bool soon = now() - tracked.result.published <= 1s;
  tracked.has[number] = soon ? 2 : 1;
  if (++tracked.live_have == alive_) --open_;
  if (soon) ++tracked.result.within_second;
  tracked.result.largest_hop = std::max<std::uint64_t>(tracked.result.largest_hop, delivery.round);
  tracked.result.last_delivery = now() - tracked.result.published;
}

void TreeSim::publish(std::uint32_t origin) {
  Node& node = nodes_[origin];
  const MessageId id{node.instance, ++node.published};
  Tracked& tracked = tracked_[id];
  tracked.result = {.id = id, .origin = origin, .published = now()};
  tracked.has.resize(nodes_.size());
  tracked.has[origin] = 1;
  tracked.live_have = 1;
  current_.push_back(id);
  if (alive_ > 1) ++open_;
  last_busy_ = now();
  if (trace_.printing()) {
    trace_.line(now(), node.name + "        publish " + node.name + "-" + std::to_string(id.sequence));
  }
  node.tree.publish(id.sequence, "t", payload_, false, now());
}

std::vector<TreeSim::Broadcast> TreeSim::round(const std::vector<std::uint32_t>& origins, Duration limit) {
  std::vector<Planned> plan;
  for (const std::uint32_t origin : origins) plan.push_back({0s, origin, false});
  return run_plan(plan, limit);
}

std::vector<TreeSim::Broadcast> TreeSim::run_plan(const std::vector<Planned>& plan, Duration limit) {
  Duration longest{0};
  for (const Planned& one : plan) {
    longest = std::max(longest, one.after);
    ++open_;
    queue_.push(now() + one.after, {one.crash ? Kind::crash : Kind::publish, one.node, 0, nullptr});
  }
  const Timestamp end = now() + longest + limit;
  last_busy_ = now();
  while (!queue_.empty() && queue_.next() <= end) {
    if (open_ == 0 && busy_frames_ == 0 && queue_.next() > last_busy_ + kQuiet) {
      queue_.advance(last_busy_ + kQuiet);
      break;
    }
    step();
  }
  if (open_ > 0) queue_.advance(end);
  open_ = 0;
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
  if (victims.empty()) return;  // or members would be told of nothing, and too early of the next
  for (std::uint32_t victim : victims) {
    if (!std::exchange(nodes_[victim].alive, false)) continue;
    --alive_;
    for (const MessageId& id : current_) {
      Tracked& tracked = tracked_[id];
      const bool was_open = tracked.live_have < alive_ + 1;
      if (tracked.has[victim] != 0) --tracked.live_have;
      if (tracked.has[victim] == 2) --tracked.result.within_second;
      if (was_open && tracked.live_have == alive_) --open_;
    }
  }
  if (options_.repair) {
    members_told_ = false;
    queue_.push(now() + kDetection, {Kind::members, 0, 0, nullptr});
  }
  if (options_.silent) return;
  for (std::uint32_t victim : victims) {
    for (const LinkEnd& end : nodes_[victim].links) {
      if (end.up) queue_.push(now() + end.latency, {Kind::link_down, end.far, end.far_peer, nullptr});
    }
  }
}

}  // namespace plumvine::sim
