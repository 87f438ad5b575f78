#include "regions.hpp"

#include <cmath>
#include <numbers>

namespace plumvine::sim {

namespace {

constexpr double kEarthRadiusKm = 6371;

double kilometres(const Region& a, const Region& b) {
  const auto radians = [](double degrees) { return degrees * std::numbers::pi / 180; };
  const auto square = [](double x) { return x * x; };
  const double haversine = square(std::sin(radians(b.latitude - a.latitude) / 2)) +
                           std::cos(radians(a.latitude)) * std::cos(radians(b.latitude)) *
                               square(std::sin(radians(b.longitude - a.longitude) / 2));
  return 2 * kEarthRadiusKm * std::asin(std::sqrt(haversine));
}

std::vector<Duration> latency_table() {
  std::vector<Duration> table;
  for (const Region& a : regions()) {
    for (const Region& b : regions()) {
      const double round_trip_ms = &a == &b ? 1 : std::floor(4 + kilometres(a, b) / 75);
      table.push_back(std::chrono::microseconds{static_cast<std::int64_t>(round_trip_ms) * 500});
    }
  }
  return table;
}

}  // namespace

const std::vector<Region>& regions() {
  static const std::vector<Region> all = {
      {"amsterdam", 52.3, 4.8, 8},      {"stockholm", 59.6, 17.9, 3},   {"mumbai", 19.1, 72.9, 5},
      {"paris", 49.0, 2.5, 6},          {"dallas", 32.9, -97.0, 6},     {"newark", 40.7, -74.2, 8},
      {"frankfurt", 50.0, 8.6, 9},      {"sao-paulo", -23.4, -46.5, 4}, {"ashburn", 38.9, -77.5, 12},
      {"johannesburg", -26.1, 28.2, 2}, {"los-angeles", 33.9, -118.4, 6}, {"london", 51.5, -0.5, 8},
      {"tokyo", 35.8, 140.4, 5},        {"chicago", 42.0, -87.9, 6},    {"singapore", 1.4, 104.0, 6},
      {"san-jose", 37.4, -121.9, 6},    {"sydney", -33.9, 151.2, 4},    {"toronto", 43.7, -79.6, 4},
      {"madrid", 40.5, -3.6, 3},
  };
  return all;
}

Duration region_latency(std::size_t a, std::size_t b) {
  static const std::vector<Duration> table = latency_table();
  return table[a * regions().size() + b];
}

std::size_t draw_region(Rng& rng) {
  std::uint64_t total = 0;
  for (const Region& region : regions()) total += region.weight;
  std::uint64_t drawn = rng.below(total);
  for (std::size_t i = 0; i < regions().size(); ++i) {
    if (drawn < regions()[i].weight) return i;
    drawn -= regions()[i].weight;
  }
  return 0;
}

}  // namespace plumvine::sim
