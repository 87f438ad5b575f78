#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace plumvine {

/// Outputs of a machine, polled in the order in which they were decided.
template <class Output>
class Outbox {
 public:
  void push(Output output) { queue_.push_back(std::move(output)); }
  std::optional<Output> poll() {
    if (queue_.empty()) return std::nullopt;
    std::optional<Output> output{std::move(queue_.front())};
    queue_.pop_front();
    return output;
  }
  /// Calls `visit` with each output that waits, in order.
  template <class Visit>
  void each(Visit visit) const {
    for (const Output& output : queue_) visit(output);
  }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }

 private:
  std::deque<Output> queue_;
};

}  // namespace plumvine
