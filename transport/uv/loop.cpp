#include "loop.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace plumvine::uv {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kWindowNs = 1'000'000'000;
constexpr std::uint64_t kStallSlotNs = 10'000'000'000;
/// A turn busier than this is noted as a stall: half of the fastest preset's probe timeout would be ten times that.
constexpr std::uint64_t kStallNs = 10'000'000;

/// By loop; entries go with their `Turns`.
struct Registry {
  std::mutex mutex;
  std::unordered_map<uv_loop_t*, std::weak_ptr<Turns>> by_loop;
};
/// Never destroyed: the thread of a node that was destroyed inside its own handler may end after `main` has.
Registry& registry() {
  static Registry& registry = *new Registry;
  return registry;
}

}  // namespace

std::shared_ptr<Turns> Turns::of(uv_loop_t* loop) {
  const std::lock_guard lock{registry().mutex};
  std::weak_ptr<Turns>& known = registry().by_loop[loop];
  if (auto there = known.lock()) return there;
  auto made = std::make_shared<Turns>(loop);
  known = made;
  return made;
}

Turns::Turns(uv_loop_t* loop)
    : loop_(loop), turn_start_ns_(uv_hrtime()), turn_idle_ns_(uv_metrics_idle_time(loop)), window_start_ns_(turn_start_ns_) {
  // None of these can fail: they only register with the loop.
  (void)uv_loop_configure(loop_, UV_METRICS_IDLE_TIME);
  prepare_.init(this, [&](uv_prepare_t* h) { return uv_prepare_init(loop_, h); });
  check_.init(this, [&](uv_check_t* h) { return uv_check_init(loop_, h); });
  idle_.init(this, [&](uv_idle_t* h) { return uv_idle_init(loop_, h); });
  uv_prepare_start(prepare_.get(), [](uv_prepare_t* h) {
    self<Turns>(h)->end();
    if (h->data != nullptr) self<Turns>(h)->measure();
  });
  uv_check_start(check_.get(), [](uv_check_t* h) { self<Turns>(h)->end(); });
}

Turns::~Turns() {
  const std::lock_guard lock{registry().mutex};
  const auto it = registry().by_loop.find(loop_);
  if (it != registry().by_loop.end() && it->second.expired()) registry().by_loop.erase(it);
}

void Turns::ready(UvLoop* loop) {
  if (!std::exchange(loop->queued_, true)) ready_.push_back(loop);
}

void Turns::ready_and_wake(UvLoop* loop) {
  ready(loop);
  wake();
}

void Turns::remove(UvLoop* loop) {
  std::erase(ready_, loop);
  std::replace(flushing_.begin(), flushing_.end(), loop, static_cast<UvLoop*>(nullptr));
}

void Turns::end() {
  // Whoever is flushed may destroy itself or others, the last one this object.
  const uv_prepare_t* alive = prepare_.get();
  flushing_.swap(ready_);
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    UvLoop* loop = flushing_[i];
    if (loop == nullptr) continue;
    loop->queued_ = false;
    loop->flush();
    if (alive->data == nullptr) return;
  }
  flushing_.clear();
  // Work that came up while flushing must not wait for the next event from outside.
  if (!ready_.empty()) {
    wake();
  } else if (std::exchange(idling_, false)) {
    uv_idle_stop(idle_.get());
  }
}

void Turns::wake() {
  if (std::exchange(idling_, true)) return;
  uv_idle_start(idle_.get(), [](uv_idle_t*) {});
}

void Turns::spent(std::string_view what, std::uint64_t ns) {
  for (std::size_t i = 0; i < parts_count_; ++i) {
    if (parts_[i].what == what) return void(parts_[i].ns += ns);
  }
  if (parts_count_ == kPartsMax) return;
  Part& part = parts_[parts_count_++];
  part.what = what;
  part.ns = ns;
}

Turns::Span::Span(std::shared_ptr<Turns> turns, LoopPhase phase) : turns_(std::move(turns)) {
  if (turns_) before_ = turns_->change(phase);
}

Turns::Span::~Span() {
  if (turns_) (void)turns_->change(before_);
}

LoopPhase Turns::change(LoopPhase to) noexcept {
  const std::uint64_t now_ns = uv_hrtime();
  if (phase_ != LoopPhase::count_) {
    const std::uint64_t ns = now_ns - phase_start_ns_;
    const std::uint64_t own_ns = ns - std::min(ns, carved_ns_);
    phases_.add(phase_, own_ns);
    turn_phases_ns_ += own_ns;
  }
  phase_start_ns_ = now_ns;
  carved_ns_ = 0;
  return std::exchange(phase_, to);
}

void Turns::carve(LoopPhase phase, std::uint64_t ns) noexcept {
  phases_.add(phase, ns);
  turn_phases_ns_ += ns;
  carved_ns_ += ns;
}

