#include "identity.hpp"

#include <fmt/format.h>

namespace plumvine::tls {
namespace {

constexpr std::string_view kScheme = "plumvine://";
constexpr std::size_t kDescribedMax = 4;

bool unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~' || c == '-';
}

std::string encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (unreserved(c)) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!unreserved(text[i])) return std::nullopt;
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::string member_uri(std::string_view label, std::string_view name) {
  return std::string(kScheme) + encode(label) + "/" + encode(name);
}

std::optional<Names::Member> parse_member_uri(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const auto slash = uri.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto label = decode(uri.substr(0, slash));
  auto name = decode(uri.substr(slash + 1));
  if (!label || !name || label->empty() || name->empty()) return std::nullopt;
  return Names::Member{std::move(*label), std::move(*name)};
}

std::vector<std::string> names_in(const Names& names, std::string_view label) {
  if (label.empty()) return names.hosts;
  std::vector<std::string> found;
  for (const Names::Member& member : names.members)
    if (member.label == label) found.push_back(member.name);
  return found;
}

std::string describe(const Names& names) {
  std::vector<std::string> parts;
  for (const Names::Member& member : names.members) parts.push_back("member " + encode(member.name) + " of cluster " + encode(member.label));
  for (const std::string& host : names.hosts) parts.push_back("host " + encode(host));
  if (parts.empty()) return "nobody";
  std::string out;
  for (std::size_t i = 0; i < parts.size() && i < kDescribedMax; ++i) out += (i == 0 ? "" : ", ") + parts[i];
  if (parts.size() > kDescribedMax) out += fmt::format(" and {} more", parts.size() - kDescribedMax);
  return out;
}

}  // namespace plumvine::tls
