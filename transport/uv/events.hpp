#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "http_server.hpp"

namespace plumvine::uv {

/// Wall time, milliseconds since 1970; both ends belong to it.
struct EventSpan {
  std::int64_t from_ms = INT64_MIN, to_ms = INT64_MAX;
  [[nodiscard]] bool has(std::int64_t wall_ms) const noexcept { return from_ms <= wall_ms && wall_ms <= to_ms; }
};

/// What happened here lately, and those who follow it over HTTP. An event is a coded log line as JSON, whatever of them the
/// log shows; ids are INSTANCE-NUMBER, counted from 1.
/// Bounds: `kCountMax` events of `kBytesMax` bytes together, the oldest go; `kFollowersMax` followers, no more are taken; who
/// lets more than `kBehindMax` bytes wait is cut off, and may resume by the id of the last one it had. Loop thread only.
class Events {
 public:
  static constexpr std::size_t kCountMax = 4096;
  static constexpr std::size_t kBytesMax = std::size_t{512} << 10;
  static constexpr std::size_t kFollowersMax = 32;
  /// Above all that is retained, so that whoever begins with that has room.
  static constexpr std::size_t kBehindMax = 2 * kBytesMax;

  enum class Format : std::uint8_t { lines, server_sent };
  using Span = EventSpan;

  explicit Events(InstanceId instance) : prefix_(to_string(instance) + '-') {}

  void add(EventKind kind, const LogRecord& record, std::int64_t wall_ms);
  /// Those of the span that are retained and younger than `after`, an id; all of them where it is empty, or from another run.
  [[nodiscard]] std::string retained(Format format, std::string_view after, Span span = {}) const;
  /// The same ones, the newest first: number, wall time, and the event as JSON.
  void newest_first(Span span, const std::function<void(std::uint64_t, std::int64_t, std::string_view)>& each) const;
  [[nodiscard]] bool has_room();
  /// Writes what `retained` gives, then everything that comes. Takes nobody without room.
  void follow(std::shared_ptr<HttpStream> stream, Format format, std::string_view after, Span span = {});
  /// False: the client is gone, or lets too much wait and is cut off now.
  bool keeps_up(HttpStream& stream);
  /// The id behind which the last `count` events come.
  [[nodiscard]] std::string id_before(std::size_t count) const;
  [[nodiscard]] EventStats stats() const;

 private:
  struct Follower {
    std::shared_ptr<HttpStream> stream;
    Format format;
  };
  [[nodiscard]] std::string id_of(std::uint64_t number) const { return prefix_ + std::to_string(number); }
  void append(std::string& out, Format format, std::uint64_t number, std::string_view event) const;
  void drop_gone();

  std::string prefix_;
  struct Event {
    std::int64_t wall_ms;
    std::string json;
  };
  std::deque<Event> events_;
  std::uint64_t first_ = 1;   ///< number of the oldest
  std::size_t bytes_ = 0;
  std::vector<Follower> followers_;
  EventStats stats_;
};

}  // namespace plumvine::uv
