#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include <plumvine/detail/flat_map.hpp>

#include <transport/transport.hpp>

#include "sim_network.hpp"

namespace plumvine::sim {

/// Names that `resolve` knows.
using HostNames = std::map<std::string, Endpoint>;

/// The production seam `Transport` over `SimNetwork`, for one process. What the kernel has for the process waits here
/// until the process takes its turn: a stopped process does not see it.
class SimTransport final : public Transport, public KernelEvents {
 public:
  SimTransport(SimNetwork& network, HostId host, const HostNames& names, std::function<void()> wake)
      : network_(network), host_(host), names_(names), wake_(std::move(wake)) {}

  // Transport
  void send_packet(const Endpoint& to, Bytes packet) override;
  void dial(ConnId conn, const Endpoint& to) override;
  std::size_t write(ConnId conn, std::span<const Bytes> batch) override;
  std::optional<std::size_t> batch_room(ConnId conn, std::uint64_t after) override { return network_.batch_room(host_, conn, after); }
  void write_batch(ConnId conn, std::span<const Bytes> batch) override;
  bool batches_arrived(ConnId conn) override { return network_.batches_arrived(host_, conn); }
  void close(ConnId conn, CloseMode mode) override;
  void pause_reading(ConnId conn, bool paused) override;
  void resolve(const HostPort& name) override;
  const TransportStats& stats() const override { return stats_; }

  // KernelEvents
  void packet_arrived(const Endpoint& from, const Bytes& packet) override;
  ConnId accepted(const Endpoint& from) override;
  [[nodiscard]] std::size_t unaccepted() const override { return unaccepted_.size(); }
  void connected(ConnId conn) override { post(Ready::connected, conn); }
  void readable(ConnId conn) override;
  void batch_arrived(ConnId conn, Bytes batch) override;
  void writable(ConnId conn) override { post(Ready::writable, conn); }
  void refused(ConnId conn, const Error& why) override;

  /// A tool beside the process, which reads along on what comes over its links, and writes frames between the process's own.
  void meddle(std::function<void(ConnId, BytesView)> reads) { reads_ = std::move(reads); }
  /// Writes this on each link on which the process has begun, where no frame is half written. On how many.
  std::size_t interject(const Bytes& frame);

  /// One poll phase: hands what waits to the process, at most `budget` events. True: more waits.
  bool poll(TransportEvents& process, std::size_t budget);
  [[nodiscard]] bool idle() const noexcept { return ready_.empty() && packets_.empty(); }
  [[nodiscard]] std::size_t open_connections() const noexcept { return known_.size(); }

 private:
  enum class Ready : std::uint8_t { accepted, connected, readable, writable, batch, refused, resolved };
  struct Item {
    Ready what;
    ConnId conn{};
    Endpoint from;
    Error why{};
    HostPort name{};
    Bytes batch{};
  };
  void post(Ready what, ConnId conn) {
    ready_.push_back({.what = what, .conn = conn});
    wake_();
  }
  void read_stream(ConnId conn, TransportEvents& process);
  void read_batch(Item item, TransportEvents& process);

  SimNetwork& network_;
  HostId host_;
  const HostNames& names_;
  std::function<void()> wake_;
  std::deque<Item> ready_;
  FlatMap<ConnId, std::vector<Item>> held_;  ///< batches of connections that are not read
  std::deque<std::pair<Endpoint, Bytes>> packets_;
  std::size_t packet_bytes_ = 0;
  FlatSet<ConnId> known_, paused_, read_posted_, unaccepted_;
  std::uint64_t next_accepted_ = 0;
  TransportStats stats_;
  /// Of links, while there is a `reads_`.
  struct Meddled {
    bool link = false;   ///< its dialler began with the magic of links
    bool begun = false;  ///< the process has written
    bool whole = true;   ///< all that it wanted to
    Bytes rest;          ///< of an interjected frame: it goes before anything else
  };
  /// False: there is still some left, and the kernel says when it takes it.
  bool write_rest(ConnId conn, Meddled& stream);
  std::function<void(ConnId, BytesView)> reads_;
  FlatMap<ConnId, Meddled> meddled_;
};

}  // namespace plumvine::sim
