#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace plumvine {

/// Outputs of a machine, polled in the order in which they were decided. They are mostly polled until there is none,
/// and then the places are used again. Places for many are given back once a quarter of them would do.
template <class Output>
class Outbox {
 public:
  void push(Output output) { queue_.push_back(std::move(output)); }
  std::optional<Output> poll() {
    if (empty()) return std::nullopt;
    std::optional<Output> output{std::move(queue_[next_])};
    if (++next_ == queue_.size()) {
      const std::size_t burst = std::exchange(erased_, 0) + queue_.size();
      if (queue_.capacity() > kKept && burst * 4 < queue_.capacity()) queue_ = std::vector<Output>{};
      queue_.clear();
      next_ = 0;
    } else if (next_ >= kKept && next_ * 2 >= queue_.size()) {
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(next_));
      erased_ += std::exchange(next_, 0);
    }
    return output;
  }
  /// Calls `visit` with each output that waits, in order.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = next_; i < queue_.size(); ++i) visit(queue_[i]);
  }
  [[nodiscard]] bool empty() const noexcept { return next_ == queue_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size() - next_; }
  /// Places that memory is held for.
  [[nodiscard]] std::size_t places() const noexcept { return queue_.capacity(); }

 private:
  static constexpr std::size_t kKept = 64;  ///< places that are kept in any case
  std::vector<Output> queue_;
  std::size_t next_ = 0;    ///< to be polled; those before it were
  std::size_t erased_ = 0;  ///< since the queue was last empty
};

}  // namespace plumvine
