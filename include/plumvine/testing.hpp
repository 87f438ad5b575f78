#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/result.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/time.hpp>

/// Clusters in virtual time, for the tests of services (`plumvine::testing`, CMake component `testing`).
namespace plumvine::testing {

/// What lies between two machines, one way.
struct Path {
  Duration delay = std::chrono::microseconds{200};
  Duration jitter = std::chrono::microseconds{100};  ///< added to `delay`, uniform in [0, jitter)
  /// Share of packets that vanish, 0 to 1. Streams send again: there it costs time.
  double loss = 0;
  double duplicate = 0;  ///< share of packets that come twice, 0 to 1
  double reorder = 0;    ///< share of packets that come up to 5 ms later than those sent after them, 0 to 1
  /// Bytes a second of each stream; 0 = no limit.
  std::uint64_t bandwidth = 0;
};

/// How a cluster is made. Everything random in it comes from `seed`.
struct ClusterOptions {
  std::size_t nodes = 5;
  std::uint64_t seed = 1;
  /// The configuration of the node with this name, which is `Cluster::name` of it. Names, addresses and seeds are the cluster's own.
  std::function<Config(std::string name)> config = [](std::string name) { return Config::lan(std::move(name)); };
  /// So many of the first nodes are everybody's seeds.
  std::size_t seeds = 2;
  Path path;
};

/// A cluster of real nodes under virtual time: the code of `Node` without its sockets, clocks and threads, on machines and a network that
/// are simulated. An hour takes seconds, nothing waits, and the same seed with the same calls gives the same run, event by event
/// (`fingerprint`): a test that failed fails again.
///
/// Nodes are numbered from 0; each is a machine that runs one process at a time. While time runs, checkers look on: whatever a node does
/// that no node may ever do, such as to deliver a message twice, is in `violations`.
///
/// Handlers run while time runs, on the caller's thread. Inside them time must not be run again; all other calls are legal, and what they
/// do to processes happens right after the handler. Not thread-safe. Not simulated: HTTP, TLS, QUIC, files of any kind.
class Cluster {
 public:
  explicit Cluster(ClusterOptions options = {});
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Handlers. `node`: at which one it happened.
  std::function<void(std::size_t node, const Message&)> on_message;
  std::function<void(std::size_t node, const MemberEvent&)> on_member;
  std::function<void(std::size_t node, const PeerEvent&)> on_peer;
  std::function<void(std::size_t node, const LostEvent&)> on_lost;
  std::function<void(std::size_t node, const LogRecord&)> on_log;

  // Time.
  /// Since the cluster was made.
  [[nodiscard]] Duration elapsed() const;
  void run_for(Duration span);
  /// Runs until `condition` holds, looking every 50 ms. False: `limit` passed, or so many violations were found that it makes no sense.
  bool run_until(const std::function<bool()>& condition, Duration limit);
  /// Runs until all processes that run have joined, are synced, agree who is there, and one tree joins them. False: not within `limit`.
  bool settle(Duration limit = std::chrono::minutes{1});

  // Processes. Out of range: the test ends with a message.
  /// Starts all nodes, 20 ms one after the other. The first error ends it; see `start`.
  Status start_all();
  /// One more machine; its number.
  std::size_t add_node();
  /// Starts a process, a new run of the member. Errors: `invalid_config` names what is wrong, also a key that cannot be simulated;
  /// `invalid_argument` where one runs already.
  Status start(std::size_t node);
  void kill(std::size_t node);       ///< SIGKILL: its machine closes the connections
  void power_off(std::size_t node);  ///< the machine goes silent
  void pause(std::size_t node);      ///< SIGSTOP
  void resume(std::size_t node);     ///< SIGCONT
  void leave(std::size_t node);      ///< SIGTERM: it leaves, tells others, and ends
  [[nodiscard]] bool running(std::size_t node) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::string name(std::size_t node) const;

  // What services do.
  /// Publishes from this node. Like a service that waits while members that keep up are behind, the payload waits in order until it may go.
  /// Errors: `stopped` where no process runs, `too_large` as of `Node::broadcast`.
  Status broadcast(std::size_t node, std::string topic, Bytes payload);
  /// To one member alone, by name; errors as of `Node::send`.
  Status send(std::size_t node, std::string_view member, Bytes payload);
  /// Called with each message that one member sent to another alone.
  std::function<void(std::size_t node, const DirectMessage&)> on_direct;
  /// Payloads of this node that wait until they may go.
  [[nodiscard]] std::size_t waiting(std::size_t node) const;

  // Network.
  /// Nodes of different groups do not reach each other; those named in no group are one of their own.
  void partition(const std::vector<std::vector<std::size_t>>& groups);
  /// What `from` sends does not arrive at `to` (true), or does again.
  void cut(std::size_t from, std::size_t to, bool is_cut = true);
  /// Ends partitions and cuts.
  void heal();
  void set_path(std::size_t from, std::size_t to, const Path& path);
  /// Of all ways that have none of their own.
  void set_path(const Path& path);
  /// Wall clock of a machine against the others', from its next start on.
  void set_wall_offset(std::size_t node, Duration ahead);

  // What holds.
  /// Nothing where no process runs.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot(std::size_t node) const;
  /// What one running process has, all have, and nobody waits to publish.
  [[nodiscard]] bool all_delivered() const;
  /// What is not as it should be at rest, in words: views that differ, trees that do not join all, messages that somebody lacks.
  [[nodiscard]] std::vector<std::string> unrest() const;
  /// What must never be and was, in words, at most 20: a message delivered twice, out of its order or changed, an invariant of a node broken.
  [[nodiscard]] const std::vector<std::string>& violations() const;
  /// Members that were declared dead while they ran and could be reached.
  [[nodiscard]] std::uint64_t false_deaths() const;
  /// Over all that happened so far: equal runs have equal ones, on every machine.
  [[nodiscard]] std::uint64_t fingerprint() const;
  /// The last 400 log lines of all nodes.
  [[nodiscard]] std::vector<std::string> log() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine::testing
