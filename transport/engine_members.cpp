#include <algorithm>
#include <charconv>
#include <utility>

#include "codes.hpp"
#include "engine_impl.hpp"

namespace plumvine {

namespace {
/// The instance of a member that speaks our links; 0 for others.
InstanceId instance_of(const Member& member) {
  const Tags tags = decode_tags(member.meta.view());
  const auto instance = tags.find(std::string{kTagInstance});
  if (instance == tags.end() || !tags.contains(std::string{kTagLinks})) return {};
  const auto parsed = parse_instance(instance->second);
  return parsed ? *parsed : InstanceId{};
}

std::string zone_of(const Member& member) {
  Tags tags = decode_tags(member.meta.view());
  const auto zone = tags.find(std::string{kTagZone});
  return zone == tags.end() ? std::string{} : std::move(zone->second);
}

/// Versions of links before 2 pass over frames with signatures.
bool reads_signed(const Member& member) {
  const Tags tags = decode_tags(member.meta.view());
  const auto links = tags.find(std::string{kTagLinks});
  unsigned version = 0;
  if (links != tags.end()) (void)std::from_chars(links->second.data(), links->second.data() + links->second.size(), version);
  return version >= 2;
}

/// Telling the overlay costs work for every member; in large clusters changes are collected for so long.
Duration collect_time(std::size_t members) {
  constexpr std::size_t kSmallCluster = 64;
  if (members <= kSmallCluster) return Duration{0};
  return std::min<Duration>(std::chrono::microseconds{500} * static_cast<std::int64_t>(members), std::chrono::seconds{1});
}

}  // namespace

std::uint16_t Engine::Impl::quic_port_of(const Member& member) const {
  if (config_.transport != LinkTransport::quic) return 0;
  const Tags tags = decode_tags(member.meta.view());
  const auto tag = tags.find(std::string{kTagQuic});
  if (tag == tags.end() || tag->second.empty() || tag->second.size() > 5) return 0;
  unsigned port = 0;
  for (const char digit : tag->second) {
    if (digit < '0' || digit > '9') return 0;
    port = 10 * port + static_cast<unsigned>(digit - '0');
  }
  return port <= 65535 ? static_cast<std::uint16_t>(port) : std::uint16_t{0};
}

std::string list_names(const std::vector<std::string>& names) {
  constexpr std::size_t kNamesMax = 50;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kNamesMax; ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesMax) text += " and " + std::to_string(names.size() - kNamesMax) + " more";
  return text;
}

void Engine::Impl::on_member(MemberEvent event) {
  ++version_;
  const Member& member = event.member;
  if (member.name != config_.name) {
    if (event.kind == MemberEvent::Kind::joined) {
      log(LogLevel::debug, "membership", code::kMemberJoined, member.name,
          "Member " + member.name + " joined at " + member.endpoint().to_string(),
          {{"member", member.name}, {"address", member.endpoint().to_string()}});
    }
    if (event.kind == MemberEvent::Kind::forgotten) {
      if (auto it = known_.find(member.name); it != known_.end()) forget(it);
      tree_.forget_key(member.name);
      forgets_wanted_ = true;
    } else {
      learn(member);
    }
  }
  events_.push(std::move(event));
}

void Engine::Impl::count_state(MemberState state, int change) {
  std::size_t& count = known_by_state_[static_cast<std::size_t>(state)];
  count = change > 0 ? count + 1 : count - 1;
  if (state == MemberState::dead) dead_changed_ = true;
}

void Engine::Impl::learn(const Member& member) {
  const std::string& name = member.name;
  const MemberState state = member.state;
  const InstanceId instance = instance_of(member);
  auto it = known_.find(name);
  if (instance == InstanceId{}) {
    if (it != known_.end()) forget(it);
    return;
  }
  const bool fresh = it == known_.end();
  if (fresh) it = known_.emplace(name, KnownMember{instance, state, std::nullopt}).first;
  KnownMember& known = it->second;
  if (std::string zone = zone_of(member); zone != known.zone) {
    known.zone = std::move(zone);
    members_changed_ = true;
  }
  if (known.instance != instance) {
    retire_peer(known, "the member was started anew");
    known.instance = instance;
    members_changed_ = true;
  }
  known.reads_signed = reads_signed(member);
  if (const auto key = key_of(member, instance); key != known.key || fresh) {
    known.key = key;
    tell_key(name, known);
  }
  if (fresh) {
    count_state(state, +1);
    members_changed_ = true;
  } else if (known.state != state) {
    count_state(known.state, -1);
    count_state(state, +1);
    // A suspicion changes nothing for overlay and tree.
    if (is_there(known.state) != is_there(state) || dead_changed_) members_changed_ = true;
    known.state = state;
  }
  if (!known.peer) {
    known.peer = peers_.acquire(name, instance, now_);
    if (!known.peer) {
      log(LogLevel::warn, "link", code::kPeerLimit, "", "No room for a link to " + name + ": too many members were known", {{"peer", name}});
      return;
    }
  }
  Peer& peer = peers_[*known.peer];
  if (!is_there(state)) {
    if (Connection* conn = find(peer.dialling)) dial_failed(*conn, "the member is gone");
  }
  Connection* conn = find(peer.link);
  if (conn && state == MemberState::dead) {
    break_link(*conn, "the member is dead");
  } else if (conn) {
    // Who leaves closes its links itself, after everything was sent.
    conn->link->leave_at = state == MemberState::left ? now_ + kLeaveGrace : kNever;
    set_timer(*conn);
  }
  if (is_there(state)) greet_waiting(name, instance);
}

