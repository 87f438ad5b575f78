#include "collector.hpp"

#include <limits>

#include <prometheus/text_serializer.h>

#include <plumvine/metrics.hpp>

#include "catalog.hpp"

namespace plumvine::metrics {
namespace {

prometheus::MetricType type_of(Type type) {
  switch (type) {
    case Type::counter:
      return prometheus::MetricType::Counter;
    case Type::gauge:
      return prometheus::MetricType::Gauge;
    case Type::histogram:
      break;
  }
  return prometheus::MetricType::Histogram;
}

// Our buckets count on their own, Prometheus' include all smaller ones.
prometheus::ClientMetric::Histogram histogram_of(const Sample& sample) {
  prometheus::ClientMetric::Histogram out;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < sample.counts.size(); ++i) {
    sum += sample.counts[i];
    const double bound = i < sample.bounds.size() ? sample.bounds[i] : std::numeric_limits<double>::infinity();
    out.bucket.push_back({sum, bound});
  }
  out.sample_count = sum;
  out.sample_sum = sample.value;
  return out;
}

prometheus::ClientMetric metric_of(const Row& row, Sample sample) {
  prometheus::ClientMetric out;
  for (auto& [name, value] : sample.labels) out.label.push_back({std::move(name), std::move(value)});
  if (row.type == Type::counter) out.counter.value = sample.value;
  if (row.type == Type::gauge) out.gauge.value = sample.value;
  if (row.type == Type::histogram) out.histogram = histogram_of(sample);
  return out;
}

}  // namespace

std::vector<prometheus::MetricFamily> collect(const Snapshot& snapshot, const HealthReport& health) {
  std::vector<prometheus::MetricFamily> families;
  std::vector<Sample> samples;
  for (const auto& row : catalog()) {
    samples.clear();
    row.read({snapshot, health}, samples);
    prometheus::MetricFamily family;
    family.name = row.name;
    family.help = row.help;
    family.type = type_of(row.type);
    for (auto& sample : samples) family.metric.push_back(metric_of(row, std::move(sample)));
    families.push_back(std::move(family));
  }
  return families;
}

std::string render_text(const Snapshot& snapshot, const HealthReport& health) {
  return prometheus::TextSerializer{}.Serialize(collect(snapshot, health));
}

void enable(Config& config) {
  config.render_metrics = render_text;
}

}  // namespace plumvine::metrics
