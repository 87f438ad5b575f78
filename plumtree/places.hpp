#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include <plumvine/detail/check.hpp>
#include <plumvine/types.hpp>

namespace plumvine::tree {

/// Position in the order of arrival, from 1. Never reused.
using Arrival = std::uint64_t;

/// Where the messages of one origin lie in the store, by sequence.
///
/// Sequences that are asked for lie close together, mostly in the newest block or the one before: these two are found at once, others by halving.
/// Memory: a block of 16 places for what is held of each 16 sequences; what is in a run has one entry. Not thread-safe.
class Places {
 public:
  /// Notes a message, or a run, that is not there.
  void add(SequenceRange range, Arrival arrival) {
    if (range.first != range.last) {
      PLUMVINE_CHECK(runs_.emplace(range.first, Run{range.last, arrival}).second, "a run is stored once");
      return;
    }
    Block* here = block(range.first);
    if (here == nullptr) here = &blocks_[range.first / Block::kSize];
    Arrival& known = here->arrivals[range.first % Block::kSize];
    PLUMVINE_CHECK(known == 0, "a message is stored once");
    known = arrival;
    ++here->used;
  }
  /// Removes what was added.
  void remove(SequenceRange range) {
    if (range.first != range.last) {
      runs_.erase(range.first);
      return;
    }
    Block& here = *block(range.first);
    here.arrivals[range.first % Block::kSize] = 0;
    if (--here.used > 0) return;
    const Sequence number = range.first / Block::kSize;
    recent_[number % kRecent] = {};
    blocks_.erase(number);
  }
  /// Of the message, or of the run that it is in.
  [[nodiscard]] std::optional<Arrival> find(Sequence sequence) const {
    if (const Block* here = block(sequence)) {
      if (const Arrival arrival = here->arrivals[sequence % Block::kSize]; arrival != 0) return arrival;
    }
    if (runs_.empty()) return std::nullopt;
    const auto next = runs_.upper_bound(sequence);
    if (next == runs_.begin()) return std::nullopt;
    const Run& run = std::prev(next)->second;
    return run.last >= sequence ? std::optional{run.arrival} : std::nullopt;
  }

 private:
  struct Block {
    static constexpr std::size_t kSize = 16;
    std::array<Arrival, kSize> arrivals{};  ///< 0: not there
    std::uint32_t used = 0;
  };
  struct Run {
    Sequence last = 0;
    Arrival arrival = 0;
  };
  struct Recent {
    Sequence number = 0;
    Block* block = nullptr;
  };
  static constexpr std::size_t kRecent = 2;

  [[nodiscard]] Block* block(Sequence sequence) const {
    const Sequence number = sequence / Block::kSize;
    Recent& last = recent_[number % kRecent];
    if (last.block != nullptr && last.number == number) return last.block;
    const auto it = blocks_.find(number);
    if (it == blocks_.end()) return nullptr;
    last = {number, const_cast<Block*>(&it->second)};
    return last.block;
  }

  mutable std::array<Recent, kRecent> recent_{};
  std::map<Sequence, Block> blocks_;
  std::map<Sequence, Run> runs_;  ///< by the first sequence
};

}  // namespace plumvine::tree
