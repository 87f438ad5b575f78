#include "rejoin.hpp"

#include <algorithm>
#include <utility>

namespace plumvine::swim {
namespace {

/// A seed that does not answer may be just starting: the first pauses are so many times shorter.
constexpr std::int64_t kFirstPauses = 16;
constexpr Duration kLostPauseFirst = std::chrono::seconds{1};
/// Those known from before are asked one after another.
constexpr Duration kRecallEach = std::chrono::milliseconds{20};
constexpr Duration kLostPauseMax = std::chrono::seconds{15};
constexpr Duration kLostPauseAlone = std::chrono::seconds{2};
/// With many lost members the pause grows with their number: four pings per second at most.
constexpr Duration kLostPauseEach = std::chrono::milliseconds{250};
/// So many pings by packet, then one by stream, for networks that pass only one of them.
constexpr std::uint32_t kStreamPingEvery = 4;

std::optional<Endpoint> literal_of(const HostPort& name) {
  if (name.srv) return std::nullopt;
  const bool v6 = name.host.find(':') != std::string::npos;
  const auto endpoint = Endpoint::parse((v6 ? "[" + name.host + "]" : name.host) + ":" + std::to_string(name.port));
  return endpoint ? std::optional(*endpoint) : std::nullopt;
}

}  // namespace

Duration Rejoin::jittered(Duration pause) { return pause * 3 / 4 + core_.rng.jitter(pause / 2); }

// --- seeds -------------------------------------------------------------------------------------------------

void Rejoin::add_seeds(const std::vector<HostPort>& seeds, Timestamp now) {
  for (HostPort name : seeds) {
    if (!name.srv && name.port == 0) name.port = core_.identity.port;  // memberlist: our own port where none is given
    const auto same = [&](const Seed& s) { return s.name.host == name.host && s.name.port == name.port && s.name.srv == name.srv; };
    const auto known = std::find_if(seeds_.begin(), seeds_.end(), same);
    std::uint64_t index = static_cast<std::uint64_t>(known - seeds_.begin());
    if (known == seeds_.end()) {
      if (seeds_.size() >= kSeedsMax) {
        core_.log(LogLevel::warn, "PV1110", "More than 256 seeds: the rest is not used");
        return;
      }
      Seed seed{.name = name};
      if (const auto endpoint = literal_of(name)) {
        seed.literal = true;
        seed.addresses.push_back({*endpoint, *endpoint == core_.self_endpoint});
      }
      seeds_.push_back(std::move(seed));
    }
    seeds_[index].pause = core_.config.rejoin_interval / kFirstPauses;
    core_.timers.set({TimerKind::seed, index}, now);
  }
}

void Rejoin::contact_all(Timestamp now) {
  for (std::uint64_t i = 0; i < seeds_.size(); ++i) {
    seeds_[i].pause = core_.config.rejoin_interval;
    core_.timers.set({TimerKind::seed, i}, now);
  }
  for (auto& [id, lost] : lost_) {
    lost.pause = kLostPauseFirst;
    core_.timers.set({TimerKind::lost, id}, now);
  }
}

bool Rejoin::only_self(const Seed& seed) const {
  return !seed.addresses.empty() && std::all_of(seed.addresses.begin(), seed.addresses.end(), [](const Address& a) { return a.self; });
}

bool Rejoin::settled(const Seed& seed) const {
  return !seed.addresses.empty() && std::all_of(seed.addresses.begin(), seed.addresses.end(), [&](const Address& a) {
    return a.self || table_.living_at(a.endpoint) != nullptr;
  });
}

void Rejoin::arm_seed(std::uint64_t index, Duration pause, Timestamp now) {
  core_.timers.set({TimerKind::seed, index}, now + jittered(pause));
}

void Rejoin::seed_due(std::uint64_t index, Timestamp now) {
  if (index >= seeds_.size()) return;
  Seed& seed = seeds_[index];
  const Duration pause_max = core_.config.rejoin_interval_max;
  if (table_.has_left()) return;
  if (settled(seed) && (seed.literal || !only_self(seed))) {
    seed.pause = core_.config.rejoin_interval;
    if (only_self(seed)) return;  // an address of our own never becomes anybody else
    return arm_seed(index, pause_max, now);
  }
  ++core_.stats.rejoin_attempts;
  arm_seed(index, seed.pause, now);
  seed.pause = std::min(seed.pause * 2, pause_max);
  if (seed.literal) contact(index, now);
  else core_.outbox.push(Resolve{seed.name});
}

void Rejoin::resolved(const HostPort& name, const std::vector<Endpoint>& endpoints, Timestamp now) {
  for (std::uint64_t i = 0; i < seeds_.size(); ++i) {
    Seed& seed = seeds_[i];
    if (seed.literal || seed.name.host != name.host || seed.name.srv != name.srv) continue;
    if (name.port != 0 && seed.name.port != name.port) continue;
    if (endpoints.empty()) {  // keep what we knew: the name may be back before the address changes
      seed.problem = "its name cannot be resolved";
      continue;
    }
    std::vector<Address> fresh;
    for (Endpoint endpoint : endpoints) {
      if (fresh.size() == kAddressesMax) break;
      if (endpoint.port == 0) endpoint.port = seed.name.port != 0 ? seed.name.port : core_.identity.port;
      const auto known = std::find_if(seed.addresses.begin(), seed.addresses.end(),
                                      [&](const Address& a) { return a.endpoint == endpoint; });
      fresh.push_back({endpoint, endpoint == core_.self_endpoint || (known != seed.addresses.end() && known->self)});
    }
    seed.addresses = std::move(fresh);
    contact(i, now);
  }
}

void Rejoin::contact(std::uint64_t index, Timestamp now) {
  for (const Address& address : seeds_[index].addresses) {
    if (address.self || table_.living_at(address.endpoint) != nullptr) continue;
    streams_.exchange(address.endpoint, true, StreamPurpose::seed, index, now);
  }
}

std::vector<SeedInfo> Rejoin::seeds() const {
  std::vector<SeedInfo> out;
  out.reserve(seeds_.size());
  for (const Seed& seed : seeds_) out.push_back({seed.name.to_string(), only_self(seed), settled(seed), seed.problem});
  return out;
}

bool Rejoin::joined() const {
  return joined_ || (!recalling_ && std::all_of(seeds_.begin(), seeds_.end(), [&](const Seed& seed) { return only_self(seed); }));
}

// --- lost members ------------------------------------------------------------------------------------------

void Rejoin::member_changed(const Record& record, std::optional<MemberState> before, Timestamp now) {
  const Member& member = record.member;
  if (table_.is_self(member.name)) return;
  switch (member.state) {
    case MemberState::dead:
      add_lost(member.name, record.endpoint, kLostPauseFirst, now);
      break;
    case MemberState::alive:
    case MemberState::left:
      if (const auto it = lost_by_name_.find(member.name); it != lost_by_name_.end()) drop_lost(it->second);
      break;
    case MemberState::suspect: break;
  }
  const bool gone = member.state == MemberState::dead || member.state == MemberState::left;
  if (!gone || !before) return;
  for (std::uint64_t i = 0; i < seeds_.size(); ++i) {
    Seed& seed = seeds_[i];
    const bool was_seed = std::any_of(seed.addresses.begin(), seed.addresses.end(),
                                      [&](const Address& a) { return a.endpoint == record.endpoint; });
    if (!was_seed) continue;
    seed.pause = core_.config.rejoin_interval;
    arm_seed(i, seed.pause, now);
  }
}

void Rejoin::recall(std::string name, const Endpoint& at, Timestamp now) {
  if (table_.find(name) != nullptr || at == core_.self_endpoint) return;
  if (!std::exchange(recalling_, true)) core_.timers.set({TimerKind::recall}, now + kRecallTime);
  add_lost(std::move(name), at, kRecallEach * static_cast<std::int64_t>(recalled_++), now);
  lost_.rbegin()->second.recalled = true;
}

void Rejoin::add_lost(std::string name, const Endpoint& at, Duration pause, Timestamp now) {
  if (const auto it = lost_by_name_.find(name); it != lost_by_name_.end()) drop_lost(it->second);
  if (lost_.size() >= kLostMax) drop_lost(lost_.begin()->first);
  const std::uint64_t id = ++last_lost_;
  lost_.emplace(id, Lost{.name = name, .endpoint = at, .pause = kLostPauseFirst});
  lost_by_name_.emplace(std::move(name), id);
  arm_lost(id, pause, now);
}

void Rejoin::drop_lost(std::uint64_t id) {
  const auto it = lost_.find(id);
  if (it == lost_.end()) return;
  pinged_.erase(it->second.sequence);
  lost_by_name_.erase(it->second.name);
  core_.timers.cancel({TimerKind::lost, id});
  lost_.erase(it);
}

void Rejoin::forget(std::string_view name) {
  if (const auto it = lost_by_name_.find(name); it != lost_by_name_.end()) drop_lost(it->second);
}

Duration Rejoin::lost_pause_max() const {
  // Who has lost everybody is rather cut off than bereft, and wants to know soon that the network is back.
  return std::max(table_.alive_count() > 1 ? kLostPauseMax : kLostPauseAlone, kLostPauseEach * static_cast<std::int64_t>(lost_.size()));
}

void Rejoin::arm_lost(std::uint64_t id, Duration pause, Timestamp now) {
  core_.timers.set({TimerKind::lost, id}, now + jittered(pause));
}

void Rejoin::lost_due(std::uint64_t id, Timestamp now) {
  const auto it = lost_.find(id);
  if (it == lost_.end() || table_.has_left()) return;
  Lost& lost = it->second;
  if (lost.recalled && table_.living_at(lost.endpoint) != nullptr) return drop_lost(id);  // somebody else's address now
  lost.pause = std::min(lost.pause * 2, lost_pause_max());
  arm_lost(id, lost.pause, now);
  ++core_.stats.rejoin_attempts;
  pinged_.erase(lost.sequence);
  lost.sequence = core_.next_sequence();
  pinged_.emplace(lost.sequence, id);
  if (++lost.attempts % kStreamPingEvery == 0 && !core_.config.disable_tcp_pings) {
    streams_.ping(lost.endpoint, lost.name, lost.sequence, StreamPurpose::lost_ping, id, now + core_.config.tcp_timeout);
    return;
  }
  const Identity& self = core_.identity;
  core_.send_alone(lost.endpoint, wire::Ping{lost.sequence, lost.name, self.address.view(), self.port, self.name});
}

bool Rejoin::answered(std::uint32_t sequence, Timestamp now) {
  const auto it = pinged_.find(sequence);
  if (it == pinged_.end()) return false;
  const std::uint64_t id = it->second;
  pinged_.erase(it);
  Lost& lost = lost_.at(id);
  lost.sequence = 0;
  streams_.exchange(lost.endpoint, true, StreamPurpose::lost, id, now);
  return true;
}

// --- answers -----------------------------------------------------------------------------------------------

void Rejoin::stream_done(const StreamResult& result, Timestamp now) {
  switch (result.purpose) {
    case StreamPurpose::periodic:
      streams_.tick_early(result.ok && (table_.merged() != merged_ || table_.awaits_name(now)), now);
      break;
    case StreamPurpose::accepted:
    case StreamPurpose::stranger:
      break;
    case StreamPurpose::seed:
      if (result.context < seeds_.size()) {
        Seed& seed = seeds_[result.context];
        seed.problem = result.ok ? "" : (seed.literal ? "" : result.peer.to_string() + ": ") + result.problem;
      }
      if (result.self && result.context < seeds_.size())
        for (Address& address : seeds_[result.context].addresses)
          if (address.endpoint == result.peer) address.self = true;
      break;
    case StreamPurpose::lost:
      // It lives and has heard what we believe. Should it still be dead here, ask again soon: by then it, and
      // its side of the cluster, has refuted.
      if (const auto it = lost_.find(result.context); result.ok && it != lost_.end()) {
        it->second.pause = kLostPauseFirst;
        arm_lost(it->first, kLostPauseFirst, now);
      }
      break;
    case StreamPurpose::lost_ping:
      if (const auto it = lost_.find(result.context); result.ok && it != lost_.end())
        answered(it->second.sequence, now);
      break;
    case StreamPurpose::probe_ping:
    case StreamPurpose::check_ping:
    case StreamPurpose::user: return;
  }
  merged_ = table_.merged();
  const bool exchange = result.purpose != StreamPurpose::lost_ping;
  if (!exchange || !result.ok || result.self || joined_) return;
  joined_ = true;
  streams_.tick_early(true, now);
}

}  // namespace plumvine::swim
