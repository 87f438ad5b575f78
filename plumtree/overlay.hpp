#pragma once

#include <cstdint>
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
using Output = std::variant<Dial, Drop>;

/// Position on the hash ring.
std::uint64_t ring_position(InstanceId instance, std::string_view name) noexcept;
}  // namespace overlay

/// Chooses which members to hold links to: the ring successor and chords by rendezvous hash, so that every node
/// dials half of its target and is dialled for the other half. Dials that fail come back with backoff and jitter, other
/// chords take their place meanwhile; at most `parallel_dials` at a time. A sans-I/O machine.
class Overlay {
 public:
  Overlay(TreeConfig tree, LinkConfig link, InstanceId self, std::string name, Rng rng);
  ~Overlay();
  Overlay(Overlay&&) noexcept;
  Overlay& operator=(Overlay&&) noexcept;

  // Inputs.
  /// All members that speak links and are alive or suspect, without ourselves.
  void set_candidates(std::vector<Candidate> candidates, Timestamp now);
  void link_up(PeerId peer, bool outbound, Timestamp now);
  void link_down(PeerId peer, Timestamp now);
  void dial_failed(PeerId peer, Timestamp now);
  void handle_timeout(Timestamp now);

  // Outputs.
  [[nodiscard]] std::optional<overlay::Output> poll_output();
  [[nodiscard]] Timestamp next_timeout() const;

  // Queries.
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
