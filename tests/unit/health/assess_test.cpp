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

TEST_CASE("a full cache of the usual size is blamed only when pulls fail as well", "[health]") {
  auto s = cluster();
  s.tree.cache_messages = s.cache_capacity;
  s.window = {.seconds = 60, .delivered = 10000, .grafts_sent = 100, .grafts_failed = 1};
  CHECK(judged(s).status == HealthStatus::healthy);
  CHECK(judged(s).cache_health.utilization == Approx(1.0));
  s.window.grafts_failed = 50;
  CHECK(codes_of(judged(s)) == Codes{"PV2103", "PV2104"});
}

TEST_CASE("a cache with less room than the preset's is too small once messages leave it too early", "[health]") {
  auto s = cluster();
  s.tree.cache_messages = s.cache_capacity = 10;
  s.cache_need_s = 5;
  s.window = {.seconds = 60, .delivered = 10000, .cache_overflows = 600};  // each is kept for a second
  CHECK(judged(s).status == HealthStatus::healthy);
  s.cache_reduced = true;
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2104"});
  CHECK(report.reasons[0].evidence[2] == std::pair<std::string, Evidence>("kept_s", 1.0));
  s.window.cache_overflows = 60;  // for ten seconds
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("a graft timeout below the round trip to a neighbour", "[health]") {
  auto s = cluster();
  s.graft_timeout_s = 0.2;
  s.links[0].rtt_s = 0.19;
  CHECK(judged(s).status == HealthStatus::healthy);
  s.links[0].rtt_s = 0.21;
  CHECK(codes_of(judged(s)) == Codes{"PV2106"});
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence(s.links[0].peer));
}

TEST_CASE("a member whose machine takes connections and that says nothing is stopped", "[health]") {
  auto s = cluster();
  s.members[1].contact = StreamContact::silent;
  CHECK(judged(s).status == HealthStatus::healthy);  // it has answered since
  s.members[1].member.state = MemberState::suspect;
  CHECK(codes_of(judged(s)) == Codes{"PV2012"});
  s.members[1].member.state = MemberState::dead;
  s.partition = PartitionState::partial;
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2012", "PV2005"});
  CHECK(std::get<std::string>(report.reasons[0].evidence[1].second).starts_with(s.members[1].member.name + " ("));
  s.members[1].contact = StreamContact::refused;
  CHECK(codes_of(judged(s)) == Codes{"PV2005"});
  CHECK(report.reasons[1].evidence[3].second == Evidence(s.members[1].member.name + " (silent)"));
}

TEST_CASE("a wrong clock is the neighbour's, or ours where all neighbours differ alike", "[health]") {
  auto s = cluster();
  s.links = {link("b", PeerRole::eager), link("c", PeerRole::lazy), link("d", PeerRole::lazy)};
  s.links[1].clock_offset_s = 29;
  CHECK(judged(s).status == HealthStatus::healthy);
  s.links[1].clock_offset_s = -40;
  CHECK(codes_of(judged(s)) == Codes{"PV2013"});
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence("c (-40.0 s)"));
  for (auto& l : s.links) l.clock_offset_s = -40;
  s.links[0].clock_offset_s = -41;
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence(s.name));
  CHECK(judged(s).reasons[0].evidence[1].second == Evidence(40.0));
  s.links[0].clock_offset_s = 40;  // they do not agree
  CHECK(std::get<std::string>(judged(s).reasons[0].evidence[0].second).starts_with("b (+40.0 s), c"));
}

TEST_CASE("members that are expected are missed by name and by number", "[health]") {
  auto s = cluster();
  s.expected = {s.name, s.members[1].member.name};
  s.expected_min = 4;
  CHECK(judged(s).status == HealthStatus::healthy);
  s.expected_min = 5;
  CHECK(codes_of(judged(s)) == Codes{"PV2014"});
  s.expected_min = 0;
  s.expected.push_back("zoe");
  s.members[1].member.state = MemberState::suspect;
  CHECK(codes_of(judged(s)) == Codes{"PV2014"});
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence(s.members[1].member.name + " (suspect), zoe (never seen)"));
}

TEST_CASE("who hears nobody is cut off, unless nobody is to be heard", "[health]") {
  auto s = cluster();
  s.silence_limit_s = 3;
  s.silent_s = 2.9;
  CHECK(judged(s).status == HealthStatus::healthy);
  s.silent_s = 3;
  CHECK(codes_of(judged(s)) == Codes{"PV2016"});
  CHECK(judged(s).status == HealthStatus::unhealthy);
  for (auto& member : s.members) member.speaks_links = false;
  CHECK(codes_of(judged(s)).front() == "PV2016");
  for (auto& member : s.members)
    if (!member.self) member.member.state = MemberState::dead;  // foreign members that died are gone
  const auto gone = codes_of(judged(s));
  CHECK(std::count(gone.begin(), gone.end(), "PV2016") == 0);
  auto alone = sole();
  alone.silence_limit_s = 3;
  alone.silent_s = 1000;
  CHECK(judged(alone).status == HealthStatus::healthy);
}

