#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <plumvine/bytes.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/time.hpp>

namespace plumvine::serf {

inline constexpr std::size_t kDimension = 8;

/// Where a member stands in a space whose distances are round trips, in seconds (Vivaldi: Dabek, Cox, Kaashoek, Morris
/// 2004; height: section 5.4 there).
struct Coordinate {
  std::array<double, kDimension> vec{};
  double error = 1.5;
  double adjustment = 0;
  double height = 1e-5;

  /// Estimated round trip to `other` in seconds.
  [[nodiscard]] double distance_to(const Coordinate& other) const;
  [[nodiscard]] bool valid() const;
  friend bool operator==(const Coordinate&, const Coordinate&) = default;
};

/// The payload of an answer to a ping: a version byte and the coordinate. nullopt for another version or dimension, and
/// for numbers that are none.
std::optional<Coordinate> decode_coordinate(BytesView payload);
Bytes encode_coordinate(const Coordinate& coordinate);

/// Moves our coordinate with each round trip, with Serf's constants. Keeps the others' last coordinates for estimates.
/// Bounds: one entry a member; the caller forgets those that go.
class Vivaldi {
 public:
  explicit Vivaldi(Rng rng) : rng_(rng) {}

  /// A round trip to `name`, which said it was at `other`. False: refused as senseless.
  bool update(std::string_view name, const Coordinate& other, Duration rtt);
  void forget(std::string_view name);

  [[nodiscard]] const Coordinate& self() const noexcept { return self_; }
  /// The estimated round trip; nullopt where the member's coordinate is not known.
  [[nodiscard]] std::optional<Duration> estimate(std::string_view name) const;

 private:
  static constexpr std::size_t kFilterSize = 3;
  static constexpr std::size_t kWindow = 20;
  struct Known {
    Coordinate coordinate;
    std::array<double, kFilterSize> samples{};
    std::size_t count = 0;
  };
  using Vector = std::array<double, kDimension>;

  double filtered(Known& known, double rtt) const;
  void pull(const Coordinate& other, double rtt);
  void adjust(const Coordinate& other, double rtt);
  void apply_force(double force, const Coordinate& other);

  Rng rng_;
  Coordinate self_;
  std::map<std::string, Known, std::less<>> known_;
  std::array<double, kWindow> window_{};
  std::size_t window_at_ = 0;
};

}  // namespace plumvine::serf
