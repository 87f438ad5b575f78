// memberlist's tests of what an application sends, by their names. See docs/memberlist-tests.md.
#include <deque>
#include <map>
#include <set>

#include "lone.hpp"

using namespace plumvine;
using namespace plumvine::test;

namespace {

/// Two machines that hear each other, packets and streams, without delay.
class Two {
 public:
  Two() {
    for (int i = 0; i < 2; ++i) {
      SwimConfig config;
      config.push_pull_interval = 2s;
      machines_.push_back(std::make_unique<swim::Swim>(
          config, swim::Identity{"n" + std::to_string(i), at(i).raw(), 7946, {}, "", nullptr}, Rng{static_cast<std::uint64_t>(i)}));
      machines_.back()->start(now);
    }
    drain();
  }
  static Endpoint at(int i) { return *Endpoint::parse("10.0.0." + std::to_string(i + 1) + ":7946"); }
  swim::Swim& machine(int i) { return *machines_[static_cast<std::size_t>(i)]; }

  void run(Duration span) {
    const Timestamp end = now + span;
    for (;;) {
      drain();
      const Timestamp next = std::min(machine(0).next_timeout(), machine(1).next_timeout());
      if (next > end) break;
      now = std::max(now, next);
      for (int i = 0; i < 2; ++i)
        if (machine(i).next_timeout() <= now) machine(i).handle_timeout(now);
    }
    now = end;
  }

  Timestamp now{1'000'000'000};
  std::vector<std::set<std::string>> heard{2};
  std::vector<std::set<std::string>> states{2};

 private:
  void drain() {
    for (bool more = true; more;) {
      more = false;
      for (int i = 0; i < 2; ++i) {
        while (auto output = machine(i).poll_output()) {
          more = true;
          handle(i, *output);
        }
      }
    }
  }
  void handle(int i, const swim::Output& output) {
    swim::Swim& other = machine(1 - i);
    if (const auto* packet = std::get_if<swim::SendPacket>(&output)) {
      if (packet->to == at(1 - i)) other.handle_packet(at(i), packet->packet.view(), now);
    } else if (const auto* open = std::get_if<swim::OpenStream>(&output)) {
      const swim::StreamId accepted{++last_accepted_};
      ends_[{i, open->id}] = accepted;
      ends_[{1 - i, accepted}] = open->id;
      other.stream_accepted(accepted, at(i), now);
      machine(i).stream_connected(open->id, now);
    } else if (const auto* send = std::get_if<swim::SendStream>(&output)) {
      if (const auto end = ends_.find({i, send->id}); end != ends_.end()) other.stream_received(end->second, send->data.view(), now);
    } else if (const auto* close = std::get_if<swim::CloseStream>(&output)) {
      if (const auto end = ends_.find({i, close->id}); end != ends_.end()) other.stream_closed(end->second, now);
    } else if (const auto* user = std::get_if<swim::UserMessage>(&output)) {
      heard[static_cast<std::size_t>(i)].emplace(user->message.text());
    } else if (const auto* state = std::get_if<swim::UserState>(&output)) {
      states[static_cast<std::size_t>(i)].emplace(state->state.text());
    }
  }

  std::vector<std::unique_ptr<swim::Swim>> machines_;
  std::map<std::pair<int, swim::StreamId>, swim::StreamId> ends_;
  std::uint64_t last_accepted_ = 0;
};

}  // namespace

TEST_CASE("UserData", "[memberlist]") {
  Two c;
  c.machine(0).set_user_state(Bytes::copy_of("state of n0"));
  c.machine(1).set_user_state(Bytes::copy_of("state of n1"));
  c.machine(1).join({*HostPort::parse(Two::at(0).to_string())}, c.now);
  c.run(1s);
  CHECK(c.states[0] == std::set<std::string>{"state of n1"});
  CHECK(c.states[1] == std::set<std::string>{"state of n0"});
  std::set<std::string> wanted;
  for (int i = 0; i < 256; ++i) {
    const std::string message = "message " + std::to_string(i);
    wanted.insert(message);
    REQUIRE(c.machine(0).gossip_user(as_bytes(message), false, c.now));
  }
  c.run(30s);
  CHECK(c.heard[1] == wanted);
  CHECK(c.heard[0].empty());
}

TEST_CASE("SendTo, Transport_Send", "[memberlist]") {
  Two c;
  c.machine(1).join({*HostPort::parse(Two::at(0).to_string())}, c.now);
  c.run(1s);
  c.machine(0).send_user(Two::at(1), as_bytes("ping"), c.now);
  c.machine(1).send_user(Two::at(0), as_bytes("pong"), c.now);
  c.run(100ms);
  CHECK(c.heard[1] == std::set<std::string>{"ping"});
  CHECK(c.heard[0] == std::set<std::string>{"pong"});
}
