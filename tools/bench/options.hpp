#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/result.hpp>

namespace plumvine::bench {

/// Who publishes: member 0 as fast as it is let, all of them so, or member 0 at a fixed rate.
enum class Mode : std::uint8_t { one, all, lat };
/// `tree`: links and trees as the preset has them. `full`: a link between any two, and every member the root of its own tree, so that
/// a publisher sends to each member itself; but for those that a second hop takes no longer, which keep that way once they have it.
enum class Topology : std::uint8_t { tree, full };

inline constexpr unsigned kMembersMax = 64;
/// With more members `full` cannot be had: `roots` goes to 16.
inline constexpr unsigned kFullMax = 16;

/// One measurement.
struct Options {
  unsigned members = 8;
  std::size_t size = 64;        ///< of a payload, in bytes
  Mode mode = Mode::one;
  Topology topology = Topology::tree;
  double seconds = 1;           ///< how long is published
  std::uint32_t rate = 100;     ///< messages a second, with `Mode::lat`
  std::uint16_t port = 0;       ///< of member 0, the others follow; 0: the system chooses
  std::uint64_t run = 0;        ///< repeated in the result
  double quiet_wait = 0;        ///< seconds to wait at most until the machine is idle
  bool threads = false;         ///< members are threads of this process instead of processes
  bool tls = false;             ///< certificates of an authority of this run
  LinkTransport transport = LinkTransport::tcp;  ///< what links go over; QUIC needs `tls`
  std::string certificates;     ///< the directory that they lie in, once they were made
  std::string netns;            ///< each member is in the network namespace of this name with its number behind it; empty: all are in ours
};

/// What lines call the measurement: the topology, and whatever is not as usual.
std::string variant_of(const Options& options);
const char* to_string(Mode mode) noexcept;
const char* to_string(Topology topology) noexcept;

/// Reads the flags of a measurement. The error names the flag and what it takes.
Result<Options> parse_options(const std::vector<std::string>& arguments);

/// What `report` is asked for.
struct ReportOptions {
  std::vector<std::string> files;
  std::string svg;              ///< where to write the plot; empty: none
  bool over_members = false;    ///< plots go over the number of members instead of sizes
};
Result<ReportOptions> parse_report(const std::vector<std::string>& arguments);

}  // namespace plumvine::bench
