#include <algorithm>
#include <functional>
#include <utility>

#include "regions.hpp"
#include "tree_sim.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// An overlay looks at its sample and, when dials fail, at some more; at the next of the ring when its neighbours die.
constexpr std::size_t kLiked = 256;
constexpr std::size_t kLikedTold = 96;
constexpr std::size_t kRingTold = 8;

PeerId number(std::uint32_t node) { return PeerId{node}; }
std::uint32_t node_of(PeerId peer) { return static_cast<std::uint32_t>(peer); }

}  // namespace

void TreeSim::build_overlay() {
  for (const Node& node : nodes_) positions_.push_back(overlay::ring_position(node.instance, node.name));
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) ring_.push_back(i);
  std::sort(ring_.begin(), ring_.end(), [this](std::uint32_t a, std::uint32_t b) { return positions_[a] < positions_[b]; });
  choose_liked();
  members_told_ = false;
  tell_members();
  // The first links are just there.
  const auto make_links = [&] {
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      for (bool more = true; more;) {
        more = false;
        while (auto output = nodes_[i].overlay.poll_output()) {
          const auto* dial = std::get_if<overlay::Dial>(&*output);
          if (dial == nullptr || link_to(i, node_of(dial->peer))) continue;
          link(i, node_of(dial->peer), draw_latency(i, node_of(dial->peer)));
          more = true;
        }
      }
    }
  };
  make_links();
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) settle(i);
}

void TreeSim::choose_liked() {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> draws;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].alive) continue;
    const auto alive_liked = std::count_if(nodes_[i].liked.begin(), nodes_[i].liked.end(),
                                           [this](std::uint32_t other) { return nodes_[other].alive; });
    if (static_cast<std::size_t>(alive_liked) >= std::min<std::size_t>(kLikedTold, alive_ - 1)) continue;
    draws.clear();
    for (std::uint32_t other = 0; other < nodes_.size(); ++other) {
      if (other != i && nodes_[other].alive) draws.emplace_back(overlay::chord_weight(positions_[i], positions_[other]), other);
    }
    const std::size_t kept = std::min(kLiked, draws.size());
    std::partial_sort(draws.begin(), draws.begin() + static_cast<std::ptrdiff_t>(kept), draws.end(), std::greater<>{});
    nodes_[i].liked.clear();
    for (std::size_t k = 0; k < kept; ++k) nodes_[i].liked.push_back(draws[k].second);
  }
}

std::vector<Candidate> TreeSim::candidates_of(std::uint32_t node) const {
  std::vector<std::uint32_t> chosen;
  for (const std::uint32_t other : nodes_[node].liked) {
    if (nodes_[other].alive && chosen.size() < kLikedTold) chosen.push_back(other);
  }
  const auto at = static_cast<std::size_t>(
      std::lower_bound(ring_.begin(), ring_.end(), positions_[node],
                       [this](std::uint32_t a, std::uint64_t position) { return positions_[a] < position; }) -
      ring_.begin());
  for (const std::size_t step : {std::size_t{1}, ring_.size() - 1}) {
    std::size_t taken = 0;
    for (std::size_t i = 1, place = at; i < ring_.size() && taken < kRingTold; ++i) {
      place = (place + step) % ring_.size();
      if (!nodes_[ring_[place]].alive) continue;
      chosen.push_back(ring_[place]);
      ++taken;
    }
  }
  for (const LinkEnd& end : nodes_[node].links) {
    if (end.up && nodes_[end.far].alive) chosen.push_back(end.far);
  }
  std::vector<Candidate> out;
  for (const std::uint32_t other : chosen) out.push_back({number(other), nodes_[other].instance, nodes_[other].name});
  return out;
}

std::optional<std::uint32_t> TreeSim::link_to(std::uint32_t node, std::uint32_t far) const {
  const auto& links = nodes_[node].links;
  for (std::uint32_t peer = 0; peer < links.size(); ++peer) {
    if (links[peer].up && links[peer].far == far) return peer;
  }
  return std::nullopt;
}

Duration TreeSim::draw_latency(std::uint32_t a, std::uint32_t b) {
  if (options_.regions) return region_latency(nodes_[a].region, nodes_[b].region);
  return options_.latency_min + rng_.jitter(options_.latency_max - options_.latency_min + 1ns);
}

void TreeSim::link(std::uint32_t dialler, std::uint32_t far, Duration latency) {
  const auto peer_here = static_cast<std::uint32_t>(nodes_[dialler].links.size());
  const auto peer_there = static_cast<std::uint32_t>(nodes_[far].links.size());
  nodes_[dialler].links.push_back({far, peer_there, latency, true, {}});
  nodes_[far].links.push_back({dialler, peer_here, latency, true, {}});
  ++links_;
  const auto up = [&](std::uint32_t node, std::uint32_t peer, std::uint32_t other) {
    nodes_[node].overlay.link_up(number(other), node == dialler, now());
    nodes_[node].tree.peer_up(PeerId{peer}, {nodes_[other].instance, nodes_[other].name, latency * 2}, now());
    nodes_[node].tree.set_rtt(PeerId{peer}, latency * 2, latency * 2, Duration{0}, now());
    if (options_.streams) queue_.push(now() + rng_.jitter(options_.link.ping_interval), {Kind::ping, node, peer, nullptr});
  };
  up(dialler, peer_here, far);
  up(far, peer_there, dialler);
}

