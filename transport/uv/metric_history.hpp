#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plumvine::uv {

/// The metrics of the last hour, for explaining trouble afterwards. Names are held once; a sample has the values that changed since the
/// one before, so an idle node's hour is small.
/// Bounds: `kSamplesMax` samples, `kBytesMax` bytes, the oldest go; `kSeriesMax` series, values of others are left off and
/// counted. Not thread-safe.
class MetricHistory {
 public:
  static constexpr std::uint64_t kIntervalMs = 10'000;
  static constexpr std::size_t kSamplesMax = 360;
  static constexpr std::size_t kBytesMax = std::size_t{2} << 20;
  static constexpr std::size_t kSeriesMax = 8192;

  /// Takes an exposition in Prometheus' text format.
  void record(std::string_view exposition, std::int64_t wall_ms);
  /// `{"interval_s":10,"now":…,"left_off":N,"series":[NAME…],"samples":[{"time":…,"changed":[[SERIES,VALUE]…]}…]}`; the first sample has every value.
  [[nodiscard]] std::string json(std::int64_t now_ms) const;
  [[nodiscard]] std::size_t samples() const noexcept { return samples_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Change {
    std::uint32_t series;
    double value;
  };
  struct Sample {
    std::int64_t wall_ms = 0;
    std::vector<Change> changed;
  };
  void note(Sample& sample, std::string_view line);
  void drop_oldest();
  [[nodiscard]] static std::size_t size_of(const Sample& sample) noexcept { return sizeof sample + sample.changed.size() * sizeof(Change); }

  std::map<std::string, std::uint32_t, std::less<>> numbers_;  // of series, by name
  std::vector<std::string_view> names_;  // they point into `numbers_`
  std::vector<double> last_;             // values of the newest sample; NaN: none yet
  std::deque<Sample> samples_;
  std::uint64_t left_off_ = 0;           // values of series that had no room
  std::size_t bytes_ = 0;                // names and samples
};

}  // namespace plumvine::uv
