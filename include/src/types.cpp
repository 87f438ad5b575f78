#include <plumvine/types.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace plumvine {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

template <class T>
bool parse_number(std::string_view text, T& out, int base = 10) {
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out, base);
  return error == std::errc{} && stop == end && !text.empty();
}

bool parse_address(std::string_view text, std::array<std::uint8_t, 16>& out) {
  const std::string copy(text);
  if (in_addr v4{}; inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), out.begin());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&v4);
    std::copy(bytes, bytes + 4, out.begin() + 12);
    return true;
  }
  return inet_pton(AF_INET6, copy.c_str(), out.data()) == 1;
}

}  // namespace

std::string to_string(InstanceId instance) { return fmt::format("{:016x}", static_cast<std::uint64_t>(instance)); }

std::string to_string(const MessageId& id) { return fmt::format("{}-{}", to_string(id.origin), id.sequence); }

Result<InstanceId> parse_instance(std::string_view text) {
  std::uint64_t value = 0;
  const bool lower = std::all_of(text.begin(), text.end(),
                                 [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (text.size() != 16 || !lower || !parse_number(text, value, 16)) {
    return {Errc::invalid_argument, fmt::format("'{}' is not an instance: 16 lower-case hex digits", text)};
  }
  return InstanceId{value};
}

Result<MessageId> parse_message_id(std::string_view text) {
  const auto dash = text.find('-');
  Sequence sequence = 0;
  if (dash != std::string_view::npos && parse_number(text.substr(dash + 1), sequence) && sequence > 0) {
    if (auto origin = parse_instance(text.substr(0, dash))) return MessageId{*origin, sequence};
  }
  return {Errc::invalid_argument, fmt::format("'{}' is not a message id: INSTANCE-SEQ", text)};
}

bool Endpoint::is_v4() const noexcept { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin()); }

bool Endpoint::is_unspecified() const noexcept {
  const std::size_t from = is_v4() ? 12 : 0;
  return std::all_of(address.begin() + static_cast<std::ptrdiff_t>(from), address.end(), [](auto b) { return b == 0; });
}

bool Endpoint::is_loopback() const noexcept {
  if (is_v4()) return address[12] == 127;
  return std::all_of(address.begin(), address.end() - 1, [](auto b) { return b == 0; }) && address[15] == 1;
}

const char* Endpoint::undiallable() const noexcept {
  if (is_unspecified()) return "a wildcard cannot be dialled";
  const auto& a = address;
  if (is_v4()) {
    if (a[12] == 0) return "an address of \"this network\" (0.0.0.0/8) cannot be dialled";
    if (a[12] >= 224 && a[12] <= 239) return "a multicast address is no member's";
    return a[12] >= 240 ? "a broadcast or reserved address cannot be dialled" : nullptr;
  }
  if (a[0] == 0xff) return "a multicast address is no member's";
  const bool link_local = a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
  return link_local ? "a link-local IPv6 address means nothing without an interface, and messages carry none" : nullptr;
}

std::string Endpoint::host() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    inet_ntop(AF_INET, address.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, address.data(), text, sizeof text);
  }
  return text;
}

std::string Endpoint::to_string() const {
  return is_v4() ? fmt::format("{}:{}", host(), port) : fmt::format("[{}]:{}", host(), port);
}

Bytes Endpoint::raw() const {
  const std::size_t from = is_v4() ? 12 : 0;
  return Bytes::copy_of(std::as_bytes(std::span(address)).subspan(from));
}

Result<Endpoint> Endpoint::from_raw(BytesView raw, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.port = port;
  auto* out = reinterpret_cast<std::byte*>(endpoint.address.data());
  if (raw.size() == 4) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), endpoint.address.begin());
    std::copy(raw.begin(), raw.end(), out + 12);
  } else if (raw.size() == 16) {
    std::copy(raw.begin(), raw.end(), out);
  } else {
    return {Errc::malformed, fmt::format("an address has 4 or 16 bytes, not {}", raw.size())};
  }
  return endpoint;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  auto parts = HostPort::parse(text);
  if (!parts) return parts.error();
  Endpoint endpoint;
  if (!parts->has_port || parts->srv || !parse_address(parts->host, endpoint.address)) {
    return {Errc::invalid_argument, fmt::format("'{}' is not an address: use IP:PORT or [IPV6]:PORT", text)};
  }
  endpoint.port = parts->port;
  return endpoint;
}

