#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/detail/ring.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "plumtree/wire.hpp"
#include "transport.hpp"

namespace plumvine {

/// Control frames overtake payloads; `last` is for what ends a conversation.
enum class Lane : std::uint8_t { control, critical, high, normal, low, last };
inline constexpr Lane lane_of(Priority priority) noexcept { return static_cast<Lane>(1 + static_cast<int>(priority)); }

/// Which payload a frame carries.
struct PayloadTag {
  MessageId id;
  std::uint32_t topic = 0;  ///< number of a configured topic, 0 otherwise
  std::uint32_t count = 1;  ///< messages
};

/// What waits to be written to one connection.
///
/// Frames are gathered into batches of at most `kBatchPieces` pieces and `kBatchBytes` bytes, or one frame; small neighbours are
/// joined into one piece, large payloads go by reference. A control frame waits for at most one batch. Payloads have a lane
/// for each priority; lanes that have something to send share the bytes by `tree::kWeights`. Counts bytes until the
/// transport has taken them. The owner bounds it by the watermarks of `LinkConfig`.
///
/// Where the transport takes batches (`Transport::batch_room`), payloads go beside the stream once all that a link begins with has
/// arrived: greetings and digests come before payloads. What ends a conversation waits until all batches have arrived.
class SendQueue {
 public:
  static constexpr std::size_t kBatchPieces = 64;
  static constexpr std::size_t kBatchBytes = 256 * 1024;
  /// A batch beside the stream takes frames until it has so many bytes: a few packets, which wait for each other.
  static constexpr std::size_t kBesideBytes = 16 * 1024;
  /// Frames below this size are copied together.
  static constexpr std::size_t kSmall = 512;
  static constexpr std::size_t kJoinedMax = 16 * 1024;

  void push(wire::Encoded frame, Lane lane, std::optional<PayloadTag> payload = {});
  /// Takes payloads of the topic out of the lane, oldest first, until as many bytes are free; returns what they were.
  /// Nothing is taken out, and nothing returned, if all of them together are not enough.
  std::vector<MessageId> make_room(Lane lane, std::uint32_t topic, std::uint64_t bytes);
  /// Takes these payloads out of all lanes; returns how many there were.
  std::size_t take_out(std::span<const MessageId> ids);
  /// Writes until the queue is empty or the transport takes no more; returns how many bytes it took.
  std::size_t flush(Transport& transport, ConnId conn);
  /// From the next batch on what goes out is what `seal` makes of it.
  void seal_with(std::function<Bytes(std::span<const Bytes>)> seal) { seal_ = std::move(seal); }
  /// Payloads may go beside the stream, behind what is queued now and by the end of the next flush.
  void use_batches() noexcept { beside_ = Beside::opening; }
  /// The transport has room again.
  void unblock() noexcept { blocked_ = false; }

  /// The transport took less than everything; it will say when it has room.
  [[nodiscard]] bool blocked() const noexcept { return blocked_; }
  [[nodiscard]] bool empty() const noexcept { return bytes_ == 0; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  /// Payloads that were pushed and those that went out or were taken out, by priority. What still waits is the difference.
  [[nodiscard]] const CountedReasons<Priority>& enqueued() const noexcept { return enqueued_; }
  [[nodiscard]] const CountedReasons<Priority>& dequeued() const noexcept { return dequeued_; }
  [[nodiscard]] const CountedReasons<Priority>& dropped() const noexcept { return dropped_; }
  [[nodiscard]] std::uint64_t waiting(Priority lane) const noexcept { return enqueued_[lane] - dequeued_[lane] - dropped_[lane]; }

 private:
  static constexpr std::size_t kLanes = 6;
  struct Waiting {
    wire::Encoded frame;
    std::optional<PayloadTag> payload;
  };
  enum class Beside : std::uint8_t {
    no,
    opening,  ///< the first control frames of the link are not written yet
    yes,      ///< where the transport has room, and those frames have arrived
  };
  [[nodiscard]] std::optional<std::size_t> next_lane() const;
  Waiting pop(std::size_t lane);
  bool pick(Transport& transport, ConnId conn);
  bool pick_beside(Transport& transport, ConnId conn);
  void gather(std::size_t bytes, std::size_t first_lane, std::size_t last_lane);
  void seal_batch();
  void join();
  void put(Bytes piece, std::uint32_t frames_ended);
  void consume(std::size_t bytes);

  std::function<Bytes(std::span<const Bytes>)> seal_;
  std::array<Ring<Waiting>, kLanes> lanes_;
  std::array<std::uint64_t, kLanes> served_{};  ///< bytes by weight that a lane has had; the one with least is next
  std::uint64_t serving_ = 0;                   ///< the same of the lane served last: where one begins that was empty
  CountedReasons<Priority> enqueued_, dequeued_, dropped_;
  std::vector<Bytes> batch_;
  std::vector<wire::Encoded> run_;           ///< small frames that are about to be joined; empty between calls
  std::vector<std::uint32_t> frames_ended_;  ///< by piece of `batch_`
  std::size_t next_ = 0;                     ///< first piece not yet taken
  std::uint64_t bytes_ = 0;
  std::uint64_t messages_ = 0;
  bool blocked_ = false;
  Beside beside_ = Beside::no;
  bool beside_now_ = false;           ///< `batch_` goes beside the stream
  std::uint64_t streamed_ = 0;        ///< bytes that the stream has taken
  std::uint64_t opening_ = 0;         ///< of these, when the first control frames of the link were among them
};

}  // namespace plumvine
