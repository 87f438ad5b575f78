#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <plumvine/detail/check.hpp>
#include <plumvine/health.hpp>

#include "codes.hpp"
#include "lag.hpp"

namespace plumvine {
namespace {

// Fewer messages or grafts than these in the window say nothing about a rate.
constexpr std::uint64_t kMessagesMin = 100;
constexpr std::uint64_t kGraftsMin = 10;
// How much of a bound may be used.
constexpr double kNearlyFull = 0.8;
// Seconds for which a stranger is shown.
constexpr double kStrangerShown = 60;
// Clocks need to be compared with so many neighbours before it is our own that is taken to be wrong.
constexpr std::size_t kNeighboursToJudge = 2;

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

double number(std::uint64_t n) {
  return static_cast<double>(n);
}

using Facts = std::vector<std::pair<std::string, Evidence>>;

/// The first seeds that do not answer, each with what its last contact failed with.
std::string silent_seeds(const Snapshot& s) {
  constexpr std::size_t kNamedMax = 3;
  std::string out;
  std::size_t silent = 0;
  for (const SeedInfo& seed : s.seeds) {
    if (seed.alive || seed.self) continue;
    if (++silent > kNamedMax) continue;
    out += (out.empty() ? "" : "; ") + seed.name + " (" + (seed.problem.empty() ? "no answer yet" : seed.problem) + ")";
  }
  if (silent > kNamedMax) out += fmt::format("; {} more", silent - kNamedMax);
  return out;
}

/// Names with what is to be said of each, the first few of them.
class Names {
 public:
  void add(std::string_view name, std::string_view what) {
    constexpr std::size_t kNamedMax = 5;
    if (++count_ <= kNamedMax) text_ += fmt::format("{}{} ({})", text_.empty() ? "" : ", ", name, what);
    else more_ = fmt::format(" and {} more", count_ - kNamedMax);
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::string text() const { return text_ + more_; }

 private:
  std::string text_, more_;
  std::size_t count_ = 0;
};

PeerHealth peer_health(const Snapshot& s) {
  PeerHealth out;
  for (const auto& link : s.links) {
    if (link.state != LinkState::up) continue;
    ++out.total_peers;
    ++(link.role == PeerRole::eager ? out.eager_count : out.lazy_count);
    if (link.is_protected) ++out.protected_count;
  }
  for (const auto& m : s.members) {
    if (m.member.state == MemberState::alive) ++out.members_alive;
    if (m.member.state == MemberState::suspect) ++out.members_suspect;
    if (m.member.state == MemberState::dead) ++out.members_dead;
  }
  out.target_eager = std::min(s.target_eager, out.total_peers);
  out.partition = s.partition;
  return out;
}

DeliveryHealth delivery_health(const Snapshot& s) {
  return {.pending_grafts = s.tree.pending_grafts,
          .graft_failure_rate = std::min(1.0, ratio(s.window.grafts_failed, s.window.grafts_sent)),
          .duplicate_rate = ratio(s.window.duplicate, s.window.delivered + s.window.duplicate),
          .missing_messages = s.tree.missing_messages,
          .oldest_missing_s = to_seconds(s.tree.oldest_missing),
          .delivered_total = s.tree.delivered};
}

CacheHealth cache_health(const Snapshot& s) {
  CacheHealth out{.messages = s.tree.cache_messages,
                  .capacity = s.cache_capacity,
                  .bytes = s.tree.cache_bytes,
                  .bytes_capacity = s.cache_bytes_capacity,
                  .ttl_s = s.cache_ttl_s};
  out.utilization = std::max(ratio(out.messages, out.capacity), ratio(out.bytes, out.bytes_capacity));
  return out;
}

/// Fills the list of reasons, one rule group a function.
class Judge {
 public:
  Judge(const Snapshot& snapshot, const HealthConfig& limits, HealthReport& report)
      : s_(snapshot), limits_(limits), report_(report) {}