void Turns::measure() {
  const std::uint64_t now_ns = uv_hrtime();
  const std::uint64_t idle_ns = uv_metrics_idle_time(loop_);
  const std::uint64_t turn_ns = now_ns - turn_start_ns_;
  const std::uint64_t busy_ns = turn_ns - std::min(turn_ns, idle_ns - turn_idle_ns_);
  turn_start_ns_ = now_ns;
  turn_idle_ns_ = idle_ns;

  phases_.add(LoopPhase::other, busy_ns - std::min(busy_ns, turn_phases_ns_));
  turn_phases_ns_ = 0;
  window_busy_ns_ += busy_ns;
  if (const std::uint64_t window_ns = now_ns - window_start_ns_; window_ns >= kWindowNs) {
    busy_ratio_ = static_cast<double>(window_busy_ns_) / static_cast<double>(window_ns);
    window_start_ns_ = now_ns;
    window_busy_ns_ = 0;
  }
  const std::uint64_t slot = now_ns / kStallSlotNs;
  for (; stall_slot_ < slot; ++stall_slot_) {
    if (slot - stall_slot_ > stall_max_ns_.size()) stall_slot_ = slot - stall_max_ns_.size();
    stall_max_ns_[(stall_slot_ + 1) % stall_max_ns_.size()] = 0;
    stall_in_[(stall_slot_ + 1) % stall_max_ns_.size()].clear();
  }
  auto& longest = stall_max_ns_[slot % stall_max_ns_.size()];
  if (busy_ns > longest) {
    longest = busy_ns;
    std::string& to_blame = stall_in_[slot % stall_max_ns_.size()];
    to_blame.clear();
    for (std::size_t i = 0; i < parts_count_; ++i)
      if (parts_[i].ns > busy_ns / 2) to_blame = parts_[i].what;
  }
  parts_count_ = 0;
  if (busy_ns >= kStallNs) stalls_.observe(static_cast<double>(busy_ns) / 1e9);
}

void Turns::report(LoopStats& stats) {
  stats.busy_ratio = std::min(1.0, busy_ratio_);
  const auto longest = std::max_element(stall_max_ns_.begin(), stall_max_ns_.end());
  stats.max_stall = Duration{static_cast<std::int64_t>(*longest)};
  stats.max_stall_in = stall_in_[static_cast<std::size_t>(longest - stall_max_ns_.begin())];
  stats.stalls = stalls_;
  stats.phases = phases_;
}

UvLoop::UvLoop(uv_loop_t* loop) : loop_(loop), turns_(Turns::of(loop)) {
  timer_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
}

UvLoop::~UvLoop() { turns_->remove(this); }

void UvLoop::soon(std::function<void()> task) {
  tasks_.push_back(std::move(task));
  turns_->ready_and_wake(this);
}

Timestamp UvLoop::now() { return Timestamp{static_cast<std::int64_t>(uv_hrtime())}; }

std::int64_t UvLoop::wall_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

void UvLoop::arm(Timestamp deadline) {
  if (deadline == deadline_) return;
  deadline_ = deadline;
  if (deadline == kNever) {
    uv_timer_stop(timer_.get());
    return;
  }
  // libuv counts whole milliseconds of the same clock from its cached time, which may lie behind.
  const std::int64_t due_ms = std::max<std::int64_t>(0, (deadline.ns + kNsPerMs - 1) / kNsPerMs);
  const auto due = static_cast<std::uint64_t>(due_ms);
  const std::uint64_t cached = uv_now(loop_);
  // libuv runs a timer of 0 ms that its own callback starts again without ever leaving the timer phase.
  const std::uint64_t least = firing_ ? 1 : 0;
  uv_timer_start(timer_.get(), [](uv_timer_t* h) { self<UvLoop>(h)->fire(); },
                 std::max(due > cached ? due - cached : 0, least), 0);
}

void UvLoop::fire() {
  const uv_timer_t* alive = timer_.get();
  const Turns::Span span{turns_, LoopPhase::timers};
  const Timestamp due = std::exchange(deadline_, kNever);
  firing_ = true;
  if (now() < due) {
    arm(due);
  } else if (events_ != nullptr) {
    events_->on_timer();
  }
  if (alive->data != nullptr) firing_ = false;
}

void UvLoop::defer() {
  deferred_ = true;
  turns_->ready(this);
}

void UvLoop::flush() {
  const uv_timer_t* alive = timer_.get();
  const Turns::Span span{turns_, LoopPhase::sending};
  if (!tasks_.empty()) run_tasks();
  if (alive->data == nullptr) return;
  if (std::exchange(deferred_, false) && events_ != nullptr) events_->on_deferred();
  if (alive->data == nullptr) return;
  if (turn_) turn_();
}

void UvLoop::run_tasks() {
  const uv_timer_t* alive = timer_.get();
  auto tasks = std::exchange(tasks_, {});
  for (auto& task : tasks) {
    task();
    if (alive->data == nullptr) return;
  }
}

}  // namespace plumvine::uv
