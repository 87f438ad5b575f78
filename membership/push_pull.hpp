#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "core.hpp"
#include "member_table.hpp"
#include "wire/stream.hpp"

namespace plumvine::swim {

/// Why a stream was opened; the answer is reported with it.
enum class StreamPurpose : std::uint8_t { accepted, periodic, stranger, seed, lost, probe_ping, lost_ping, check_ping, user };

/// What became of a stream that we opened.
struct StreamResult {
  StreamPurpose purpose;
  std::uint64_t context;  ///< of the opener: seed, lost member, or sequence number
  Endpoint peer;
  bool ok;
  bool self;  ///< the other end was ourselves
  std::string problem;  ///< what it failed with
  StreamContact contact = StreamContact::answered;
  std::string name;     ///< of the member pinged
};

/// Membership streams: table exchanges both ways, and pings and user messages where packets do not get through.
///
/// A stream carries one request and at most one reply, a user message none. Only a table exchange by digest, with our own kind, has a third
/// message: the opener's rows. Bounds: `kAcceptedMax` accepted and `kOpenedMax` opened
/// at once, `kBufferedMax` bytes held for all of them together, `tcp_timeout` for each. When all accepted ones are taken, one that
/// has been silent for `kSilentMin` gives way to a new one, the longest silent first.
class Streams {
 public:
  static constexpr std::size_t kAcceptedMax = 128;
  static constexpr std::size_t kOpenedMax = 64;
  /// Nobody who means to say something is silent for so long: requests are sent at once.
  static constexpr Duration kSilentMin = std::chrono::seconds{1};
  static constexpr std::size_t kBufferedMax = std::size_t{128} << 20;
  /// User state that is handed up, at most: Serf's in a cluster of 65,536 members takes less.
  static constexpr std::size_t kUserStateKeptMax = std::size_t{4} << 20;

  using Observer = std::function<void(const StreamResult&, Timestamp now)>;
  /// Hears of each ping that a member sends over a stream.
  using PingObserver = std::function<void(std::string_view name, Timestamp now)>;

  Streams(Core& core, MemberTable& table, Observer observer)
      : core_(core), table_(table), observer_(std::move(observer)) {}

  void observe_pings(PingObserver observer) { ping_observer_ = std::move(observer); }
  /// Starts the periodic exchange with a random member.
  /// Exchanges begin, or have another period.
  void start(Timestamp now);
  void tick(Timestamp now);
  /// After an exchange: others may be joining at this very moment. While exchanges bring members that gossip had not,
  /// tables are compared again soon, then after pauses that double, then in a full period.
  void tick_early(bool news, Timestamp now);

  /// Opens a stream for a table exchange. False at the limit, or if one with `to` is under way.
  bool exchange(const Endpoint& to, bool join, StreamPurpose purpose, std::uint64_t context, Timestamp now);
  /// Opens a stream for a ping.
  bool ping(const Endpoint& to, std::string_view name, std::uint32_t sequence, StreamPurpose purpose, std::uint64_t context,
            Timestamp deadline);
  /// Opens a stream for one user message, sealed with `key` if that is in the ring, else with the primary.
  void user(const Endpoint& to, BytesView message, const Bytes& key, Timestamp now);

  // Inputs; see Swim.
  void accepted(StreamId id, const Endpoint& from, Timestamp now);
  void connected(StreamId id, Timestamp now);
  void received(StreamId id, BytesView data, Timestamp now);
  void closed(StreamId id, Timestamp now, bool no_way);
  void due(std::uint64_t id, Timestamp now);

 private:
  struct Stream {
    StreamPurpose purpose;
    Endpoint peer;
    std::uint64_t context = 0;
    std::uint32_t sequence = 0;
    std::string name;       ///< of the member pinged
    Bytes message = {};     ///< for the user at the other end, header and all
    Bytes key = {};         ///< to seal it with
    bool join = false;
    bool connected = false; ///< and our request is sent
    bool to_self = false;   ///< our own request came in at the other end
    std::uint64_t request_hash = 0;
    std::uint64_t salt = 0;       ///< of the digest that we open with
    std::size_t buckets = 0;      ///< its size; 0: we open with the whole table
    bool awaits_rows = false;     ///< answered a digest; the opener's rows are to come
    std::size_t held = 0;   ///< bytes counted in `buffered_`
    Timestamp heard{};      ///< when anything last came, or when it was accepted
    wire::StreamReader reader;
  };
  using Map = std::map<std::uint64_t, Stream>;

