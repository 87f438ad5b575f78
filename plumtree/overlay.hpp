#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// A member that could be a neighbour.
struct Candidate {
  PeerId peer{};
  InstanceId instance{};
  std::string name;
};

namespace overlay {
struct Dial { PeerId peer{}; };
/// There are more links than `max_peers` and this one is the least needed.
struct Drop { PeerId peer{}; };
/// `set_rtts` is wanted: round trips change. Asked for at each check of the link set.
struct AskRtts {};
using Output = std::variant<Dial, Drop, AskRtts>;

/// Position on the hash ring.
std::uint64_t ring_position(InstanceId instance, std::string_view name) noexcept;
/// How much the member at ring position `chooser` likes the one at `other` as a chord (rendezvous hashing, Thaler and
/// Ravishankar 1998). Not symmetric, or most chosen pairs would have chosen each other.
std::uint64_t chord_weight(std::uint64_t chooser, std::uint64_t other) noexcept;
/// Near links are chosen among so many members, those liked most as chords.
inline constexpr std::size_t kSample = 64;
}  // namespace overlay

/// Chooses which members to hold links to: the ring successor and chords by rendezvous hash, so that every node
/// dials half of its target and is dialled for the other half. Where round trips are known and differ, half of the dials go
/// to the nearest of a sample instead; the ring and the other chords are the far links that keep the graph small. A near
/// link is given up for one that is nearer by a fifth and 2 ms, or noise would make links flap.
/// Dials that fail come back with backoff and jitter, other chords take their place meanwhile; at most `parallel_dials` at
/// a time. A sans-I/O machine.
class Overlay {
 public:
  Overlay(TreeConfig tree, LinkConfig link, InstanceId self, std::string name, Rng rng);
  ~Overlay();
  Overlay(Overlay&&) noexcept;
  Overlay& operator=(Overlay&&) noexcept;

  // Inputs.
  /// All members that speak links and are alive or suspect, without ourselves.
  void set_candidates(std::vector<Candidate> candidates, Timestamp now);
  /// Round trips to members of `sample()`, measured or estimated. Replaces what was known before.
  void set_rtts(std::map<PeerId, Duration> rtts, Timestamp now);
  /// Other values of the keys that can change (`Config::changes_while_running`).
  void configure(const TreeConfig& tree, const LinkConfig& link, Timestamp now);
  void link_up(PeerId peer, bool outbound, Timestamp now);
  void link_down(PeerId peer, Timestamp now);
  void dial_failed(PeerId peer, Timestamp now);
  void handle_timeout(Timestamp now);

  // Outputs.
  [[nodiscard]] std::optional<overlay::Output> poll_output();
  [[nodiscard]] Timestamp next_timeout() const;

  // Queries.
  /// The members whose round trips matter to the choice, at most `kSample`.
  [[nodiscard]] std::vector<PeerId> sample() const;
  /// Ring successor and predecessor, as far as they are linked and protection is on.
  [[nodiscard]] std::vector<PeerId> protected_neighbors() const;
  /// Is there room for an inbound link from this peer? Ring neighbours always find room.
  [[nodiscard]] bool accepts(PeerId peer) const;
  /// Whom we would dial with this member list and no failures; for the simulator and tests.
  [[nodiscard]] std::vector<PeerId> targets() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumvine
