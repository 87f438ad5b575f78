#include "guard.hpp"

#include <algorithm>
#include <utility>

namespace plumvine {

namespace {
constexpr std::string_view kNamePrefix = "name:";
constexpr std::string_view kIdentityPrefix = "identity:";
constexpr std::string_view kUriPrefix = "plumvine://";
constexpr std::size_t kNameMax = 512;

bool over(Timestamp until, Timestamp now) noexcept { return until != kNever && until <= now; }
}  // namespace

Result<Guard::Block> Guard::read(std::string_view what) {
  Block block;
  const bool by_name = what.starts_with(kNamePrefix);
  if (by_name || what.starts_with(kIdentityPrefix)) {
    block.kind = by_name ? Kind::name : Kind::identity;
    block.what = what;
    std::string_view name = what.substr(by_name ? kNamePrefix.size() : kIdentityPrefix.size());
    if (!by_name && name.starts_with("URI:")) name.remove_prefix(4);
    if (!by_name && name.starts_with("DNS:")) name.remove_prefix(4);
    if (!by_name && name.starts_with(kUriPrefix)) {
      // The label was judged before the name is compared: certificates of other clusters get no connection at all.
      const auto slash = name.find('/', kUriPrefix.size());
      if (slash == std::string_view::npos)
        return Error{Errc::invalid_argument, "'" + std::string(what) + "' names no member: identity:plumvine://LABEL/NAME"};
      name.remove_prefix(slash + 1);
    }
    if (name.empty() || name.size() > kNameMax)
      return Error{Errc::invalid_argument, "'" + std::string(what) + "' has no name of 1 to 512 bytes behind the colon"};
    block.name = name;
    return block;
  }
  std::string text(what);
  if (text.find('/') == std::string::npos) {
    const std::string host = text.starts_with('[') && text.ends_with(']') ? text.substr(1, text.size() - 2) : text;
    text = host + (host.find(':') == std::string::npos ? "/32" : "/128");
  }
  auto network = Network::parse(text);
  if (!network) {
    return Error{Errc::invalid_argument,
                 "'" + std::string(what) + "' is neither an address (10.1.2.3), a network (10.0.0.0/8), name:NAME nor identity:SAN"};
  }
  block.network = *network;
  block.what = block.network.to_string();
  return block;
}

Result<std::string> Guard::block(std::string_view what, std::optional<Duration> left, Timestamp now) {
  auto made = read(what);
  if (!made) return made.error();
  if (left && (*left <= Duration{0} || *left > kBlockMax)) return Error{Errc::invalid_argument, "a block lasts from above 0 to 366 days"};
  made->until = left ? now + *left : kNever;
  const auto same = std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return b.what == made->what; });
  if (same != blocks_.end()) {
    same->until = made->until;
    return same->what;
  }
  if (blocks_.size() >= kBlocksMax) return Error{Errc::limit_reached, "there are 1024 blocks already; remove some, or block a network"};
  blocks_.push_back(std::move(*made));
  return blocks_.back().what;
}

Result<std::string> Guard::unblock(std::string_view what) {
  auto wanted = read(what);
  if (!wanted) return wanted.error();
  const auto it = std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return b.what == wanted->what; });
  if (it == blocks_.end()) return Error{Errc::not_found, "'" + wanted->what + "' is not blocked"};
  blocks_.erase(it);
  return std::move(wanted->what);
}

std::vector<std::string> Guard::expire(Timestamp now) {
  std::vector<std::string> gone;
  std::erase_if(blocks_, [&](const Block& block) {
    if (!over(block.until, now)) return false;
    gone.push_back(block.what);
    return true;
  });
  return gone;
}

Timestamp Guard::next(Timestamp now) const {
  Timestamp next = kNever;
  for (const auto& [name, gray] : gray_) {
    if (gray.until > now) next = std::min(next, gray.until);
  }
  for (const Block& block : blocks_) next = std::min(next, block.until);
  return next;
}

const std::string* Guard::hit(Block& block, Blocked what) {
  ++block.refused;
  counts_.add(what);
  return &block.what;
}

