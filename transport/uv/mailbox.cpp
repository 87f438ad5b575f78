#include "mailbox.hpp"

#include <chrono>
#include <utility>

namespace plumvine::uv {

Mailbox::Mailbox(const Config& config)
    : waiting_bytes_max_(config.mailbox_max_bytes), waiting_messages_max_(config.mailbox_max_messages),
      unacked_bytes_max_(config.tree.pace_window_bytes), unacked_messages_max_(config.tree.pace_window_messages) {}

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

bool Mailbox::room_for(std::uint64_t bytes) const {
  // One message always fits into an empty box, whatever its size.
  const bool box = waiting_messages_ == 0 ||
                   (waiting_messages_ < waiting_messages_max_ && waiting_bytes_ + bytes <= waiting_bytes_max_);
  const Window& window = windows_[window_of(bytes)];
  return box && (window.messages == 0 || (window.messages < unacked_messages_max_ && window.bytes + bytes <= unacked_bytes_max_));
}

Result<Sequence> Mailbox::publish(Publish broadcast, Duration wait) {
  const std::uint64_t bytes = broadcast.payload.size();
  std::unique_lock lock{mutex_};
  if (wait > Duration::zero() && !closed_ && !room_for(bytes)) {
    ++waiters_;
    windows_[window_of(bytes)].refused = true;
    room_.wait_for(lock, wait, [&] { return closed_ || room_for(bytes); });
    --waiters_;
  }
  if (closed_) return Error{Errc::stopped, "the node was stopped"};
  if (!room_for(bytes)) {
    Window& window = windows_[window_of(bytes)];
    window.refused = true;
    return Error{Errc::overloaded, std::to_string(window.messages) + " broadcasts (" + std::to_string(window.bytes) +
                                       " bytes) have not reached every member yet; wait for on_writable"};
  }
  const Sequence sequence = next_;
  next_ += frame::parts_of(bytes);
  broadcast.sequence = sequence;
  items_.emplace_back(std::move(broadcast));
  unacked_.push_back({next_ - 1, bytes});
  Window& window = windows_[window_of(bytes)];
  window.bytes += bytes;
  ++window.messages;
  waiting_bytes_ += bytes;
  ++waiting_messages_;
  wake_locked();
  return sequence;
}

Status Mailbox::post(Command command) {
  const std::lock_guard lock{mutex_};
  if (closed_) return Error{Errc::stopped, "the node was stopped"};
  if (items_.size() - waiting_messages_ >= kCommandsMax)
    return Error{Errc::limit_reached, std::to_string(kCommandsMax) + " commands wait for the loop"};
  items_.emplace_back(std::move(command));
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
  while (!items_.empty() && out.size() < kTakeMessages && bytes < kTakeBytes) {
    if (const auto* message = std::get_if<Publish>(&items_.front())) {
      bytes += message->payload.size();
      waiting_bytes_ -= message->payload.size();
      --waiting_messages_;
    }
    out.push_back(std::move(items_.front()));
    items_.pop_front();
  }
  if (!items_.empty()) wake_locked();
  note_room();
  return out;
}

void Mailbox::acked(Sequence sequence) {
  const std::lock_guard lock{mutex_};
  while (!unacked_.empty() && unacked_.front().sequence <= sequence) {
    Window& window = windows_[window_of(unacked_.front().bytes)];
    window.bytes -= unacked_.front().bytes;
    --window.messages;
    unacked_.pop_front();
  }
  note_room();
}

void Mailbox::note_room() {
  if (waiters_ != 0) room_.notify_all();
  if (waiting_bytes_ > waiting_bytes_max_ / 2 || waiting_messages_ > waiting_messages_max_ / 2) return;
  for (Window& window : windows_) {
    const bool half_free = window.bytes <= unacked_bytes_max_ / 2 && window.messages <= unacked_messages_max_ / 2;
    if (!window.refused || !half_free) continue;
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
  std::deque<Item> dropped;
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    dropped.swap(items_);
    unacked_.clear();
    waiting_bytes_ = waiting_messages_ = 0;
    windows_ = {};
    room_.notify_all();
  }
  for (Item& item : dropped) {
    if (auto* command = std::get_if<Command>(&item)) (*command)(false);
    else if (const auto& tell = std::get<Publish>(item).on_receipt) tell(Receipt{});
  }
}

Mailbox::Fill Mailbox::fill() const {
  const std::lock_guard lock{mutex_};
  return {waiting_messages_, waiting_bytes_};
}

}  // namespace plumvine::uv
