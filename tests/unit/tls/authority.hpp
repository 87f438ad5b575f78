#pragma once

#include <ctime>
#include <string>

#include "support/pch.hpp"
#include "transport/tls/credentials.hpp"
#include "transport/tls/dev_ca.hpp"

/// Certificates for tests, made as they are needed.
namespace plumvine::test {

inline std::int64_t wall_s() { return static_cast<std::int64_t>(std::time(nullptr)); }
inline constexpr std::int64_t kHour = 3600;

struct Authority {
  tls::DevCa ca;
  explicit Authority(const std::string& name = "test CA") : ca(*tls::DevCa::create(name, wall_s() - kHour, wall_s() + 100 * kHour)) {}

  [[nodiscard]] tls::Issued issue(const std::string& name, const std::string& label = {}, std::int64_t from = -kHour, std::int64_t until = 24 * kHour) const {
    auto issued = ca.issue({.name = name, .label = label, .from_s = wall_s() + from, .until_s = wall_s() + until});
    REQUIRE(issued);
    return *issued;
  }
  /// What the files of a member hold.
  [[nodiscard]] tls::PemTexts pem(const std::string& name, const std::string& label = {}) const {
    const tls::Issued own = issue(name, label);
    return {own.cert, own.key, ca.own().cert};
  }
  [[nodiscard]] std::shared_ptr<const tls::Credentials> credentials(const std::string& name, const std::string& label = {}) const {
    auto loaded = tls::Credentials::load(pem(name, label), {name, label});
    if (!loaded) FAIL(loaded.error().message);
    return *loaded;
  }
};

}  // namespace plumvine::test
