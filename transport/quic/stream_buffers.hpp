#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <plumvine/bytes.hpp>
#include <span>
#include <vector>

namespace plumvine::quic {

/// What one stream sends, until the other end has acknowledged it. Bytes never move: the library keeps pointers to what
/// is in flight. Large pieces are held by reference; small ones are copied together. Unbounded by itself: who pushes
/// looks at `waiting` and `held`.
class SendBuffer {
 public:
  /// Smaller pieces are copied, so that they neither pin a large block nor cost a descriptor each.
  static constexpr std::size_t kCopiedBelow = 4096;
  static constexpr std::size_t kBlock = 16384;

  void push(const Bytes& bytes) {
    if (bytes.empty()) return;
    held_ += bytes.size();
    if (bytes.size() >= kCopiedBelow) {
      pieces_.push_back(bytes);
      joining_ = false;
      return;
    }
    BytesView rest = bytes.view();
    while (!rest.empty()) {
      if (used_ == kBlock || !block_) {
        block_ = std::make_shared_for_overwrite<std::byte[]>(kBlock);
        used_ = 0;
        joining_ = false;
      }
      const std::size_t n = std::min(rest.size(), kBlock - used_);
      std::memcpy(block_.get() + used_, rest.data(), n);
      const bool joined = joining_ && sent_piece_ < pieces_.size();
      const std::size_t start = joined ? used_ - pieces_.back().size() : used_;
      used_ += n;
      Bytes piece = Bytes::adopt(block_, start, used_ - start);
      if (joined)
        pieces_.back() = std::move(piece);
      else
        pieces_.push_back(std::move(piece));
      joining_ = true;
      rest = rest.subspan(n);
    }
  }

  /// The first bytes that were not sent yet, as views; how many of `out` were filled.
  std::size_t gather(std::span<BytesView> out) const {
    std::size_t count = 0;
    std::size_t skip = sent_offset_;
    for (std::size_t i = sent_piece_; i < pieces_.size() && count < out.size(); ++i) {
      const BytesView rest = pieces_[i].view().subspan(skip);
      skip = 0;
      if (!rest.empty()) out[count++] = rest;
    }
    return count;
  }
  void sent(std::size_t bytes) {
    sent_ += bytes;
    while (bytes > 0) {
      const std::size_t left = pieces_[sent_piece_].size() - sent_offset_;
      if (bytes < left) {
        sent_offset_ += bytes;
        return;
      }
      bytes -= left;
      ++sent_piece_;
      sent_offset_ = 0;
    }
  }
  /// The next so many bytes, in order, have arrived.
  void acked(std::size_t bytes) {
    sent_ -= bytes;
    held_ -= bytes;
    acked_ += bytes;
    while (!pieces_.empty() && acked_ >= pieces_.front().size() && sent_piece_ > 0) {
      acked_ -= pieces_.front().size();
      pieces_.pop_front();
      --sent_piece_;
    }
    if (pieces_.empty()) joining_ = false;
  }
  /// Nothing that was sent counts: all of it is sent again. Only before anything was acknowledged.
  void rewind() {
    sent_ = 0;
    sent_piece_ = 0;
    sent_offset_ = 0;
  }

  /// Bytes that were not sent yet, and all that are kept.
  [[nodiscard]] std::size_t waiting() const noexcept { return held_ - sent_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_; }

 private:
  std::deque<Bytes> pieces_;
  std::size_t sent_piece_ = 0;   ///< the first piece that is not sent to its end
  std::size_t sent_offset_ = 0;  ///< what is sent of it
  std::size_t sent_ = 0;
  std::size_t acked_ = 0;  ///< of the first piece
  std::size_t held_ = 0;
  std::shared_ptr<std::byte[]> block_;
  std::size_t used_ = 0;
  bool joining_ = false;  ///< the last piece ends where the block is used up to
};

/// What has arrived in order and was not read yet. Bounded by the window that the other end was given.
class ReceiveBuffer {
 public:
  void append(BytesView bytes) {
    if (at_ > 0 && at_ >= bytes_.size() / 2) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
      at_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  std::size_t read(std::span<std::byte> room) {
    const std::size_t n = std::min(room.size(), size());
    if (n > 0) std::memcpy(room.data(), bytes_.data() + at_, n);
    at_ += n;
    if (at_ == bytes_.size()) clear();
    return n;
  }
  void clear() {
    constexpr std::size_t kKept = std::size_t{64} * 1024;
    if (bytes_.capacity() > kKept) std::vector<std::byte>{}.swap(bytes_);
    bytes_.clear();
    at_ = 0;
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - at_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace plumvine::quic