  using Wanted = std::function<bool(const wire::PushNodeState& row)>;

  bool begin_periodic(Timestamp now);
  [[nodiscard]] bool exchanging(const Endpoint& with) const;
  bool open(const Endpoint& to, Stream stream, Timestamp deadline);
  template <class Message>
  void send(std::uint64_t id, const Message& message, bool dialling);
  void send_bytes(std::uint64_t id, BytesView message, bool dialling);
  /// The rows that are wanted, all by default. `differing` marks the buckets that they are from.
  void send_table(std::uint64_t id, Stream& stream, bool dialling, const Wanted& wanted = {}, BytesView differing = {});
  void send_exchange(std::uint64_t id, Stream& stream, BytesView message, bool dialling);
  /// Ends the accepted stream that has been silent for longest, one that no key opened first. False: all are busy.
  bool make_room(Timestamp now);
  void request_complete(Map::iterator it, Timestamp now);
  void reply_complete(Map::iterator it, Timestamp now);
  /// The far end complains, sealed with another key of ours than the primary: it has no newer one. It gets our table sealed with
  /// its key; from then on it knows us, and can be told the new one.
  void speak_its_key(Map::iterator it, Timestamp now);
  [[nodiscard]] bool in_other_key(const Stream& stream) const;
  /// Says which key a member seals with, if that is not the primary.
  void note_key(const Stream& stream);
  void serve_push_pull(Map::iterator it, Timestamp now);
  void serve_ping(std::uint64_t id, BytesView body, Timestamp now);
  /// Whether the request at the other end of this stream is one of our own: we dialled ourselves.
  bool own_request(Stream& stream, BytesView body);
  // digest_exchange.cpp
  /// Begins the periodic exchange with a member of our own kind.
  bool compare(const Record& with, Timestamp now);
  void send_digest(std::uint64_t id, Stream& stream);
  void serve_digest(Map::iterator it, Timestamp now);
  void digest_answered(Map::iterator it, Timestamp now);
  void take_rows(Map::iterator it, Timestamp now);
  /// The far end does not know digests: it gets whole tables, beginning now.
  void whole_instead(Map::iterator it, bool close, Timestamp now);
  /// Reads all rows; logs and counts those that cannot be merged. False: none can.
  bool acceptable(BytesView body, const Endpoint& peer, Timestamp now);
  /// What is wrong with the versions of somebody's table, once a minute for each host and culprit: who is refused comes again.
  void say_versions(const std::string& text, const std::string& culprit, const Endpoint& peer, Timestamp now);
  void merge(BytesView body, const Endpoint& peer, Timestamp now);
  /// Whether the versions of this row go with ours.
  [[nodiscard]] bool usable(const wire::PushNodeState& row) const;
  void hand_up(BytesView state);
  [[nodiscard]] static bool asks_for_table(const Stream& stream);
  /// Takes the rows of a reply; what they say of us was read before.
  void merge_reply(BytesView body, const Endpoint& peer, Timestamp now);
  /// What the rows say about us, so that what we send next carries the refutation.
  void merge_own(BytesView body, const Endpoint& peer, Timestamp now);
  void compare_own(BytesView differing, std::uint64_t salt);
  /// Whose table it is: the name, or the address where that is not known. Who opens a stream does not say its name, and its port is any.
  [[nodiscard]] std::string teller(const Endpoint& peer) const;
  void reject(Map::iterator it, PacketReject why, Timestamp now);
  /// Ends the stream without a word.
  void drop(Map::iterator it, bool close);
  /// Ends the stream and reports what became of it.
  void finish(Map::iterator it, bool ok, bool close, Timestamp now, std::string problem = {}, StreamContact contact = StreamContact::answered);

  Core& core_;
  MemberTable& table_;
  Observer observer_;
  PingObserver ping_observer_;
  Map streams_;
  Duration early_{0};  ///< the pause until the next early exchange; 0: the full period
  std::uint64_t last_own_ = 0;
  std::size_t accepted_ = 0;
  std::size_t opened_ = 0;
  std::size_t buffered_ = 0;
  std::map<std::string, Timestamp> versions_said_;  ///< by what was said of which host, bounded
};

/// The pause between periodic exchanges in a table of `members`: longer above 32, so that their load stays level.
Duration push_pull_scaled(Duration interval, std::size_t members);

}  // namespace plumvine::swim