  void membership() {
    if (s_.left) {
      blame("PV2004", {});
    } else if (!s_.joined) {
      blame("PV2002", {{"members", number(s_.members.size())}, {"seeds", silent_seeds(s_)}});
    } else if (alone()) {
      blame("PV2009", {{"seeds", silent_seeds(s_)}});
    }
    if (!s_.name_holder.empty()) blame("PV2011", {{"name", s_.name}, {"at", s_.name_holder}});
    stranger("PV2010", s_.other_cluster);
    if (cut_off()) blame("PV2016", {{"silent_s", s_.silent_s}, {"limit_s", s_.silence_limit_s}});
    else if (unheard())
      blame("PV2017", {{"unanswered_s", s_.unanswered_s}, {"questions", number(s_.unanswered)}, {"members", number(s_.unanswered_members)}, {"heard_s", s_.silent_s}});
    const auto& p = report_.peer_health;
    Names incompatible, silent, blocked, dead;
    for (const MemberInfo& m : s_.members) {
      const MemberState state = m.member.state;
      const bool lives = state == MemberState::alive || state == MemberState::suspect;
      if (lives && !m.incompatible.empty()) incompatible.add(m.member.name, m.incompatible);
      const bool missed = state == MemberState::suspect || state == MemberState::dead;
      if (missed && m.contact == StreamContact::silent) silent.add(m.member.name, m.member.endpoint().to_string());
      if (state == MemberState::alive && m.packets != PacketPath::open) blocked.add(m.member.name, to_string(m.packets));
      if (state == MemberState::dead && m.speaks_links) dead.add(m.member.name, to_string(m.contact));
    }
    if (incompatible.count() > 0) blame("PV2008", {{"members", number(incompatible.count())}, {"who", incompatible.text()}});
    if (silent.count() > 0) blame("PV2012", {{"members", number(silent.count())}, {"who", silent.text()}});
    clocks();
    if (blocked.count() > 0) blame("PV2007", {{"members", number(blocked.count())}, {"who", blocked.text()}});
    const Facts evidence{{"unreachable", number(s_.unreachable.size())},
                         {"members_alive", number(p.members_alive)},
                         {"members_dead", number(p.members_dead)},
                         {"who", dead.text()}};
    if (p.partition == PartitionState::partial) blame("PV2005", evidence);
    if (p.partition == PartitionState::majority_lost) blame("PV2006", evidence);
    expected();
  }

  /// Somebody who has none of our keys, or none.
  void security() {
    const bool keyless = s_.keys.empty() && !s_.transport.tls.on;
    stranger(keyless ? "PV2311" : "PV2301", s_.other_key);
    stranger("PV2302", s_.in_clear);
    abuse();
    certificate();
  }

  void tree() {
    const auto& p = report_.peer_health;
    const auto known = std::count_if(s_.members.begin(), s_.members.end(), [](const MemberInfo& m) {
      return !m.self && m.speaks_links && m.member.state != MemberState::left;
    });
    if (known > 0 && p.eager_count == 0) {
      blame("PV2001", {{"eager_count", 0.0},
                       {"total_peers", number(p.total_peers)},
                       {"members_with_links", static_cast<double>(known)}});
    }
    const auto& d = report_.delivery_health;
    if (rates_count() && d.duplicate_rate > limits_.duplicate_rate_degraded) {
      blame("PV2102", {{"duplicate_rate", d.duplicate_rate},
                       {"limit", limits_.duplicate_rate_degraded},
                       {"delivered", number(s_.window.delivered)},
                       {"options", s_.tree_options}});
    }
    const LinkInfo* far = nullptr;
    for (const LinkInfo& link : s_.links)
      if (link.state == LinkState::up && link.rtt_s > s_.graft_timeout_s && (far == nullptr || link.rtt_s > far->rtt_s)) far = &link;
    if (far != nullptr && s_.graft_timeout_s > 0)
      blame("PV2106", {{"peer", far->peer}, {"rtt_s", far->rtt_s}, {"graft_timeout_s", s_.graft_timeout_s}});
    if (grafts_fail()) {
      blame("PV2103", {{"graft_failure_rate", d.graft_failure_rate},
                       {"limit", limits_.graft_failure_rate_degraded},
                       {"grafts", number(s_.window.grafts_sent)}});
    }
    if (s_.invariant_violations > 0) blame("PV2202", {{"violations", number(s_.invariant_violations)}});
  }

