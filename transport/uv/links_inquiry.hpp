#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/snapshot.hpp>
#include <plumvine/time.hpp>

#include "transport/driver.hpp"

namespace plumvine::uv {

/// What a member says to `Asking::links`: its links with roles, and its place in each tree. Where that is too long for an answer, the
/// trees last in the list are left out.
std::string links_answer(const Snapshot& snapshot);

/// The links of the whole cluster as one graph: members, trees, and one edge for each two members of which one says that they
/// have a link. Only members that are known here get into it, whatever others say.
std::string graph_json(const Snapshot& snapshot, const Answered& answered);

/// The graph for whoever asks, of one question to the members every `kEvery` at most.
/// Bounds: who waits does so on an HTTP connection, and their number is bounded. Not thread-safe.
class Graph {
 public:
  static constexpr Duration kEvery = std::chrono::seconds{2};
  /// So long members have to answer.
  static constexpr Duration kTime = std::chrono::milliseconds{1500};
  using Give = std::function<void(std::string json)>;

  /// The last answer, while it is not time for another one; empty: `wait`. `age_ms` in it says how old it is.
  [[nodiscard]] std::string fresh(Timestamp now) const;
  /// Gives the next answer. True: the caller has to ask the members, and to call `answered` later.
  [[nodiscard]] bool wait(Give give, Timestamp now);
  void answered(std::string graph);

 private:
  std::string graph_;  // without the opening brace; empty: none yet
  Timestamp asked_at_;
  bool asking_ = false;
  std::vector<Give> waiting_;
};

}  // namespace plumvine::uv
