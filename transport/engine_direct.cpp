// Messages for one member alone: over its link, or over a connection that is made for them.
#include <utility>

#include "codes.hpp"
#include "engine_impl.hpp"
#include "plumtree/wire.hpp"

namespace plumvine {

namespace {
using Why = frame::Bye::Why;
/// Messages under way to one member, and connections for them, at most.
constexpr std::size_t kDirectsOpen = 1024;
constexpr std::size_t kVisitsMax = 64;
/// A connection for direct messages ends after so long without any.
constexpr Duration kVisitIdle = std::chrono::seconds{2};
}  // namespace

Status Engine::Impl::send_direct(std::uint64_t ticket, std::string_view name, Bytes payload) {
  touch();
  const std::string who{name};
  if (left_ || leaving_) return {Errc::stopped, "the node has left the cluster; rejoin first"};
  if (payload.size() > wire::kDirectMax)
    return {Errc::too_large, std::to_string(payload.size()) + " bytes, a direct message has at most " + std::to_string(wire::kDirectMax)};
  if (name == config_.name) return {Errc::invalid_argument, who + " is this member itself"};
  if (swim_->find(name) == nullptr) return {Errc::not_found, "no member is called " + who};
  const auto known = known_.find(who);
  if (known == known_.end() || !known->second.peer) return {Errc::invalid_argument, who + " is not a member of ours: it speaks no links"};
  if (!is_there(known->second.state))
    return {Errc::invalid_argument, who + " is " + std::string{to_string(known->second.state)}};
  const PeerId peer = *known->second.peer;
  Connection* conn = find(peers_[peer].link);
  if (conn == nullptr) {
    const auto visit = visits_.find(peer);
    conn = visit == visits_.end() ? nullptr : find(visit->second);
  }
  if (conn == nullptr) {
    if (visits_.size() >= kVisitsMax)
      return {Errc::overloaded, std::to_string(kVisitsMax) + " connections for direct messages are open; try again later"};
    conn = &dial_visit(peer);
  }
  Directs& directs = conn->directs;
  const bool full = conn->queue.bytes() + directs.waiting_bytes > config_.link.queue_high_bytes;
  if (full || directs.open.size() + directs.waiting.size() >= kDirectsOpen)
    return {Errc::overloaded, "too much waits to be sent to " + who + "; try again later"};
  direct_counts_.add(DirectResult::sent);
  if (conn->link->greeted()) {
    write_direct(*conn, ticket, std::move(payload));
  } else {
    directs.waiting_bytes += payload.size();
    directs.waiting.emplace_back(ticket, std::move(payload));
  }
  return {};
}

void Engine::Impl::write_direct(Connection& conn, std::uint64_t ticket, Bytes payload) {
  const std::uint64_t number = ++conn.directs.sent;
  conn.directs.open.emplace(number, ticket);
  put(conn, wire::encode(frame::Direct{number, std::move(payload)}), Lane::normal);
  if (conn.link->state() == LinkState::visiting) keep_visit(conn);
}

Connection& Engine::Impl::dial_visit(PeerId id) {
  const Peer& peer = peers_[id];
  const ConnId conn_id{next_conn_};
  next_conn_ += 2;
  const Member& member = *swim_->find(peer.name);
  const Endpoint to = member.endpoint();
  Connection& conn = open(conn_id, ConnKind::link, to);
  conn.link = std::make_unique<Link>(config_.link, true, chunks_, config_.tree.max_message_size, now_);
  conn.link->name = peer.name;
  conn.link->instance = peer.instance;
  conn.link->visit = true;
  if (seals_links() && config_.swim.gossip_verify_outgoing) seal_outbound(conn);
  visits_[id] = conn_id;
  set_timer(conn);
  actions_.push(engine::Dial{conn_id, to, quic_port_of(member)});
  return conn;
}

void Engine::Impl::keep_visit(Connection& conn) {
  conn.link->set_deadline(now_ + (conn.link->outbound() ? kVisitIdle : 2 * kVisitIdle));
  set_timer(conn);
}

/// The greeting of a connection for direct messages: the same judgement as for a link, but it needs no room among those.
void Engine::Impl::on_visit(Connection& conn, const frame::Visit& visit) {
  Link& link = *conn.link;
  if (link.outbound() != link.visit) {
    return on_bad_frame(conn, FrameReject::unexpected, {Errc::malformed, "visit on a link"});
  }
  const Greeting greeting = link.judge(visit.who, self_);
  if (greeting != Greeting::good) return refuse(conn, greeting, visit.who);
  if (!may_be(conn, visit.who.name)) return;
  if (!link.outbound()) {
    const auto known = known_.find(visit.who.name);
    const bool member = known != known_.end() && known->second.instance == visit.who.instance && is_there(known->second.state);
    if (!member || byes_sent_ || left_) return end_link(conn, Why::not_accepted, "not a member");
    link.name = visit.who.name;
    link.instance = visit.who.instance;
    link.visit = true;
    greet(conn);
  }
  link.go_visiting(now_);
  keep_visit(conn);
  conn.directs.waiting_bytes = 0;
  for (auto& [ticket, payload] : std::exchange(conn.directs.waiting, {})) write_direct(conn, ticket, std::move(payload));
}

void Engine::Impl::on_direct(Connection& conn, frame::Direct direct) {
  if (direct.number <= conn.directs.received) return direct_counts_.add(DirectResult::refused);
  conn.directs.received = direct.number;
  direct_counts_.add(DirectResult::delivered);
  events_.push(engine::DirectCame{conn.link->name, conn.link->instance, std::move(direct.payload)});
  put_control(conn, frame::DirectAck{direct.number});
  if (conn.link->state() == LinkState::visiting) keep_visit(conn);
}

void Engine::Impl::on_direct_ack(Connection& conn, const frame::DirectAck& ack) {
  const auto it = conn.directs.open.find(ack.number);
  if (it == conn.directs.open.end()) return direct_counts_.add(DirectResult::refused);
  const std::uint64_t ticket = it->second;
  conn.directs.open.erase(it);
  direct_counts_.add(DirectResult::acknowledged);
  if (ticket != 0) events_.push(engine::DirectDone{ticket, {}});
}

/// The connection is gone, and with it what was under way on it.
void Engine::Impl::fail_directs(Connection& conn) {
  std::erase_if(visits_, [&](const auto& visit) { return visit.second == conn.id; });
  const auto fail = [&](std::uint64_t ticket, const char* what) {
    direct_counts_.add(DirectResult::failed);
    if (ticket == 0) return;
    events_.push(engine::DirectDone{ticket, Error{Errc::timed_out, "the connection to " + conn.link->name + " ended " + what}});
  };
  for (const auto& [number, ticket] : std::exchange(conn.directs.open, {})) {
    fail(ticket, "before it acknowledged: it may have the message or not");
  }
  for (const auto& [ticket, payload] : std::exchange(conn.directs.waiting, {})) fail(ticket, "before the message was sent");
}

}  // namespace plumvine