bool Network::contains(const Endpoint& endpoint) const noexcept {
  const auto whole = static_cast<std::ptrdiff_t>(bits / 8);
  if (!std::equal(address.begin(), address.begin() + whole, endpoint.address.begin())) return false;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> (bits % 8));
  return mask == 0 || ((address[bits / 8] ^ endpoint.address[bits / 8]) & mask) == 0;
}

std::string Network::to_string() const {
  const Endpoint first{address, 0};
  return fmt::format("{}/{}", first.host(), first.is_v4() && bits >= 96 ? bits - 96 : bits);
}

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  Network network;
  unsigned bits = 0;
  const std::string_view digits = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const std::string host(text.substr(0, slash));
  const bool v4 = host.find(':') == std::string::npos;
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || bits > (v4 ? 32U : 128U) ||
      !parse_address(host, network.address)) {
    return {Errc::invalid_argument, fmt::format("'{}' is not a network: use ADDRESS/BITS such as 10.0.0.0/8 or fd00::/16", text)};
  }
  network.bits = static_cast<std::uint8_t>(v4 ? bits + 96 : bits);
  for (std::size_t i = 0; i < network.address.size(); ++i) {
    const std::size_t kept = network.bits > 8 * i ? std::min<std::size_t>(8, network.bits - 8 * i) : 0;
    network.address[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
  }
  return network;
}

namespace {

/// Letters, digits, `-`, `.`, `_` (services), and bytes of characters beyond ASCII, which resolvers may know.
bool may_name_a_host(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || c == '-' || c == '.' || c == '_' || byte >= 0x80;
}

}  // namespace

Result<HostPort> HostPort::parse(std::string_view text) {
  const auto bad = [&](std::string_view why) -> Result<HostPort> {
    return {Errc::invalid_argument, fmt::format("'{}' is not HOST[:PORT]: {}", text, why)};
  };
  HostPort out;
  std::string_view rest = text;
  if (rest.starts_with("srv+")) {
    out.srv = true;
    rest.remove_prefix(4);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return bad("the bracket is not closed");
    out.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (out.host.find(':') == std::string::npos) return bad("brackets are for IPv6 addresses");
    if (!rest.empty() && rest.front() != ':') return bad("after the bracket comes :PORT");
    if (!rest.empty()) {
      out.has_port = true;
      port = rest.substr(1);
    }
  } else if (std::count(rest.begin(), rest.end(), ':') == 1) {
    const auto colon = rest.find(':');
    out.host = rest.substr(0, colon);
    out.has_port = true;
    port = rest.substr(colon + 1);
  } else {
    out.host = rest;
  }
  if (out.host.empty()) return bad("the host is empty");
  if (out.host.find(':') != std::string::npos) {
    std::array<std::uint8_t, 16> address{};
    // A zone names an interface of this machine.
    if (!parse_address(out.host.substr(0, out.host.find('%')), address)) return bad("more than one colon, and no IPv6 address");
  } else if (out.host.size() > 255 || !std::all_of(out.host.begin(), out.host.end(), may_name_a_host)) {
    return bad("no such host name");
  }
  if (out.has_port && !parse_number(port, out.port)) return bad("a port is a number from 0 to 65535");
  if (out.srv && out.has_port) return bad("an SRV name brings its own port");
  return out;
}

std::string HostPort::to_string() const {
  const std::string name = host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
  return fmt::format("{}{}{}", srv ? "srv+" : "", name, has_port ? fmt::format(":{}", port) : "");
}

Endpoint Member::endpoint() const {
  auto endpoint = Endpoint::from_raw(address.view(), port);
  return endpoint ? *endpoint : Endpoint{};
}

}  // namespace plumvine
