#include "trust.hpp"

#include <algorithm>

namespace plumvine::tls {

void Trust::replace(std::shared_ptr<const Credentials> next, Timestamp now, Timestamp until) {
  const bool other_cas = next->ca_fingerprint() != current_->ca_fingerprint();
  if (other_cas && until > now) {
    if (older_.size() == kOlderMax) older_.erase(older_.begin());
    older_.emplace_back(current_, until);
  }
  current_ = std::move(next);
}

bool Trust::expire(Timestamp now) {
  return std::erase_if(older_, [now](const auto& entry) { return entry.second <= now; }) > 0;
}

Timestamp Trust::next_expiry() const {
  Timestamp next = kNever;
  for (const auto& [credentials, until] : older_) next = std::min(next, until);
  return next;
}

Judgement Trust::judge(const std::vector<std::string>& chain_der, Role role) const {
  Judgement judgement = current_->judge(chain_der, role);
  for (auto it = older_.rbegin(); it != older_.rend() && judgement.why == TlsReject::unknown_ca; ++it) {
    Judgement second = it->first->judge(chain_der, role);
    if (second.why == TlsReject::unknown_ca) continue;
    second.by_older_ca = second.good();
    return second;
  }
  return judgement;
}

}  // namespace plumvine::tls
