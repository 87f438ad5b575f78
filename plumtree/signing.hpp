#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <plumvine/config.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/stats.hpp>
#include <plumvine/time.hpp>
#include <plumvine/types.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frames.hpp"
#include "message_store.hpp"

namespace plumvine::tree {

/// What came of telling a member's key.
enum class KeyTold : std::uint8_t {
  known,     ///< it is the one we have
  fresh,     ///< the first of this member
  replaced,  ///< another one, and proven: it takes the place of the one that was only believed
  refused,   ///< another one than the one we have
  no_room,
};

/// Signed origins at one node: whose key is which, and what is right.
///
/// The first key that is heard of a member's name is its key (trust on first use), until the name is forgotten. One
/// that was proven, by the certificate of a connection, takes the place of one that was only believed, and gives way
/// only to another that is proven. Keys of an earlier run of this node count like those that were heard, for `kKeptFor`
/// or until they are heard again.
///
/// Bounds: `kKeysMax` keys, of which those of an earlier run give way first; broadcasts that wait for a key by count, bytes and `kKeyWait`. Not thread-safe; owned by
/// `Tree`.
class Signing {
 public:
  static constexpr std::size_t kKeysMax = 65536;
  static constexpr Duration kKeptFor = std::chrono::hours{7 * 24};
  static constexpr std::size_t kWaitingMax = 1024;
  static constexpr std::uint64_t kWaitingBytesMax = 8 << 20;
  static constexpr Duration kKeyWait = std::chrono::seconds{10};

  /// `config` outlives it.
  Signing(const TreeConfig& config, std::string_view name, frame::SignTools tools);

  [[nodiscard]] SignOrigins mode() const noexcept { return config_->sign_origins; }
  [[nodiscard]] bool judges() const noexcept { return mode() != SignOrigins::off; }
  [[nodiscard]] const frame::SignTools& tools() const noexcept { return tools_; }
  [[nodiscard]] bool can_cut() const noexcept { return tools_.hash != nullptr; }

  /// Wall clock now, microseconds since 1970.
  void set_wall(std::int64_t wall_us, Timestamp now) noexcept { wall_offset_us_ = wall_us - now.ns / 1000; }
  [[nodiscard]] std::int64_t wall_us(Timestamp at) const noexcept { return at.ns / 1000 + wall_offset_us_; }

  KeyTold tell_key(std::string_view name, const frame::OriginKey& key, bool proven);
  /// False: there was none.
  bool forget_key(std::string_view name);
  /// A key that an earlier run of this node knew. One that is older than `kKeptFor`, ours, or of a member whose key is
  /// known, is passed over; so is what there is no room for.
  void recall_key(const frame::KeptKey& kept, Timestamp now);
  /// The member was forgotten by an order given then, which this run did not see: a key from before goes, unless it was
  /// heard again. False: there is no such key.
  bool forget_recalled(std::string_view name, Timestamp given);
  /// All but ours, by name, without those that are too old, which are forgotten. O(keys).
  [[nodiscard]] std::vector<frame::KeptKey> keep_keys(Timestamp now);
  /// Changes with what `keep_keys` says, but for times.
  [[nodiscard]] std::uint64_t keys_version() const noexcept { return version_; }
  [[nodiscard]] const frame::OriginKey* key_of(std::string_view name) const;
  [[nodiscard]] std::size_t keys() const noexcept { return keys_.size(); }
  /// Keys that were not remembered, or gave way, for lack of room.
  [[nodiscard]] std::uint64_t no_room() const noexcept { return no_room_; }

  /// Why the gossip is refused; nothing: it may be taken. `unknown_key`: it may wait for it.
  [[nodiscard]] std::optional<OriginRefused> judge(const frame::Gossip& gossip, Timestamp now);

  /// Remembered for operators: `kRefusedMax` of them, the oldest gives way.
  static constexpr std::size_t kRefusedMax = 64;
  static constexpr std::string_view kKeyChanged = "key_changed";
  void note_refused(std::string_view origin, std::string_view reason, std::string_view peer, Timestamp now);
  [[nodiscard]] std::vector<RefusedOriginInfo> refused(Timestamp now) const;

  /// A gossip that waits for the key of its origin, from this link.
  struct Waiting {
    Slot from = kNoSlot;
    Timestamp until;
    frame::Gossip gossip;
  };
  /// False: there is no room.
  [[nodiscard]] bool wait(Slot from, frame::Gossip gossip, Timestamp now);
  /// Those of a member, in the order that they came.
  [[nodiscard]] std::deque<Waiting> take_waiting(std::string_view name);
  /// Those that have waited long enough.
  [[nodiscard]] std::deque<Waiting> take_expired(Timestamp now);
  void link_down(Slot slot);
  [[nodiscard]] Timestamp next_timeout() const noexcept { return waiting_.empty() ? kNever : waiting_.front().until; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  struct Known {
    frame::OriginKey key;
    bool proven = false;
    std::int64_t recalled_us = kHeard;  ///< known to an earlier run at this time, and not heard in this one
  };
  static constexpr std::int64_t kHeard = INT64_MAX;
  /// One of an earlier run gives way, the oldest. False: there is none.
  bool make_room();
  template <class Take>
  std::deque<Waiting> take_if(Take take);

  const TreeConfig* config_;
  frame::SignTools tools_;
  std::string name_;
  std::int64_t wall_offset_us_ = 0;
  std::map<std::string, Known, std::less<>> keys_;
  std::uint64_t version_ = 0;
  struct Refused {
    std::string peer;
    std::uint64_t count = 0;
    Timestamp at;
  };
  std::map<std::pair<std::string, std::string>, Refused> refused_;  ///< by origin and reason
  std::deque<Waiting> waiting_;                                     ///< in the order that they came
  std::uint64_t waiting_bytes_ = 0;
  std::uint64_t no_room_ = 0;
};

}  // namespace plumvine::tree
