// Orders to forget a member, passed from link to link: each goes once over each link, at a bounded rate, and a link
// that comes up gets all that stand.
#include <algorithm>
#include <utility>

#include "engine_impl.hpp"

namespace plumvine {

namespace {
/// So many orders in one frame, and one frame per link and pause.
constexpr std::size_t kOrdersAtOnce = wire::kForgetsMax;
constexpr Duration kPause = std::chrono::milliseconds{250};
}  // namespace

Status Engine::Impl::forget(std::string_view name) {
  touch();
  Status status = swim_->forget(name, now_);
  // Of an earlier run's members only the key may be left.
  if (!status && status.error().code == Errc::not_found && tree_.forget_key(name)) return {};
  if (status && serf_) serf_->prune(name, now_);
  forgets_wanted_ = true;
  return status;
}

void Engine::Impl::on_forget(const frame::Forget& frame) {
  for (const auto& entry : frame.orders) {
    constexpr std::uint64_t kAgeMaxMs = 365ULL * 24 * 3600 * 1000;
    const Duration age = std::chrono::milliseconds{static_cast<std::int64_t>(std::min(entry.age_ms, kAgeMaxMs))};
    swim_->forget_told({entry.name, Incarnation{entry.incarnation}, entry.by, age}, now_);
    if (!tree_.forget_recalled_key(entry.name, now_ - age)) continue;
    if (const auto known = known_.find(entry.name); known != known_.end()) tell_key(entry.name, known->second);
  }
  forgets_wanted_ = true;
}

void Engine::Impl::pass_forgets() {
  if (!forgets_wanted_ || now_ < forgets_due_) return;
  forgets_wanted_ = false;
  const std::uint64_t last = swim_->last_forget();
  if (last == 0) return;
  for (auto& [id, conn] : conns_) {
    if (!conn->link || conn->closed || conn->link->state() != LinkState::up || conn->link->forgets_sent >= last) continue;
    const auto orders = swim_->forgets_after(conn->link->forgets_sent, kOrdersAtOnce, now_);
    conn->link->forgets_sent = orders.size() < kOrdersAtOnce ? last : orders.back().number;
    if (orders.empty()) continue;
    frame::Forget frame;
    for (const auto& order : orders) {
      const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(order.age).count();
      frame.orders.push_back({order.name, static_cast<std::uint32_t>(order.incarnation),
                              static_cast<std::uint64_t>(std::max<std::int64_t>(age, 0)), order.by});
    }
    put_control(*conn, frame);
    if (conn->link->forgets_sent < last) forgets_wanted_ = true;
  }
  forgets_due_ = now_ + kPause;
}

}  // namespace plumvine
