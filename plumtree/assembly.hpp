#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

#include "frames.hpp"
#include "seen.hpp"

namespace plumvine::tree {

struct StoredMessage;
class Core;

/// A payload that goes in parts, as this node knows it. The stored parts share it.
struct Whole {
  enum class State : std::uint8_t {
    partial,   ///< parts are missing
    complete,
    given_up,  ///< it will not be delivered here; its parts are only passed on
  };
  OriginIndex origin = 0;
  Sequence first = 0;           ///< of the first part: names the message
  frame::Part about;            ///< `index` says nothing
  State state = State::given_up;
  Bytes payload;                ///< all of it, once complete
  std::uint64_t bytes = 0;      ///< of the parts that are here
  std::uint64_t parts_here = 0;
  std::uint64_t told = 0;       ///< bytes when progress was told last
  std::string topic;
  Timestamp began;
  std::shared_ptr<std::byte[]> block;     ///< parts are copied to their places in it
  std::vector<frame::Checksum> checksums; ///< of the parts that are here, by index

  [[nodiscard]] SequenceRange range() const noexcept { return {first, first + about.parts() - 1}; }
};

/// Puts payloads together that come in parts.
///
/// The first part reserves a block for all of them, whose untouched pages cost nothing; each part is copied to its place, and what
/// the store keeps is a slice of the block, so everything is in memory once. What the first part to come says of the whole
/// counts; parts that say something else are refused.
///
/// Bounds: `kPartialMax` payloads and `sync_max_bytes` under way; parts of more are refused, unseen, so that digests bring them
/// when there is room. Who owns it ends an assembly as soon as a part leaves the store. Not thread-safe; owned by `Tree`.
class Assemblies {
 public:
  static constexpr std::size_t kPartialMax = 256;

  Assemblies(Core& core, frame::LargeTools tools) : core_(core), checksum_(std::move(tools.checksum)), block_(std::move(tools.block)) {}

  /// For a publisher: the whole of which `payload` is cut into parts.
  [[nodiscard]] std::shared_ptr<Whole> publish(Sequence first, const frame::Payload& payload) const;

  /// What a gossip that was not seen before is a part of; begins an assembly with the first one. Null in `whole` of one that is no
  /// part. Not `fits`: it contradicts what is here, or there is no room; `why` says which. What is not `wanted` is only passed on.
  struct Admission {
    bool fits = true;
    FrameReject why{};
    std::shared_ptr<Whole> whole = {};
  };
  [[nodiscard]] Admission admit(OriginIndex origin, const frame::Gossip& gossip, bool wanted, Timestamp now);
  /// Copies a part into its place and makes `payload` a slice of it. True: it was the last one that was missing.
  bool add(Whole& whole, std::uint64_t index, Bytes& payload);
  /// All parts are here: true if they are what the publisher sent.
  bool finish(Whole& whole);
  /// It will not be completed.
  void give_up(Whole& whole);
  /// True now and then, when enough has come since.
  [[nodiscard]] static bool tell_progress(Whole& whole);

  /// Partial ones of the origin that have a sequence in the range.
  [[nodiscard]] std::vector<std::shared_ptr<Whole>> overlapping(OriginIndex origin, SequenceRange range) const;
  [[nodiscard]] std::vector<LargeInfo> infos(Timestamp now) const;
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  /// Bytes that are reserved for partial ones.
  [[nodiscard]] std::uint64_t reserved() const noexcept { return reserved_; }
  void check(std::vector<std::string>& broken) const;

 private:
  void remove(const Whole& whole);

  Core& core_;
  std::function<frame::Checksum(BytesView)> checksum_;
  std::function<std::shared_ptr<std::byte[]>(std::size_t)> block_;
  std::map<OriginIndex, std::map<Sequence, std::shared_ptr<Whole>>> partial_;  // by first sequence; disjoint
  std::size_t count_ = 0;
  std::uint64_t reserved_ = 0;
};

}  // namespace plumvine::tree
