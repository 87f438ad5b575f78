#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plumvine::cli {

/// Series by name and labels, as `/metrics` writes them.
using Series = std::map<std::string, double, std::less<>>;
Series parse_metrics(std::string_view exposition);

/// What the agent said at one instant.
struct TopSample {
  double at_s = 0;      ///< on some clock that only goes forward
  Series metrics;
  std::string health, peers;  ///< JSON
};

/// Smallest value that the share `q` of what was observed between the two does not exceed, within a bucket as if evenly spread; `whole`: the bound of
/// its bucket. Negative where nothing was observed.
double quantile(const Series& before, const Series& after, std::string_view histogram, double q, bool whole = false);

/// One object of everything that is shown. Rates and percentiles are of the time between the two samples; null where they are unknown.
std::string top_json(const TopSample& before, const TopSample& after);
/// The same for people.
std::string top_text(std::string_view json);

}  // namespace plumvine::cli
