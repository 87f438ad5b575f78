#pragma once

#include <cstddef>
#include <string_view>

#include <plumvine/result.hpp>
#include <plumvine/stats.hpp>

#include "frames.hpp"

namespace plumvine::wire {

/// First bytes of every link, from the dialling side: tells links from memberlist streams (0 to 13, 244) and TLS (22).
inline constexpr std::byte kLinkMagic{0xD6};
/// magic, 'p', 'v', version
inline constexpr std::size_t kPrefaceSize = 4;
/// Bytes of the length in front of each frame (big-endian, counts what follows).
inline constexpr std::size_t kLengthSize = 4;
/// Bound on everything in a frame but the payload of a Gossip.
inline constexpr std::size_t kHeadMax = 64 * 1024;

Bytes preface();

/// A frame ready to send: `head` holds length and fields, `payload` follows it unchanged (empty but for Gossip).
struct Encoded {
  Bytes head;
  Bytes payload;
  [[nodiscard]] std::size_t size() const noexcept { return head.size() + payload.size(); }
};
Encoded encode(const Frame& frame);

/// Decodes the body of one frame (what follows the length). A Gossip's payload becomes a slice of `body`.
/// Strict: every bound is checked before anything is allocated, trailing bytes are an error.
Result<Frame> decode(const Bytes& body, std::size_t max_message_size, FrameReject* reason = nullptr);

std::string_view name_of(const Frame& frame) noexcept;

}  // namespace plumvine::wire
