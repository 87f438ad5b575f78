#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <plumvine/bytes.hpp>
#include <span>
#include <utility>
#include <vector>

namespace plumvine::quic {

/// What a connection sends beside its stream: each batch is a stream of its own that is ended at once. Pieces are held by reference until
/// the other end has all of their batch. A batch that is not begun takes more until it has `kJoined` bytes, so that small ones do not use
/// up the streams that the other end allows. Unbounded by itself: who pushes looks at `waiting` and `held`.
class BatchesOut {
 public:
  static constexpr std::size_t kJoined = 16 * 1024;

  void push(std::span<const Bytes> pieces) {
    std::size_t size = 0;
    for (const Bytes& piece : pieces) size += piece.size();
    if (unopened_.empty() || unopened_.back().size + size > kJoined) unopened_.emplace_back();
    Batch& batch = unopened_.back();
    batch.pieces.insert(batch.pieces.end(), pieces.begin(), pieces.end());
    batch.size += size;
    held_ += size;
    waiting_ += size;
  }
  /// The batch that is sent next has a stream.
  [[nodiscard]] bool opened() const noexcept { return current_ >= 0; }
  /// There is something to send.
  [[nodiscard]] bool pending() const noexcept { return opened() || !unopened_.empty(); }
  /// The next batch goes on this stream. There is one that is not begun.
  void open(std::int64_t stream) {
    current_ = stream;
    open_.emplace(stream, std::move(unopened_.front()));
    unopened_.pop_front();
  }
  [[nodiscard]] std::int64_t stream() const noexcept { return current_; }
  /// What is not sent of the batch that has a stream, as views; how many of `out` were filled. `all`: that is all of it.
  std::size_t gather(std::span<BytesView> out, bool& all) const {
    const Batch& batch = open_.at(current_);
    std::size_t skip = batch.sent, count = 0;
    all = true;
    for (const Bytes& piece : batch.pieces) {
      if (skip >= piece.size()) {
        skip -= piece.size();
        continue;
      }
      all = count < out.size();
      if (!all) break;
      out[count++] = piece.view().subspan(std::exchange(skip, 0));
    }
    return count;
  }
  /// So many bytes of it went, and (`ended`) that nothing follows.
  void sent(std::size_t bytes, bool ended) {
    open_.at(current_).sent += bytes;
    waiting_ -= bytes;
    if (ended) current_ = -1;
  }
  /// The stream is over: the other end has all of it. False: it is none of ours, or not all was sent.
  bool arrived(std::int64_t stream) {
    const auto it = open_.find(stream);
    if (it == open_.end() || stream == current_) return false;
    held_ -= it->second.size;
    open_.erase(it);
    return true;
  }

  /// Bytes that were not sent, and all that the other end does not have.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_; }
  [[nodiscard]] bool empty() const noexcept { return held_ == 0; }

 private:
  struct Batch {
    std::vector<Bytes> pieces;
    std::size_t size = 0;
    std::size_t sent = 0;
  };
  std::deque<Batch> unopened_;
  std::map<std::int64_t, Batch> open_;  ///< by stream
  std::int64_t current_ = -1;           ///< that is being sent
  std::size_t waiting_ = 0;
  std::size_t held_ = 0;
};

/// What comes beside the stream. Bounded by the window of the connection, which all of it counts in until it is taken, by what a stream may
/// have, and by the streams that the other end is allowed.
class BatchesIn {
 public:
  /// The next bytes of a batch, and (`ended`) that it is whole.
  void take(std::int64_t stream, BytesView bytes, bool ended) {
    held_ += bytes.size();
    const auto it = begun_.find(stream);
    if (it == begun_.end() && ended) {
      whole_.push_back(Bytes::copy_of(bytes));
      return;
    }
    std::vector<std::byte>& begun = it == begun_.end() ? begun_[stream] : it->second;
    begun.insert(begun.end(), bytes.begin(), bytes.end());
    if (!ended) return;
    whole_.push_back(Bytes::copy_of(begun));
    begun_.erase(stream);
  }
  [[nodiscard]] bool ready() const noexcept { return !whole_.empty(); }
  /// The batch that was whole first; there is one.
  Bytes pop() {
    Bytes batch = std::move(whole_.front());
    whole_.pop_front();
    held_ -= batch.size();
    return batch;
  }
  /// Bytes that are here.
  [[nodiscard]] std::size_t held() const noexcept { return held_; }

 private:
  std::map<std::int64_t, std::vector<std::byte>> begun_;  ///< by stream
  std::deque<Bytes> whole_;
  std::size_t held_ = 0;
};

}  // namespace plumvine::quic
