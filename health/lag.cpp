#include "lag.hpp"

#include <algorithm>

#include <plumvine/detail/check.hpp>

#include "codes.hpp"

namespace plumvine {

void judge_subscribers(const Snapshot& snapshot, HealthReport& report) {
  const auto& all = snapshot.history.subscribers;
  const auto worst = std::max_element(all.begin(), all.end(), [](const SubscriberInfo& a, const SubscriberInfo& b) { return a.age_s < b.age_s; });
  if (worst == all.end() || lag_level(snapshot, worst->age_s) == LagLevel::ok) return;
  const auto* row = health::find_code("PV2109");
  PLUMVINE_CHECK(row != nullptr, "every reason has a row in the table of codes");
  report.reasons.push_back({.code = std::string(row->code),
                            .severity = row->severity,
                            .component = std::string(row->component),
                            .evidence = {{"topic", worst->topic},
                                         {"subscriber", worst->from},
                                         {"level", std::string(to_string(lag_level(snapshot, worst->age_s)))},
                                         {"age_s", worst->age_s},
                                         {"behind", static_cast<double>(worst->behind)},
                                         {"bytes", static_cast<double>(worst->bytes)}},
                            .remedy = std::string(row->remedy)});
  report.status = std::max(report.status, row->severity);
}

}  // namespace plumvine
