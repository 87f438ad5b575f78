#include "mailbox.hpp"

#include <chrono>
#include <utility>

#include "transport/runs.hpp"

namespace plumvine::uv {

Timestamp Mailbox::monotonic_now() { return {static_cast<std::int64_t>(uv_hrtime())}; }

Mailbox::Mailbox(const Config& config, frame::BlockSource blocks, Clock clock)
    : waiting_bytes_max_(config.mailbox_max_bytes), waiting_messages_max_(config.mailbox_max_messages),
      run_bounds_(run_bounds(config.tree)), blocks_(std::move(blocks)), clock_(std::move(clock)),
      windows_{Window{{config.tree.pace_window_bytes, config.tree.pace_window_messages}},
               Window{{config.tree.pace_window_bytes, config.tree.pace_window_messages}}} {}

Status Mailbox::open(uv_loop_t* loop, std::function<void()> on_mail) {
  on_mail_ = std::move(on_mail);
  const int status = async_.init(this, [&](uv_async_t* h) {
    return uv_async_init(loop, h, [](uv_async_t* async) {
      if (async->data != nullptr) self<Mailbox>(async)->on_mail_();
    });
  });
  if (status < 0) return Error{Errc::system, uv_strerror(status)}.with("wake-up descriptor");
  return {};
}

bool Mailbox::room_for(std::uint64_t bytes, Timestamp now) const {
  // One message always fits into an empty box, whatever its size.
  const bool box = waiting_messages_ == 0 ||
                   (waiting_messages_ < waiting_messages_max_ && waiting_bytes_ + bytes <= waiting_bytes_max_);
  return box && windows_[window_of(bytes)].room.has_room(bytes, now, is_metered(bytes));
}

void Mailbox::refuse(std::uint64_t bytes) {
  Window& window = windows_[window_of(bytes)];
  window.refused = true;
  window.room.refused();
}

Result<Sequence> Mailbox::publish(Publish&& broadcast, Duration wait) {
  const std::uint64_t bytes = broadcast.payload.bytes.size();
  std::unique_lock lock{mutex_};
  Timestamp now = clock_();
  if (wait > Duration::zero() && !closed_ && !room_for(bytes, now)) {
    ++waiters_;
    refuse(bytes);
    room_.wait_for(lock, wait, [&] { return closed_ || room_for(bytes, now = clock_()); });
    --waiters_;
  }
  if (closed_) return Error{Errc::stopped, "the node was stopped"};
  if (!room_for(bytes, now)) {
    refuse(bytes);
    const PublishWindow& window = windows_[window_of(bytes)].room;
    return Error{Errc::overloaded, std::to_string(window.messages()) + " broadcasts (" + std::to_string(window.bytes()) +
                                       " bytes) have not reached every member yet; wait for on_writable"};
  }
  const Sequence sequence = next_++;
  broadcast.sequence = sequence;
  broadcast.at = now;
  put(std::move(broadcast));
  windows_[window_of(bytes)].room.published(sequence, bytes, now, is_metered(bytes));
  waiting_bytes_ += bytes;
  ++waiting_messages_;
  wake_locked();
  return sequence;
}

void Mailbox::put(Publish&& broadcast) {
  if (!broadcast.joins) {
    items_.push_back(std::move(broadcast));
    return;
  }
  Bytes payload = std::exchange(broadcast.payload.bytes, Bytes{});
  auto* last = items_.empty() ? nullptr : std::get_if<Publish>(&items_.back());
  if (last == nullptr || !last->joins || last->topic != broadcast.topic || !last->run.fits(payload.size(), run_bounds_)) {
    last = &std::get<Publish>(items_.push_back(std::move(broadcast)));
  }
  last->run.add(std::move(payload), blocks_);
}

Status Mailbox::post(Command command) {
  const std::lock_guard lock{mutex_};
  if (closed_) return Error{Errc::stopped, "the node was stopped"};
  if (waiting_commands_ >= kCommandsMax)
    return Error{Errc::limit_reached, std::to_string(kCommandsMax) + " commands wait for the loop"};
  items_.push_back(std::move(command));
  ++waiting_commands_;
  wake_locked();
  return {};
}

void Mailbox::wake() {
  const std::lock_guard lock{mutex_};
  wake_locked();
}

void Mailbox::wake_locked() {
  // Under the lock, so that the handle cannot be closed meanwhile.
  if (!closed_ && async_) uv_async_send(async_.get());
}

std::vector<Mailbox::Item> Mailbox::take() {
  std::vector<Item> out;
  std::uint64_t bytes = 0;
  const std::lock_guard lock{mutex_};
  while (!items_.empty() && out.size() < kTakeItems && bytes < kTakeBytes) {
    if (auto* message = std::get_if<Publish>(&items_.front())) {
      const std::uint64_t size = message->joins ? message->run.bytes() : message->payload.bytes.size();
      bytes += size;
      waiting_bytes_ -= size;
      if (message->joins) message->count = message->run.count();
      waiting_messages_ -= message->count;
      if (message->joins) message->payload = message->run.take();
    } else {
      --waiting_commands_;
    }
    out.push_back(items_.pop_front());
  }
  if (!items_.empty()) wake_locked();
  note_room();
  return out;
}

void Mailbox::acked(Sequence sequence, Sequence large) {
  const std::lock_guard lock{mutex_};
  const Timestamp now = clock_();
  windows_[0].room.acked(sequence, now);
  windows_[1].room.acked(large, now);
  note_room();
}

void Mailbox::note_room() {
  if (waiters_ != 0) room_.notify_all();
  if (waiting_bytes_ > waiting_bytes_max_ / 2 || waiting_messages_ > waiting_messages_max_ / 2) return;
  for (Window& window : windows_) {
    if (!window.refused || !window.room.half_free(clock_())) continue;
    window.refused = waiters_ != 0;
    writable_ = true;
    wake_locked();
  }
}

bool Mailbox::take_writable() {
  const std::lock_guard lock{mutex_};
  return std::exchange(writable_, false);
}

void Mailbox::close() {
  Ring<Item> dropped;
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    std::swap(dropped, items_);
    for (Window& window : windows_) window.room.clear();
    waiting_bytes_ = waiting_messages_ = waiting_commands_ = 0;
    room_.notify_all();
  }
  while (!dropped.empty()) {
    const Item item = dropped.pop_front();
    if (const auto* command = std::get_if<Command>(&item)) (*command)(false);
    else if (const auto& tell = std::get<Publish>(item).on_receipt) tell(Receipt{});
  }
}

Mailbox::Fill Mailbox::fill() const {
  const std::lock_guard lock{mutex_};
  return {waiting_messages_, waiting_bytes_, windows_[0].room.window(), windows_[0].room.delay()};
}

}  // namespace plumvine::uv
