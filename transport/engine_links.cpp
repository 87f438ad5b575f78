// Links: dialling, greeting, the tie-break of crossed dials, keep-alive, the end.
#include <utility>

#include "batch_reader.hpp"
#include "codes.hpp"
#include "engine_impl.hpp"
#include "plumtree/wire.hpp"

namespace plumvine {

namespace {
using Why = frame::Bye::Why;

std::string_view to_text(Why why) noexcept {
  switch (why) {
    case Why::leaving: return "it leaves the cluster";
    case Why::duplicate_link: return "there is another link";
    case Why::overlay: return "it has more links than it needs";
    case Why::wrong_cluster: return "it is in another cluster";
    case Why::incompatible: return "it speaks another version";
    case Why::not_accepted: return "it has no room for the link or does not know us yet";
    case Why::misbehaved: return "it says that we broke the protocol";
  }
  return "unknown reason";
}
}  // namespace

// ---- dialling ----

void Engine::Impl::dial(PeerId id) {
  if (!peers_.valid(id)) return;
  Peer& peer = peers_[id];
  if (peer.dialling != kNoConn || peer.link != kNoConn) return;
  const auto known = known_.find(peer.name);
  const bool there = known != known_.end() && known->second.peer == id && is_there(known->second.state);
  const Member* member = there ? swim_->find(peer.name) : nullptr;
  const Endpoint to = member ? member->endpoint() : Endpoint{};
  if (to.port == 0 || to.is_unspecified() || !kept_out(peer.name, to).empty()) {
    overlay_.dial_failed(id, now_);
    return;
  }
  const ConnId conn_id{next_conn_};
  next_conn_ += 2;
  Connection& conn = open(conn_id, ConnKind::link, to);
  conn.link = std::make_unique<Link>(config_.link, true, chunks_, config_.tree.max_message_size, now_);
  conn.link->name = peer.name;
  conn.link->instance = peer.instance;
  conn.link->peer = id;
  if (seals_links() && config_.swim.gossip_verify_outgoing) seal_outbound(conn);
  peer.dialling = conn_id;
  set_timer(conn);
  actions_.push(engine::Dial{conn_id, to, quic_port_of(*member)});
}

/// Our attempt ended without a link. The overlay tries again later, unless the peer has a link meanwhile.
void Engine::Impl::dial_over(Connection& conn, std::string_view why) {
  const Link& link = *conn.link;
  if (!link.outbound() || !link.peer || !peers_.valid(*link.peer)) return;
  Peer& peer = peers_[*link.peer];
  if (peer.dialling != conn.id) return;
  peer.dialling = kNoConn;
  if (peer.link != kNoConn) return;
  log(LogLevel::info, "link", code::kDialFailed, peer.name,
      "No link to " + peer.name + " at " + conn.remote.to_string() + ": " + std::string{why},
      {{"peer", peer.name}, {"address", conn.remote.to_string()}, {"reason", std::string{why}}});
  overlay_.dial_failed(*link.peer, now_);
}

/// The network did not bring us there; what the peer itself says against a link is no such thing.
void Engine::Impl::not_reached(Connection& conn, std::string_view why) {
  const Link& link = *conn.link;
  if (link.outbound() && link.peer && peers_.valid(*link.peer)) {
    peers_[*link.peer].no_link = why;
    peers_[*link.peer].no_link_at = now_;
  }
  dial_over(conn, why);
}

void Engine::Impl::dial_failed(Connection& conn, std::string_view why) {
  not_reached(conn, why);
  close_now(conn, CloseMode::abort);
}

// ---- frames ----

void Engine::Impl::take_frames(Connection& conn) {
  while (!conn.closed) {
    FrameReject reason = FrameReject::malformed;
    std::optional<Result<Frame>> next = conn.link->decoder.next(reason);
    if (!next) return;
    if (next->has_value()) {
      on_frame(conn, std::move(**next));
      continue;
    }
    on_bad_frame(conn, reason, next->error());
    if (reason != FrameReject::unknown_type) return;
  }
}

void Engine::Impl::take_batch(Connection& conn, const Bytes& frames) {
  BatchReader reader{frames, config_.tree.max_message_size};
  do {
    FrameReject reason = FrameReject::malformed;
    Result<Frame> frame = reader.next(reason);
    if (frame) {
      on_frame(conn, std::move(*frame));
    } else {
      on_bad_frame(conn, reason, frame.error());
    }
  } while (!conn.closed && !conn.closing && !reader.done());
}

/// A frame of a type that we do not know comes from a newer version and is skipped; anything else ends the link.
void Engine::Impl::on_bad_frame(Connection& conn, FrameReject reason, const Error& error) {
  rejected_.add(reason);
  Link& link = *conn.link;
  if (reason == FrameReject::unknown_type && link.greeted()) return;
  const std::string who = link.name.empty() ? conn.remote.to_string() : link.name;
  log(LogLevel::warn, "link", code::kBadFrame, who, "Closing the link to " + who + ": " + error.message,
      {{"peer", who}, {"reason", error.message}});
  if (link.peer && peers_.valid(*link.peer)) mark_offence(peers_[*link.peer], kBadFrameWeight, std::string{to_string(reason)});
  if (conn.closed) return;
  if (link.state() == LinkState::up) {
    link_down(conn, "it broke the protocol: " + error.message);
  } else {
    dial_over(conn, error.message);
  }
  // What follows in the stream cannot be read, so there is nothing to wait for.
  put(conn, wire::encode(frame::Bye{Why::misbehaved}), Lane::last);
  link.drain(now_);
  conn.closing = true;
  set_timer(conn);
}

void Engine::Impl::trace(const Connection& conn, std::string_view way, const wire::Encoded& frame) {
  const std::string who = conn.link && !conn.link->name.empty() ? conn.link->name : conn.remote.to_string();
  log(LogLevel::trace, "link", code::kFrame, who, "Frame " + std::string(way) + " " + who + ": " + wire::describe(frame),
      {{"peer", who}, {"way", std::string(way)}});
}

void Engine::Impl::on_frame(Connection& conn, Frame&& frame) {
  Link& link = *conn.link;
  if (log_.wants(LogLevel::trace)) trace(conn, "from", wire::encode(frame));
  if (in_clear(link)) ++clear_frames_;
  if (const auto* bye = std::get_if<frame::Bye>(&frame)) return on_bye(conn, bye->why);
  switch (link.state()) {
    case LinkState::greeting:
      return on_greeting(conn, std::move(frame));
    case LinkState::up:
      if (const auto* ping = std::get_if<frame::Ping>(&frame)) return on_ping(conn, *ping);
      if (const auto* pong = std::get_if<frame::Pong>(&frame)) return on_pong(conn, *pong);
      if (const auto* forget = std::get_if<frame::Forget>(&frame)) return on_forget(*forget);
      if (auto* direct = std::get_if<frame::Direct>(&frame)) return on_direct(conn, std::move(*direct));
      if (const auto* ack = std::get_if<frame::DirectAck>(&frame)) return on_direct_ack(conn, *ack);
      if (std::holds_alternative<frame::Hello>(frame)) {
        rejected_.add(FrameReject::unexpected);
        return misbehaved(*link.peer, FrameReject::unexpected);
      }
      tree_.handle_frame(*link.peer, std::move(frame), now_);
      return;
    case LinkState::draining:
      // The other end sent these before it knew of the second link.
      if (!link.superseded || !link.peer || !peers_.valid(*link.peer) || peers_[*link.peer].link == kNoConn) return;
      if (std::holds_alternative<frame::Ping>(frame) || std::holds_alternative<frame::Pong>(frame)) return;
      if (std::holds_alternative<frame::Hello>(frame)) return;
      if (const auto* forget = std::get_if<frame::Forget>(&frame)) return on_forget(*forget);
      if (auto* direct = std::get_if<frame::Direct>(&frame)) return on_direct(conn, std::move(*direct));
      if (const auto* ack = std::get_if<frame::DirectAck>(&frame)) return on_direct_ack(conn, *ack);
      tree_.handle_frame(*link.peer, std::move(frame), now_);
      return;
    case LinkState::visiting:
      if (auto* direct = std::get_if<frame::Direct>(&frame)) return on_direct(conn, std::move(*direct));
      if (const auto* ack = std::get_if<frame::DirectAck>(&frame)) return on_direct_ack(conn, *ack);
      return on_bad_frame(conn, FrameReject::unexpected,
                          {Errc::malformed, std::string{wire::name_of(frame)} + " on a connection for direct messages"});
    case LinkState::dialling:
    case LinkState::count_:
      return;
  }
}

// ---- greeting ----

void Engine::Impl::greet(Connection& conn) {
  const frame::Hello hello{.cluster = self_.cluster, .name = self_.name, .instance = self_.instance};
  put_control(conn, conn.link->visit ? Frame{frame::Visit{hello}} : Frame{hello});
}

void Engine::Impl::on_greeting(Connection& conn, Frame frame) {
  if (const auto* visit = std::get_if<frame::Visit>(&frame); visit && !conn.link->waiting) return on_visit(conn, *visit);
  if (auto* hello = std::get_if<frame::Hello>(&frame); hello && !conn.link->waiting && !conn.link->visit) {
    return on_hello(conn, std::move(*hello));
  }
  on_bad_frame(conn, FrameReject::unexpected, {Errc::malformed, std::string{wire::name_of(frame)} + " before the greeting"});
}

void Engine::Impl::on_hello(Connection& conn, frame::Hello hello) {
  Link& link = *conn.link;
  const Greeting greeting = link.judge(hello, self_);
  if (greeting != Greeting::good) return refuse(conn, greeting, hello);
  if (!may_be(conn, hello.name) || turn_away(conn, hello.name)) return;
  if (!link.outbound()) {
    link.name = hello.name;
    link.instance = hello.instance;
    link.waiting = std::move(hello);
    return try_accept(conn);
  }
  Peer& peer = peers_[*link.peer];
  if (peer.link != kNoConn) return end_link(conn, Why::duplicate_link, "there is another link");
  link_up(conn, *link.peer);
}

void Engine::Impl::label_differs(const Connection& conn) {
  rejected_.add(FrameReject::wrong_label);
  other_cluster_link_ = {conn.remote, now_, other_cluster_link_.count + 1};
}

void Engine::Impl::refuse(Connection& conn, Greeting greeting, const frame::Hello& hello) {
  const std::string where = conn.remote.to_string();
  Why why = Why::not_accepted;
  std::string text;
  if (greeting == Greeting::wrong_cluster) {
    why = Why::wrong_cluster;
    label_differs(conn);
    text = "No link to " + hello.name + " at " + where + ": its cluster is \"" + hello.cluster + "\", ours is \"" +
           self_.cluster + "\"";
    log(LogLevel::warn, "link", code::kWrongLabel, where, text, {{"peer", hello.name}, {"address", where}, {"cluster", hello.cluster}});
  } else {
    rejected_.add(FrameReject::bad_hello);
    if (greeting == Greeting::other_version) why = Why::incompatible;
    text = "No link to " + where + ": " +
           (greeting == Greeting::other_version ? "it speaks version " + std::to_string(hello.version)
            : greeting == Greeting::ourselves   ? "it has our own name or instance"
                                                : "it is " + hello.name + " " + to_string(hello.instance) +
                                                    ", not the member we know there");
    log(LogLevel::warn, "link", code::kBadHello, where, text, {{"peer", hello.name}, {"address", where}});
  }
  end_link(conn, why, text);
}

/// An inbound link has greeted: is it a member, and do we want it? Membership may learn of the member a moment later.
void Engine::Impl::try_accept(Connection& conn) {
  Link& link = *conn.link;
  if (byes_sent_ || left_) return end_link(conn, Why::not_accepted, "we left the cluster");
  const auto known = known_.find(link.name);
  if (known == known_.end() || known->second.instance != link.instance || !known->second.peer) return;
  if (!is_there(known->second.state)) return;
  if (turn_away(conn, link.name)) return;  // its address is known only now
  const PeerId id = *known->second.peer;
  Peer& peer = peers_[id];
  link.peer = id;
  if (peer.link != kNoConn || peer.dialling != kNoConn) {
    if (!win_tie(peer)) {
      log(LogLevel::debug, "link", code::kDuplicateLink, peer.name, "Keeping our own link to " + peer.name, {{"peer", peer.name}});
      return end_link(conn, Why::duplicate_link, "there is another link");
    }
  } else if (!overlay_.accepts(id)) {
    log(LogLevel::debug, "link", code::kLinkRefused, peer.name, "No room for a link from " + peer.name, {{"peer", peer.name}});
    return end_link(conn, Why::not_accepted, "no room");
  }
  greet(conn);
  link_up(conn, id);
}

/// Both ends dialled. The connection stays whose dialler has the smaller instance; an attempt that is not greeted yet
/// gives way, and a peer that dials again has lost what it had. True when the new one takes over.
bool Engine::Impl::win_tie(Peer& peer) {
  const bool ours_first = self_.instance < peer.instance;
  if (Connection* own = find(peer.dialling)) {
    if (own->link->state() == LinkState::greeting) {
      if (ours_first) return false;
      peer.dialling = kNoConn;
      end_link(*own, Why::duplicate_link, "the peer's own dial goes first");
    } else {
      peer.dialling = kNoConn;
      close_now(*own, CloseMode::abort);
    }
  }
  if (Connection* up = find(peer.link)) {
    if (up->link->outbound() && ours_first) {
      // If the peer lost this link without our knowing, the ping finds out.
      ask(*up, up->link->ping(now_, wall_us_));
      set_timer(*up);
      return false;
    }
    // The tree learns of it, so that digests repair what the old link had not delivered; to the overlay it is one link.
    peer.link = kNoConn;
    --links_up_;
    tree_.peer_down(*up->link->peer, now_);
    up->link->superseded = true;
    end_link(*up, Why::duplicate_link, "replaced by a new link");
  }
  return true;
}

/// Membership learned of a member: links of it may wait for that.
void Engine::Impl::greet_waiting(std::string_view name, InstanceId instance) {
  std::vector<Connection*> waiting;
  for (auto& [id, conn] : conns_) {
    if (conn->link && conn->link->waiting && conn->link->name == name && conn->link->instance == instance) {
      waiting.push_back(conn.get());
    }
  }
  for (Connection* conn : waiting) {
    if (!conn->closed && conn->link->waiting) try_accept(*conn);
  }
}

// ---- up and down ----

void Engine::Impl::link_up(Connection& conn, PeerId id) {
  Link& link = *conn.link;
  Peer& peer = peers_[id];
  if (Connection* other = find(peer.dialling); other && other != &conn) close_now(*other, CloseMode::abort);
  peer.dialling = kNoConn;
  peer.link = conn.id;
  peer.no_link.clear();
  ++links_up_;
  link.go_up(id, now_);
  PeerTraits traits{peer.instance, peer.name};
  const auto known = known_.find(peer.name);
  traits.verifies = known != known_.end() && known->second.key.has_value();
  traits.reads_signed = known != known_.end() && known->second.reads_signed;
  if (const auto rtt = swim_->detail(peer.name).rtt) {
    traits.rtt = *rtt;
  } else if (link.greeting_rtt() > Duration{0}) {
    traits.rtt = link.greeting_rtt();
  }
  overlay_.link_up(id, link.outbound(), now_);
  tree_.peer_up(id, std::move(traits), now_);
  if (known != known_.end()) tell_key(peer.name, known->second);
  link.credit = full_credit();
  if (!link.seal) conn.queue.use_batches();
  forgets_wanted_ = true;
  tree_.set_credit(id, link.credit, now_);
  // Pings of a node that got all its links at once shall not stay in step.
  ask(conn, link.ping(now_, wall_us_, rng_.jitter(config_.link.ping_interval / 2)));
  set_timer(conn);
  seen(conn);
  log(LogLevel::info, "link", code::kLinkUp, peer.name,
      "Link to " + peer.name + " is up (" + (link.outbound() ? "dialled " : "accepted from ") + conn.remote.to_string() + ")",
      {{"peer", peer.name}, {"address", conn.remote.to_string()}, {"direction", link.outbound() ? "outbound" : "inbound"}});
  events_.push(PeerEvent{PeerEvent::Kind::up, peer.name, link.outbound() ? "dialled" : "accepted"});
  if (is_stale(link)) want_renewal();
  if (link.seal && link.seal->ready() && !identity_.keyring->is_primary(link.seal->secret()))
    on_other_key({peer.name, link.seal->secret()});
}

void Engine::Impl::link_down(Connection& conn, const std::string& reason) {
  const Link& link = *conn.link;
  if (!link.peer || !peers_.valid(*link.peer) || peers_[*link.peer].link != conn.id) return;
  Peer& peer = peers_[*link.peer];
  peer.link = kNoConn;
  --links_up_;
  tree_.peer_down(*link.peer, now_);
  overlay_.link_down(*link.peer, now_);
  log(LogLevel::info, "link", code::kLinkDown, peer.name, "Link to " + peer.name + " is down: " + reason, {{"peer", peer.name}, {"reason", reason}});
  events_.push(PeerEvent{PeerEvent::Kind::down, peer.name, reason});
}

std::optional<PeerId> Engine::Impl::neighbour(std::string_view name) const {
  for (const auto& [id, conn] : conns_)
    if (conn->link && conn->link->state() == LinkState::up && conn->link->name == name && conn->link->peer) return conn->link->peer;
  return std::nullopt;
}

Status Engine::Impl::promote(std::string_view name) {
  const auto peer = neighbour(name);
  if (!peer) return {Errc::not_found, "no link to a member '" + std::string(name) + "'"};
  touch();
  if (tree_.promote(*peer, now_)) return {};
  return {Errc::invalid_argument, "every tree here begins at this node, and there its neighbours choose: '" + std::string(name) + "' may promote this one"};
}

Status Engine::Impl::resync(std::string_view name) {
  if (!tree_.synced()) return {Errc::limit_reached, "this node has not had its own first sync: it asks for that by itself"};
  const auto peer = neighbour(name);
  if (!name.empty() && !peer) return {Errc::not_found, "no link to a member '" + std::string(name) + "'"};
  touch();
  if (tree_.resync(peer, now_) == 0) return {Errc::not_found, "no link to any member"};
  return {};
}

std::optional<Timestamp> Engine::Impl::digest_at(std::string_view name) const {
  const auto peer = neighbour(name);
  return peer ? tree_.digest_at(*peer) : std::nullopt;
}

/// Says Bye after everything that is queued, then waits for the other end to close: closing first could destroy what it
/// has not read yet.
void Engine::Impl::end_link(Connection& conn, Why why, const std::string& reason) {
  Link& link = *conn.link;
  if (conn.closed || link.state() == LinkState::draining) return;
  if (link.state() == LinkState::up) {
    link_down(conn, reason);
  } else {
    dial_over(conn, reason);
  }
  if (!link.may_send()) conn.closing = true;  // no word can be said yet
  put(conn, wire::encode(frame::Bye{why}), Lane::last);
  link.drain(now_);
  set_timer(conn);
  mark(conn);
}

void Engine::Impl::break_link(Connection& conn, const std::string& reason) {
  link_down(conn, reason);
  close_now(conn, CloseMode::abort);
}

void Engine::Impl::on_bye(Connection& conn, Why why) {
  Link& link = *conn.link;
  const std::string reason{to_text(why)};
  const std::string who = link.name.empty() ? conn.remote.to_string() : link.name;
  log(LogLevel::debug, "link", code::kByeReceived, who, who + " closes its link: " + reason, {{"peer", who}, {"reason", reason}});
  if (why == Why::wrong_cluster) label_differs(conn);
  if (why == Why::incompatible) rejected_.add(FrameReject::bad_hello);
  if (link.state() == LinkState::greeting && link.outbound() && why == Why::duplicate_link) {
    // The peer prefers its own dial; ours counts as failed only if that does not come.
    link.drain(now_);
    link.set_deadline(now_ + Link::kDrainTime / 2);
    return set_timer(conn);
  }
  if (link.state() == LinkState::up) {
    const auto known = known_.find(link.name);
    if (why == Why::leaving && known != known_.end() && known->second.peer == link.peer) swim_->said_goodbye(link.name, now_);
    link_down(conn, reason);
  } else {
    dial_over(conn, reason);
  }
  if (link.state() != LinkState::draining) link.drain(now_);
  conn.closing = true;
  set_timer(conn);
  mark(conn);
}

// ---- keep-alive ----

void Engine::Impl::ask(Connection& conn, const frame::Ping& ping) {
  swim_->asked_elsewhere(conn.link->name, now_);
  put_control(conn, ping);
}

void Engine::Impl::on_ping(Connection& conn, const frame::Ping& ping) {
  put_control(conn, conn.link->pong(ping, now_, wall_us_));
  set_timer(conn);
}

void Engine::Impl::on_pong(Connection& conn, const frame::Pong& pong) {
  Link& link = *conn.link;
  if (!link.answered(pong, now_, wall_us_)) {
    rejected_.add(FrameReject::unexpected);
    return misbehaved(*link.peer, FrameReject::unexpected);
  }
  swim_->answered_elsewhere(now_);
  const ClockSample best = link.clock().best();
  tree_.set_rtt(*link.peer, best.rtt, link.clock().last().rtt, best.offset, now_);
}

/// Traffic on a link proves that this run of the member lives; once a second is enough.
void Engine::Impl::seen(Connection& conn) {
  if (conn.closed || conn.link->state() != LinkState::up) return;
  Peer& peer = peers_[*conn.link->peer];
  if (now_ - peer.fed_at < std::min<Duration>(std::chrono::seconds{1}, config_.swim.probe_interval / 4)) return;
  peer.fed_at = now_;
  // Each end hears the other once an interval, and where a turn is missed after two.
  swim_->seen_alive(peer.name, now_ + 2 * config_.link.ping_interval, now_);
}

void Engine::Impl::set_timer(Connection& conn) {
  if (!conn.closed) conn_timers_.set(conn.id, std::min(conn.link->deadline(), conn.link->leave_at));
}

void Engine::Impl::link_due(Connection& conn) {
  Link& link = *conn.link;
  switch (link.state()) {
    case LinkState::dialling:
      return dial_failed(conn, "no connection within handshake_timeout");
    case LinkState::greeting:
      if (link.outbound()) return dial_failed(conn, "no greeting within handshake_timeout");
      ++refused_;
      if (!link.waiting) return close_now(conn, CloseMode::abort);
      log(LogLevel::info, "link", code::kLinkRefused, link.name,
          "No link for " + link.name + " at " + conn.remote.to_string() + ": it is not an alive member here",
          {{"peer", link.name}, {"address", conn.remote.to_string()}});
      return end_link(conn, Why::not_accepted, "not a member");
    case LinkState::visiting:
      return close_now(conn, CloseMode::flush);
    case LinkState::draining:
      dial_over(conn, "the peer prefers another link that did not come");
      return close_now(conn, conn.queue.empty() ? CloseMode::flush : CloseMode::abort);
    case LinkState::up: {
      if (link.leave_at <= now_) return end_link(conn, Why::leaving, "the member left");
      // After a stall of our own, what the neighbour sent meanwhile is not read yet.
      const bool stalled = now_ - link.deadline() > config_.swim.stall_threshold;
      if (link.is_idle(now_) && !stalled) return break_link(conn, "nothing was heard for idle_timeout");
      if (const auto ping = link.next_ping(now_, wall_us_)) ask(conn, *ping);
      return set_timer(conn);
    }
    case LinkState::count_:
      return;
  }
}

}  // namespace plumvine
