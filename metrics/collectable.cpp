#include <prometheus/collectable.h>

#include <plumvine/metrics.hpp>
#include <plumvine/node.hpp>

#include "collector.hpp"

namespace plumvine::metrics {
namespace {

/// Reads the published state on whatever thread scrapes.
class NodeCollectable final : public prometheus::Collectable {
 public:
  explicit NodeCollectable(std::function<Observation()> observe) : observe_(std::move(observe)) {}
  std::vector<prometheus::MetricFamily> Collect() const override {
    const auto seen = observe_();
    return collect(*seen.snapshot, seen.health);
  }

 private:
  std::function<Observation()> observe_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> collectable(const Node& node) {
  return std::make_shared<NodeCollectable>(node.observer());
}

}  // namespace plumvine::metrics
