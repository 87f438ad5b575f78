// Members whose link broke off are probed out of turn, and know faster that nobody is there.
#include <algorithm>

#include "unit/memberlist/lone.hpp"

#include <catch2/catch.hpp>

using namespace plumvine;
using namespace plumvine::test;
using wire::MessageType;

namespace {

/// A machine with members 2 to 9 that rests between two probes.
Lone resting() {
  SwimConfig config;
  config.push_pull_interval = 0s;
  config.gossip_interval = 1h;
  Lone lone(config);
  for (int i = 2; i <= 9; ++i) lone.alive(i);
  const auto ping = lone.until_sent(MessageType::ping);
  REQUIRE(ping.has_value());
  const auto [sequence, name] = Lone::ping_in(*ping);
  lone.ack(sequence, std::stoi(name.substr(1)));
  lone.sent.clear();
  return lone;
}

void break_off(Lone& lone, int i) {
  lone.machine.broke_off(Lone::name(i), lone.now);
  lone.machine.handle_timeout(lone.now);
  lone.drain();
}

std::vector<Endpoint> asked(const Lone& lone) {
  std::vector<Endpoint> helpers;
  for (const Sent& datagram : lone.sent)
    if (datagram.has(MessageType::indirect_ping)) helpers.push_back(datagram.to);
  return helpers;
}

std::uint32_t sequence_to(const Lone& lone, int i) {
  for (const Sent& datagram : lone.sent)
    if (datagram.to == Lone::at(i) && datagram.has(MessageType::ping)) return Lone::ping_in(datagram).first;
  return 0;
}

}  // namespace

TEST_CASE("a member whose link broke off is probed at once, by others too", "[swim][hurry]") {
  Lone lone = resting();
  break_off(lone, 7);
  CHECK(sequence_to(lone, 7) != 0);
  CHECK(asked(lone).size() == 3);
  CHECK(std::any_of(lone.opened.begin(), lone.opened.end(), [](const auto& open) { return open.to == Lone::at(7); }));
  // It answers: nothing happened.
  lone.ack(sequence_to(lone, 7), 7);
  lone.wait(900ms);
  CHECK(lone.state(7) == MemberState::alive);
  CHECK(lone.machine.stats().probes[ProbeResult::failed] == 0);
}

TEST_CASE("a hurried probe ends when all helpers hear nothing and the port is closed", "[swim][hurry]") {
  Lone lone = resting();
  break_off(lone, 7);
  const std::uint32_t sequence = sequence_to(lone, 7);
  REQUIRE(!lone.opened.empty());
  lone.machine.stream_closed(lone.opened.back().id, lone.now);
  const bool all = GENERATE(true, false);
  lone.wait(500ms);
  const auto helpers = asked(lone);
  REQUIRE(helpers.size() == 3);
  for (std::size_t i = 0; i < (all ? 3U : 2U); ++i) lone.receive(wire::Nack{sequence}, helpers[i]);
  lone.wait(10ms);
  // One of them may have heard something: then the probe has its whole time.
  CHECK(lone.state(7) == (all ? MemberState::suspect : MemberState::alive));
  lone.wait(600ms);
  CHECK(lone.state(7) == MemberState::suspect);
}

TEST_CASE("while a probe runs the hurried one waits for its end, not for the next interval", "[swim][hurry]") {
  Lone lone = resting();
  break_off(lone, 7);
  break_off(lone, 8);
  CHECK(sequence_to(lone, 8) == 0);
  lone.ack(sequence_to(lone, 7), 7);
  lone.machine.handle_timeout(lone.now);
  lone.drain();
  CHECK(sequence_to(lone, 8) != 0);
}

TEST_CASE("nobody is hurried twice, nor who is not alive here", "[swim][hurry]") {
  Lone lone = resting();
  lone.dead(6, 1, "n5");
  for (const int i : {6, 77}) break_off(lone, i);
  lone.machine.broke_off("me", lone.now);
  lone.machine.handle_timeout(lone.now);
  lone.drain();
  CHECK(asked(lone).empty());
  for (int k = 0; k < 5; ++k) lone.machine.broke_off(Lone::name(7), lone.now);
  break_off(lone, 7);
  const std::uint32_t first = sequence_to(lone, 7);
  lone.sent.clear();
  lone.ack(first, 7);
  lone.wait(100ms);
  CHECK(sequence_to(lone, 7) == 0);
}
