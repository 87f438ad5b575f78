#include "delivery.hpp"

#include <algorithm>

#include <sim/trace.hpp>

namespace plumvine::sim {

namespace {

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
}

std::string DeliveryLog::delivered(InstanceId receiver, MessageId id, const Bytes& payload) {
  ++deliveries_;
  auto it = payloads_.find(id.origin);
  if (it == payloads_.end() || id.sequence == 0 || id.sequence > it->second.size()) {
    return "delivered " + to_string(id) + ", which nobody published";
  }
  if (it->second[id.sequence - 1] != hash_of(payload)) return "delivered " + to_string(id) + " with another payload";
  if (receiver == id.origin) return "delivered its own " + to_string(id);
  if (!receivers_[receiver].delivered[id.origin].add(id.sequence)) return "delivered " + to_string(id) + " twice";
  return {};
}

void DeliveryLog::lost(InstanceId receiver, InstanceId origin, SequenceRange range) {
  lost_ += receivers_[receiver].delivered[origin].add(range);
}

void DeliveryLog::became_ready(InstanceId receiver) {
  Receiver& process = receivers_[receiver];
  if (process.ready) return;
  process.ready = true;
  for (const auto& [origin, hashes] : payloads_) process.owed_after[origin] = hashes.size();
}

std::vector<std::string> DeliveryLog::unfinished(const std::vector<InstanceId>& receivers) const {
  std::vector<std::string> problems;
  for (const auto& [origin, hashes] : payloads_) {
    IntervalSet known;
    for (InstanceId receiver : receivers) {
      if (receiver == origin && !hashes.empty()) known.add(SequenceRange{1, hashes.size()});
      auto process = receivers_.find(receiver);
      if (process == receivers_.end()) continue;
      auto have = process->second.delivered.find(origin);
      if (have == process->second.delivered.end()) continue;
      for (const SequenceRange& range : have->second.list()) known.add(range);
    }
    if (known.empty()) continue;
    for (InstanceId receiver : receivers) {
      if (receiver == origin) continue;
      static const Receiver kNothing;
      auto found = receivers_.find(receiver);
      const Receiver& process = found == receivers_.end() ? kNothing : found->second;
      auto have = process.delivered.find(origin);
      const bool nothing = have == process.delivered.end() || have->second.empty();
      auto owed = process.owed_after.find(origin);
      Sequence first = owed == process.owed_after.end() ? 1 : owed->second + 1;
      if (!process.ready) {
        if (nothing) continue;
        first = have->second.front().first;
      } else if (!nothing) {
        first = std::min(first, have->second.front().first);
      }
      for (const SequenceRange& range : known.list()) {
        if (range.last < first) continue;
        const SequenceRange due{std::max(range.first, first), range.last};
        const auto gaps = nothing ? std::vector<SequenceRange>{due} : have->second.missing_in(due, 1);
        if (gaps.empty()) continue;
        problems.push_back(to_string(receiver) + " lacks " + text(gaps.front()) + " of " + to_string(origin));
        if (problems.size() >= 10) return problems;
        break;
      }
    }
  }
  return problems;
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
