#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace plumvine::cli {

/// Takes addresses out of texts: IPv4 and IPv6 addresses become `addr-1`, `addr-2` …, names of hosts `host-1` …, the same one the same
/// everywhere. Addresses of no host (`0.0.0.0`, `::`) stay. In case of doubt something is taken out.
///
/// Names of members stay, unless an address or the name of a known host is in them.
class Redactor {
 public:
  /// A name that is a host's. What is an address, or `localhost`, is none.
  void know_host(std::string_view name);
  std::string text(std::string_view in);
  /// How many different ones were taken out.
  [[nodiscard]] std::size_t addresses() const noexcept { return addresses_.size(); }
  [[nodiscard]] std::size_t hosts() const noexcept { return hosts_.size(); }

 private:
  std::string address(std::string_view canonical);
  std::string without_hosts(std::string_view in) const;

  std::map<std::string, std::string, std::less<>> addresses_;  ///< by their canonical form
  std::map<std::string, std::string, std::less<>> hosts_;      ///< in small letters
};

}  // namespace plumvine::cli
