// One name, two addresses: a process that was started again elsewhere, or two processes of one name.
#include <fmt/format.h>

#include <plumvine/detail/check.hpp>

#include "member_table.hpp"
#include "wire/codec.hpp"

namespace plumvine::swim {
namespace {

/// Both are runs of our software, and not the same one.
bool another_run(const Record& record, const wire::Alive& news) {
  const InstanceId instance = instance_of(news.meta);
  return instance != InstanceId{} && record.instance != InstanceId{} && instance != record.instance;
}

wire::Alive decoded(const Bytes& claim, wire::Scratch& scratch) {
  wire::Alive news;
  PLUMVINE_CHECK(wire::decode_body(claim.view().subspan(1), news, scratch), "a claim is what we encoded");
  return news;
}

}  // namespace

bool MemberTable::may_replace(const Record& record, const wire::Alive& news, Timestamp now) const {
  switch (record.member.state) {
    case MemberState::left: return true;
    case MemberState::alive: return false;
    case MemberState::dead:
      if (core_.config.dead_node_reclaim_time > Duration{0} &&
          now - record.member.since > core_.config.dead_node_reclaim_time)
        return true;
      [[fallthrough]];
    // Ours beyond memberlist: another run of the process proves itself by its instance.
    case MemberState::suspect: return another_run(record, news);
  }
  return false;
}

/// News of the run that was here before is under way for a while, and nobody claims anything with it. If that run still lives it
/// says so again.
bool MemberTable::is_of_former_run(const Record& record, const wire::Alive& news, Timestamp now) {
  constexpr Duration kUnderWay = std::chrono::seconds{30};
  return record.former != InstanceId{} && instance_of(news.meta) == record.former && now - record.former_at < kUnderWay;
}

bool MemberTable::claim(Record& record, const wire::Alive& news, Timestamp now) {
  if (!another_run(record, news)) return false;
  record.claim = wire::encoded(news);
  if (claim_observer_) claim_observer_(record.member.name, now);
  return true;
}

void MemberTable::found(Record& record, Timestamp now) {
  if (record.claim.empty()) return;
  const Bytes claim = std::move(record.claim);
  record.claim = {};
  wire::Scratch scratch;
  conflict(record, decoded(claim, scratch), now);
}

bool MemberTable::settle_claim(Record& record, Timestamp now) {
  if (record.claim.empty()) return false;
  const Bytes claim = std::move(record.claim);
  record.claim = {};
  wire::Scratch scratch;
  const wire::Alive news = decoded(claim, scratch);
  const std::string before = record.endpoint.to_string();
  accept_alive(record, news, true, now);
  core_.log(LogLevel::info, "PV1118", fmt::format("Member {} runs at {} now; nothing answers at {} any more", record.member.name,
                                                  record.endpoint.to_string(), before),
            {{"member", record.member.name}, {"address", record.endpoint.to_string()}, {"before", before}});
  return true;
}

Duration MemberTable::takeover_time() const {
  constexpr Duration kLeast = std::chrono::seconds{3};
  return std::max(kLeast, 2 * core_.config.probe_interval);
}

std::optional<Endpoint> MemberTable::name_holder(Timestamp now) const {
  if (!name_taken() || now - name_held_since_ < takeover_time()) return std::nullopt;
  return name_holder_;
}

bool MemberTable::awaits_name(Timestamp now) const {
  return name_taken() && now - name_held_since_ < 3 * takeover_time();
}

void MemberTable::conflict(Record& record, const wire::Alive& news, Timestamp now) {
  ++core_.stats.conflicts;
  if (&record == self_ && name_taken() && !name_holder(now)) return;
  constexpr Duration kTellInterval = std::chrono::seconds{10};
  if (record.conflict_at != Timestamp{INT64_MIN} && now - record.conflict_at < kTellInterval) return;
  record.conflict_at = now;
  const auto endpoint = Endpoint::from_raw(news.address, news.port);
  const std::string claimant = endpoint ? endpoint->to_string() : std::string{"an address that is none"};
  std::string text =
      &record == self_
          ? fmt::format("Name {} of this member, {}, is also used by {}: start one of the two under another name",
                        record.member.name, record.endpoint.to_string(), claimant)
          : fmt::format("Name {} is claimed by {} but belongs to {}; the claim is refused", record.member.name, claimant,
                        record.endpoint.to_string());
  notify(MemberEvent::Kind::conflict, record.member, claimant, text);
  core_.log(LogLevel::warn, "PV1104", std::move(text), {{"member", record.member.name}, {"claimed_by", claimant}});
}

}  // namespace plumvine::swim
