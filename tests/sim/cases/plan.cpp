#include <algorithm>

#include <catch2/catch.hpp>

#include <sim/checkers/delivery.hpp>
#include <sim/log_histogram.hpp>
#include <sim/plan.hpp>

using namespace plumvine;
using namespace plumvine::sim;
using namespace std::chrono_literals;

namespace {

double note(const Report& report, std::string_view name) {
  for (const auto& [field, value] : report.notes) {
    if (field == name) return value;
  }
  return -1;
}

Plan small() {
  Plan plan;
  plan.name = "small";
  plan.nodes = 5;
  plan.lasts = 30s;
  plan.sync_window = 20s;
  plan.publishers = {{.per_second = 10, .topic = "events"}, {.per_second = 10, .topic = "ordered", .order = Order::fifo}};
  return plan;
}

}  // namespace

TEST_CASE("the log of deliveries finds what comes twice, late in its order, or after it was given up", "[sim][plan]") {
  DeliveryLog log;
  const InstanceId origin{1}, a{2}, b{3};
  const Bytes payload = Bytes::copy_of("x");
  for (Sequence i = 1; i <= 6; ++i) log.published({origin, i}, payload);
  log.became_ready(a);
  log.became_ready(b);
  for (Sequence i = 1; i <= 6; ++i) log.published({origin, 6 + i}, payload);
  CHECK(log.delivered(a, {origin, 8}, payload, true).empty());
  CHECK(log.delivered(a, {origin, 7}, payload, false).empty());
  CHECK(log.delivered(a, {origin, 8}, payload, true).find("twice") != std::string::npos);
  CHECK(log.delivered(a, {origin, 10}, payload, true).empty());
  CHECK(log.delivered(a, {origin, 9}, payload, true).find("after its 10") != std::string::npos);
  CHECK(log.delivered(a, {origin, 11}, Bytes::copy_of("y"), false).find("another payload") != std::string::npos);
  log.lost(b, origin, {7, 8});
  CHECK(log.delivered(b, {origin, 7}, payload, false).find("given up") != std::string::npos);
  // b has 7, gave up 8, which a has, and lacks 9 and 10.
  const auto all = log.compare({a, b});
  CHECK(all.expected == 8);
  CHECK(all.delivered == 5);
  CHECK(all.given_up == 1);
  REQUIRE(all.gaps.size() == 1);
  CHECK(all.gaps[0].find("lacks 9..10") != std::string::npos);
  CHECK(log.published_count() == 12);
}

TEST_CASE("percentiles of many values are right within one per cent", "[sim][plan]") {
  LogHistogram histogram;
  CHECK_FALSE(histogram.percentile(0.5));
  for (int i = 1; i <= 10000; ++i) histogram.add(static_cast<double>(i) / 10);
  CHECK(*histogram.percentile(0.5) == Approx(500).epsilon(0.011));
  CHECK(*histogram.percentile(0.99) == Approx(990).epsilon(0.011));
  CHECK(*histogram.percentile(1) <= 1000);
  CHECK(histogram.largest() == 1000);
}

TEST_CASE("a plan's faults happen when and as often as it says", "[sim][plan]") {
  Plan plan = small();
  plan.faults = {{.kind = FaultKind::crash, .at = 3s, .every = 10s, .lasts = 4s},
                 {.kind = FaultKind::leave, .at = 12s, .nodes = {1}},
                 {.kind = FaultKind::restart, .at = 18s, .nodes = {1}},
                 {.kind = FaultKind::stop, .at = 8s, .lasts = 1s, .nodes = {2}},
                 {.kind = FaultKind::join, .at = 9s, .count = 2},
                 {.kind = FaultKind::slow, .at = 20s, .lasts = 2s, .bytes_per_second = 50'000},
                 {.kind = FaultKind::partition, .at = 24s},
                 {.kind = FaultKind::heal, .at = 27s}};
  const Report report = run_plan(plan, Request{});
  INFO((report.violations.empty() ? std::string() : report.violations.front()));
  CHECK(report.violations.empty());
  CHECK(note(report, "faults: crash") == 3);
  for (const char* once : {"leave", "restart", "stop", "join", "slow", "partition", "heal"}) {
    CHECK(note(report, std::string("faults: ") + once) == 1);
  }
  CHECK(report.delivered == report.expected);
  CHECK(*report.broadcasts > 5 * 20 * 20);
  // The partition showed: something was some seconds late, and half of the time nothing was.
  CHECK(note(report, "delivery_ms_max") > 2000);
  CHECK(note(report, "delivery_ms_p50") < 5);
}

TEST_CASE("bursts go as runs through crashes, loss and a partition", "[sim][plan]") {
  Plan plan = small();
  plan.nodes = 7;
  plan.loss = 0.02;
  plan.publishers = {{.per_second = 300, .burst = 30, .bytes = 60, .topic = "events"},
                     {.per_second = 100, .burst = 10, .topic = "ordered", .order = Order::fifo},
                     {.nodes = 2, .per_second = 5, .bytes = 40'000, .topic = "large"}};
  plan.faults = {{.kind = FaultKind::crash, .at = 3s, .every = 10s, .lasts = 4s},
                 {.kind = FaultKind::slow, .at = 8s, .lasts = 3s, .bytes_per_second = 50'000},
                 {.kind = FaultKind::join, .at = 9s, .count = 2},
                 {.kind = FaultKind::partition, .at = 24s, .lasts = 4s}};
  for (const std::uint64_t seed : {1, 2, 3}) {
    Request request;
    request.seed = seed;
    const Report report = run_plan(plan, request);
    INFO("seed " << seed << ": " << (report.violations.empty() ? std::string() : report.violations.front()));
    CHECK(report.violations.empty());
    CHECK(report.delivered == report.expected);
    CHECK(*report.broadcasts > 5 * 20 * 400);
  }
}

TEST_CASE("a bound of a plan that does not hold is named", "[sim][plan]") {
  Plan plan = small();
  plan.checks = {{"broadcasts", 1e6, {}}, {"rmr", {}, -1}, {"delivery_ms_max", {}, 60000}};
  Request request;
  request.seconds = 3;
  const Report report = run_plan(plan, request);
  REQUIRE(report.violations.size() == 2);
  CHECK(report.violations[0].find("check broadcasts: ") == 0);
  CHECK(report.violations[1].find("is above -1") != std::string::npos);
  // Too short for the stores to fill.
  plan.checks = {{"memory", {}, 1.1}};
  CHECK(run_plan(plan, request).violations.empty());
  request.seconds.reset();
  CHECK(run_plan(plan, request).violations == std::vector<std::string>{"check memory: was not measured"});
  plan.sync_window = 1s;
  const Report measured = run_plan(plan, request);
  CHECK(measured.violations.empty());
  CHECK(note(measured, "memory") > 0.9);
}

TEST_CASE("the same plan and seed give the same run", "[sim][plan]") {
  Plan plan = small();
  plan.loss = 0.05;
  plan.faults = {{.kind = FaultKind::crash, .at = 3s, .lasts = 4s}};
  Request request;
  request.seconds = 10;
  const auto first = run_plan(plan, request);
  CHECK(first.trace_hash == run_plan(plan, request).trace_hash);
  request.seed = 2;
  CHECK(first.trace_hash != run_plan(plan, request).trace_hash);
}
