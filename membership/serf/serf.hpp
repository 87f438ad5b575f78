#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <plumvine/detail/outbox.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/stats.hpp>

#include "clock.hpp"
#include "coordinate.hpp"
#include "key_queries.hpp"
#include "membership/swim.hpp"
#include "messages.hpp"
#include "recent.hpp"

namespace plumvine::serf {

/// A user event of the cluster, seen for the first time. Its time, name and payload name it everywhere.
struct EventSeen {
  LTime time = 0;
  std::string name;
  Bytes payload;
};

/// An answer to a query. We ask about keys only, so `KeyQueries` takes it.
struct Answered { Bytes response; };
struct Log { LogRecord record; };
using Output = std::variant<EventSeen, KeyQuery, Answered, Log>;

/// What Serf puts on top of memberlist, so that its members see ours as their own kind: intents to join and leave under
/// a Lamport clock, user events, queries, network coordinates.
///
/// Stands on one `Swim`, which it drives: the owner hands it what that puts out (`on_output`), then drains both. Sans I/O;
/// `now` never decreases. Intents of our own are spread only while a member that is not ours is alive.
/// Bounds: one entry per member of `Swim`, `kIntentsMax` intents about unknown names for `kIntentTime`, `Recent`'s rings.
class Serf {
 public:
  static constexpr std::size_t kIntentsMax = 1024;
  static constexpr Duration kIntentTime = std::chrono::minutes{5};
  /// A leave intent is given so long to go out before memberlist's own farewell follows.
  static constexpr Duration kLeaveWait = std::chrono::seconds{1};
  /// Serf's limit on an encoded user event.
  static constexpr std::size_t kEventMax = 512;
  /// Events told again with every table exchange while there are foreign members, as Serf tells its last ones: gossip misses
  /// somebody now and then.
  static constexpr std::size_t kHistoryMax = 32;
  /// Join intents of others, told again in the same way.
  static constexpr std::size_t kJoinsMax = 64;

  Serf(swim::Swim& swim, std::string name, Rng rng);

  // Inputs.
  void start();
  /// Takes what is for us out of the stream of outputs; true if the owner need not look at it.
  bool on_output(const swim::Output& output, Timestamp now);
  /// Says that we leave, then lets memberlist leave.
  void leave(Timestamp now);
  /// We are back after a leave, or one that was under way.
  void come_back(Timestamp now);
  /// Serf's members are to drop this dead or left member, which was forgotten here.
  void prune(std::string_view name, Timestamp now);
  void handle_timeout(Timestamp now);
  /// Sends a user event. The time it got; nullopt: it is above `kEventMax` (nothing was sent).
  std::optional<LTime> send_event(std::string_view name, BytesView payload, Timestamp now);
  /// A time for a query of ours.
  LTime query_time();

  // Outputs.
  [[nodiscard]] std::optional<Output> poll_output() { return outbox_.poll(); }
  [[nodiscard]] Timestamp next_timeout() const noexcept { return leave_due_; }

  // Queries.
  [[nodiscard]] Status status(std::string_view name) const;
  /// Round trip by coordinates; nullopt where the member has none.
  [[nodiscard]] std::optional<Duration> estimate(std::string_view name) const { return vivaldi_.estimate(name); }
  [[nodiscard]] LTime time() const noexcept { return clock_.time(); }
  [[nodiscard]] const CountedReasons<SerfMessage>& messages() const noexcept { return counts_; }

 private:
  struct Known {
    Status status = Status::none;
    LTime time = 0;        ///< of the newest intent
    bool foreign = false;  ///< not one of ours
  };
  struct Intent {
    LTime time = 0;
    bool leave = false;
    Timestamp since;
  };

  void member(const MemberEvent& event, Timestamp now);
  void joined(const Member& member, Timestamp now);
  void gone(const MemberEvent& event, Timestamp now);
  void user_message(const swim::UserMessage& received, Timestamp now);
  void user_state(BytesView state, Timestamp now);
  void ack_payload(const swim::AckPayload& ack);
  // Each says whether the message is news, to be gossiped on.
  bool on_leave(const Leave& intent, Timestamp now);
  bool on_join(const Join& intent, Timestamp now);
  bool on_event(const Event& event);
  void keep_event(LTime time, std::string_view name, BytesView payload);
  void keep_join(const Join& intent);
  bool on_query(const Query& query, Timestamp now);
  bool remember(std::string_view name, LTime time, bool leave, Timestamp now);
  void relay(const Relay& relay, Timestamp now);
  // queries.cpp
  [[nodiscard]] bool concerns_us(const Query& query);
  void answer_internal(const Query& query, const Endpoint& to, Timestamp now);
  void respond(const Query& query, const Endpoint& to, std::uint32_t flags, BytesView payload, Timestamp now);

  template <class Message>
  void take(BytesView message, Timestamp now, bool (Serf::*handler)(const Message&, Timestamp));
  void set_status(std::string_view name, Known& known, Status status);
  void pruned(std::string_view name, Timestamp now);
  void say_join(Timestamp now);
  bool spread(BytesView message, bool watched, Timestamp now);
  void farewell(Timestamp now);
  void refresh_state();

  swim::Swim& swim_;
  std::string name_;
  Vivaldi vivaldi_;
  Outbox<Output> outbox_;
  Clock clock_;
  Clock event_clock_;
  Clock query_clock_;
  Recent events_;
  std::deque<EventSeen> history_;
  std::deque<std::pair<std::string, LTime>> joins_;  ///< the newest behind
  Recent queries_;
  std::map<std::string, Known, std::less<>> members_;
  std::map<std::string, Intent, std::less<>> intents_;
  std::size_t foreign_ = 0;     ///< alive members that are not ours
  LTime own_time_ = 1;          ///< our own status time
  Bytes sealed_by_;             ///< the key of the message being handled
  bool by_stream_ = false;      ///< it came over a stream
  bool leaving_ = false;
  bool said_join_ = false;
  bool synced_ = false;         ///< a first state was read
  Timestamp leave_due_ = kNever;
  CountedReasons<SerfMessage> counts_;
};

}  // namespace plumvine::serf
