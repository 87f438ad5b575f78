#include "table_digest.hpp"

#include <algorithm>

#include <plumvine/detail/rng.hpp>

namespace plumvine::swim {
namespace {

/// The same on every machine: words are read in little-endian order.
std::uint64_t hash_bytes(std::uint64_t salt, BytesView bytes) {
  std::uint64_t hash = mix64(salt ^ bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = std::min<std::size_t>(8, bytes.size() - at); i-- > 0;) word = word << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
    hash = mix64(hash ^ word);
  }
  return hash;
}

std::size_t bucket_of(std::uint64_t salt, std::string_view name, std::size_t buckets) {
  return hash_bytes(salt, as_bytes(name)) % buckets;
}

}  // namespace

std::size_t TableDigest::buckets_for(std::size_t rows) {
  return std::clamp((rows / kRowsPerBucket + 7) / 8 * 8, kBucketsMin, wire::kBucketsMax);
}

std::uint64_t TableDigest::hash_of(std::uint64_t salt, const wire::PushNodeState& row) {
  wire::Buffer written;
  written.reserve(160);
  wire::encode(row, written);
  return hash_bytes(salt, written);
}

void TableDigest::add(const wire::PushNodeState& row) {
  sums_[bucket_of(salt_, row.name, sums_.size())] += static_cast<std::uint32_t>(hash_of(salt_, row));
}

wire::Buffer TableDigest::hashes() const {
  wire::Buffer out;
  out.reserve(sums_.size() * wire::kBucketHash);
  for (const std::uint32_t sum : sums_)
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(sum >> shift & 0xff));
  return out;
}

wire::Buffer TableDigest::differing(BytesView theirs) const {
  const wire::Buffer ours = hashes();
  wire::Buffer bits(sums_.size() / 8);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const std::size_t at = i * wire::kBucketHash;
    const bool same = std::ranges::equal(BytesView(ours).subspan(at, wire::kBucketHash), theirs.subspan(at, wire::kBucketHash));
    if (!same) bits[i / 8] |= static_cast<std::byte>(1U << i % 8);
  }
  return bits;
}

bool TableDigest::marked(BytesView bits, std::uint64_t salt, std::string_view name) {
  const std::size_t bucket = bucket_of(salt, name, bits.size() * 8);
  return (bits[bucket / 8] & static_cast<std::byte>(1U << bucket % 8)) != std::byte{0};
}

}  // namespace plumvine::swim