TEST_CASE("who hears others and gets no answer from anybody cannot be heard", "[health]") {
  auto s = cluster();
  const auto asked = [&](double seconds, std::uint64_t questions, std::uint64_t members, double silent) {
    s.unanswered_s = seconds;
    s.unanswered = questions;
    s.unanswered_members = members;
    s.silent_s = silent;
    s.silence_limit_s = 3;
    return codes_of(judged(s));
  };
  CHECK(asked(2.5, 8, 2, 0.1) == Codes{"PV2017"});
  CHECK(judged(s).status == HealthStatus::unhealthy);
  CHECK(asked(2.4, 8, 2, 0.1).empty());  // it may still come
  CHECK(asked(2.5, 7, 2, 0.1).empty());  // some are lost
  CHECK(asked(20, 60, 1, 0.1).empty());  // that one does not answer, which says nothing of the others
  CHECK(asked(2.5, 8, 2, 1.6).empty());  // heard before we asked: whoever it was may be gone
  CHECK(asked(4, 8, 2, 3) == Codes{"PV2016"});
  CHECK(asked(0, 0, 0, 0.1).empty());
  asked(2.5, 8, 2, 0.1);
  s.left = true;
  CHECK(codes_of(judged(s)) == Codes{"PV2004"});
  s.left = false;
  // With one other member it is that one alone who can answer.
  for (auto& member : s.members)
    if (!member.self && member.member.name != "b") member.member.state = MemberState::left;
  const auto two = asked(2.5, 8, 1, 0.1);
  CHECK(std::count(two.begin(), two.end(), "PV2017") == 1);
}

TEST_CASE("strangers without our key are shown for a minute", "[health]") {
  auto s = cluster();
  s.keys.push_back({"k", true, 10});
  s.other_key = {"10.9.9.9:7946", 4, 59};
  s.in_clear = {"10.9.9.8:7946", 2, 1};
  CHECK(codes_of(judged(s)) == Codes{"PV2301", "PV2302"});
  CHECK(codes_of(only_component(judged(s), "security")) == Codes{"PV2301", "PV2302"});
  s.other_key.age_s = s.in_clear.age_s = 61;
  CHECK(judged(s).status == HealthStatus::healthy);
  s.other_key.age_s = 1;
  s.keys.clear();  // then it is we who have none
  CHECK(codes_of(judged(s)) == Codes{"PV2311"});
}

