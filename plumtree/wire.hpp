#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>

#include "frames.hpp"

namespace plumvine::wire {

/// First bytes of every link, from the dialling side: tells links from memberlist streams (0 to 13, 244) and TLS (22).
inline constexpr std::byte kLinkMagic{0xD6};
/// magic, 'p', 'v', version
inline constexpr std::size_t kPrefaceSize = 4;
/// Version of the preface and of `Hello`.
inline constexpr std::uint8_t kVersion = 1;
/// Bytes of the length in front of each frame (big-endian, counts what follows).
inline constexpr std::size_t kLengthSize = 4;
/// The length that a frame begins with; `bytes` has at least `kLengthSize` of it.
constexpr std::size_t read_length(BytesView bytes) noexcept {
  std::size_t length = 0;
  for (const std::byte byte : bytes.first(kLengthSize)) length = length << 8 | std::to_integer<std::size_t>(byte);
  return length;
}
/// Bound on everything in a frame but the payload of a Gossip; that is `frame::kPartSize`.
inline constexpr std::size_t kHeadMax = 64 * 1024;
/// Bound on the bytes of a Gossip before its payload, signed or not.
inline constexpr std::size_t kGossipHeadMax = 1024;
/// Bounds on lists: ranges of one frame over all its origins, and entries (origins) of one frame. Who builds
/// frames splits them so that these and `head_size(frame) <= kHeadMax` hold.
inline constexpr std::size_t kRangesMax = 4096;
inline constexpr std::size_t kEntriesMax = 1024;
/// Bounds on texts, in bytes.
inline constexpr std::size_t kTopicMax = 128;
inline constexpr std::size_t kNameMax = 128;
inline constexpr std::size_t kClusterMax = 255;
/// Names of members that are to be forgotten may be foreign ones. So many in one frame.
inline constexpr std::size_t kForgetNameMax = 512;
inline constexpr std::size_t kForgetsMax = 64;
/// Bound on a direct message.
inline constexpr std::size_t kDirectMax = 48 * 1024;
/// Bounds on a question to all members, and on one member's answer.
inline constexpr std::size_t kQuestionMax = 1024;
inline constexpr std::size_t kAnswerMax = 16 * 1024;

/// What a dialling side sends first: magic, 'p', 'v', version.
Bytes preface();
/// Set in the last byte of the preface: randoms and sealed records follow, see WIRE.md.
inline constexpr std::byte kSealedBit{0x80};

/// A frame ready to send: `head` holds length and fields, `payload` follows it unchanged (empty but for Gossip).
struct Encoded {
  Bytes head;
  Bytes payload;
  [[nodiscard]] std::size_t size() const noexcept { return head.size() + payload.size(); }
};
/// The frame must keep the bounds above; a frame of ours that does not is a programming mistake and ends the process.
Encoded encode(const Frame& frame);
/// For a log: what it is, its size and its first `kShown` bytes in hexadecimal.
inline constexpr std::size_t kShown = 32;
std::string describe(const Encoded& frame);
/// Bytes of the body of `frame` without a Gossip's payload: what `kHeadMax` bounds. Exact, allocates nothing.
std::size_t head_size(const Frame& frame) noexcept;

/// Decodes the body of one frame (what follows the length). A Gossip's payload becomes a slice of `body`; no
/// other frame refers to it.
/// Strict: every bound is checked before anything is allocated, trailing bytes are an error. `max_message_size` bounds the
/// whole of which a gossip may carry a part.
Result<Frame> decode(const Bytes& body, std::size_t max_message_size, FrameReject* reason = nullptr);

/// Where the payload of a Gossip lies, told from the first bytes of its body.
struct GossipPeek {
  enum class State : std::uint8_t {
    not_gossip,  ///< another frame, or malformed: collect the whole body and `decode` it
    need_more,   ///< the bytes end inside the head; `kGossipHeadMax` bytes are always enough
    gossip,      ///< body = `payload_offset` bytes of head, then `payload_size` bytes of payload
  };
  State state = State::not_gossip;
  std::size_t payload_offset = 0;
  std::size_t payload_size = 0;
  bool run = false;            ///< of several messages, each of which keeps `max_message_size`
};
GossipPeek peek_gossip(BytesView prefix) noexcept;

std::string_view name_of(const Frame& frame) noexcept;

}  // namespace plumvine::wire
