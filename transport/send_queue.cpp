#include "send_queue.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <memory>
#include <span>
#include <utility>

#include <plumvine/detail/check.hpp>

#include "plumtree/topics.hpp"

namespace plumvine {

namespace {
constexpr auto kFirst = static_cast<std::size_t>(Lane::critical);
constexpr auto kLast = static_cast<std::size_t>(Lane::last);
constexpr Priority priority_of(std::size_t lane) { return static_cast<Priority>(lane - kFirst); }
}  // namespace

void SendQueue::push(wire::Encoded frame, Lane where, std::optional<PayloadTag> payload) {
  if (frame.size() == 0) return;
  const auto lane = static_cast<std::size_t>(where);
  bytes_ += frame.size();
  ++messages_;
  // A lane that had nothing to send has no claim on what others were served meanwhile.
  if (lanes_[lane].empty()) served_[lane] = std::max(served_[lane], serving_);
  if (payload) enqueued_.add(priority_of(lane), payload->count);
  lanes_[lane].push_back({std::move(frame), payload});
}

std::vector<MessageId> SendQueue::make_room(Lane where, std::uint32_t topic, std::uint64_t bytes) {
  auto& lane = lanes_[static_cast<std::size_t>(where)];
  const auto of_topic = [topic](const Waiting& waiting) { return waiting.payload && waiting.payload->topic == topic; };
  std::uint64_t room = 0;
  std::size_t end = 0;
  for (; end != lane.size() && room < bytes; ++end) room += of_topic(lane[end]) ? lane[end].frame.size() : 0;
  std::vector<MessageId> gone;
  if (room < bytes) return gone;
  std::size_t looked_at = 0;
  lane.erase_if([&](const Waiting& waiting) {
    if (looked_at++ >= end || !of_topic(waiting)) return false;
    gone.push_back(waiting.payload->id);
    return true;
  });
  bytes_ -= room;
  messages_ -= gone.size();
  dropped_.add(priority_of(static_cast<std::size_t>(where)), gone.size());
  return gone;
}

std::size_t SendQueue::take_out(std::span<const MessageId> ids) {
  std::size_t taken = 0;
  for (std::size_t lane = kFirst; lane < kLast; ++lane) {
    const auto gone = lanes_[lane].erase_if([&](const Waiting& waiting) {
      if (!waiting.payload || std::ranges::find(ids, waiting.payload->id) == ids.end()) return false;
      bytes_ -= waiting.frame.size();
      return true;
    });
    messages_ -= gone;
    dropped_.add(priority_of(lane), gone);
    taken += gone;
  }
  return taken;
}

std::optional<std::size_t> SendQueue::next_lane() const {
  if (!lanes_[0].empty()) return 0;
  std::optional<std::size_t> next;
  for (std::size_t lane = kFirst; lane < kLast; ++lane) {
    if (!lanes_[lane].empty() && (!next || served_[lane] < served_[*next])) next = lane;
  }
  if (next) return next;
  return lanes_[kLast].empty() ? std::nullopt : std::optional{kLast};
}

SendQueue::Waiting SendQueue::pop(std::size_t lane) {
  Waiting waiting = lanes_[lane].pop_front();
  if (lane < kFirst || lane >= kLast) return waiting;
  serving_ = served_[lane];
  // In units of the largest weight, so that small frames count too.
  served_[lane] += waiting.frame.size() * static_cast<std::uint64_t>(tree::kWeights[0] / tree::kWeights[lane - kFirst]);
  if (waiting.payload) dequeued_.add(priority_of(lane), waiting.payload->count);
  return waiting;
}

std::size_t SendQueue::flush(Transport& transport, ConnId conn) {
  std::size_t taken = 0;
  while (!blocked_ && bytes_ != 0) {
    if (next_ == batch_.size() && !pick(transport, conn)) break;
    const std::span<const Bytes> rest = std::span{batch_}.subspan(next_);
    std::size_t offered = 0;
    for (const Bytes& piece : rest) offered += piece.size();
    if (std::exchange(beside_now_, false)) {
      transport.write_batch(conn, rest);
      consume(offered);
      taken += offered;
      continue;
    }
    const std::size_t n = transport.write(conn, rest);
    PLUMVINE_CHECK(n <= offered, "the transport took more than it was given");
    streamed_ += n;
    consume(n);
    taken += n;
    if (n < offered) blocked_ = true;
    if (beside_ == Beside::opening && !blocked_ && lanes_[0].empty()) {
      beside_ = Beside::yes;
      opening_ = streamed_;
    }
  }
  return taken;
}

/// Chooses what is written next. False: nothing may be now.
bool SendQueue::pick(Transport& transport, ConnId conn) {
  if (beside_ != Beside::no) return pick_beside(transport, conn);
  gather(kBatchBytes, 0, kLast);
  if (seal_) seal_batch();
  return true;
}

/// The same where payloads may go beside the stream.
bool SendQueue::pick_beside(Transport& transport, ConnId conn) {
  const std::size_t lane = *next_lane();
  const bool may_end = lanes_[kLast].empty() || transport.batches_arrived(conn);
  const auto room = beside_ == Beside::yes && lane < kLast ? transport.batch_room(conn, opening_) : std::nullopt;
  if (!room) {
    blocked_ = lane == kLast && !may_end;
    if (!blocked_) gather(kBatchBytes, 0, may_end ? kLast : kLast - 1);
    return !blocked_;
  }
  if (lane == 0) {
    gather(kBatchBytes, 0, 0);
    return true;
  }
  blocked_ = *room == 0;
  if (blocked_) return false;
  beside_now_ = lanes_[lane].front().frame.size() <= *room;
  gather(beside_now_ ? std::min(kBesideBytes, *room) : 1, kFirst, kLast - 1);
  return true;
}

/// Takes frames while those of these lanes are next, small neighbours joined: so many bytes, or one frame that has more.
void SendQueue::gather(std::size_t bytes, std::size_t first_lane, std::size_t last_lane) {
  batch_.clear();
  frames_ended_.clear();
  next_ = 0;
  std::size_t run_bytes = 0;
  std::size_t total = 0;
  while (batch_.size() + 3 <= kBatchPieces) {
    const auto lane = next_lane();
    if (!lane || *lane < first_lane || *lane > last_lane) break;
    if (total > 0 && total + lanes_[*lane].front().frame.size() > bytes) break;
    wire::Encoded frame = pop(*lane).frame;
    const std::size_t size = frame.size();
    total += size;
    if (size < kSmall) {
      run_.push_back(std::move(frame));
      run_bytes += size;
      if (run_bytes >= kJoinedMax) {
        join();
        run_bytes = 0;
      }
      continue;
    }
    join();
    run_bytes = 0;
    if (frame.payload.empty()) {
      put(std::move(frame.head), 1);
    } else {
      put(std::move(frame.head), 0);
      put(std::move(frame.payload), 1);
    }
  }
  join();
}

/// One piece in place of the batch; what sealing adds counts as queued.
void SendQueue::seal_batch() {
  std::size_t size = 0;
  for (const Bytes& piece : batch_) size += piece.size();
  Bytes sealed = seal_(batch_);
  bytes_ += sealed.size() - size;
  const std::uint32_t frames = std::accumulate(frames_ended_.begin(), frames_ended_.end(), std::uint32_t{0});
  batch_.clear();
  frames_ended_.clear();
  put(std::move(sealed), frames);
}

/// Copies the run of small frames into one piece.
void SendQueue::join() {
  if (run_.empty()) return;
  if (run_.size() == 1 && run_.front().payload.empty()) {
    put(std::move(run_.front().head), 1);
  } else {
    std::size_t size = 0;
    for (const wire::Encoded& frame : run_) size += frame.size();
    auto block = std::make_shared_for_overwrite<std::byte[]>(size);
    std::byte* out = block.get();
    for (const wire::Encoded& frame : run_) {
      for (const Bytes* part : {&frame.head, &frame.payload}) {
        if (part->empty()) continue;
        std::memcpy(out, part->data(), part->size());
        out += part->size();
      }
    }
    put(Bytes::adopt(std::move(block), 0, size), static_cast<std::uint32_t>(run_.size()));
  }
  run_.clear();
}

void SendQueue::put(Bytes piece, std::uint32_t frames_ended) {
  batch_.push_back(std::move(piece));
  frames_ended_.push_back(frames_ended);
}

void SendQueue::consume(std::size_t bytes) {
  bytes_ -= bytes;
  while (next_ < batch_.size()) {
    Bytes& piece = batch_[next_];
    if (bytes < piece.size()) {
      piece = piece.slice(bytes);
      return;
    }
    bytes -= piece.size();
    messages_ -= frames_ended_[next_];
    piece = Bytes{};
    ++next_;
  }
}

}  // namespace plumvine
