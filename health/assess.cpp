#include <plumvine/health.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace plumvine {
namespace {

/// Rates over fewer messages say nothing.
constexpr std::uint64_t kJudgedFrom = 100;

class Judge {
 public:
  explicit Judge(HealthReport& report) : report_(report) {}
  void add(HealthStatus severity, std::string code, std::string component, std::string remedy,
           std::vector<std::pair<std::string, double>> evidence) {
    report_.reasons.push_back({std::move(code), severity, std::move(component), std::move(evidence), std::move(remedy)});
    report_.status = std::max(report_.status, severity);
  }

 private:
  HealthReport& report_;
};

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Members that speak links beside ourselves, by what is believed of them.
struct LinkSpeakers {
  std::uint64_t present = 0;  ///< alive, suspect or dead: those that should be neighbours of somebody
  std::uint64_t dead = 0;
};

LinkSpeakers link_speakers(const Snapshot& s) {
  LinkSpeakers out;
  for (const auto& info : s.members) {
    if (info.self || !info.speaks_links || info.member.state == MemberState::left) continue;
    ++out.present;
    if (info.member.state == MemberState::dead) ++out.dead;
  }
  return out;
}

PeerHealth peer_health(const Snapshot& s) {
  PeerHealth out;
  for (const auto& link : s.links) {
    if (link.state != LinkState::up) continue;
    ++out.total_peers;
    ++(link.role == PeerRole::eager ? out.eager_count : out.lazy_count);
    if (link.is_protected) ++out.protected_count;
  }
  for (const auto& info : s.members) {
    switch (info.member.state) {
      case MemberState::alive: ++out.members_alive; break;
      case MemberState::suspect: ++out.members_suspect; break;
      case MemberState::dead: ++out.members_dead; break;
      case MemberState::left: break;
    }
  }
  out.target_eager = std::min<std::uint64_t>(s.target_eager, out.total_peers);
  out.partition = s.partition;
  return out;
}

DeliveryHealth delivery_health(const Snapshot& s) {
  DeliveryHealth out;
  out.pending_grafts = s.tree.pending_grafts;
  out.graft_failure_rate = ratio(s.window.grafts_failed, s.window.grafts_sent);
  out.duplicate_rate = ratio(s.window.duplicate, s.window.delivered);
  out.missing_messages = s.tree.missing_messages;
  out.oldest_missing_s = to_seconds(s.tree.oldest_missing);
  out.delivered_total = s.tree.delivered;
  return out;
}

CacheHealth cache_health(const Snapshot& s) {
  CacheHealth out;
  out.messages = s.tree.cache_messages;
  out.capacity = s.cache_capacity;
  out.bytes = s.tree.cache_bytes;
  out.bytes_capacity = s.cache_bytes_capacity;
  out.ttl_s = s.cache_ttl_s;
  out.utilization = std::max(ratio(out.messages, out.capacity), ratio(out.bytes, out.bytes_capacity));
  return out;
}

void judge_membership(const Snapshot& s, Judge& judge) {
  if (s.left) {
    judge.add(HealthStatus::unhealthy, "PV2001", "membership", "this node has left the cluster; rejoin or stop it", {});
  } else if (!s.joined) {
    judge.add(HealthStatus::unhealthy, "PV2002", "membership",
              "no seed has answered yet: check the addresses given as seeds, and that their UDP and TCP ports are reachable", {});
  }
  const auto speakers = link_speakers(s);
  if (s.partition == PartitionState::majority_lost) {
    judge.add(HealthStatus::unhealthy, "PV2003", "membership",
              "most known members are dead: this side of a partition is the smaller one; check the network between the sites",
              {{"dead", static_cast<double>(speakers.dead)}, {"known", static_cast<double>(speakers.present)}});
  } else if (s.partition == PartitionState::partial) {
    judge.add(HealthStatus::degraded, "PV2004", "membership",
              "some members are dead: restart them, or let them leave if they are gone for good",
              {{"dead", static_cast<double>(speakers.dead)}, {"known", static_cast<double>(speakers.present)}});
  }
}

void judge_tree(const Snapshot& s, const HealthReport& report, Judge& judge) {
  const auto speakers = link_speakers(s);
  if (report.peer_health.eager_count == 0 && speakers.present > 0 && !s.left) {
    judge.add(HealthStatus::unhealthy, "PV2101", "tree",
              "no eager peer although members are known: broadcasts neither arrive nor leave; check that the bind port is reachable by TCP",
              {{"eager", 0}, {"links", static_cast<double>(report.peer_health.total_peers)}, {"members", static_cast<double>(speakers.present)}});
  }
  if (s.invariant_violations > 0) {
    judge.add(HealthStatus::degraded, "PV2102", "tree", "the program found itself inconsistent; report it with a state dump",
              {{"violations", static_cast<double>(s.invariant_violations)}});
  }
}

void judge_delivery(const Snapshot& s, const HealthReport& report, const HealthConfig& t, Judge& judge) {
  const auto& d = report.delivery_health;
  if (s.window.delivered >= kJudgedFrom && d.duplicate_rate > t.duplicate_rate_degraded) {
    judge.add(HealthStatus::degraded, "PV2201", "delivery",
              "many duplicates: links come and go, or optimization_threshold is too high for this load",
              {{"duplicate_rate", d.duplicate_rate}, {"limit", t.duplicate_rate_degraded}});
  }
  if (s.window.grafts_sent >= kJudgedFrom && d.graft_failure_rate > t.graft_failure_rate_degraded) {
    judge.add(HealthStatus::degraded, "PV2202", "delivery",
              "grafts stay without answer: raise message_cache_ttl or graft_timeout, and look for overloaded peers",
              {{"graft_failure_rate", d.graft_failure_rate}, {"limit", t.graft_failure_rate_degraded}});
  }
  if (d.missing_messages > 0 && s.tree.oldest_missing > t.missing_degraded) {
    judge.add(HealthStatus::degraded, "PV2203", "delivery",
              "messages are known to exist but have not arrived: a publisher or a part of the cluster is not reachable",
              {{"missing", static_cast<double>(d.missing_messages)}, {"oldest_s", d.oldest_missing_s}});
  }
}

void judge_cache_and_loop(const Snapshot& s, const HealthReport& report, const HealthConfig& t, Judge& judge) {
  // A full cache is ordinary under load as long as messages still live out their time; only eviction by room says otherwise.
  const auto by_room = s.tree.cache_evictions[CacheEviction::count] + s.tree.cache_evictions[CacheEviction::bytes];
  if (report.cache_health.utilization > t.cache_utilization_degraded && by_room > 0 &&
      s.window.grafts_failed > 0) {
    judge.add(HealthStatus::degraded, "PV2301", "cache",
              "the graft cache is full and grafts fail: raise message_cache_max_size or message_cache_max_bytes",
              {{"utilization", report.cache_health.utilization}, {"grafts_failed", static_cast<double>(s.window.grafts_failed)}});
  }
  if (s.loop.max_stall > t.stall_degraded) {
    judge.add(HealthStatus::degraded, "PV2401", "loop",
              "the event loop was held up: a handler is slow, or this machine is overloaded",
              {{"max_stall_ms", to_seconds(s.loop.max_stall) * 1000}, {"limit_ms", to_seconds(t.stall_degraded) * 1000}});
  }
}

std::string summary(const HealthReport& report) {
  if (report.reasons.empty()) {
    return fmt::format("{} members alive, {} peers", report.peer_health.members_alive, report.peer_health.total_peers);
  }
  const auto worst = std::max_element(report.reasons.begin(), report.reasons.end(),
                                      [](const auto& a, const auto& b) { return a.severity < b.severity; });
  return fmt::format("{} ({}{})", worst->remedy, worst->code,
                     report.reasons.size() > 1 ? fmt::format(" and {} more", report.reasons.size() - 1) : "");
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
  report.loop_health = {snapshot.loop.busy_ratio, to_seconds(snapshot.loop.max_stall) * 1000};
  Judge judge(report);
  judge_membership(snapshot, judge);
  judge_tree(snapshot, report, judge);
  judge_delivery(snapshot, report, thresholds, judge);
  judge_cache_and_loop(snapshot, report, thresholds, judge);
  report.message = summary(report);
  return report;
}

}  // namespace plumvine
