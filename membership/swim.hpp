#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/types.hpp>

#include "keyring.hpp"
#include "output.hpp"

namespace plumvine::swim {

/// Whether Serf's part of the protocol is spoken: with `delegate_protocol` at zeros nothing of it is sent.
inline bool speaks_serf(const SwimConfig& config) { return config.delegate_protocol[2] != 0; }

/// Who we are, as others will read it.
struct Identity {
  std::string name;
  Bytes address;             ///< raw bytes of the advertised address (4 or 16), constant for life
  std::uint16_t port = 0;
  Bytes meta;                ///< at most 512 bytes
  std::string label;         ///< cluster label, empty = none
  std::shared_ptr<Keyring> keyring = {};  ///< null or empty: nothing is sealed; its keys may change at any time
  bool secure_streams = false;            ///< nobody can read them on their way, sealed or not
};

/// What `Swim` answers about a member one by one, together.
struct MemberDetail {
  const Member* member = nullptr;                    ///< until the next input
  std::optional<Duration> rtt = {};                  ///< smoothed round trip of direct pings; nullopt where unknown
  PacketPath packets = PacketPath::open;             ///< how packets between the member and us fare
  StreamContact contact = StreamContact::unknown;    ///< what became of the last stream ping of it
  std::string incompatible = {};                     ///< why its versions do not go with ours; empty where they do
  std::vector<std::string> accusers = {};            ///< who accuses a suspect, who declared a dead member dead
};

/// SWIM with Lifeguard, speaking memberlist's protocol: who is alive, and who says so.
///
/// A sans-I/O machine: any number of inputs, then drain `poll_output()`, then sleep until `next_timeout()`.
/// `now` never decreases. Not thread-safe.
/// Sources: SWIM (Das, Gupta, Motivala 2002), Lifeguard (Dadgar, Phillips, Currey 2017), memberlist's wire format.
class Swim {
 public:
  Swim(SwimConfig config, Identity self, Rng rng);
  ~Swim();
  Swim(Swim&&) noexcept;
  Swim& operator=(Swim&&) noexcept;

  /// Makes us alive with incarnation 1 and starts the periodic work. Once, before anything else.
  void start(Timestamp now);

  // Inputs.
  /// `secured`: it came the same way as `Identity::secure_streams`.
  void handle_packet(const Endpoint& from, BytesView packet, Timestamp now, bool secured = false);
  void stream_accepted(StreamId id, const Endpoint& from, Timestamp now);
  void stream_connected(StreamId id, Timestamp now);
  void stream_received(StreamId id, BytesView data, Timestamp now);
  /// The far end closed, the dial failed, or the connection broke. Not called after our own `CloseStream`. `no_way`: it failed since
  /// no machine answers there.
  void stream_closed(StreamId id, Timestamp now, bool no_way = false);
  void resolved(const HostPort& name, const std::vector<Endpoint>& endpoints, Timestamp now);
  /// Adds seeds. They are kept for ever: resolved and contacted again while they are not alive members.
  void join(const std::vector<HostPort>& seeds, Timestamp now);
  /// Remembers a member from before this process began, as one that was lost: it is pinged by name until it answers.
  /// No seed: with seeds configured `joined` waits for them or for an answer, without any for an answer or 5 s.
  void recall(std::string name, const Endpoint& at, Timestamp now);
  /// Contacts all seeds and dead members at once; also ends the state `left`.
  void rejoin(Timestamp now);
  /// Spreads that we leave; `LeaveDone` follows. The machine goes on, so that others can still ask.
  void leave(Timestamp now);
  /// Forgets a dead or left member here, and wherever `forgets_after` is passed on to. Errc::not_found where the name
  /// is unknown, invalid_argument where the member lives. A second order for the same name is fine.
  Status forget(std::string_view name, Timestamp now);
  /// An order of another node.
  void forget_told(const Forget& order, Timestamp now);
  /// As of the configuration keys of these names; streams that are under way go on as they began.
  void set_verify(bool incoming, bool outgoing);
  /// Takes other values of the keys that can change (`Config::changes_while_running`). What was begun ends as it was begun; suspicions
  /// keep their deadlines.
  void configure(SwimConfig config, Timestamp now);
  /// New metadata with the next incarnation. Errc::invalid_argument above 512 bytes.
  Status set_meta(Bytes meta, Timestamp now);
  /// Authenticated traffic of another kind proved that this run of the member lives: a running probe of it
  /// counts as answered, and a suspicion of our own making is not started. If it lives, more is to come by `until`: so long a probe
  /// without an answer waits.
  void seen_alive(std::string_view name, Timestamp until, Timestamp now);
  /// This run of the member said over an authenticated connection of another kind that it leaves: so it left, whatever becomes of its
  /// packets that say so.
  void said_goodbye(std::string_view name, Timestamp now);
  /// A connection of another kind with this run of the member broke off without a farewell: it is probed next.
  void broke_off(std::string_view name, Timestamp now);
  /// The member was asked something over a connection of another kind; somebody answered there.
  void asked_elsewhere(std::string_view name, Timestamp now);
  void answered_elsewhere(Timestamp now);
  /// Pings the member by packet and over a stream; `Checked` follows, after `Checks::kTime` at the latest. Nothing that is believed of
  /// it changes. Errc::not_found where there is no such member, limit_reached where `Checks::kMax` are under way.
  Status check(std::string_view name, Timestamp now);
  void handle_timeout(Timestamp now);

