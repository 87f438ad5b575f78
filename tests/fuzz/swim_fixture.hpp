#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <membership/swim.hpp>
#include <membership/wire/codec.hpp>
#include <plumvine/detail/rng.hpp>

#include "limit.hpp"

namespace plumvine::fuzz {

inline constexpr Versions kVersions{1, 5, 2, 2, 5, 4};

/// The address of member `i`.
inline Endpoint address(std::size_t i) {
  Endpoint endpoint = *Endpoint::parse("127.0.0.1:7946");
  endpoint.address[15] = static_cast<std::uint8_t>(1 + i % 200);
  return endpoint;
}

/// memberlist's alive message about one member.
inline Bytes alive_packet(const std::string& name, const Endpoint& endpoint, std::uint32_t incarnation, const Bytes& meta) {
  const Bytes raw = endpoint.raw();
  swim::wire::Alive alive;
  alive.incarnation = incarnation;
  alive.node = name;
  alive.address = raw.view();
  alive.port = endpoint.port;
  alive.meta = meta.view();
  alive.versions = std::as_bytes(std::span(kVersions));
  return swim::wire::encoded(alive);
}

/// A member `node-b` that knows `node-a` and `node-c`, the names of the golden packets.
inline swim::Swim small_cluster(Timestamp now, const std::string& label = "") {
  swim::Identity identity{"node-b", address(1).raw(), 7946, encode_tags({{"pvi", "0000000000000002"}}), label};
  swim::Swim swim(SwimConfig{}, identity, Rng{1});
  swim.start(now);
  if (!label.empty()) return swim;
  swim.handle_packet(address(0), alive_packet("node-a", address(0), 1, {}).view(), now);
  swim.handle_packet(address(0), alive_packet("node-c", address(2), 7, Bytes::copy_of("meta")).view(), now);
  return swim;
}

/// Takes all outputs and looks at their bounds. Returns the numbers of the streams that were opened.
inline std::vector<swim::StreamId> drain(swim::Swim& swim) {
  std::vector<swim::StreamId> opened;
  std::size_t outputs = 0;
  while (const auto output = swim.poll_output()) {
    require(++outputs < 100000, "outputs end");
    if (const auto* packet = std::get_if<swim::SendPacket>(&*output)) {
      require(!packet->packet.empty() && packet->packet.size() <= 65507, "a packet fits a datagram");
    } else if (const auto* open = std::get_if<swim::OpenStream>(&*output)) {
      opened.push_back(open->id);
    }
  }
  return opened;
}

/// Lets time pass: every deadline is met, and deadlines move on.
inline void pass(swim::Swim& swim, Timestamp& now, Duration span) {
  const Timestamp end = now + span;
  for (int wakeups = 0; swim.next_timeout() <= end; ++wakeups) {
    require(wakeups < 10000, "no busy loop");
    now = std::max(now, swim.next_timeout());
    swim.handle_timeout(now);
    drain(swim);
  }
  now = end;
}

/// What holds whatever others say.
inline void check(const swim::Swim& swim) {
  const auto members = swim.members();
  require(!members.empty(), "we know ourselves");
  const Member* self = swim.find("node-b");
  require(self != nullptr && self->state == MemberState::alive, "nobody makes us dead in our own eyes");
  for (std::size_t i = 1; i < members.size(); ++i) require(members[i - 1]->name < members[i]->name, "members come by name");
}

}  // namespace plumvine::fuzz
