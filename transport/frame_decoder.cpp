#include "frame_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include <plumvine/detail/check.hpp>

#include "plumtree/wire.hpp"

namespace plumvine {

std::shared_ptr<std::byte[]> ChunkPool::take() {
  if (spare_) return std::exchange(spare_, nullptr);
  return source_(kChunkSize);
}

void ChunkPool::give(std::shared_ptr<std::byte[]> chunk) {
  if (!spare_ && chunk.use_count() == 1) spare_ = std::move(chunk);
}

FrameDecoder::FrameDecoder(ChunkPool& pool, std::size_t max_message_size)
    : pool_(&pool), max_message_size_(max_message_size) {
  clear_body_limit();
}

void FrameDecoder::clear_body_limit() noexcept { body_limit_ = wire::kHeadMax + frame::kPartSize; }

std::span<std::byte> FrameDecoder::buffer() {
  if (block_) return {block_.get() + block_filled_, block_size_ - block_filled_};
  const std::size_t rest = available();
  std::size_t wanted = rest + 1;
  // The length was checked by `next`, which is why this may be believed.
  if (rest >= wire::kLengthSize && !preface_wanted_) {
    const std::size_t length = wire::read_length({at(0), wire::kLengthSize});
    if (length <= wire::kHeadMax + kOwnBlock) wanted = std::max(wanted, wire::kLengthSize + length);
  }
  const bool shared = chunk_ && chunk_.use_count() > 1;
  if (!chunk_ || shared || wanted > chunk_size_) {
    const std::size_t size = std::max(ChunkPool::kChunkSize, wanted);
    auto fresh = size == ChunkPool::kChunkSize ? pool_->take() : pool_->block(size);
    if (rest != 0) std::memcpy(fresh.get(), at(0), rest);
    chunk_ = std::move(fresh);
    chunk_size_ = size;
  } else if (begin_ != 0 && rest != 0) {
    std::memmove(chunk_.get(), at(0), rest);
  }
  begin_ = 0;
  end_ = rest;
  return {chunk_.get() + end_, chunk_size_ - end_};
}

void FrameDecoder::advance(std::size_t bytes) {
  if (block_) {
    PLUMVINE_CHECK(bytes <= block_size_ - block_filled_, "more bytes read than there was room for");
    block_filled_ += bytes;
    return;
  }
  PLUMVINE_CHECK(bytes <= chunk_size_ - end_, "more bytes read than there was room for");
  end_ += bytes;
  dense_ = bytes >= ChunkPool::kChunkSize / 2;
}

std::optional<Result<Frame>> FrameDecoder::next(FrameReject& reason) {
  if (block_) {
    if (block_filled_ < block_size_) return std::nullopt;
    return finish_block(reason);
  }
  if (preface_wanted_) {
    if (auto wrong = read_preface(reason)) return wrong;
    if (preface_wanted_) return std::nullopt;
  }
  if (available() < wire::kLengthSize) {
    settle();
    return std::nullopt;
  }
  const std::size_t length = wire::read_length({at(0), wire::kLengthSize});
  if (length > body_limit_) {
    reason = FrameReject::too_large;
    return Result<Frame>{Errc::malformed, "frame of " + std::to_string(length) + " bytes, allowed are " +
                                              std::to_string(body_limit_)};
  }
  if (available() - wire::kLengthSize < length) return partial(length, reason);
  return whole(length, reason);
}

std::optional<Result<Frame>> FrameDecoder::read_preface(FrameReject& reason) {
  if (available() < wire::kPrefaceSize) return std::nullopt;
  const Bytes wanted = wire::preface();
  const bool same = std::equal(wanted.data(), wanted.data() + wanted.size(), at(0));
  if (!same) {
    const bool version_only = std::equal(wanted.data(), wanted.data() + wanted.size() - 1, at(0));
    reason = version_only ? FrameReject::bad_hello : FrameReject::malformed;
    if (version_only && *at(wanted.size() - 1) == (wanted.data()[wanted.size() - 1] | wire::kSealedBit)) {
      reason = FrameReject::undecryptable;
      return Result<Frame>{Errc::malformed, "it seals what it sends, and we have no key"};
    }
    return Result<Frame>{Errc::malformed, version_only ? "another version of the link protocol" : "no link preface"};
  }
  begin_ += wire::kPrefaceSize;
  preface_wanted_ = false;
  return std::nullopt;
}

/// The frame has begun but is not all here: a large payload gets its own block, anything else is waited for.
std::optional<Result<Frame>> FrameDecoder::partial(std::size_t length, FrameReject& reason) {
  const std::size_t here = available() - wire::kLengthSize;
  const BytesView body{at(wire::kLengthSize), here};
  const wire::GossipPeek peek = wire::peek_gossip(body);
  using State = wire::GossipPeek::State;
  if (peek.state == State::need_more) return std::nullopt;
  if (peek.state == State::not_gossip) {
    if (length <= wire::kHeadMax) return std::nullopt;
    reason = FrameReject::too_large;
    return Result<Frame>{Errc::malformed, "control frame of " + std::to_string(length) + " bytes"};
  }
  if (peek.payload_offset + peek.payload_size != length) {
    reason = FrameReject::malformed;
    return Result<Frame>{Errc::malformed, "payload does not end with its frame"};
  }
  if (peek.payload_size > (peek.run ? frame::kPartSize : std::min<std::size_t>(max_message_size_, frame::kPartSize))) {
    reason = FrameReject::too_large;
    return Result<Frame>{Errc::malformed, "payload of " + std::to_string(peek.payload_size) + " bytes"};
  }
  if (peek.payload_size < kOwnBlock || here < peek.payload_offset) return std::nullopt;
  head_ = Bytes::copy_of(body.first(peek.payload_offset));
  block_ = pool_->block(peek.payload_size);
  block_size_ = peek.payload_size;
  block_filled_ = here - peek.payload_offset;
  if (block_filled_ != 0) std::memcpy(block_.get(), body.data() + peek.payload_offset, block_filled_);
  begin_ = end_;
  settle();
  return std::nullopt;
}

Result<Frame> FrameDecoder::whole(std::size_t length, FrameReject& reason) {
  const Bytes body = Bytes::adopt(chunk_, begin_ + wire::kLengthSize, length);
  begin_ += wire::kLengthSize + length;
  Result<Frame> frame = wire::decode(body, max_message_size_, &reason);
  if (frame && !dense_) {
    if (auto* gossip = std::get_if<frame::Gossip>(&*frame)) gossip->payload = Bytes::copy_of(gossip->payload.view());
  }
  return frame;
}

Result<Frame> FrameDecoder::finish_block(FrameReject& reason) {
  Bytes payload = Bytes::adopt(std::move(block_), 0, block_size_);
  block_ = nullptr;
  return wire::decode_split(std::exchange(head_, Bytes{}).view(), std::move(payload), max_message_size_, &reason);
}

/// Nothing is left of the chunk: give it away, so that idle links hold none.
void FrameDecoder::settle() {
  if (available() != 0 || !chunk_) return;
  auto chunk = std::exchange(chunk_, nullptr);
  if (chunk_size_ == ChunkPool::kChunkSize) pool_->give(std::move(chunk));
  chunk_size_ = begin_ = end_ = 0;
}

}  // namespace plumvine
