#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <plumvine/bytes.hpp>
#include <plumvine/detail/interval_set.hpp>
#include <plumvine/types.hpp>

namespace plumvine::sim {

/// Remembers what was published and what every process delivered. Safety: nothing is delivered twice, nothing that was
/// not published, nothing after it was given up, no payload changed on the way, no ordered message before an earlier one. Liveness (`unfinished`): what one of the given processes has, all have.
class DeliveryLog {
 public:
  void published(MessageId id, const Bytes& payload);
  /// A broken rule as text; empty = fine. `ordered`: its topic asks for the order of its origin.
  std::string delivered(InstanceId receiver, MessageId id, const Bytes& payload, bool ordered);
  void lost(InstanceId receiver, InstanceId origin, SequenceRange range);
  /// From now on `receiver` owes every message: what is published after this must reach it.
  void became_ready(InstanceId receiver);

  /// What is missing at some of `receivers` (and is known to one of them), at most a few lines. Processes that were
  /// ready must have everything since then; joiners nothing before their own first message of an origin, and no hole
  /// after it.
  [[nodiscard]] std::vector<std::string> unfinished(const std::vector<InstanceId>& receivers) const {
    return compare(receivers).gaps;
  }
  /// The same in numbers: what the given processes should have and have.
  struct Comparison {
    std::uint64_t expected = 0, delivered = 0;
    std::uint64_t given_up = 0;  ///< reported lost, although another of the processes delivered it
    std::vector<std::string> gaps;
  };
  [[nodiscard]] Comparison compare(const std::vector<InstanceId>& receivers) const;
  [[nodiscard]] std::uint64_t deliveries() const noexcept { return deliveries_; }
  [[nodiscard]] std::uint64_t deliveries_at(InstanceId receiver) const;
  [[nodiscard]] std::uint64_t deliveries_at(InstanceId receiver, InstanceId origin) const;
  [[nodiscard]] std::uint64_t published_by(InstanceId origin) const;
  [[nodiscard]] std::uint64_t published_count() const noexcept { return published_; }
  /// Messages that were reported lost instead of being delivered.
  [[nodiscard]] std::uint64_t lost_count() const noexcept { return lost_; }

 private:
  struct Receiver {
    std::unordered_map<InstanceId, IntervalSet> delivered;
    std::map<InstanceId, IntervalSet> given_up;
    std::unordered_map<InstanceId, Sequence> ordered;  ///< the last on an ordered topic, by origin
    std::map<InstanceId, Sequence> owed_after;  ///< what each origin had published when the receiver became ready
    bool ready = false;
  };
  /// What a process owes of one origin, given what is known of it anywhere.
  [[nodiscard]] Sequence owed_from(const Receiver& process, InstanceId origin) const;

  std::map<InstanceId, std::vector<std::uint64_t>> payloads_;  ///< hash by sequence - 1
  std::unordered_map<InstanceId, Receiver> receivers_;         ///< never iterated
  std::uint64_t published_ = 0;
  std::uint64_t deliveries_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace plumvine::sim
