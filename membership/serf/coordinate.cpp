#include "coordinate.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <plumvine/detail/msgpack_reader.hpp>

#include "membership/wire/msgpack_writer.hpp"

namespace plumvine::serf {
namespace {

// Serf's constants.
constexpr double kErrorWeight = 0.25;   // ce
constexpr double kForceWeight = 0.25;   // cc
constexpr double kErrorMax = 1.5;
constexpr double kHeightMin = 1e-5;
constexpr double kGravityRho = 150;
constexpr double kZero = 1e-6;
constexpr Duration kRoundTripMax = std::chrono::seconds{10};
constexpr std::byte kVersion{1};

using Vector = std::array<double, kDimension>;

Vector difference(const Vector& a, const Vector& b) {
  Vector out{};
  for (std::size_t i = 0; i < kDimension; ++i) out[i] = a[i] - b[i];
  return out;
}

double length(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

double raw_distance(const Coordinate& a, const Coordinate& b) { return length(difference(a.vec, b.vec)) + a.height + b.height; }

}  // namespace

double Coordinate::distance_to(const Coordinate& other) const {
  const double raw = raw_distance(*this, other);
  const double adjusted = raw + adjustment + other.adjustment;
  return adjusted > 0 ? adjusted : raw;
}

bool Coordinate::valid() const {
  return std::all_of(vec.begin(), vec.end(), [](double x) { return std::isfinite(x); }) && std::isfinite(error) &&
         std::isfinite(adjustment) && std::isfinite(height);
}

std::optional<Coordinate> decode_coordinate(BytesView payload) {
  if (payload.empty() || payload[0] != kVersion) return std::nullopt;
  MsgpackReader r(payload.subspan(1));
  Coordinate out;
  std::uint32_t dimension = 0;
  const auto pairs = r.read_map(64);
  for (std::uint32_t i = 0; pairs && i < *pairs && r.ok(); ++i) {
    const auto key = r.read_text(64);
    if (!key) return std::nullopt;
    if (*key == "Vec") {
      dimension = r.read_array(kDimension).value_or(0);
      for (std::uint32_t k = 0; k < dimension; ++k) out.vec[k] = r.read_real().value_or(0);
    } else if (*key == "Error") {
      out.error = r.read_real().value_or(0);
    } else if (*key == "Adjustment") {
      out.adjustment = r.read_real().value_or(0);
    } else if (*key == "Height") {
      out.height = r.read_real().value_or(0);
    } else {
      r.skip();
    }
  }
  if (!pairs || !r.ok() || dimension != kDimension || !out.valid()) return std::nullopt;
  return out;
}

Bytes encode_coordinate(const Coordinate& c) {
  std::vector<std::byte> out{kVersion};
  swim::wire::Writer w(out);
  w.map(4).key("Adjustment").real(c.adjustment).key("Error").real(c.error).key("Height").real(c.height).key("Vec").array(kDimension);
  for (const double x : c.vec) w.real(x);
  return Bytes::copy_of(out);
}

bool Vivaldi::update(std::string_view name, const Coordinate& other, Duration rtt) {
  if (!other.valid() || rtt < Duration{0} || rtt > kRoundTripMax) return false;
  Known& known = known_.try_emplace(std::string(name)).first->second;
  known.coordinate = other;
  const double seconds = std::max(filtered(known, to_seconds(rtt)), kZero);
  pull(other, seconds);
  adjust(other, seconds);
  // Gravity: nobody drifts away from the origin for good.
  const Coordinate origin;
  const double away = self_.distance_to(origin) / kGravityRho;
  apply_force(-away * away, origin);
  if (!self_.valid()) self_ = Coordinate{};
  return true;
}

void Vivaldi::forget(std::string_view name) {
  if (const auto it = known_.find(name); it != known_.end()) known_.erase(it);
}

std::optional<Duration> Vivaldi::estimate(std::string_view name) const {
  const auto it = known_.find(name);
  if (it == known_.end()) return std::nullopt;
  const double seconds = std::min(self_.distance_to(it->second.coordinate), to_seconds(kRoundTripMax));
  return Duration{static_cast<std::int64_t>(seconds * 1e9)};
}

/// The median of the last few round trips: a single late one moves nothing.
double Vivaldi::filtered(Known& known, double rtt) const {
  known.samples[known.count++ % kFilterSize] = rtt;
  const std::size_t held = std::min(known.count, kFilterSize);
  if (known.count >= 2 * kFilterSize) known.count -= kFilterSize;
  auto sorted = known.samples;
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(held);
  std::sort(sorted.begin(), end);
  return sorted[held / 2];
}

void Vivaldi::pull(const Coordinate& other, double rtt) {
  const double distance = self_.distance_to(other);
  const double wrongness = std::abs(distance - rtt) / rtt;
  const double total = std::max(self_.error + other.error, kZero);
  const double weight = self_.error / total;
  self_.error = std::min(kErrorWeight * weight * wrongness + self_.error * (1 - kErrorWeight * weight), kErrorMax);
  apply_force(kForceWeight * weight * (rtt - distance), other);
}

/// What the space cannot express is averaged over the last round trips.
void Vivaldi::adjust(const Coordinate& other, double rtt) {
  window_[window_at_] = rtt - raw_distance(self_, other);
  window_at_ = (window_at_ + 1) % kWindow;
  double sum = 0;
  for (const double sample : window_) sum += sample;
  self_.adjustment = sum / (2 * static_cast<double>(kWindow));
}

void Vivaldi::apply_force(double force, const Coordinate& other) {
  Vector unit = difference(self_.vec, other.vec);
  double apart = length(unit);
  if (apart > kZero) {
    self_.height = std::max((self_.height + other.height) * force / apart + self_.height, kHeightMin);
    for (double& x : unit) x /= apart;
  } else {  // at the same place: any direction will do
    for (double& x : unit) x = rng_.unit() - 0.5;
    apart = length(unit);
    if (apart > kZero) {
      for (double& x : unit) x /= apart;
    } else {
      unit = {1};
    }
  }
  for (std::size_t i = 0; i < kDimension; ++i) self_.vec[i] += unit[i] * force;
}

}  // namespace plumvine::serf
