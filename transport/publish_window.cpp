#include "publish_window.hpp"

#include <algorithm>

namespace plumvine {

bool PublishWindow::has_room(std::uint64_t bytes, Timestamp now, bool metered) const {
  if (unacked_.empty()) return true;
  if (unacked_.size() >= messages_max_ || bytes_ + bytes > bytes_max_) return false;
  return !metered || cost_ + cost(bytes) <= window_ || stalled(now);
}

bool PublishWindow::half_free(Timestamp now) const {
  return bytes_ <= bytes_max_ / 2 && unacked_.size() <= messages_max_ / 2 && (cost_ <= window_ / 2 || stalled(now));
}

bool PublishWindow::stalled(Timestamp now) const {
  const Duration known = least();
  const Duration patience = known < std::chrono::hours{1} ? std::max(kStall, 2 * known) : kStall;
  return !unacked_.empty() && now - moved_ > patience;
}

void PublishWindow::published(Sequence sequence, std::uint64_t bytes, Timestamp now, bool metered) {
  if (unacked_.empty()) {
    if (now - idle_since_ >= kPause) window_ = most();
    moved_ = now;
  }
  unacked_.push_back({sequence, bytes, metered ? now : kNever});
  bytes_ += bytes;
  last_ = sequence;
  if (!metered) return;
  cost_ += cost(bytes);
  largest_ = std::max(largest_, bytes);
}

void PublishWindow::acked(Sequence sequence, Timestamp now) {
  if (unacked_.empty() || unacked_.front().sequence > sequence) return;
  if (stalled(now)) delayed_ = last_;
  moved_ = now;
  Timestamp since = kNever;
  while (!unacked_.empty() && unacked_.front().sequence <= sequence) {
    since = unacked_.front().since;
    bytes_ -= unacked_.front().bytes;
    if (since != kNever) cost_ -= cost(unacked_.front().bytes);
    unacked_.pop_front();
  }
  if (unacked_.empty()) idle_since_ = now;
  if (since == kNever || sequence <= delayed_) return;
  delay_ = std::max(Duration{0}, now - since);
  note_least(delay_, now);
  standing_ = std::min(standing_, delay_);
  if (sequence >= next_change_ && now - changed_ >= kInterval) adapt(now);
}

void PublishWindow::note_least(Duration delay, Timestamp now) {
  if (now - since_ >= kMemory) {
    least_before_ = now - since_ < 2 * kMemory ? least_ : Duration{INT64_MAX};
    least_ = delay;
    since_ = now;
  }
  least_ = std::min(least_, delay);
}

void PublishWindow::adapt(Timestamp now) {
  const Duration target = std::max(kTarget, least() / 4);
  const Duration waiting = standing_ - least();
  if (waiting > target) {
    const double over = std::min(1.0, static_cast<double>((waiting - target).count()) / static_cast<double>(target.count()));
    window_ = static_cast<std::uint64_t>(static_cast<double>(window_) * (1 - over / 2));
  } else if (limited_) {
    window_ += std::max(kStep, window_ / 16);
  }
  window_ = std::clamp(window_, std::min(most(), std::max(kFloor, 4 * largest_)), most());
  limited_ = false;
  largest_ = 0;
  next_change_ = last_ + 1;
  changed_ = now;
  standing_ = Duration{INT64_MAX};
}

void PublishWindow::clear() {
  unacked_.clear();
  bytes_ = cost_ = 0;
}

}  // namespace plumvine
