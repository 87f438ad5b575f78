#include "member_table.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <plumvine/detail/check.hpp>
#include <plumvine/detail/msgpack_reader.hpp>

namespace plumvine::swim {
namespace {

/// "Never", far from overflow.
constexpr Timestamp kLongAgo{INT64_MIN / 4};
/// In probe intervals: what another's table says against a member that we heard within them is older than that.
constexpr int kHearsayPeriods = 5;

Endpoint endpoint_of(BytesView address, std::uint16_t port) {
  const auto endpoint = Endpoint::from_raw(address, port);
  return endpoint ? *endpoint : Endpoint{};
}

/// The value of one tag without building a map; empty if it is not there.
std::string_view tag_of(BytesView meta, std::string_view tag) {
  if (meta.empty() || meta[0] != std::byte{0xff}) return {};
  MsgpackReader reader(meta.subspan(1));
  const auto pairs = reader.read_map(512);
  for (std::uint32_t i = 0; pairs && i < *pairs; ++i) {
    const auto key = reader.read_text();
    if (!key) return {};
    if (*key == tag) return reader.read_text().value_or(std::string_view{});
    if (!reader.skip()) return {};
  }
  return {};
}

bool same(BytesView a, BytesView b) { return std::ranges::equal(a, b); }

/// The same raw address: 4 and 16 bytes of one IPv4 address are different ones to memberlist.
bool same_address(const Record& record, const wire::Alive& news) {
  const auto& known = record.endpoint.address;
  const std::size_t size = news.address.size();
  return record.endpoint.port == news.port && record.address_size == size &&
         std::memcmp(known.data() + (16 - size), news.address.data(), size) == 0;
}

Versions own_versions(const SwimConfig& config) {
  const auto& d = config.delegate_protocol;
  return {1, 5, 2, d[0], d[1], d[2]};
}

/// How far metadata goes beyond what memberlist's senders allow.
std::size_t excess(BytesView meta) { return meta.size() > wire::kMetaMax ? meta.size() - wire::kMetaMax : 0; }

/// Keeps the bytes we have if they are the same: a refreshed member costs no memory.
void assign(Bytes& field, BytesView value) {
  if (!same(field.view(), value)) field = Bytes::copy_of(value);
}

}  // namespace

InstanceId instance_of(BytesView meta) {
  const auto instance = parse_instance(tag_of(meta, kTagInstance));
  return instance ? *instance : InstanceId{};
}

Bytes encode_alive(const Member& m) {
  return wire::encoded(wire::Alive{static_cast<std::uint32_t>(m.incarnation), m.name, m.address.view(), m.port,
                                   m.meta.view(), BytesView(reinterpret_cast<const std::byte*>(m.versions.data()), m.versions.size())});
}

MemberTable::MemberTable(Core& core) : core_(core), departed_(core.config), tombstones_(core) {}

Record* MemberTable::find(std::string_view name) { return by_name_.find(name); }
const Record* MemberTable::find(std::string_view name) const { return by_name_.find(name); }

const Record* MemberTable::living_at(const Endpoint& endpoint) const {
  for (const auto& record : order_) {
    if (record->endpoint == endpoint && record.get() != self_ &&
        (record->member.state == MemberState::alive || record->member.state == MemberState::suspect))
      return record.get();
  }
  return nullptr;
}

// --- alive -------------------------------------------------------------------------------------------------

AliveOutcome MemberTable::alive(const wire::Alive& news, bool bootstrap, Timestamp now) {
  const bool own = is_self(news.node);
  if (own && left_) return AliveOutcome::ignored;
  if (news.node.empty() || (news.address.size() != 4 && news.address.size() != 16)) {
    core_.stats.rejected.add(PacketReject::malformed);
    return AliveOutcome::ignored;
  }
  if (news.versions.size() >= 3) {
    const auto low = static_cast<std::uint8_t>(news.versions[0]);
    const auto high = static_cast<std::uint8_t>(news.versions[1]);
    if (low == 0 || high == 0 || low > high) {
      core_.stats.rejected.add(PacketReject::incompatible_version);
      return AliveOutcome::ignored;
    }
  }
  if (const char* problem = endpoint_of(news.address, news.port).undiallable(); problem != nullptr && !own) {
    bad_address(news, problem);
    return AliveOutcome::ignored;
  }
  if (!own && !allowed(endpoint_of(news.address, news.port))) {
    core_.stats.rejected.add(PacketReject::not_allowed);
    return AliveOutcome::ignored;
  }
  Record* record = find(news.node);
  const std::size_t held = record == nullptr ? 0 : excess(record->member.meta.view());
  if (excess(news.meta) > kMetaExcessMax - meta_excess_ + held) {
    core_.stats.rejected.add(PacketReject::too_large);
    return AliveOutcome::ignored;
  }
  bool replaced = false;
  if (record == nullptr) {
    if (own && !bootstrap) return AliveOutcome::ignored;
    if (!own && tombstones_.refuses(news, now)) return AliveOutcome::ignored;
    record = insert(news);
    if (record == nullptr) return AliveOutcome::ignored;
  } else if (!same_address(*record, news)) {
    if (!own && is_of_former_run(*record, news, now)) return AliveOutcome::ignored;
    if (own || !may_replace(*record, news, now)) {
      if (own || !claim(*record, news, now)) conflict(*record, news, now);
      return AliveOutcome::ignored;
    }
    replaced = true;
  }

  const auto known = static_cast<std::uint32_t>(record->member.incarnation);
  if (!own && !replaced && news.incarnation <= known) {
    // Incarnation 0 never wins anything: it makes a member known, not alive.
    return record->member.since == kLongAgo ? AliveOutcome::ignored : AliveOutcome::older;
  }
  if (own && !bootstrap) {
    if (news.incarnation < known) return AliveOutcome::ignored;
    const auto& mine = record->member;
    if (news.incarnation == known && same(mine.meta.view(), news.meta) &&
        same(BytesView(reinterpret_cast<const std::byte*>(mine.versions.data()), mine.versions.size()), news.versions))
      return AliveOutcome::ignored;
    refute(news.incarnation);
    return AliveOutcome::refuted;
  }
  accept_alive(*record, news, replaced, now);
  return AliveOutcome::accepted;
}

void MemberTable::bad_address(const wire::Alive& news, const char* problem) {
  constexpr std::size_t kTold = 256;
  core_.stats.rejected.add(PacketReject::bad_address);
  const std::string address = endpoint_of(news.address, news.port).to_string();
  if (bad_addresses_told_.size() >= kTold || !bad_addresses_told_.insert(std::string(news.node) + ' ' + address).second) return;
  core_.log(LogLevel::warn, "PV1125", fmt::format("Member {} at {} is not taken: {}", news.node, address, problem),
            {{"member", std::string(news.node)}, {"address", address}});
}

bool MemberTable::allowed(const Endpoint& endpoint) const {
  const auto& networks = core_.config.cidrs_allowed;
  return networks.empty() || std::any_of(networks.begin(), networks.end(), [&](const Network& n) { return n.contains(endpoint); });
}

Record* MemberTable::insert(const wire::Alive& news) {
  if (order_.size() >= core_.config.members_max) {
    core_.stats.rejected.add(PacketReject::table_full);
    return nullptr;
  }
  auto record = std::make_unique<Record>();
  record->id = ++last_id_;
  record->member.name = std::string(news.node);
  record->member.address = Bytes::copy_of(news.address);
  record->member.port = news.port;
  record->member.meta = Bytes::copy_of(news.meta);
  meta_excess_ += excess(news.meta);
  record->member.state = MemberState::dead;
  record->member.since = kLongAgo;
  if (news.versions.size() >= 6)
    for (std::size_t i = 0; i < 6; ++i) record->member.versions[i] = static_cast<std::uint8_t>(news.versions[i]);
  record->endpoint = endpoint_of(news.address, news.port);
  record->address_size = static_cast<std::uint8_t>(news.address.size());
  Record* raw = record.get();
  by_name_.insert(raw);
  order_.push_back(std::move(record));
  // A random place in the pass, so that all members do not probe a newcomer at once.
  std::swap(order_.back(), order_[core_.rng.below(order_.size())]);
  if (is_self(raw->member.name)) self_ = raw;
  return raw;
}

/// The table had dropped it, dead for long; it is the same process at the same address.
bool MemberTable::outlives(const wire::Alive& news) const {
  const Member* gone = departed_.find(news.node);
  return gone != nullptr && gone->state == MemberState::dead && gone->endpoint() == endpoint_of(news.address, news.port) &&
         instance_of(gone->meta.view()) == instance_of(news.meta);
}

void MemberTable::accept_alive(Record& record, const wire::Alive& news, bool replaced, Timestamp now) {
  Member& member = record.member;
  const bool fresh = member.since == kLongAgo;
  const MemberState before = member.state;
  const InstanceId instance = instance_of(news.meta);
  if (replaced && instance != record.instance) record.former = record.instance, record.former_at = now;
  const bool restarted = !fresh && instance != record.instance && instance != InstanceId{} && record.instance != InstanceId{};
  const bool meta_changed = !same(member.meta.view(), news.meta);
  const bool outlived = fresh ? outlives(news) : record.died && before == MemberState::dead && !replaced && !restarted;
  if (fresh) departed_.drop(member.name);
  if (outlived) ++core_.stats.false_positives;
  if (before == MemberState::suspect || outlived) flapped(record, now);
  if (restarted && (before == MemberState::alive || before == MemberState::suspect)) {
    // The process was started again before anybody missed it: its old run ends here.
    member.state = MemberState::dead;
    notify(MemberEvent::Kind::died, record.member, {});
    member.state = before;
  }
  end_suspicion(record);

  if (news.versions.size() >= 6)
    for (std::size_t i = 0; i < 6; ++i) member.versions[i] = static_cast<std::uint8_t>(news.versions[i]);
  std::string problem;
  if (&record != self_)
    problem = version_problem(member.name, BytesView(reinterpret_cast<const std::byte*>(member.versions.data()), member.versions.size()), true);
  if (!problem.empty() && problem != record.incompatible)
    core_.log(LogLevel::warn, "PV1114", fmt::format("Member {} is kept out of table exchanges: {}", member.name, problem),
              {{"member", member.name}, {"reason", problem}});
  record.incompatible = std::move(problem);
  meta_excess_ += excess(news.meta) - excess(member.meta.view());
  assign(member.meta, news.meta);
  assign(member.address, news.address);
  member.port = news.port;
  if (replaced) {
    record.endpoint = endpoint_of(news.address, news.port);
    record.address_size = static_cast<std::uint8_t>(news.address.size());
    record.rtt = Duration{0};
    record.claim = {};
  }
  member.incarnation = Incarnation{news.incarnation};
  record.instance = instance;
  record.digests = tag_of(news.meta, kTagDigest) == "1";
  record.accuser.clear();
  if (spread_) core_.queue.queue(member.name, wire::encoded(news));  // passed on as it came
  record.died = false;
  if (before != MemberState::suspect && before != MemberState::alive) record.alive_since = now;
  set_state(record, MemberState::alive, now);
  if (const auto* stone = tombstones_.find(member.name, now); stone != nullptr && news.incarnation > stone->incarnation)
    tombstones_.drop(member.name);

  if (before == MemberState::dead || before == MemberState::left || restarted)
    notify(MemberEvent::Kind::joined, record.member, {});
  else {
    if (before == MemberState::suspect) notify(MemberEvent::Kind::refuted, record.member, {});
    if (meta_changed) notify(MemberEvent::Kind::updated, record.member, {});
  }
  changed(record, fresh ? std::nullopt : std::optional(before));
}

// --- suspect and dead --------------------------------------------------------------------------------------

void MemberTable::suspect(const wire::Suspect& news, Timestamp now, Accusation source, std::string why) {
  Record* record = find(news.node);
  if (record == nullptr || news.incarnation < static_cast<std::uint32_t>(record->member.incarnation)) return;
  const bool over = record->member.state == MemberState::dead || record->member.state == MemberState::left;
  if (!over && source == Accusation::gossip && !believable(news.from, news.node, now)) {
    // It says nothing about the accused, who may have to answer nevertheless: others may believe it.
    if (record == self_ && now - answered_doubted_ >= core_.config.probe_interval) {
      answered_doubted_ = now;
      refute(news.incarnation, false);
    }
    return;
  }
  if (!over && source == Accusation::exchange && record != self_) {
    // A table that comes from behind a partition says so of everybody. What it says is passed on as our own word, so we had better believe little of it.
    if (record->seen_at > now - kHearsayPeriods * core_.config.probe_interval) return core_.stats.doubted.add(Doubted::heard);
    if (!tellers_.note(why, news.node, order_.size(), now)) return core_.stats.doubted.add(Doubted::too_many);
  }
  if (record->suspicion) {
    if (source == Accusation::probe) accusers_.found(news.node, order_.size());
    const bool confirmed = record->suspicion->confirm(news.from, now);
    const bool refuted = record->suspicion->accuse(news.incarnation, now);
    if (confirmed && may_accuse(news.from)) core_.queue.queue(record->member.name, wire::encoded(news));
    if (confirmed || refuted) core_.timers.set({TimerKind::suspicion, record->id}, record->suspicion->due());
    return;
  }
  if (record->member.state != MemberState::alive) return;
  if (record == self_) {
    return answer_accusation(news.incarnation, news.from, source == Accusation::exchange ? why : std::string{}, "suspected");
  }
  if (settle_claim(*record, now)) return;
  if (may_accuse(news.from)) core_.queue.queue(record->member.name, wire::encoded(news));
  core_.urgent = true;
  record->member.incarnation = Incarnation{news.incarnation};
  set_state(*record, MemberState::suspect, now);
  start_suspicion(*record, news.from, now);
  if (source == Accusation::probe) accusers_.found(news.node, order_.size());
  ++core_.stats.suspicions;
  core_.stats.accusations.add(source);
  if (source == Accusation::exchange) why = "it was not alive in " + (why.empty() ? "a table exchange" : "the table of " + why);
  if (why.empty()) why = "told by others";
  core_.log(LogLevel::info, "PV1101", fmt::format("Member {} is suspected by {}: {}", record->member.name, news.from, why),
            {{"member", record->member.name}, {"by", std::string(news.from)}, {"reason", why}});
  notify(MemberEvent::Kind::suspected, record->member, news.from, std::move(why));
  changed(*record, MemberState::alive);
}

void MemberTable::dead(const wire::Dead& news, Timestamp now, std::string why) {
  Record* record = find(news.node);
  if (record == nullptr || news.incarnation < static_cast<std::uint32_t>(record->member.incarnation)) return;
  const bool alive = record->member.state == MemberState::alive || record->member.state == MemberState::suspect;
  if (alive && news.from != news.node && news.from != core_.identity.name && record != self_) {
    // Another member's word. Whom we hear ourselves, or who is accused by one that accuses everybody, gets the time to refute it.
    const bool heard = record->seen_until > now && record->seen_at > now - core_.config.probe_interval;
    if (heard) core_.stats.doubted.add(Doubted::heard);
    if (!believable(news.from, news.node, now)) return;
    if (heard) return suspect({news.incarnation, news.node, news.from}, now, Accusation::gossip, "declared dead, although we hear it");
  }
  if (record == self_ && !left_ && news.from != news.node && !believable(news.from, news.node, now)) {
    if (now - answered_doubted_ < core_.config.probe_interval) return;
    answered_doubted_ = now;
    return refute(news.incarnation, false);
  }
  end_suspicion(*record);
  const MemberState before = record->member.state;
  if (before == MemberState::dead || before == MemberState::left) return;
  if (record == self_ && !left_) {
    return answer_accusation(news.incarnation, news.from, why, "declared dead");
  }
  if (settle_claim(*record, now)) return;
  // Our farewell under another's name would end that member.
  if ((record != self_ || !name_taken()) && (record == self_ || may_accuse(news.from))) {
    const auto ticket = core_.queue.queue(record->member.name, wire::encoded(news));
    if (record == self_) {
      leave_ticket_ = ticket;
      core_.queue.watch(ticket);
    }
  }
  core_.urgent = true;
  const bool gone = news.from == news.node;
  record->member.incarnation = Incarnation{news.incarnation};
  record->accuser = gone ? std::string{} : std::string(news.from);
  record->died = !gone;
  set_state(*record, gone ? MemberState::left : MemberState::dead, now);
  if (gone) {
    core_.log(LogLevel::info, "PV1105", fmt::format("Member {} left", record->member.name), {{"member", record->member.name}});
  } else {
    ++core_.stats.deaths;
    core_.log(LogLevel::warn, "PV1102", fmt::format("Member {} is dead, declared by {}{}{}", record->member.name, news.from,
                                                    why.empty() ? "" : ": ", why),
              {{"member", record->member.name}, {"by", std::string(news.from)}, {"reason", why}});
  }
  notify(gone ? MemberEvent::Kind::left : MemberEvent::Kind::died, record->member, news.from, std::move(why));
  changed(*record, before);
  if (const auto* stone = tombstones_.find(news.node, now); stone != nullptr && record != self_) {
    const std::string by = stone->by;
    tombstones_.fulfil(news.node);
    erase(std::string(news.node), by);
  }
}

void MemberTable::believe_left(std::string_view name, Timestamp now) {
  Record* record = find(name);
  if (record == nullptr) {
    if (const Member* member = departed_.believe_left(name, now)) {
      ++version_;
      notify(MemberEvent::Kind::left, *member, member->name);
    }
    return;
  }
  if (record == self_ || record->member.state != MemberState::dead || record->member.since == kLongAgo) return;
  record->died = false;
  set_state(*record, MemberState::left, now);
  core_.log(LogLevel::info, "PV1105", fmt::format("Member {} left", record->member.name), {{"member", record->member.name}});
  notify(MemberEvent::Kind::left, record->member, record->member.name);
  changed(*record, MemberState::dead);
}

void MemberTable::merge(const wire::PushNodeState& row, Timestamp now, std::string_view teller) {
  switch (static_cast<MemberState>(row.state)) {
    case MemberState::alive: {
      const std::uint64_t known = last_id_;
      const wire::Alive news{row.incarnation, row.name, row.address, row.port, row.meta, row.versions};
      if (is_self(row.name) && !left_) {
        if (!name_taken()) name_held_since_ = now;
        name_holder_ = same_address(*self_, news) ? Endpoint{} : endpoint_of(news.address, news.port);
      }
      alive(news, now);
      merged_ += last_id_ - known;
      return;
    }
    case MemberState::left: return dead({row.incarnation, row.name, row.name}, now, is_self(row.name) ? std::string(teller) : std::string{});
    case MemberState::suspect:
    case MemberState::dead:
      return suspect({row.incarnation, row.name, core_.identity.name}, now, Accusation::exchange, std::string(teller));
  }
}

// --- ourselves ---------------------------------------------------------------------------------------------

void MemberTable::announce_self(Bytes meta, Timestamp now) {
  const Versions versions = own_versions(core_.config);
  const auto known = self_ != nullptr ? static_cast<std::uint32_t>(self_->member.incarnation) : 0U;
  incarnation_ = std::max(incarnation_, known) + 1;
  const wire::Alive news{incarnation_, core_.identity.name, core_.identity.address.view(), core_.identity.port, meta.view(),
                         BytesView(reinterpret_cast<const std::byte*>(versions.data()), versions.size())};
  alive(news, true, now);
  core_.identity.meta = std::move(meta);
}

void MemberTable::leave(Timestamp now) {
  if (left_) return;
  left_ = true;
  leave_ticket_ = 0;
  const auto incarnation = static_cast<std::uint32_t>(self_->member.incarnation);
  dead({incarnation, core_.identity.name, core_.identity.name}, now);
}

void MemberTable::merge_own(const wire::PushNodeState& row, Timestamp now, std::string_view teller) {
  if (is_self(row.name)) merge(row, now, teller);
}

void MemberTable::answer_accusation(std::uint32_t accused, std::string_view accuser, std::string_view teller, std::string_view of) {
  const bool suspected = of == "suspected";
  const std::string by(teller.empty() ? accuser : teller);
  std::string text;
  if (!teller.empty()) text = fmt::format("Refuting that this member is not alive, as in the table of {}", teller);
  else if (suspected) text = fmt::format("Refuting a suspicion of this member by {}", accuser);
  else if (accuser == core_.identity.name) text = "Refuting that this member left, as others say";
  else text = fmt::format("Refuting the death of this member, declared by {}", accuser);
  core_.log(LogLevel::warn, "PV1103", std::move(text), {{"by", by}});
  notify(MemberEvent::Kind::accused, self_->member, by, std::string(of));
  refute(accused);
}

bool MemberTable::believable(std::string_view accuser, std::string_view accused, Timestamp now) {
  if (accuser == core_.identity.name) return true;
  // What we found ourselves needs nobody's word: where many die at once, all who live accuse many.
  const Record* record = find(accused);
  if (record != nullptr && record->suspicion && record->suspicion->is_accuser(core_.identity.name)) return true;
  // Who was accused itself was cut off, and accuses others for that: it is not believed, and not to blame.
  const Record* author = find(accuser);
  const bool cut_off = author != nullptr && (author->member.state != MemberState::alive || (author->flaps > 0 && now - author->flapped_at < Accusers::kWindow));
  if (accusers_.note(accuser, accused, order_.size(), now, cut_off)) return true;
  core_.stats.doubted.add(Doubted::too_many);
  if (cut_off) return false;
  core_.log(LogLevel::warn, "PV1126",
            fmt::format("Member {} accuses more members than can be, {} among them: it is not believed", accuser, accused),
            {{"member", std::string(accuser)}, {"accused", std::string(accused)}});
  return false;
}

void MemberTable::refute(std::uint32_t accused, bool troubled) {
  ++incarnation_;
  if (accused >= incarnation_) incarnation_ = accused + 1;
  self_->member.incarnation = Incarnation{incarnation_};
  if (troubled) core_.awareness.apply(1);
  ++core_.stats.refutations;
  ++version_;
  core_.urgent = true;
  core_.queue.queue(self_->member.name, encode_alive(self_->member));
}

// --- bookkeeping -------------------------------------------------------------------------------------------

void MemberTable::set_state(Record& record, MemberState state, Timestamp now) {
  Member& member = record.member;
  if (member.state == MemberState::alive) --alive_;
  if (state == MemberState::alive) ++alive_;
  if (member.state != state || member.since == kLongAgo) member.since = now;
  member.state = state;
  ++version_;
}

void MemberTable::notify(MemberEvent::Kind kind, const Member& member, std::string_view from, std::string reason) {
  core_.outbox.push(Notify{MemberEvent{kind, member, std::string(from), std::move(reason)}});
}

void MemberTable::changed(const Record& record, std::optional<MemberState> before) {
  if (observer_) observer_(record, before);
}

std::vector<Record*> MemberTable::random(std::size_t count, const std::function<bool(const Record&)>& fits) {
  std::vector<Record*> chosen;
  const std::size_t n = order_.size();
  auto take = [&](Record* record) {
    if (record != self_ && fits(*record) && std::find(chosen.begin(), chosen.end(), record) == chosen.end())
      chosen.push_back(record);
  };
  if (n <= 3 * count) {  // few: look at all, in random order
    std::vector<Record*> all;
    all.reserve(n);
    for (const auto& record : order_) all.push_back(record.get());
    core_.rng.shuffle(all);
    for (std::size_t i = 0; i < n && chosen.size() < count; ++i) take(all[i]);
    return chosen;
  }
  for (std::size_t i = 0; i < 3 * n && chosen.size() < count; ++i) take(order_[core_.rng.below(n)].get());
  return chosen;
}

Record* MemberTable::next_to_probe(Timestamp now) {
  for (std::size_t looked = 0; looked < order_.size(); ++looked) {
    if (next_probe_ >= order_.size()) {
      next_probe_ = 0;
      drop_dead(now);
      core_.rng.shuffle(order_);
      if (order_.empty()) return nullptr;
    }
    Record* record = order_[next_probe_++].get();
    if (record == self_ || record->member.state == MemberState::dead || record->member.state == MemberState::left) continue;
    return record;
  }
  return nullptr;
}

void MemberTable::drop_dead(Timestamp now) {
  std::erase_if(order_, [&](std::unique_ptr<Record>& record) {
    Member& member = record->member;
    const bool over = member.state == MemberState::dead || member.state == MemberState::left;
    if (!over || record.get() == self_ || now - member.since <= core_.config.gossip_to_the_dead_time) return false;
    by_name_.erase(record.get());
    drop_excess(member);
    ++version_;
    // Of whom we only ever heard, and never as alive, nobody was told.
    if (member.since != kLongAgo) forgotten(departed_.keep(std::move(member)));
    return true;
  });
  while (const auto member = departed_.expired(now)) forgotten(member);
}

void MemberTable::drop_excess(Member& member) {
  if (excess(member.meta.view()) == 0) return;
  meta_excess_ -= excess(member.meta.view());
  member.meta = {};
}

void MemberTable::forgotten(const std::optional<Member>& member, std::string_view by) {
  if (!member) return;
  ++version_;
  notify(MemberEvent::Kind::forgotten, *member, by);
}

// --- forgetting on somebody's order ------------------------------------------------------------------------

Status MemberTable::forget(std::string_view name, Timestamp now) {
  if (is_self(name)) return {Errc::invalid_argument, "this is the member itself; leave takes it out of the cluster"};
  if (name.empty() || name.size() > kForgetNameMax)
    return {Errc::invalid_argument, fmt::format("a name of 1 to {} bytes can be forgotten", kForgetNameMax)};
  const Record* record = find(name);
  const Member* member = record != nullptr ? &record->member : departed_.find(name);
  if (member == nullptr) {
    if (tombstones_.find(name, now) != nullptr) return {};  // done already
    return {Errc::not_found, fmt::format("no member '{}' is known here", name)};
  }
  if (member->state == MemberState::alive || member->state == MemberState::suspect)
    return {Errc::invalid_argument,
            fmt::format("member '{}' is {}; only the dead and the left can be forgotten", name, to_string(member->state))};
  forget_told({std::string(name), member->incarnation, core_.identity.name, Duration{0}}, now);
  return {};
}

void MemberTable::forget_told(const Forget& order, Timestamp now) {
  const Timestamp given = now - order.age;
  auto incarnation = static_cast<std::uint32_t>(order.incarnation);
  if (is_self(order.name)) {
    // Somebody forgot us while we were out of reach.
    if (left_ || incarnation < static_cast<std::uint32_t>(self_->member.incarnation)) return;
    core_.log(LogLevel::warn, "PV1103", fmt::format("Refuting an order to forget this member, given at {}", order.by), {{"by", order.by}});
    refute(incarnation);
    return;
  }
  bool pending = false;
  if (const Record* record = find(order.name)) {
    const Member& member = record->member;
    const auto known = static_cast<std::uint32_t>(member.incarnation);
    const bool over = member.state == MemberState::dead || member.state == MemberState::left;
    // It lived after the order was given, or died another death.
    if (member.since != kLongAgo && record->alive_since > given) return;
    if (known > incarnation && (!over || member.since > given)) return;
    incarnation = std::max(incarnation, known);
    pending = !over;
  } else if (const Member* member = departed_.find(order.name)) {
    const auto known = static_cast<std::uint32_t>(member->incarnation);
    if (known > incarnation && member->since > given) return;
    incarnation = std::max(incarnation, known);
  }
  Tombstones::Stone stone;
  stone.incarnation = incarnation;
  stone.by = order.by;
  stone.at = given;
  stone.pending = pending;
  stone.heard = now;
  if (tombstones_.set(order.name, std::move(stone), now) && !pending) erase(order.name, order.by);
}

void MemberTable::erase(std::string_view name, std::string_view by) {
  std::optional<Member> gone;
  if (const Member* member = departed_.find(name)) gone = *member;
  departed_.drop(name);
  if (Record* record = find(name)) {
    // Of whom we only ever heard, and never as alive, nobody was told.
    drop_excess(record->member);
    if (record->member.since != kLongAgo) gone = record->member;
    end_suspicion(*record);
    by_name_.erase(record);
    const auto at = std::find_if(order_.begin(), order_.end(), [&](const auto& entry) { return entry.get() == record; });
    if (static_cast<std::size_t>(at - order_.begin()) < next_probe_) --next_probe_;
    order_.erase(at);
    ++version_;
  }
  if (forget_observer_) forget_observer_(name);
  if (!gone) return;
  ++core_.stats.forgotten;
  core_.log(LogLevel::info, "PV1111", fmt::format("Member {} is forgotten, by an order given at {}", gone->name, by),
            {{"member", gone->name}, {"by", std::string(by)}});
  forgotten(gone, by);
}

bool MemberTable::shown(const Record& record) const {
  return record.incompatible.empty() && !(&record == self_ && left_ && name_taken());
}

std::string MemberTable::version_problem(std::string_view name, BytesView versions, bool alive) const {
  const Versions own = own_versions(core_.config);
  const BytesView ours(reinterpret_cast<const std::byte*>(own.data()), own.size());
  VersionCheck check;
  check.add(ours, true, false);
  check.add(versions, alive, true);
  if (const auto problem = check.check(name, versions)) return *problem;
  const auto problem = check.check(core_.identity.name, ours);
  return problem ? fmt::format("Node '{}' asks for more than this member has: {}", name, *problem) : std::string{};
}

void MemberTable::each_row(const std::function<void(const wire::PushNodeState&)>& take) const {
  for (const auto& record : order_) {
    if (!shown(*record)) continue;
    const Member& m = record->member;
    take({m.name, m.address.view(), m.port, m.meta.view(), static_cast<std::uint32_t>(m.incarnation),
          static_cast<std::int64_t>(m.state),
          BytesView(reinterpret_cast<const std::byte*>(m.versions.data()), m.versions.size())});
  }
}

// --- versions ----------------------------------------------------------------------------------------------

void VersionCheck::add(BytesView versions, bool alive, bool remote) {
  if (!alive || versions.size() < (remote ? 5U : 6U)) return;
  const auto raise = [](Range& range, std::byte low, std::byte high) {
    range.low = std::max(range.low, static_cast<std::uint8_t>(low));
    range.high = std::min(range.high, static_cast<std::uint8_t>(high));
  };
  raise(protocol_, versions[0], versions[1]);
  raise(delegate_, versions[3], versions[4]);
}

std::optional<std::string> VersionCheck::check(std::string_view name, BytesView versions) const {
  const auto current = [&](std::size_t at) {
    return versions.size() > 5 ? static_cast<std::uint8_t>(versions[at]) : std::uint8_t{0};
  };
  const auto outside = [](const Range& range, std::uint8_t value) { return value < range.low || value > range.high; };
  if (outside(protocol_, current(2)))
    return fmt::format("Node '{}' protocol version ({}) is incompatible: [{}, {}]", name, current(2), protocol_.low, protocol_.high);
  if (outside(delegate_, current(5)))
    return fmt::format("Node '{}' delegate protocol version ({}) is incompatible: [{}, {}]", name, current(5), delegate_.low, delegate_.high);
  return std::nullopt;
}

}  // namespace plumvine::swim
