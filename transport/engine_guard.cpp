// Who is kept out: by an operator's block, for breaking the protocol, for opening too many connections.
#include <utility>

#include "codes.hpp"
#include "engine_impl.hpp"

namespace plumvine {

// ---- marks and the graylist ----

void Engine::Impl::mark_offence(Peer& peer, std::uint32_t weight, const std::string& what) {
  if (now_ - peer.offences_since > std::chrono::minutes{1}) {
    peer.offences = 0;
    peer.offences_since = now_;
  }
  peer.offences += weight;
  if (peer.offences >= kOffencesMax && find(peer.link)) graylist(peer, what);
}

void Engine::Impl::graylist(Peer& peer, const std::string& what) {
  peer.offences = 0;
  Connection& conn = *find(peer.link);
  const std::string where = conn.remote.to_string();
  const Duration time = guard_.punish(peer.name, where, what, config_.link.graylist_time, now_);
  guard_due_ = std::min(guard_due_, now_ + time);
  members_changed_ = true;
  log(LogLevel::warn, "link", code::kGraylisted, peer.name,
      "Member " + peer.name + " at " + where + " broke the protocol too often (last: " + what + "): it gets no link for " + format_duration(time),
      {{"peer", peer.name}, {"address", where}, {"reason", what}});
  end_link(conn, frame::Bye::Why::misbehaved, "it broke the protocol too often, last: " + what);
}

// ---- turning away ----

std::string Engine::Impl::kept_out(std::string_view name, const Endpoint& at) const {
  if (guard_.is_gray(name, now_)) return "it broke the protocol";
  if (guard_.any_blocks() && guard_.is_blocked(name, at, now_)) return "it is blocked";
  return {};
}

const std::string* Engine::Impl::block_of(std::string_view name) {
  if (!guard_.any_blocks()) return nullptr;
  if (const std::string* block = guard_.blocks_name(name, Blocked::link, now_)) return block;
  const Member* member = swim_->find(name);
  return member ? guard_.blocks(member->endpoint(), Blocked::link, now_) : nullptr;
}

bool Engine::Impl::turn_away(Connection& conn, std::string_view name) {
  const std::string* block = block_of(name);
  const bool gray = !block && guard_.is_gray(name, now_);
  if (!block && !gray) return false;
  const std::string where = conn.remote.to_string();
  if (block) {
    log(LogLevel::info, "link", code::kBlocked, *block, "No link for " + std::string(name) + " at " + where + ": it is blocked (" + *block + ")",
        {{"peer", std::string(name)}, {"address", where}, {"block", *block}});
  } else {
    log(LogLevel::debug, "link", code::kLinkRefused, name, "No link for " + std::string(name) + " at " + where + ": it broke the protocol",
        {{"peer", std::string(name)}, {"address", where}});
  }
  end_link(conn, block ? frame::Bye::Why::not_accepted : frame::Bye::Why::misbehaved, block ? "it is blocked" : "it broke the protocol");
  return true;
}

void Engine::Impl::shut_out(Connection& conn, const std::string& why) {
  if (conn.link) {
    if (conn.link->state() == LinkState::up) link_down(conn, why);
    else dial_over(conn, why);
  } else if (conn.kind == ConnKind::membership && !conn.closing) {
    swim_->stream_closed(conn.stream, now_);
  }
  close_now(conn, CloseMode::abort);
}

bool Engine::Impl::admits(const Endpoint& from, bool proved) {
  touch();
  if (guard_.any_blocks()) {
    if (const std::string* block = guard_.blocks(from, Blocked::connection, now_)) {
      log(LogLevel::info, "link", code::kBlocked, *block, "Refusing a connection from " + from.to_string() + ": it is blocked (" + *block + ")",
          {{"address", from.to_string()}, {"block", *block}});
      ++refused_;
      return false;
    }
  }
  if (!proved || guard_.admits(from, config_.link.accept_rate_limit_per_second, now_)) return true;
  ++refused_;
  ++accepts_limited_;
  log(LogLevel::warn, "link", code::kAcceptRate, from.host(),
      "Refusing connections from " + from.host() + ": it opens more than " + std::to_string(config_.link.accept_rate_limit_per_second) +
          " in a second (accept_rate_limit_per_second)",
      {{"address", from.host()}});
  return false;
}

// ---- blocks ----

Status Engine::Impl::block(std::string_view what, std::optional<Duration> left) {
  touch();
  auto made = guard_.block(what, left, now_);
  if (!made) return made.error();
  log(LogLevel::warn, "node", code::kBlockChanged, *made,
      "Blocked by an operator here: " + *made + (left ? ", for " + format_duration(*left) : std::string{", until it is removed"}), {{"block", *made}});
  enforce_blocks();
  return {};
}

Status Engine::Impl::unblock(std::string_view what) {
  touch();
  auto gone = guard_.unblock(what);
  if (!gone) return gone.error();
  log(LogLevel::warn, "node", code::kBlockChanged, *gone, "No longer blocked, by an operator here: " + *gone, {{"block", *gone}});
  members_changed_ = true;
  return {};
}

void Engine::Impl::enforce_blocks() {
  std::vector<ConnId> doomed;
  for (const auto& [id, conn] : conns_) {
    const bool named = conn->link && !conn->link->name.empty() && block_of(conn->link->name);
    if (named || guard_.blocks(conn->remote, Blocked::connection, now_) ||
        (conn->names && guard_.blocks_identity(*conn->names, Blocked::connection, now_)))
      doomed.push_back(id);
  }
  for (const ConnId id : doomed) {
    if (Connection* conn = find(id)) shut_out(*conn, "it is blocked");
  }
  members_changed_ = true;
  guard_due_ = std::min(guard_due_, guard_.next(now_));
}

void Engine::Impl::guard_due() {
  for (const std::string& what : guard_.expire(now_))
    log(LogLevel::warn, "node", code::kBlockChanged, what, "No longer blocked, its time is over: " + what, {{"block", what}});
  members_changed_ = true;
  guard_due_ = guard_.next(now_);
}

}  // namespace plumvine
