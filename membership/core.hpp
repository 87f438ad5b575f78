#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/outbox.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/detail/timer_queue.hpp>
#include <plumvine/stats.hpp>

#include "awareness.hpp"
#include "broadcast_queue.hpp"
#include "output.hpp"
#include "swim.hpp"
#include "wire/codec.hpp"
#include "wire/packet.hpp"

namespace plumvine::swim {

/// What a deadline of the machine is for; `id` tells those of one kind apart.
enum class TimerKind : std::uint8_t { probe_tick, probe_phase, gossip, push_pull, suspicion, relay, stream, seed, lost, recall, check, answers, packet_path };
struct TimerKey {
  TimerKind kind;
  std::uint64_t id = 0;
  friend constexpr auto operator<=>(const TimerKey&, const TimerKey&) = default;
};

/// What all parts of the machine share: configuration, randomness, deadlines, outputs, the news queue.
struct Core {
  Core(SwimConfig c, Identity s, Rng r)
      : config(std::move(c)), identity(std::move(s)), rng(r), awareness(config.awareness_max_multiplier),
        queue(config.retransmit_mult, config.members_max), user_queue(config.retransmit_mult, kUserQueueMax) {
    if (const auto own = Endpoint::from_raw(identity.address.view(), identity.port)) self_endpoint = *own;
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  SwimConfig config;
  Identity identity;
  Endpoint self_endpoint;
  Rng rng;
  SwimStats stats;
  Outbox<Output> outbox;
  TimerQueue<TimerKey> timers;
  Awareness awareness;
  BroadcastQueue queue;
  /// Messages of the application on top; offered the room that news of members leave (memberlist's delegate).
  static constexpr std::size_t kUserQueueMax = 1024;
  BroadcastQueue user_queue;
  /// Somebody is newly suspected, dead or refutes: the next gossip is brought forward, to `kUrgentPause` of its interval after the last one. The
  /// suspect's time to answer has begun, and that of others begins when they hear of it.
  bool urgent = false;
  static constexpr int kUrgentPause = 4;
  Bytes user_state;
  Bytes ack_payload;
  std::uint32_t last_sequence = 0;
  wire::Buffer encode_buffer;
  Timestamp complained_at{INT64_MIN};
  Stranger other_cluster, other_key, in_clear;
  static constexpr std::size_t kOtherClusterTold = 256;
  std::set<Endpoint> other_cluster_told;  ///< without ports; starts anew when full
  /// While the answer to a packet or stream is made: the key that opened it, for who asks may have no other.
  Bytes answer_key;

  std::uint32_t next_sequence() { return ++last_sequence; }

  /// Sends one message as a datagram of its own.
  template <class Message>
  void send_alone(const Endpoint& to, const Message& message) {
    encode_buffer.clear();
    wire::encode(message, encode_buffer);
    const BytesView view(encode_buffer);
    send_packet(to, {&view, 1});
  }
  /// Sends one message and as much news as fits beside it.
  template <class Message>
  void send_with_news(const Endpoint& to, const Message& message, std::size_t members) {
    encode_buffer.clear();
    wire::encode(message, encode_buffer);
    send_with_news(to, BytesView(encode_buffer), members);
  }
  void send_with_news(const Endpoint& to, BytesView message, std::size_t members);
  /// Sends what news fits into one datagram to a member whose versions are known. False if there was none.
  bool send_news(const Member& to, const Endpoint& at, std::size_t members);
  void send_packet(const Endpoint& to, std::span<const BytesView> messages, bool crc = false);
  /// Lets `send` answer so that who sealed with `key` can read it.
  template <class Send>
  void answer(const Bytes& key, Send send) {
    answer_key = key;
    send();
    answer_key = {};
  }
  /// Hands up a user message, if there is somebody to take it.
  void user_message(const Endpoint& from, BytesView message, const Bytes& key, bool stream);
  /// Says that somebody has another key, at most once a second.
  void no_key_fits(const Endpoint& from, Timestamp now);
  /// Somebody has another cluster label; said once per address.
  void label_differs(const Endpoint& from, Timestamp now);
  void log(LogLevel level, std::string_view code, std::string text, LogFields fields = {});

  /// memberlist sends checksums where it has the receiver's record at hand, and the receiver knows them.
  [[nodiscard]] static bool takes_crc(const Member& member) noexcept { return member.versions[1] >= 5; }
  /// There is a key and what we send is sealed.
  [[nodiscard]] bool seals() const noexcept {
    return config.gossip_verify_outgoing && identity.keyring != nullptr && !identity.keyring->empty();
  }
  [[nodiscard]] wire::Layers layers(bool crc) const {
    return {.label = identity.label, .compress = config.enable_compression, .crc = crc,
            .keyring = seals() ? identity.keyring.get() : nullptr, .key = answer_key};
  }
  /// Of streams.
  [[nodiscard]] wire::Opening opening() const {
    return {identity.label, identity.keyring.get(), config.gossip_verify_incoming && !identity.secure_streams};
  }
  /// Of packets; `secured` ones came inside TLS, where there is TLS no other may be in clear.
  [[nodiscard]] wire::Opening opening_of_packet(bool secured) const {
    return {identity.label, identity.keyring.get(), identity.secure_streams ? !secured : config.gossip_verify_incoming};
  }
  /// Takes news and user messages for one datagram with `room` bytes left, at most `count` of them.
  void take_news(std::size_t room, std::size_t members, std::size_t count, std::vector<Bytes>& news);
  /// Type and count in front of several messages in one datagram.
  static constexpr std::size_t kCompoundOverhead = 2;
  /// Bytes of a datagram that messages may fill.
  [[nodiscard]] std::size_t packet_room() const;
};

}  // namespace plumvine::swim
