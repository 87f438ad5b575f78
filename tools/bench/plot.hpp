#pragma once

#include <string>
#include <vector>

#include "report.hpp"

namespace plumvine::bench {

/// An SVG document of its own: for each mode and number of members two plots over the size of payloads, both axes logarithmic.
/// A line for each program, ours thick; dots are medians.
std::string plot(const std::vector<Point>& points);

}  // namespace plumvine::bench
