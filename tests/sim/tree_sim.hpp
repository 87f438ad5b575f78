#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/rng.hpp>

#include <plumtree/frames.hpp>
#include <plumtree/tree.hpp>

#include "event_queue.hpp"
#include "report.hpp"
#include "trace.hpp"

namespace plumvine::sim {

/// How a run on the level of trees is made.
struct TreeSimOptions {
  std::size_t nodes = 1000;
  std::uint64_t seed = 1;
  TreeConfig tree;
  LinkConfig link;
  /// One way, drawn once per link, uniform in [min, max].
  Duration latency_min = std::chrono::milliseconds{10};
  Duration latency_max = std::chrono::milliseconds{10};
  /// Share of frames that vanish, each on its own. Nothing resends them.
  double loss = 0;
  /// Lost links are replaced, and the members learn of deaths.
  bool repair = true;
  std::size_t payload_bytes = 100;
};

/// Thousands of `Tree` machines, without the engine: frames travel as values over first-in-first-out links with a latency
/// each. The overlay is the one that `Overlay` chooses for the given members. A crashed node's neighbours see their
/// links break one latency later; they dial what `Overlay` chooses then, and a dial to a dead node is refused after
/// a round trip.
class TreeSim {
 public:
  TreeSim(TreeSimOptions options, Trace& trace);
  ~TreeSim();

  /// Runs `span` of virtual time.
  void run_for(Duration span);
  /// Crashes these nodes now, together.
  void crash(const std::vector<std::uint32_t>& victims);
  [[nodiscard]] std::vector<std::uint32_t> alive_nodes() const;
  [[nodiscard]] bool is_alive(std::uint32_t node) const { return nodes_[node].alive; }

  /// What one broadcast cost and reached.
  struct Broadcast {
    MessageId id;
    std::uint32_t origin = 0;
    Timestamp published;
    std::uint64_t payloads_sent = 0;
    std::uint64_t delivered = 0;     ///< at nodes that were alive at the end, without the origin
    std::uint64_t expected = 0;
    std::uint64_t largest_hop = 0;
    Duration last_delivery{0};
    [[nodiscard]] bool full() const { return delivered >= expected; }
  };
  /// Publishes one message from each of `origins` at this instant and runs until every live node has all of them and
  /// the tree is quiet, or `limit` has passed.
  std::vector<Broadcast> round(const std::vector<std::uint32_t>& origins, Duration limit);

  /// Frames sent since `reset_counters`.
  struct Counters {
    std::uint64_t payloads = 0, payload_bytes = 0, control_bytes = 0;
    std::uint64_t ihave_ids = 0, graft_ids = 0, grafts = 0, attaches = 0, prunes = 0, beacons = 0;
    std::uint64_t digests = 0, pulls = 0, gones = 0, progresses = 0;
    std::uint64_t payloads_received = 0, first_deliveries = 0, frames_lost = 0, steps = 0;
  };
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  void reset_counters() { counters_ = {}; }

  [[nodiscard]] Timestamp now() const noexcept { return queue_.now(); }
  [[nodiscard]] std::uint64_t links() const noexcept { return links_; }
  [[nodiscard]] Tree& tree(std::uint32_t node) { return nodes_[node].tree; }
  /// Members of one tree at rest: parents and child roles agree, parents lead to the root, and the eager links join
  /// all live nodes. Empty = well.
  [[nodiscard]] std::vector<std::string> shape_problems() const;
  /// Broken invariants of any tree, and safety violations so far.
  [[nodiscard]] std::vector<std::string> violations() const;

 private:
  struct LinkEnd {
    std::uint32_t far = 0;
    std::uint32_t far_peer = 0;  ///< our `PeerId` there
    Duration latency{0};
    bool up = false;
  };
  struct Node {
    explicit Node(Tree machine) : tree(std::move(machine)) {}
    Tree tree;
    InstanceId instance{};
    std::vector<LinkEnd> links;  ///< by `PeerId`
    std::set<std::uint32_t> dialled, known_dead;
    Timestamp timer = kNever;
    Sequence published = 0;
    bool alive = true;
  };
  enum class Kind : std::uint8_t { none, frame, timer, link_down, dialled, refused, members };
  struct Event {
    Kind kind = Kind::none;
    std::uint32_t node = 0;
    std::uint32_t peer = 0;
    std::shared_ptr<Frame> frame;
  };
  struct Tracked {
    Broadcast result;
    std::vector<bool> has;
    std::uint64_t live_have = 0;
  };

  void build_overlay();
  std::vector<std::uint32_t> targets_of(std::uint32_t node, const std::set<std::uint32_t>& without);
  void link(std::uint32_t a, std::uint32_t b);
  void step();
  void settle(std::uint32_t node);
  void send(std::uint32_t node, const std::vector<PeerId>& to, Frame frame);
  void count(const Frame& frame, std::size_t copies);
  void deliver(std::uint32_t node, const tree::Deliver& delivery);
  void redial(std::uint32_t node);
  void tell_members();
  void mix(const Event& event);
  [[nodiscard]] bool complete() const;
  [[nodiscard]] std::string name_of(InstanceId instance) const;

  TreeSimOptions options_;
  Trace& trace_;
  Rng rng_;
  EventQueue<Event> queue_;
  std::vector<Node> nodes_;
  std::map<InstanceId, std::uint32_t> by_instance_;
  std::vector<Duration> latencies_;
  std::uint64_t links_ = 0;
  std::uint64_t alive_ = 0;
  std::uint64_t busy_frames_ = 0;   ///< Gossip, IHave, Graft, Prune, Pull, Gone under way
  Timestamp last_busy_;
  std::unordered_map<MessageId, Tracked> tracked_;  // looked up, never walked
  std::vector<MessageId> current_;
  Counters counters_;
  Bytes payload_;
  std::vector<std::string> violations_;
  bool members_told_ = true;
};

}  // namespace plumvine::sim