TEST_CASE("who breaks the protocol and who accuses everybody is named, and forgotten after a while", "[health]") {
  auto s = cluster();
  s.graylist.push_back(GraylistInfo{"mad", "10.0.0.9:4711", "unexpected", 2, 40, 20});
  s.graylist.push_back(GraylistInfo{"tame", "10.0.0.8:1", "rate", 1, 0, 700});
  s.accusers.push_back(AccuserInfo{"liar", 4, 12, 5});
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2306", "PV2307"});
  CHECK(std::get<std::string>(report.reasons[0].evidence[1].second) == "mad (at 10.0.0.9:4711, unexpected, 2 times)");
  CHECK(std::get<std::string>(report.reasons[1].evidence[1].second) == "liar (4 members within a minute)");
  s.accusers.clear();
  s.graylist[0].left_s = 0;
  s.graylist[0].ago_s = 601;
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("whose broadcasts are refused and who shows another key is named, and forgotten after a while", "[health]") {
  auto s = cluster();
  s.refused_origins.push_back({"db", "bad_signature", "mad", 7, 20});
  s.refused_origins.push_back({"web", "key_changed", "", 2, 30});
  s.refused_origins.push_back({"old", "unsigned", "x", 1, 601});
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2308", "PV2309"});
  CHECK(std::get<std::string>(report.reasons[0].evidence[1].second) == "db (bad_signature, 7 times, last from mad)");
  CHECK(std::get<std::string>(report.reasons[1].evidence[1].second) == "web (2 times)");
}

TEST_CASE("who signs nothing is named where signatures are required", "[health]") {
  auto s = cluster();
  REQUIRE(s.members.size() > 2);
  const auto others = std::count_if(s.members.begin(), s.members.end(), [](const MemberInfo& m) { return !m.self; });
  CHECK(judged(s).status == HealthStatus::healthy);
  s.signatures_required = true;
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2310"});
  CHECK(std::get<double>(report.reasons[0].evidence[0].second) == static_cast<double>(others));
  for (MemberInfo& m : s.members) m.member.meta = encode_tags({{std::string{kTagOrigin}, "key"}});
  CHECK(judged(s).status == HealthStatus::healthy);
  s.members.back().member.meta = {};
  CHECK(codes_of(judged(s)) == Codes{"PV2310"});
  s.members.back().speaks_links = false;  // a program that only knows membership publishes nothing
  CHECK(judged(s).status == HealthStatus::healthy);
}

TEST_CASE("a certificate is due before it expires", "[health]") {
  constexpr double kDay = 24 * 3600;
  auto s = cluster();
  s.transport.tls.certificate_left_s = -1;  // without TLS nothing expires
  CHECK(judged(s).status == HealthStatus::healthy);
  s.transport.tls = {.on = true, .certificate_expires_s = 365 * 86400, .certificate_from_s = 0, .certificate = "ab", .certificate_left_s = 15 * kDay};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.transport.tls.certificate_left_s = 13 * kDay;
  CHECK(codes_of(judged(s)) == Codes{"PV2303"});
  s.transport.tls.certificate_expires_s = 30 * 86400;  // of a month the last six days
  CHECK(judged(s).status == HealthStatus::healthy);
  s.transport.tls.certificate_left_s = 5 * kDay;
  CHECK(codes_of(judged(s)) == Codes{"PV2303"});
  s.transport.tls.certificate_left_s = -1;
  CHECK(codes_of(judged(s)) == Codes{"PV2304"});
  CHECK(judged(s).status == HealthStatus::unhealthy);
  s.transport.tls.certificate_left_s = 20 * kDay;
  s.transport.tls.problem = "tls_key: it is not the key";
  CHECK(codes_of(judged(s)) == Codes{"PV2305"});
}

TEST_CASE("memory that grows is blamed on the part that gains it", "[health]") {
  auto s = cluster();
  s.memory = {.resident = 1 << 30, .gained = (64 << 20) - 1, .gained_s = 30, .gaining = MemoryPart::store};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.memory.gained = 64 << 20;
  CHECK(codes_of(judged(s)) == Codes{"PV2203"});
  CHECK(judged(s).reasons[0].evidence[0].second == Evidence("store"));
  s.memory.gaining = MemoryPart::count_;
  CHECK(std::get<std::string>(judged(s).reasons[0].evidence[0].second).starts_with("none of plumvine's"));
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
  const auto blamed = [&] {
    const auto report = judged(s);
    const auto& evidence = report.reasons.at(0).evidence;
    const auto it = std::find_if(evidence.begin(), evidence.end(), [](const auto& fact) { return fact.first == "in"; });
    return it == evidence.end() ? std::string{} : std::get<std::string>(it->second);
  };
  CHECK(blamed().starts_with("nothing that is timed"));
  s.loop.max_stall_in = "handler on_message";
  CHECK(blamed() == "handler on_message");

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
  s.members[1] = member("serf", MemberState::dead, false);
  CHECK(codes_of(judged(s)) == Codes{"PV2009"});
  s.unreachable = {"b"};  // it is said whom it lost
  s.partition = PartitionState::partial;
  CHECK(codes_of(judged(s)) == Codes{"PV2005"});
  s.unreachable.clear();
  s.partition = PartitionState::healthy;
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
    CHECK((row.severity == HealthStatus::healthy) == row.code.starts_with("PV29"));  // advice
  }
  CHECK(health::find_code("PV0000") == nullptr);
}

TEST_CASE("a subscriber that lags degrades, and the slowest one is named", "[health]") {
  auto s = cluster();
  s.lag_warning_s = 10;
  s.lag_critical_s = 60;
  s.history.subscribers = {{.topic = "t", .from = "10.0.0.9:1", .reads_history = false, .behind = 3, .bytes = 300, .age_s = 9.9}};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.history.subscribers.push_back({.topic = "u", .from = "10.0.0.9:2", .reads_history = false, .behind = 7, .bytes = 700, .age_s = 10});
  auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2109"});
  CHECK(report.status == HealthStatus::degraded);
  CHECK(report.reasons[0].component == "delivery");
  CHECK(std::get<std::string>(report.reasons[0].evidence[0].second) == "u");
  CHECK(std::get<std::string>(report.reasons[0].evidence[2].second) == "warning");
  s.history.subscribers[0].age_s = 60;
  report = judged(s);
  CHECK(std::get<std::string>(report.reasons[0].evidence[1].second) == "10.0.0.9:1");
  CHECK(std::get<std::string>(report.reasons[0].evidence[2].second) == "critical");
}

TEST_CASE("a bound that is nearly reached is named by its key", "[health]") {
  auto s = cluster();
  s.bounds = {{"members_max", 799, 1000}, {"topics_max", 10, 1024}};
  CHECK(judged(s).status == HealthStatus::healthy);
  s.bounds = {{"members_max", 800, 1000}, {"topics_max", 1024, 1024}, {"origins_max", 5, 4096}};
  const auto report = judged(s);
  CHECK(codes_of(report) == Codes{"PV2107"});
  CHECK(report.status == HealthStatus::degraded);
  CHECK(report.reasons[0].component == "cache");
  CHECK(std::get<std::string>(report.reasons[0].evidence[0].second) == "members_max (800 of 1000), topics_max (1024 of 1024)");
}