  void delivery() {
    if (s_.joined && !s_.left && !s_.synced) blame("PV2003", {{"uptime_s", s_.uptime_s}});
    const auto& d = report_.delivery_health;
    if (d.missing_messages > 0 && d.oldest_missing_s > to_seconds(limits_.missing_degraded)) {
      blame("PV2101", {{"missing_messages", number(d.missing_messages)},
                       {"oldest_missing_s", d.oldest_missing_s},
                       {"limit_s", to_seconds(limits_.missing_degraded)}});
    }
    if (!s_.history.problem.empty())
      blame("PV2105", {{"problem", s_.history.problem}, {"dropped", number(s_.history.dropped)}});
  }

  // A full cache under load is what a cache is for. It is too small when pulls fail as well, or when it was given less room than
  // usual and messages leave it before members have stopped asking for them.
  void cache() {
    const auto& c = report_.cache_health;
    const double rate = s_.window.seconds > 0 ? number(s_.window.cache_overflows) / s_.window.seconds : 0;
    const double kept_s = rate > 0 ? number(c.messages) / rate : c.ttl_s;
    const bool full = c.utilization >= limits_.cache_utilization_degraded;
    if (full && (grafts_fail() || (s_.cache_reduced && s_.window.cache_overflows >= kMessagesMin / 2 && kept_s < s_.cache_need_s))) {
      blame("PV2104", {{"utilization", c.utilization},
                       {"limit", limits_.cache_utilization_degraded},
                       {"kept_s", kept_s},
                       {"asked_for_s", s_.cache_need_s},
                       {"graft_failure_rate", report_.delivery_health.graft_failure_rate}});
    }
    Names nearly_full;
    for (const BoundInfo& bound : s_.bounds)
      if (bound.utilization() >= kNearlyFull) nearly_full.add(bound.key, fmt::format("{} of {}", bound.used, bound.bound));
    if (nearly_full.count() > 0) blame("PV2107", {{"bounds", nearly_full.text()}, {"limit", kNearlyFull}});
    const MemoryStats& memory = s_.memory;
    if (memory.gained >= limits_.memory_growth_degraded) {
      blame("PV2203", {{"part", memory.gaining == MemoryPart::count_ ? "none of plumvine's: the rest of the process" : std::string(to_string(memory.gaining))},
                       {"gained_bytes", number(memory.gained)},
                       {"seconds", memory.gained_s},
                       {"resident_bytes", number(memory.resident)}});
    }
  }

  void loop() {
    if (s_.loop.max_stall >= limits_.stall_degraded) {
      blame("PV2201", {{"max_stall_ms", report_.loop_health.max_stall_ms},
                       {"limit_ms", to_seconds(limits_.stall_degraded) * 1e3},
                       {"in", s_.loop.max_stall_in.empty() ? "nothing that is timed: plumvine itself, or no processor time" : s_.loop.max_stall_in}});
    }
  }

 private:
  [[nodiscard]] bool rates_count() const { return s_.window.delivered >= kMessagesMin; }
  [[nodiscard]] bool grafts_fail() const {
    return rates_count() && s_.window.grafts_sent >= kGraftsMin &&
           report_.delivery_health.graft_failure_rate > limits_.graft_failure_rate_degraded;
  }

  void stranger(std::string_view code, const StrangerInfo& who) {
    if (who.count == 0 || who.age_s >= kStrangerShown) return;
    blame(code, {{"from", who.from}, {"refused", number(who.count)}, {"last_s", who.age_s}});
  }

