// memberlist's tests of probing, by their names. See docs/memberlist-tests.md.
#include "lone.hpp"

using namespace plumvine;
using namespace plumvine::test;
using wire::MessageType;

namespace {

SwimConfig quick() {
  SwimConfig config;
  config.probe_interval = 1s;
  config.probe_timeout = 100ms;
  config.push_pull_interval = 0s;
  config.gossip_interval = 1h;
  return config;
}

/// The member that is being probed: its number and the probe's.
std::pair<int, std::uint32_t> probed(Lone& lone) {
  const auto ping = lone.until_sent(MessageType::ping);
  REQUIRE(ping.has_value());
  const auto [sequence, name] = Lone::ping_in(*ping);
  return {std::stoi(name.substr(1)), sequence};
}

}  // namespace

TEST_CASE("Probe, ProbeNode", "[memberlist]") {
  Lone lone(quick());
  lone.alive(2);
  const auto [target, sequence] = probed(lone);
  CHECK(sequence == 1);
  lone.ack(sequence, target);
  lone.wait(500ms);
  CHECK(lone.state(2) == MemberState::alive);
  CHECK(probed(lone).second == 2);  // one number a probe
  CHECK(lone.machine.stats().probes[ProbeResult::ack] == 1);
}

TEST_CASE("ProbeNode_Suspect", "[memberlist]") {
  Lone lone(quick());
  for (int i = 2; i <= 4; ++i) lone.alive(i);
  const auto [target, sequence] = probed(lone);
  std::size_t asked = 0;
  while (const auto request = lone.until_sent(MessageType::indirect_ping, 500ms)) {
    ++asked;
    CHECK_FALSE(request->to == Lone::at(target));
  }
  CHECK(asked == 2);  // of three helpers wanted, two are there
  lone.wait(1s);
  CHECK(lone.state(target) == MemberState::suspect);
}

TEST_CASE("ProbeNode_Suspect_Dogpile", "[memberlist]") {
  struct Case { int peers; int confirmations; Duration lasts; };
  for (const Case& c : {Case{1, 0, 500ms}, {2, 0, 500ms}, {3, 0, 500ms}, {4, 0, 1000ms}, {5, 0, 1000ms}, {5, 1, 750ms},
                        {5, 2, 604ms}, {5, 3, 500ms}, {5, 4, 500ms}}) {
    INFO(c.peers << " peers, " << c.confirmations << " confirmations");
    SwimConfig config = quick();
    config.probe_interval = 100ms;
    config.probe_timeout = 30ms;
    config.suspicion_mult = 5;
    config.suspicion_max_timeout_mult = 2;
    Lone lone(config);
    for (int i = 2; i < 2 + c.peers; ++i) lone.alive(i);
    const auto [target, sequence] = probed(lone);
    while (lone.state(target) != MemberState::suspect) lone.wait(1ms);
    const Timestamp suspected = lone.now;
    int confirmed = 0;
    for (int i = 2; i < 2 + c.peers && confirmed < c.confirmations; ++i) {
      if (i == target) continue;
      lone.suspect(target, 1, Lone::name(i));
      ++confirmed;
    }
    while (lone.state(target) == MemberState::suspect) lone.wait(1ms);
    const double ratio = to_seconds(lone.now - suspected) / to_seconds(c.lasts);
    CHECK(ratio > 0.99);
    CHECK(ratio < 1.01);
  }
}

TEST_CASE("ProbeNode_Wrong_VSN", "[memberlist]") {
  Lone lone(quick());
  const Bytes address = Lone::at(2).raw();
  const std::array<std::byte, 6> zeros{};
  lone.receive(wire::Alive{1, "n2", address.view(), 7946, {}, BytesView(zeros)}, Lone::at(2));
  CHECK(lone.state(2) == std::nullopt);
  CHECK(lone.machine.stats().rejected[PacketReject::incompatible_version] == 1);
}

namespace {

/// A machine at health 1, in the middle of a probe without an answer; the helpers asked and when it began.
struct Failing {
  explicit Failing(std::uint8_t protocol_max = 5, std::uint32_t accusations = 1) : lone(quick()) {
    for (int i = 2; i <= 4; ++i) lone.alive(i, 1, "", protocol_max);
    for (std::uint32_t i = 1; i <= accusations; ++i) lone.receive(wire::Suspect{i, "me", "n2"}, Lone::at(2));
    REQUIRE(lone.machine.stats().health_score == accusations);
    lone.sent.clear();
    std::tie(target, sequence) = probed(lone);
    began = lone.now;
    while (const auto request = lone.until_sent(MessageType::indirect_ping, 200ms)) helpers.push_back(request->to);
  }
  void nack(std::size_t helpers_that_do) {
    for (std::size_t i = 0; i < helpers_that_do; ++i) lone.receive(wire::Nack{sequence}, helpers.at(i));
  }
  std::uint32_t fail() {
    while (lone.state(target) != MemberState::suspect) lone.wait(1ms);
    return lone.machine.stats().health_score;
  }
  Lone lone;
  int target = 0;
  std::uint32_t sequence = 0;
  Timestamp began;
  std::vector<Endpoint> helpers;
};

}  // namespace

