#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/snapshot.hpp>

#include "core.hpp"
#include "member_table.hpp"
#include "push_pull.hpp"

namespace plumvine::swim {

/// Keeps the cluster one: seeds are contacted for ever, lost members too. Ours beyond memberlist, which never
/// speaks to a dead member again.
///
/// A seed is resolved and asked for its table whenever one of its addresses is no living member, with growing
/// pauses. A dead member is pinged with growing pauses, also after the table forgot it; when it answers, tables
/// are exchanged, and both sides refute what the other believed. A ping names its receiver, so that a stranger
/// at an old address stays a stranger.
/// Bounds: `kAddressesMax` addresses per seed, `kLostMax` lost members (the oldest goes first).
class Rejoin {
 public:
  static constexpr std::size_t kSeedsMax = 256;
  static constexpr std::size_t kAddressesMax = 16;
  static constexpr std::size_t kLostMax = 1024;
  static constexpr Duration kRecallTime = std::chrono::seconds{5};

  Rejoin(Core& core, const MemberTable& table, Streams& streams) : core_(core), table_(table), streams_(streams) {}

  void add_seeds(const std::vector<HostPort>& seeds, Timestamp now);
  /// A member of before this process began: treated like a lost one until it is heard of. While none has answered and no
  /// seed is configured, `joined` waits for `kRecallTime`.
  void recall(std::string name, const Endpoint& at, Timestamp now);
  void recall_due() { recalling_ = false; }
  void contact_all(Timestamp now);
  void resolved(const HostPort& name, const std::vector<Endpoint>& endpoints, Timestamp now);
  void seed_due(std::uint64_t index, Timestamp now);
  void lost_due(std::uint64_t id, Timestamp now);
  void member_changed(const Record& record, std::optional<MemberState> before, Timestamp now);
  /// Nothing is to be known of this member any more; seeds stay.
  void forget(std::string_view name);
  void stream_done(const StreamResult& result, Timestamp now);
  /// True if the number belongs to a ping of a lost member.
  bool answered(std::uint32_t sequence, Timestamp now);

  [[nodiscard]] bool joined() const;
  [[nodiscard]] std::vector<SeedInfo> seeds() const;
  [[nodiscard]] std::size_t lost() const noexcept { return lost_.size(); }

 private:
  struct Address {
    Endpoint endpoint;
    bool self = false;
  };
  struct Seed {
    HostPort name;
    bool literal = false;              ///< an address: nothing to look up
    std::vector<Address> addresses;
    Duration pause{0};
    std::string problem;               ///< of the last contact; empty once it answered
  };
  struct Lost {
    std::string name;
    Endpoint endpoint;
    Duration pause{0};
    std::uint32_t attempts = 0;
    std::uint32_t sequence = 0;        ///< of the ping under way
    bool recalled = false;             ///< not heard of since this process began
  };

  void contact(std::uint64_t index, Timestamp now);
  void arm_seed(std::uint64_t index, Duration pause, Timestamp now);
  [[nodiscard]] bool settled(const Seed& seed) const;
  [[nodiscard]] bool only_self(const Seed& seed) const;
  void add_lost(std::string name, const Endpoint& at, Duration pause, Timestamp now);
  void drop_lost(std::uint64_t id);
  void arm_lost(std::uint64_t id, Duration pause, Timestamp now);
  [[nodiscard]] Duration lost_pause_max() const;
  /// 75 % to 125 % of `pause`, so that nodes spread.
  Duration jittered(Duration pause);

  Core& core_;
  const MemberTable& table_;
  Streams& streams_;
  std::vector<Seed> seeds_;
  std::map<std::uint64_t, Lost> lost_;               ///< by the order in which they were lost
  std::map<std::string, std::uint64_t, std::less<>> lost_by_name_;
  std::map<std::uint32_t, std::uint64_t> pinged_;    ///< sequence number to lost member
  std::uint64_t last_lost_ = 0;
  std::uint64_t merged_ = 0;                         ///< the table's, when the last exchange was over
  std::size_t recalled_ = 0;
  bool recalling_ = false;
  bool joined_ = false;
};

}  // namespace plumvine::swim
