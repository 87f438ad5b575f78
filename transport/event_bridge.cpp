#include "event_bridge.hpp"

#include <algorithm>
#include <utility>

namespace plumvine {

std::size_t event_size(std::string_view name, BytesView payload) {
  return serf::encode(serf::Event{UINT64_MAX, name, payload, false}).size();
}

bool DeliveredEvents::add(serf::LTime time, serf::Recent::Identity what) {
  const Key key{time, what.high, what.low};
  if (!known_.insert(key).second) return false;
  order_.push_back(key);
  if (order_.size() > kMax) {
    known_.erase(order_.front());
    order_.pop_front();
  }
  return true;
}

void EventBridge::event(serf::LTime time, std::string name, Bytes payload, Timestamp now) {
  if (pair_off(false, name, payload.view())) return;
  const Duration first = bridges_ > 1 ? kEcho : Duration{0};
  add({.event = true, .time = time, .name = std::move(name), .payload = std::move(payload),
       .due = now + first + kStep * static_cast<std::int64_t>(rank_)},
      now);
}

void EventBridge::broadcast(std::string name, Bytes payload, Duration age, Timestamp now) {
  if (pair_off(true, name, payload.view())) return;
  add({.name = std::move(name), .payload = std::move(payload), .due = now + turn(age, now)}, now);
}

/// How long others may fire a broadcast before we do. The half step keeps who stands last from acting together with another.
Duration EventBridge::turn(Duration age, Timestamp now) const {
  const Duration turn = kStep * static_cast<std::int64_t>(rank_);
  const bool settled = rank_ > 0 || now - since_ >= kSettle;
  const bool late = bridges_ > 1 && age >= kStep;  // all may find it so, by the origin's clock: the order stays
  return settled && !late ? turn : turn + kStep * static_cast<std::int64_t>(bridges_) + kStep / 2;
}

bool EventBridge::pair_off(bool event, std::string_view name, BytesView payload) {
  const auto it = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& w) {
    return w.event == event && w.name == name && std::ranges::equal(w.payload.view(), payload);
  });
  if (it == waiting_.end()) return false;
  waiting_.erase(it);
  return true;
}

void EventBridge::carried(serf::LTime time, std::string_view name, BytesView payload) {
  std::erase_if(waiting_, [&](const Waiting& w) {
    return w.event && w.time == time && w.name == name && std::ranges::equal(w.payload.view(), payload);
  });
}

void EventBridge::add(Waiting item, Timestamp now) {
  if (item.due <= now) return act(item);
  if (waiting_.size() >= kWaitingMax) {
    ++dropped_;
    waiting_.pop_front();
  }
  waiting_.push_back(std::move(item));
}

void EventBridge::act(Waiting& item) {
  if (!item.event) {
    fire_.push_back({std::move(item.name), std::move(item.payload)});
    return;
  }
  if (publish_.size() >= kOutMax) {
    ++dropped_;
    publish_.pop_front();
  }
  publish_.push_back(serf::encode(serf::Event{item.time, item.name, item.payload.view(), false}));
}

void EventBridge::handle_timeout(Timestamp now) {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->due <= now && now - it->due < kStopped) {
      act(*it);
      it = waiting_.erase(it);
      continue;
    }
    if (it->due <= now) it->due = now + kStep;
    ++it;
  }
}

std::optional<EventBridge::Fire> EventBridge::poll_fire() {
  if (fire_.empty()) return std::nullopt;
  Fire next = std::move(fire_.front());
  fire_.pop_front();
  return next;
}

std::optional<Bytes> EventBridge::poll_publish(Timestamp now) {
  if (publish_.empty() || now < retry_) return std::nullopt;
  Bytes next = std::move(publish_.front());
  publish_.pop_front();
  return next;
}

void EventBridge::refused(Bytes message, Timestamp now) {
  publish_.push_front(std::move(message));
  retry_ = now + kRetry;
}

Timestamp EventBridge::next_timeout() const {
  Timestamp next = publish_.empty() ? kNever : std::max(retry_, Timestamp{INT64_MIN});
  for (const Waiting& w : waiting_) next = std::min(next, w.due);
  return next;
}

}  // namespace plumvine
