#include "network.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

namespace netns {
namespace {

std::string reason(const char* what) { return fmt::format("{}: {}", what, std::strerror(errno)); }

constexpr const char* kRouter = "10.77.255.254";

/// Lets packets pass from one interface of this namespace to another.
bool forward() {
  FILE* file = std::fopen("/proc/sys/net/ipv4/ip_forward", "w");
  if (file == nullptr) return false;
  const bool written = std::fputs("1", file) >= 0;
  return std::fclose(file) == 0 && written;
}

/// Gives the lines to a command of iproute2 in one call.
bool batch(const char* command, const std::string& lines) {
  FILE* pipe = ::popen(command, "w");
  if (pipe == nullptr) return false;
  std::fwrite(lines.data(), 1, lines.size(), pipe);
  return ::pclose(pipe) == 0;
}

/// A filter that drops at random: the kernel here may have no netem, and this needs none. It loads a random number and
/// compares it.
std::string loss_filter(const std::string& device, double percent) {
  constexpr std::uint32_t kRandom = 0xfffff000 + 56;  // SKF_AD_OFF + SKF_AD_RANDOM
  const auto limit = static_cast<std::uint32_t>(percent / 100 * 4294967295.0);
  return fmt::format(
      "qdisc add dev {0} ingress\n"
      "filter add dev {0} ingress bpf da bytecode \"4,32 0 0 {1},37 1 0 {2},6 0 0 2,6 0 0 0\"\n",
      device, kRandom, limit);
}

}  // namespace

std::string Network::address(std::size_t i) { return fmt::format("10.77.{}.{}", i / 250, i % 250 + 1); }

Network::~Network() {
  for (const int fd : inside_) ::close(fd);
  if (outside_ >= 0) ::close(outside_);
}

std::string Network::make(std::size_t nodes, double loss) {
  if (::unshare(CLONE_NEWNET) != 0) return reason("no network namespace can be made");
  outside_ = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (outside_ < 0) return reason("/proc/self/ns/net");
  for (std::size_t i = 0; i < nodes; ++i) {
    if (::unshare(CLONE_NEWNET) != 0) return reason("no network namespace can be made");
    const int fd = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return reason("/proc/self/ns/net");
    inside_.push_back(fd);
  }
  leave();
  if (!forward()) return reason("/proc/sys/net/ipv4/ip_forward");
  std::string wires = "link set lo up\n";
  std::string losses;
  for (std::size_t i = 0; i < nodes; ++i) {
    wires += fmt::format(
        "link add v{0} type veth peer name eth0 netns /proc/{1}/fd/{2}\n"
        "addr add {3}/32 dev v{0}\nlink set v{0} up\nroute add {4}/32 dev v{0}\n",
        i, ::getpid(), inside_[i], kRouter, address(i));
    losses += loss_filter(fmt::format("v{}", i), loss);
  }
  if (!batch("ip -batch -", wires)) return "iproute2 cannot make veth pairs";
  if (loss > 0 && !batch("tc -batch -", losses)) return "tc cannot drop packets: the kernel has no cls_bpf";
  for (std::size_t i = 0; i < nodes; ++i) {
    enter(i);
    const bool set = batch("ip -batch -", fmt::format("link set lo up\naddr add {}/32 dev eth0\nlink set eth0 up\n"
                                                       "route add default via {} dev eth0 onlink\n", address(i), kRouter));
    leave();
    if (!set) return "iproute2 cannot give a node its address";
  }
  return {};
}

bool Network::cut(std::size_t first) const {
  const auto range = [](std::size_t from, std::size_t to) { return address(from) + "-" + address(to - 1); };
  const std::string here = range(0, first), there = range(first, inside_.size());
  return batch("nft -f -", fmt::format("table ip cut {{\n chain forward {{\n  type filter hook forward priority 0;\n"
                                       "  ip saddr {0} ip daddr {1} drop\n  ip saddr {1} ip daddr {0} drop\n }}\n}}\n", here, there));
}

bool Network::heal() const { return batch("nft -f -", "delete table ip cut\n"); }

void Network::enter(std::size_t i) const {
  if (::setns(inside_[i], CLONE_NEWNET) != 0) std::abort();
}
void Network::leave() const {
  if (::setns(outside_, CLONE_NEWNET) != 0) std::abort();
}

}  // namespace netns
