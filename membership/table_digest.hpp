#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/codec.hpp"

namespace plumvine::swim {

/// What a table comes to in a few bytes: each row falls into a bucket by its member's name, and each bucket has the sum
/// of its rows' hashes, whatever their order.
///
/// The salt is another for each exchange: two tables whose sums are equal by accident, or by somebody's design, are
/// told apart the next time. So no whole exchange is needed behind it.
class TableDigest {
 public:
  TableDigest(std::uint64_t salt, std::size_t buckets) : salt_(salt), sums_(buckets) {}

  void add(const wire::PushNodeState& row);

  /// `wire::kBucketHash` bytes for each bucket, big-endian.
  [[nodiscard]] wire::Buffer hashes() const;
  /// One bit for each bucket, the first in the lowest bit of the first byte: set where these hashes are others.
  [[nodiscard]] wire::Buffer differing(BytesView hashes) const;

  /// How many buckets suit a table: about `kRowsPerBucket` rows are sent for one that differs.
  [[nodiscard]] static std::size_t buckets_for(std::size_t rows);
  /// The bucket of a name, of as many as `bits` has.
  [[nodiscard]] static bool marked(BytesView bits, std::uint64_t salt, std::string_view name);
  [[nodiscard]] static std::uint64_t hash_of(std::uint64_t salt, const wire::PushNodeState& row);

 private:
  static constexpr std::size_t kRowsPerBucket = 8;
  static constexpr std::size_t kBucketsMin = 16;

  std::uint64_t salt_;
  std::vector<std::uint32_t> sums_;
};

}  // namespace plumvine::swim
