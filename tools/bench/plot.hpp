#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report.hpp"

namespace plumvine::bench {

/// What plots go over.
enum class Over : std::uint8_t { size, members };

/// An SVG document of its own: for each mode and number of members two plots over the size of payloads, or for each mode and size over the
/// number of members; both axes logarithmic. A line for each program, ours thick; dots are medians.
std::string plot(std::vector<Point> points, Over over);

}  // namespace plumvine::bench
