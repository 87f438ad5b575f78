#include "ports.hpp"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
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

struct Socket {
  Endpoint at;
  std::string inode;
};

/// The sockets in such a table that are in this state: 0A listens (TCP), 07 is bound (UDP).
std::vector<Socket> sockets_in(const std::string& table, std::string_view state) {
  std::vector<Socket> out;
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, status, skipped, inode;
    if (!(words >> slot >> local >> remote >> status)) continue;
    for (int i = 0; i < 5; ++i) words >> skipped;  // queues, timer, retransmits, user, timeout
    if (!(words >> inode) || status != state) continue;
    if (const auto at = address_of(local)) out.push_back({*at, inode});
  }
  return out;
}

std::string comm_of(int pid) {
  std::string name;
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::getline(file, name);
  return name;
}

/// The inodes of all sockets of a process.
std::set<std::string> inodes_of(int pid) {
  constexpr std::string_view kSocket = "socket:[";
  std::set<std::string> out;
  std::error_code hidden;
  for (fs::directory_iterator it(fmt::format("/proc/{}/fd", pid), hidden), end; !hidden && it != end; it.increment(hidden)) {
    std::error_code gone;
    const std::string target = fs::read_symlink(it->path(), gone).string();
    if (target.starts_with(kSocket)) out.insert(target.substr(kSocket.size(), target.size() - kSocket.size() - 1));
  }
  return out;
}

/// Whose descriptor the socket with this inode is; 0: nobody's that this user may look at.
int process_of(const std::string& inode) {
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    int pid = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc{} && stop == name.data() + name.size() && inodes_of(pid).contains(inode)) return pid;
  }
  return 0;
}

void add_from(const char* table, const char* protocol, const char* state, const Endpoint& wanted, std::vector<Holder>& out) {
  for (const auto& [at, inode] : sockets_in(table, state)) {
    if (at.port != wanted.port) continue;
    if (!at.is_unspecified() && !wanted.is_unspecified() && at.host() != wanted.host()) continue;
    const int pid = process_of(inode);
    out.push_back({protocol, at.to_string(), pid, pid == 0 ? "a process that this user may not look at" : fmt::format("pid {} ({})", pid, comm_of(pid))});
  }
}

}  // namespace

std::optional<LocalAgent> local_agent(int pid) {
  if (pid == 0 || comm_of(pid) != "plumvined") return std::nullopt;
  LocalAgent out{.pid = pid};
  std::string about;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::getline(file, about);
  const auto name_ends = about.rfind(')');  // `4711 (plumvined) T …`
  const char state = name_ends != std::string::npos && name_ends + 2 < about.size() ? about[name_ends + 2] : '?';
  out.stopped = state == 'T' || state == 't';
  // Its own view of the network: it may run in another namespace.
  const auto inodes = inodes_of(pid);
  std::set<std::uint16_t> packets;
  for (const char* table : {"udp", "udp6"})
    for (const Socket& socket : sockets_in(fmt::format("/proc/{}/net/{}", pid, table), "07"))
      if (inodes.contains(socket.inode)) packets.insert(socket.at.port);
  for (const char* table : {"tcp", "tcp6"})
    for (const Socket& socket : sockets_in(fmt::format("/proc/{}/net/{}", pid, table), "0A"))
      if (inodes.contains(socket.inode) && !packets.contains(socket.at.port)) out.http.push_back(socket.at);
  return out;
}

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
