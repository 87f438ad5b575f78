#include "metric_history.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "health/json_text.hpp"

namespace plumvine::uv {

void MetricHistory::record(std::string_view exposition, std::int64_t wall_ms) {
  Sample sample{wall_ms, {}};
  while (!exposition.empty()) {
    const auto end = exposition.find('\n');
    const std::string_view line = exposition.substr(0, end);
    exposition.remove_prefix(end == std::string_view::npos ? exposition.size() : end + 1);
    if (!line.empty() && line.front() != '#') note(sample, line);
  }
  sample.changed.shrink_to_fit();
  bytes_ += size_of(sample);
  samples_.push_back(std::move(sample));
  while (samples_.size() > 1 && (samples_.size() > kSamplesMax || bytes_ > kBytesMax)) drop_oldest();
}

void MetricHistory::note(Sample& sample, std::string_view line) {
  const auto blank = line.rfind(' ');
  if (blank == std::string_view::npos) return;
  double value = 0;
  const auto [stop, error] = std::from_chars(line.data() + blank + 1, line.data() + line.size(), value);
  if (error != std::errc{} || stop != line.data() + line.size()) return;
  auto found = numbers_.find(line.substr(0, blank));
  if (found == numbers_.end()) {
    if (names_.size() >= kSeriesMax) return void(++left_off_);
    found = numbers_.emplace(line.substr(0, blank), static_cast<std::uint32_t>(names_.size())).first;
    names_.emplace_back(found->first);
    last_.push_back(std::numeric_limits<double>::quiet_NaN());
    bytes_ += found->first.size() + sizeof(*found);
  }
  double& last = last_[found->second];
  if (last == value) return;  // never true of NaN
  last = value;
  sample.changed.push_back({found->second, value});
}

/// The second sample becomes the first, so it gets what the first one had and it did not change.
void MetricHistory::drop_oldest() {
  Sample oldest = std::move(samples_.front());
  bytes_ -= size_of(oldest);
  samples_.pop_front();
  Sample& next = samples_.front();
  bytes_ -= size_of(next);
  std::vector<bool> there(names_.size());
  for (const Change& change : next.changed) there[change.series] = true;
  for (const Change& change : oldest.changed) {
    if (!there[change.series]) next.changed.push_back(change);
  }
  bytes_ += size_of(next);
}

std::string MetricHistory::json(std::int64_t now_ms) const {
  std::string out = "{\"interval_s\":" + std::to_string(kIntervalMs / 1000) + ",\"now\":\"" + dump::time_text(now_ms) + "\",\"left_off\":" + std::to_string(left_off_) + ",\"series\":[";
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (i > 0) out += ',';
    dump::append_any(out, names_[i]);
  }
  out += "],\"samples\":[";
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    out += (i > 0 ? ",{\"time\":\"" : "{\"time\":\"") + dump::time_text(samples_[i].wall_ms) + "\",\"changed\":[";
    bool first = true;
    for (const Change& change : samples_[i].changed) {
      char text[32];
      // JSON has no number for infinity; a metric of ours has none either.
      const double value = std::isfinite(change.value) ? change.value : 0;
      const auto end = std::to_chars(text, text + sizeof text, value).ptr;
      if (!std::exchange(first, false)) out += ',';
      out += '[' + std::to_string(change.series) + ',';
      out.append(text, end);
      out += ']';
    }
    out += "]}";
  }
  return out + "]}";
}

}  // namespace plumvine::uv