void TreeSim::link_down(std::uint32_t number_here, std::uint32_t peer) {
  Node& node = nodes_[number_here];
  LinkEnd& end = node.links[peer];
  if (!std::exchange(end.up, false)) return;
  if (trace_.printing()) trace_.line(now(), node.name + "  link to " + nodes_[end.far].name + " broke");
  if (!nodes_[end.far].links[end.far_peer].up || !nodes_[end.far].alive) --links_;
  node.tree.peer_down(PeerId{peer}, now());
  node.overlay.link_down(number(end.far), now());
}

void TreeSim::ping(std::uint32_t node, std::uint32_t peer) {
  if (!nodes_[node].links[peer].up) return;
  frame::Ping ping;
  ping.sent_us = now().ns / 1000;
  send(node, {PeerId{peer}}, ping);
  queue_.push(now() + options_.link.ping_interval, {Kind::ping, node, peer, nullptr});
}

/// What the engine does with these, not the tree. Returns false for all other frames.
bool TreeSim::keep_alive(std::uint32_t node, std::uint32_t peer, const Frame& frame) {
  if (const auto* ping = std::get_if<frame::Ping>(&frame)) {
    frame::Pong pong;
    pong.sent_us = ping->sent_us;
    send(node, {PeerId{peer}}, pong);
    return true;
  }
  const auto* pong = std::get_if<frame::Pong>(&frame);
  if (pong == nullptr) return false;
  const Duration least = nodes_[node].links[peer].latency * 2;
  const Duration last = std::max<Duration>(least, std::chrono::microseconds{now().ns / 1000 - pong->sent_us});
  nodes_[node].tree.set_rtt(PeerId{peer}, least, last, Duration{0}, now());
  return true;
}

void TreeSim::on_dialled(std::uint32_t node, std::uint32_t far) {
  if (link_to(node, far)) return;
  const bool answers = nodes_[far].alive && nodes_[far].overlay.accepts(number(node)) && !link_to(far, node);
  if (!answers) return nodes_[node].overlay.dial_failed(number(far), now());
  link(node, far, draw_latency(node, far));
  settle(far);
}

void TreeSim::settle_overlay(std::uint32_t node) {
  while (auto output = nodes_[node].overlay.poll_output()) {
    if (!options_.repair) continue;
    if (const auto* dial = std::get_if<overlay::Dial>(&*output)) {
      const std::uint32_t far = node_of(dial->peer);
      const bool unanswered = options_.silent && !nodes_[far].alive;
      const Duration wait = unanswered ? options_.link.handshake_timeout : draw_latency(node, far) * 2;
      queue_.push(now() + wait, {Kind::dialled, node, far, nullptr});
    } else if (const auto* drop = std::get_if<overlay::Drop>(&*output)) {
      const auto peer = link_to(node, node_of(drop->peer));
      if (!peer) continue;
      const LinkEnd end = nodes_[node].links[*peer];
      link_down(node, *peer);
      queue_.push(now() + end.latency, {Kind::link_down, end.far, end.far_peer, nullptr});
      settle(node);
    }
  }
}

/// All learn of all deaths so far: new roots are chosen, nobody dials the dead, and links to them are given up.
void TreeSim::tell_members() {
  if (std::exchange(members_told_, true)) return;
  std::vector<std::uint32_t> alive = alive_nodes();
  std::sort(alive.begin(), alive.end(),
            [this](std::uint32_t a, std::uint32_t b) { return nodes_[a].instance < nodes_[b].instance; });
  TreeMembers members;
  members.dead = nodes_.size() - alive.size();
  for (const std::uint32_t i : alive) {
    members.alive.push_back(nodes_[i].instance);
    if (options_.regions) members.zones.emplace_back(regions()[nodes_[i].region].name);
  }
  choose_liked();
  for (const std::uint32_t i : alive) {
    Node& node = nodes_[i];
    for (std::uint32_t peer = 0; peer < node.links.size(); ++peer) {
      if (node.links[peer].up && !nodes_[node.links[peer].far].alive) link_down(i, peer);
    }
    std::vector<Candidate> candidates = candidates_of(i);
    if (options_.regions) {
      std::map<PeerId, Duration> rtts;
      for (const Candidate& one : candidates) rtts[one.peer] = region_latency(node.region, nodes_[node_of(one.peer)].region) * 2;
      node.overlay.set_rtts(std::move(rtts), now());
    }
    node.overlay.set_candidates(std::move(candidates), now());
    node.tree.set_members(members, now());
    if (!node.links.empty()) settle(i);
  }
}

}  // namespace plumvine::sim
