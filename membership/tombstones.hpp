#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core.hpp"

namespace plumvine::swim {

/// The members that somebody ordered to be forgotten, so that old news does not bring them back.
///
/// While a tombstone stands, an alive message with an incarnation not above it is refused, whoever repeats it. The
/// member itself may come back: with a higher incarnation, or by answering a ping at the address it is said to have.
/// An order that reaches a node where the member lives waits `kPendingTime` for its death there, then it is void.
/// Bounds: `kMax` tombstones (the oldest order goes first, counted), `tombstone_timeout` each.
class Tombstones {
 public:
  static constexpr std::size_t kMax = 1024;
  static constexpr Duration kPendingTime = std::chrono::minutes{2};
  static constexpr Duration kAskInterval = std::chrono::seconds{1};
  /// Every so many pings one goes by stream, for networks that pass only one of them.
  static constexpr std::uint32_t kStreamPingEvery = 2;

  struct Stone {
    std::uint32_t incarnation = 0;
    std::string by;             ///< the node where the order was given
    Timestamp at;               ///< when it was given
    std::uint64_t number = 0;   ///< grows with each change, for those who pass it on
    bool pending = false;       ///< the member lives here; nothing was forgotten yet
    Timestamp heard;            ///< when the order came here
    // The claim that waits for an answer.
    Bytes claim;                ///< the alive message as it came
    std::uint32_t sequence = 0;
    std::uint32_t asked = 0;
    Timestamp asked_at{INT64_MIN};
  };
  /// Pings `name` at `to` over a stream; the answer comes to `answered`.
  using StreamPing = std::function<void(const Endpoint& to, std::string_view name, std::uint32_t sequence, Timestamp now)>;

  explicit Tombstones(Core& core) : core_(core) {}
  void use_streams(StreamPing ping) { stream_ping_ = std::move(ping); }

  /// Sets a tombstone or raises the one there is. False: it says nothing new.
  bool set(std::string_view name, Stone stone, Timestamp now);
  /// The member is alive, and knows more than the tombstone.
  void drop(std::string_view name);
  [[nodiscard]] const Stone* find(std::string_view name, Timestamp now);
  /// Its member died here: the order is carried out.
  void fulfil(std::string_view name);

  /// Whether this news of an unknown member is refused. Then the member is pinged, at most once a second.
  bool refuses(const wire::Alive& news, Timestamp now);
  /// The claim that this answer proves, or nullopt.
  std::optional<Bytes> answered(std::uint32_t sequence);

  /// Orders with a number above `number`, ascending, at most `count`.
  [[nodiscard]] std::vector<Forget> after(std::uint64_t number, std::size_t count, Timestamp now);
  /// The highest number ever used; 0 = there never was an order.
  [[nodiscard]] std::uint64_t last_number() const noexcept { return last_number_; }
  [[nodiscard]] std::size_t size() const noexcept { return stones_.size(); }

 private:
  using Map = std::map<std::string, Stone, std::less<>>;
  Map::iterator erase(Map::iterator it);
  [[nodiscard]] bool over(const Stone& stone, Timestamp now) const;

  Core& core_;
  StreamPing stream_ping_;
  Map stones_;
  std::map<std::uint64_t, std::string> by_number_;
  std::map<std::uint32_t, std::string> asked_;  ///< sequence number to name
  std::uint64_t last_number_ = 0;
};

}  // namespace plumvine::swim
