// The body of one link frame. Input: one byte that chooses the largest payload, then the body.
// May hold 512 KiB for a body of at most 64 KiB (payloads are not copied).
// What carries a signature is judged, too, with tools that are quick and not secure: a signature is what they make of the text.
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

/// What is told of a gossip before all of it is here must be so.
void compare_peek(const Bytes& body, const Result<Frame>& whole) {
  const auto peek = wire::peek_gossip(body.view());
  const bool is_gossip = whole && std::holds_alternative<frame::Gossip>(*whole);
  if (is_gossip) fuzz::require(peek.state == wire::GossipPeek::State::gossip, "a gossip is seen from its first bytes");
  if (peek.state != wire::GossipPeek::State::gossip) {
    const bool decided = body.size() < wire::kGossipHeadMax || peek.state == wire::GossipPeek::State::not_gossip;
    fuzz::require(decided, "so many bytes decide");
    return;
  }
  fuzz::require(peek.payload_offset <= wire::kGossipHeadMax, "the head of a gossip is short");
  if (!is_gossip) return;
  const Bytes& payload = std::get<frame::Gossip>(*whole).payload;
  fuzz::require(peek.payload_size == payload.size() && peek.payload_offset + peek.payload_size == body.size(), "its payload is known");
}

/// FNV-1a over and over, so that a change of the text changes all of it.
frame::Hash quick_hash(BytesView text) {
  frame::Hash hash{};
  std::uint64_t state = 0xcbf29ce484222325;
  for (const std::byte byte : text) state = (state ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  for (std::size_t i = 0; i < hash.size(); ++i) {
    state = (state ^ i) * 0x100000001b3;
    hash[i] = static_cast<std::byte>(state >> 32 & 0xff);
  }
  return hash;
}
frame::SignatureBytes quick_signature(BytesView text) {
  frame::SignatureBytes bytes{};
  const frame::Hash hash = quick_hash(text);
  std::copy(hash.begin(), hash.end(), bytes.begin());
  return bytes;
}

/// Whatever a signature says, judging it ends; and what is signed anew is right, whole and, of a run, message by message.
void judge(frame::Gossip gossip) {
  if (!gossip.signature) return;
  frame::SignTools tools;
  tools.hash = quick_hash;
  tools.sign = quick_signature;
  tools.verify = [](const frame::PublicKey&, BytesView text, const frame::SignatureBytes& bytes) { return bytes == quick_signature(text); };
  tools.cluster = std::string(255, 'c');
  tools.own = gossip.signature->by;
  (void)frame::is_signed_by(tools, gossip);
  const InstanceId instance = frame::instance_of(tools, gossip.origin, tools.own);
  gossip.id.origin = frame::is_parts(gossip.id.origin) ? frame::parts_origin(instance) : instance;
  const std::int64_t at_us = gossip.signature->at_us;
  gossip.signature = {};
  gossip.signature = frame::sign(tools, gossip, at_us);
  fuzz::require(frame::is_signed_by(tools, gossip), "what is signed is right");
  if (gossip.run.count < 2) return;
  const frame::RunProofs proofs(tools, gossip);
  fuzz::require(proofs.good(), "the root of a run is the one that was signed");
  frame::Gossip one = gossip;
  one.run = {};
  std::uint32_t index = 0;
  for (frame::RunCutter cutter{gossip.run, gossip.payload}; !cutter.done(); ++one.id.sequence) {
    one.payload = cutter.next();
    one.signature = proofs.of(index++);
    if (index % 64 == 1) fuzz::require(frame::is_signed_by(tools, one), "a message of a signed run has a proof");
  }
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
  compare_peek(body, frame);
  if (frame && std::holds_alternative<frame::Gossip>(*frame)) judge(std::get<frame::Gossip>(*frame));
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
