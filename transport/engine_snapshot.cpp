#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "engine_impl.hpp"

#ifndef PLUMVINE_VERSION
#define PLUMVINE_VERSION "unknown"
#endif

namespace plumvine {

Snapshot Engine::Impl::snapshot(const TransportStats& transport) {
  Snapshot s;
  s.at = now_;
  s.uptime_s = to_seconds(now_ - started_);
  s.version = PLUMVINE_VERSION;
  s.name = config_.name;
  s.instance = identity_.instance;
  s.address = identity_.advertise;

  std::vector<swim::MemberDetail> members = swim_->details();
  s.members.reserve(members.size());
  auto known = known_.begin();  // by name as well: many members are not looked up one by one
  for (swim::MemberDetail& detail : members) {
    const Member* member = detail.member;
    while (known != known_.end() && known->first < member->name) ++known;
    const bool speaks = known != known_.end() && known->first == member->name;
    const bool self = member->name == config_.name;
    auto rtt = self ? std::nullopt : detail.rtt;
    if (!rtt && !self && serf_) rtt = serf_->estimate(member->name);
    s.members.push_back({.member = *member,
                         .rtt_s = rtt ? to_seconds(*rtt) : -1,
                         .packets = detail.packets,
                         .contact = detail.contact,
                         .incompatible = std::move(detail.incompatible),
                         .no_link = speaks ? no_link(known->second) : std::string{},
                         .accused_by = std::move(detail.accusers),
                         .speaks_links = self || speaks,
                         .self = self});
  }
  s.links = link_infos();
  s.trees = tree_infos();
  s.seeds = swim_->seeds();
  s.other_cluster = last_of(swim_->other_cluster(), other_cluster_link_);
  s.other_key = last_of(swim_->other_key(), other_key_link_);
  s.in_clear = last_of(swim_->in_clear(), in_clear_link_);
  if (const auto holder = swim_->name_holder(now_); holder && !left_) s.name_holder = holder->to_string();
  s.origins = tree_.origins();
  s.topics = tree_.topics();
  s.large = tree_.large(now_);

  s.swim = swim_->stats();
  s.swim.plaintext_frames += clear_frames_;
  if (serf_) s.swim.serf_messages = serf_->messages();
  for (const auto what : {SerfMessage::fresh, SerfMessage::malformed, SerfMessage::stranger, SerfMessage::sent})
    s.swim.serf_messages.add(what, key_queries_->messages()[what]);
  s.swim.serf_messages.add(SerfMessage::dropped, s.swim.user_dropped + (bridge_ ? bridge_->dropped() : 0));
  for (const auto what : {SerfMessage::malformed, SerfMessage::too_large, SerfMessage::repeated, SerfMessage::bad_name})
    s.swim.serf_messages.add(what, bridge_counts_[what]);
  s.tree = tree_.stats(now_);
  s.tree.slow = slow_deliveries_;
  for (std::size_t i = 0; i < CountedReasons<FrameReject>::kSize; ++i) {
    const auto reason = static_cast<FrameReject>(i);
    s.tree.frames_rejected.add(reason, rejected_[reason]);
  }
  s.transport = transport;
  s.transport.connections_refused += refused_;
  s.transport.accepts_limited = accepts_limited_;
  s.transport.graylisted = guard_.punished();
  s.transport.blocked = guard_.blocked();
  s.graylist = guard_.graylist(now_);
  s.refused_origins = tree_.refused_origins(now_);
  s.signatures_required = config_.tree.sign_origins == SignOrigins::require;
  s.blocks = guard_.block_infos(now_);
  s.accusers = swim_->accusers(now_);
  s.transport.tls.rejected.add(TlsReject::wrong_name, wrong_names_);
  s.transport.queue_overflows += queues_overflowed_;
  s.transport.queues = queue_counts_;
  s.tree.gossip_sent -= queue_counts_.recalled;
  for (const auto& [id, conn] : conns_) add_counts(s.transport.queues, conn->queue);
  s.transport.direct = direct_counts_;
  s.keys = key_infos();
  s.window = window_.sums(now_, RateWindow::Totals::of(s.tree));

  s.joined = swim_->joined();
  s.synced = tree_.synced();
  s.left = left_ || swim_->has_left();
  s.not_ready_reason = not_ready();
  s.partition = partition_;
  s.unreachable = unreachable_;
  s.silent_s = to_seconds(now_ - std::max(heard_, started_));
  s.silence_limit_s = to_seconds(silence_limit());
  const swim::Unanswered unanswered = swim_->unanswered(now_);
  s.unanswered_s = to_seconds(unanswered.span);
  s.unanswered = unanswered.questions;
  s.unanswered_members = unanswered.members;

  s.bounds = {{"members_max", s.members.size(), config_.swim.members_max},
              {"origins_max", s.tree.seen_origins, config_.tree.origins_max},
              {"topics_max", s.tree.topics, config_.tree.topics_max},
              {"half_open_max", half_open(), config_.link.half_open_max}};
  s.target_eager = std::min<std::uint64_t>(config_.tree.eager_fanout, links_up_);
  s.cache_capacity = config_.tree.message_cache_max_size;
  s.cache_bytes_capacity = config_.tree.message_cache_max_bytes;
  s.invariant_violations = invariant_violations_;
  s.cache_ttl_s = to_seconds(config_.tree.message_cache_ttl);
  s.graft_timeout_s = to_seconds(config_.tree.graft_timeout);
  s.cache_need_s = to_seconds(config_.tree.ihave_interval + config_.tree.graft_timeout * static_cast<std::int64_t>(config_.tree.graft_max_retries) +
                              config_.tree.sync_interval);
  s.expected = config_.health.expected_members;
  s.expected_min = config_.health.expected_members_min;
  s.cache_reduced = cache_reduced_;
  s.tree_options = tree_options_;
  s.lag_warning_s = to_seconds(config_.health.lag_warning);
  s.lag_critical_s = to_seconds(config_.health.lag_critical);
  for (const LinkInfo& link : s.links) {
    s.queue_bytes += link.queue_bytes;
    if (std::abs(link.clock_offset_s) > std::abs(s.clock_offset_s)) s.clock_offset_s = link.clock_offset_s;
  }
  return s;
}

std::string Engine::Impl::no_link(const KnownMember& known) const {
  if (!known.peer) return {};
  const Peer& peer = peers_[*known.peer];
  return now_ - peer.no_link_at < kNoLinkShown ? peer.no_link : std::string{};
}

StrangerInfo Engine::Impl::last_of(const swim::Stranger& a, const swim::Stranger& b) const {
  if (a.count + b.count == 0) return {};
  const swim::Stranger& last = b.count == 0 || (a.count > 0 && a.at > b.at) ? a : b;
  return {last.from.to_string(), a.count + b.count, to_seconds(now_ - last.at)};
}

std::string Engine::Impl::not_ready() const {
  if (left_ || swim_->has_left()) return "the node has left the cluster";
  if (!swim_->joined() && config_.seeds.empty()) return "not joined: asking the members known from before";
  if (!swim_->joined()) return "not joined: no seed has answered yet";
  if (!tree_.synced()) return "not synced: no neighbour has told yet what there is";
  return {};
}

/// Neighbours ping over links, where nothing is lost for good: two pings in a row do not fail to come. Without links others answer probes, of which three are
/// not all lost at once.
Duration Engine::Impl::silence_limit() const {
  constexpr Duration kLeast = std::chrono::seconds{3};
  if (links_up_ == 0) return std::max(kLeast, 3 * config_.swim.probe_interval);
  return std::max(kLeast, std::min(config_.link.ping_interval, config_.swim.probe_interval) * 9 / 4);
}

std::vector<LinkInfo> Engine::Impl::link_infos() const {
  const std::vector<PeerId> protected_peers = overlay_.protected_neighbors();
  std::vector<LinkInfo> infos;
  for (const auto& [id, conn] : conns_) {
    if (!conn->link) continue;
    const Link& link = *conn->link;
    LinkInfo info;
    info.peer = link.name.empty() ? conn->remote.to_string() : link.name;
    info.instance = link.instance;
    info.state = link.state();
    info.outbound = link.outbound();
    if (link.state() == LinkState::up) {
      info.role = tree_.role(*link.peer);
      info.is_protected = std::find(protected_peers.begin(), protected_peers.end(), *link.peer) != protected_peers.end();
      info.congested = link.credit <= 0;
      info.graft_timeout_s = to_seconds(tree_.graft_timeout(*link.peer));
    }
    if (!link.clock().empty()) {
      const ClockSample best = link.clock().best();
      info.rtt_s = to_seconds(best.rtt);
      info.clock_offset_s = to_seconds(best.wall_offset);
    }
    info.score = link.score(now_, info.congested);
    if (link.peer && peers_.valid(*link.peer) && now_ - peers_[*link.peer].offences_since <= std::chrono::minutes{1})
      info.score *= 1.0 - static_cast<double>(std::min(peers_[*link.peer].offences, kOffencesMax)) / kOffencesMax;
    info.queue_bytes = conn->queue.bytes();
    info.queue_messages = conn->queue.messages();
    info.sent_bytes = link.sent_bytes;
    info.received_bytes = link.received_bytes();
    info.last_frame_s = to_seconds(now_ - link.last_received());
    info.up_s = link.greeted_at() <= now_ ? to_seconds(now_ - link.greeted_at()) : 0;
    infos.push_back(std::move(info));
  }
  std::stable_sort(infos.begin(), infos.end(), [](const LinkInfo& a, const LinkInfo& b) { return a.peer < b.peer; });
  return infos;
}

std::vector<TreeInfo> Engine::Impl::tree_infos() const {
  const auto name_of = [&](PeerId id) { return peers_.valid(id) ? peers_[id].name : std::string{}; };
  const auto names_of = [&](const std::vector<PeerId>& ids) {
    std::vector<std::string> names;
    for (PeerId id : ids) names.push_back(name_of(id));
    std::sort(names.begin(), names.end());
    return names;
  };
  std::vector<TreeInfo> infos;
  for (const Tree::View& view : tree_.views(now_)) {
    TreeInfo info;
    info.tree = view.tree;
    const InstanceId root{static_cast<std::uint64_t>(view.tree)};
    if (root == identity_.instance) {
      info.root = config_.name;
    } else if (const auto peer = peers_.find(root); peer && view.tree != kSharedTree) {
      info.root = peers_[*peer].name;
    }
    info.epoch = view.epoch;
    info.settled = view.settled;
    if (view.parent) info.parent = name_of(*view.parent);
    info.eager = names_of(view.eager);
    info.lazy = names_of(view.lazy);
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<std::string> Engine::Impl::check_invariants() const {
  std::vector<std::string> broken = tree_.check_invariants();
  check_members(broken);
  check_links(broken);
  return broken;
}

void Engine::Impl::check_members(std::vector<std::string>& broken) const {
  std::array<std::size_t, 4> by_state{};
  for (const auto& [name, known] : known_) {
    ++by_state[static_cast<std::size_t>(known.state)];
    const Member* member = swim_->find(name);
    if (!member) {
      broken.push_back("engine: " + name + " is no member but known as one that speaks links");
    } else if (member->state != known.state) {
      broken.push_back("engine: " + name + " is " + std::string{to_string(member->state)} + " but known as " +
                       std::string{to_string(known.state)});
    }
    if (known.peer && (!peers_.valid(*known.peer) || peers_[*known.peer].name != name)) {
      broken.push_back("engine: " + name + " has the number of another peer");
    }
  }
  if (by_state != known_by_state_) broken.push_back("engine: members by state are miscounted");
}

void Engine::Impl::check_links(std::vector<std::string>& broken) const {
  std::set<PeerId> up;
  for (const auto& [id, conn] : conns_) {
    if (!conn->link || conn->link->state() != LinkState::up) continue;
    const Link& link = *conn->link;
    if (link.name == config_.name) broken.push_back("engine: a link to ourselves");
    if (!link.peer || !peers_.valid(*link.peer) || peers_[*link.peer].link != id) {
      broken.push_back("engine: the link to " + link.name + " is up but not its peer's link");
      continue;
    }
    if (!up.insert(*link.peer).second) broken.push_back("engine: two links to " + link.name + " are up");
    const auto known = known_.find(link.name);
    if (known == known_.end() || known->second.instance != link.instance) {
      broken.push_back("engine: a link to " + link.name + ", which is no known member");
    } else if (known->second.state == MemberState::dead) {
      broken.push_back("engine: a link to " + link.name + ", which is dead");
    }
    const auto bound = config_.link.queue_max_bytes + static_cast<std::uint64_t>(full_credit());
    if (conn->queue.bytes() > bound) broken.push_back("engine: the send queue to " + link.name + " is above its bound");
  }
  if (up.size() != links_up_) broken.push_back("engine: links that are up are miscounted");
  for (const Tree::View& view : tree_.views(now_)) {
    std::set<PeerId> in_tree(view.eager.begin(), view.eager.end());
    in_tree.insert(view.lazy.begin(), view.lazy.end());
    if (in_tree.size() != view.eager.size() + view.lazy.size()) broken.push_back("engine: a peer is eager and lazy in one tree");
    if (in_tree != up) broken.push_back("engine: the peers of a tree are not those with a link");
  }
}

}  // namespace plumvine
