#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/rng.hpp>

#include <plumtree/frames.hpp>
#include <plumtree/overlay.hpp>
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
  /// Members stand in the regions of `regions.hpp`, which give latencies, zones and near links, instead.
  bool regions = false;
  /// Share of frames that are lost, each on its own.
  double loss = 0;
  /// What is lost is sent again by the link after a round trip and 5 ms, and what is behind it waits, as in a TCP
  /// stream. Else it is gone, and nothing resends it.
  bool streams = false;
  /// Payloads go beside the stream, each on its own, as batches over QUIC do: what is lost of one holds up nothing else.
  bool lanes = false;
  /// Lost links are replaced, the members learn of deaths, and digests are exchanged now and then.
  bool repair = true;
  /// The crashed are hosts, not processes: nobody resets their links, dials to them time out.
  bool silent = false;
  std::size_t payload_bytes = 100;
};

/// Thousands of pairs of a `Tree` and an `Overlay`, without the engine: frames travel as values over first-in-first-out
/// links with a latency each. A dial takes a round trip; one to a dead node is refused then. A crashed node's
/// neighbours see their links break one latency later, all members know of the death 3 s later.
/// An `Overlay` is told of the members that it could choose, not of all: its neighbours on the ring and those it likes most.
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
    std::uint64_t within_second = 0; ///< of these, within a second
    std::uint64_t expected = 0;
    std::uint64_t largest_hop = 0;
    Duration last_delivery{0};
    [[nodiscard]] bool full() const { return delivered >= expected; }
  };
  /// Publishes one message from each of `origins` at this instant and runs until every live node has all of them and
  /// the tree is quiet, or `limit` has passed.
  std::vector<Broadcast> round(const std::vector<std::uint32_t>& origins, Duration limit);
  /// What shall happen so long from now.
  struct Planned {
    Duration after{0};
    std::uint32_t node = 0;
    bool crash = false;              ///< else it publishes
  };
  /// The same for broadcasts and crashes at different times; `limit` counts from the last of them.
  std::vector<Broadcast> run_plan(const std::vector<Planned>& plan, Duration limit);

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
    Timestamp clear_at{};        ///< streams: nothing sent from here arrives before
  };
  struct Node {
    Node(Tree machine, Overlay chooser) : tree(std::move(machine)), overlay(std::move(chooser)) {}
    Tree tree;
    Overlay overlay;             ///< its `PeerId` is the number of the node
    InstanceId instance{};
    std::string name;
    std::size_t region = 0;
    std::vector<LinkEnd> links;  ///< by the tree's `PeerId`, one for each link there ever was
    std::vector<std::uint32_t> liked;  ///< the most liked as chords, in no order
    Timestamp timer = kNever;
    Sequence published = 0;
    bool alive = true;
  };
  enum class Kind : std::uint8_t { none, frame, timer, link_down, dialled, members, ping, publish, crash };
  struct Event {
    Kind kind = Kind::none;
    std::uint32_t node = 0;
    std::uint32_t peer = 0;
    std::shared_ptr<Frame> frame;
  };
  struct Tracked {
    Broadcast result;
    std::vector<std::uint8_t> has;  ///< by node: 2 = within a second
    std::uint64_t live_have = 0;
  };

  static constexpr std::size_t kViolationsMax = 20;
  /// Members learn of a death so late; SWIM on a local network needs about that long.
  static constexpr Duration kDetection = std::chrono::seconds{3};

  // tree_sim_links.cpp
  void build_overlay();
  void choose_liked();
  [[nodiscard]] std::vector<Candidate> candidates_of(std::uint32_t node) const;
  [[nodiscard]] std::optional<std::uint32_t> link_to(std::uint32_t node, std::uint32_t far) const;
  [[nodiscard]] Duration draw_latency(std::uint32_t a, std::uint32_t b);
  void link(std::uint32_t dialler, std::uint32_t far, Duration latency);
  void link_down(std::uint32_t node, std::uint32_t peer);
  void on_dialled(std::uint32_t node, std::uint32_t far);
  void ping(std::uint32_t node, std::uint32_t peer);
  bool keep_alive(std::uint32_t node, std::uint32_t peer, const Frame& frame);
  void settle_overlay(std::uint32_t node);
  void tell_members();

  void step();
  void settle(std::uint32_t node);
  void send(std::uint32_t node, const std::vector<PeerId>& to, Frame frame);
  void count(const Frame& frame, std::size_t copies);
  void deliver(std::uint32_t node, const tree::Deliver& delivery);
  void publish(std::uint32_t node);
  void mix(const Event& event);
  [[nodiscard]] std::string name_of(InstanceId instance) const;

  TreeSimOptions options_;
  Trace& trace_;
  Rng rng_;
  EventQueue<Event> queue_;
  std::vector<Node> nodes_;
  std::map<InstanceId, std::uint32_t> by_instance_;
  std::vector<std::uint32_t> ring_;  ///< nodes by position
  std::vector<std::uint64_t> positions_;
  std::uint64_t links_ = 0;
  std::uint64_t alive_ = 0;
  std::uint64_t busy_frames_ = 0;   ///< Gossip, IHave, Graft, Prune, Pull, Gone under way
  Timestamp last_busy_;
  std::unordered_map<MessageId, Tracked> tracked_;  // looked up, never walked
  std::vector<MessageId> current_;
  std::uint64_t open_ = 0;          ///< of these, not yet everywhere; and what is planned
  Counters counters_;
  Bytes payload_;
  std::vector<std::string> violations_;
  bool members_told_ = true;
};

}  // namespace plumvine::sim
