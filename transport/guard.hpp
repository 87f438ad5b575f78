#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/config.hpp>
#include <plumvine/result.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

namespace plumvine {

/// One order of an operator to keep somebody out, as it is written down.
struct BlockOrder {
  std::string what;              ///< as of `Guard::block`
  std::optional<Duration> left;  ///< until it ends; none: it does not
};

/// Whom a node keeps out: by an operator's order, for breaking the protocol, and for opening too many connections.
///
/// Blocks are of addresses (`10.1.2.3`, `10.0.0.0/8`), names (`name:NAME`) or identities (`identity:plumvine://LABEL/NAME`, the
/// URI of certificates; `identity:NAME` where they have a DNS name). The graylist doubles its time with each repetition up to `kGrayMax`;
/// after as long without a complaint the count begins again (GossipSub 1.1 calls such a list graylist). Accepted connections have one
/// token bucket for each address, those of this machine excepted.
///
/// Bounds: `kBlocksMax` blocks (one more is refused), `kGrayEntriesMax` members on the graylist (the one that is over soonest goes),
/// `kAddressesMax` buckets (full ones go first, then all). Pure: the time is a parameter. Not thread-safe; owned by the engine.
class Guard {
 public:
  static constexpr std::size_t kBlocksMax = 1024;
  static constexpr std::size_t kGrayEntriesMax = 256;
  static constexpr std::size_t kAddressesMax = 4096;
  static constexpr Duration kGrayMax = std::chrono::hours{1};
  /// Longest that a block may last if it ends at all.
  static constexpr Duration kBlockMax = std::chrono::hours{24 * 366};
  static constexpr std::uint32_t kAcceptBurst = 5;  ///< seconds' worth

  /// Blocks, or gives the same block another end. Returns the block as it is written. Errc::invalid_argument says what is wrong with
  /// `what`, Errc::limit_reached that there are too many.
  Result<std::string> block(std::string_view what, std::optional<Duration> left, Timestamp now);
  /// Errc::not_found: there is no such block. Returns the block as it is written.
  Result<std::string> unblock(std::string_view what);
  /// Removes blocks that are over; returns them.
  std::vector<std::string> expire(Timestamp now);
  /// When the next block, or time on the graylist, ends; kNever: none does.
  [[nodiscard]] Timestamp next(Timestamp now) const;

  /// The block that this address, name or any of these names of a certificate falls under, counted as `what`; null: none.
  const std::string* blocks(const Endpoint& from, Blocked what, Timestamp now);
  const std::string* blocks_name(std::string_view name, Blocked what, Timestamp now);
  const std::string* blocks_identity(const std::vector<std::string>& names, Blocked what, Timestamp now);
  /// A name or address is blocked. Not counted.
  [[nodiscard]] bool is_blocked(std::string_view name, const Endpoint& at, Timestamp now) const;
  [[nodiscard]] bool any_blocks() const noexcept { return !blocks_.empty(); }

  /// A member broke the protocol again and again. Returns how long it gets no link.
  Duration punish(std::string_view name, std::string address, std::string reason, Duration first, Timestamp now);
  /// It is on the graylist and its time is not over.
  [[nodiscard]] bool is_gray(std::string_view name, Timestamp now) const;

  /// Whether one more connection of this address is taken now. `per_second` 0: always.
  bool admits(const Endpoint& from, std::uint32_t per_second, Timestamp now);

  [[nodiscard]] std::vector<BlockInfo> block_infos(Timestamp now) const;
  [[nodiscard]] std::vector<BlockOrder> orders(Timestamp now) const;
  [[nodiscard]] std::vector<GraylistInfo> graylist(Timestamp now) const;
  [[nodiscard]] const CountedReasons<Blocked>& blocked() const noexcept { return counts_; }
  [[nodiscard]] std::uint64_t punished() const noexcept { return punished_; }

 private:
  enum class Kind : std::uint8_t { address, name, identity };
  struct Block {
    Kind kind = Kind::address;
    std::string what;   ///< as it is written
    Network network;    ///< of an address
    std::string name;   ///< of a name or identity
    Timestamp until;    ///< kNever: it does not end
    std::uint64_t refused = 0;
  };
  struct Gray {
    Timestamp at, until;
    std::uint64_t times = 0;
    std::string address, reason;
  };
  struct Bucket {
    double tokens = 0;
    Timestamp at;
  };
  static Result<Block> read(std::string_view what);
  const std::string* hit(Block& block, Blocked what);

  std::vector<Block> blocks_;
  std::map<std::string, Gray, std::less<>> gray_;
  std::map<std::string, Bucket, std::less<>> buckets_;
  CountedReasons<Blocked> counts_;
  std::uint64_t punished_ = 0;
};

}  // namespace plumvine