  // What an application on top (Serf) may have sent along: memberlist's delegate.
  /// Queues a message for gossip behind the news of members; `UserSent` follows where it is watched (one at a time).
  /// False: it does not fit a packet. A full queue drops what was sent most, counted.
  bool gossip_user(BytesView message, bool watched, Timestamp now);
  /// Sends a message to one address, in a packet of its own; sealed with `key` if that is in the ring, else the primary.
  void send_user(const Endpoint& to, BytesView message, Timestamp now, const Bytes& key = {});
  /// The same over a stream of its own, for a member that packets do not reach. Nobody hears whether it arrived.
  void send_user_by_stream(const Endpoint& to, BytesView message, Timestamp now, const Bytes& key = {});
  /// What goes with every table exchange, and with every answer to a ping by packet. Empty: nothing.
  void set_user_state(Bytes state);
  void set_ack_payload(Bytes payload);
  /// The member is dead and is known to have wanted that: it left.
  void believe_left(std::string_view name, Timestamp now);

  // Outputs.
  [[nodiscard]] std::optional<Output> poll_output();
  [[nodiscard]] Timestamp next_timeout() const;

  // Queries.
  [[nodiscard]] const Member& self() const;
  [[nodiscard]] const Member* find(std::string_view name) const;
  /// All members, ourselves and those that are dead or left included, by name. `version()` changes when anything in it does.
  [[nodiscard]] std::vector<const Member*> members() const;
  /// The same with what is known of each, in one walk.
  [[nodiscard]] std::vector<MemberDetail> details() const;
  /// An alive or suspect member other than us has this address.
  [[nodiscard]] bool lives_at(const Endpoint& endpoint) const;
  [[nodiscard]] std::uint64_t version() const;
  /// What is known of one member; `member` is null where there is none of this name.
  [[nodiscard]] MemberDetail detail(std::string_view name) const;
  /// The round trip to a member as probes measured it; none before the first, or for a name that nobody has.
  [[nodiscard]] std::optional<Duration> rtt(std::string_view name) const;
  /// The orders to forget that stand, by number: those above `number`, at most `count`.
  [[nodiscard]] std::vector<Forget> forgets_after(std::uint64_t number, std::size_t count, Timestamp now) const;
  [[nodiscard]] std::uint64_t last_forget() const;
  [[nodiscard]] std::vector<SeedInfo> seeds() const;
  /// Whose cluster label differs from ours; its count is 0 if nobody's does.
  [[nodiscard]] const Stranger& other_cluster() const;
  /// Whose packets and streams none of our keys opens, and who speaks in clear though that is not taken.
  [[nodiscard]] const Stranger& other_key() const;
  [[nodiscard]] const Stranger& in_clear() const;
  /// How long nobody has answered us, nor over the connections of another kind.
  [[nodiscard]] Unanswered unanswered(Timestamp now) const;
  /// What we send is sealed.
  [[nodiscard]] bool seals() const;
  /// A push/pull with another member succeeded since start, or no seed but ourselves is configured.
  [[nodiscard]] bool joined() const;
  [[nodiscard]] bool has_left() const;
  /// To the others our name is that of a member at another address: a farewell of ours would be its.
  [[nodiscard]] bool name_taken() const;
  /// The address of that member; nothing where the name is ours, or where that may be our own run before this one.
  [[nodiscard]] std::optional<Endpoint> name_holder(Timestamp now) const;
  [[nodiscard]] const SwimStats& stats() const;
  /// Members that accuse more others than can be, and are not believed.
  [[nodiscard]] std::vector<AccuserInfo> accusers(Timestamp now) const;
  /// Deadlines that are set.
  [[nodiscard]] std::size_t timers() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine::swim