const std::string* Guard::blocks(const Endpoint& from, Blocked what, Timestamp now) {
  for (Block& block : blocks_) {
    if (block.kind == Kind::address && !over(block.until, now) && block.network.contains(from)) return hit(block, what);
  }
  return nullptr;
}

const std::string* Guard::blocks_name(std::string_view name, Blocked what, Timestamp now) {
  for (Block& block : blocks_) {
    if (block.kind == Kind::name && !over(block.until, now) && block.name == name) return hit(block, what);
  }
  return nullptr;
}

const std::string* Guard::blocks_identity(const std::vector<std::string>& names, Blocked what, Timestamp now) {
  for (Block& block : blocks_) {
    if (block.kind == Kind::identity && !over(block.until, now) && std::find(names.begin(), names.end(), block.name) != names.end())
      return hit(block, what);
  }
  return nullptr;
}

bool Guard::is_blocked(std::string_view name, const Endpoint& at, Timestamp now) const {
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const Block& block) {
    if (over(block.until, now)) return false;
    return block.kind == Kind::address ? block.network.contains(at) : block.name == name;
  });
}

Duration Guard::punish(std::string_view name, std::string address, std::string reason, Duration first, Timestamp now) {
  ++punished_;
  auto it = gray_.find(name);
  if (it == gray_.end()) {
    if (gray_.size() >= kGrayEntriesMax) {
      gray_.erase(std::min_element(gray_.begin(), gray_.end(), [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
    }
    it = gray_.emplace(std::string(name), Gray{}).first;
  }
  Gray& gray = it->second;
  if (gray.times > 0 && now - gray.until > kGrayMax) gray.times = 0;
  Duration time = std::min(first, kGrayMax);
  for (std::uint64_t i = 0; i < gray.times && time < kGrayMax; ++i) time = std::min(2 * time, kGrayMax);
  ++gray.times;
  gray.at = now;
  gray.until = now + time;
  gray.address = std::move(address);
  gray.reason = std::move(reason);
  return time;
}

bool Guard::is_gray(std::string_view name, Timestamp now) const {
  const auto it = gray_.find(name);
  return it != gray_.end() && it->second.until > now;
}

bool Guard::admits(const Endpoint& from, std::uint32_t per_second, Timestamp now) {
  if (per_second == 0 || from.is_loopback()) return true;
  const double burst = static_cast<double>(per_second) * kAcceptBurst;
  if (buckets_.size() >= kAddressesMax) {
    const Duration full_after = std::chrono::seconds{kAcceptBurst};
    std::erase_if(buckets_, [&](const auto& entry) { return now - entry.second.at > full_after; });
    if (buckets_.size() >= kAddressesMax) buckets_.clear();
  }
  auto [it, fresh] = buckets_.try_emplace(from.host(), Bucket{burst, now});
  Bucket& bucket = it->second;
  bucket.tokens = std::min(burst, bucket.tokens + static_cast<double>(per_second) * to_seconds(now - bucket.at));
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

std::vector<BlockInfo> Guard::block_infos(Timestamp now) const {
  std::vector<BlockInfo> infos;
  for (const Block& block : blocks_) {
    if (over(block.until, now)) continue;
    infos.push_back({block.what, block.until == kNever ? -1.0 : to_seconds(block.until - now), block.refused});
  }
  return infos;
}

std::vector<BlockOrder> Guard::orders(Timestamp now) const {
  std::vector<BlockOrder> orders;
  for (const Block& block : blocks_) {
    if (over(block.until, now)) continue;
    orders.push_back({block.what, block.until == kNever ? std::nullopt : std::optional<Duration>(block.until - now)});
  }
  return orders;
}

std::vector<GraylistInfo> Guard::graylist(Timestamp now) const {
  std::vector<GraylistInfo> infos;
  for (const auto& [name, gray] : gray_) {
    if (now - gray.until > kGrayMax) continue;
    infos.push_back({name, gray.address, gray.reason, gray.times, std::max(0.0, to_seconds(gray.until - now)), to_seconds(now - gray.at)});
  }
  return infos;
}

}  // namespace plumvine
