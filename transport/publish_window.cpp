#include "publish_window.hpp"

#include <algorithm>

namespace plumvine {

bool PublishWindow::has_room(std::uint64_t bytes, Timestamp now, bool metered) const {
  if (unacked_.empty()) return true;
  if (unacked_.size() >= messages_max_ || bytes_ + bytes > bytes_max_) return false;
  if (metered && measuring() && bytes <= burst_left_) return true;
  if (metered && cost_ + cost(bytes) <= limit() && bytes_ + bytes <= burst_) return true;
  const std::uint64_t more = metered ? carried_on(now) : most();
  return cost_ + cost(bytes) <= limit() + more && bytes_ + bytes <= burst_ + more;
}

bool PublishWindow::half_free(Timestamp now) const {
  if (bytes_ > bytes_max_ / 2 || unacked_.size() > messages_max_ / 2) return false;
  if (cost_ == 0 || (measuring() && burst_left_ >= burst_ / 2)) return true;
  const std::uint64_t more = carried_on(now);
  return cost_ <= (limit() + more) / 2 && bytes_ <= (burst_ + more) / 2;
}

std::uint64_t PublishWindow::carried_on(Timestamp now) const {
  return stalled(now) ? static_cast<std::uint64_t>(rate_ * to_seconds(now - moved_)) : 0;
}

bool PublishWindow::stalled(Timestamp now) const {
  const Duration known = least_ < std::chrono::hours{1} ? least_ : delay_;
  return !unacked_.empty() && now - moved_ > std::max(kStall, 2 * known);
}

void PublishWindow::published(Sequence sequence, std::uint64_t bytes, Timestamp now, bool metered) {
  if (unacked_.empty()) {
    const bool paused = now - idle_since_ >= kPause;
    if (paused) {
      window_ = most();
      burst_left_ = burst_;
    }
    if (now - measured_at_ >= kMemory && !measuring()) {
      measure(now, kSettle);
      settling_ = true;
    }
    moved_ = now;
  }
  unacked_.push_back({sequence, bytes, metered ? now : kNever});
  bytes_ += bytes;
  last_ = sequence;
  if (!metered) return;
  cost_ += cost(bytes);
  peak_ = std::max(peak_, cost_);
  if (measuring() && cost_ > std::max(limit(), cost(bytes))) measure_from_ = std::max(measure_from_, now + Duration{1});
  largest_ = std::max(largest_, bytes);
  burst_left_ -= std::min(burst_left_, bytes);
}

void PublishWindow::acked(Sequence sequence, Timestamp now) {
  if (unacked_.empty() || unacked_.front().sequence > sequence) return;
  if (stalled(now)) delayed_ = last_;
  moved_ = now;
  Timestamp since = kNever;
  while (!unacked_.empty() && unacked_.front().sequence <= sequence) {
    const Unacked first = unacked_.pop_front();
    since = first.since;
    bytes_ -= first.bytes;
    if (since != kNever) {
      cost_ -= cost(first.bytes);
      taken_ += cost(first.bytes);
    }
  }
  if (unacked_.empty()) idle_since_ = now;
  if (since == kNever) return;
  delay_ = std::max(Duration{0}, now - since);
  if (sequence <= delayed_) return;
  if (measuring()) {
    if (since >= measure_from_) measure_least_ = std::min(measure_least_, delay_);
    if (now >= measure_until_ && measure_least_ != Duration{INT64_MAX}) measured(now);
    return;
  }
  standing_ = std::min(standing_, delay_);
  if (sequence >= next_change_ && now - changed_ >= kInterval) adapt(now);
}

void PublishWindow::measure(Timestamp now, Duration span) {
  measure_from_ = now + span / 2;
  measure_until_ = now + span;
  measure_least_ = Duration{INT64_MAX};
  limited_ = false;
}

void PublishWindow::measured(Timestamp now) {
  least_ = measure_least_;
  measured_at_ = now;
  measure_until_ = kNever;
  if (settling_ && limited_) {
    window_ = floor();
    slow_start_ = true;
  }
  settling_ = false;
  next_change_ = last_ + 1;
  changed_ = now;
  standing_ = Duration{INT64_MAX};
  taken_ = 0;
}

void PublishWindow::adapt(Timestamp now) {
  if (now - changed_ < kMemory) {
    const double rate = static_cast<double>(taken_) / to_seconds(now - changed_);
    rate_ += rate_ == 0 ? rate : (rate - rate_) / 8;
  }
  const Duration target = std::max(kTarget, least_ / 4);
  const Duration waiting = std::max(Duration{0}, standing_ - least_);
  if (waiting > target) {
    grown_ = 0;
    slow_start_ = false;
  }
  if (waiting > target && peak_ >= floor()) {
    const double over = std::min(1.0, static_cast<double>((waiting - target).count()) / static_cast<double>(target.count()));
    window_ = static_cast<std::uint64_t>(static_cast<double>(window_) * (1 - over / 2));
    burst_ = std::min(burst_, std::max(kBurst, window_));
  } else if (waiting <= target && limited_) {
    const std::uint64_t step = std::max(kStep, window_ / 16) << (std::min(std::max(++grown_, kPatience), kPatience + 4) - kPatience);
    window_ += slow_start_ ? window_ : std::min(step, window_);
    burst_ = std::min(2 * burst_, std::max(kBurst, window_));
  }
  burst_ = std::min(burst_, bytes_max_);
  window_ = std::clamp(window_, floor(), most());
  limited_ = false;
  largest_ = taken_ = 0;
  peak_ = cost_;
  next_change_ = last_ + 1;
  changed_ = now;
  standing_ = Duration{INT64_MAX};
  if (now - measured_at_ >= kMemory) {
    measure(now, std::max(kStall, 2 * delay_));
    burst_left_ = 0;
  }
}

void PublishWindow::clear() {
  unacked_.clear();
  bytes_ = cost_ = 0;
}

}  // namespace plumvine
