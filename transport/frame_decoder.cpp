#include "frame_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include <plumvine/detail/check.hpp>

#include "plumtree/wire.hpp"

namespace plumvine {

namespace {
/// Less room behind payloads is not worth a read.
constexpr std::size_t kLeastRoom = 16 * 1024;
}  // namespace

std::shared_ptr<std::byte[]> ChunkPool::take(std::size_t bytes) {
  if (spare_ && bytes == kChunkSize) return std::exchange(spare_, nullptr);
  return source_(bytes);
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
  const std::size_t rest = available();
  const std::size_t wanted = std::max(wanted_, rest + kLeastRoom);
  if (chunk_ && kept_ != 0 && chunk_.use_count() == 1) kept_ = 0;
  if (rest == 0) begin_ = kept_;
  const bool fits = chunk_ && begin_ + (wanted_ != 0 ? wanted_ : wanted) <= chunk_size_;
  if (!fits && chunk_ && kept_ + wanted <= chunk_size_) {
    std::memmove(chunk_.get() + kept_, at(0), rest);
    begin_ = kept_;
  } else if (!fits) {
    used_up_ = used_up_ || kept_ != 0;
    const std::size_t size = std::max(used_up_ ? ChunkPool::kLargeChunk : ChunkPool::kChunkSize, wanted);
    auto fresh = pool_->take(size);
    if (rest != 0) std::memcpy(fresh.get(), at(0), rest);
    chunk_ = std::move(fresh);
    chunk_size_ = size;
    kept_ = begin_ = 0;
  }
  end_ = begin_ + rest;
  return {chunk_.get() + end_, std::min(chunk_size_ - end_, kReadMax)};
}

void FrameDecoder::advance(std::size_t bytes) {
  PLUMVINE_CHECK(bytes <= chunk_size_ - end_, "more bytes read than there was room for");
  end_ += bytes;
  dense_ = bytes >= ChunkPool::kChunkSize / 2;
}

std::optional<Result<Frame>> FrameDecoder::next(FrameReject& reason) {
  wanted_ = 0;
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

/// The frame has begun but is not all here: once its length can be believed, there will be room for all of it.
std::optional<Result<Frame>> FrameDecoder::partial(std::size_t length, FrameReject& reason) {
  const std::size_t here = available() - wire::kLengthSize;
  const BytesView body{at(wire::kLengthSize), here};
  const wire::GossipPeek peek = wire::peek_gossip(body);
  using State = wire::GossipPeek::State;
  if (peek.state == State::need_more) return std::nullopt;
  if (peek.state == State::not_gossip) {
    if (length <= wire::kHeadMax) {
      wanted_ = wire::kLengthSize + length;
      return std::nullopt;
    }
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
  wanted_ = wire::kLengthSize + length;
  return std::nullopt;
}

Result<Frame> FrameDecoder::whole(std::size_t length, FrameReject& reason) {
  Result<Frame> frame = wire::decode(Bytes::adopt(chunk_, begin_ + wire::kLengthSize, length), max_message_size_, &reason);
  begin_ += wire::kLengthSize + length;
  if (auto* gossip = frame ? std::get_if<frame::Gossip>(&*frame) : nullptr; gossip != nullptr && !gossip->payload.empty()) {
    if (dense_ || gossip->payload.size() >= kShared) kept_ = begin_;
    else gossip->payload = Bytes::copy_of(gossip->payload.view());
  }
  return frame;
}

/// All that was read is taken. Nothing refers to the chunk: it is given away, so that idle links hold none. Else what comes next is read
/// behind what is referred to, where there is room.
void FrameDecoder::settle() {
  if (available() != 0 || !chunk_) return;
  const bool free = chunk_.use_count() == 1;
  if (!free && chunk_size_ - kept_ >= kLeastRoom) {
    begin_ = end_ = kept_;
    return;
  }
  used_up_ = !free;
  auto chunk = std::exchange(chunk_, nullptr);
  if (free && chunk_size_ == ChunkPool::kChunkSize) pool_->give(std::move(chunk));
  chunk_size_ = kept_ = begin_ = end_ = 0;
}

}  // namespace plumvine
