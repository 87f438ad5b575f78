#include "link.hpp"

#include <algorithm>
#include <utility>

namespace plumvine {

namespace {
std::int64_t to_us(Timestamp t) noexcept { return t.ns / 1000; }
/// Differences of clocks that a peer sends may be anything; beyond a century they mean nothing.
std::int64_t difference_us(std::int64_t a, std::int64_t b) noexcept {
  constexpr std::int64_t kLimit = 3'000'000'000'000'000;
  const auto wide = static_cast<double>(a) - static_cast<double>(b);
  if (wide > static_cast<double>(kLimit)) return kLimit;
  if (wide < -static_cast<double>(kLimit)) return -kLimit;
  return a - b;
}
}  // namespace

Link::Link(const LinkConfig& config, bool outbound, ChunkPool& pool, std::size_t max_message_size, Timestamp now)
    : decoder(pool, max_message_size),
      config_(&config),
      state_(outbound ? LinkState::dialling : LinkState::greeting),
      outbound_(outbound),
      deadline_(now + config.handshake_timeout),
      connected_at_(now),
      last_received_(now) {
  decoder.set_body_limit(kGreetingMax);
  if (!outbound) decoder.expect_preface();
}

void Link::connected(Timestamp now) {
  state_ = LinkState::greeting;
  connected_at_ = now;
}

Greeting Link::judge(const frame::Hello& hello, const LinkIdentity& self) const {
  if (hello.cluster != self.cluster) return Greeting::wrong_cluster;
  if (hello.version != frame::Hello{}.version) return Greeting::other_version;
  if (hello.instance == self.instance || hello.name == self.name) return Greeting::ourselves;
  if (hello.name.empty() || hello.instance == InstanceId{}) return Greeting::other_member;
  if (outbound_ && (hello.name != name || hello.instance != instance)) return Greeting::other_member;
  return Greeting::good;
}

void Link::go_up(PeerId id, Timestamp now) {
  state_ = LinkState::up;
  peer = id;
  waiting.reset();
  greeted_at_ = now;
  if (outbound_) greeting_rtt_ = now - connected_at_;
  last_received_ = now;
  decoder.clear_body_limit();
}

void Link::go_visiting(Timestamp now) {
  state_ = LinkState::visiting;
  greeted_at_ = now;
  last_received_ = now;
  decoder.clear_body_limit();
}

void Link::drain(Timestamp now) {
  state_ = LinkState::draining;
  waiting.reset();
  deadline_ = now + kDrainTime;
}

void Link::received(std::size_t bytes, Timestamp now) {
  last_received_ = now;
  received_bytes_ += bytes;
}

bool Link::is_idle(Timestamp now) const { return now - last_received_ >= config_->idle_timeout; }

Duration Link::ping_interval() const { return std::min(config_->ping_interval, config_->idle_timeout / 3); }

void Link::plan(Timestamp now) {
  const Timestamp idle_at = last_received_ + config_->idle_timeout;
  deadline_ = idle_at > now ? std::min(ping_at_, idle_at) : ping_at_;
}

std::optional<frame::Ping> Link::next_ping(Timestamp now, std::int64_t wall_us) {
  if (now >= ping_at_) return ping(now, wall_us);
  plan(now);
  return std::nullopt;
}

std::optional<frame::Ping> Link::ping_along(Timestamp now, std::int64_t wall_us) {
  if (state_ != LinkState::up || ping_at_ == kNever || ping_at_ - now > ping_interval() / 2) return std::nullopt;
  return ping(now, wall_us);
}

frame::Ping Link::ping(Timestamp now, std::int64_t wall_us, Duration earlier) {
  const bool other_turn = clock_.full() && std::exchange(takes_turns_, false);
  ping_at_ = now + ping_interval() * (other_turn ? 2 : 1) - earlier;
  pinged_at_ = now;
  plan(now);
  return {++nonce_, to_us(now), wall_us};
}

frame::Pong Link::pong(const frame::Ping& ping, Timestamp now, std::int64_t wall_us) {
  takes_turns_ = true;
  if (state_ == LinkState::up && clock_.full()) {
    // The end that dialled keeps its beat, the other one comes in between.
    const Timestamp latest = pinged_at_ + ping_interval() * 5 / 2;
    ping_at_ = outbound_ ? std::max(ping_at_, pinged_at_ + ping_interval() * 2) : std::min(now + ping_interval(), std::max(latest, now));
    plan(now);
  }
  return {ping.nonce, ping.sent_us, to_us(now), wall_us};
}

bool Link::answered(const frame::Pong& pong, Timestamp now, std::int64_t wall_us) {
  const std::int64_t rtt_us = difference_us(to_us(now), pong.sent_us);
  const bool ours = pong.nonce != 0 && pong.nonce <= nonce_ && pong.nonce + 8 > nonce_;
  if (!ours || rtt_us < 0 || std::chrono::microseconds{rtt_us} > config_->idle_timeout * 2) return false;
  // The answer was written halfway through the round trip, give or take its asymmetry.
  const auto us = [](std::int64_t n) { return Duration{std::chrono::microseconds{n}}; };
  clock_.add({us(rtt_us), us(difference_us(pong.at_us, to_us(now) - rtt_us / 2)),
              us(difference_us(pong.wall_us, wall_us - rtt_us / 2))});
  return true;
}

double Link::score(Timestamp now, bool congested) const {
  const double silence = to_seconds(now - last_received_ - 2 * config_->ping_interval);
  const double fresh = std::clamp(1.0 - silence / to_seconds(config_->idle_timeout), 0.0, 1.0);
  return congested ? fresh / 2 : fresh;
}

}  // namespace plumvine
