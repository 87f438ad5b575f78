// Frames in words, for logs.
#include <algorithm>
#include <array>
#include <string>

#include "wire.hpp"

#include "wire/reader.hpp"

namespace plumvine::wire {

/// The largest type of `WIRE.md`.
constexpr std::size_t kTypes = 24;

std::string describe(const Encoded& frame) {
  static constexpr std::array<std::string_view, kTypes + 1> kNames{
      "unknown", "hello",      "gossip", "ihave", "graft",   "prune",  "beacon",      "digest", "pull",
      "gone",    "progress",   "ping",   "pong",  "bye",     "forget", "ack_request", "acks",   "visit",
      "direct",  "direct_ack", "gossip", "ask",   "answers", "gossip", "gossip"};
  const BytesView head = frame.head.view(), payload = frame.payload.view();
  Reader in{head.subspan(std::min(head.size(), kLengthSize))};
  (void)in.array();
  const std::uint64_t type = in.uint();
  std::string text{kNames[in.good() && type <= kTypes ? type : 0]};
  text += ", " + std::to_string(frame.size()) + " bytes:";
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 0; i < std::min(frame.size(), kShown); ++i) {
    const auto byte = std::to_integer<unsigned>(i < head.size() ? head[i] : payload[i - head.size()]);
    text += {' ', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

}  // namespace plumvine::wire
