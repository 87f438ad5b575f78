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
#include <plumvine/detail/interval_set.hpp>
#include <plumvine/snapshot.hpp>
#include <plumvine/types.hpp>

#include "frames.hpp"
#include "seen.hpp"

namespace plumvine::tree {

struct StoredMessage;
class Core;

/// A payload that its gossip does not have as it is, as this node knows it. The message and those of its parts that belong to it share it.
struct Whole {
  enum class State : std::uint8_t {
    partial,   ///< parts are missing
    complete,
    given_up,  ///< it will not be delivered here; message and parts are only passed on
  };
  OriginIndex origin = 0;
  Sequence sequence = 0;        ///< of the message
  OriginIndex parts_origin = 0; ///< of its parts, where there are any
  frame::About about;
  State state = State::given_up;
  Bytes payload;                ///< all of it, once complete
  std::uint64_t bytes = 0;      ///< of the parts that are here
  std::uint64_t parts_here = 0;
  std::uint64_t told = 0;       ///< bytes when progress was told last
  std::string topic;
  Timestamp began;
  std::map<std::uint16_t, IntervalSet> askers;  ///< by link: parts that it is to get as soon as they are here
  std::shared_ptr<std::byte[]> block;     ///< parts are copied to their places in it
  std::vector<frame::Checksum> checksums; ///< of the parts that are here, by place
};

/// Puts payloads together that come in parts.
///
/// The first part that is here reserves a block for all of them, whose untouched pages cost nothing; each part is copied to its place, and what
/// the store keeps is a slice of the block, so everything is in memory once.
///
/// Bounds: `kPartialMax` payloads and `sync_max_bytes` under way; a message that says more is refused, unseen, so that digests bring it
/// when there is room. Who owns it ends an assembly as soon as the message or a part leaves the store. Not thread-safe; owned by `Tree`.
class Assemblies {
 public:
  static constexpr std::size_t kPartialMax = 256;

  Assemblies(Core& core, frame::LargeTools tools) : core_(core), checksum_(std::move(tools.checksum)), block_(std::move(tools.block)) {}

  /// For a publisher: what is to be said of `payload`, whose parts begin with `first`; 0 where it goes in one frame.
  [[nodiscard]] std::shared_ptr<Whole> publish(Sequence sequence, OriginIndex parts_origin, Sequence first, const frame::Payload& payload) const;
  /// Of a gossip that has all of its payload; null if it is damaged.
  [[nodiscard]] std::shared_ptr<Whole> in_frame(OriginIndex origin, const frame::Gossip& gossip) const;

  /// Begins the assembly of what the gossip says. Null in `whole`: it was refused, and `why` says for what reason. What is not `wanted` is only passed on.
  struct Admission {
    std::shared_ptr<Whole> whole = {};
    FrameReject why{};
  };
  [[nodiscard]] Admission admit(OriginIndex origin, OriginIndex parts_origin, const frame::Gossip& gossip, bool wanted, Timestamp now);
  /// One that is only passed on and whose parts may be asked for; the caller forgets it with its message.
  void remember(const std::shared_ptr<Whole>& whole) { passed_[whole->parts_origin][whole->about.first] = whole; }
  void forget(const Whole& whole);
  /// What the part belongs to: a partial one, or one that is remembered; null while there is none.
  [[nodiscard]] std::shared_ptr<Whole> find(OriginIndex parts_origin, Sequence part) const;
  /// Copies a part into its place and makes `payload` a slice of it.
  void add(Whole& whole, Sequence part, Bytes& payload);
  /// All parts are here: true if they are what the publisher sent.
  bool finish(Whole& whole);
  /// It will not be completed.
  void give_up(Whole& whole);
  /// True now and then, when enough has come since.
  [[nodiscard]] static bool tell_progress(Whole& whole);

  /// Calls `use` with every one that `find` could find.
  template <class Use>
  void each(Use use) const {
    for (const ByOrigin* table : {&partial_, &passed_}) {
      for (const auto& [origin, wholes] : *table) {
        for (const auto& [first, whole] : wholes) use(whole);
      }
    }
  }
  /// Those that `find` could find for parts in the range.
  [[nodiscard]] std::vector<std::shared_ptr<Whole>> overlapping(OriginIndex parts_origin, SequenceRange range) const;
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
  using ByOrigin = std::map<OriginIndex, std::map<Sequence, std::shared_ptr<Whole>>>;
  ByOrigin partial_;  // by the origin of their parts and the first of them; disjoint
  ByOrigin passed_;
  std::size_t count_ = 0;
  std::uint64_t reserved_ = 0;
};

}  // namespace plumvine::tree