TEST_CASE("ProbeNode_Awareness_Degraded", "[memberlist]") {
  Failing probe;
  REQUIRE(probe.helpers.size() == 2);
  probe.nack(2);
  CHECK(probe.fail() == 1);
  const double took = to_seconds(probe.lone.now - probe.began);
  CHECK(took > 1.99);  // two intervals, for our health is 1
  CHECK(took < 2.01);
}

TEST_CASE("ProbeNode_Awareness_Improved", "[memberlist]") {
  Failing probe;
  probe.lone.ack(probe.sequence, probe.target);
  CHECK(probe.lone.machine.stats().health_score == 0);
}

TEST_CASE("ProbeNode_Awareness_MissedNack", "[memberlist]") {
  Failing probe(5, 0);
  REQUIRE(probe.helpers.size() == 2);
  probe.nack(1);
  CHECK(probe.fail() == 1);
}

TEST_CASE("ProbeNode_Awareness_OldProtocol", "[memberlist]") {
  Failing probe(2, 0);
  CHECK(probe.fail() == 1);
  CHECK(probe.lone.opened.empty());  // too old for a ping over a stream, too
}

TEST_CASE("ProbeNode_Buddy", "[memberlist]") {
  SwimConfig config = quick();
  config.suspicion_mult = 100;
  Lone lone(config);
  lone.alive(2);
  lone.suspect(2, 1, "n3");
  const auto ping = lone.until_sent(MessageType::ping);
  REQUIRE(ping.has_value());
  CHECK(ping->has(MessageType::suspect));

  Lone accused;
  accused.alive(2);
  accused.packet(ping->packet, Lone::at(1));  // as if it were for us: it names another, only the suspicion counts
  accused.receive(wire::Suspect{1, "me", "n2"}, Lone::at(2));
  CHECK(accused.machine.stats().refutations == 1);
  CHECK(static_cast<std::uint32_t>(accused.machine.self().incarnation) == 2);
}

TEST_CASE("Ping: the round trip is measured", "[memberlist]") {
  Lone lone(quick());
  lone.alive(2);
  const auto [target, sequence] = probed(lone);
  lone.now = lone.now + 20ms;
  lone.ack(sequence, target);
  CHECK(lone.machine.detail("n2").rtt == Duration{20ms});
  CHECK(lone.machine.detail("n3").rtt == std::nullopt);
}

namespace {

/// A probe of n2 that nobody answers by packet; the stream that was opened for it, if any.
std::optional<swim::StreamId> fallback(Lone& lone, std::uint8_t protocol_max = 5) {
  lone.alive(2, 1, "", protocol_max);
  (void)probed(lone);
  lone.wait(200ms);
  if (lone.opened.empty()) return std::nullopt;
  CHECK(lone.opened[0].to == Lone::at(2));
  return lone.opened[0].id;
}

}  // namespace

TEST_CASE("ProbeNode_FallbackTCP, TCPPing", "[memberlist]") {
  Lone lone(quick());
  const auto stream = fallback(lone);
  REQUIRE(stream.has_value());
  lone.machine.stream_connected(*stream, lone.now);
  lone.drain();
  REQUIRE(lone.streamed.size() == 1);
  const auto answer = [&](const Bytes& bytes) {
    lone.machine.stream_received(*stream, bytes.view(), lone.now);
    lone.drain();
    lone.wait(1s);
  };
  SECTION("answered") {
    answer(wire::encoded(wire::Ack{1, {}}));
    CHECK(lone.state(2) == MemberState::alive);
    CHECK(lone.machine.stats().probes[ProbeResult::stream_ack] == 1);
  }
  SECTION("with another number") {
    answer(wire::encoded(wire::Ack{2, {}}));
    CHECK(lone.state(2) == MemberState::suspect);
  }
  SECTION("with another message") {
    answer(wire::encoded(wire::Ping{1, "me", {}, 0, {}}));
    CHECK(lone.state(2) == MemberState::suspect);
  }
  SECTION("the connection is refused") {
    lone.machine.stream_closed(*stream, lone.now);
    lone.drain();
    lone.wait(1s);
    CHECK(lone.state(2) == MemberState::suspect);
  }
}

TEST_CASE("ProbeNode_FallbackTCP_Disabled, ProbeNode_FallbackTCP_OldProtocol", "[memberlist]") {
  SwimConfig config = quick();
  std::uint8_t protocol_max = 5;
  SECTION("disabled") { config.disable_tcp_pings = true; }
  SECTION("old protocol") { protocol_max = 2; }
  Lone lone(config);
  CHECK(fallback(lone, protocol_max) == std::nullopt);
  lone.wait(1s);
  CHECK(lone.state(2) == MemberState::suspect);
}

TEST_CASE("invokeAckHandler: an unknown number is harmless, a nack does not end a probe", "[memberlist]") {
  Lone lone(quick());
  lone.alive(2);
  const auto [target, sequence] = probed(lone);
  lone.ack(999, target);
  lone.receive(wire::Nack{999}, Lone::at(3));
  lone.receive(wire::Nack{sequence}, Lone::at(3));
  CHECK(lone.machine.stats().probes.total() == 0);
  lone.ack(sequence, target);
  lone.ack(sequence, target);  // its handler is gone
  CHECK(lone.machine.stats().probes.total() == 1);
}