  /// Who breaks the protocol, as long as it is kept out for that and ten minutes on; who accuses everybody.
  void abuse() {
    constexpr double kShown = 600;
    Names gray, accusers;
    for (const GraylistInfo& one : s_.graylist) {
      if (one.left_s > 0 || one.ago_s < kShown) gray.add(one.peer, fmt::format("at {}, {}, {} times", one.address, one.reason, one.times));
    }
    for (const AccuserInfo& one : s_.accusers) accusers.add(one.name, fmt::format("{} members within a minute", one.accused));
    if (gray.count() > 0) blame("PV2306", {{"members", number(gray.count())}, {"who", gray.text()}});
    if (accusers.count() > 0) blame("PV2307", {{"members", number(accusers.count())}, {"who", accusers.text()}});
    Names refused, changed;
    for (const RefusedOriginInfo& one : s_.refused_origins) {
      if (one.ago_s >= kShown) continue;
      if (one.reason == "key_changed")
        changed.add(one.origin, fmt::format("{} times", one.count));
      else
        refused.add(one.origin, fmt::format("{}, {} times, last from {}", one.reason, one.count, one.peer));
    }
    Names bare;
    for (const MemberInfo& m : s_.members) {
      const MemberState state = m.member.state;
      const bool lives = state == MemberState::alive || state == MemberState::suspect;
      if (s_.signatures_required && lives && m.speaks_links && !m.self && !m.tags().contains(std::string{kTagOrigin}))
        bare.add(m.member.name, m.member.endpoint().to_string());
    }
    if (bare.count() > 0) blame("PV2310", {{"members", number(bare.count())}, {"who", bare.text()}});
    if (refused.count() > 0) blame("PV2308", {{"origins", number(refused.count())}, {"who", refused.text()}});
    if (changed.count() > 0) blame("PV2309", {{"members", number(changed.count())}, {"who", changed.text()}});
  }

  /// A certificate is due two weeks before its end, a short-lived one in the last fifth of its life.
  void certificate() {
    constexpr double kSoon = 14.0 * 24 * 3600;
    const TlsStats& tls = s_.transport.tls;
    if (!tls.on) return;
    const double life = static_cast<double>(tls.certificate_expires_s - tls.certificate_from_s);
    const Facts evidence{{"certificate", tls.certificate}, {"left_s", tls.certificate_left_s}};
    if (tls.certificate_left_s <= 0) blame("PV2304", evidence);
    else if (tls.certificate_left_s < std::min(kSoon, life / 5)) blame("PV2303", evidence);
    if (!tls.problem.empty()) blame("PV2305", {{"problem", tls.problem}, {"certificate", tls.certificate}});
  }

  /// Where all neighbours' clocks are off alike it is this machine's that is wrong.
  void clocks() {
    const double limit = to_seconds(limits_.clock_offset_degraded);
    Names off;
    std::size_t up = 0, ahead = 0;
    double least = 0;
    for (const LinkInfo& link : s_.links) {
      if (link.state != LinkState::up) continue;
      ++up;
      if (std::abs(link.clock_offset_s) <= limit) continue;
      off.add(link.peer, fmt::format("{:+.1f} s", link.clock_offset_s));
      if (link.clock_offset_s > 0) ++ahead;
      if (least == 0 || std::abs(link.clock_offset_s) < std::abs(least)) least = link.clock_offset_s;
    }
    if (off.count() == 0) return;
    const bool ours = off.count() == up && up >= kNeighboursToJudge && (ahead == 0 || ahead == up);
    if (ours) blame("PV2013", {{"whose", s_.name}, {"offset_s", -least}, {"limit_s", limit}});
    else blame("PV2013", {{"whose", off.text()}, {"limit_s", limit}});
  }

  void expected() {
    Names missing;
    for (const std::string& name : s_.expected) {
      const auto it = std::find_if(s_.members.begin(), s_.members.end(), [&](const MemberInfo& m) { return m.member.name == name; });
      if (it == s_.members.end()) missing.add(name, "never seen");
      else if (it->member.state != MemberState::alive) missing.add(name, to_string(it->member.state));
    }
    const auto alive = report_.peer_health.members_alive;
    if (missing.count() == 0 && alive >= s_.expected_min) return;
    blame("PV2014", {{"missing", missing.text()}, {"members_alive", number(alive)}, {"expected_min", number(s_.expected_min)}});
  }

  /// Others are there, or were until a moment ago, and all of them are silent. Links would be given up much later.
  [[nodiscard]] bool cut_off() const {
    return s_.silence_limit_s > 0 && s_.silent_s >= s_.silence_limit_s && !s_.left &&
           std::any_of(s_.members.begin(), s_.members.end(), [](const MemberInfo& m) {
             const MemberState state = m.member.state;
             return !m.self && state != MemberState::left && (state != MemberState::dead || m.speaks_links);
           });
  }

