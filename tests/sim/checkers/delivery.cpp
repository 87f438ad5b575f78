#include "delivery.hpp"

#include <algorithm>

#include <sim/trace.hpp>

namespace plumvine::sim {

namespace {

constexpr std::size_t kGapsMax = 10;

std::uint64_t hash_of(const Bytes& payload) {
  Trace hash;
  hash.mix(payload.view());
  return hash.hash();
}

std::string text(const SequenceRange& range) {
  return std::to_string(range.first) + ".." + std::to_string(range.last);
}

}  // namespace

void DeliveryLog::published(MessageId id, const Bytes& payload) {
  auto& hashes = payloads_[id.origin];
  hashes.resize(std::max<std::size_t>(hashes.size(), id.sequence));
  hashes[id.sequence - 1] = hash_of(payload);
  ++published_;
}

std::string DeliveryLog::delivered(InstanceId receiver, MessageId id, const Bytes& payload, bool ordered) {
  ++deliveries_;
  auto it = payloads_.find(id.origin);
  if (it == payloads_.end() || id.sequence == 0 || id.sequence > it->second.size()) {
    return "delivered " + to_string(id) + ", which nobody published";
  }
  if (it->second[id.sequence - 1] != hash_of(payload)) return "delivered " + to_string(id) + " with another payload";
  if (receiver == id.origin) return "delivered its own " + to_string(id);
  Receiver& process = receivers_[receiver];
  if (!process.delivered[id.origin].add(id.sequence)) return "delivered " + to_string(id) + " twice";
  if (const auto gone = process.given_up.find(id.origin); gone != process.given_up.end() && gone->second.contains(id.sequence)) {
    return "delivered " + to_string(id) + ", which it had given up";
  }
  if (!ordered) return {};
  Sequence& last = process.ordered[id.origin];
  if (id.sequence < last) return "delivered " + to_string(id) + " after its " + std::to_string(last) + " on an ordered topic";
  last = id.sequence;
  return {};
}

void DeliveryLog::lost(InstanceId receiver, InstanceId origin, SequenceRange range) {
  lost_ += receivers_[receiver].given_up[origin].add(range);
}

void DeliveryLog::became_ready(InstanceId receiver) {
  Receiver& process = receivers_[receiver];
  if (process.ready) return;
  process.ready = true;
  for (const auto& [origin, hashes] : payloads_) process.owed_after[origin] = hashes.size();
}

/// First sequence of `origin` that the process must have; 0 = it owes nothing of it.
Sequence DeliveryLog::owed_from(const Receiver& process, InstanceId origin) const {
  auto have = process.delivered.find(origin);
  const bool nothing = have == process.delivered.end() || have->second.empty();
  if (!process.ready) return nothing ? 0 : have->second.front().first;
  auto owed = process.owed_after.find(origin);
  const Sequence first = owed == process.owed_after.end() ? 1 : owed->second + 1;
  return nothing ? first : std::min(first, have->second.front().first);
}

DeliveryLog::Comparison DeliveryLog::compare(const std::vector<InstanceId>& receivers) const {
  static const Receiver kNothing;
  auto process_of = [this](InstanceId receiver) -> const Receiver& {
    auto it = receivers_.find(receiver);
    return it == receivers_.end() ? kNothing : it->second;
  };
  Comparison result;
  for (const auto& [origin, hashes] : payloads_) {
    IntervalSet known;
    for (InstanceId receiver : receivers) {
      if (receiver == origin && !hashes.empty()) known.add(SequenceRange{1, hashes.size()});
      const Receiver& process = process_of(receiver);
      if (auto have = process.delivered.find(origin); have != process.delivered.end()) {
        for (const SequenceRange& range : have->second.list()) known.add(range);
      }
    }
    if (known.empty()) continue;
    for (InstanceId receiver : receivers) {
      const Receiver& process = process_of(receiver);
      const Sequence first = owed_from(process, origin);
      if (receiver == origin || first == 0) continue;
      const auto have = process.delivered.find(origin);
      for (const SequenceRange& range : known.list()) {
        if (range.last < first) continue;
        const SequenceRange due{std::max(range.first, first), range.last};
        result.expected += due.last - due.first + 1;
        const auto gaps = have == process.delivered.end() ? std::vector<SequenceRange>{due} : have->second.missing_in(due);
        result.delivered += due.last - due.first + 1;
        const auto given_up = process.given_up.find(origin);
        for (const SequenceRange& gap : gaps) {
          result.delivered -= gap.last - gap.first + 1;
          const auto open = given_up == process.given_up.end() ? std::vector<SequenceRange>{gap} : given_up->second.missing_in(gap);
          result.given_up += gap.last - gap.first + 1;
          for (const SequenceRange& one : open) result.given_up -= one.last - one.first + 1;
          if (open.empty() || result.gaps.size() >= kGapsMax) continue;
          result.gaps.push_back(to_string(receiver) + " lacks " + text(open.front()) + " of " + to_string(origin));
        }
      }
    }
  }
  return result;
}

std::uint64_t DeliveryLog::deliveries_at(InstanceId receiver) const {
  std::uint64_t sum = 0;
  if (auto it = receivers_.find(receiver); it != receivers_.end()) {
    for (const auto& [origin, have] : it->second.delivered) sum += have.count();
  }
  return sum;
}

std::uint64_t DeliveryLog::deliveries_at(InstanceId receiver, InstanceId origin) const {
  auto it = receivers_.find(receiver);
  if (it == receivers_.end()) return 0;
  auto have = it->second.delivered.find(origin);
  return have == it->second.delivered.end() ? 0 : have->second.count();
}

std::uint64_t DeliveryLog::published_by(InstanceId origin) const {
  auto it = payloads_.find(origin);
  return it == payloads_.end() ? 0 : it->second.size();
}

}  // namespace plumvine::sim
