#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <plumvine/detail/rng.hpp>
#include <plumvine/time.hpp>

namespace plumvine::sim {

/// Nineteen places with data centres, for wide-area runs (P8). Weights are shares of the members.
struct Region {
  std::string_view name;
  double latitude, longitude;  ///< degrees
  std::uint64_t weight;
};
const std::vector<Region>& regions();

/// One way: floor(4 + km / 75) / 2 ms between regions along the great circle, 0.5 ms inside one.
Duration region_latency(std::size_t a, std::size_t b);
/// A region for a new member, by weight.
std::size_t draw_region(Rng& rng);

}  // namespace plumvine::sim
