#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/cursor.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/result.hpp>

struct uv_loop_s;

namespace plumvine::uv {

/// A delivered message that is kept.
struct HistoryEntry {
  MessageId id;
  std::string origin, topic;
  Round hops = 0;
  Bytes payload;  ///< empty where the topic was not asked for
};

/// Reads what was delivered, in the order of delivery as far as it matters: an origin's messages in theirs.
class HistoryReader {
 public:
  /// Payloads that are read at once, or one that is larger.
  static constexpr std::size_t kBytesAtOnce = std::size_t{1} << 20;
  virtual ~HistoryReader() = default;
  /// At most `count` entries that are not in `had`, and none twice; none when everything there is was read.
  virtual std::vector<HistoryEntry> next(const Cursor& had, std::size_t count) = 0;
};

/// Keeps delivered messages over restarts in one SQLite file, and what was had when it was last written.
///
/// One transaction a loop turn, so that a killed process loses at most the turn it was in: its neighbours give that
/// again. The file is flushed to the disk beside the loop now and then; a machine that loses its power loses the time since, never
/// the file. Bounds: `bytes_max` and `window`; the oldest messages go first. Loop thread only.
class History {
 public:
  struct Limits {
    std::uint64_t bytes_max = 0;
    Duration window{};
  };
  /// What every message costs besides its payload, about.
  static constexpr std::uint64_t kOverhead = 128;

  /// Opens or makes the file. Errc::invalid_argument: it is no history, or a damaged one; Errc::system names what the
  /// machine refuses.
  static Result<std::unique_ptr<History>> open(uv_loop_s* loop, const std::string& path, Limits limits, InstanceId self);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// What was had in earlier runs; empty in the first.
  [[nodiscard]] Cursor recalled() const;
  /// Earlier runs of this member, the latest ones.
  [[nodiscard]] const std::vector<InstanceId>& former_selves() const;

  // Times are wall time in microseconds.
  /// Adds a delivered message; of reserved topics without the payload.
  void add(const Message& message, std::int64_t now_us);
  /// Ends the turn: writes what was added. After an error nothing is kept for five seconds, and what this turn added is not
  /// there; the rest of the file is as it was.
  Status commit(std::int64_t now_us);
  /// The last write went well.
  [[nodiscard]] bool writable() const;
  /// Writes down what was had, also what was lost or is never to be delivered.
  Status save_position(Cursor position, std::int64_t now_us);

  [[nodiscard]] std::unique_ptr<HistoryReader> read(std::string topic);
  /// The ids that are kept.
  [[nodiscard]] const Cursor& held() const;
  [[nodiscard]] std::uint64_t messages() const;
  [[nodiscard]] std::uint64_t bytes() const;
  /// Messages that could not be written.
  [[nodiscard]] std::uint64_t dropped() const;

  class Impl;

 private:
  explicit History(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // readers keep it
};

/// Looks through a history that nobody writes, and changes nothing: SQLite's check of the whole file with its write-ahead log, and what
/// `History::open` wants of it. How many messages it has. Errors as of `History::open`. A changed byte within a payload is not found.
Result<std::uint64_t> check_history(const std::string& path);

}  // namespace plumvine::uv
