#include <algorithm>

#include "tree_sim.hpp"

namespace plumvine::sim {

std::string TreeSim::name_of(InstanceId instance) const {
  auto it = by_instance_.find(instance);
  return it == by_instance_.end() ? to_string(instance) : "n" + std::to_string(it->second);
}

std::vector<std::string> TreeSim::violations() const {
  std::vector<std::string> out = violations_;
  for (std::uint32_t i = 0; i < nodes_.size() && out.size() < kViolationsMax; ++i) {
    if (!nodes_[i].alive) continue;
    for (const std::string& problem : nodes_[i].tree.check_invariants()) out.push_back("n" + std::to_string(i) + ": " + problem);
  }
  return out;
}

std::vector<std::string> TreeSim::shape_problems() const {
  std::vector<std::string> out;
  std::map<TreeId, std::map<std::uint32_t, Tree::View>> trees;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].alive) continue;
    for (Tree::View& view : nodes_[i].tree.views(now())) trees[view.tree].emplace(i, std::move(view));
  }
  for (const auto& [tree, views] : trees) {
    if (views.size() != alive_) continue;  // not everybody's tree: idle, or its root is gone
    const std::string label = "tree of " + name_of(InstanceId{static_cast<std::uint64_t>(tree)}) + ": ";
    for (const auto& [number, view] : views) {
      if (!view.parent || out.size() >= kViolationsMax) continue;
      const LinkEnd& end = nodes_[number].links[static_cast<std::size_t>(*view.parent)];
      const auto& eager = views.at(end.far).eager;
      if (std::find(eager.begin(), eager.end(), PeerId{end.far_peer}) == eager.end()) {
        out.push_back(label + "n" + std::to_string(end.far) + " does not know its child n" + std::to_string(number));
      }
      // Following parents must end.
      std::size_t hops = 0;
      std::uint32_t at = number;
      while (views.at(at).parent && hops <= views.size()) {
        at = nodes_[at].links[static_cast<std::size_t>(*views.at(at).parent)].far;
        ++hops;
      }
      if (hops > views.size()) out.push_back(label + "a cycle of parents above n" + std::to_string(number));
    }
    std::vector<bool> seen(nodes_.size());
    std::vector<std::uint32_t> open{views.begin()->first};
    seen[open[0]] = true;
    std::size_t reached = 1;
    while (!open.empty()) {
      const std::uint32_t at = open.back();
      open.pop_back();
      for (PeerId peer : views.at(at).eager) {
        const std::uint32_t next = nodes_[at].links[static_cast<std::size_t>(peer)].far;
        if (!nodes_[next].alive || seen[next]) continue;
        seen[next] = true;
        ++reached;
        open.push_back(next);
      }
    }
    if (reached != alive_) out.push_back(label + "eager links reach " + std::to_string(reached) + " of " + std::to_string(alive_));
  }
  return out;
}

}  // namespace plumvine::sim
