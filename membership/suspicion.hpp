#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/time.hpp>

namespace plumvine::swim {

/// How long a suspicion lasts at least in a table of `members` (SWIM, section 4.2, with memberlist's scaling).
inline Duration suspicion_timeout(std::uint32_t mult, std::size_t members, Duration probe_interval) {
  const double scale = std::max(1.0, std::log10(std::max(1.0, static_cast<double>(members))));
  const auto thousandths = static_cast<std::int64_t>(scale * 1000.0);
  return Duration{static_cast<std::int64_t>(mult) * thousandths * probe_interval.count() / 1000};
}

/// Time left after `confirmations` of `k` (Lifeguard, section IV-B): shrinks from `max` to `min` with the logarithm.
inline Duration suspicion_remaining(std::uint32_t confirmations, std::uint32_t k, Duration elapsed, Duration min, Duration max) {
  const double fraction = k < 1 ? 1.0 : std::log(confirmations + 1.0) / std::log(k + 1.0);
  const double raw = to_seconds(max) - fraction * (to_seconds(max) - to_seconds(min));
  const Duration timeout = std::chrono::milliseconds{static_cast<std::int64_t>(std::floor(1000.0 * raw))};
  return std::max(timeout, min) - elapsed;
}

/// One running suspicion: who confirmed it, and when it ends. At most `k` accusers beside the first are kept.
class Suspicion {
 public:
  Suspicion(std::string_view accuser, std::uint32_t k, Duration min, Duration max, Timestamp now, std::uint32_t incarnation = 0,
            bool ask = true)
      : accusers_{std::string(accuser)}, incarnation_(incarnation), k_(k), ask_(ask), min_(min), max_(k < 1 ? min : max), start_(now) {}

  /// Counts an independent accuser. False if it is known or if there are enough. Where the clock was past the least
  /// time already, a confirmation would end the suspicion at once, although the member may hear of it only now, for
  /// example when an accuser that nobody could hear is heard for once: it gets the time that an answer takes.
  bool confirm(std::string_view accuser, Timestamp now) {
    if (confirmations() >= k_ || std::find(accusers_.begin(), accusers_.end(), accuser) != accusers_.end()) return false;
    accusers_.emplace_back(accuser);
    if (now - start_ > min_) answer_by_ = now + min_ / 4;  // like the least time it grows as news takes to spread
    return true;
  }
  /// Another accusation, maybe of a later incarnation. Only the member itself raises that: then it lived and refuted after
  /// this suspicion began, which we missed, and the clock starts again. True if it did. memberlist lets the old clock
  /// run on, and a member that refutes all the time dies of an accusation that it has long answered.
  bool accuse(std::uint32_t incarnation, Timestamp now) {
    if (incarnation <= incarnation_) return false;
    incarnation_ = incarnation;
    restart(now);
    return true;
  }
  /// When it began, or the member was last known to live since.
  [[nodiscard]] Timestamp began() const noexcept { return start_; }
  /// The member lived just now.
  void restart(Timestamp now) {
    start_ = now;
    asked_ = 0;
  }
  [[nodiscard]] Timestamp deadline() const {
    return std::max(answer_by_, start_ + suspicion_remaining(confirmations(), k_, Duration{0}, min_, max_));
  }
  /// When something is to be done: half the least time before the end of a suspicion that too few confirmed the member
  /// is asked itself, once. Mostly it refuted long ago and its answer was lost on the way to us.
  [[nodiscard]] Timestamp due() const { return asks() ? deadline() - min_ / 2 : deadline(); }
  [[nodiscard]] bool asks() const noexcept { return ask_ && asked_ == 0 && max_ > min_ && confirmations() < k_; }
  /// It is asked by a ping of this number.
  void asked(std::uint32_t sequence) noexcept { asked_ = sequence; }
  [[nodiscard]] bool was_asked(std::uint32_t sequence) const noexcept { return asked_ != 0 && asked_ == sequence; }
  /// The clock stood still for us: so it did for the suspicion.
  void extend(Duration by) {
    start_ = start_ + by;
    if (answer_by_ != Timestamp{INT64_MIN}) answer_by_ = answer_by_ + by;
  }

  /// Nobody was to be heard for a while, and now somebody is: what the member said meanwhile has time to come, within the longest time.
  void resume(Timestamp now) {
    if (max_ > min_) answer_by_ = std::max(answer_by_, std::min(latest(), now + min_ / 2));
  }
  /// However many confirm it, no sooner than then does a member end it that hears nobody.
  [[nodiscard]] Timestamp latest() const { return start_ + max_; }

  [[nodiscard]] std::uint32_t confirmations() const { return static_cast<std::uint32_t>(accusers_.size() - 1); }
  [[nodiscard]] std::uint32_t k() const noexcept { return k_; }
  [[nodiscard]] const std::vector<std::string>& accusers() const noexcept { return accusers_; }
  [[nodiscard]] bool is_accuser(std::string_view name) const { return std::find(accusers_.begin(), accusers_.end(), name) != accusers_.end(); }

 private:
  std::vector<std::string> accusers_;
  std::uint32_t incarnation_;
  std::uint32_t k_;
  bool ask_;
  std::uint32_t asked_ = 0;
  Duration min_;
  Duration max_;
  Timestamp start_;
  Timestamp answer_by_{INT64_MIN};
};

}  // namespace plumvine::swim
