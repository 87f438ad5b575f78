#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <plumvine/types.hpp>

#include "membership/swim.hpp"

namespace plumvine::test {

using namespace std::chrono_literals;

/// Several `Swim` machines on a virtual network: virtual time, seeded delay and loss, cuts, stops and restarts.
/// Node i is called `n<i>` and lives at 10.0.<i/250>.<i%250+1>:7946.
class Cluster {
 public:
  explicit Cluster(std::size_t nodes, std::uint64_t seed = 1, SwimConfig config = {}) : config_(config), rng_(seed) {
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_.push_back(std::make_unique<Node>());
      nodes_.back()->endpoint = endpoint(i);
      by_endpoint_.emplace(endpoint(i), i);
    }
  }

  static Endpoint endpoint(std::size_t i) {
    return *Endpoint::parse("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + ":7946");
  }
  static std::string name(std::size_t i) { return "n" + std::to_string(i); }

  /// Starts node i as a new process.
  void start(std::size_t i, const std::vector<std::size_t>& seeds = {}) { start_as(i, i, seeds); }
  /// The same under the name of node `named`.
  void start_as(std::size_t named, std::size_t i, const std::vector<std::size_t>& seeds) {
    Node& node = *nodes_[i];
    node.instance = InstanceId{rng_.next()};
    ++node.life;
    node.up = true;
    node.stopped = false;
    node.inbox.clear();
    const Endpoint self = endpoint(i);
    node.swim = std::make_unique<swim::Swim>(
        config_, swim::Identity{name(named), self.raw(), self.port, encode_tags({{"pvi", to_string(node.instance)}}), label, keyring}, rng_.fork());
    node.swim->start(now_);
    std::vector<HostPort> names;
    for (const std::size_t s : seeds) names.push_back(*HostPort::parse(endpoint(s).to_string()));
    if (!names.empty()) node.swim->join(names, now_);
    drain(i);
  }
  /// All nodes, joining by the first one.
  void start_all() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) start(i, {0});
  }
  /// The process is gone; connections break.
  void kill(std::size_t i) {
    nodes_[i]->up = false;
    nodes_[i]->swim.reset();
    for (auto it = pipes_.begin(); it != pipes_.end();) {
      auto& pipe = it->second;
      if (pipe.a != i && pipe.b != i) {
        ++it;
        continue;
      }
      const std::size_t other = pipe.a == i ? pipe.b : pipe.a;
      const swim::StreamId other_id = pipe.a == i ? pipe.b_id : pipe.a_id;
      if (nodes_[other]->up)
        at(now_ + delay(), other, [this, other, other_id] { node(other).stream_closed(other_id, now_); });
      it = pipes_.erase(it);
    }
  }
  /// SIGSTOP and SIGCONT: packets wait in the socket.
  void stop(std::size_t i) { nodes_[i]->stopped = true; }
  void resume(std::size_t i) {
    Node& stopped = *nodes_[i];
    stopped.stopped = false;
    if (timer_first) node(i).handle_timeout(now_);
    drain(i);
    for (auto& deliver : std::exchange(stopped.inbox, {})) {
      deliver();
      drain(i);
    }
  }

  [[nodiscard]] bool up(std::size_t i) const { return nodes_[i]->up; }
  swim::Swim& node(std::size_t i) { return *nodes_[i]->swim; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] Timestamp now() const { return now_; }
  InstanceId instance(std::size_t i) { return nodes_[i]->instance; }
  std::vector<MemberEvent>& events(std::size_t i) { return nodes_[i]->events; }
  std::vector<LogRecord>& logs(std::size_t i) { return nodes_[i]->logs; }
  [[nodiscard]] std::size_t wakeups(std::size_t i) const { return nodes_[i]->wakeups; }
  [[nodiscard]] bool leave_done(std::size_t i) const { return nodes_[i]->leave_done; }
  std::vector<ReachCheck>& checks(std::size_t i) { return nodes_[i]->checks; }

  /// What `observer` believes of `subject`; nullopt if it does not know it.
  std::optional<MemberState> state(std::size_t observer, std::size_t subject) {
    const Member* member = node(observer).find(name(subject));
    return member == nullptr ? std::nullopt : std::optional(member->state);
  }
  /// Every running node believes that exactly the running ones (the left excepted) are alive.
  bool one_view() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i]->up || node(i).has_left()) continue;
      for (std::size_t j = 0; j < nodes_.size(); ++j) {
        const bool lives = nodes_[j]->up && !node(j).has_left();
        const auto believed = state(i, j);
        if (lives != (believed == MemberState::alive)) return false;
      }
    }
    return true;
  }
  bool everyone_says(std::size_t subject, MemberState wanted) {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (i != subject && nodes_[i]->up && !nodes_[i]->stopped && state(i, subject) != wanted) return false;
    return true;
  }

  void run(Duration span) {
    run_until(now_ + span, [] { return false; });
  }
  /// Time until `done`, or nullopt if that took longer than `limit`.
  std::optional<Duration> run_until(Duration limit, const std::function<bool()>& done) {
    const Timestamp begin = now_;
    if (run_until(now_ + limit, done)) return now_ - begin;
    return std::nullopt;
  }

  /// Called from a test to change a node: drains its outputs afterwards.
  void with(std::size_t i, const std::function<void(swim::Swim&)>& action) {
    action(node(i));
    drain(i);
  }
  /// Puts a datagram on the wire as if `from` had sent it.
  void inject(const Endpoint& from, std::size_t to, const Bytes& packet) {
    at(now_ + delay(), to, [this, from, to, packet] { node(to).handle_packet(from, packet.view(), now_); });
  }

  /// For the nodes that are started from now on.
  void reconfigure(const std::function<void(SwimConfig&)>& change) { change(config_); }

  double loss = 0;
  std::string label;
  /// Of the nodes that are started from now on; several may share one.
  std::shared_ptr<Keyring> keyring;
  bool timer_first = false;
  /// May these two talk? Default: yes.
  std::function<bool(std::size_t, std::size_t)> connected = [](std::size_t, std::size_t) { return true; };
  /// Do packets pass from one to the other? Streams follow `connected` alone.
  std::function<bool(std::size_t, std::size_t)> packets_pass = [](std::size_t, std::size_t) { return true; };
  /// Do packets of so many bytes pass from one to the other?
  std::function<bool(std::size_t, std::size_t, std::size_t)> packet_fits = [](std::size_t, std::size_t, std::size_t) { return true; };
  /// Addresses that names resolve to.
  std::map<std::string, std::vector<Endpoint>> names;
  std::uint64_t packets = 0;
  std::uint64_t packet_bytes_max = 0;

 private:
  struct Node {
    std::unique_ptr<swim::Swim> swim;
    bool up = false;
    bool stopped = false;
    std::uint64_t life = 0;
    InstanceId instance{};
    Endpoint endpoint;
    std::vector<std::function<void()>> inbox;
    std::vector<MemberEvent> events;
    std::vector<LogRecord> logs;
    std::size_t wakeups = 0;
    bool leave_done = false;
    std::vector<ReachCheck> checks;
    Timestamp armed = kNever;
  };
  struct Pipe {
    std::size_t a, b;
    swim::StreamId a_id, b_id;
  };
  struct Event {
    std::size_t node;
    std::uint64_t life;
    bool wakeup;
    std::function<void()> run;
  };

  Duration delay() { return 200us + rng_.jitter(800us); }

  void at(Timestamp when, std::size_t i, std::function<void()> what, bool wakeup = false) {
    queue_.emplace(std::pair{when, ++counter_}, Event{i, nodes_[i]->life, wakeup, std::move(what)});
  }

  bool run_until(Timestamp end, const std::function<bool()>& done) {
    if (done()) return true;
    while (!queue_.empty() && queue_.begin()->first.first <= end) {
      auto entry = queue_.extract(queue_.begin());
      now_ = entry.key().first;
      Event& event = entry.mapped();
      Node& target = *nodes_[event.node];
      if (!target.up || event.life != target.life) continue;
      if (target.stopped) {
        if (event.wakeup) target.armed = kNever;
        else if (target.inbox.size() < 10000) target.inbox.push_back(std::move(event.run));
        continue;
      }
      event.run();
      drain(event.node);
      if (done()) return true;
    }
    now_ = end;
    return done();
  }

  void arm(std::size_t i) {
    Node& target = *nodes_[i];
    const Timestamp next = target.swim->next_timeout();
    if (next == target.armed) return;
    target.armed = next;
    if (next == kNever) return;
    at(
        next < now_ ? now_ : next, i,
        [this, i, next] {
          if (nodes_[i]->armed != next) return;
          nodes_[i]->armed = kNever;
          ++nodes_[i]->wakeups;
          node(i).handle_timeout(now_);
        },
        true);
  }

  void drain(std::size_t i) {
    while (auto output = node(i).poll_output()) perform(i, std::move(*output));
    arm(i);
  }

  std::optional<std::size_t> node_at(const Endpoint& wanted) const {
    const auto it = by_endpoint_.find(wanted);
    return it == by_endpoint_.end() ? std::nullopt : std::optional(it->second);
  }

  void perform(std::size_t i, swim::Output output) {
    if (auto* send = std::get_if<swim::SendPacket>(&output)) {
      ++packets;
      packet_bytes_max = std::max<std::uint64_t>(packet_bytes_max, send->packet.size());
      const auto to = node_at(send->to);
      if (!to || !nodes_[*to]->up || !connected(i, *to) || !packets_pass(i, *to) || !packet_fits(i, *to, send->packet.size()) || rng_.chance(loss)) return;
      inject(nodes_[i]->endpoint, *to, send->packet);
    } else if (auto* open = std::get_if<swim::OpenStream>(&output)) {
      open_pipe(i, *open);
    } else if (auto* data = std::get_if<swim::SendStream>(&output)) {
      send_pipe(i, *data);
    } else if (auto* close = std::get_if<swim::CloseStream>(&output)) {
      close_pipe(i, close->id);
    } else if (auto* resolve = std::get_if<swim::Resolve>(&output)) {
      const HostPort wanted = resolve->name;
      at(now_ + delay(), i, [this, i, wanted] {
        const auto it = names.find(wanted.host);
        node(i).resolved(wanted, it == names.end() ? std::vector<Endpoint>{} : it->second, now_);
      });
    } else if (auto* notify = std::get_if<swim::Notify>(&output)) {
      nodes_[i]->events.push_back(std::move(notify->event));
    } else if (auto* log = std::get_if<swim::Log>(&output)) {
      nodes_[i]->logs.push_back(std::move(log->record));
    } else if (std::holds_alternative<swim::LeaveDone>(output)) {
      nodes_[i]->leave_done = true;
    } else if (auto* checked = std::get_if<swim::Checked>(&output)) {
      nodes_[i]->checks.push_back(std::move(checked->found));
    }
  }

  void open_pipe(std::size_t i, const swim::OpenStream& open) {
    const auto to = node_at(open.to);
    if (!to || !connected(i, *to)) return;  // nothing answers: the dial ends by its deadline
    const swim::StreamId id = open.id;
    if (!nodes_[*to]->up) {
      at(now_ + delay(), i, [this, i, id] { node(i).stream_closed(id, now_); });
      return;
    }
    const swim::StreamId other{++last_accepted_};
    pipes_.emplace(std::pair{i, id}, Pipe{i, *to, id, other});
    const std::size_t b = *to;
    at(now_ + 1ms, b, [this, i, b, other] { node(b).stream_accepted(other, endpoint(i), now_); });
    at(now_ + 2ms, i, [this, i, id] {
      if (pipes_.contains({i, id})) node(i).stream_connected(id, now_);
    });
  }
  /// Delivers in two pieces: readers must not rely on message boundaries.
  void send_pipe(std::size_t i, const swim::SendStream& data) {
    const auto pipe = find_pipe(i, data.id);
    if (!pipe) return;
    const std::size_t to = pipe->a == i ? pipe->b : pipe->a;
    const swim::StreamId id = pipe->a == i ? pipe->b_id : pipe->a_id;
    if (!connected(i, to) || !nodes_[to]->up) return;
    const std::size_t half = data.data.size() / 2;
    for (const Bytes& piece : {data.data.slice(0, half), data.data.slice(half)})
      at(now_ + 1ms, to, [this, to, id, piece] { node(to).stream_received(id, piece.view(), now_); });
  }
  void close_pipe(std::size_t i, swim::StreamId id) {
    const auto pipe = find_pipe(i, id);
    if (!pipe) return;
    const std::size_t to = pipe->a == i ? pipe->b : pipe->a;
    const swim::StreamId other = pipe->a == i ? pipe->b_id : pipe->a_id;
    pipes_.erase({pipe->a, pipe->a_id});
    if (nodes_[to]->up) at(now_ + 1ms, to, [this, to, other] { node(to).stream_closed(other, now_); });
  }
  std::optional<Pipe> find_pipe(std::size_t i, swim::StreamId id) {
    for (const auto& [key, pipe] : pipes_)
      if ((pipe.a == i && pipe.a_id == id) || (pipe.b == i && pipe.b_id == id)) return pipe;
    return std::nullopt;
  }

  SwimConfig config_;
  Rng rng_;
  Timestamp now_;
  std::uint64_t counter_ = 0;
  std::uint64_t last_accepted_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<Endpoint, std::size_t> by_endpoint_;
  std::map<std::pair<std::size_t, swim::StreamId>, Pipe> pipes_;
  std::map<std::pair<Timestamp, std::uint64_t>, Event> queue_;
};

/// Nodes that all know each other.
inline Cluster joined(std::size_t nodes, std::uint64_t seed = 1, SwimConfig config = {}) {
  Cluster c(nodes, seed, config);
  c.start_all();
  REQUIRE(c.run_until(10s, [&] { return c.one_view(); }));
  return c;
}

}  // namespace plumvine::test
