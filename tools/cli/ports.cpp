#include "ports.hpp"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

namespace plumvine::cli {
namespace {

namespace fs = std::filesystem;

/// `0100007F:1F90` or its IPv6 form: words in the byte order of the machine.
std::optional<Endpoint> address_of(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || (colon != 8 && colon != 32)) return std::nullopt;
  std::vector<std::byte> raw(colon / 2);
  for (std::size_t word = 0; word < colon / 8; ++word) {
    std::uint32_t value = 0;
    const auto digits = text.substr(word * 8, 8);
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value, 16).ec != std::errc{}) return std::nullopt;
    std::memcpy(raw.data() + word * 4, &value, 4);
  }
  std::uint16_t port = 0;
  const auto digits = text.substr(colon + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), port, 16).ec != std::errc{}) return std::nullopt;
  auto made = Endpoint::from_raw(BytesView(raw.data(), raw.size()), port);
  return made ? std::optional(*made) : std::nullopt;
}

/// Whose descriptor the socket with this inode is.
std::string process_of(const std::string& inode) {
  const std::string wanted = "socket:[" + inode + "]";
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    const std::string pid = process.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code hidden;
    for (const auto& descriptor : fs::directory_iterator(process.path() / "fd", hidden)) {
      std::error_code gone;
      if (fs::read_symlink(descriptor.path(), gone).string() != wanted) continue;
      std::string name;
      std::getline(std::ifstream(process.path() / "comm"), name);
      return fmt::format("pid {} ({})", pid, name);
    }
  }
  return "a process that this user may not look at";
}

void add_from(const char* table, const char* protocol, const char* state, const Endpoint& wanted, std::vector<Holder>& out) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, status, skipped, inode;
    if (!(words >> slot >> local >> remote >> status)) continue;
    for (int i = 0; i < 5; ++i) words >> skipped;  // queues, timer, retransmits, user, timeout
    if (!(words >> inode) || status != state) continue;
    const auto at = address_of(local);
    if (!at || at->port != wanted.port) continue;
    if (!at->is_unspecified() && !wanted.is_unspecified() && at->host() != wanted.host()) continue;
    out.push_back({protocol, at->to_string(), process_of(inode)});
  }
}

}  // namespace

std::vector<Holder> holders_of(const Endpoint& address, bool udp_too) {
  std::vector<Holder> out;
  add_from("/proc/net/tcp", "tcp", "0A", address, out);
  add_from("/proc/net/tcp6", "tcp", "0A", address, out);
  if (udp_too) {
    add_from("/proc/net/udp", "udp", "07", address, out);
    add_from("/proc/net/udp6", "udp", "07", address, out);
  }
  return out;
}

}  // namespace plumvine::cli
