#pragma once

#include <string>
#include <vector>

#include <plumtree/frames.hpp>
#include <plumtree/wire.hpp>
#include <plumvine/detail/rng.hpp>

#include "runs.hpp"

/// Random frames that keep every bound of the wire format, edges included.
namespace plumvine::test {

/// A number whose size in bits is uniform, so that every encoding width comes up; at times an edge of one.
inline std::uint64_t any_number(Rng& rng, std::uint64_t max = UINT64_MAX) {
  const std::uint64_t bits = rng.below(65);
  std::uint64_t value = bits == 0 ? 0 : rng.next() >> (64 - bits);
  if (rng.chance(0.1)) value = (std::uint64_t{1} << rng.below(64)) - rng.below(2);
  if (rng.chance(0.02)) value = max;
  return value <= max ? value : value % max + (max == 0 ? 0 : 1);
}
inline std::int64_t any_signed(Rng& rng) {
  const auto value = static_cast<std::int64_t>(any_number(rng, INT64_MAX));
  return rng.chance(0.5) ? value : -value - 1;
}
inline std::string any_text(Rng& rng, std::size_t max) {
  const std::size_t size = rng.chance(0.1) ? max : rng.below(rng.chance(0.5) ? 20 : max + 1);
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(rng.chance(0.8) ? 'a' + rng.below(26) : rng.below(256));
  return text;
}
inline Bytes any_bytes(Rng& rng, std::size_t max) { return Bytes::copy_of(any_text(rng, max)); }
inline InstanceId any_instance(Rng& rng) { return InstanceId{1 + any_number(rng, INT64_MAX - 1)}; }
inline TreeId any_tree(Rng& rng) { return TreeId{any_number(rng)}; }

/// Ascending disjoint ranges above `above`, at most `max`.
inline std::vector<SequenceRange> any_ranges(Rng& rng, Sequence above, std::size_t max) {
  std::vector<SequenceRange> ranges;
  const std::size_t wanted = rng.below(max + 1);
  Sequence previous = above;
  while (ranges.size() < wanted && previous < UINT64_MAX) {
    const std::uint64_t first = previous + 1 + any_number(rng, UINT64_MAX - previous - 1) / (wanted + 1);
    const std::uint64_t last = first + any_number(rng, UINT64_MAX - first) / (wanted + 1);
    ranges.push_back({first, last});
    previous = last;
  }
  return ranges;
}
inline std::vector<frame::OriginRanges> any_ids(Rng& rng, std::size_t max_entries, std::size_t max_ranges) {
  std::vector<frame::OriginRanges> ids(rng.below(max_entries + 1));
  for (auto& entry : ids) entry = {any_instance(rng), any_ranges(rng, 0, max_ranges)};
  return ids;
}

/// Makes the gossip say that its payload is encoded or comes in parts.
inline void any_about(Rng& rng, frame::Gossip& gossip) {
  frame::About about;
  const bool encoded = rng.chance(0.5);
  about.encoding = encoded ? frame::Encoding::lz4 : frame::Encoding::plain;
  about.encoded_size = gossip.payload.size();
  if (!encoded || rng.chance(0.5)) {
    gossip.payload = {};
    about.first = 1 + any_number(rng, UINT64_MAX - 1);
    about.encoded_size = frame::kPartSize + 1 + rng.below(4 * frame::kPartSize);
  }
  about.size = about.encoded_size + (encoded ? 1 + rng.below(1000) : 0);
  for (auto& byte : about.checksum) byte = static_cast<std::byte>(rng.below(256));
  gossip.about = about;
}

/// Makes a run of it.
inline void any_run(Rng& rng, frame::Gossip& gossip, std::size_t size) {
  std::vector<Bytes> payloads(2 + rng.below(8));
  const bool alike = rng.chance(0.5);
  const Bytes one = any_bytes(rng, 10 * size);
  for (Bytes& payload : payloads) payload = alike ? one : any_bytes(rng, 10 * size);
  frame::Joined joined = join(payloads);
  gossip.id.origin = frame::publisher_of(gossip.id.origin);
  if (gossip.id.origin == InstanceId{}) gossip.id.origin = InstanceId{1};
  gossip.id.sequence = std::min(gossip.id.sequence, UINT64_MAX - frame::kRunMessagesMax);
  gossip.run = joined.run;
  gossip.payload = std::move(joined.bytes);
}

/// Signs it with anything; at times as a message out of a run.
inline void any_signature(Rng& rng, frame::Gossip& gossip) {
  frame::Signature signature;
  const auto fill = [&](auto& bytes) {
    for (auto& byte : bytes) byte = static_cast<std::byte>(rng.below(256));
  };
  fill(signature.by.key);
  signature.by.epoch = any_number(rng);
  signature.at_us = any_signed(rng);
  fill(signature.bytes);
  const bool cut = gossip.run.count == 1 && !gossip.about && !frame::is_parts(gossip.id.origin) && rng.chance(0.5);
  if (cut) {
    signature.cut.emplace();
    signature.cut->run = {static_cast<std::uint32_t>(2 + rng.below(frame::kRunMessagesMax - 1)), rng.chance(0.5)};
    signature.cut->first =
        gossip.id.sequence - std::min<Sequence>(gossip.id.sequence - 1, rng.below(signature.cut->run.count));
    signature.cut->path.resize(rng.chance(0.2) ? frame::kPathMax : rng.below(frame::kPathMax + 1));
    for (auto& hash : signature.cut->path) fill(hash);
  }
  if (cut || gossip.run.count > 1) fill(signature.other);
  gossip.signature = std::move(signature);
}

/// A frame of the kind `kind % 21` in the order of `Frame`. `size` scales lists and payload.
inline Frame any_frame(Rng& rng, std::size_t kind, std::size_t size = 8) {
  using namespace frame;
  switch (kind % std::variant_size_v<Frame>) {
    case 0:
      return Hello{static_cast<std::uint8_t>(rng.below(256)), any_text(rng, wire::kClusterMax), any_text(rng, wire::kNameMax),
                   any_instance(rng)};
    case 1: {
      Gossip gossip;
      gossip.tree = any_tree(rng);
      gossip.id = {any_instance(rng), 1 + any_number(rng, UINT64_MAX - 1)};
      gossip.round = static_cast<Round>(any_number(rng, UINT16_MAX));
      gossip.published_us = any_signed(rng);
      gossip.pulled = rng.chance(0.5);
      gossip.topic = any_text(rng, wire::kTopicMax);
      gossip.origin = any_text(rng, wire::kNameMax);
      gossip.payload = any_bytes(rng, 100 * size);
      if (rng.chance(0.4)) any_about(rng, gossip);
      else if (rng.chance(0.4)) any_run(rng, gossip, size);
      if (rng.chance(0.4)) any_signature(rng, gossip);
      return gossip;
    }
    case 2: return IHave{any_tree(rng), any_ids(rng, size, size), static_cast<Round>(rng.below(100))};
    case 3: return Graft{any_tree(rng), rng.chance(0.5), any_ids(rng, size, size)};
    case 4: return Prune{any_tree(rng)};
    case 5: return Beacon{any_tree(rng), any_number(rng), any_number(rng)};
    case 6: {
      Digest digest{rng.chance(0.5), rng.chance(0.5), rng.chance(0.5), rng.chance(0.5), {}};
      digest.entries.resize(rng.below(size + 1));
      for (auto& entry : digest.entries) {
        entry = {any_instance(rng), any_text(rng, wire::kNameMax), any_number(rng), any_number(rng), {}};
        entry.above = any_ranges(rng, entry.watermark, size);
      }
      return digest;
    }
    case 7: return Pull{any_ids(rng, size, size)};
    case 8: return Gone{any_ids(rng, size, size)};
    case 9: {
      Progress progress;
      progress.entries.resize(rng.below(size + 1));
      for (auto& entry : progress.entries) entry = {any_instance(rng), any_number(rng)};
      return progress;
    }
    case 10: return Ping{any_number(rng), any_signed(rng), any_signed(rng)};
    case 11: return Pong{any_number(rng), any_signed(rng), any_signed(rng), any_signed(rng)};
    case 12: return Bye{static_cast<Bye::Why>(rng.below(7))};
    case 14: return AckRequest{any_instance(rng), any_number(rng), any_ranges(rng, 0, size)};
    case 15: return Acks{any_instance(rng), any_ids(rng, size, size)};
    case 16:
      return Visit{{static_cast<std::uint8_t>(rng.below(256)), any_text(rng, wire::kClusterMax), any_text(rng, wire::kNameMax),
                    any_instance(rng)}};
    case 17: return Direct{any_number(rng), any_bytes(rng, std::min(100 * size, wire::kDirectMax))};
    case 18: return DirectAck{any_number(rng)};
    case 19:
      return Ask{any_instance(rng), any_number(rng), any_number(rng), static_cast<std::uint8_t>(rng.below(256)),
                 any_bytes(rng, std::min(100 * size, wire::kQuestionMax))};
    case 20: {
      Answers answers{any_instance(rng), any_number(rng), {}};
      answers.answers.resize(rng.below(size + 1));
      for (auto& answer : answers.answers) answer = {any_instance(rng), any_bytes(rng, 10 * size)};
      return answers;
    }
    default: {
      Forget forget;
      forget.orders.resize(rng.below(std::min(size, wire::kForgetsMax) + 1));
      for (auto& order : forget.orders) {
        order = {"m" + any_text(rng, wire::kForgetNameMax - 1), static_cast<std::uint32_t>(any_number(rng, UINT32_MAX)),
                 any_number(rng), any_text(rng, wire::kNameMax)};
      }
      return forget;
    }
  }
}

}  // namespace plumvine::test