void Engine::Impl::forget(std::map<std::string, KnownMember, std::less<>>::iterator it) {
  retire_peer(it->second, "the member was forgotten");
  count_state(it->second.state, -1);
  members_changed_ = true;
  known_.erase(it);
}

/// This run of the member is over: no connection, no number.
void Engine::Impl::retire_peer(KnownMember& known, std::string_view why) {
  if (!known.peer) return;
  const PeerId id = *known.peer;
  if (Connection* conn = find(peers_[id].dialling)) dial_failed(*conn, why);
  if (Connection* conn = find(peers_[id].link)) break_link(*conn, std::string{why});
  peers_.release(id, now_);
  known.peer.reset();
}

void Engine::Impl::apply_members() {
  members_changed_ = false;
  members_due_ = now_ + collect_time(known_.size());
  std::vector<Candidate> candidates;
  TreeMembers members;
  std::vector<std::pair<InstanceId, std::string_view>> alive;
  bool zoned = false;
  const auto add = [&](InstanceId instance, std::string_view zone) {
    alive.emplace_back(instance, zone);
    zoned = zoned || !zone.empty();
  };
  if (!left_) add(identity_.instance, config_.tree.zone);
  for (const auto& [name, known] : known_) {
    if (known.state == MemberState::dead) ++members.dead;
    if (!is_there(known.state)) continue;
    add(known.instance, known.zone);
    if (const Member* member = swim_->find(name); !member || !kept_out(name, member->endpoint()).empty()) continue;
    if (known.peer && !byes_sent_ && !left_) candidates.push_back({*known.peer, known.instance, name});
  }
  std::sort(alive.begin(), alive.end());
  for (const auto& [instance, zone] : alive) {
    members.alive.push_back(instance);
    if (zoned) members.zones.emplace_back(zone);
  }
  overlay_.set_candidates(std::move(candidates), now_);
  tree_.set_members(members, now_);
  if (std::exchange(dead_changed_, false)) judge_partition();
}

/// Partition status from the members that carry broadcasts and died without leaving.
void Engine::Impl::judge_partition() {
  std::vector<std::string> dead;
  std::size_t all = 1;
  for (const auto& [name, known] : known_) {
    if (known.state == MemberState::left) continue;
    ++all;
    if (known.state == MemberState::dead) dead.push_back(name);
  }
  PartitionState state = PartitionState::healthy;
  if (!dead.empty()) state = dead.size() * 2 > all ? PartitionState::majority_lost : PartitionState::partial;
  if (state == partition_ && dead == unreachable_) return;
  const bool grew = !std::includes(unreachable_.begin(), unreachable_.end(), dead.begin(), dead.end());
  if (grew && log_.wants(LogLevel::warn)) {
    log(LogLevel::warn, "membership", code::kPartition, "",
        "Possible partition detected - cannot reach peers: " + list_names(dead),
        {{"peers", list_names(dead)}, {"state", std::string(to_string(state))}});
  } else if (dead.empty() && !unreachable_.empty()) {
    log(LogLevel::info, "membership", code::kPartitionHealed, "", "All members can be reached again");
  }
  partition_ = state;
  unreachable_ = dead;
  events_.push(PartitionEvent{state, std::move(dead)});
}

/// The leave is done when the last link has read its Bye, or after a moment.
void Engine::Impl::finish_leave() {
  if (left_) return;
  const bool open = std::any_of(conns_.begin(), conns_.end(), [](const auto& entry) {
    const Link* link = entry.second->link.get();
    return link && link->state() != LinkState::dialling && link->state() != LinkState::visiting;
  });
  if (open && now_ < leave_deadline_) return;
  left_ = true;
  leave_deadline_ = kNever;
  members_changed_ = true;
  events_.push(engine::LeaveDone{});
}

}  // namespace plumvine
