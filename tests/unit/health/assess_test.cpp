#include "health/codes.hpp"
#include "support/pch.hpp"
#include "support/snapshots.hpp"

using namespace plumvine;
using test::cluster;
using test::link;
using test::member;
using test::sole;

namespace {

HealthReport judged(const Snapshot& s) {
  return assess(s, HealthConfig{});
}

std::vector<std::string> codes_of(const HealthReport& report) {
  std::vector<std::string> out;
  for (const auto& reason : report.reasons) out.push_back(reason.code);
  return out;
}

using Codes = std::vector<std::string>;

}  // namespace

TEST_CASE("a sole node and a linked cluster are healthy", "[health]") {
  CHECK(judged(sole()).status == HealthStatus::healthy);
  const auto report = judged(cluster());
  CHECK(report.status == HealthStatus::healthy);
  CHECK(report.reasons.empty());
  CHECK(report.peer_health.eager_count == 1);
  CHECK(report.peer_health.lazy_count == 1);
  CHECK(report.peer_health.protected_count == 1);
  CHECK(report.peer_health.total_peers == 2);
  CHECK(report.peer_health.members_alive == 4);
  CHECK(report.peer_health.target_eager == 2);  // 3 are wanted, 2 links there are
}

TEST_CASE("zero eager links while a link-speaking member is known is unhealthy", "[health]") {
  auto s = sole();
  for (auto state : {MemberState::alive, MemberState::suspect, MemberState::dead}) {
    s.members.resize(1);
    s.members.push_back(member("b", state));
    const auto report = judged(s);
    CHECK(report.status == HealthStatus::unhealthy);
    CHECK(codes_of(report) == Codes{"PV2001"});
    CHECK(report.reasons[0].component == "tree");
    CHECK_FALSE(report.reasons[0].remedy.empty());
  }
  s.members.resize(1);
  s.members.push_back(member("b", MemberState::left));
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("blocked packets degrade, as long as the member lives", "[health]") {
  auto s = cluster();
  s.members[1].packets = PacketPath::out_blocked;
  s.members[2].packets = PacketPath::in_blocked;
  s.members[2].member.state = MemberState::dead;
  CHECK(codes_of(judged(s)) == Codes{"PV2007"});
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence(1.0));
}

