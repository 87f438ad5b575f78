#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// One stream connection. Odd numbers are chosen by the driver (dialled), even ones by the transport (accepted);
/// a number is never used again.
enum class ConnId : std::uint64_t {};

enum class CloseMode : std::uint8_t {
  flush,  ///< write what was accepted, then close
  abort,  ///< drop everything, reset
};

/// Bytes, as a seam: sockets in production, a simulated network in tests. No call calls back into
/// `TransportEvents` before it has returned.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Best effort.
  virtual void send_packet(const Endpoint& to, Bytes packet) = 0;
  /// Answered by `on_connected` or `on_closed`.
  virtual void dial(ConnId conn, const Endpoint& to) = 0;
  /// The same for a link to a member that takes links over QUIC on this UDP port, too.
  virtual void dial_link(ConnId conn, const Endpoint& to, std::uint16_t /*quic_port*/) { dial(conn, to); }
  /// Takes as many bytes of `batch`, front to back, as can be written now (scatter-gather, no copy) and returns
  /// their number. Less than everything: `on_writable` follows. References are held only during the call.
  virtual std::size_t write(ConnId conn, std::span<const Bytes> batch) = 0;
  /// Frames that need not come in order may go beside the stream of a connection, a batch of whole frames at a time: what is lost of one
  /// holds up neither the stream nor other batches. Bytes that a batch may have now; 0: `on_writable` follows when there is room. Nothing:
  /// the stream has to take them, since this connection takes no batches, or not all of the first `after` bytes of the stream have arrived.
  virtual std::optional<std::size_t> batch_room(ConnId /*conn*/, std::uint64_t /*after*/) { return std::nullopt; }
  /// Takes all of a batch that `batch_room` had room for. References are held until the other end has it.
  virtual void write_batch(ConnId /*conn*/, std::span<const Bytes> /*batch*/) {}
  /// The other end has all batches. False: `on_writable` follows when it has.
  virtual bool batches_arrived(ConnId /*conn*/) { return true; }
  /// No event for this connection follows. Unknown numbers are ignored.
  virtual void close(ConnId conn, CloseMode mode) = 0;
  /// Stops (or resumes) reading from a connection.
  virtual void pause_reading(ConnId conn, bool paused) = 0;
  /// Looks up a name (all A and AAAA records; SRV for `srv+`); answered by `on_resolved`.
  virtual void resolve(const HostPort& name) = 0;
  virtual const TransportStats& stats() const = 0;
};

/// What a transport calls back; implemented by `Driver`.
class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  virtual void on_packet(const Endpoint& from, BytesView packet) = 0;
  /// A dialled connection is up.
  virtual void on_connected(ConnId conn) = 0;
  /// The names that the other end's certificate allows it, any of which it may have; right after
  /// `on_accepted`, right before `on_connected`. Not called where connections have no certificates.
  virtual void on_identified(ConnId /*conn*/, const std::vector<std::string>& /*names*/) {}
  /// A packet that came from an authenticated member and that nobody could read on its way.
  virtual void on_private_packet(const Endpoint& from, BytesView packet) { on_packet(from, packet); }
  /// Somebody dialled us.
  virtual void on_accepted(ConnId conn, const Endpoint& from) = 0;
  /// Where the next bytes of this connection shall be read to; never empty.
  virtual std::span<std::byte> read_buffer(ConnId conn) = 0;
  /// So many bytes were read into the last `read_buffer`.
  virtual void on_read(ConnId conn, std::size_t bytes) = 0;
  /// A batch came beside the stream, whole; only where `Transport` has them.
  virtual void on_batch(ConnId /*conn*/, Bytes /*batch*/) {}
  virtual void on_writable(ConnId conn) = 0;
  /// End of stream, reset, or failed dial. The number is gone.
  virtual void on_closed(ConnId conn, const Error& why) = 0;
  virtual void on_resolved(const HostPort& name, const std::vector<Endpoint>& endpoints) = 0;
};

}  // namespace plumvine
