#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/config.hpp>
#include <plumvine/detail/ring.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

#include "handle.hpp"
#include "transport/driver.hpp"
#include "transport/publish_window.hpp"

namespace plumvine::uv {

/// The thread-safe door of a node: broadcasts and commands go in from any thread, in order; the loop takes them out.
///
/// A broadcast gets its sequence under the same lock that admits it, so a refused one uses none. Bounds: the
/// configured mailbox for what the loop has not taken yet, `PublishWindow` for what has not reached the members
/// that keep up (`acked`), and `kCommandsMax` commands. Large payloads have a window of their own, so that one under way
/// does not keep small ones out. Whoever was refused hears of room once half is free.
class Mailbox {
 public:
  struct Publish {
    Sequence sequence = 0;
    std::string topic;
    frame::Payload payload;
    bool joins = false;   ///< it may be in a run with those published before and after it
    AckWish acks = {};
    std::function<void(const Receipt&)> on_receipt = {};  ///< empty: the user's handler; an id of zeros: the node was stopped
    frame::RunBuilder run = {};  ///< what joined; the mailbox's
    Timestamp at = {};           ///< when it, or the first that joined, was published; the mailbox's
    std::uint32_t count = 1;     ///< how many broadcasts it is, once taken
  };
  /// Called once on the loop thread: with true to run, with false if the node closed before.
  using Command = std::function<void(bool run)>;
  using Item = std::variant<Publish, Command>;

  /// The time now, on any thread. Not the loop's, which stands still within a turn.
  using Clock = std::function<Timestamp()>;
  static Timestamp monotonic_now();
  /// Runs are put together in memory of `blocks`.
  explicit Mailbox(const Config& config, frame::BlockSource blocks = frame::heap_block, Clock clock = monotonic_now);

  /// Ties the mailbox to a loop; `on_mail` runs there soon after something came in. Loop thread.
  Status open(uv_loop_t* loop, std::function<void()> on_mail);

  /// Admits a broadcast, whose sequence it sets, or waits at most `wait` for room.
  Result<Sequence> publish(Publish&& broadcast, Duration wait);
  Status post(Command command);
  /// Runs `on_mail` soon. Ignored once closed.
  void wake();

  /// Everything below: loop thread.
  /// Takes a bounded part of what waits, front first; wakes itself for the rest. Broadcasts that joined are one.
  std::vector<Item> take();
  /// Own broadcasts have reached all that keep up: up to `sequence`, the large ones up to `large`.
  void acked(Sequence sequence, Sequence large);
  /// True once after refusals, when there is room again.
  bool take_writable();
  /// Refuses everything from now on and drops what waits (commands and who waits for a receipt are told).
  void close();
  /// Ends the tie to the loop; after `close`.
  void detach() { async_.reset(); }

  struct Fill {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint64_t window = 0;  ///< of `PublishWindow`
    Duration delay{0};
  };
  [[nodiscard]] Fill fill() const;

 private:
  static constexpr std::size_t kCommandsMax = 1024;
  static constexpr std::size_t kTakeItems = 256;
  static constexpr std::uint64_t kTakeBytes = 1ULL << 20;

  struct Window {
    PublishWindow room;
    bool refused = false;
  };
  /// Of `windows_`.
  [[nodiscard]] static std::size_t window_of(std::uint64_t bytes) noexcept { return bytes > frame::kPartSize ? 1 : 0; }
  /// Delays of large payloads, and of what is on its way beside one, say nothing of queues.
  [[nodiscard]] bool is_metered(std::uint64_t bytes) const { return window_of(bytes) == 0 && windows_[1].room.messages() == 0; }
  void refuse(std::uint64_t bytes);
  [[nodiscard]] bool room_for(std::uint64_t bytes, Timestamp now) const;
  void put(Publish&& broadcast);
  void note_room();
  void wake_locked();

  const std::uint64_t waiting_bytes_max_, waiting_messages_max_;
  const frame::RunBounds run_bounds_;
  const frame::BlockSource blocks_;
  const Clock clock_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  Ring<Item> items_;
  std::uint64_t waiting_bytes_ = 0;
  std::uint64_t waiting_messages_ = 0;
  std::uint64_t waiting_commands_ = 0;
  std::array<Window, 2> windows_;  ///< of small payloads, of large ones
  std::uint64_t waiters_ = 0;
  Sequence next_ = 1;
  bool writable_ = false;
  bool closed_ = false;
  std::function<void()> on_mail_;
  Handle<uv_async_t> async_;
};

}  // namespace plumvine::uv
