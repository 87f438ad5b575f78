#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/cursor.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/snapshot.hpp>

#include "backlog.hpp"
#include "handle.hpp"
#include "history.hpp"

namespace plumvine::uv {

/// Somebody who reads a topic; each call says false when there is nobody any more. `cursor` stands behind what is told.
struct Subscriber {
  std::string topic;  ///< `*` = all but reserved ones
  std::function<bool(const Message& message, const std::string& cursor)> on_message;
  /// Messages that will not come, of whatever topic they were.
  std::function<bool(const LostEvent& lost, const std::string& cursor)> on_gap;
  /// Takes more now.
  std::function<bool()> has_room;
  /// Bytes that it has been told and has not read. Empty: it reads at once.
  std::function<std::size_t()> waiting = {};
  std::string from = {};  ///< its address
};

/// Where a subscriber begins.
struct ReadFrom {
  enum class Kind : std::uint8_t { now, window, cursor, message };
  Kind kind = Kind::now;
  Cursor had;
  MessageId behind{};  ///< of `message`: what the history has from before it, and it itself, is passed over
};

/// `now`, `window`, a message id or a cursor. Errc::invalid_argument for anything else.
Result<ReadFrom> read_from(std::string_view text);

/// What the subscribers read from. Loop thread only.
class HistorySource {
 public:
  virtual ~HistorySource() = default;
  /// What was told to subscribers so far, or need not be.
  virtual Cursor position() = 0;
  /// What of that can still be read.
  virtual Cursor readable() = 0;
  virtual std::unique_ptr<HistoryReader> read(const std::string& topic) = 0;
  /// Broadcasts of this origin are ours: they are no gap.
  virtual bool is_ours(InstanceId origin) = 0;
  /// Empty where it is not known.
  virtual std::string name_of(InstanceId origin) = 0;
};

/// Hands delivered messages to those who read them over HTTP, each from where it wants: first from the history, as fast
/// as it takes them, then as they come; one that has no room for what comes goes on with the history, so nothing piles up for it.
/// Every message once, an origin's in their order; what can no longer be read is told as a gap.
/// Bounds: `kMax` subscribers, the oldest goes; each holds a cursor, and while it reads the history what was read at once
/// (`HistoryReader::kBytesAtOnce`). Loop thread only.
class Subscribers {
 public:
  static constexpr std::size_t kMax = 1024;

  Subscribers(uv_loop_t* loop, HistorySource& source);

  void add(Subscriber subscriber, ReadFrom from);
  /// A message is delivered now.
  void deliver(const Message& message);
  void lost(const LostEvent& lost);
  [[nodiscard]] std::size_t size() const noexcept { return readers_.size(); }
  /// How far each is behind.
  [[nodiscard]] std::vector<SubscriberInfo> infos();
  /// Gaps that were told.
  [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_; }

 private:
  struct Reader {
    Subscriber subscriber;
    Cursor had;
    std::unique_ptr<HistoryReader> history;  ///< null: has caught up
    std::vector<HistoryEntry> entries;       ///< read last; those from `next` on wait for room
    std::size_t next = 0;
    std::optional<MessageId> behind;         ///< what is read is passed over, up to here
    Backlog backlog;
  };

  static bool wants(const Reader& reader, const Message& message);
  bool tell(Reader& reader, const Message& message);
  bool tell_gaps(Reader& reader, const Cursor& missing);
  /// Goes on with the history; false: the subscriber is gone.
  bool read_on(Reader& reader);
  bool catch_up(Reader& reader);
  void begin_at_window(Reader& reader);
  void pump();
  void arm();

  HistorySource& source_;
  Handle<uv_timer_t> timer_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::uint64_t gaps_ = 0;
};

}  // namespace plumvine::uv
