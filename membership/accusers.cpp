#include "accusers.hpp"

#include <algorithm>

namespace plumvine::swim {

namespace {
constexpr Duration kShown = std::chrono::minutes{10};
}

bool Accusers::note(std::string_view accuser, std::string_view accused, std::size_t members, Timestamp now, bool excused) {
  auto it = accusers_.find(accuser);
  if (it == accusers_.end()) {
    if (accusers_.size() >= kAccusersMax) {
      accusers_.erase(std::min_element(accusers_.begin(), accusers_.end(),
                                       [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
    }
    it = accusers_.emplace(std::string(accuser), Accuser{}).first;
    it->second.began = now;
  }
  Accuser& entry = it->second;
  if (now - entry.began > kWindow) {
    entry.began = now;
    entry.accused.clear();
    entry.too_many = false;
  }
  entry.last = now;
  if (entry.accused.size() < kAccusedMax && entry.accused.find(accused) == entry.accused.end()) entry.accused.emplace(accused);
  if (entry.accused.size() > most(members)) entry.too_many = true;
  if (!entry.too_many) return true;
  if (excused) return false;
  entry.most = entry.accused.size();
  entry.doubted_at = now;
  ++entry.doubted;
  return false;
}

void Accusers::found(std::string_view accused, std::size_t members) {
  for (auto& [name, entry] : accusers_) {
    const auto it = entry.accused.find(accused);
    if (it == entry.accused.end()) continue;
    entry.accused.erase(it);
    entry.too_many = entry.accused.size() > most(members);
  }
}

bool Accusers::is_doubted(std::string_view accuser, Timestamp now) const {
  const auto it = accusers_.find(accuser);
  return it != accusers_.end() && it->second.too_many && now - it->second.began <= kWindow;
}

std::vector<AccuserInfo> Accusers::infos(Timestamp now) const {
  std::vector<AccuserInfo> infos;
  for (const auto& [name, entry] : accusers_) {
    if (entry.doubted == 0 || now - entry.doubted_at > kShown) continue;
    infos.push_back({name, entry.most, entry.doubted, to_seconds(now - entry.doubted_at)});
  }
  return infos;
}

}  // namespace plumvine::swim
