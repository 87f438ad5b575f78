#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <plumvine/result.hpp>
#include <plumvine/time.hpp>

namespace plumvine {

/// Whose payloads go first where several wait for one link. Bytes are shared 16 : 8 : 4 : 1 between lanes that have
/// something to send, so the lowest still moves.
enum class Priority : std::uint8_t { critical, high, normal, low, count_ };
std::string_view to_string(Priority priority) noexcept;

/// `none`: as messages come. `fifo`: those of one run of one member in the order in which it published them.
enum class Order : std::uint8_t { none, fifo };
std::string_view to_string(Order order) noexcept;

/// What happens with payloads for a neighbour that does not take them fast enough.
enum class Overflow : std::uint8_t {
  pace,         ///< they wait; publishers wait for members that are less than `lag_grace` behind
  hold,         ///< they wait; publishers wait for every member that is not dead, while the repair store holds the message
  drop_oldest,  ///< the oldest of the topic in the send queue gives way to the new one
  drop_newest,  ///< the new one is not queued
  disconnect,   ///< the link is closed once it had no room for `lag_grace`
  count_,
};
std::string_view to_string(Overflow policy) noexcept;

/// What is done to payloads before they are sent. Every member reads all of them.
enum class Compression : std::uint8_t {
  off,
  lz4,  ///< payloads of 256 bytes and more that it makes at least a sixteenth smaller
  count_,
};
std::string_view to_string(Compression compression) noexcept;

/// Who gets payloads above 128 KiB; smaller ones go to all members.
enum class Payloads : std::uint8_t {
  all,          ///< pushed along the tree like everything else
  subscribers,  ///< members that subscribe fetch them, along the way on which the message came; others carry what is asked of them
  count_,
};
std::string_view to_string(Payloads payloads) noexcept;

/// How the messages of one topic are treated at this node. What concerns forwarding is to be set alike on all nodes.
struct TopicConfig {
  /// Lane in the send queues.
  Priority priority = Priority::normal;
  /// Order of delivery. With `fifo` a missing message holds back later ones of its origin until it has come or is reported as lost.
  Order order = Order::none;
  /// At a neighbour, or a handler of our own, that is too slow.
  Overflow overflow = Overflow::pace;
  /// With `drop_oldest` and `drop_newest`: messages that wait for the handler while delivery is paused, at most. 1024.
  std::uint32_t backlog = 1024;
  /// Largest payload; one above it is refused when published here and not delivered when it comes. 0 = `max_message_size`.
  std::uint64_t max_size = 0;
  /// How long the repair store keeps payloads, and how many bytes of them. 0 = `sync_window`, `sync_max_bytes`.
  Duration retention{0};
  std::uint64_t retention_bytes = 0;
  /// Deliver own broadcasts to this node too. Unset = as `Config::deliver_local` says.
  std::optional<bool> deliver_local = {};
  /// Who gets large payloads; to be set alike on all nodes.
  Payloads payloads = Payloads::all;
  /// False: nothing of the topic is delivered at this node, nor acknowledged. It is forwarded as before.
  bool subscribe = true;
  /// Of what is published here. Unset = as `TreeConfig::compression` says.
  std::optional<Compression> compression = {};
};
using TopicConfigs = std::map<std::string, TopicConfig, std::less<>>;

/// A validator's judgement of a message that came from a neighbour.
enum class Verdict : std::uint8_t {
  accept,  ///< deliver and forward
  ignore,  ///< neither, and nobody's fault
  reject,  ///< neither, and a fault of the neighbour that sent it
  count_,
};
std::string_view to_string(Verdict verdict) noexcept;

/// Whether `topic` may be used by programs: 1 to 128 bytes of UTF-8 without control characters, not starting with `_`.
/// The error says what is wrong.
Status check_topic(std::string_view topic);

}  // namespace plumvine