  /// Others are heard, and go on when we have asked; but none of them answers anything. A few questions may be lost, or go to members
  /// that are stopped: not so many to several.
  [[nodiscard]] bool unheard() const {
    constexpr double kUnansweredMax = 2.5, kHeardSince = 1.0;
    constexpr std::uint64_t kQuestionsMin = 8, kMembersMin = 2;
    const auto& p = report_.peer_health;
    const std::uint64_t others = std::max<std::uint64_t>(p.members_alive + p.members_suspect, 2) - 1;
    return !s_.left && s_.unanswered_s >= kUnansweredMax && s_.silent_s + kHeardSince <= s_.unanswered_s && s_.unanswered >= kQuestionsMin &&
           s_.unanswered_members >= std::min(kMembersMin, others);
  }

  /// Nobody else is alive, nobody died whom PV2005 or PV2006 name, and a seed that is somebody else does not answer.
  [[nodiscard]] bool alone() const {
    const auto& p = report_.peer_health;
    return p.members_alive <= 1 && p.members_suspect == 0 && s_.unreachable.empty() &&
           std::any_of(s_.seeds.begin(), s_.seeds.end(), [](const SeedInfo& seed) { return !seed.alive && !seed.self; });
  }

  void blame(std::string_view code, Facts evidence) {
    const auto* row = health::find_code(code);
    PLUMVINE_CHECK(row != nullptr, "every reason has a row in the table of codes");
    report_.reasons.push_back({.code = std::string(code),
                               .severity = row->severity,
                               .component = std::string(row->component),
                               .evidence = std::move(evidence),
                               .remedy = std::string(row->remedy)});
    report_.status = std::max(report_.status, row->severity);
  }

  const Snapshot& s_;
  const HealthConfig& limits_;
  HealthReport& report_;
};

std::string message_of(const HealthReport& report) {
  const auto& p = report.peer_health;
  if (report.reasons.empty()) {
    if (p.total_peers == 0 && p.members_alive <= 1) return "healthy: alone";
    return fmt::format("healthy: {} links ({} eager), {} members alive", p.total_peers, p.eager_count, p.members_alive);
  }
  const auto worst =
      std::max_element(report.reasons.begin(), report.reasons.end(),
                       [](const HealthReason& a, const HealthReason& b) { return a.severity < b.severity; });
  auto text = fmt::format("{}: {}", to_string(report.status), health::find_code(worst->code)->cause);
  if (report.reasons.size() > 1) text += fmt::format(" (and {} more)", report.reasons.size() - 1);
  return text;
}

}  // namespace

HealthReport assess(const Snapshot& snapshot, const HealthConfig& thresholds) {
  HealthReport report;
  report.version = snapshot.version;
  report.name = snapshot.name;
  report.uptime_s = snapshot.uptime_s;
  report.peer_health = peer_health(snapshot);
  report.delivery_health = delivery_health(snapshot);
  report.cache_health = cache_health(snapshot);
  report.loop_health = {snapshot.loop.busy_ratio, to_seconds(snapshot.loop.max_stall) * 1e3};

  Judge judge{snapshot, thresholds, report};
  judge.security();
  judge.membership();
  judge.tree();
  judge.delivery();
  judge.cache();
  judge.loop();
  judge_subscribers(snapshot, report);
  report.message = message_of(report);
  return report;
}

HealthReport only_component(HealthReport report, std::string_view component) {
  std::erase_if(report.reasons, [component](const HealthReason& r) { return r.component != component; });
  report.status = HealthStatus::healthy;
  for (const auto& reason : report.reasons) report.status = std::max(report.status, reason.severity);
  report.message =
      report.reasons.empty() ? fmt::format("healthy: nothing is wrong with {}", component) : message_of(report);
  return report;
}

bool is_component(std::string_view name) noexcept {
  return name == "membership" || name == "tree" || name == "delivery" || name == "cache" || name == "security" ||
         name == "loop";
}

}  // namespace plumvine