TEST_CASE("an incompatible member degrades while it lives", "[health]") {
  auto s = cluster();
  s.members[1].incompatible = "Node 'b' delegate protocol version (0) is incompatible: [2, 0]";
  CHECK(codes_of(judged(s)) == Codes{"PV2008"});
  s.members[1].member.state = MemberState::left;
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("a link that is only being made is no neighbour", "[health]") {
  auto s = cluster();
  s.links = {link("b", PeerRole::eager, LinkState::dialling), link("c", PeerRole::lazy)};
  CHECK(codes_of(judged(s)) == Codes{"PV2001"});
  CHECK(judged(s).peer_health.total_peers == 1);
}

TEST_CASE("a node among foreign members only is healthy", "[health]") {
  auto s = sole();
  s.members.push_back(member("serf", MemberState::alive, false));
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("rates are judged from 100 messages up", "[health]") {
  auto s = cluster();
  s.window = {.seconds = 60, .delivered = 99, .duplicate = 300};
  CHECK(judged(s).status == HealthStatus::healthy);
  CHECK(judged(s).delivery_health.duplicate_rate == Approx(300.0 / 399));
  s.window.delivered = 100;
  CHECK(codes_of(judged(s)) == Codes{"PV2102"});
  CHECK(judged(s).status == HealthStatus::degraded);
  s.window = {.seconds = 60, .delivered = 100, .grafts_sent = 9, .grafts_failed = 9};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.window.grafts_sent = 10;
  CHECK(codes_of(judged(s)) == Codes{"PV2103"});
}

TEST_CASE("a full cache is blamed only when pulls fail as well", "[health]") {
  auto s = cluster();
  s.tree.cache_messages = s.cache_capacity;
  s.window = {.seconds = 60, .delivered = 10000, .grafts_sent = 100, .grafts_failed = 1};
  CHECK(judged(s).status == HealthStatus::healthy);
  CHECK(judged(s).cache_health.utilization == Approx(1.0));
  s.window.grafts_failed = 50;
  CHECK(codes_of(judged(s)) == Codes{"PV2103", "PV2104"});
}

TEST_CASE("messages that cannot be written degrade", "[health]") {
  auto s = cluster();
  s.history = {.kept = true, .problem = "'/d/messages.db': database or disk is full", .dropped = 7};
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2105"});
  CHECK(report.status == HealthStatus::degraded);
  CHECK(report.reasons[0].evidence[0].second == Evidence("'/d/messages.db': database or disk is full"));
}

TEST_CASE("what is missing for long, a stall, and a partition degrade", "[health]") {
  auto s = cluster();
  s.tree.missing_messages = 5;
  s.tree.oldest_missing = std::chrono::seconds{9};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.tree.oldest_missing = std::chrono::seconds{11};
  CHECK(codes_of(judged(s)) == Codes{"PV2101"});

  s = cluster();
  s.loop.max_stall = std::chrono::milliseconds{1500};
  CHECK(codes_of(judged(s)) == Codes{"PV2201"});
  CHECK(judged(s).loop_health.max_stall_ms == Approx(1500));

  s = cluster();
  s.partition = PartitionState::partial;
  CHECK(codes_of(judged(s)) == Codes{"PV2005"});
  s.partition = PartitionState::majority_lost;
  CHECK(codes_of(judged(s)) == Codes{"PV2006"});
  CHECK(judged(s).status == HealthStatus::unhealthy);
}

TEST_CASE("a node that waits for a seed, for its first sync, or left is not healthy", "[health]") {
  auto s = sole();
  s.joined = s.synced = false;
  CHECK(codes_of(judged(s)) == Codes{"PV2002"});
  CHECK(judged(s).status == HealthStatus::unhealthy);
  s.joined = true;
  CHECK(codes_of(judged(s)) == Codes{"PV2003"});
  s.left = true;
  CHECK(codes_of(judged(s)) == Codes{"PV2004"});
}

TEST_CASE("a member that is alone says so, with what its seeds fail with", "[health]") {
  auto s = sole();
  s.seeds = {{.name = "10.0.0.1:7946", .self = true}};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.seeds.push_back({.name = "db:7946", .problem = "its name cannot be resolved"});
  s.seeds.push_back({.name = "10.0.0.2:7946"});
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2009"});
  CHECK(report.status == HealthStatus::degraded);
  CHECK(report.reasons[0].evidence[0].second ==
        Evidence("db:7946 (its name cannot be resolved); 10.0.0.2:7946 (no answer yet)"));
  for (int i = 3; i < 6; ++i) s.seeds.push_back({.name = "10.0.0." + std::to_string(i) + ":7946"});
  CHECK(std::get<std::string>(judged(s).reasons[0].evidence[0].second).ends_with("; 2 more"));
  s.members.push_back(member("serf", MemberState::alive, false));
  CHECK(judged(s).status == HealthStatus::healthy);
  s.members[1] = member("b", MemberState::dead, false);  // it is known whom it lost
  CHECK(judged(s).status == HealthStatus::healthy);
  s.joined = false;
  CHECK(codes_of(judged(s)) == Codes{"PV2002"});
  CHECK(std::get<std::string>(judged(s).reasons[0].evidence[1].second).starts_with("db:7946 ("));
}

TEST_CASE("a name that is another's is said with the other's address", "[health]") {
  auto s = cluster();
  s.name_holder = "10.0.0.4:7946";
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2011"});
  CHECK(report.status == HealthStatus::unhealthy);
  CHECK(report.reasons[0].evidence[1].second == Evidence("10.0.0.4:7946"));
}

TEST_CASE("another cluster is shown for a minute", "[health]") {
  auto s = cluster();
  s.other_cluster = {"10.9.9.9:7946", 4, 59};
  CHECK(codes_of(judged(s)) == Codes{"PV2010"});
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence("10.9.9.9:7946"));
  s.other_cluster.age_s = 61;
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("a component's report holds its own reasons only", "[health]") {
  auto s = sole();
  s.members.push_back(member("b", MemberState::dead));
  s.partition = PartitionState::partial;
  const auto all = judged(s);
  CHECK(codes_of(all) == Codes{"PV2005", "PV2001"});
  CHECK(only_component(all, "membership").status == HealthStatus::degraded);
  CHECK(codes_of(only_component(all, "membership")) == Codes{"PV2005"});
  CHECK(only_component(all, "loop").status == HealthStatus::healthy);
  CHECK(is_component("security"));
  CHECK_FALSE(is_component("Tree"));
}

TEST_CASE("every code is unique, sorted, and names a component", "[health]") {
  std::string last;
  for (const auto& row : health::codes()) {
    CHECK(std::string(row.code) > last);
    last = row.code;
    CHECK(is_component(row.component));
    CHECK(row.severity != HealthStatus::healthy);
  }
  CHECK(health::find_code("PV0000") == nullptr);
}
