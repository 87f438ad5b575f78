#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumvine::tls {

/// Whom a certificate names: what its subject alternative names say of clusters and members.
struct Names {
  struct Member {
    std::string label;
    std::string name;
  };
  std::vector<Member> members;    ///< of `URI:plumvine://LABEL/NAME`
  std::vector<std::string> hosts; ///< of `DNS:NAME`
};

/// `plumvine://LABEL/NAME`; bytes outside [A-Za-z0-9._~-] are percent-encoded.
std::string member_uri(std::string_view label, std::string_view name);
/// The reverse; nothing for any other text, and for one without label or name.
std::optional<Names::Member> parse_member_uri(std::string_view uri);

/// The names that a certificate allows its holder in the cluster with this label: those of its URIs with the label, or its
/// DNS names where the cluster has none. Empty: it is not of this cluster.
std::vector<std::string> names_in(const Names& names, std::string_view label);

/// For messages: everything that a certificate names, `member a of cluster x, host b`; escaped, and cut after a few.
std::string describe(const Names& names);

}  // namespace plumvine::tls
