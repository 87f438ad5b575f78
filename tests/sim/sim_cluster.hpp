#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "checkers/delivery.hpp"
#include "checkers/shape.hpp"
#include "frame_tap.hpp"
#include "sim_node.hpp"

namespace plumvine::sim {

/// How a simulated cluster is made. Everything random in a run comes from `seed`.
struct ClusterOptions {
  std::size_t nodes = 5;
  std::uint64_t seed = 1;
  std::function<Config(std::string name)> preset = [](std::string name) { return Config::lan(std::move(name)); };
  std::function<void(Config&)> tune = {};
  PathQuality path;
  KernelLimits kernel;
  /// How many of the first nodes are everybody's seeds.
  std::size_t seeds = 2;
  /// Clocks of processes differ: bases up to hours, wall clocks up to `wall_skew`, drift up to `drift_ppm`.
  Duration wall_skew = std::chrono::seconds{2};
  std::int64_t drift_ppm = 50;
  /// Safety is checked after every so many turns of each node.
  std::uint32_t check_every = 64;
};

/// Real nodes (the production `Driver`) on a simulated network under virtual time, with a log of everything published
/// and delivered, and checkers that run all along.
class SimCluster final : private NodeObserver {
 public:
  explicit SimCluster(ClusterOptions options);
  ~SimCluster() override;

  // Time.
  [[nodiscard]] Timestamp now() const noexcept { return time_.now(); }
  void run_for(Duration span) { time_.run_for(span); }
  /// Runs until `condition` holds, looking every `poll`. False: `limit` passed.
  bool run_until(const std::function<bool()>& condition, Duration limit,
                 Duration poll = std::chrono::milliseconds{50});
  SimTime& time() noexcept { return time_; }

  // Processes. Nodes are numbered from 0; `add_node` makes another one and returns its number.
  void start_all(Duration stagger = std::chrono::milliseconds{20});
  std::size_t add_node();
  void start(std::size_t node);
  void kill(std::size_t node);
  void power_off(std::size_t node);
  void pause(std::size_t node);
  void resume(std::size_t node);
  void leave(std::size_t node);
  void publish(std::size_t node, std::size_t bytes = 100, std::string topic = "events", std::size_t count = 1);
  void publish(std::size_t node, std::string topic, Bytes payload);
  /// Publishes `per_second` messages from `node` from now on, evenly, `burst` at one time, until `stop_traffic` or its process ends;
  /// beside what it publishes already.
  void start_traffic(std::size_t node, double per_second, std::size_t bytes = 100, std::string topic = "events", std::size_t burst = 1);
  void stop_traffic(std::size_t node);
  void stop_all_traffic();

  /// The wall clock of this machine from its next start on.
  void set_wall_offset(std::size_t node, Duration offset) { skews_[node].wall_offset = offset; }

  // Network.
  SimNetwork& network() noexcept { return network_; }
  void partition(const std::vector<std::vector<std::size_t>>& groups);
  void heal();

  // What holds. `live` are the processes that run and are not stopped or leaving.
  [[nodiscard]] SimNode& node(std::size_t number) { return *nodes_[number]; }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] static std::string name_of(std::size_t node) { return "n" + std::to_string(node); }
  [[nodiscard]] std::vector<std::size_t> live() const;
  [[nodiscard]] Snapshots snapshots() const;
  /// All live nodes have joined, synced, and agree who is there; links join them all.
  [[nodiscard]] bool settled() const;
  /// What one live process has, all have; and no publisher waits.
  [[nodiscard]] bool all_delivered() const;
  /// Everything that is not as it should be at rest, in words.
  [[nodiscard]] std::vector<std::string> unrest() const;
  /// How `watcher` sees `other`; nullopt: not at all.
  [[nodiscard]] std::optional<MemberState> state_of(std::size_t watcher, std::size_t other) const;
  /// Safety violations so far, at most 20.
  [[nodiscard]] const std::vector<std::string>& violations() const noexcept { return violations_; }
  void check_now();
  [[nodiscard]] const DeliveryLog& deliveries() const noexcept { return log_; }
  /// Members that somebody declared dead while they were running, reachable and not stopped.
  [[nodiscard]] std::uint64_t false_deaths() const noexcept { return false_deaths_; }
  [[nodiscard]] std::uint64_t link_changes() const noexcept { return link_changes_; }
  [[nodiscard]] std::uint64_t lost_events() const noexcept { return lost_events_; }

  Trace& trace() noexcept { return trace_; }
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return trace_.hash(); }
  /// Prints frames, packets and events as lines.
  void print_to(std::ostream* out);
  /// Keeps the last log lines of all nodes (for failing tests).
  [[nodiscard]] const std::deque<std::string>& log_lines() const noexcept { return lines_; }
  /// Called for each delivery, after the checks.
  std::function<void(std::size_t node, const Message&)> on_delivered;
  std::function<void(std::size_t node, const MemberEvent&)> on_member;
  std::function<void(std::size_t node, const PeerEvent&)> on_peer;
  std::function<void(std::size_t node, const LostEvent&)> on_lost;
  std::function<void(std::size_t node, const DirectMessage&)> on_direct;
  std::function<void(std::size_t node, const LogRecord&)> on_log;
  /// Called with the last snapshot of a process that ends.
  std::function<void(const Snapshot&)> on_ended;

 private:
  struct Traffic {
    std::size_t node = 0;
    std::uint64_t row = 0;       ///< of traffic of its node; `stop_traffic` begins another
    Duration interval{0};
    std::size_t bytes = 0;
    std::string topic;
    std::size_t burst = 1;
  };

  // NodeObserver
  void delivered(std::size_t node, const Message& message) override;
  void member_event(std::size_t node, const MemberEvent& event) override;
  void peer_event(std::size_t node, const PeerEvent& event) override;
  void lost(std::size_t node, const LostEvent& event) override;
  void direct(std::size_t node, const DirectMessage& message) override;
  void logged(std::size_t node, const LogRecord& record) override;
  void left(std::size_t node) override;
  void published(std::size_t node, MessageId id, const Bytes& payload) override;
  void stuck(std::size_t node, const std::string& how) override { violated(node, how); }
  void turn_done(std::size_t node) override;

  void event(std::string_view kind, std::size_t node, const std::function<std::string()>& text);
  void event(std::string_view kind, std::size_t node, const char* text) {
    event(kind, node, [text] { return std::string(text); });
  }
  void ended(std::size_t node);
  void violated(std::size_t node, const std::string& what);
  void watch_ready(std::size_t node, InstanceId instance, bool once);
  [[nodiscard]] bool is_ready(const Snapshot& snapshot) const;
  void tick_traffic(const std::shared_ptr<const Traffic>& traffic);

  ClusterOptions options_;
  Rng rng_;
  Trace trace_;
  SimTime time_;
  SimNetwork network_;
  HostNames names_;
  FrameTap tap_;
  DeliveryLog log_;
  std::set<InstanceId> ready_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<std::uint64_t> traffic_rows_;
  std::vector<ClockSkew> skews_;
  std::vector<std::uint32_t> group_;
  std::vector<std::string> violations_;
  std::deque<std::string> lines_;
  std::uint64_t payload_counter_ = 0;
  std::uint64_t false_deaths_ = 0, link_changes_ = 0, lost_events_ = 0;
  Timestamp disturbed_until_;
};

}  // namespace plumvine::sim
