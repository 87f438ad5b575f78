#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <plumtree/frames.hpp>

#include "sim_network.hpp"

namespace plumvine::sim {

/// One line about a frame, in the words of the papers: `gossip n0-17 round=2 100 B`.
/// `name` tells an instance's member name.
std::string describe(const Frame& frame, const std::function<std::string(InstanceId)>& name);

/// Reads along on every wire and prints what it understands: packets by the kinds of their messages, links by frames.
class FrameTap final : public SimNetwork::Tap {
 public:
  FrameTap(SimTime& time, Trace& trace) : time_(time), trace_(trace) {}
  void know(InstanceId instance, std::string name) { names_[instance] = std::move(name); }

  void packet(HostId from, HostId to, BytesView packet) override;
  void stream(std::uint64_t connection, bool from_dialler, HostId from, HostId to, BytesView bytes) override;
  void batch(HostId from, HostId to, BytesView bytes) override;

 private:
  /// Prints the whole frames at the beginning; how many bytes they have.
  std::size_t frames(HostId from, HostId to, BytesView bytes, std::string_view way);
  void line(HostId from, HostId to, const std::string& text);

  SimTime& time_;
  Trace& trace_;
  std::map<InstanceId, std::string> names_;
  struct Reader {
    std::vector<std::byte> bytes;
    bool greeted = false;     ///< the preface, if any, was seen
    bool is_link = true;      ///< memberlist streams are only counted
  };
  std::map<std::pair<std::uint64_t, bool>, Reader> readers_;
};

}  // namespace plumvine::sim
