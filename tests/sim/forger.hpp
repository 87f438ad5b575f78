#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <plumtree/frames.hpp>
#include <string>
#include <vector>

#include "sim_cluster.hpp"

namespace plumvine::sim {

/// A member gone mad, where origins sign: beside what its process does it writes on its links broadcasts in the names
/// of others, in every way that it can think of, and such as it has recorded. It knows everybody's name, instance and
/// last sequence, and has keys of its own. It makes none in its own name: those it may.
class Forger {
 public:
  enum class Trick : std::uint8_t {
    unsigned_,    ///< another's next broadcast, without a signature
    own_key,      ///< signed with its own key
    other_key,    ///< another's name with a new key, and the instance that follows from it
    changed,      ///< a recorded one with another payload
    moved,        ///< a recorded one as a later one, up to millions ahead
    retold,       ///< a recorded one on another topic
    other_label,  ///< another's next broadcast, signed for another cluster
    replayed,     ///< a recorded one as it is, of any time
    announced,    ///< sequences of another that do not exist, up to 2^60 ahead
    count_
  };
  static constexpr std::size_t kTricks = static_cast<std::size_t>(Trick::count_);
  static constexpr std::size_t kRecordedMax = 256;

  /// What it writes is text that begins like this.
  static constexpr std::string_view kText = "forged";

  /// Before that member starts. It and the cluster outlive what is run of it.
  Forger(SimCluster& cluster, std::size_t mad, std::uint64_t seed);
  /// Plays each trick once, on each of its links, with somebody's name. `careful`: only those for which a neighbour
  /// gets no marks, since it may be that it does not know better; so it keeps its links.
  void act(bool careful);

  /// How often it was played on a link.
  [[nodiscard]] std::uint64_t played(Trick trick) const { return played_[static_cast<std::size_t>(trick)]; }
  [[nodiscard]] std::uint64_t played() const;
  [[nodiscard]] std::size_t recorded() const noexcept { return recorded_.size(); }

 private:
  void read(ConnId conn, BytesView bytes);
  void play(Trick trick, const Frame& frame);
  [[nodiscard]] frame::Gossip next_of(const SimNode& victim) const;
  [[nodiscard]] frame::Gossip sign(const frame::SignTools& tools, frame::Gossip gossip);

  SimCluster& cluster_;
  std::size_t mad_;
  Rng rng_;
  frame::SignTools own_, other_label_;
  std::vector<frame::Gossip> recorded_;
  std::int64_t newest_us_ = 0;  ///< when the last one was published
  struct Stream {
    bool begun = false;
    std::size_t preface = 0;  ///< bytes of it that are still to come
    std::vector<std::byte> bytes;
  };
  std::map<ConnId, Stream> streams_;
  std::array<std::uint64_t, kTricks> played_{};
};

}  // namespace plumvine::sim
