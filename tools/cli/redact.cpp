#include "redact.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <optional>

#include <fmt/format.h>

namespace plumvine::cli {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
/// A letter, a digit, or a byte of a longer character.
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

std::string small(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// An IPv4 address in canonical form; leading zeros are read as other programs write them.
std::optional<std::string> ipv4(std::string_view text, char separator) {
  std::string out;
  std::size_t at = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at >= text.size() || text[at++] != separator)) return std::nullopt;
    unsigned value = 0;
    const std::size_t first = at;
    while (at < text.size() && is_digit(text[at]) && at - first < 3) value = value * 10 + static_cast<unsigned>(text[at++] - '0');
    if (at == first || value > 255) return std::nullopt;
    out += fmt::format("{}{}", part > 0 ? "." : "", value);
  }
  return at == text.size() ? std::optional(out) : std::nullopt;
}

/// The same of IPv6; a mapped IPv4 address is that one.
std::optional<std::string> ipv6(std::string_view text) {
  in6_addr raw{};
  if (inet_pton(AF_INET6, std::string(text).c_str(), &raw) != 1) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (IN6_IS_ADDR_V4MAPPED(&raw)) {
    inet_ntop(AF_INET, &raw.s6_addr[12], out.data(), out.size());
  } else {
    inet_ntop(AF_INET6, &raw, out.data(), out.size());
  }
  return std::string(out.data());
}

bool names_a_host(std::string_view canonical) { return canonical != "0.0.0.0" && canonical != "::"; }

struct Found {
  std::string canonical;
  std::size_t size = 0;
};

/// More numbers behind an address, as in the name `n25.10.99.0.25`: which four of them are the address nobody knows, so all go; the last four name it.
Found with_rest(std::string_view in, std::size_t at, char separator, Found found) {
  std::size_t end = at + found.size, last = at;
  while (end + 1 < in.size() && in[end] == separator && is_digit(in[end + 1])) {
    last = in.find(separator, last) + 1;
    for (++end; end < in.size() && is_digit(in[end]);) ++end;
  }
  if (auto longer = ipv4(in.substr(last, end - last), separator)) found.canonical = std::move(*longer);
  found.size = end - at;
  return found;
}

/// An IPv4 address that begins at `at`; the longest there.
std::optional<Found> ipv4_at(std::string_view in, std::size_t at, char separator) {
  if (!is_digit(in[at]) || (at > 0 && is_digit(in[at - 1]))) return std::nullopt;
  for (std::size_t size = std::min<std::size_t>(15, in.size() - at); size >= 7; --size) {
    if (at + size < in.size() && is_digit(in[at + size])) continue;
    if (auto found = ipv4(in.substr(at, size), separator)) return with_rest(in, at, separator, Found{std::move(*found), size});
  }
  return std::nullopt;
}

std::optional<Found> ipv6_at(std::string_view in, std::size_t at) {
  if ((!is_hex(in[at]) && in[at] != ':') || (at > 0 && (is_word(in[at - 1]) || in[at - 1] == ':'))) return std::nullopt;
  std::size_t end = at, colons = 0;
  while (end < in.size() && end - at < INET6_ADDRSTRLEN && (is_hex(in[end]) || in[end] == ':' || in[end] == '.')) colons += in[end++] == ':' ? 1 : 0;
  if (colons < 2) return std::nullopt;
  for (; end - at >= 2; --end) {
    if (end < in.size() && is_word(in[end]) && in[end - 1] != ':') continue;
    auto found = ipv6(in.substr(at, end - at));
    if (!found) continue;
    // A zone belongs to it, and names an interface.
    if (end < in.size() && in[end] == '%')
      for (++end; end < in.size() && is_word(in[end]);) ++end;
    return Found{std::move(*found), end - at};
  }
  return std::nullopt;
}

}  // namespace

void Redactor::know_host(std::string_view name) {
  if (name.empty() || small(name) == "localhost" || ipv4(name, '.') || ipv6(name)) return;
  hosts_.try_emplace(small(name), fmt::format("host-{}", hosts_.size() + 1));
}

std::string Redactor::address(std::string_view canonical) {
  return addresses_.try_emplace(std::string(canonical), fmt::format("addr-{}", addresses_.size() + 1)).first->second;
}

std::string Redactor::text(std::string_view in) {
  std::string out;
  out.reserve(in.size());
  for (std::size_t at = 0; at < in.size();) {
    auto found = ipv6_at(in, at);
    if (!found) found = ipv4_at(in, at, '.');
    // Some clouds name their machines ip-10-0-0-1.
    if (!found) found = ipv4_at(in, at, '-');
    if (!found) {
      out += in[at++];
      continue;
    }
    out += names_a_host(found->canonical) ? address(found->canonical) : std::string(in.substr(at, found->size));
    at += found->size;
  }
  return hosts_.empty() ? out : without_hosts(out);
}

std::string Redactor::without_hosts(std::string_view in) const {
  const auto in_name = [](char c) { return is_word(c) || c == '-'; };
  std::string out;
  out.reserve(in.size());
  const std::string low = small(in);
  for (std::size_t at = 0; at < in.size();) {
    const bool starts = at == 0 || !in_name(low[at - 1]);
    std::string_view longest, pseudonym;
    if (starts) {
      for (const auto& [host, name] : hosts_) {
        const bool fits = low.compare(at, host.size(), host) == 0 && (at + host.size() == low.size() || !in_name(low[at + host.size()]));
        if (fits && host.size() > longest.size()) longest = host, pseudonym = name;
      }
    }
    if (longest.empty()) {
      out += in[at++];
      continue;
    }
    out += pseudonym;
    at += longest.size();
  }
  return out;
}

}  // namespace plumvine::cli
