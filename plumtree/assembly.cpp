#include "assembly.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core.hpp"

namespace plumvine::tree {

namespace {
/// Progress is told so many times at most, and not more often than each mebibyte.
constexpr std::uint64_t kSteps = 20;
constexpr std::uint64_t kStepBytes = 1 << 20;

/// Of all parts, from the sums of each.
frame::Checksum sum_of(const std::function<frame::Checksum(BytesView)>& checksum, const std::vector<frame::Checksum>& parts) {
  return checksum({parts.front().data(), parts.size() * sizeof(frame::Checksum)});
}

bool same(const frame::Part& a, const frame::Part& b) {
  return a.encoding == b.encoding && a.size == b.size && a.encoded_size == b.encoded_size && a.checksum == b.checksum;
}
}  // namespace

std::shared_ptr<Whole> Assemblies::publish(Sequence first, const frame::Payload& payload) const {
  auto whole = std::make_shared<Whole>();
  whole->origin = kSelf;
  whole->first = first;
  whole->about.encoding = payload.encoding;
  whole->about.size = payload.size;
  whole->about.encoded_size = payload.bytes.size();
  whole->state = Whole::State::complete;
  whole->payload = payload.bytes;
  if (!checksum_) return whole;
  std::vector<frame::Checksum> parts;
  for (std::uint64_t i = 0; i < whole->about.parts(); ++i) parts.push_back(checksum_(payload.bytes.slice(i * frame::kPartSize, frame::kPartSize).view()));
  whole->about.checksum = sum_of(checksum_, parts);
  return whole;
}

Assemblies::Admission Assemblies::admit(OriginIndex origin, const frame::Gossip& gossip, bool wanted, Timestamp now) {
  const Sequence sequence = gossip.id.sequence;
  if (!gossip.part) {
    if (overlapping(origin, {sequence, sequence}).empty()) return {};
    return {false, FrameReject::part_mismatch};
  }
  const frame::Part& part = *gossip.part;
  auto whole = std::make_shared<Whole>();
  whole->origin = origin;
  whole->first = sequence - part.index;
  whole->about = part;
  whole->topic = gossip.topic;
  whole->began = now;
  const SequenceRange range = whole->range();
  if (const auto known = overlapping(origin, range); !known.empty()) {
    const bool fits = known.size() == 1 && known[0]->first == whole->first && same(known[0]->about, part) && known[0]->topic == gossip.topic;
    return fits ? Admission{true, {}, known[0]} : Admission{false, FrameReject::part_mismatch};
  }
  for (const SequenceRange& held : common(core_.store.held(origin), range)) {
    // Of a whole that was given up, or something else that has these sequences.
    const StoredMessage& other = *core_.store.find({gossip.id.origin, held.first});
    if (!other.whole || other.whole->first != whole->first || !same(other.whole->about, part)) return {false, FrameReject::part_mismatch};
  }
  // What was seen and is not being put together lies before our start, or was given up and reported.
  const auto missing = core_.seen.missing_in(origin, range, 2);
  if (!wanted || missing.size() != 1 || missing[0] != range) return {true, {}, std::move(whole)};
  if (count_ >= kPartialMax || reserved_ + part.encoded_size > core_.config.store_bytes()) return {false, FrameReject::part_limit};
  whole->state = Whole::State::partial;
  partial_[origin].emplace(whole->first, whole);
  ++count_;
  reserved_ += part.encoded_size;
  return {true, {}, std::move(whole)};
}

bool Assemblies::add(Whole& whole, std::uint64_t index, Bytes& payload) {
  if (!whole.block) {
    whole.block = block_ ? block_(whole.about.encoded_size) : std::make_shared_for_overwrite<std::byte[]>(whole.about.encoded_size);
    whole.checksums.resize(whole.about.parts());
  }
  const std::size_t offset = index * frame::kPartSize;
  std::memcpy(whole.block.get() + offset, payload.data(), payload.size());
  payload = Bytes::adopt(whole.block, offset, payload.size());
  if (checksum_) whole.checksums[index] = checksum_(payload.view());
  whole.bytes += payload.size();
  return ++whole.parts_here == whole.about.parts();
}

bool Assemblies::finish(Whole& whole) {
  const bool intact = !checksum_ || sum_of(checksum_, whole.checksums) == whole.about.checksum;
  remove(whole);
  whole.state = intact ? Whole::State::complete : Whole::State::given_up;
  if (intact) whole.payload = Bytes::adopt(whole.block, 0, whole.about.encoded_size);
  whole.block = nullptr;
  whole.checksums = {};
  return intact;
}

void Assemblies::give_up(Whole& whole) {
  remove(whole);
  whole.state = Whole::State::given_up;
  whole.block = nullptr;
  whole.checksums = {};
}

void Assemblies::remove(const Whole& whole) {
  const auto of_origin = partial_.find(whole.origin);
  --count_;
  reserved_ -= whole.about.encoded_size;
  of_origin->second.erase(whole.first);
  if (of_origin->second.empty()) partial_.erase(of_origin);
}

bool Assemblies::tell_progress(Whole& whole) {
  const std::uint64_t step = std::max(kStepBytes, whole.about.encoded_size / kSteps);
  if (whole.bytes - whole.told < step || whole.bytes == whole.about.encoded_size) return false;
  whole.told = whole.bytes;
  return true;
}

std::vector<std::shared_ptr<Whole>> Assemblies::overlapping(OriginIndex origin, SequenceRange range) const {
  std::vector<std::shared_ptr<Whole>> found;
  const auto of_origin = partial_.find(origin);
  if (of_origin == partial_.end()) return found;
  auto it = of_origin->second.upper_bound(range.last);
  while (it != of_origin->second.begin() && (--it)->second->range().last >= range.first) found.push_back(it->second);
  return found;
}

std::vector<LargeInfo> Assemblies::infos(Timestamp now) const {
  std::vector<LargeInfo> out;
  for (const auto& [origin, wholes] : partial_) {
    for (const auto& [first, whole] : wholes) {
      out.push_back({{core_.seen[origin].instance, first}, core_.seen[origin].name, whole->topic, whole->parts_here, whole->about.parts(),
                     whole->bytes, whole->about.encoded_size, to_seconds(now - whole->began)});
    }
  }
  return out;
}

void Assemblies::check(std::vector<std::string>& broken) const {
  std::size_t count = 0;
  std::uint64_t reserved = 0;
  for (const auto& [origin, wholes] : partial_) {
    std::uint64_t here = 0;
    for (const auto& [first, whole] : wholes) {
      ++count;
      reserved += whole->about.encoded_size;
      here += whole->parts_here;
      if (whole->state != Whole::State::partial) broken.emplace_back("a payload that is not partial is put together");
    }
    const auto it = core_.assembling.find(origin);
    if (here != (it == core_.assembling.end() ? 0 : it->second.count())) broken.emplace_back("the parts of partial payloads are miscounted");
  }
  if (partial_.size() != core_.assembling.size()) broken.emplace_back("parts of a payload that is not put together");
  if (count != count_ || reserved != reserved_) broken.emplace_back("the count of partial payloads is wrong");
  if (count > kPartialMax || reserved > core_.config.store_bytes()) broken.emplace_back("too much is put together");
}

}  // namespace plumvine::tree
