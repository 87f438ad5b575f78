#include "links_inquiry.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "answer_json.hpp"

namespace plumvine::uv {
namespace {

/// `{"links":[[PEER,EAGER,RTT_MS]…],"trees":[[ID,ROOT,PARENT,[EAGER…]]…],"left_off":N}`: in a tree peers are places in `links`, -1 is none.
Json answer_json(const Snapshot& snapshot, std::size_t trees_max) {
  Json links = Json::array(), trees = Json::array();
  std::map<std::string_view, int> places;
  for (const LinkInfo& link : snapshot.links) {
    if (link.state != LinkState::up) continue;
    places.emplace(link.peer, static_cast<int>(links.size()));
    links.push_back({link.peer, link.role == PeerRole::eager, milliseconds(link.rtt_s)});
  }
  const auto place = [&](const std::string& peer) {
    const auto found = places.find(peer);
    return found == places.end() ? -1 : found->second;
  };
  for (const TreeInfo& tree : snapshot.trees) {
    if (trees.size() == trees_max) break;
    Json eager = Json::array();
    for (const std::string& peer : tree.eager) eager.push_back(place(peer));
    trees.push_back({to_string(static_cast<InstanceId>(tree.tree)), tree.root, place(tree.parent), std::move(eager)});
  }
  const std::size_t left_off = snapshot.trees.size() - trees.size();
  return {{"links", std::move(links)}, {"trees", std::move(trees)}, {"left_off", left_off}};
}

/// Puts answers together. An answer is foreign bytes: what does not have its form is passed over.
class Merger {
 public:
  explicit Merger(const Snapshot& snapshot) {
    for (const MemberInfo& info : snapshot.members) {
      if (info.member.state == MemberState::left) continue;
      names_.emplace(info.member.name, nodes_.size());
      nodes_.push_back({&info, false, {}});
    }
    for (const TreeInfo& tree : snapshot.trees)
      if (!tree.root.empty()) roots_.emplace(to_string(static_cast<InstanceId>(tree.tree)), tree.root);
  }

  /// False: this is no answer.
  bool take(const std::string& member, std::string_view text) {
    const auto self = names_.find(member);
    const Json answer = Json::parse(text, nullptr, false);
    if (self == names_.end() || !answer.is_object() || !is_list(answer, "links") || !is_list(answer, "trees")) return false;
    nodes_[self->second].answered = true;
    const std::vector<std::size_t> peers = take_links(self->second, answer["links"]);
    for (const Json& tree : answer["trees"]) take_tree(self->second, peers, tree);
    if (answer.contains("left_off") && answer["left_off"].is_number_unsigned()) left_off_ += answer["left_off"].get<std::uint64_t>();
    return true;
  }

  [[nodiscard]] Json json() const {
    Json nodes = Json::array(), trees = Json::array(), edges = Json::array();
    for (const Node& node : nodes_) {
      Json parents = Json::array();
      for (std::size_t tree = 0; tree < ids_.size(); ++tree)
        parents.push_back(tree < node.parents.size() && node.parents[tree] ? Json(*node.parents[tree]) : Json(nullptr));
      const Tags tags = node.info->tags();
      const auto zone = tags.find(std::string{kTagZone});
      nodes.push_back({{"name", node.info->member.name},
                       {"state", to_string(node.info->member.state)},
                       {"zone", zone == tags.end() ? std::string{} : zone->second},
                       {"link", node.info->speaks_links},
                       {"answered", node.answered},
                       {"parents", std::move(parents)}});
    }
    for (const auto& [id, tree] : ids_) trees[tree] = {{"tree", id}, {"root", roots_.contains(id) ? Json(roots_.at(id)) : Json(nullptr)}};
    for (const auto& [ends, edge] : edges_) {
      const auto role = [](const std::optional<bool>& eager) { return !eager ? Json(nullptr) : Json(*eager ? "eager" : "lazy"); };
      edges.push_back({{"a", ends.first}, {"b", ends.second}, {"roles", {role(edge.roles[0]), role(edge.roles[1])}}, {"rtt_ms", edge.rtt}, {"trees", edge.trees}});
    }
    return {{"nodes", std::move(nodes)}, {"trees", std::move(trees)}, {"edges", std::move(edges)}, {"left_off", left_off_}};
  }

 private:
  static constexpr std::size_t kNobody = SIZE_MAX;
  /// More trees than a node may have are nobody's trees.
  static constexpr std::size_t kTreesMax = 256;
  struct Node {
    const MemberInfo* info;
    bool answered;
    std::vector<std::optional<std::size_t>> parents;  ///< by tree
  };
  struct Edge {
    std::optional<bool> roles[2];    ///< eager as the first end says, and the second
    Json rtt = nullptr;
    std::vector<std::size_t> trees;  ///< in which it is eager at either end, ascending
  };

