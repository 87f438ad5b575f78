#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/snapshot.hpp>

#include <transport/driver.hpp>
#include <transport/loop.hpp>
#include <transport/publish_window.hpp>

#include "sim_transport.hpp"

namespace plumvine::sim {

/// How a process's clock differs from the simulated time.
struct ClockSkew {
  Duration monotonic_base{0};  ///< what the monotonic clock showed at virtual time zero
  Duration wall_offset{0};
  std::int64_t drift_ppm = 0;
};

/// What the owner of a node sees. All calls come from inside the node's turns.
class NodeObserver {
 public:
  virtual ~NodeObserver() = default;
  virtual void delivered(std::size_t node, const Message& message) = 0;
  virtual void member_event(std::size_t node, const MemberEvent& event) = 0;
  virtual void peer_event(std::size_t node, const PeerEvent& event) = 0;
  virtual void lost(std::size_t node, const LostEvent& event) = 0;
  virtual void direct(std::size_t node, const DirectMessage& message) = 0;
  virtual void logged(std::size_t node, const LogRecord& record) = 0;
  virtual void left(std::size_t node) = 0;
  virtual void published(std::size_t node, MessageId id, const Bytes& payload) = 0;
  /// The node makes no progress and burns its processor.
  virtual void stuck(std::size_t node, const std::string& how) = 0;
  /// After each turn: the place of safety checks.
  virtual void turn_done(std::size_t node) = 0;
};

/// One simulated process: the production `Driver` on a loop of virtual time and the simulated network. Loop turns are
/// libuv's: timers, then what the kernel has, then deferred work. A stopped process takes no turns, its kernel goes
/// on; a killed one is gone, and `start` makes a new one with a new instance on the same address.
class SimNode final : private Loop {
 public:
  SimNode(std::size_t index, SimTime& time, SimNetwork& network, HostId host, const HostNames& names,
          NodeObserver& observer, Rng rng);
  ~SimNode() override;
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  /// Starts a process. `config.seeds` are joined.
  void start(Config config, ClockSkew skew);
  /// SIGKILL.
  void kill();
  /// The machine loses power.
  void power_off();
  /// SIGSTOP and SIGCONT.
  void pause();
  void resume();
  /// SIGTERM: leaves, then stops when the leave has spread.
  void leave();
  /// Runs `command` as if called from another thread that wakes the loop.
  void command(const std::function<void(Driver&)>& command);

  /// Publishes, or queues the payload until the pace of the others allows it. `publish_queue` tells how many wait.
  void publish(const std::string& topic, std::vector<Bytes> payloads);
  [[nodiscard]] std::size_t publish_queue() const noexcept { return waiting_.size(); }
  [[nodiscard]] Sequence published() const noexcept { return published_; }
  [[nodiscard]] Sequence acked() const noexcept { return acked_; }

  [[nodiscard]] bool running() const noexcept { return driver_ != nullptr; }
  [[nodiscard]] bool paused() const noexcept { return paused_; }
  [[nodiscard]] bool leaving() const noexcept { return leaving_; }
  [[nodiscard]] const std::string& name() const noexcept { return config_.name; }
  [[nodiscard]] InstanceId instance() const noexcept { return instance_; }
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] HostId host() const noexcept { return host_; }
  [[nodiscard]] const Endpoint& address() const { return network_.address(host_); }
  [[nodiscard]] const Config& config() const noexcept { return config_; }
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot();
  /// Broken invariants of the driver; empty when none or not running.
  [[nodiscard]] std::vector<std::string> broken_invariants() const;
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }
  /// As of `SimTransport`, for each process that is started from now on.
  void meddle(std::function<void(ConnId, BytesView)> reads) { meddle_ = std::move(reads); }
  /// Null: it does not run.
  [[nodiscard]] SimTransport* transport() noexcept { return transport_.get(); }
  [[nodiscard]] std::size_t open_connections() const { return transport_ ? transport_->open_connections() : 0; }

 private:
  // Loop
  Timestamp now() override;
  std::int64_t wall_us() override;
  void arm(Timestamp deadline) override;
  void defer() override;

  void end_process();
  void schedule_turn(Timestamp at);
  void turn();
  void feed();
  [[nodiscard]] Timestamp local(Timestamp virtual_time) const;
  [[nodiscard]] Timestamp virtual_of(Timestamp local_time) const;
  Handlers make_handlers();

  std::size_t index_;
  SimTime& time_;
  SimNetwork& network_;
  HostId host_;
  const HostNames& names_;
  NodeObserver& observer_;
  Rng rng_;
  Config config_;
  ClockSkew skew_;
  InstanceId instance_{};
  std::string origin_key_;  ///< in PEM; outlives the process
  std::function<void(ConnId, BytesView)> meddle_;
  std::unique_ptr<SimTransport> transport_;
  std::unique_ptr<Driver> driver_;
  bool paused_ = false, leaving_ = false, leave_done_ = false, deferred_ = false, in_turn_ = false, feeding_ = false;
  Timestamp armed_ = kNever;
  Timestamp next_turn_ = kNever;
  std::uint64_t turn_token_ = 0;
  std::uint64_t turns_ = 0;
  std::uint32_t overdue_ = 0;
  struct Waiting {
    std::string topic;
    Bytes payload;
  };
  std::deque<Waiting> waiting_;
  std::optional<PublishWindow> window_;
  Sequence large_ = 0;  ///< large payload under way
  Sequence published_ = 0;
  Sequence acked_ = 0;
};

}  // namespace plumvine::sim
