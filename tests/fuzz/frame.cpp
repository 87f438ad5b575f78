// The body of one link frame. Input: one byte that chooses the largest payload, then the body.
// May hold 512 KiB for a body of at most 64 KiB (payloads are not copied).
#include <algorithm>
#include <string>

#include <plumtree/wire.hpp>

#include "limit.hpp"

using namespace plumvine;

namespace {

Bytes body_of(const Frame& frame) {
  const auto encoded = wire::encode(frame);
  std::string all{encoded.head.text().substr(wire::kLengthSize)};
  all += encoded.payload.text();
  return Bytes::copy_of(all);
}

/// The two ways to read a gossip must agree.
void compare_split(const Bytes& body, const Result<Frame>& whole, std::size_t max_message_size) {
  const auto peek = wire::peek_gossip(body.view());
  const bool is_gossip = whole && std::holds_alternative<frame::Gossip>(*whole);
  if (is_gossip) fuzz::require(peek.state == wire::GossipPeek::State::gossip, "a gossip is seen from its first bytes");
  if (peek.state != wire::GossipPeek::State::gossip) {
    const bool decided = body.size() < wire::kGossipHeadMax || peek.state == wire::GossipPeek::State::not_gossip;
    fuzz::require(decided, "so many bytes decide");
    return;
  }
  fuzz::require(peek.payload_offset <= wire::kGossipHeadMax, "the head of a gossip is short");
  const auto payload = Bytes::copy_of(body.slice(peek.payload_offset).view());
  const auto split = wire::decode_split(body.slice(0, peek.payload_offset).view(), payload, max_message_size);
  fuzz::require(split.has_value() == whole.has_value(), "split and whole accept the same");
  if (split) fuzz::require(*split == *whole, "split and whole read the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 128 * 1024) return 0;
  const std::size_t max_message_size = std::size_t{1} << (data[0] % 21);
  const Bytes body = Bytes::copy_of(BytesView{reinterpret_cast<const std::byte*>(data + 1), size - 1});

  FrameReject reason = FrameReject::count_;
  const auto frame = [&] {
    fuzz::AllocationLimit limit{512 * 1024};
    return wire::decode(body, max_message_size, &reason);
  }();
  compare_split(body, frame, max_message_size);
  if (!frame) {
    fuzz::require(reason != FrameReject::count_, "a refusal has a reason");
    return 0;
  }
  const Bytes again = body_of(*frame);
  fuzz::require(again.size() <= body.size(), "we write the shortest form");
  const auto back = wire::decode(again, max_message_size);
  fuzz::require(back && *back == *frame, "what was read is written as the same");
  return 0;
}
