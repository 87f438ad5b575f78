#pragma once

#include <plumtree/frames.hpp>
#include <string>
#include <transport/crypto/ed25519.hpp>
#include <utility>

namespace plumvine::test {

/// A member that signs what it publishes: real keys, made from a number.
struct Signer {
  explicit Signer(std::string member, std::uint8_t seed, std::uint64_t epoch = 1000, const std::string& cluster = "c")
      : name(std::move(member)) {
    std::array<std::byte, 32> bytes{};
    bytes[0] = std::byte{seed};
    tools = *make_sign_tools(make_origin_key(bytes), epoch, cluster);
    instance = frame::instance_of(tools, name, tools.own);
  }
  /// One message of this member's, signed.
  [[nodiscard]] frame::Gossip message(Sequence sequence, std::int64_t at_us,
                                      std::string_view payload = "payload") const {
    frame::Gossip g;
    g.id = {instance, sequence};
    g.round = 1;
    g.topic = "t";
    g.origin = name;
    g.payload = Bytes::copy_of(payload);
    return sign(std::move(g), at_us);
  }
  [[nodiscard]] frame::Gossip sign(frame::Gossip g, std::int64_t at_us) const {
    g.signature = {};
    g.signature = frame::sign(tools, g, at_us);
    return g;
  }
  std::string name;
  frame::SignTools tools;
  InstanceId instance{};
};

}  // namespace plumvine::test
