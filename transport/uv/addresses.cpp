#include "addresses.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "socket.hpp"

namespace plumvine::uv {
namespace {

constexpr std::uint16_t kDefaultPort = 7946;

enum class Scope { loopback, link_local, shared, global };

Scope scope_of(const Endpoint& endpoint) {
  const auto& a = endpoint.address;
  if (endpoint.is_loopback()) return Scope::loopback;
  if (endpoint.is_v4()) {
    const std::uint8_t first = a[12], second = a[13];
    if (first == 169 && second == 254) return Scope::link_local;
    // RFC 1918, and RFC 6598 for networks of carriers.
    const bool is_private = first == 10 || (first == 172 && (second & 0xf0) == 16) || (first == 192 && second == 168) ||
                            (first == 100 && (second & 0xc0) == 64);
    return is_private ? Scope::shared : Scope::global;
  }
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return Scope::link_local;
  return (a[0] & 0xfe) == 0xfc ? Scope::shared : Scope::global;  // RFC 4193
}

/// The source address of the default route: a connected datagram socket sends nothing.
std::optional<Endpoint> route_source(std::string_view destination) {
  const auto to = Endpoint::parse(destination);
  if (!to) return std::nullopt;
  const int family = to->is_v4() ? AF_INET : AF_INET6;
  const Fd fd{socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const SockAddr address = to_sockaddr(*to, family);
  if (!fd || connect(fd.get(), address.get(), address.size) != 0) return std::nullopt;
  const Endpoint source = local_endpoint(fd.get());
  const Scope scope = scope_of(source);
  if (source.is_unspecified() || scope == Scope::loopback || scope == Scope::link_local) return std::nullopt;
  return source;
}

std::vector<Endpoint> interface_addresses() {
  std::vector<Endpoint> out;
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) return out;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list{raw, &freeifaddrs};
  for (const ifaddrs* entry = raw; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    if (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6)
      out.push_back(to_endpoint(entry->ifa_addr));
  }
  std::stable_partition(out.begin(), out.end(), [](const Endpoint& e) { return e.is_v4(); });
  return out;
}

Advertised choose_for_wildcard(bool v6_too) {
  // Documentation prefixes (RFC 5737, RFC 3849): nobody has a more specific route to them.
  if (auto source = route_source("192.0.2.1:9")) return {*source, "source address of the default IPv4 route"};
  if (v6_too)
    if (auto source = route_source("[2001:db8::1]:9")) return {*source, "source address of the default IPv6 route"};
  const auto addresses = interface_addresses();
  for (const Scope wanted : {Scope::shared, Scope::global}) {
    for (Endpoint endpoint : addresses) {
      if (scope_of(endpoint) != wanted || (!endpoint.is_v4() && !v6_too)) continue;
      return {endpoint, wanted == Scope::shared ? "no default route, a private address of an interface"
                                                : "no default route, a global address of an interface"};
    }
  }
  Endpoint loopback = *Endpoint::parse("127.0.0.1:0");
  return {loopback, "this host has no address but loopback, only local members can reach it"};
}

/// RFC 5737, RFC 3849.
bool is_documentation(const Endpoint& endpoint) {
  const auto& a = endpoint.address;
  if (!endpoint.is_v4()) return a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8;
  const auto starts = [&](std::uint8_t first, std::uint8_t second, std::uint8_t third) { return a[12] == first && a[13] == second && a[14] == third; };
  return starts(192, 0, 2) || starts(198, 51, 100) || starts(203, 0, 113);
}

/// Why others cannot dial what is configured; null where they may.
const char* why_unreachable(const Endpoint& advertised, const Endpoint& bound) {
  if (const char* why = advertised.undiallable()) return why;
  if (advertised.is_v4() && !bound.is_v4() && !bound.is_unspecified()) return "it is IPv4, but what is bound takes IPv6 alone";
  if (!advertised.is_v4() && bound.is_v4()) return "it is IPv6, but what is bound takes IPv4 alone";
  if (!is_documentation(advertised)) return nullptr;
  const auto own = interface_addresses();
  const bool ours = std::any_of(own.begin(), own.end(), [&](const Endpoint& e) { return e.address == advertised.address; });
  return ours ? nullptr : "it is of a network for documentation (RFC 5737, RFC 3849), which nothing routes";
}

}  // namespace

bool ipv6_available() {
  const auto addresses = interface_addresses();
  return std::any_of(addresses.begin(), addresses.end(), [](const Endpoint& e) { return !e.is_v4(); });
}

std::string loopback_warning(const Endpoint& advertised, const std::vector<std::string>& seeds) {
  if (!advertised.is_loopback()) return {};
  for (const std::string& seed : seeds) {
    const auto parsed = HostPort::parse(seed);
    if (!parsed || parsed->srv) continue;
    const auto address = Endpoint::parse((parsed->host.find(':') == std::string::npos ? parsed->host : '[' + parsed->host + ']') + ":1");
    if (!address || address->is_loopback() || address->is_unspecified()) continue;
    return "Advertising the loopback address " + advertised.to_string() + " although the seed " + seed +
           " is elsewhere: members on other hosts cannot dial this one. Set advertise to an address of this host";
  }
  return {};
}

Result<Endpoint> bind_address(const std::string& configured) {
  if (configured.empty()) {
    Endpoint any;
    any.port = kDefaultPort;
    if (!ipv6_available()) any.address[10] = any.address[11] = 0xff;
    return any;
  }
  auto found = resolve_local(configured);
  if (!found) return found.error().with("bind");
  return found->front();
}

Result<Advertised> choose_advertised(const std::string& configured, const Endpoint& bound) {
  if (!configured.empty()) {
    auto parsed = HostPort::parse(configured);
    if (!parsed) return parsed.error().with("advertise");
    if (!parsed->has_port || parsed->port == 0) {
      parsed->port = bound.port;
      parsed->has_port = true;
    }
    auto found = resolve_local(parsed->to_string());
    if (!found) return found.error().with("advertise");
    if (const char* why = why_unreachable(found->front(), bound))
      return Error{Errc::invalid_argument, std::string(why) + ", give another address of this host"}.with("advertise: " + configured);
    return Advertised{found->front(), "as configured"};
  }
  if (!bound.is_unspecified()) {
    if (const char* why = bound.undiallable())
      return Error{Errc::invalid_argument, std::string(why) + ", give another address of this host as advertise"}.with("bind: " + bound.to_string());
    return Advertised{bound, "the bound address"};
  }
  Advertised chosen = choose_for_wildcard(!bound.is_v4());
  chosen.endpoint.port = bound.port;
  return chosen;
}

}  // namespace plumvine::uv
