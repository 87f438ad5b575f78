#include "sim_node.hpp"

#include <algorithm>
#include <utility>

#include <plumvine/detail/key_text.hpp>

#include "transport/crypto/ed25519.hpp"
#include "transport/crypto/gnutls_aead.hpp"
#include "transport/runs.hpp"

namespace plumvine::sim {

namespace {

using namespace std::chrono_literals;

/// A sleeping process needs that long to notice an event; jitter is added.
constexpr Duration kWakeDelay = 20us;
constexpr std::size_t kEventsPerTurn = 1024;
/// Turns in a row that end with a deadline already passed: more is a loop that spins.
constexpr std::uint32_t kOverdueMax = 50;

}  // namespace

SimNode::SimNode(std::size_t index, SimTime& time, SimNetwork& network, HostId host, const HostNames& names,
                 NodeObserver& observer, Rng rng)
    : index_(index), time_(time), network_(network), host_(host), names_(names), observer_(observer), rng_(rng) {}

SimNode::~SimNode() { end_process(); }

void SimNode::start(Config config, ClockSkew skew) {
  if (driver_) return;
  network_.set_power(host_, true);
  config_ = std::move(config);
  skew_ = skew;
  instance_ = frame::publisher_of(InstanceId{rng_.next() | 1});
  paused_ = leaving_ = leave_done_ = deferred_ = false;
  armed_ = next_turn_ = kNever;
  published_ = acked_ = 0;
  large_ = 0;
  window_.emplace(config_.tree.pace_window_bytes, config_.tree.pace_window_messages);
  waiting_.clear();
  config_.log = [this](const LogRecord& record) { observer_.logged(index_, record); };
  transport_ = std::make_unique<SimTransport>(network_, host_, names_, [this] {
    schedule_turn(time_.now() + kWakeDelay + rng_.jitter(kWakeDelay));
  });
  if (meddle_) transport_->meddle(meddle_);
  DriverHooks hooks;
  hooks.on_acked = [this](const tree::Acked& acked) {
    acked_ = std::max(acked_, acked.up_to);
    window_->acked(acked.up_to, time_.now());
    if (acked.large_up_to >= large_) large_ = 0;
    feed();
  };
  hooks.on_leave_done = [this] { leave_done_ = true; };
  frame::SignTools sign;
  if (config_.tree.sign_origins != SignOrigins::off) {
    if (origin_key_.empty()) {
      std::array<std::byte, 32> seed{};
      for (std::byte& byte : seed) byte = static_cast<std::byte>(rng_.next() & 0xff);
      origin_key_ = make_origin_key(seed);
    }
    sign = *make_sign_tools(origin_key_, static_cast<std::uint64_t>(time_.now().ns), config_.cluster);
    instance_ = frame::instance_of(sign, config_.name, sign.own);
  }
  DriverIdentity identity{instance_, network_.address(host_), rng_.next()};
  identity.sign = std::move(sign);
  identity.large.checksum = gmac_checksum;
  if (!config_.encrypt.empty()) {
    // Nonces from the seed: these keys guard nothing, and the same seed gives the same bytes.
    identity.keyring = *make_keyring({*parse_key(config_.encrypt)}, [rng = rng_.fork()](std::span<std::byte> out) mutable {
      for (std::byte& b : out) b = static_cast<std::byte>(rng.next() & 0xff);
    });
  }
  driver_ = std::make_unique<Driver>(config_, std::move(identity),
                                     static_cast<Loop&>(*this), *transport_, make_handlers(), std::move(hooks));
  network_.process_started(host_, *transport_);
  command([this](Driver& driver) {
    driver.start();
    std::vector<HostPort> seeds;
    for (const std::string& text : config_.seeds) {
      if (auto seed = HostPort::parse(text)) seeds.push_back(*seed);
    }
    if (!seeds.empty()) driver.join(std::move(seeds));
  });
}

Handlers SimNode::make_handlers() {
  Handlers handlers;
  handlers.on_message = [this](const Message& message) { observer_.delivered(index_, message); };
  handlers.on_member = [this](const MemberEvent& event) { observer_.member_event(index_, event); };
  handlers.on_peer = [this](const PeerEvent& event) { observer_.peer_event(index_, event); };
  handlers.on_direct = [this](const DirectMessage& message) { observer_.direct(index_, message); };
  handlers.on_lost = [this](const LostEvent& event) { observer_.lost(index_, event); };
  return handlers;
}

void SimNode::end_process() {
  ++turn_token_;  // turns that are due belong to a process that is no more
  next_turn_ = armed_ = kNever;
  driver_.reset();
  transport_.reset();
  waiting_.clear();
  paused_ = leaving_ = false;
}

void SimNode::kill() {
  network_.process_died(host_);
  end_process();
}

void SimNode::power_off() {
  network_.set_power(host_, false);
  end_process();
}

void SimNode::pause() { paused_ = true; }

void SimNode::resume() {
  if (!std::exchange(paused_, false) || !driver_) return;
  next_turn_ = kNever;
  schedule_turn(time_.now() + kWakeDelay);
}

void SimNode::leave() {
  if (!driver_ || leaving_) return;
  leaving_ = true;
  command([](Driver& driver) { driver.leave(); });
}

void SimNode::command(const std::function<void(Driver&)>& command) {
  if (!driver_) return;
  command(*driver_);
  if (!in_turn_) schedule_turn(time_.now() + kWakeDelay);
}

void SimNode::publish(const std::string& topic, std::vector<Bytes> payloads) {
  if (!driver_) return;
  for (Bytes& payload : payloads) waiting_.push_back({topic, std::move(payload)});
  feed();
}

/// Hands waiting payloads to the driver as the public `Node` does: while the pace window has room.
void SimNode::feed() {
  if (feeding_ || paused_) return;
  feeding_ = true;
  frame::RunBuilder run;
  const frame::RunBounds bounds = run_bounds(config_.tree);
  std::string topic;
  Sequence first = 0;
  const auto flush = [&] {
    if (run.count() > 0) command([&](Driver& driver) { driver.publish(first, topic, run.take()); });
  };
  while (!waiting_.empty() && driver_ && !leaving_) {
    const std::uint64_t size = waiting_.front().payload.size();
    const bool large = size > frame::kPartSize;
    if (large ? large_ != 0 : !window_->has_room(size, time_.now())) {
      window_->refused();
      break;
    }
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    const Sequence sequence = ++published_;
    if (large) {
      large_ = sequence;
    } else {
      window_->published(sequence, size, time_.now());
    }
    observer_.published(index_, {instance_, sequence}, next.payload);
    const bool joins = joins_runs(config_, next.topic, next.payload);
    if (!joins || next.topic != topic || !run.fits(size, bounds)) flush();
    if (run.count() == 0) first = sequence;
    topic = std::move(next.topic);
    run.add(std::move(next.payload));
    if (!joins) flush();
  }
  flush();
  feeding_ = false;
}

std::shared_ptr<const Snapshot> SimNode::snapshot() { return driver_ ? driver_->make_snapshot() : nullptr; }

std::vector<std::string> SimNode::broken_invariants() const {
  return driver_ ? driver_->check_invariants() : std::vector<std::string>{};
}

namespace {

/// What a clock that is wrong by `ppm` has gained after `t`. Exact to the nanosecond: a clock that loses must not
/// step back at a round number.
Duration drift(Timestamp t, std::int64_t ppm) {
  constexpr std::int64_t kMillion = 1'000'000;
  return Duration{t.ns / kMillion * ppm + t.ns % kMillion * ppm / kMillion};
}

}  // namespace

Timestamp SimNode::local(Timestamp t) const { return t + skew_.monotonic_base + drift(t, skew_.drift_ppm); }

Timestamp SimNode::virtual_of(Timestamp local_time) const {
  Timestamp t = local_time - skew_.monotonic_base;
  t = t - drift(t, skew_.drift_ppm);
  while (local(t) < local_time) t = t + std::max(Duration{1}, local_time - local(t));
  return t;
}

Timestamp SimNode::now() { return local(time_.now()); }

std::int64_t SimNode::wall_us() {
  constexpr std::int64_t kEpoch = 1'700'000'000'000'000;  // an ordinary day, so that times print as such
  return kEpoch + (local(time_.now()) - skew_.monotonic_base + skew_.wall_offset).ns / 1000;
}

void SimNode::arm(Timestamp deadline) {
  armed_ = deadline;
  if (!in_turn_ && armed_ != kNever) schedule_turn(virtual_of(armed_));
}

void SimNode::defer() {
  deferred_ = true;
  if (!in_turn_) schedule_turn(time_.now() + kWakeDelay);
}

void SimNode::schedule_turn(Timestamp at) {
  if (!transport_ || at >= next_turn_) return;
  next_turn_ = std::max(at, time_.now());
  const std::uint64_t token = ++turn_token_;
  time_.at(next_turn_, [this, token] {
    if (token == turn_token_) turn();
  });
}

void SimNode::turn() {
  next_turn_ = kNever;
  if (!driver_ || paused_) return;
  ++turns_;
  in_turn_ = true;
  if (armed_ <= now()) {
    armed_ = kNever;
    driver_->on_timer();
  }
  const bool more = transport_->poll(*driver_, kEventsPerTurn);
  if (std::exchange(deferred_, false)) driver_->on_deferred();
  in_turn_ = false;
  if (leave_done_ && leaving_) {
    observer_.turn_done(index_);
    driver_->stop();
    observer_.left(index_);
    network_.process_died(host_);
    return end_process();
  }
  feed();
  if (more || deferred_) schedule_turn(time_.now() + kWakeDelay);
  overdue_ = armed_ <= now() ? overdue_ + 1 : 0;
  if (overdue_ == kOverdueMax) observer_.stuck(index_, "its timer stays in the past");
  // libuv counts in whole milliseconds and never wakes early.
  if (armed_ != kNever) {
    const std::int64_t ms = (virtual_of(armed_).ns + 999'999) / 1'000'000;
    schedule_turn(std::max(Timestamp{ms * 1'000'000}, time_.now() + kWakeDelay));
  }
  observer_.turn_done(index_);
}

}  // namespace plumvine::sim
