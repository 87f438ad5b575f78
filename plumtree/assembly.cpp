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
}  // namespace

std::shared_ptr<Whole> Assemblies::publish(Sequence sequence, OriginIndex parts_origin, Sequence first, const frame::Payload& payload) const {
  auto whole = std::make_shared<Whole>();
  whole->origin = kSelf;
  whole->sequence = sequence;
  whole->parts_origin = parts_origin;
  whole->about.encoding = payload.encoding;
  whole->about.size = payload.size;
  whole->about.encoded_size = payload.bytes.size();
  whole->about.first = first;
  whole->state = Whole::State::complete;
  whole->payload = payload.bytes;
  if (!checksum_) return whole;
  std::vector<frame::Checksum> parts;
  for (std::uint64_t i = 0; i < whole->about.parts(); ++i) parts.push_back(checksum_(payload.bytes.slice(i * frame::kPartSize, frame::kPartSize).view()));
  whole->about.checksum = sum_of(checksum_, parts);
  return whole;
}

std::shared_ptr<Whole> Assemblies::in_frame(OriginIndex origin, const frame::Gossip& gossip) const {
  auto whole = std::make_shared<Whole>();
  whole->origin = origin;
  whole->sequence = gossip.id.sequence;
  whole->about = *gossip.about;
  whole->payload = gossip.payload;
  whole->state = Whole::State::complete;
  const bool intact = !checksum_ || sum_of(checksum_, {checksum_(gossip.payload.view())}) == gossip.about->checksum;
  return intact ? whole : nullptr;
}

Assemblies::Admission Assemblies::admit(OriginIndex origin, OriginIndex parts_origin, const frame::Gossip& gossip, bool wanted, Timestamp now) {
  const frame::About& about = *gossip.about;
  auto whole = std::make_shared<Whole>();
  whole->origin = origin;
  whole->sequence = gossip.id.sequence;
  whole->parts_origin = parts_origin;
  whole->about = about;
  whole->topic = gossip.topic;
  whole->began = now;
  if (!wanted) return {std::move(whole)};
  if (!overlapping(parts_origin, about.range()).empty()) return {nullptr, FrameReject::part_mismatch};
  if (count_ >= kPartialMax || reserved_ + about.encoded_size > core_.config.store_bytes()) return {nullptr, FrameReject::part_limit};
  whole->state = Whole::State::partial;
  partial_[parts_origin].emplace(about.first, whole);
  ++count_;
  reserved_ += about.encoded_size;
  return {std::move(whole)};
}

std::shared_ptr<Whole> Assemblies::find(OriginIndex parts_origin, Sequence part) const {
  for (const ByOrigin* table : {&partial_, &passed_}) {
    const auto of_origin = table->find(parts_origin);
    if (of_origin == table->end()) continue;
    const auto after = of_origin->second.upper_bound(part);
    if (after == of_origin->second.begin()) continue;
    if (const auto& whole = std::prev(after)->second; part <= whole->about.range().last) return whole;
  }
  return nullptr;
}

void Assemblies::forget(const Whole& whole) {
  const auto of_origin = passed_.find(whole.parts_origin);
  if (of_origin == passed_.end()) return;
  const auto it = of_origin->second.find(whole.about.first);
  if (it == of_origin->second.end() || it->second.get() != &whole) return;
  of_origin->second.erase(it);
  if (of_origin->second.empty()) passed_.erase(of_origin);
}

void Assemblies::add(Whole& whole, Sequence part, Bytes& payload) {
  if (!whole.block) {
    whole.block = block_ ? block_(whole.about.encoded_size) : std::make_shared_for_overwrite<std::byte[]>(whole.about.encoded_size);
    whole.checksums.resize(whole.about.parts());
  }
  const std::size_t offset = whole.about.offset_of(part);
  std::memcpy(whole.block.get() + offset, payload.data(), payload.size());
  payload = Bytes::adopt(whole.block, offset, payload.size());
  if (checksum_) whole.checksums[part - whole.about.first] = checksum_(payload.view());
  whole.bytes += payload.size();
  ++whole.parts_here;
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
  const auto of_origin = partial_.find(whole.parts_origin);
  --count_;
  reserved_ -= whole.about.encoded_size;
  of_origin->second.erase(whole.about.first);
  if (of_origin->second.empty()) partial_.erase(of_origin);
}

bool Assemblies::tell_progress(Whole& whole) {
  const std::uint64_t step = std::max(kStepBytes, whole.about.encoded_size / kSteps);
  if (whole.bytes - whole.told < step || whole.bytes == whole.about.encoded_size) return false;
  whole.told = whole.bytes;
  return true;
}

std::vector<std::shared_ptr<Whole>> Assemblies::overlapping(OriginIndex parts_origin, SequenceRange range) const {
  std::vector<std::shared_ptr<Whole>> found;
  for (const ByOrigin* table : {&partial_, &passed_}) {
    const auto of_origin = table->find(parts_origin);
    if (of_origin == table->end()) continue;
    auto it = of_origin->second.upper_bound(range.last);
    while (it != of_origin->second.begin() && (--it)->second->about.range().last >= range.first) found.push_back(it->second);
  }
  return found;
}

std::vector<LargeInfo> Assemblies::infos(Timestamp now) const {
  std::vector<LargeInfo> out;
  for (const auto& [parts_origin, wholes] : partial_) {
    for (const auto& [first, whole] : wholes) {
      const auto& origin = core_.seen[whole->origin];
      out.push_back({{origin.instance, whole->sequence}, origin.name, whole->topic, whole->parts_here, whole->about.parts(),
                     whole->bytes, whole->about.encoded_size, to_seconds(now - whole->began)});
    }
  }
  return out;
}

void Assemblies::check(std::vector<std::string>& broken) const {
  std::size_t count = 0;
  std::uint64_t reserved = 0;
  for (const auto& [parts_origin, wholes] : partial_) {
    for (const auto& [first, whole] : wholes) {
      ++count;
      reserved += whole->about.encoded_size;
      std::uint64_t held = 0;
      for (const SequenceRange& part : common(core_.store.held(parts_origin), whole->about.range())) held += part.last - part.first + 1;
      if (held != whole->parts_here) broken.emplace_back("the parts of a partial payload are miscounted");
      if (whole->state != Whole::State::partial) broken.emplace_back("a payload that is not partial is put together");
      const auto it = core_.assembling.find(whole->origin);
      if (it == core_.assembling.end() || !it->second.contains(whole->sequence)) broken.emplace_back("nobody waits for a payload that is put together");
    }
  }
  std::size_t waiting = 0;
  for (const auto& [origin, set] : core_.assembling) waiting += set.count();
  if (count != count_ || reserved != reserved_ || waiting != count_) broken.emplace_back("the count of partial payloads is wrong");
  if (count > kPartialMax || reserved > core_.config.store_bytes()) broken.emplace_back("too much is put together");
}

}  // namespace plumvine::tree
