#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace netns {

/// A network of our own: one namespace for each node, and a router between them. Nothing of it has a name outside, so
/// that it is gone with this process, however that ends.
///
/// No bridge: Linux has one neighbour table for all namespaces, of 1,024 entries, and a hundred nodes that see each other
/// need ten thousand.
class Network {
 public:
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  ~Network();

  /// Empty, or why this machine does not let us. `loss`: of each packet that a node sends, in percent.
  std::string make(std::size_t nodes, double loss);
  /// Processes started now are at node `i`; `leave` ends that.
  void enter(std::size_t i) const;
  void leave() const;

  /// Between nodes below `first` and the others nothing passes any more; `heal` ends that. False: nftables refuses.
  [[nodiscard]] bool cut(std::size_t first) const;
  [[nodiscard]] bool heal() const;

  static std::string address(std::size_t i);

 private:
  int outside_ = -1;
  std::vector<int> inside_;
};

}  // namespace netns
