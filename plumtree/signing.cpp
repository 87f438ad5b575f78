#include "signing.hpp"

#include <algorithm>
#include <plumvine/detail/check.hpp>
#include <utility>

namespace plumvine::tree {

Signing::Signing(const TreeConfig& config, std::string_view name, frame::SignTools tools)
    : config_(&config), tools_(std::move(tools)), name_(name) {
  PLUMVINE_CHECK(mode() == SignOrigins::off || (tools_.hash && tools_.verify && tools_.sign),
                 "who signs has the tools for it");
  if (tools_.sign) keys_.emplace(name_, Known{tools_.own, true});
}

KeyTold Signing::tell_key(std::string_view name, const frame::OriginKey& key, bool proven) {
  const auto it = keys_.find(name);
  if (it == keys_.end()) {
    if (keys_.size() >= kKeysMax) {
      ++no_room_;
      if (!make_room()) return KeyTold::no_room;
    }
    keys_.emplace(name, Known{key, proven});
    ++version_;
    return KeyTold::fresh;
  }
  Known& known = it->second;
  if (known.key.key == key.key) {
    if (key.epoch > known.key.epoch || (proven && !known.proven)) ++version_;
    known.key.epoch = std::max(known.key.epoch, key.epoch);
    known.proven = known.proven || proven;
    known.recalled_us = kHeard;
    return KeyTold::known;
  }
  if (!proven || name == name_) return KeyTold::refused;
  known = {key, true};
  ++version_;
  return KeyTold::replaced;
}

bool Signing::forget_key(std::string_view name) {
  const auto it = keys_.find(name);
  if (it == keys_.end() || name == name_) return false;
  keys_.erase(it);
  refused_.erase({std::string(name), std::string(kKeyChanged)});
  ++version_;
  return true;
}

bool Signing::make_room() {
  auto oldest = keys_.end();
  for (auto it = keys_.begin(); it != keys_.end(); ++it) {
    const std::int64_t at = it->second.recalled_us;
    if (at != kHeard && (oldest == keys_.end() || at < oldest->second.recalled_us)) oldest = it;
  }
  if (oldest == keys_.end()) return false;
  keys_.erase(oldest);
  return true;
}

void Signing::recall_key(const frame::KeptKey& kept, Timestamp now) {
  if (kept.seen_us < wall_us(now) - kKeptFor.count() / 1000 || keys_.contains(kept.member)) return;
  if (keys_.size() >= kKeysMax) {
    ++no_room_;
    return;
  }
  // Whoever set the clock back since then has heard it now.
  keys_.emplace(kept.member, Known{kept.key, kept.proven, std::min(kept.seen_us, wall_us(now))});
}

bool Signing::forget_recalled(std::string_view name, Timestamp given) {
  const auto it = keys_.find(name);
  if (it == keys_.end() || it->second.recalled_us > wall_us(given)) return false;
  return forget_key(name);
}

std::vector<frame::KeptKey> Signing::keep_keys(Timestamp now) {
  const std::int64_t wall = wall_us(now);
  std::erase_if(keys_, [&](const auto& entry) { return entry.second.recalled_us < wall - kKeptFor.count() / 1000; });
  std::vector<frame::KeptKey> kept;
  kept.reserve(keys_.size());
  for (const auto& [name, known] : keys_) {
    if (name != name_) kept.push_back({name, known.key, known.proven, std::min(known.recalled_us, wall)});
  }
  return kept;
}

const frame::OriginKey* Signing::key_of(std::string_view name) const {
  const auto it = keys_.find(name);
  return it == keys_.end() ? nullptr : &it->second.key;
}

std::optional<OriginRefused> Signing::judge(const frame::Gossip& gossip, Timestamp now) {
  const bool required = mode() == SignOrigins::require;
  if (!gossip.signature) return required ? std::optional{OriginRefused::unsigned_} : std::nullopt;
  const frame::Signature& signature = *gossip.signature;
  const auto it = keys_.find(gossip.origin);
  // What costs nothing comes first; but only a right signature says what is wrong with its origin.
  if (it != keys_.end() && it->second.key.key != signature.by.key) {
    return frame::is_signed_by(tools_, gossip) ? OriginRefused::other_key : OriginRefused::bad_signature;
  }
  if (!frame::is_signed_by(tools_, gossip)) return OriginRefused::bad_signature;
  if (signature.at_us < 0) return OriginRefused::too_old;
  const std::int64_t age_us = wall_us(now) - signature.at_us;
  const auto micros = [](Duration duration) { return duration.count() / 1000; };
  if (age_us > micros(config_->signed_max_age)) return OriginRefused::too_old;
  if (-age_us > micros(config_->signed_max_age)) return OriginRefused::from_future;
  if (it == keys_.end()) return required ? std::optional{OriginRefused::unknown_key} : std::nullopt;
  std::uint64_t& newest = it->second.key.epoch;
  // Another run of the member is over. What it has published may still be repaired, for as long as stores keep it, and
  // as long again.
  if (signature.by.epoch < newest && age_us > 2 * micros(config_->sync_window)) return OriginRefused::old_instance;
  newest = std::max(newest, signature.by.epoch);
  return std::nullopt;
}

void Signing::note_refused(std::string_view origin, std::string_view reason, std::string_view peer, Timestamp now) {
  const auto key = std::pair{std::string(origin), std::string(reason)};
  if (!refused_.contains(key) && refused_.size() >= kRefusedMax) {
    refused_.erase(std::min_element(refused_.begin(), refused_.end(),
                                    [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
  }
  Refused& one = refused_[key];
  one.peer = peer;
  ++one.count;
  one.at = now;
}

std::vector<RefusedOriginInfo> Signing::refused(Timestamp now) const {
  std::vector<RefusedOriginInfo> infos;
  for (const auto& [key, one] : refused_)
    infos.push_back({key.first, key.second, one.peer, one.count, to_seconds(now - one.at)});
  return infos;
}

bool Signing::wait(Slot from, frame::Gossip gossip, Timestamp now) {
  const std::uint64_t bytes = gossip.payload.size();
  if (waiting_.size() >= kWaitingMax || waiting_bytes_ + bytes > kWaitingBytesMax) return false;
  waiting_bytes_ += bytes;
  waiting_.push_back({from, now + kKeyWait, std::move(gossip)});
  return true;
}

template <class Take>
std::deque<Signing::Waiting> Signing::take_if(Take take) {
  std::deque<Waiting> taken, left;
  for (Waiting& one : waiting_) {
    const bool goes = take(one);
    if (goes) waiting_bytes_ -= one.gossip.payload.size();
    (goes ? taken : left).push_back(std::move(one));
  }
  waiting_ = std::move(left);
  return taken;
}

std::deque<Signing::Waiting> Signing::take_waiting(std::string_view name) {
  if (waiting_.empty()) return {};
  return take_if([name](const Waiting& one) { return one.gossip.origin == name; });
}

std::deque<Signing::Waiting> Signing::take_expired(Timestamp now) {
  return take_if([now](const Waiting& one) { return one.until <= now; });
}

void Signing::link_down(Slot slot) {
  if (!waiting_.empty()) (void)take_if([slot](const Waiting& one) { return one.from == slot; });
}

}  // namespace plumvine::tree
