#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/time.hpp>

#include "membership/serf/recent.hpp"

namespace plumvine {

/// The reserved topic on which a Serf user event travels through the tree, in Serf's own encoding. Every node of ours
/// delivers it under `serf.NAME`, once per identity (time, name, payload), however many bridges published it.
inline constexpr std::string_view kSerfTopic = "_serf";
inline constexpr std::string_view kSerfPrefix = "serf.";

/// What a user event of this content takes at most, and what Serf allows.
std::size_t event_size(std::string_view name, BytesView payload);
inline constexpr std::size_t kEventMax = 512;

/// Events that were delivered, so that each is once. Bounds: the last `kMax`.
class DeliveredEvents {
 public:
  static constexpr std::size_t kMax = 8192;
  /// False if it was known.
  bool add(serf::LTime time, serf::Recent::Identity what);

 private:
  using Key = std::tuple<serf::LTime, std::uint64_t, std::uint64_t>;
  std::set<Key> known_;
  std::deque<Key> order_;
};

/// Carries user events between Serf's gossip and the tree, at a node with `serf_events`.
///
/// All bridges hear everything. The alive one whose name comes first acts at once; the n-th waits n times `kStep` and acts
/// only if it saw no sign of it being done: for an event its copy on the tree, for a broadcast an event of the same name
/// and payload. An event that answers a broadcast is recognised the same way, whichever of the two comes first, and
/// goes no further. Towards the tree a copy too many does no harm, since receivers know the identity. Towards Serf a
/// second event is sent only if the first bridge was slower than `kStep`, or while two bridges disagree who comes first.
/// Such disagreement is short after a bridge came or went: who has just come to be first stands behind all others for
/// `kSettle`, where it sees what they did. So does who gets a broadcast late, for it was stopped or cut off while the others
/// acted, and their event is on its way; and who finds itself stopped while it waited first reads what came meanwhile.
/// Bounds: `kWaitingMax` waiting, `kOutMax` to publish; what is dropped is counted.
class EventBridge {
 public:
  static constexpr Duration kStep = std::chrono::seconds{3};
  /// With several bridges even the first waits so long whether an event is the echo of a broadcast.
  static constexpr Duration kEcho = std::chrono::milliseconds{300};
  static constexpr Duration kSettle = std::chrono::seconds{10};
  /// A timer that fires so much too late tells of a stop of our own.
  static constexpr Duration kStopped = std::chrono::seconds{1};
  static constexpr Duration kRetry = std::chrono::milliseconds{100};
  static constexpr std::size_t kWaitingMax = 1024;
  static constexpr std::size_t kOutMax = 1024;

  struct Fire {
    std::string name;
    Bytes payload;
  };

  /// Where we stand among the alive bridges, how many there are, and since when the ones before us are as they are (long ago, where there are none).
  void set_rank(std::size_t rank, std::size_t bridges, Timestamp since) { rank_ = rank, bridges_ = bridges, since_ = since; }
  /// A user event came by gossip.
  void event(serf::LTime time, std::string name, Bytes payload, Timestamp now);
  /// A broadcast on `serf.NAME` came through the tree, or is our own; `age`: how long ago it was published.
  void broadcast(std::string name, Bytes payload, Duration age, Timestamp now);
  /// A bridge has put this event on the tree.
  void carried(serf::LTime time, std::string_view name, BytesView payload);
  /// What `poll_publish` gave was not taken: it is tried again.
  void refused(Bytes message, Timestamp now);
  void handle_timeout(Timestamp now);

  /// The next user event to send into Serf's gossip.
  [[nodiscard]] std::optional<Fire> poll_fire();
  /// The next message to broadcast on `kSerfTopic`.
  [[nodiscard]] std::optional<Bytes> poll_publish(Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const;
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  struct Waiting {
    bool event = false;  ///< to be put on the tree; else a broadcast to be fired
    serf::LTime time = 0;
    std::string name;
    Bytes payload;
    Timestamp due;
  };
  void add(Waiting item, Timestamp now);
  /// Drops the oldest waiting event (or broadcast) with this content: the other kind has answered it. False: none.
  bool pair_off(bool event, std::string_view name, BytesView payload);
  void act(Waiting& item);
  [[nodiscard]] Duration turn(Duration age, Timestamp now) const;

  std::size_t rank_ = 0;
  std::size_t bridges_ = 1;
  Timestamp since_{INT64_MIN / 2};
  std::deque<Waiting> waiting_;
  std::deque<Fire> fire_;
  std::deque<Bytes> publish_;
  Timestamp retry_{INT64_MIN};
  std::uint64_t dropped_ = 0;
};

}  // namespace plumvine