  static bool is_list(const Json& answer, const char* key) { return answer.contains(key) && answer[key].is_array(); }

  Edge& edge(std::size_t a, std::size_t b) { return edges_[{std::min(a, b), std::max(a, b)}]; }

  std::vector<std::size_t> take_links(std::size_t self, const Json& links) {
    std::vector<std::size_t> peers;
    for (const Json& link : links) {
      const bool good = link.is_array() && link.size() == 3 && link[0].is_string() && link[1].is_boolean();
      const auto found = good ? names_.find(link[0].get_ref<const std::string&>()) : names_.end();
      peers.push_back(found == names_.end() || found->second == self ? kNobody : found->second);
      if (peers.back() == kNobody) continue;
      Edge& known = edge(self, peers.back());
      known.roles[self < peers.back() ? 0 : 1] = link[1].get<bool>();
      if (known.rtt.is_null() && link[2].is_number()) known.rtt = link[2];
    }
    return peers;
  }

  void take_tree(std::size_t self, const std::vector<std::size_t>& peers, const Json& tree) {
    const bool good = tree.is_array() && tree.size() == 4 && tree[0].is_string() && tree[1].is_string() && tree[3].is_array();
    if (!good || !parse_instance(tree[0].get_ref<const std::string&>())) return;
    const std::string& id = tree[0].get_ref<const std::string&>();
    if (!ids_.contains(id) && ids_.size() == kTreesMax) return;
    const std::size_t number = ids_.emplace(id, ids_.size()).first->second;
    if (const std::string& root = tree[1].get_ref<const std::string&>(); names_.contains(root)) roots_.emplace(id, root);
    const auto peer = [&](const Json& place) {
      const bool there = place.is_number_unsigned() && place.get<std::uint64_t>() < peers.size();
      return there ? peers[place.get<std::size_t>()] : kNobody;
    };
    if (const std::size_t parent = peer(tree[2]); parent != kNobody) {
      auto& parents = nodes_[self].parents;
      if (parents.size() <= number) parents.resize(number + 1);
      parents[number] = parent;
    }
    for (const Json& place : tree[3]) {
      if (peer(place) == kNobody) continue;
      std::vector<std::size_t>& trees = edge(self, peer(place)).trees;
      if (const auto at = std::lower_bound(trees.begin(), trees.end(), number); at == trees.end() || *at != number) trees.insert(at, number);
    }
  }

  std::map<std::string, std::size_t, std::less<>> names_;
  std::vector<Node> nodes_;
  std::map<std::string, std::size_t> ids_;       // of trees: their numbers
  std::map<std::string, std::string> roots_;     // names, by id
  std::map<std::pair<std::size_t, std::size_t>, Edge> edges_;
  std::uint64_t left_off_ = 0;
};

}  // namespace

std::string links_answer(const Snapshot& snapshot) {
  std::string text;
  for (std::size_t trees = snapshot.trees.size();; trees /= 2) {
    text = text_of(answer_json(snapshot, trees));
    if (text.size() <= kAnswerMax || trees == 0) return text;
  }
}

std::string graph_json(const Snapshot& snapshot, const Answered& answered) {
  Merger merger{snapshot};
  std::vector<std::string> silent = answered.missing;
  (void)merger.take(snapshot.name, links_answer(snapshot));
  for (const auto& answer : answered.answers)
    if (!merger.take(answer.member, answer.text.text())) silent.push_back(answer.member);
  std::sort(silent.begin(), silent.end());
  Json graph{{"self", snapshot.name}, {"complete", answered.complete && silent.empty()}, {"silent", std::move(silent)}};
  graph.update(merger.json());
  return text_of(graph);
}

std::string Graph::fresh(Timestamp now) const {
  if (graph_.empty() || asking_ || now - asked_at_ >= kEvery) return {};
  return "{\"age_ms\":" + std::to_string((now - asked_at_).count() / 1'000'000) + ',' + graph_;
}

bool Graph::wait(Give give, Timestamp now) {
  waiting_.push_back(std::move(give));
  if (std::exchange(asking_, true)) return false;
  asked_at_ = now;
  return true;
}

void Graph::answered(std::string graph) {
  graph_ = graph.substr(1);
  asking_ = false;
  for (const Give& give : std::exchange(waiting_, {})) give("{\"age_ms\":0," + graph_);
}

}  // namespace plumvine::uv
