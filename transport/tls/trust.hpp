#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <plumvine/time.hpp>

#include "credentials.hpp"

namespace plumvine::tls {

/// Whom a node trusts over the change of its files: the credentials in use, and for a while the CAs of those before.
class Trust {
 public:
  explicit Trust(std::shared_ptr<const Credentials> first) : current_(std::move(first)) {}

  /// `next` is used from now on; the CAs before it stay good until `until`.
  void replace(std::shared_ptr<const Credentials> next, Timestamp now, Timestamp until);
  /// Forgets CAs whose time is over. True: there was one, and who is connected by it is to be judged again.
  bool expire(Timestamp now);
  /// When that is due next.
  [[nodiscard]] Timestamp next_expiry() const;

  [[nodiscard]] const std::shared_ptr<const Credentials>& current() const noexcept { return current_; }
  /// By the newest CAs, else by those that are on their way out.
  [[nodiscard]] Judgement judge(const std::vector<std::string>& chain_der, Role role) const;

 private:
  /// Changes in a row that are all remembered.
  static constexpr std::size_t kOlderMax = 4;
  std::shared_ptr<const Credentials> current_;
  std::vector<std::pair<std::shared_ptr<const Credentials>, Timestamp>> older_;
};

}  // namespace plumvine::tls
