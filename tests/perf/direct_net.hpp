#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "transport/loop.hpp"
#include "transport/transport.hpp"

namespace plumvine::perf {

/// Told when the driver of a host works and when it does not, so that its costs can be told from those of the network.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void start() noexcept {}
  virtual void stop() noexcept {}
};

class DirectNet;

/// One direction of a stream: a ring of bytes.
struct Pipe {
  static constexpr std::size_t kSize = std::size_t{1} << 20;
  std::unique_ptr<std::byte[]> ring = std::make_unique<std::byte[]>(kSize);
  std::uint64_t written = 0;
  std::uint64_t read = 0;
  bool refused = false;  ///< the writer waits for room
  [[nodiscard]] std::size_t used() const noexcept { return static_cast<std::size_t>(written - read); }
  void put(const std::byte* from, std::size_t bytes) noexcept;
  void take(std::byte* to, std::size_t bytes) noexcept;
};

/// Loop and transport of one node in a `DirectNet`.
class DirectHost final : public Loop, public Transport {
 public:
  DirectHost(DirectNet& net, Endpoint address) : net_(net), address_(address) {}

  template <class Events>
  void attach(Events& events) {
    loop_events_ = &events;
    transport_events_ = &events;
  }
  [[nodiscard]] const Endpoint& address() const noexcept { return address_; }
  /// Runs what enters the driver; the meter runs meanwhile.
  template <class Work>
  void enter(Work work) {
    metered_ = true;
    meter_->start();
    work();
    meter_->stop();
    metered_ = false;
  }
  void set_meter(Meter& meter) noexcept { meter_ = &meter; }

  Timestamp now() override;
  std::int64_t wall_us() override;
  void arm(Timestamp deadline) override { armed_ = deadline; }
  void defer() override { deferred_ = true; }
  void send_packet(const Endpoint& to, Bytes packet) override;
  void dial(ConnId conn, const Endpoint& to) override;
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override;
  void close(ConnId conn, CloseMode mode) override;
  void pause_reading(ConnId /*conn*/, bool /*paused*/) override {}
  void resolve(const HostPort& name) override;
  const TransportStats& stats() const override { return stats_; }

 private:
  friend class DirectNet;
  /// The network's own work inside of a call of the driver.
  class Paused {
   public:
    explicit Paused(DirectHost& host) : host_(host) {
      if (host_.metered_) host_.meter_->stop();
    }
    ~Paused() {
      if (host_.metered_) host_.meter_->start();
    }
    Paused(const Paused&) = delete;
    Paused& operator=(const Paused&) = delete;

   private:
    DirectHost& host_;
  };
  /// One end of a stream.
  struct End {
    std::shared_ptr<Pipe> in, out;
    DirectHost* far = nullptr;
    ConnId far_id{};
  };
  bool read_all();

  DirectNet& net_;
  Endpoint address_;
  LoopEvents* loop_events_ = nullptr;
  TransportEvents* transport_events_ = nullptr;
  Meter none_;
  Meter* meter_ = &none_;
  bool metered_ = false;
  TransportStats stats_;
  std::map<ConnId, End> ends_;
  std::uint64_t next_accepted_ = 2;
  Timestamp armed_ = kNever;
  bool deferred_ = false;
};

/// Drivers joined in memory under virtual time, for counting what they cost: streams are rings of bytes, nothing is
/// allocated for what they carry, and a run is the same each time. No losses, no latency but a turn.
class DirectNet {
 public:
  DirectHost& add_host(const std::string& address);
  /// Dials between hosts for which it is true are refused; packets pass.
  std::function<bool(const Endpoint&, const Endpoint&)> refused = [](const Endpoint&, const Endpoint&) {
    return false;
  };
  [[nodiscard]] Timestamp now() const noexcept { return now_; }
  /// Every host reads what has come, writes, and runs its handlers; `step` passes before.
  void turn(Duration step);
  /// Turns until `done`, each after the next deadline or `step`; false after `limit`.
  bool run_until(const std::function<bool()>& done, Duration step, Duration limit);

 private:
  friend class DirectHost;
  Timestamp now_{1'000'000'000};
  std::vector<std::unique_ptr<DirectHost>> hosts_;
  std::vector<std::function<void()>> work_;  ///< connections and packets, for the next turn
};

}  // namespace plumvine::perf
